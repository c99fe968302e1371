"""Decompresses a file or pipe of any size, with every member or frame of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import CorruptInput, LimitExceeded, UsageError
from acrypto.model.settings import GIB
from acrypto.streams import stage
from acrypto.streams.parse import Incoming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.layer.layer import Layer
    from acrypto.streams.sinks import Target
    from acrypto.streams.sources import Origin
    from acrypto.streams.stage import Piece, Work
    from acrypto.streams.tally import Tally

#: The formats, with what their files begin with; those without cannot be told from others.
MAGICS = {
    "gzip": b"\x1f\x8b",
    "bgzf": b"",
    "zstd": b"\x28\xb5\x2f\xfd",
    "lz4": b"\x04\x22\x4d\x18",
    "zlib": b"",
    "deflate": b"",
}
#: Bytes by which formats can be told: BGZF is gzip, but for its extra field.
HEAD = 18
#: Without a limit of the caller's, output may grow to this, or to so many times the input read so far.
FREE_BYTES = 1 * GIB
FREE_RATIO = 256


def detect(head: bytes) -> str | None:
    """The format that data beginning like this have; None if no format begins like this."""
    from acrypto.streams.bgzf import format as bgzf
    from acrypto.streams.frames.format import is_skippable

    if is_skippable(head):
        return "zstd"  # lz4 has such frames too, but no tool writes one first
    if bgzf.block_len(head) is not None:
        return "bgzf"
    return next((name for name, magic in MAGICS.items() if magic and head.startswith(magic)), None)


class Decompress:
    """The stage that decompresses: on all cores where the data came in parts that tell their size.

    Args:
        format: `gzip`, `bgzf`, `zstd`, `lz4`, `zlib` or `deflate`; found by the first bytes if not given.
        max_output: the most bytes to give. By default a running limit: 1 GiB, or 256 bytes for each byte read so far
            if that is more.
        limited: False for no limit at all.

    Attributes:
        found: the format of the data of the last run, when their first bytes were read.

    Raises:
        UsageError: no such format.
    """

    def __init__(self, format: str | None = None, *, max_output: int | None = None, limited: bool = True) -> None:
        if format is not None and format not in MAGICS:
            raise UsageError(f"format is {format!r}; known: {', '.join(MAGICS)}")
        self.format = format
        self.found = format
        self._max_output = max_output
        self._limited = limited

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return f"decompress {self.found}" if self.found else "decompress"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return stage.PIECE

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The decompressed data, never more than allowed. What came before an error is only a part of them.

        Raises:
            CorruptInput: damaged, truncated, followed by something else, or of no known format; with the offset.
            LimitExceeded: more output than allowed; nothing of what would exceed it is given.
        """
        given = 0
        for piece in self._unlimited(work, Incoming(upstream)):
            if piece is not None and self._limited:
                given += len(piece)
                limit = self._max_output
                if limit is None:
                    limit = max(FREE_BYTES, FREE_RATIO * work.bytes_in)
                if given > limit:
                    raise LimitExceeded(f"the output would exceed {limit} bytes", limit)
            yield piece

    def _unlimited(self, work: Work, incoming: Incoming) -> Iterator[Piece | None]:
        format = self.format
        if format is None:
            head = incoming.peek(HEAD)
            format = self.found = detect(head)
            if format is None:
                what = "not in a known format (gzip, zstd, lz4)" if head else "empty"
                raise CorruptInput(f"{what} at offset 0", 0)
        if format in {"gzip", "bgzf"}:
            from acrypto.streams.gzip.decompress import decompress as gzip

            return gzip(work, incoming, bgzf_ends=format == "bgzf")
        from acrypto.streams.frames import decompress as frames

        if format in frames.FORMATS:
            return frames.decompress(work, incoming, format=format)
        return frames.in_steps(work, incoming, format=format)


def decompress(
    layer: Layer,
    source: Origin,
    sink: Target,
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
        source: whatever a `Pipeline` reads from.
        sink: whatever a `Pipeline` writes to; None to test only.
        format: as of `Decompress`, and so are `max_output` and `limited`.
        max_output: see there.
        limited: see there.
        tally: the account to keep; a fresh one by default.

    Returns:
        The format.

    Raises:
        UsageError: no such format.
        CorruptInput: damaged, truncated, followed by something else, or of no known format; with the offset.
        LimitExceeded: more output than allowed.
        OSError: reading or writing failed.
    """
    from acrypto.streams.pipeline import Pipeline

    decompressing = Decompress(format, max_output=max_output, limited=limited)
    Pipeline(layer, source, [decompressing], sink, tally=tally).drive()
    return decompressing.found or ""
