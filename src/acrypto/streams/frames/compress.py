"""Frames made on all cores, one after the other: one legal file. The bytes are the same for any number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.streams.frames.format import zstd_checksum
from acrypto.streams.frames.seekable_format import SeekTable
from acrypto.streams.stage import regrouped
from acrypto.streams.window import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.stage import Piece, Work

MIB = 1 << 20


def chunk_len(format: str, level: int | None) -> int:
    """Source bytes of a frame: more where the level looks further back than that."""
    if format == "lz4":
        return 1 * MIB
    level = 3 if level is None else level
    return 2 * MIB if level < 6 else 4 * MIB if level < 13 else 8 * MIB


def compress(
    work: Work, upstream: Iterator[Piece | None], *, format: str, level: int | None = None
) -> Iterator[Piece | None]:
    """Frames of `zstd` or `lz4`; nothing becomes one empty frame.

    Several zstd frames are followed by the table that lets readers begin at any of them.
    """
    transform = work.layer.transform(format, level=level)
    table = SeekTable()

    def jobs() -> Iterator[tuple[Operation[Buffer], int, int] | None]:
        nothing = True
        for message in regrouped(upstream, chunk_len(format, level)):
            if message is None:
                yield None
                continue
            nothing = False
            source, nbytes = message
            yield transform.compress(source, mode=work.mode), nbytes, nbytes
        if nothing:
            yield transform.compress(b""), 0, 0

    for made in results(work, jobs()):
        if made is None:
            yield None
            continue
        frame, nbytes = made
        if format == "zstd":
            table.add(len(frame), nbytes, zstd_checksum(memoryview(frame)))
        yield frame
    if len(table) > 1:
        yield table.to_bytes()
