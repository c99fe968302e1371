"""Which formats a file is in, one around the other: told by its name, by the caller, or by its first bytes."""

from __future__ import annotations

import os
from typing import Any

from acrypto.model.errors import UsageError
from acrypto.streams.place import is_path

#: What ends a name, and the formats that it tells.
ENDINGS = {
    ".gz": "gzip", ".tgz": "gzip", ".bgz": "bgzf", ".bgzf": "bgzf", ".zst": "zstd", ".tzst": "zstd", ".zstd": "zstd",
    ".lz4": "lz4", ".age": "age",
}  # fmt: skip
COMPRESSED = ("gzip", "bgzf", "zstd", "lz4")
#: What age files begin with, armored or not.
_AGE = b"age-encryption.org/"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
#: First bytes that tell every format.
HEAD = 64


class Form:
    """The formats of a file.

    Args:
        compressed: the format of the compression; None for none.
        encrypted: whether age is around it.
    """

    def __init__(self, compressed: str | None, encrypted: bool) -> None:
        self.compressed = compressed
        self.encrypted = encrypted

    def __str__(self) -> str:
        return ".".join(filter(None, (self.compressed, "age" if self.encrypted else None)))


def parse(text: str) -> Form:
    """The form that a caller names: `zstd`, `age`, `zstd.age`.

    Raises:
        UsageError: there is no such.
    """
    inner, dot, outer = text.partition(".")
    if inner == "age" and not dot:
        return Form(None, True)
    if inner in COMPRESSED and outer == ("age" if dot else ""):
        return Form(inner, bool(dot))
    raise UsageError(f"format is {text!r}; known: {', '.join(COMPRESSED)}, age, and such as zstd.age")


def named(file: Any) -> Form | None:
    """The form that a path's name tells; None if it tells none, or the file has no name."""
    if not is_path(file):
        return None
    stem, ending = os.path.splitext(os.fsdecode(file))
    found = ENDINGS.get(ending.lower())
    if found != "age":
        return None if found is None else Form(found, False)
    return Form(ENDINGS.get(os.path.splitext(stem)[1].lower()), True)


def is_age(head: bytes) -> bool:
    """Whether data that begin like this are an age file, armored or not."""
    return head.startswith(_AGE) or head.lstrip(b" \t\r\n").startswith(_ARMOR)
