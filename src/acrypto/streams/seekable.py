"""Compressed or encrypted data as a file that can be read at any place, on all cores."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

from acrypto import _core
from acrypto.model.errors import AcryptoError, ClosedError, UsageError
from acrypto.streams.place import is_path, place
from acrypto.streams.units import Index, NotIndexed

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Operation
    from acrypto.layer.layer import Layer
    from acrypto.streams.place import Place
    from acrypto.streams.units import Unit

#: Decoded bytes that are kept, those that are being decoded ahead among them; one unit always fits.
CACHE = 32 << 20


class UnitReader:
    """Reads content by way of an index. Any thread may read at any time.

    The units that were used last are kept. When units are asked for in order, as many of those that follow as keep all
    workers busy are read and decoded ahead.

    Args:
        layer: whose workers decode.
        index: of the data.
        cache: bytes of content kept.
    """

    def __init__(self, layer: Layer, index: Index, cache: int = CACHE) -> None:
        self.index = index
        self._layer = layer
        self._cache = cache
        self._lock = Lock()
        self._kept: OrderedDict[int, tuple[Unit, Operation[Any]]] = OrderedDict()
        self._kept_bytes = 0
        self._last = -2
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes of content in all."""
        with self._lock:
            self._check()
            return self.index.size()

    def read_into(self, offset: int, space: memoryview) -> int:
        """Reads content from `offset` on until `space` is full or the content ends; gives the bytes read.

        Raises:
            CorruptInput: the data are damaged, or the index does not tell the truth about them.
            OSError: reading failed.
        """
        filled = 0
        while filled < len(space):
            found = self.some(offset + filled)
            if found is None:
                break
            part = found[: len(space) - filled]
            space[filled : filled + len(part)] = part
            filled += len(part)
        _core.count_copy("python", filled)
        return filled

    def read(self, offset: int, nbytes: int) -> bytes:
        """So many bytes of content from `offset` on, fewer only at the end; raises what `read_into` does."""
        parts: list[memoryview] = []
        at, end = offset, offset + nbytes
        while at < end and (found := self.some(at)) is not None:
            parts.append(found[: end - at])
            at += len(parts[-1])
        _core.count_copy("python", at - offset)
        return b"".join(parts)

    def some(self, offset: int) -> memoryview | None:
        """The content from `offset` to the end of the unit that it lies in; None behind the end."""
        with self._lock:
            self._check()
            number = self.index.find(offset)
            if number is None:
                return None
            unit, operation = self._started(number)
            if number == self._last + 1:
                self._start_ahead(number)
            self._last = number
        try:
            content = self.index.content(number, unit, operation)
        except BaseException:
            with self._lock:
                self._forget(number)
                self._check()  # tells why, if it was `close` that ended the wait
            raise
        return memoryview(content)[offset - unit.offset :]

    def _check(self) -> None:
        if self._closed:
            raise ClosedError("the file is closed")

    def _started(self, number: int) -> tuple[Unit, Operation[Any]]:
        """The unit, perhaps still being decoded, as the one that was used last."""
        entry = self._kept.get(number)
        if entry is None:
            unit = self.index.unit(number)
            if unit is None:
                raise IndexError(number)
            source = self.index.place.read(unit.start, unit.length)
            entry = self._kept[number] = unit, self.index.decode(self._layer, number, unit, source)
            self._kept_bytes += max(unit.size, unit.length)
            while self._kept_bytes > self._cache and len(self._kept) > 1:
                self._forget(next(iter(self._kept)))
        self._kept.move_to_end(number)
        return entry

    def _start_ahead(self, number: int) -> None:
        """Starts the units behind; whatever is wrong with one is told when it is asked for."""
        most = 2 * self._layer.settings.workers + 2
        ahead = 0
        try:
            for later in range(number + 1, number + 1 + most):
                unit = self.index.unit(later)
                if unit is None or ahead + max(unit.size, unit.length) > self._cache // 2:
                    break
                ahead += max(unit.size, unit.length)
                self._started(later)
        except (AcryptoError, NotIndexed, OSError):
            pass

    def _forget(self, number: int) -> None:
        entry = self._kept.pop(number, None)
        if entry is not None:
            self._kept_bytes -= max(entry[0].size, entry[0].length)

    def close(self) -> None:
        """Ends what is being decoded ahead. A read in another thread ends with it."""
        with self._lock:
            self._closed = True
            for _, operation in self._kept.values():
                operation.cancel()
            self._kept.clear()
            self._kept_bytes = 0


