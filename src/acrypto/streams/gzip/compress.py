"""One gzip member, its parts made on all cores. The parts and the bytes are the same for any number of workers."""

from __future__ import annotations

from acrypto.model.errors import InternalError
from acrypto.streams import steps
from acrypto.streams.gzip import crc, format
from acrypto.streams.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Buffer
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Sink
    from acrypto.streams.source import Source
    from acrypto.streams.tally import Tally

#: Source bytes of a part. What it loses by not knowing what came before it is 0.2 % at this size.
BLOCK = 1 << 20


def compress(
    layer: Layer,
    source: Source,
    sink: Sink,
    tally: Tally,
    *,
    level: int | None = None,
    strategy: str | None = None,
    name: bytes = b"",
    mtime: int = 0,
) -> None:
    """Compresses `source` to its end."""
    transform = steps.part(layer, level=level, strategy=strategy)
    most = steps.in_flight(layer)
    window: Window[Buffer, memoryview] = Window(most, most * BLOCK)
    spaces = [memoryview(bytearray(BLOCK)) for _ in range(most)]
    checksum = size = 0

    def settle() -> None:
        nonlocal checksum, size
        operation, piece = window.pop()
        part = operation.wait()
        completion = operation.completion
        if completion is None or completion.checksum is None:
            raise InternalError("a part came without its checksum")
        tally.ran(operation)
        checksum = crc.combine(checksum, completion.checksum, len(piece))
        size += len(piece)
        sink.write(format.prelude(len(part)))
        sink.write(part)
        spaces.append(piece)

    sink.write(format.header(block=BLOCK, level=level, name=name, mtime=mtime))
    try:
        while True:
            while window.is_ready or window.is_full:
                settle()
            space = spaces.pop()
            count = source.fill(space)
            if count:
                window.push(transform.compress(space[:count]), space[:count], count)
            if count < BLOCK:
                break
        while len(window):
            settle()
    finally:
        window.cancel()
    sink.write(format.FINAL + format.trailer(checksum, size))
