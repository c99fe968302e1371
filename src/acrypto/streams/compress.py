"""Compresses a file or pipe of any size: one legal file for the usual tools, made on all cores."""

from __future__ import annotations

from acrypto.model.errors import UsageError
from acrypto.streams.sink import Sink
from acrypto.streams.source import Source
from acrypto.streams.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Writable
    from acrypto.streams.source import Readable

#: Formats, and how their files are called.
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "lz4": ".lz4"}


def compress(
    layer: Layer,
    source: Readable,
    sink: Writable | None,
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
        source: a raw binary file, or anything with its `readinto`.
        sink: a raw binary file, or anything with its `write`; None to measure only.
        format: `gzip`, `zstd` or `lz4`.
        level: the format's own, by its own default.
        strategy: "fixed" for fixed Huffman codes (gzip).
        name: of the source, for the gzip header.
        mtime: of the source in seconds since the epoch, for the gzip header.
        tally: the account to keep; a fresh one by default.

    Returns:
        The account.

    Raises:
        UsageError: no such format, or a parameter that it does not have.
        OSError: reading or writing failed.
    """
    if format not in SUFFIXES:
        raise UsageError(f"format is {format!r}; known: {', '.join(SUFFIXES)}")
    tally = tally or Tally()
    reading, writing = Source(source, tally), Sink(sink, tally)
    if format == "gzip":
        from acrypto.streams.gzip.compress import compress as gzip

        gzip(layer, reading, writing, tally, level=level, strategy=strategy, name=name, mtime=mtime)
        return tally
    if strategy is not None:
        raise UsageError(f"strategy is {strategy!r}; {format} has none")
    from acrypto.streams.frames.compress import compress as frames

    frames(layer, reading, writing, tally, format=format, level=level)
    return tally
