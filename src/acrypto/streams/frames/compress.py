"""Frames made on all cores, one after the other: one legal file. The bytes are the same for any number of workers."""

from __future__ import annotations

from acrypto.streams import steps
from acrypto.streams.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Buffer
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Sink
    from acrypto.streams.source import Source
    from acrypto.streams.tally import Tally

MIB = 1 << 20


def chunk_len(format: str, level: int | None) -> int:
    """Source bytes of a frame: more where the level looks further back than that."""
    if format == "lz4":
        return 4 * MIB
    level = 3 if level is None else level
    return 2 * MIB if level < 6 else 4 * MIB if level < 13 else 8 * MIB


def compress(layer: Layer, source: Source, sink: Sink, tally: Tally, *, format: str, level: int | None = None) -> None:
    """Compresses `source` to its end into frames of `zstd` or `lz4`; nothing becomes one empty frame."""
    transform = layer.transform(format, level=level)
    chunk = chunk_len(format, level)
    most = steps.in_flight(layer)
    window: Window[Buffer, memoryview] = Window(most, most * chunk)
    spaces = [memoryview(bytearray(chunk)) for _ in range(most)]

    def settle() -> None:
        operation, space = window.pop()
        frame = operation.wait()
        tally.ran(operation)
        sink.write(frame)
        spaces.append(space)

    first = True
    try:
        while True:
            while window.is_ready or window.is_full:
                settle()
            space = spaces.pop()
            count = source.fill(space)
            if count or first:
                window.push(transform.compress(space[:count]), space, count)
            first = False
            if count < chunk:
                break
        while len(window):
            settle()
    finally:
        window.cancel()
