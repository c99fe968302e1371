"""The table behind zstd frames that tells where each begins: bytes to values and back, no I/O.

zstd_seekable_compression_format.md 0.1.0 (facebook/zstd, contrib/seekable_format). The table is a skippable frame,
which every zstd decoder passes over: an entry of two or three u32 for each frame (its length, its content's, the low
half of the content's XXH64, which is what a frame's own checksum is as well), then the number of entries, a byte of
flags and a magic number with which the file ends. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from array import array
from sys import byteorder
from typing import NamedTuple

#: What a table begins with: the magic number of a skippable frame, then a u32 with the length of the rest.
HEAD_LEN = 8
FOOTER_LEN = 9
#: Entries that a reader takes; with frames of a MiB these are 4 TiB.
MOST_FRAMES = 1 << 22

_SKIPPABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1
_HEAD = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_CHECKSUMS, _RESERVED = 0x80, 0x7C
_U32 = 1 << 32


class SeekTable:
    """The table of a file that is being made: `add` each frame in order, then write `to_bytes` behind them."""

    def __init__(self) -> None:
        self._sizes = array("I")
        self._checksums = array("I")
        self._fits = True

    def __len__(self) -> int:
        return len(self._sizes) // 2

    def add(self, frame_len: int, content_len: int, checksum: int | None = None) -> None:
        """Notes the next frame, which is `frame_len` bytes and becomes `content_len`.

        Args:
            frame_len: bytes.
            content_len: bytes.
            checksum: the low half of the XXH64 of its content. The table has checksums if all frames have.
        """
        if frame_len >= _U32 or content_len >= _U32:
            self._fits = False
            return
        self._sizes.extend((frame_len, content_len))
        if checksum is not None:
            self._checksums.append(checksum)

    def to_bytes(self) -> bytes:
        """The table as a frame; nothing if a frame was too large or there were too many for any table."""
        count = len(self)
        with_checksums = count == len(self._checksums)
        if not self._fits or count > MOST_FRAMES:
            return b""
        if with_checksums:
            entries = array("I", bytes(12 * count))
            entries[0::3], entries[1::3], entries[2::3] = self._sizes[0::2], self._sizes[1::2], self._checksums
        else:
            entries = array("I", self._sizes)
        if byteorder == "big":
            entries.byteswap()
        footer = _FOOTER.pack(count, _CHECKSUMS if with_checksums else 0, _SEEKABLE)
        return _HEAD.pack(_SKIPPABLE, 4 * len(entries) + len(footer)) + entries.tobytes() + footer


class Table(NamedTuple):
    """A table that was read.

    Attributes:
        lengths: of the frames.
        sizes: of their contents.
        checksums: of their contents, if the table has them.
    """

    lengths: array[int]
    sizes: array[int]
    checksums: array[int] | None


def table_len(footer: bytes) -> int | None:
    """The length of the whole table whose last bytes these are; None if they end none, or one too long."""
    if len(footer) != FOOTER_LEN:
        return None
    count: int
    count, flags, magic = _FOOTER.unpack(footer)
    if magic != _SEEKABLE or flags & _RESERVED or count > MOST_FRAMES:
        return None
    return HEAD_LEN + count * (12 if flags & _CHECKSUMS else 8) + FOOTER_LEN


def parse(data: bytes) -> Table | None:
    """The table that these bytes are, all of them; None if they are none. What it tells is not to be trusted."""
    if table_len(data[-FOOTER_LEN:]) != len(data) or _HEAD.unpack(data[:HEAD_LEN]) != (
        _SKIPPABLE,
        len(data) - HEAD_LEN,
    ):
        return None
    entries = array("I", data[HEAD_LEN:-FOOTER_LEN])
    if byteorder == "big":
        entries.byteswap()
    if data[-FOOTER_LEN + 4] & _CHECKSUMS:
        return Table(entries[0::3], entries[1::3], entries[2::3])
    return Table(entries[0::2], entries[1::2], None)
