"""Frames read on all cores where they are small and tell their size, in steps from the first that is not."""

from __future__ import annotations

from acrypto import _core
from acrypto.model.errors import CorruptInput
from acrypto.streams import sequential, steps
from acrypto.streams.frames import format as frame_format
from acrypto.streams.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Buffer
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Sink
    from acrypto.streams.source import Rolling
    from acrypto.streams.tally import Tally

#: Frames up to this many bytes of content are decompressed whole.
WHOLE = 8 << 20
#: What a frame may take beyond its content: headers of blocks, and blocks that hold nothing.
OVERHEAD = 128 << 10
#: The longest frame header.
HEADER = 18


def zstd(layer: Layer, data: Rolling, sink: Sink, tally: Tally) -> None:
    """Decompresses every zstd frame.

    Raises:
        CorruptInput: with its offset in the whole of the data.
        LimitExceeded: the sink would take no more.
    """
    transform = layer.transform("zstd")
    most = steps.in_flight(layer)
    window: Window[Buffer, tuple[int, memoryview]] = Window(most, most * (WHOLE // 4))

    def settle() -> None:
        operation, (offset, frame) = window.pop()
        try:
            content = operation.wait()
        except CorruptInput as error:
            raise sequential.moved(error, offset) from None
        data.done(frame)
        tally.ran(operation)
        sink.write(content)

    try:
        while data.need(1):
            while window.is_ready or window.is_full:
                settle()
            extent = _whole(data)
            if extent is None:
                break
            offset, (length, size) = data.offset, extent
            frame = data.take(length)
            window.push(transform.decompress(frame, max_output=size), (offset, frame), size)
        while len(window):
            settle()
    finally:
        window.cancel()
    if not data.need(1) and data.offset:
        return
    if data.offset and not frame_format.may_be_zstd(bytes(data.view[:4])):
        raise sequential.corrupt("trailing garbage", data.offset)
    sequential.decompress(steps.decompressor(layer, "zstd"), data, sink.write, tally)


def _whole(data: Rolling) -> tuple[int, int] | None:
    """The length and content size of the frame that begins the data, if it is small and all of it is in view."""
    data.need(HEADER)
    size = frame_format.zstd_content_size(bytes(data.view[:HEADER]))
    if size is None or size > WHOLE:
        return None
    while True:
        extent = _core.zstd_frame(data.view)
        if extent is not None:
            length, content = extent
            return (length, size) if content == size else None
        if len(data.view) > size + OVERHEAD or not data.more():
            return None


def in_steps(layer: Layer, data: Rolling, sink: Sink, tally: Tally, *, format: str) -> None:
    """Decompresses any format that has an incremental decompressor, on one core.

    Raises:
        CorruptInput: with its offset in the whole of the data.
        LimitExceeded: the sink would take no more.
    """
    sequential.decompress(steps.decompressor(layer, format), data, sink.write, tally)
