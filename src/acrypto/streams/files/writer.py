"""Files that are written: through stages, on all cores, and under their name when they are whole."""

from __future__ import annotations

import io
import warnings
from errno import EIO
from threading import RLock
from typing import TYPE_CHECKING, Any

from acrypto import _core
from acrypto.streams import sinks
from acrypto.streams.files.origin import HOW
from acrypto.streams.flow import Feed
from acrypto.streams.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer
    from acrypto.streams.sinks import Target
    from acrypto.streams.stage import Stage

#: `bytes` of this size, which nobody can change, are taken as they are; what is smaller is gathered.
LARGE = 256 << 10


class FileWriter(io.BufferedIOBase):
    """A compressed or encrypted file that is written, as `acrypto.open_file` gives it.

    A file that was given as a path appears under its name when it is closed, whole. If the `with` block is left by an
    exception, if writing fails, or if it is never closed, there is no such file, or the old one. Any thread may write;
    one does so at a time.

    Args:
        layer: whose engines work.
        stages: in order.
        target: a path, a descriptor or a file object, which is not closed.
        name: of the file.
        overwrite: whether a file that is there may be replaced.

    Attributes:
        tells: whether it claims to be seekable.
    """

    mode = "wb"

    def __init__(
        self, layer: Layer, stages: Sequence[Stage], target: Target, *, name: Any = "", overwrite: bool = True
    ) -> None:
        super().__init__()
        self.name = name
        self.tells = False
        self._lock = RLock()
        self._gathered = bytearray()
        #: Up to what the first stage likes, so that it needs no copy to have its messages in one piece.
        self._most = max(LARGE, stages[0].piece if stages else 0)
        self._taken = 0
        self._broken = False
        self._feed: Feed | None = None
        self._sink = sinks.sink(layer, target, HOW, overwrite=overwrite)
        # Nothing of it refers to this object, which so ends with its last reference.
        self._feed = Feed(layer, stages, self._sink.write, Tally())

    def write(self, data: BytesLike, /) -> int:
        """Takes all of `data`, and gives their number. They may be changed afterwards.

        Raises:
            OSError: writing these or earlier data failed; the file is lost.
            AcryptoError: a stage failed; likewise.
        """
        with self._lock, memoryview(data).cast("B") as view:
            feed = self._open()
            if self._broken:
                raise OSError(EIO, "writing failed before; the file is lost", self.name or None)
            try:
                if len(view) >= LARGE and type(data) is bytes:
                    self._hand_over(feed)
                    feed.write(data)
                else:
                    self._gather(feed, view)
            except BaseException:
                self._broken = True
                raise
            self._taken += len(view)
            return len(view)

    def _gather(self, feed: Feed, view: memoryview) -> None:
        at = 0
        while at < len(view):
            end = at + self._most - len(self._gathered)
            self._gathered += view[at:end]
            if len(self._gathered) == self._most:
                self._hand_over(feed)
            at = end

    def _hand_over(self, feed: Feed) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        if gathered:
            _core.count_copy("python", len(gathered))
            feed.write(memoryview(gathered))

    def _open(self) -> Feed:
        if self.closed or self._feed is None:
            raise ValueError("I/O operation on closed file")
        return self._feed

    def writable(self) -> bool:
        """True."""
        self._open()
        return True

    def seekable(self) -> bool:
        """False."""
        self._open()
        return self.tells

    def tell(self) -> int:
        """Bytes written so far."""
        self._open()
        return self._taken

    def flush(self) -> None:
        """Nothing: what was written leaves in whole blocks, the last of them with `close`."""
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def close(self) -> None:
        """Writes what is left, and gives the file its name. Of a file that could not be written nothing is left.

        Raises:
            OSError: writing failed; the file is lost.
            AcryptoError: a stage failed; likewise.
        """
        with self._lock:
            if self.closed:
                return
            if self._broken or self._feed is None:
                self.discard()
                return
            try:
                self._hand_over(self._feed)
                self._feed.finish()
                self._sink.finish()
            finally:
                self.discard()

    def discard(self) -> None:
        """Closes it without giving the file its name; unless it has it, nothing is left. Safe to call again."""
        with self._lock:
            if self.closed:
                return
            super().close()
            self._gathered = bytearray()
            feed, self._feed = self._feed, None
            if feed is not None:
                try:
                    feed.cancel()
                finally:
                    self._sink.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not self.closed:
            if getattr(self, "_feed", None) is not None:
                warnings.warn(f"{self.name!r} was never closed, and is not written", ResourceWarning, stacklevel=2)
            self.discard()


class TextWriter(io.TextIOWrapper):
    """Text that goes into a `FileWriter`; an exception in the `with` block leaves no file either."""

    buffer: FileWriter

    def __init__(
        self, buffer: FileWriter, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> None:
        # Python begins text with a byte order mark only where it can ask for the position.
        buffer.tells = True
        try:
            super().__init__(buffer, encoding, errors, newline)
        finally:
            buffer.tells = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.buffer.discard()
        self.close()

    def __del__(self) -> None:
        self.buffer.__del__()
