"""Compresses and decompresses in one request what cannot be cut: any algorithm that an engine offers.

`compress` and `decompress` beside this know formats, and where those can be cut. Of other algorithms nothing is known
but that one message goes in and one comes out, so the whole input is in memory, and the whole result; both are bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import LimitExceeded
from acrypto.model.settings import MIB, MOST
from acrypto.streams import stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.stage import Piece, Work

#: Most bytes of one input: with a result as large and an engine's copies of both, a small machine still has them.
MOST_INPUT = 256 * MIB


def gathered(upstream: Iterator[Piece | None], format: str, limit: int = MOST_INPUT) -> list[memoryview]:
    """All pieces, where they lie.

    Raises:
        LimitExceeded: there are more than `limit` bytes.
    """
    parts, have = [], 0
    for piece in upstream:
        if piece is None:
            continue
        have += len(piece)
        if have > limit:
            raise LimitExceeded(f"{format} takes its input whole, at most {limit} bytes, and this is longer", limit)
        parts.append(memoryview(piece))
    return parts


class _Whole:
    """What both directions share."""

    direction = ""

    def __init__(self, format: str) -> None:
        self.format = format

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return f"{self.direction} {self.format}"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return stage.PIECE

    def _submit(self, work: Work, message: list[memoryview]) -> Operation[Buffer]:
        raise NotImplementedError

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The result, in one piece. Nothing is given of a message that is damaged.

        Raises:
            CorruptInput: damaged, truncated, or followed by something else.
            LimitExceeded: more input or output than allowed.
        """
        operation = self._submit(work, gathered(upstream, self.format))
        try:
            result = operation.wait()
        finally:
            operation.cancel()
        work.tally.ran(operation)
        yield result


class WholeCompress(_Whole):
    """The stage that compresses one message of at most 256 MiB with any algorithm.

    Args:
        format: any compression algorithm, or a driver of one.
        level: the algorithm's own, by its own default.
        strategy: likewise.
    """

    direction = "compress"

    def __init__(self, format: str, level: int | None = None, *, strategy: str | None = None) -> None:
        super().__init__(format)
        self._level = level
        self._strategy = strategy

    def _submit(self, work: Work, message: list[memoryview]) -> Operation[Buffer]:
        return work.layer.compress(self.format, message, level=self._level, strategy=self._strategy)


class WholeDecompress(_Whole):
    """The stage that decompresses one message of at most 256 MiB with any algorithm.

    Args:
        format: any compression algorithm, or a driver of one.
        max_output: the most bytes to give; the layer's setting by default, 1 GiB unless that was changed.
        limited: False for no limit at all.
    """

    direction = "decompress"

    def __init__(self, format: str, *, max_output: int | None = None, limited: bool = True) -> None:
        super().__init__(format)
        self._max_output = max_output if limited else MOST

    def _submit(self, work: Work, message: list[memoryview]) -> Operation[Buffer]:
        return work.layer.decompress(self.format, message, max_output=self._max_output)
