"""The header of age v1 (C2SP age.md, age-encryption.org/v1): bytes to values and back, as strictly as it is written."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import CorruptInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC = b"age-encryption.org/"
VERSION = MAGIC + b"v1\n"
#: Columns of a stanza's body; the line that ends it is shorter.
COLUMNS = 64
STANZA = b"-> "
END = b"---"
MAC_LEN = 32
#: Bytes of a header that are read at most: more than some ten thousand X25519 recipients need.
MOST_HEADER = 1 << 20
#: Stanzas that are read at most: each may cost an agreement for each identity.
MOST_STANZAS = 4096


class Stanza(NamedTuple):
    """The file key, wrapped for one recipient.

    Attributes:
        args: the recipient's type and what belongs to it; printable ASCII without spaces.
        body: the wrapped key.
    """

    args: tuple[str, ...]
    body: bytes

    @property
    def type(self) -> str:
        """The first argument."""
        return self.args[0]


class Header(NamedTuple):
    """A header that was read.

    Attributes:
        stanzas: in order, at least one.
        covered: what the MAC is made of.
        mac: as it stands there; whether it is right shows when the file key is known.
        length: of the whole header in bytes; the payload follows.
    """

    stanzas: tuple[Stanza, ...]
    covered: bytes
    mac: bytes
    length: int


class _Short(Exception):
    """The data end in the middle of a line."""


class _Lines:
    """Lines of a header, each with the offset at which it begins."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.start = self.end = 0

    def next(self) -> bytes:
        """The next line without its line feed."""
        self.start = self.end
        feed = self._data.find(b"\n", self.start)
        if feed < 0:
            raise _Short
        self.end = feed + 1
        return self._data[self.start : feed]

    def corrupt(self, what: str) -> CorruptInput:
        return CorruptInput(f"{what} at offset {self.start}", self.start)


def parse(
    data: bytes, *, ended: bool = True, most_bytes: int = MOST_HEADER, most_stanzas: int = MOST_STANZAS
) -> Header | None:
    """The header that data begin with.

    Args:
        data: the first bytes of a file.
        ended: whether there are no more.
        most_bytes: the longest header that is taken.
        most_stanzas: the most stanzas that are taken.

    Returns:
        None if more data are needed, which is never so if they have ended.

    Raises:
        CorruptInput: that is no header, with the offset of the line that shows it.
    """
    lines = _Lines(data[:most_bytes])
    try:
        return _header(lines, data, most_stanzas)
    except _Short:
        if len(data) >= most_bytes:
            raise lines.corrupt(f"header of over {most_bytes} bytes; it is in a line") from None
        if ended:
            raise CorruptInput(f"truncated header at offset {len(data)}", len(data)) from None
        return None


def _header(lines: _Lines, data: bytes, most_stanzas: int) -> Header:
    if not data.startswith(MAGIC[: len(data)]):
        raise CorruptInput("not an age file at offset 0", 0)
    if lines.next() + b"\n" != VERSION:
        raise CorruptInput("not of version 1 of age, but of another at offset 0", 0)
    stanzas: list[Stanza] = []
    while True:
        line = lines.next()
        if not line.startswith(STANZA):
            break
        if len(stanzas) == most_stanzas:
            raise lines.corrupt(f"more than {most_stanzas} stanzas; the next is")
        stanzas.append(_stanza(line, lines))
    if not line.startswith(END):
        raise lines.corrupt("neither a stanza nor the end of the header")
    if not stanzas:
        raise lines.corrupt("a header without a stanza")
    mac = decode(line[len(END) + 1 :]) if line[len(END) : len(END) + 1] == b" " else None
    if mac is None or len(mac) != MAC_LEN:
        raise lines.corrupt("a wrong line of the header's MAC")
    return Header(tuple(stanzas), data[: lines.start + len(END)], mac, lines.end)


def _stanza(line: bytes, lines: _Lines) -> Stanza:
    args = line[len(STANZA) :].split(b" ")
    if not all(map(_is_argument, args)):
        raise lines.corrupt("a stanza with a wrong argument")
    parts = []
    while True:
        part = lines.next()
        if len(part) > COLUMNS:
            raise lines.corrupt(f"a line of {len(part)} columns, over {COLUMNS},")
        parts.append(part)
        if len(part) < COLUMNS:
            break
    body = decode(b"".join(parts))
    if body is None:
        raise lines.corrupt("a stanza's body that is not canonical base64, which ends")
    return Stanza(tuple(arg.decode("ascii") for arg in args), body)


def _is_argument(arg: bytes) -> bool:
    return bool(arg) and all(0x21 <= byte <= 0x7E for byte in arg)


def decode(text: bytes) -> bytes | None:
    """The bytes of canonical base64 without padding (RFC 4648 4 and 3.5); None if it is anything else."""
    try:
        raw = binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None
    return raw if encode(raw) == text else None


def encode(raw: bytes) -> bytes:
    """Base64 without padding."""
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=")


def covered(stanzas: Iterable[Stanza]) -> bytes:
    """The header up to its MAC, which is made of just that.

    Raises:
        UsageError: there is no stanza, or an argument is empty or holds what is not printable ASCII.
    """
    lines = [VERSION]
    for stanza in stanzas:
        args = [arg.encode("utf-8") for arg in stanza.args]
        if not args or not all(map(_is_argument, args)):
            raise UsageError(f"arguments of a stanza are {stanza.args!r}; each is 1 or more printable ASCII characters")
        lines.append(STANZA + b" ".join(args) + b"\n")
        text = encode(stanza.body)
        # One line more than the full ones, even if nothing is left for it.
        lines += [text[at : at + COLUMNS] + b"\n" for at in range(0, len(text) // COLUMNS * COLUMNS + 1, COLUMNS)]
    if len(lines) == 1:
        raise UsageError("a header has at least one stanza")
    return b"".join(lines) + END


def finished(covered: bytes, mac: bytes) -> bytes:
    """The whole header: what its MAC covers, and the MAC."""
    return covered + b" " + encode(mac) + b"\n"
