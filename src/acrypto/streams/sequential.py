"""Decompression in steps, one after the other: for data whose parts depend on each other.

One step is in flight; meanwhile the output of the one before is written and the next input is read, so that reading,
decompressing and writing overlap on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import CorruptInput, InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Decompressor
    from acrypto.streams.parse import Incoming
    from acrypto.streams.stage import Work

#: Most output bytes of a step: smaller ones lose more on the way to the worker and back than they gain in caches.
OUTPUT = 4 << 20


def moved(error: CorruptInput, base: int) -> CorruptInput:
    """The error with its offset counted from the start of the file, where its data began at `base`."""
    what = str(error).removesuffix(f" at offset {error.offset}")
    return CorruptInput(f"{what} at offset {base + error.offset}", base + error.offset)


def corrupt(what: str, offset: int) -> CorruptInput:
    """Damage found by ourselves, told as the core tells it."""
    return CorruptInput(f"{what} at offset {offset}", offset)


def decompress(work: Work, decoder: Decompressor, incoming: Incoming) -> Iterator[Buffer]:
    """What a decoder makes of the data until it has finished; what it did not consume is left in them.

    Raises:
        CorruptInput: with its offset in the whole of the data.
    """
    base = incoming.offset
    current = incoming.take_piece()
    written: Buffer | None = None
    incoming.need(1)
    while True:
        operation = decoder.step(current, OUTPUT, end=not incoming.have)
        try:
            if written is not None:
                yield written
            incoming.need(1)  # read while the step runs
            written = operation.wait()
        except CorruptInput as error:
            raise moved(error, base) from None
        finally:
            operation.cancel()
        work.tally.ran(operation)
        last = decoder.last()
        if last is None:
            raise InternalError("a step ended without a result")
        consumed, produced, finished = last
        current = current[consumed:]
        if finished:
            break
        if not len(current) and incoming.have:
            current = incoming.take_piece()
            incoming.need(1)
        elif not consumed and not produced and len(current):
            raise InternalError("a decoder makes no progress")
    incoming.put_back([current])
    yield written
