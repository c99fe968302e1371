"""One gzip member, its parts made on all cores. The parts and the bytes are the same for any number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import InternalError
from acrypto.streams import steps
from acrypto.streams.gzip import format
from acrypto.streams.stage import regrouped
from acrypto.streams.window import ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.stage import Piece, Work

#: Source bytes of a part. What it loses by not knowing what came before it is 0.2 % at this size.
BLOCK = 1 << 20


def compress(
    work: Work,
    upstream: Iterator[Piece | None],
    *,
    level: int | None = None,
    strategy: str | None = None,
    name: bytes = b"",
    mtime: int = 0,
) -> Iterator[Piece | None]:
    """The member that holds all that comes from upstream."""
    transform = steps.part(work.layer, level=level, strategy=strategy)
    checksum = size = 0

    def jobs() -> Iterator[tuple[Operation[Buffer], int, int] | None]:
        for message in regrouped(upstream, BLOCK):
            if message is None:
                yield None
            else:
                source, nbytes = message
                yield transform.compress(source, mode=work.mode), nbytes, nbytes

    yield format.header(block=BLOCK, level=level, name=name, mtime=mtime)
    for job in ordered(work, jobs()):
        if job is None:
            yield None
            continue
        operation, nbytes = job
        part = operation.wait()
        completion = operation.completion
        if completion is None or completion.checksum is None:
            raise InternalError("a part came without its checksum")
        work.tally.ran(operation)
        checksum = _core.zlib_crc32_combine(checksum, completion.checksum, nbytes)
        size += nbytes
        yield format.prelude(len(part))
        yield part
    yield format.FINAL + format.trailer(checksum, size)
