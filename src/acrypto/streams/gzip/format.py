"""gzip members (RFC 1952) as acrypto writes them: bytes to values and back, no I/O.

A member holds parts of one raw deflate stream. Each part becomes at most `block` bytes, ends on a byte boundary and
refers to nothing before it. Before each part stands a *prelude* of five empty stored blocks, and after the last part
`FINAL`, an empty final block. RFC 1951 3.2.4 has the five bits between a stored block's header and the next byte
boundary ignored; those of the prelude hold the length of the part, lowest bits first. So whoever knows can cut the
stream without a look at its parts, and everybody else sees an ordinary member that grew by 25 bytes in a MiB. A
subfield `AC` of the header's extra field says so: version 1, then `block` as a little-endian u32.

Rejected: looking for the flush that ends a part (00 00 FF FF) costs a sixth of the time of inflating, and finds it in
data as well; one member for each part, as BGZF has it, is not one member.

Hint and lengths are not to be trusted; `decompress.py` says why they need not be.
"""

from __future__ import annotations

import struct

MAGIC = b"\x1f\x8b"
FINAL = b"\x03\x00"
TRAILER_LEN = 8
PRELUDE_LEN = 25

#: Blocks that a reader is willing to hold in memory.
LEAST_BLOCK, LARGEST_BLOCK = 4 << 10, 4 << 20

_EXTRA, _NAME, _COMMENT = 4, 8, 16
_DEFLATE, _UNIX = 8, 3
_HINT = struct.Struct("<2sHBI")
_HINT_ID = b"AC"
_VERSION = 1
_EMPTY = b"\x00\x00\xff\xff"  # length of a stored block, and its complement


def header(*, block: int, level: int | None = None, name: bytes = b"", mtime: int = 0) -> bytes:
    """The header of a member in parts.

    Args:
        block: bytes that each part becomes, but for the last one.
        level: as the header's XFL tells it.
        name: the file's name without directories; empty for none.
        mtime: seconds since the epoch; 0, or whatever the field cannot hold, for none.
    """
    name = name.partition(b"\0")[0]
    flags = _EXTRA | (_NAME if name else 0)
    fastest_or_best = {1: 4, 9: 2}.get(level or 0, 0)
    mtime = mtime if 0 < mtime < 1 << 32 else 0
    fixed = struct.pack("<2sBBIBB", MAGIC, _DEFLATE, flags, mtime, fastest_or_best, _UNIX)
    hint = _HINT.pack(_HINT_ID, _HINT.size - 4, _VERSION, block)
    return fixed + struct.pack("<H", len(hint)) + hint + (name + b"\0" if name else b"")


def prelude(length: int) -> bytes:
    """What stands before a part of that many bytes."""
    return b"".join(bytes([(length >> shift & 31) << 3]) + _EMPTY for shift in range(0, 25, 5))


def part_len(data: memoryview) -> int | None:
    """The length told by the prelude that begins `data`; None if none does."""
    length = 0
    for at in range(5):
        block = data[5 * at : 5 * at + 5]
        if len(block) < 5 or block[0] & 7 or block[1:] != _EMPTY:
            return None
        length |= block[0] >> 3 << 5 * at
    return length


def trailer(checksum: int, size: int) -> bytes:
    """The trailer of a member: CRC-32 and size of what it holds."""
    return struct.pack("<II", checksum, size & 0xFFFFFFFF)


def hinted(data: memoryview) -> tuple[int, int] | None:
    """The header's length and the block size, if a whole header with our hint begins `data`.

    None means any other member, or none at all: whoever reads gzip in general finds out.
    """
    if len(data) < 12 or data[:2] != MAGIC or data[2] != _DEFLATE or data[3] & ~_NAME != _EXTRA:
        return None
    end = 12 + int.from_bytes(data[10:12], "little")
    if end != 12 + _HINT.size or len(data) < end:
        return None
    identity, size, version, block = _HINT.unpack(data[12:end])
    if identity != _HINT_ID or size != _HINT.size - 4 or version != _VERSION:
        return None
    if not LEAST_BLOCK <= block <= LARGEST_BLOCK:
        return None
    if data[3] & _NAME:
        # A longer name than any file has: left to those who read gzip in general.
        length = data[end : end + 4096].tobytes().find(b"\0")
        if length < 0:
            return None
        end += length + 1
    return end, block


def longest_part(block: int) -> int:
    """The most bytes in which a part can sensibly lie."""
    return block + block // 8 + (64 << 10)


def header_len(data: memoryview) -> int | None:
    """The length of the ordinary header that begins `data`: no reserved flag, no checksum of its own, and whole.

    None means anything else; whoever reads gzip in general finds out what.
    """
    if len(data) < 10 or data[:2] != MAGIC or data[2] != _DEFLATE or data[3] & ~(_EXTRA | _NAME | _COMMENT):
        return None
    end = 10
    if data[3] & _EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for text in (_NAME, _COMMENT):
        if data[3] & text:
            length = data[end : end + 4096].tobytes().find(b"\0")
            if length < 0:
                return None
            end += length + 1
    return end if end <= len(data) else None


def is_bgzf(data: memoryview) -> bool:
    """Whether the header is that of a BGZF block (SAM 4.1): its extra field begins with the subfield BC."""
    return len(data) >= 16 and bool(data[3] & _EXTRA) and bytes(data[12:16]) == b"BC\x02\0"


def parse_trailer(data: bytes) -> tuple[int, int]:
    """CRC-32 and size (modulo 2^32) that a trailer tells."""
    checksum, size = struct.unpack("<II", data)
    return checksum, size
