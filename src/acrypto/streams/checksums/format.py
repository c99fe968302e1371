"""Lines of digests, in the styles that the coreutils write and read: text to values and back, no I/O.

Untagged: `DIGEST  NAME`, in old lists `DIGEST NAME`. Tagged (BSD): `ALGORITHM (NAME) = DIGEST`. A name with a
backslash, newline or carriage return is escaped, and a backslash before the line tells so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_UNESCAPED = {after: before for before, after in _ESCAPES.items()}
_PLAIN = re.compile(rb"([0-9a-fA-F]+)[ \t](.+)", re.DOTALL)
_TAGGED = re.compile(rb"([A-Za-z0-9-]+) ?\((.*)\)[ \t]*=[ \t]*([0-9a-fA-F]+)", re.DOTALL)
#: Algorithms whose tag is not their name in capitals.
_TAGS = {"blake2b": "BLAKE2b"}
#: Those whose tag tells bits where they are not the most, and the most.
_MOST_BITS = {"blake2b": 512}


class Line(NamedTuple):
    """What a line says.

    Attributes:
        name: of the file.
        digest: that it shall have.
        algorithm: that the line is tagged with.
        digest_size: bytes, where the tag tells them.
        one_space: whether a single blank is all that stands between digest and name.
    """

    name: bytes
    digest: bytes
    algorithm: str | None = None
    digest_size: int | None = None
    one_space: bool = False


def tag_of(algorithm: str) -> str:
    """How tagged lines spell an algorithm."""
    return _TAGS.get(algorithm, algorithm.upper())


def _meant(tag: str) -> tuple[str, int | None] | None:
    """The algorithm that a tag spells, and the bytes of its digest if it tells them."""
    if tag == tag_of(tag.lower()):
        return tag.lower(), None
    spelled, _, bits = tag.rpartition("-")
    algorithm = spelled.lower()
    if algorithm not in _MOST_BITS or spelled != tag_of(algorithm) or not re.fullmatch("[1-9][0-9]{0,3}", bits):
        return None
    return (algorithm, int(bits) // 8) if int(bits) % 8 == 0 and int(bits) <= _MOST_BITS[algorithm] else None


def escaped(name: bytes) -> tuple[bytes, bytes]:
    """The mark before the line, and the name as it stands in it."""
    safe = re.sub(rb"[\\\n\r]", lambda found: _ESCAPES[found[0]], name)
    return (b"" if safe == name else b"\\"), safe


def reported(name: bytes) -> bytes:
    """The name as it stands in a report of checks: escaped only where a newline would break the line."""
    return b"".join(escaped(name)) if b"\n" in name else name


def line(name: bytes, digest: bytes, algorithm: str | None = None) -> bytes:
    """One line with its newline; tagged with an algorithm if one is given."""
    mark, safe = escaped(name)
    if algorithm is None:
        return mark + digest.hex().encode() + b"  " + safe + b"\n"
    return mark + tag_of(algorithm).encode() + b" (" + safe + b") = " + digest.hex().encode() + b"\n"


def parse(text: bytes, *, one_space: bool = False) -> Line | None:
    """What a line says; None if it has none of the styles.

    Args:
        text: the line, with or without its end.
        one_space: whether names follow one blank in this list: a second one, or an asterisk, belongs to the name.
    """
    text = text.removesuffix(b"\n").removesuffix(b"\r").lstrip(b" \t")
    body = text.removeprefix(b"\\")
    meant: tuple[str | None, int | None] | None = None, None
    # The untagged style first: no tag consists of hexadecimal digits only.
    if found := _PLAIN.fullmatch(body):
        digest, name = found.groups()
        one_space = one_space or len(name) == 1 or name[:1] not in {b" ", b"*"}
        name = name if one_space else name[1:]
    elif found := _TAGGED.fullmatch(body):
        tag, name, digest = found.groups()
        meant, one_space = _meant(tag.decode()), False
    else:
        return None
    if body != text:
        pieces = re.split(rb"(\\.?)", name, flags=re.DOTALL)
        if any(piece not in _UNESCAPED for piece in pieces[1::2]):
            return None
        name = b"".join(_UNESCAPED.get(piece, piece) for piece in pieces)
    if meant is None or len(digest) % 2 or b"\0" in name:
        return None
    return Line(name, bytes.fromhex(digest.decode()), *meant, one_space)
