"""Files that are read: a raw file of the content, and Python's own buffered reader on it.

Reading begins as a stream: everything is checked, decoded on all cores and read ahead. The first jump makes an index
of the data if they can have one, and from then on units of them are decoded where they are wanted. Data without an
index are read from the start once more, as Python's own compressed files do it.
"""

from __future__ import annotations

import io
import os
from threading import RLock
from typing import TYPE_CHECKING, Any

from acrypto import _core
from acrypto.model.errors import CorruptInput, LimitExceeded, UsageError
from acrypto.streams.decompress import detect
from acrypto.streams.files import forms
from acrypto.streams.files.origin import Origin
from acrypto.streams.files.stream import Stream
from acrypto.streams.seekable import UnitReader, indexed
from acrypto.streams.units import NotIndexed

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer
    from acrypto.streams.files.stream import Keys
    from acrypto.streams.place import Place
    from acrypto.streams.units import Index

#: Bytes of the buffer that lines are cut from.
BUFFER = 128 << 10
#: Content that is rather read and dropped than jumped over.
SKIPPED = 2 << 20


class UnitPlace:
    """The content of some data as a place to read from, for data inside data."""

    def __init__(self, units: UnitReader) -> None:
        self._units = units
        self.size = units.size
        self.name: str | None = None

    def read(self, offset: int, nbytes: int) -> bytes:
        """So many bytes from there on, fewer only at the end."""
        return self._units.read(offset, nbytes)

    def close(self) -> None:
        """Nothing."""


