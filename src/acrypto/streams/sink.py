"""Where bytes go, counted and bounded."""

from __future__ import annotations

from acrypto.model.errors import LimitExceeded
from acrypto.model.settings import GIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import Buffer as BytesLike

    from acrypto.streams.tally import Tally

    class Writable(Protocol):
        """What a sink writes to: a raw file, as `open(..., "wb", buffering=0)` gives it."""

        def write(self, data: memoryview, /) -> int | None:
            """Writes some of the bytes; tells how many."""


#: Without a limit of the caller's, output may grow to this, or to so many times the input read so far.
FREE_BYTES = 1 * GIB
FREE_RATIO = 256


class Sink:
    """Writes everything it is given, in order.

    Args:
        file: what to write to; None to count only.
        tally: where the bytes are counted.
    """

    def __init__(self, file: Writable | None, tally: Tally) -> None:
        self._file = file
        self._tally = tally

    def write(self, data: BytesLike) -> None:
        """Writes all of `data`."""
        view = memoryview(data)
        self._tally.bytes_out += len(view)
        while self._file is not None and view:
            view = view[self._file.write(view) or 0 :]


class LimitedSink(Sink):
    """A sink that refuses the first bytes beyond its limit, before any of them is written.

    Args:
        file: what to write to; None to count only.
        tally: where the bytes are counted.
        limit: the most bytes; None for the running limit: 1 GiB, or 256 bytes for each byte read so far if
            that is more.
    """

    def __init__(self, file: Writable | None, tally: Tally, limit: int | None) -> None:
        super().__init__(file, tally)
        self._limit = limit

    def write(self, data: BytesLike) -> None:
        """Writes all of `data`.

        Raises:
            LimitExceeded: the output would grow beyond the limit.
        """
        limit = self._limit
        if limit is None:
            limit = max(FREE_BYTES, FREE_RATIO * self._tally.bytes_in)
        if self._tally.bytes_out + len(memoryview(data)) > limit:
            raise LimitExceeded(f"the output would exceed {limit} bytes", limit)
        super().write(data)
