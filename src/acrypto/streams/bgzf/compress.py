"""BGZF made on all cores: runs of blocks, and the empty one that ends a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.streams import steps
from acrypto.streams.bgzf import format
from acrypto.streams.stage import regrouped
from acrypto.streams.window import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.stage import Piece, Work

#: Source bytes of an operation: whole blocks, about a MiB.
RUN = 16 * format.CONTENT


def compress(work: Work, upstream: Iterator[Piece | None], *, level: int | None = None) -> Iterator[Piece | None]:
    """The blocks that hold all that comes from upstream. They are the same for any number of workers."""
    transform = steps.blocks(work.layer, level=level)

    def jobs() -> Iterator[tuple[Operation[Buffer], None, int] | None]:
        for message in regrouped(upstream, RUN):
            if message is None:
                yield None
            else:
                source, nbytes = message
                yield transform.compress(source, mode=work.mode), None, nbytes

    for made in results(work, jobs()):
        yield None if made is None else made[0]
    yield format.END
