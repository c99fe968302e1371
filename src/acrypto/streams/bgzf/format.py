"""BGZF blocks (SAM specification 4.1, RFC 1952) and their index `.gzi` (bgzip's): bytes to values and back, no I/O.

A block is a gzip member whose extra field has a subfield `BC` with the block's length less one. A file ends with an
empty block. The index has, as 64-bit little-endian numbers, how many pairs follow, then for each block but the first
where it and where its content begin.
"""

from __future__ import annotations

import struct
from array import array
from sys import byteorder
from typing import TYPE_CHECKING

from acrypto.model.errors import CorruptInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Source bytes of a block, as htslib has it, and the most bytes of a block on either side.
CONTENT = 0xFF00
LARGEST = 1 << 16
#: The header and trailer of a block as it is usual; of any block there are at least so many bytes.
HEADER_LEN = 18
TRAILER_LEN = 8
LEAST = HEADER_LEN + TRAILER_LEN
#: What a file ends with.
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

_MAGIC = b"\x1f\x8b\x08"
_EXTRA, _RESERVED = 4, 0xE0
_USUAL = b"\x06\x00BC\x02\x00"
_PAIR = 16


def block_len(data: bytes | memoryview) -> int | None:
    """The length of the block whose header `data` begin with; None if it is none, or its extra field is not whole."""
    if len(data) < HEADER_LEN or data[:3] != _MAGIC or not data[3] & _EXTRA or data[3] & _RESERVED:
        return None
    if data[10:16] == _USUAL:
        length = int.from_bytes(data[16:18], "little") + 1
        return length if length >= LEAST else None
    extra = bytes(data[12 : 12 + int.from_bytes(data[10:12], "little")])
    at = 0
    while at + 4 <= len(extra):
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if extra[at : at + 2] == b"BC" and size == 2 and at + 6 <= len(extra):
            length = int.from_bytes(extra[at + 4 : at + 6], "little") + 1
            return length if length >= LEAST else None
        at += 4 + size
    return None


def content_len(trailer: bytes | memoryview) -> int | None:
    """The size that the last four bytes of a block tell; None if no block can hold that much."""
    size = int.from_bytes(trailer, "little")
    return size if size <= LARGEST else None


def blocks(read: Callable[[int, int], bytes], at: int) -> Iterator[tuple[int, int]]:
    """The blocks from `at` on, each as its length and the size of its content, up to what is no whole block.

    Args:
        read: gives that many bytes from there, fewer only where the data end.
        at: where a block begins.
    """
    # The end of each block and the header behind it come in one read.
    head = read(at, HEADER_LEN)
    while True:
        length = block_len(head)
        if length is None and head[:3] == _MAGIC:
            length = block_len(read(at, LARGEST))
        if length is None:
            return
        at += length
        seam = read(at - 4, 4 + HEADER_LEN)
        size = content_len(seam[:4]) if len(seam) >= 4 else None
        if size is None:
            return
        yield length, size
        head = seam[4:]


def index_to_bytes(starts: array[int], offsets: array[int]) -> bytes:
    """A `.gzi` as `bgzip --index` writes it.

    Args:
        starts: where each block begins, the first one among them, but not the empty last one.
        offsets: where the content of each begins.
    """
    pairs = array("Q", bytes(_PAIR * max(0, len(starts) - 1)))
    pairs[0::2], pairs[1::2] = starts[1:], offsets[1:]
    if byteorder == "big":
        pairs.byteswap()
    return struct.pack("<Q", len(pairs) // 2) + pairs.tobytes()


def parse_index(data: bytes) -> tuple[array[int], array[int]]:
    """Where each block and where its content begins, the first one among them, as a `.gzi` tells it.

    Raises:
        CorruptInput: it is not whole, or no file can have such blocks.
    """
    count = int.from_bytes(data[:8], "little")
    if count == (1 << 64) - 1:
        count = 0  # as bgzip 1.16 tells that a file holds nothing
    if len(data) < 8 or len(data) != 8 + _PAIR * count:
        raise CorruptInput(f"truncated gzi index at offset {len(data)}", len(data))
    pairs = array("Q", data[8:])
    if byteorder == "big":
        pairs.byteswap()
    starts, offsets = array("Q", [0]), array("Q", [0])
    starts.extend(pairs[0::2])
    offsets.extend(pairs[1::2])
    for at in range(1, len(starts)):
        length, size = starts[at] - starts[at - 1], offsets[at] - offsets[at - 1]
        if not (LEAST <= length <= LARGEST and 0 <= size <= LARGEST):
            where = 8 + _PAIR * (at - 1)
            raise CorruptInput(f"gzi index tells a block that cannot be at offset {where}", where)
    return starts, offsets
