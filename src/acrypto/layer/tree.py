"""The layer as a tree of files: what it is doing, a few switches, and work to be done.

Names follow the old layer's sysfs. Nothing is computed before it is listed or read; lists have one row a line, their
columns separated by a blank.

    devices/index                the names of all devices; "No devices registered yet." if there is none
    devices/NAME/
        name, number, engine, workers, why
        state                    written: `drain`, `quarantine [REASON]`, `readmit`, `break`
        sessions                 requests in its hands
        sstarted, scompleted, sfinished      started; ended by the engine, well or not; told to whoever asked
        pool_failed              results that found no unused memory in the pool; it is the layer's: the same everywhere
        kmem_failed              always 0: memory that the system refuses ends the process
        queue/...                what its queue holds, and its budget
        statistics/...           64-bit counters since it was opened
        latency/queue_ns, latency/run_ns     from that many nanoseconds on: how often
    lbs                          every balancer, `[current]` and `(default)`; written: the next current one
    balancers/NAME/current, default          1 or 0
    algorithms/NAME/             a slash in a name is shown as `!`
        kind
        offers                   driver, device, priority, self-test
        DEVICE/completed, failed, bytes_in, bytes_out, busy_ns
    requests                     all of all devices: number, device, algorithm, direction, priority, client,
                                 queued or waiting behind the budget, bytes
    pool/idle_bytes, misses, lingering
    fallbacks                    how often, and why work went elsewhere than first meant
    costs                        device, algorithm, direction, from bytes, ns, gap ns, samples
    sessions/NAME/               made by `make`; see `session`
        operation, algorithm     written first
        key, iv, ad, tag, src    bytes; written then
        level, tag_len, priority, device, size
        dst                      reading it runs the work, waits for it and gives bytes
        completion, status       which device ran it, and why there
"""

from __future__ import annotations

from acrypto.layer.files import File, Folder, find, walk
from acrypto.layer.session import Session
from acrypto.layer.state import State
from acrypto.model.errors import UsageError
from acrypto.model.names import LETTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from acrypto.layer.files import Content, Node
    from acrypto.layer.shown import Shown

    #: In the class the word `list` is a method's.
    Names: TypeAlias = list[str]

SESSIONS = "sessions"


class Tree:
    """See the head of this file. Reading is shareable between threads; the sessions belong to this tree alone.

    Args:
        layer: what it shows. The tree holds it.
    """

    def __init__(self, layer: Shown) -> None:
        self._layer = layer
        self._state = State(layer)
        self._sessions: dict[str, Session] = {}
        self._root = Folder(self._entries)

    def _entries(self) -> Mapping[str, Node]:
        return {**self._state.entries(), SESSIONS: Folder(self._session_folders)}

    def _session_folders(self) -> Mapping[str, Node]:
        return {name: session.folder() for name, session in list(self._sessions.items())}

    def list(self, path: str = "") -> Names:
        """The names in a folder; those of folders end in a slash.

        Raises:
            UsageError: there is no such folder.
        """
        node = find(self._root, path)
        if isinstance(node, File):
            raise UsageError(f"{path} is a file")
        return [name if isinstance(entry, File) else f"{name}/" for name, entry in node.entries().items()]

    def read(self, path: str) -> Content:
        """What a file holds: text without a newline at its end; of a session's `dst` and `src`, bytes.

        Reading `dst` runs the session and blocks this thread until it has ended.

        Raises:
            UsageError: there is no such file; it can only be written; or a session was not told all that it needs.
            AcryptoError: what the session's work ended with.
        """
        file = self._file(path)
        if file.read is None:
            raise UsageError(f"{path} can only be written")
        return file.read()

    def write(self, path: str, content: Content) -> None:
        """Gives a file a content, or tells it a command; blanks around text mean nothing.

        Raises:
            UsageError: there is no such file; it can only be read; or what was written is nothing that it takes.
            NoEngine, UnknownAlgorithm: nothing here can do what was asked for.
        """
        file = self._file(path)
        if file.write is None:
            raise UsageError(f"{path} can only be read")
        file.write(content)

    def make(self, path: str) -> None:
        """Makes a session: `sessions/NAME`.

        Raises:
            UsageError: the path is none of a session, or there is one of that name.
        """
        name = self._session_name(path)
        if not name or not (LETTERS - {"/"}).issuperset(name):
            raise UsageError(f"a session is called {name!r}; a name is made of letters, digits and _-.+")
        if name in self._sessions:
            raise UsageError(f"{path} is there already")
        self._sessions[name] = Session(self._layer, name)

    def remove(self, path: str) -> None:
        """Takes a session out, and overwrites the key and the data that it holds.

        Raises:
            UsageError: there is none of that name.
        """
        name = self._session_name(path)
        session = self._sessions.pop(name, None)
        if session is None:
            raise UsageError(f"no session is called {name!r}; there are {', '.join(self._sessions) or 'none'}")
        session.wipe()

    def walk(self, path: str = "") -> Iterator[str]:
        """The paths of all files under a folder, in the order in which the tree is printed.

        Raises:
            UsageError: there is no such folder.
        """
        node = find(self._root, path)
        if isinstance(node, File):
            raise UsageError(f"{path} is a file")
        start = "/".join(filter(None, path.split("/")))
        for found, _ in walk(node, f"{start}/" if start else ""):
            yield found

    def as_dict(self) -> dict[str, Content]:
        """Path and content of every file that may be read without consequences."""
        return {path: file.read() for path, file in walk(self._root) if file.is_shown and file.read is not None}

    def __str__(self) -> str:
        return "\n".join(_printed(self._root, ""))

    def __repr__(self) -> str:
        return f"<Tree of {self._layer!r}>"

    def _file(self, path: str) -> File:
        node = find(self._root, path)
        if isinstance(node, Folder):
            raise UsageError(f"{path or 'the root'} is a folder")
        return node

    @staticmethod
    def _session_name(path: str) -> str:
        folder, _, name = path.strip("/").partition("/")
        if folder != SESSIONS:
            raise UsageError(f"{path!r}: only sessions/NAME is made and removed by hand")
        return name


def _printed(folder: Folder, indent: str) -> Iterator[str]:
    entries = folder.entries()
    width = max((len(name) for name, node in entries.items() if isinstance(node, File)), default=0)
    for name, node in entries.items():
        if isinstance(node, Folder):
            yield f"{indent}{name}/"
            yield from _printed(node, indent + "  ")
            continue
        content = node.read() if node.is_shown and node.read is not None else ""
        lines = str(content).split("\n")
        if len(lines) == 1:
            yield f"{indent}{name.ljust(width)}  {lines[0]}".rstrip()
        else:
            yield f"{indent}{name}"
            yield from (f"{indent}  {line}" for line in lines)
