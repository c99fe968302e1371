"""What a tree of text files is made of, where nothing is computed before it is read."""

from __future__ import annotations

from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Node: TypeAlias = "File | Folder"
    Content: TypeAlias = str | bytes


class File:
    """Something to read, to write, or both.

    Args:
        read: gives the content; None if it can only be written.
        write: takes a content; None if it can only be read.
        is_shown: whether who prints a whole tree may read it: it costs nothing, changes nothing and is no secret.
    """

    __slots__ = ("is_shown", "read", "write")

    def __init__(
        self,
        read: Callable[[], Content] | None,
        write: Callable[[Content], None] | None = None,
        *,
        is_shown: bool = True,
    ) -> None:
        self.read = read
        self.write = write
        self.is_shown = is_shown and read is not None


class Folder:
    """Names and what is under them, asked for anew each time.

    Args:
        entries: gives what is in it at this moment.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: Callable[[], Mapping[str, Node]]) -> None:
        self.entries = entries


def value(content: object) -> File:
    """A file with a content that is known already, a number say."""
    return File(lambda: str(content))


def as_name(text: str) -> str:
    """A text as the name of one entry: as in the kernel's sysfs, `!` stands for a slash."""
    return text.replace("/", "!")


def as_text(content: Content) -> str:
    """What was written to a file that takes a word or a line.

    Raises:
        UsageError: it is no text in ASCII.
    """
    try:
        return (content if isinstance(content, str) else bytes(content).decode("ascii")).strip()
    except UnicodeDecodeError:
        raise UsageError("what was written is no text in ASCII") from None


def find(root: Folder, path: str) -> Node:
    """What a path leads to; slashes at its ends, and doubled ones, mean nothing.

    Raises:
        UsageError: nothing; the message tells what there is instead.
    """
    node: Node = root
    seen: list[str] = []
    for word in filter(None, path.split("/")):
        if isinstance(node, File):
            raise UsageError(f"{'/'.join(seen)} is a file, and {path!r} leads into it")
        entries = node.entries()
        if word not in entries:
            there = ", ".join(entries) or "nothing"
            raise UsageError(f"{'/'.join(seen) or 'the tree'} has no {word!r}; it has {there}")
        node = entries[word]
        seen.append(word)
    return node


def walk(folder: Folder, prefix: str = "") -> Iterator[tuple[str, File]]:
    """Every file under a folder with its path, in the order of the listings."""
    for name, node in folder.entries().items():
        if isinstance(node, File):
            yield prefix + name, node
        else:
            yield from walk(node, f"{prefix}{name}/")
