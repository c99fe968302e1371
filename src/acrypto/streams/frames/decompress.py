"""Frames read on all cores where they are small and tell their size, in steps from the first that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import CorruptInput
from acrypto.streams import sequential, steps
from acrypto.streams.frames import format as frame_format
from acrypto.streams.window import ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.parse import Incoming
    from acrypto.streams.stage import Piece, Work

#: Frames up to this many bytes of content are decompressed whole.
WHOLE = 8 << 20
#: What a frame may take beyond its content: headers of blocks, and blocks that hold nothing.
OVERHEAD = 128 << 10
#: The longest frame header.
HEADER = 18


class Walk(NamedTuple):
    """What is known of a format's frames.

    Attributes:
        magic: what one begins with.
        content_size: that its header tells.
        frame_len: found by going through it.
    """

    magic: bytes
    content_size: Callable[[bytes], int | None]
    frame_len: Callable[[Callable[[int, int], bytes], int], int | None]


FORMATS = {
    "zstd": Walk(frame_format.ZSTD_MAGIC, frame_format.zstd_content_size, frame_format.zstd_frame_len),
    "lz4": Walk(frame_format.LZ4_MAGIC, frame_format.lz4_content_size, frame_format.lz4_frame_len),
}


def decompress(work: Work, incoming: Incoming, *, format: str) -> Iterator[Piece | None]:
    """The contents of every frame of `zstd` or `lz4`.

    Raises:
        CorruptInput: with its offset in the whole of the data.
    """
    transform = work.layer.transform(format)
    walk = FORMATS[format]

    def jobs() -> Iterator[tuple[Operation[Buffer], int, int] | None]:
        while incoming.need(1):
            extent = _whole(walk, incoming)
            if extent is None:
                return
            offset, (length, size) = incoming.offset, extent
            frame = incoming.take(length)
            yield transform.decompress(frame, max_output=size, mode=work.mode), offset, max(length, size)

    for job in ordered(work, jobs()):
        if job is None:
            yield None
            continue
        operation, offset = job
        try:
            content = operation.wait()
        except CorruptInput as error:
            raise sequential.moved(error, offset) from None
        work.tally.ran(operation)
        yield content
    if not incoming.need(1) and incoming.offset:
        return
    if incoming.offset and not frame_format.may_be(walk.magic, incoming.peek(4)):
        raise sequential.corrupt("trailing garbage", incoming.offset)
    yield from sequential.decompress(work, steps.decompressor(work.layer, format), incoming)


def _whole(walk: Walk, incoming: Incoming) -> tuple[int, int] | None:
    """The length and content size of the frame that begins the data, if it is small and all of it is there."""
    size = walk.content_size(incoming.peek(HEADER))
    if size is None or size > WHOLE:
        return None
    length = walk.frame_len(lambda at, nbytes: incoming.peek(nbytes, at), size + OVERHEAD)
    return (length, size) if length is not None and incoming.need(length) else None


def in_steps(work: Work, incoming: Incoming, *, format: str) -> Iterator[Piece | None]:
    """The contents of any format that has an incremental decompressor, made on one core.

    Raises:
        CorruptInput: with its offset in the whole of the data.
    """
    yield from sequential.decompress(work, steps.decompressor(work.layer, format), incoming)
