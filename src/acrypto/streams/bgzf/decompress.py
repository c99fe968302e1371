"""BGZF read on all cores: blocks are cut by what their headers tell, about a MiB of content for each operation.

Files of them are read by `gzip.decompress`, since other members may stand among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import CorruptInput
from acrypto.streams import sequential, steps
from acrypto.streams.bgzf import format
from acrypto.streams.window import ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.parse import Incoming
    from acrypto.streams.stage import Piece, Work

#: Blocks of an operation.
RUN = 16


class Runs:
    """Blocks one after the other, up to what is no whole block.

    Attributes:
        last: the size of the last block's content; None if there was no block.
    """

    def __init__(self, work: Work, incoming: Incoming) -> None:
        self._work = work
        self._incoming = incoming
        self.last: int | None = None

    def begins(self) -> bool:
        """Whether a whole block is next."""
        return self._extent() != (0, 0)

    def read(self) -> Iterator[Piece | None]:
        """The contents."""
        transform = steps.blocks(self._work.layer)
        incoming, mode = self._incoming, self._work.mode

        def jobs() -> Iterator[tuple[Operation[Buffer], tuple[int, int], int] | None]:
            while True:
                offset, (length, size) = incoming.offset, self._extent()
                if not length:
                    return
                source = incoming.take(length)
                yield transform.decompress(source, max_output=size, mode=mode), (offset, size), max(length, size)

        for job in ordered(self._work, jobs()):
            if job is None:
                yield None
                continue
            operation, (offset, _) = job
            try:
                content = operation.wait()
            except CorruptInput as error:
                raise sequential.moved(error, offset) from None
            self._work.tally.ran(operation)
            yield content

    def _extent(self) -> tuple[int, int]:
        """How many bytes the next blocks take and give; nothing where no whole block is."""
        length = size = 0
        found = format.blocks(lambda at, nbytes: self._incoming.peek(nbytes, at), 0)
        for (block, content), _ in zip(found, range(RUN), strict=False):
            length += block
            size += content
            self.last = content
        return length, size
