"""Compresses a file or pipe of any size: one legal file for the usual tools, made on all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import UsageError
from acrypto.streams import stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.layer.layer import Layer
    from acrypto.streams.sinks import Target
    from acrypto.streams.sources import Origin
    from acrypto.streams.stage import Piece, Work
    from acrypto.streams.tally import Tally

#: Formats, and how their files are called.
SUFFIXES = {"gzip": ".gz", "bgzf": ".bgz", "zstd": ".zst", "lz4": ".lz4"}


class Compress:
    """The stage that compresses, on all cores; its output does not depend on how many they are, nor on the reads.

    Args:
        format: `gzip`, `bgzf`, `zstd` or `lz4`.
        level: the format's own, by its own default.
        strategy: "fixed" for fixed Huffman codes (gzip).
        name: of the source, for the gzip header.
        mtime: of the source in seconds since the epoch, for the gzip header.

    Raises:
        UsageError: no such format, or a parameter that it does not have.
    """

    def __init__(
        self,
        format: str = "gzip",
        level: int | None = None,
        *,
        strategy: str | None = None,
        name: bytes = b"",
        mtime: int = 0,
    ) -> None:
        if format not in SUFFIXES:
            raise UsageError(f"format is {format!r}; known: {', '.join(SUFFIXES)}")
        if strategy is not None and format != "gzip":
            raise UsageError(f"strategy is {strategy!r}; {format} has none")
        self.format = format
        self.level = level
        self.strategy = strategy
        self._name = name
        self._mtime = mtime

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return f"compress {self.format}"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        if self.format == "gzip":
            return stage.PIECE
        if self.format == "bgzf":
            from acrypto.streams.bgzf.compress import RUN

            return RUN
        from acrypto.streams.frames.compress import chunk_len

        return chunk_len(self.format, self.level)

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The compressed data."""
        if self.format == "gzip":
            from acrypto.streams.gzip.compress import compress as gzip

            return gzip(work, upstream, level=self.level, strategy=self.strategy, name=self._name, mtime=self._mtime)
        if self.format == "bgzf":
            from acrypto.streams.bgzf.compress import compress as bgzf

            return bgzf(work, upstream, level=self.level)
        from acrypto.streams.frames.compress import compress as frames

        return frames(work, upstream, format=self.format, level=self.level)


def compress(
    layer: Layer,
    source: Origin,
    sink: Target,
    *,
    format: str = "gzip",
    level: int | None = None,
    strategy: str | None = None,
    name: bytes = b"",
    mtime: int = 0,
    tally: Tally | None = None,
) -> Tally:
    """Reads `source` to its end and writes it compressed to `sink`, blocking this thread.

    Args:
        layer: whose workers compress.
        source: whatever a `Pipeline` reads from.
        sink: whatever a `Pipeline` writes to; None to measure only.
        format: as of `Compress`, and so are `level`, `strategy`, `name` and `mtime`.
        level: see there.
        strategy: see there.
        name: see there.
        mtime: see there.
        tally: the account to keep; a fresh one by default.

    Returns:
        The account.

    Raises:
        UsageError: no such format, or a parameter that it does not have.
        OSError: reading or writing failed.
    """
    from acrypto.streams.pipeline import Pipeline

    stages = [Compress(format, level, strategy=strategy, name=name, mtime=mtime)]
    return Pipeline(layer, source, stages, sink, tally=tally).drive().tally
