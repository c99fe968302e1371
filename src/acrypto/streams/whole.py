"""Compresses and decompresses in one request what cannot be cut: any algorithm that an engine offers.

`compress` and `decompress` beside this know formats, and where those can be cut. Of other algorithms nothing is known
but that one message goes in and one comes out, so the whole input is in memory, and the whole result; both are bounded.
"""

from __future__ import annotations

from acrypto.model.errors import LimitExceeded
from acrypto.model.settings import MIB, MOST
from acrypto.streams.sink import Sink
from acrypto.streams.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Writable
    from acrypto.streams.source import Readable
    from acrypto.streams.tally import Tally

#: Most bytes of one input: with a result as large and an engine's copies of both, a small machine still has them.
MOST_INPUT = 256 * MIB
#: Bytes read first; then as many as there are already.
PIECE = 1 << 20


def read(source: Readable, tally: Tally, *, format: str, limit: int = MOST_INPUT) -> memoryview:
    """All that `source` has.

    Args:
        source: a raw binary file, or anything with its `readinto`.
        tally: the account to keep.
        format: for whose sake it is read whole; the error tells it.
        limit: the most bytes.

    Raises:
        LimitExceeded: there are more than `limit` bytes.
        OSError: reading failed.
    """
    reading = Source(source, tally)
    memory = bytearray()
    while True:
        # One byte more than allowed tells that there are too many.
        space = min(max(PIECE, len(memory)), limit + 1 - len(memory))
        piece = memoryview(bytearray(space))
        count = reading.fill(piece)
        memory += piece[:count]
        if len(memory) > limit:
            raise LimitExceeded(f"{format} takes its input whole, at most {limit} bytes, and this is longer", limit)
        if count < space:
            return memoryview(memory).toreadonly()


def compress(
    layer: Layer,
    data: memoryview,
    sink: Writable | None,
    tally: Tally,
    *,
    format: str,
    level: int | None = None,
    strategy: str | None = None,
) -> None:
    """Writes one message compressed to `sink`, blocking this thread.

    Args:
        layer: whose engines offer `format`.
        data: the message, as `read` gave it.
        sink: a raw binary file, or anything with its `write`; None to measure only.
        tally: the account to keep.
        format: any compression algorithm, or a driver of one.
        level: the algorithm's own, by its own default.
        strategy: likewise.

    Raises:
        UsageError: a parameter that the algorithm does not have.
        OSError: writing failed.
    """
    operation = layer.compress(format, data, level=level, strategy=strategy)
    result = operation.wait()
    tally.ran(operation)
    Sink(sink, tally).write(result)


def decompress(
    layer: Layer,
    data: memoryview,
    sink: Writable | None,
    tally: Tally,
    *,
    format: str,
    max_output: int | None = None,
    limited: bool = True,
) -> None:
    """Writes one message decompressed to `sink`, blocking this thread. Nothing is written of one that is damaged.

    Args:
        layer: whose engines offer `format`.
        data: the message, as `read` gave it.
        sink: a raw binary file, or anything with its `write`; None to test only.
        tally: the account to keep.
        format: any compression algorithm, or a driver of one.
        max_output: the most bytes to write; the layer's setting by default, 1 GiB unless that was changed.
        limited: False for no limit at all.

    Raises:
        CorruptInput: damaged, truncated, or followed by something else.
        LimitExceeded: more output than allowed.
        OSError: writing failed.
    """
    operation = layer.decompress(format, data, max_output=max_output if limited else MOST)
    result = operation.wait()
    tally.ran(operation)
    Sink(sink, tally).write(result)