class Decoded(io.RawIOBase):
    """The content of a compressed or encrypted file as a raw file. One thread at a time, but for `pread`.

    Args:
        layer: whose engines work.
        file: a path, a descriptor or a file object.
        form: its formats; None if its first bytes tell.
        keys: who reads.
        gzi: the path of a `.gzi`.
        max_output: the most bytes of content.
    """

    mode = "rb"

    def __init__(
        self,
        layer: Layer,
        file: Any,
        form: forms.Form | None,
        keys: Keys,
        *,
        gzi: str | None = None,
        max_output: int | None = None,
    ) -> None:
        super().__init__()
        self._layer = layer
        self._form = form
        self._keys = keys
        self._gzi = gzi
        self._max_output = max_output
        self._lock = RLock()
        self._at = 0
        self._piece: memoryview | None = None
        self._stream: Stream | None = None
        self._units: list[UnitReader] | None = None
        self._no_units = False
        self._size: int | None = None
        if form is not None and form.encrypted:
            keys.check()
        self._origin = Origin(layer, file)
        self.name = self._origin.name if self._origin.name is not None else file if type(file) is int else ""
        try:
            self._stream = Stream(layer, self._origin, form, keys)
        except BaseException:
            self._origin.close()
            raise

    # ---- Reading on

    def readinto(self, buffer: BytesLike, /) -> int:
        """Reads some bytes; none at the end."""
        with self._lock, memoryview(buffer).cast("B") as space:
            part = self._taken(len(space))
            if part is None:
                return 0
            space[: len(part)] = part
            _core.count_copy("python", len(part))
            return len(part)

    def readall(self) -> bytes:
        """All that is left."""
        with self._lock:
            parts = []
            while (part := self._taken(None)) is not None:
                parts.append(part)
            return _joined(parts)

    def _taken(self, most: int | None) -> memoryview | None:
        """At most so many of the next bytes; None at the end."""
        self._check()
        part = self._some() if most is None or most else None
        if part is None:
            return None
        part = part[:most]
        if self._max_output is not None:
            # Up to the limit all is given, since a buffer asks for more than its reader.
            part = part[: max(0, self._max_output - self._at)]
            if not len(part):
                raise LimitExceeded(f"the output would exceed {self._max_output} bytes", self._max_output)
        self._at += len(part)
        return part

    def _some(self) -> memoryview | None:
        """Some content from the position on; None at the end."""
        if self._units is None and self._stream is not None and self._is_near():
            return self._streamed()
        if self._random() is not None:
            assert self._units is not None
            return self._units[-1].some(self._at)
        if self._stream is None or self._streams_at() > self._at:
            self._restart()
        return self._streamed()

    def _streams_at(self) -> int:
        """Where in the content the stream stands."""
        assert self._stream is not None
        return self._stream.at - (len(self._piece) if self._piece is not None else 0)

    def _is_near(self) -> bool:
        return 0 <= self._at - self._streams_at() <= SKIPPED

    def _streamed(self) -> memoryview | None:
        """What the stream has at the position, which lies ahead of it."""
        stream = self._stream
        assert stream is not None
        while stream.at <= self._at:
            try:
                self._piece = stream.next()
            except BaseException as error:
                if not isinstance(error, Exception):
                    # Interrupted, and the stages with it: read on from here by other means.
                    self._end_stream()
                raise
            if self._piece is None:
                self._size = stream.at
                return None
        assert self._piece is not None
        self._piece = self._piece[self._at - self._streams_at() :]
        return self._piece

    def _restart(self) -> None:
        if self._origin.place is None:
            raise io.UnsupportedOperation("a pipe is not read twice")
        self._end_stream()
        self._stream = Stream(self._layer, self._origin, self._form, self._keys)

    def _end_stream(self) -> None:
        stream, self._stream, self._piece = self._stream, None, None
        if stream is not None:
            stream.close()

    # ---- Reading anywhere

    def _random(self) -> UnitReader | None:
        """What reads at any place; None if nothing can."""
        if self._units is None and not self._no_units and self._origin.place is not None:
            try:
                found = self._made_units(self._origin.place)
            except (NotIndexed, CorruptInput):
                # If something is wrong with the data, reading them from the start tells what.
                self._no_units = True
            else:
                self._end_stream()
                self._units = found
        return self._units[-1] if self._units is not None else None

    def _made_units(self, place: Place) -> list[UnitReader]:
        """A reader for each format that lies around the content, the outermost first."""
        units: list[UnitReader] = []
        form, head = self._form, place.read(0, forms.HEAD)
        if forms.is_age(head) if form is None else form.encrypted:
            from acrypto.streams.age.index import AgeIndex

            self._keys.check()
            index = AgeIndex(place, self._keys.identities, passphrase=self._keys.passphrase)
            units.append(UnitReader(self._layer, index))
            place = UnitPlace(units[-1])
            head = place.read(0, forms.HEAD)
        format = detect(head) if form is None else form.compressed
        if format is not None:
            units.append(UnitReader(self._layer, self._index(place, format)))
        if not units:
            raise NotIndexed("data in no known format")
        return units

    def _index(self, place: Place, format: str) -> Index:
        gzi = None
        if self._gzi is not None:
            with open(self._gzi, "rb") as file:
                gzi = file.read()
        beside = self._origin.name if place is self._origin.place else None
        return indexed(place, format, gzi=gzi, path=beside)

    def pread(self, offset: int, nbytes: int) -> bytes:
        """So many bytes of content from `offset` on, fewer only at the end; leaves the position where it is."""
        if offset < 0 or nbytes < 0:
            raise UsageError(f"offset is {offset} and nbytes {nbytes}; neither is negative")
        with self._lock:
            self._check()
            units = self._random()
            if units is None:
                here = self._at
                try:
                    self._at = offset
                    parts, left = [], nbytes
                    while left and (part := self._taken(left)) is not None:
                        parts.append(part)
                        left -= len(part)
                finally:
                    self._at = here
                return _joined(parts)
        limit = self._max_output
        if limit is not None:
            nbytes = min(nbytes, max(0, limit - offset) + 1)  # one more tells whether there is more
        found = UnitPlace(units).read(offset, nbytes)
        if limit is not None and found and offset + len(found) > limit:
            raise LimitExceeded(f"the output would exceed {limit} bytes", limit)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position; anywhere behind the end is allowed."""
        with self._lock:
            self._check()
            if self._origin.place is None and not (whence == os.SEEK_CUR and not offset):
                raise io.UnsupportedOperation("a pipe has no other places")
            if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
                raise ValueError(f"whence is {whence}; 0, 1 or 2 is wanted")
            base = 0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self._whole_size()
            if base + offset < 0:
                raise ValueError(f"negative seek position {base + offset}")
            self._at = base + offset
            return self._at

    def _whole_size(self) -> int:
        if self._size is None:
            units = self._random()
            if units is not None:
                self._size = units.size
            else:
                here, self._at = self._at, self._streams_at() if self._stream is not None else 0
                try:
                    while (part := self._some()) is not None:
                        self._at += len(part)
                    self._size = self._at
                finally:
                    self._at = here
        return self._size

    def tell(self) -> int:
        """The position."""
        self._check()
        return self._at

    def readable(self) -> bool:
        """True."""
        self._check()
        return True

    def seekable(self) -> bool:
        """Whether the file below is no pipe. Data that have no index are read from the start again, though."""
        self._check()
        return self._origin.place is not None

    @property
    def is_indexed(self) -> bool:
        """Whether the data are read at any place without what lies before it. Makes the index."""
        with self._lock:
            self._check()
            return self._random() is not None

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def close(self) -> None:
        """Closes it, and the file if that was opened here."""
        if self.closed:
            return
        super().close()
        if not hasattr(self, "_origin"):
            return  # it could not be opened
        with self._lock:
            try:
                self._end_stream()
                for units in self._units or ():
                    units.close()
            finally:
                self._origin.close()


def _joined(parts: list[memoryview]) -> bytes:
    _core.count_copy("python", sum(map(len, parts)))
    return b"".join(parts)


class FileReader(io.BufferedReader):
    """The content of a compressed or encrypted file, as `acrypto.open_file` gives it.

    All that Python's buffered readers do, at their speed. `seekable` is true for all but pipes; jumps are cheap where
    `is_indexed` is true. Any thread may read; lines, as from all buffered readers of CPython, one thread at a time.
    """

    raw: Decoded

    def __init__(self, raw: Decoded) -> None:
        super().__init__(raw, BUFFER)

    def pread(self, offset: int, nbytes: int) -> bytes:
        """So many bytes of content from `offset` on, fewer only at the end. Any thread may call it at any time.

        Raises:
            CorruptInput: the data are damaged there.
            OSError: reading failed.
        """
        return self.raw.pread(offset, nbytes)

    @property
    def is_indexed(self) -> bool:
        """Whether the data are read at any place without what lies before it; finding out makes the index."""
        return self.raw.is_indexed
