"""How zstd (RFC 8878) and lz4 frames (lz4_Frame_format.md) begin, and where they end: bytes to values, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LZ4_MAGIC = b"\x04\x22\x4d\x18"
_SKIPPABLE = b"\x2a\x4d\x18"


def is_skippable(data: bytes) -> bool:
    """Whether `data` begin a skippable frame, which both formats have."""
    return len(data) >= 4 and data[0] & 0xF0 == 0x50 and data[1:4] == _SKIPPABLE


def may_be(magic: bytes, data: bytes) -> bool:
    """Whether these bytes, perhaps fewer than four, can begin a frame of that format."""
    head = data[:4]
    return magic.startswith(head) or (head[0] & 0xF0 == 0x50 and _SKIPPABLE.startswith(head[1:]))


def zstd_content_size(data: bytes) -> int | None:
    """The content size that a zstd frame header tells; None if it tells none, is not whole, or is none.

    A skippable frame's content is nothing.
    """
    if is_skippable(data):
        return 0
    if len(data) < 6 or data[:4] != ZSTD_MAGIC:
        return None
    descriptor = data[4]
    single_segment = descriptor >> 5 & 1
    size_len = (0, 2, 4, 8)[descriptor >> 6] or single_segment
    at = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    if not size_len or len(data) < at + size_len:
        return None
    size = int.from_bytes(data[at : at + size_len], "little")
    return size + 256 if size_len == 2 else size


def zstd_frame_len(read: Callable[[int, int], bytes], most: int) -> int | None:
    """The length of the frame at the start, found by going from block to block (RFC 8878 3.1.1).

    Args:
        read: gives that many bytes from there, fewer only where the data end.
        most: gives up beyond this many bytes.

    Returns:
        Bytes; None if the data end before, are no frame, or have a longer one.
    """
    head = read(0, 8)
    if is_skippable(head):
        return _skippable_len(head, most)
    if len(head) < 6 or head[:4] != ZSTD_MAGIC:
        return None
    descriptor = head[4]
    single_segment = descriptor >> 5 & 1
    size_len = (0, 2, 4, 8)[descriptor >> 6] or single_segment
    at = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3] + size_len
    while at <= most:
        header = read(at, 3)
        if len(header) < 3:
            return None
        block = int.from_bytes(header, "little")
        kind = block >> 1 & 3
        # A block of one repeated byte holds that byte only; kind 3 is reserved.
        if kind == 3:
            return None
        at += 3 + (1 if kind == 1 else block >> 3)
        if block & 1:
            at += 4 * (descriptor >> 2 & 1)
            return at if at <= most else None
    return None


def _skippable_len(head: bytes, most: int) -> int | None:
    length = 8 + int.from_bytes(head[4:8], "little")
    return length if len(head) == 8 and length <= most else None


def zstd_checksum(frame: bytes | memoryview) -> int | None:
    """The low half of the XXH64 of a whole frame's content, if the frame has it."""
    return int.from_bytes(frame[-4:], "little") if len(frame) > 8 and frame[4] & 4 else None


def lz4_content_size(data: bytes) -> int | None:
    """The content size that an lz4 frame header tells; None if it tells none, is not whole, or is none."""
    if is_skippable(data):
        return 0
    if len(data) < 14 or data[:4] != LZ4_MAGIC or data[4] >> 6 != 1 or not data[4] & 8:
        return None
    return int.from_bytes(data[6:14], "little")


def lz4_frame_len(read: Callable[[int, int], bytes], most: int) -> int | None:
    """The length of the frame at the start, found by going from block to block; as `zstd_frame_len`."""
    head = read(0, 8)
    if is_skippable(head):
        return _skippable_len(head, most)
    if len(head) < 7 or head[:4] != LZ4_MAGIC or head[4] >> 6 != 1:
        return None
    flags = head[4]
    at = 7 + 8 * (flags >> 3 & 1) + 4 * (flags & 1)
    while at <= most:
        header = read(at, 4)
        if len(header) < 4:
            return None
        at += 4
        block = int.from_bytes(header, "little")
        if not block:
            at += 4 * (flags >> 2 & 1)
            return at if at <= most else None
        # The highest bit says that the block is not compressed.
        at += (block & 0x7FFFFFFF) + 4 * (flags >> 4 & 1)
    return None
