"""Stages in a row: pulled by a pipeline, or pushed by whoever writes to a file."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from acrypto.model.settings import MIB
from acrypto.streams.stage import Counted, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from acrypto.layer.layer import Layer
    from acrypto.streams.stage import Piece, Stage
    from acrypto.streams.tally import Tally

#: Source bytes in flight in all stages of one pipeline or file.
IN_FLIGHT = 24 * MIB


def works(layer: Layer, tally: Tally, stages: Sequence[Stage], in_flight: int = IN_FLIGHT) -> list[Work]:
    """A run of each stage; they share the bytes that may be in flight."""
    return [Work(layer, tally, max(1, in_flight // len(stages))) for _ in stages]


def flow(
    stages: Sequence[Stage], runs: Sequence[Work], pieces: Iterable[Piece | None]
) -> tuple[Iterator[Piece | None], Callable[[], None]]:
    """Chains stages behind a source of pieces.

    Args:
        stages: in order.
        runs: one for each stage, as `works` gives them.
        pieces: the source.

    Returns:
        The pieces behind the last stage, and what withdraws everything that is still in flight.
    """
    current: Iterator[Piece | None] = iter(pieces)
    opened: list[Iterator[Piece | None]] = []
    before: Work | None = None
    for stage, work in zip(stages, runs, strict=True):
        current = stage.pieces(work, Counted(current, gives=before, takes=work))
        opened.append(current)
        before = work
    if before is not None:
        current = Counted(current, gives=before, takes=None)

    def close() -> None:
        for generator in reversed(opened):
            if (end := getattr(generator, "close", None)) is not None:  # a stage may return any iterator
                end()

    return current, close


class Feed:
    """Stages that are fed: what is written goes in, and what is ready goes on to a sink.

    Used from one thread at a time. Stages that parse (decompression, decryption) cannot be fed.

    Args:
        layer: whose engines work.
        stages: in order.
        write: takes the result, piece by piece.
        tally: the account to keep.
        in_flight: source bytes in flight.
    """

    def __init__(
        self,
        layer: Layer,
        stages: Sequence[Stage],
        write: Callable[[Piece], object],
        tally: Tally,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._fed: deque[Piece] = deque()
        self._ended = False
        self._write = write
        self.runs = works(layer, tally, stages, in_flight)
        self._pieces, self._close = flow(stages, self.runs, self._source())

    def _source(self) -> Iterator[Piece | None]:
        while self._fed or not self._ended:
            yield self._fed.popleft() if self._fed else None

    def write(self, piece: Piece) -> None:
        """Takes more of the data. The memory must not be written to until everything has been finished."""
        self._fed.append(piece)
        # A None that comes out says that the one that was just asked for has reached the end of the chain.
        for made in self._pieces:
            if made is None:
                if not self._fed:
                    return
            else:
                self._write(made)

    def finish(self) -> None:
        """Ends the data; everything has been written to the sink on return."""
        self._ended = True
        for made in self._pieces:
            if made is not None:
                self._write(made)

    def cancel(self) -> None:
        """Withdraws everything that is in flight."""
        self._close()
