"""Decompression in steps, one after the other: for data whose parts depend on each other.

One step is in flight; meanwhile the output of the one before is written and the next input is read, so that reading,
decompressing and writing overlap on two cores.
"""

from __future__ import annotations

from acrypto.model.errors import CorruptInput, InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto._core import Buffer, Decompressor
    from acrypto.streams.source import Rolling
    from acrypto.streams.tally import Tally

#: Input and output bytes of a step: smaller ones lose more on the way to the worker and back than they gain in caches.
INPUT = 1 << 20
OUTPUT = 4 << 20


def moved(error: CorruptInput, base: int) -> CorruptInput:
    """The error with its offset counted from the start of the file, where its data began at `base`."""
    what = str(error).removesuffix(f" at offset {error.offset}")
    return CorruptInput(f"{what} at offset {base + error.offset}", base + error.offset)


def corrupt(what: str, offset: int) -> CorruptInput:
    """Damage found by ourselves, told as the core tells it."""
    return CorruptInput(f"{what} at offset {offset}", offset)


def decompress(decoder: Decompressor, data: Rolling, write: Callable[[Buffer], None], tally: Tally) -> None:
    """Runs a decoder until it has finished, and leaves what it did not consume in `data`.

    Raises:
        CorruptInput: with its offset in the whole of the data.
    """
    base = data.offset
    spaces = [memoryview(bytearray(INPUT)) for _ in range(2)]
    current = data.take(len(data.view))
    ahead: memoryview | None = memoryview(b"") if data.ended else None
    taken = 0
    written: Buffer | None = None
    while True:
        operation = decoder.step(current, OUTPUT, end=ahead is not None and not ahead)
        if written is not None:
            write(written)
        if ahead is None:
            # The other space than the one in use; the first view was not ours.
            spaces.reverse()
            count = data.source.fill(spaces[0])
            ahead = spaces[0][:count]
        try:
            written = operation.wait()
        except CorruptInput as error:
            raise moved(error, base) from None
        tally.ran(operation)
        last = decoder.last()
        if last is None:
            raise InternalError("a step ended without a result")
        consumed, produced, finished = last
        taken += consumed
        current = current[consumed:]
        if finished:
            break
        if not current and ahead:
            current, ahead = ahead, None
        elif not consumed and not produced and current:
            raise InternalError("a decoder makes no progress")
    write(written)
    data.offset = base + taken
    rest = memoryview(b"".join([current, ahead]))
    data.offset += len(rest)
    data.ended = data.ended or len(ahead) < INPUT
    data.put_back([rest])
