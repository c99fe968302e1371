"""Decompresses a file or pipe of any size, with every member or frame of it."""

from __future__ import annotations

from acrypto.model.errors import CorruptInput, UsageError
from acrypto.streams.sink import LimitedSink, Sink
from acrypto.streams.source import Rolling, Source
from acrypto.streams.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Writable
    from acrypto.streams.source import Readable

#: The formats, with what their files begin with; those without cannot be told from others.
MAGICS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18", "zlib": b"", "deflate": b""}
#: Input bytes read at a time.
PIECE = 1 << 20


def detect(head: bytes) -> str | None:
    """The format that data beginning like this have; None if no format begins like this."""
    from acrypto.streams.frames.format import is_skippable

    if is_skippable(head):
        return "zstd"  # lz4 has such frames too, but no tool writes one first
    return next((name for name, magic in MAGICS.items() if magic and head.startswith(magic)), None)


def decompress(
    layer: Layer,
    source: Readable,
    sink: Writable | None,
    *,
    format: str | None = None,
    max_output: int | None = None,
    limited: bool = True,
    tally: Tally | None = None,
) -> str:
    """Reads `source` to its end and writes it decompressed to `sink`, blocking this thread.

    What was written before an error is only a part of the data; the caller discards it.

    Args:
        layer: whose workers decompress.
        source: a raw binary file, or anything with its `readinto`.
        sink: a raw binary file, or anything with its `write`; None to test only.
        format: `gzip`, `zstd`, `lz4`, `zlib` or `deflate`; found by the first bytes if not given.
        max_output: the most bytes to write. By default a running limit: 1 GiB, or 256 bytes for each byte read so far
            if that is more.
        limited: False for no limit at all.
        tally: the account to keep; a fresh one by default.

    Returns:
        The format.

    Raises:
        UsageError: no such format.
        CorruptInput: damaged, truncated, followed by something else, or of no known format; with the offset.
        LimitExceeded: more output than allowed.
        OSError: reading or writing failed.
    """
    if format is not None and format not in MAGICS:
        raise UsageError(f"format is {format!r}; known: {', '.join(MAGICS)}")
    tally = tally or Tally()
    data = Rolling(Source(source, tally), PIECE)
    writing = LimitedSink(sink, tally, max_output) if limited else Sink(sink, tally)
    if format is None:
        data.need(4)
        format = detect(bytes(data.view[:4]))
        if format is None:
            what = "empty" if not data.view else "not in a known format (gzip, zstd, lz4)"
            raise CorruptInput(f"{what} at offset 0", 0)
    if format == "gzip":
        from acrypto.streams.gzip.decompress import decompress as gzip

        gzip(layer, data, writing, tally)
        return format
    from acrypto.streams.frames import decompress as frames

    if format == "zstd":
        frames.zstd(layer, data, writing, tally)
    else:
        frames.in_steps(layer, data, writing, tally, format=format)
    return format
