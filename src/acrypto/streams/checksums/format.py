"""Lines of digests, in both styles that the coreutils write: text to values and back, no I/O.

Untagged: `DIGEST  NAME`. Tagged (BSD): `ALGORITHM (NAME) = DIGEST`. A name with a backslash, newline or carriage return
is escaped, and a backslash before the line tells so.
"""

from __future__ import annotations

import re

_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_UNESCAPED = {after: before for before, after in _ESCAPES.items()}
_PLAIN = re.compile(rb"([0-9a-fA-F]+) [ *](.+)", re.DOTALL)
_TAGGED = re.compile(rb"([A-Za-z0-9-]+) ?\((.+)\) ?= ?([0-9a-fA-F]+)", re.DOTALL)


def escaped(name: bytes) -> tuple[bytes, bytes]:
    """The mark before the line, and the name as it stands in it."""
    safe = re.sub(rb"[\\\n\r]", lambda found: _ESCAPES[found[0]], name)
    return (b"" if safe == name else b"\\"), safe


def line(name: bytes, digest: bytes, tag: str | None = None) -> bytes:
    """One line with its newline; tagged with an algorithm's name if one is given."""
    mark, safe = escaped(name)
    if tag is None:
        return mark + digest.hex().encode() + b"  " + safe + b"\n"
    return mark + tag.upper().encode() + b" (" + safe + b") = " + digest.hex().encode() + b"\n"


def parse(text: bytes) -> tuple[bytes, bytes, str | None] | None:
    """Name, digest and, if tagged, the algorithm in lower case; None if the line has neither style."""
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    body = text.removeprefix(b"\\")
    if found := _TAGGED.fullmatch(body):
        tag, name, digest = found.groups()
    elif found := _PLAIN.fullmatch(body):
        (digest, name), tag = found.groups(), b""
    else:
        return None
    if body != text:
        pieces = re.split(rb"(\\.?)", name, flags=re.DOTALL)
        if any(piece not in _UNESCAPED for piece in pieces[1::2]):
            return None
        name = b"".join(_UNESCAPED.get(piece, piece) for piece in pieces)
    if len(digest) % 2:
        return None
    return name, bytes.fromhex(digest.decode()), tag.decode().lower() or None
