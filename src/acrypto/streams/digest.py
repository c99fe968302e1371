"""The digests and MACs of what flows by, or of a whole file or pipe of any size, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.settings import KIB, MIB
from acrypto.streams import steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from acrypto._core import Operation
    from acrypto.layer.layer import Layer
    from acrypto.streams.sources import Origin
    from acrypto.streams.stage import Piece, Work
    from acrypto.streams.tally import Tally

#: Bytes read at a time where nothing but a digest is wanted: each such piece costs a way to a worker and back.
PIECE = 2 * MIB
#: Bytes that one step hashes at least, unless it is the last: little pieces wait for more.
STEP = 256 * KIB
#: Bytes that wait for a hasher at most; then everybody waits for it.
WAITING = 8 * MIB


class Digest:
    """The stage that hashes what flows by, with each algorithm at once, and passes it on unchanged.

    Args:
        *algorithms: digests, checksums or MACs.
        **parameters: `key` and `tag_len` of a MAC, `digest_size` where it is variable; for each of them.

    The values are in the result of the pipeline, and in `Work.digests`.
    """

    #: The pieces go on as they came, so any size will do.
    passes_on = True

    def __init__(self, *algorithms: str, **parameters: Any) -> None:
        self.algorithms = algorithms
        self._parameters = parameters

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return f"digest {' '.join(self.algorithms)}"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return PIECE

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The pieces as they came.

        Raises:
            UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
            UsageError: a parameter is wrong, missing, or not the algorithm's.
        """
        chains = [_Chain(work, algorithm, self._parameters) for algorithm in self.algorithms]
        return self._hashed(work, upstream, chains)

    def _hashed(self, work: Work, upstream: Iterator[Piece | None], chains: list[_Chain]) -> Iterator[Piece | None]:
        try:
            for piece in upstream:
                if piece is not None:
                    for chain in chains:
                        chain.take(piece)
                yield piece
            work.digests = [(chain.algorithm, chain.finish()) for chain in chains]
        finally:
            for chain in chains:
                chain.cancel()


class _Chain:
    """One hasher: a step of it runs while the pieces of the next one come together."""

    def __init__(self, work: Work, algorithm: str, parameters: dict[str, Any]) -> None:
        self.algorithm = algorithm
        self._tally = work.tally
        self._hasher = steps.hasher(work.layer, algorithm, **parameters)
        self._running: Operation[None] | None = None
        self._waiting: list[memoryview] = []
        self._nbytes = 0

    def take(self, piece: Piece) -> None:
        self._waiting.append(memoryview(piece))
        self._nbytes += len(piece)
        if self._nbytes >= STEP and (self._nbytes >= WAITING or self._running is None or self._running.done()):
            self._step()

    def _step(self) -> None:
        self._settle()
        if self._waiting:
            self._running = self._hasher.update(self._waiting)
            self._waiting, self._nbytes = [], 0

    def _settle(self) -> None:
        if self._running is not None:
            self._running.wait()
            self._tally.ran(self._running, beside=True)
            self._running = None

    def finish(self) -> bytes:
        self._step()
        self._settle()
        return self._hasher.finish()

    def cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()


def digest(layer: Layer, source: Origin, algorithm: str, *, tally: Tally | None = None, **parameters: Any) -> bytes:
    """Reads `source` to its end, blocking this thread, and gives its digest, checksum or MAC.

    Args:
        layer: whose worker hashes.
        source: whatever a `Pipeline` reads from.
        algorithm: of a digest, checksum or MAC.
        tally: the account to keep.
        **parameters: `key` and `tag_len` of a MAC, `digest_size` where it is variable.

    Raises:
        UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
        UsageError: a parameter is wrong, missing, or not the algorithm's.
        OSError: reading failed.
    """
    from acrypto.streams.pipeline import Pipeline

    result = Pipeline(layer, source, [Digest(algorithm, **parameters)], None, tally=tally).drive()
    return result.digests[0].value