def indexed(where: Place, format: str, *, gzi: bytes | None = None, path: str | None = None) -> Index:
    """The index of data in one of the formats that can have one.

    Args:
        where: the data.
        format: its name.
        gzi: what the `.gzi` of BGZF data holds.
        path: of the data, to look for a `.gzi` beside it.

    Raises:
        NotIndexed: these data have none.
        CorruptInput: they are damaged.
        OSError: reading failed.
    """
    if format == "bgzf":
        from acrypto.streams.bgzf.index import BgzfIndex, gzi_beside

        if gzi is None and path is not None:
            gzi = gzi_beside(path)
        return BgzfIndex(where, gzi)
    if format == "gzip":
        from acrypto.streams.gzip.index import GzipIndex

        return GzipIndex(where)
    if format in {"zstd", "lz4"}:
        from acrypto.streams.frames.index import FramesIndex

        return FramesIndex(where, format)
    raise NotIndexed(f"{format} data")


class SeekableReader(io.RawIOBase):
    """Compressed data as a raw file to be read at any place. Any thread may call `pread`; the rest moves a position.

    What has an index: BGZF (by a `.gzi`, or block by block), zstd and lz4 in frames that tell their size (by the seek
    table, or frame by frame), gzip as acrypto writes it. Other data are read by `acrypto.open_file`.

    Args:
        file: a path, a descriptor, or a seekable file object, whose position moves. What was given open stays open.
        layer: whose workers decode; a small shared one by default.
        format: found by the first bytes if not given.
        index: the path of a BGZF file's `.gzi`, which is looked for beside the file otherwise; or an `Index`.
        cache: bytes of decoded content kept.

    Raises:
        UsageError: no such format, or no file.
        CorruptInput: the data are in no known format, or damaged.
        io.UnsupportedOperation: the data cannot be read at any place.
        OSError: reading failed.
    """

    def __init__(
        self,
        file: Any,
        *,
        layer: Layer | None = None,
        format: str | None = None,
        index: Index | str | os.PathLike[str] | None = None,
        cache: int = CACHE,
    ) -> None:
        super().__init__()
        self._at = 0
        self._close_place: Callable[[], None] | None = None
        self._units: UnitReader | None = None
        if isinstance(index, Index):
            found = index
        else:
            where = place(file)
            if where is None:
                raise io.UnsupportedOperation("a pipe cannot be read at any place")
            self._close_place = where.close
            try:
                found = self._index(where, file, format, index)
            except NotIndexed as error:
                where.close()
                raise io.UnsupportedOperation(f"{error} cannot be read at any place") from None
            except BaseException:
                where.close()
                raise
        if layer is None:
            from acrypto.streams.shared import shared_layer

            layer = shared_layer()
        self.format = found.format
        self._units = UnitReader(layer, found, cache)

    @staticmethod
    def _index(where: Place, file: Any, format: str | None, gzi: str | os.PathLike[str] | None) -> Index:
        from acrypto.model.errors import CorruptInput
        from acrypto.streams.decompress import HEAD, MAGICS, detect

        if format is None:
            format = detect(where.read(0, HEAD))
            if format is None:
                raise CorruptInput("not in a known format at offset 0", 0)
        elif format not in MAGICS:
            raise UsageError(f"format is {format!r}; known: {', '.join(MAGICS)}")
        data = None
        if gzi is not None:
            with open(gzi, "rb") as opened:
                data = opened.read()
        return indexed(where, format, gzi=data, path=os.fsdecode(file) if is_path(file) else None)

    @property
    def size(self) -> int:
        """Bytes of content in all. What is not known yet of the index is read."""
        return self._open().size

    def pread(self, offset: int, nbytes: int) -> bytes:
        """So many bytes of content from `offset` on, fewer only at the end. Any thread may call it at any time.

        Raises:
            CorruptInput: the data are damaged there.
            OSError: reading failed.
        """
        if offset < 0 or nbytes < 0:
            raise UsageError(f"offset is {offset} and nbytes {nbytes}; neither is negative")
        return self._open().read(offset, nbytes)

    def _open(self) -> UnitReader:
        if self.closed or self._units is None:
            raise ValueError("I/O operation on closed file")
        return self._units

    def readable(self) -> bool:
        """True."""
        self._open()
        return True

    def seekable(self) -> bool:
        """True."""
        self._open()
        return True

    def tell(self) -> int:
        """The position."""
        self._open()
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position; anywhere behind the end is allowed."""
        units = self._open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"whence is {whence}; 0, 1 or 2 is wanted")
        base = 0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else units.size
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: BytesLike, /) -> int:
        """Fills the buffer; fewer bytes only at the end."""
        with memoryview(buffer).cast("B") as space:
            count = self._open().read_into(self._at, space)
        self._at += count
        return count

    def readall(self) -> bytes:
        """All that is left."""
        units = self._open()
        found = self.pread(self._at, max(0, units.size - self._at))
        self._at += len(found)
        return found

    def close(self) -> None:
        """Closes it, and the file if that was opened here."""
        if not self.closed:
            super().close()
            if self._units is not None:
                self._units.close()
            if self._close_place is not None:
                self._close_place()
