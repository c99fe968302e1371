"""A gzip file as Python's raw files are: bytes on demand, with the outcomes of the standard library's `gzip`.

Small files, pipes and whatever else has no size are read on the caller's thread. A large one goes through the stage
that decompresses on all cores. That is stricter than the standard library (zeros behind a member, wrong checksums of
headers), so where it refuses to go on, the caller's thread goes on, and finds and tells what the standard library
does.
"""

from __future__ import annotations

import gzip as _standard
import io
import os
import stat
import struct
from typing import TYPE_CHECKING

from acrypto import _core, zlib
from acrypto.model.errors import AcryptoError, CorruptInput
from acrypto.streams import shared
from acrypto.streams.gzip import format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from typing_extensions import Buffer as BytesLike

    from acrypto.streams.stage import Piece

#: Compressed bytes of a file from which on the layer is worth its while.
LARGE = 1 << 20
#: What is read at a time: first, for the many small files, and then.
_FIRST, _BLOCK = 16 << 10, 128 << 10
_HEADER_CHECK, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
#: Without a limit: the caller asks for as much as the caller wants.
_ENDLESS = (1 << 63) - 1


class BadGzipFile(_standard.BadGzipFile, CorruptInput):
    """The file is no gzip file, or its contents do not have the checksum or the length that it tells.

    Handlers of the standard library's `gzip.BadGzipFile` catch it.
    """

    def __init__(self, *arguments: object) -> None:
        _standard.BadGzipFile.__init__(self, *arguments)
        self.offset = 0


def _cut_off() -> EOFError:
    return EOFError("Compressed file ended before the end-of-stream marker was reached")


class Compressed:
    """The compressed bytes of a file that were not consumed yet.

    Args:
        file: with a `read`; and a `seek` to go back.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ahead = memoryview(b"")
        self._next = _FIRST

    def take(self, nbytes: int) -> bytes:
        """Exactly that many bytes.

        Raises:
            EOFError: the file ends before.
        """
        while len(self._ahead) < nbytes:
            if not self._more():
                raise _cut_off()
        taken, self._ahead = bytes(self._ahead[:nbytes]), self._ahead[nbytes:]
        return taken

    def _more(self) -> bool:
        more = self._file.read(self._next)
        self._next = _BLOCK
        self._ahead = memoryview(bytes(self._ahead) + more if len(self._ahead) else more)
        return bool(more)

    def block(self) -> memoryview:
        """Some bytes; none at the end of the file."""
        if not len(self._ahead):
            self._more()
        block, self._ahead = self._ahead, memoryview(b"")
        return block

    def put_back(self, block: memoryview) -> None:
        """Puts bytes before what is at hand."""
        self._ahead = block if not len(self._ahead) else memoryview(bytes(block) + bytes(self._ahead))

    def skip_text(self) -> None:
        """Consumes bytes up to a zero and with it."""
        while len(block := self.block()):
            end = bytes(block).find(b"\0")
            if end >= 0:
                self.put_back(block[end + 1 :])
                return

    def skip_zeros(self) -> None:
        """Consumes the zeros that some tools put behind a member."""
        while len(block := self.block()):
            rest = bytes(block).lstrip(b"\0") if block[0] == 0 else block
            if len(rest):
                self.put_back(memoryview(rest))
                return


def read_header(data: Compressed) -> int | None:
    """Consumes a member's header; gives its time stamp, or None if there is nothing more.

    Raises:
        BadGzipFile: it is none.
        EOFError: it is cut off.
    """
    block = data.block()
    if not len(block):
        return None
    data.put_back(block)
    try:
        magic = data.take(2)
    except EOFError:
        magic = bytes(block)
    if magic != format.MAGIC:
        raise BadGzipFile(f"Not a gzipped file ({magic!r})")
    method, flags, mtime = struct.unpack("<BBIxx", data.take(8))
    if method != 8:
        raise BadGzipFile("Unknown compression method")
    if flags & _EXTRA:
        data.take(*struct.unpack("<H", data.take(2)))
    if flags & _NAME:
        data.skip_text()
    if flags & _COMMENT:
        data.skip_text()
    if flags & _HEADER_CHECK:
        data.take(2)
    return int(mtime)


class Members:
    """The contents of one member after the other, inflated on this thread."""

    def __init__(self, data: Compressed) -> None:
        self._data = data
        self._inflater: _core.BufferingInflater | None = None
        self._checksum = self._length = 0
        self.mtime: int | None = None

    def read(self, most: int) -> bytes:
        """At most that many bytes; none at the end.

        Raises:
            BadGzipFile: a header or a trailer is wrong.
            EOFError: the data are cut off.
            zlib.error: deflate data are damaged.
        """
        while True:
            if self._inflater is None:
                mtime = read_header(self._data)
                if mtime is None:
                    return b""
                self.mtime = mtime
                self._inflater = zlib._ZlibDecompressor(-zlib.MAX_WBITS)
                self._checksum = self._length = 0
            inflater = self._inflater
            if inflater.eof:
                self._end(inflater)
                continue
            block: BytesLike = b""
            if inflater.needs_input:
                block = self._data.block()
                if not len(block):
                    raise _cut_off()
            read = inflater.decompress(block, most)
            if read:
                self._checksum = zlib.crc32(read, self._checksum)
                self._length += len(read)
                return read

    def _end(self, inflater: _core.BufferingInflater) -> None:
        self._inflater = None
        if inflater.unused_data:
            self._data.put_back(memoryview(inflater.unused_data))
        checksum, length = struct.unpack("<II", self._data.take(8))
        if checksum != self._checksum:
            raise BadGzipFile(f"CRC check failed {checksum:#x} != {self._checksum:#x}")
        if length != self._length & 0xFFFFFFFF:
            raise BadGzipFile("Incorrect length of data produced")
        self._data.skip_zeros()


def decompress(data: BytesLike) -> bytes:
    """The contents of all members in `data`.

    Raises:
        BadGzipFile: a header or a trailer is wrong.
        EOFError: the data are cut off.
        zlib.error: deflate data are damaged.
    """
    view = memoryview(data).cast("B")
    if not len(view):
        return b""
    try:
        return bytes(_core.decompress("gzip", view, max_output=_ENDLESS))
    except CorruptInput:
        members = Members(Compressed(io.BytesIO(view)))
        return b"".join(iter(lambda: members.read(_ENDLESS), b""))


class Reader(io.RawIOBase):
    """A raw file of what a gzip file contains. One thread at a time.

    Args:
        file: read from where it stands; not closed with this one.
        start: where it stands, if that is known.
    """

    def __init__(self, file: IO[bytes], start: int | None = None) -> None:
        self._file = file
        self._start = self._position() if start is None else start
        self._size = -1  # known at the end
        self._pos = 0
        self._members: Members | None = None
        self._pieces: Iterator[Piece | None] | None = None
        self._piece = memoryview(b"")
        self._stop: Callable[[], None] | None = None
        self.mtime: int | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True: seeking forward is reading."""
        return True

    def tell(self) -> int:
        """Bytes of the contents read so far."""
        return self._pos

    def close(self) -> None:
        """Withdraws what is in flight."""
        self._withdraw()
        self._members = None
        super().close()

    def readinto(self, space: BytesLike, /) -> int:
        """Reads some of the contents; see `Members.read` for the errors."""
        with memoryview(space) as view, view.cast("B") as memory:
            read = self._some(len(memory))
            memory[: len(read)] = read
            return len(read)

    def readall(self) -> bytes:
        """Reads the rest."""
        if self._pos == 0 and self._pieces is None and self._members is None and 0 < self._size_left() < LARGE:
            return self._read_small()
        return b"".join(iter(lambda: bytes(self._some(_ENDLESS)), b""))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Goes to a place in the contents: by reading if it lies ahead, from the start anew if not."""
        if whence == io.SEEK_CUR:
            offset += self._pos
        elif whence == io.SEEK_END:
            while self._size < 0 and len(self._some(_BLOCK)):
                pass
            offset += self._size
        elif whence != io.SEEK_SET:
            raise ValueError(f"Invalid value for whence: {whence}")
        if offset < self._pos:
            self._rewind()
        while self._pos < offset and len(self._some(min(_BLOCK, offset - self._pos))):
            pass
        return self._pos

    def _some(self, most: int) -> bytes | memoryview:
        """At most that many bytes; none at the end."""
        if most <= 0:
            return b""
        if self._pieces is None and self._members is None:
            self._begin()
        read: bytes | memoryview = b""
        if self._pieces is not None:
            read = self._cut(most)
        if self._members is not None:
            read = self._members.read(most)
            self.mtime = self._members.mtime
        self._pos += len(read)
        if not len(read):
            self._size = self._pos
        return read

    def _read_small(self) -> bytes:
        """All of a small file that was not begun."""
        compressed = self._file.read()
        read = decompress(compressed)
        self.mtime = int.from_bytes(compressed[4:8], "little")
        self._members = Members(Compressed(self._file))  # at the end
        self._pos = self._size = len(read)
        return read

    # ---- On all cores

    def _begin(self) -> None:
        if self._size_left() >= LARGE:
            first = self._file.read(LARGE)
            length = format.header_len(memoryview(first))
            if length is not None:
                self.mtime = int.from_bytes(first[4:8], "little")
                self._flow(first)
                return
            self._file.seek(self._start or 0)
        self._members = Members(Compressed(self._file))

    def _position(self) -> int | None:
        try:
            return self._file.tell() if self._file.seekable() else None
        except (AttributeError, OSError):
            return None

    def _size_left(self) -> int:
        """The bytes of a file of known size in which one can go back; 0 for any other."""
        if self._start is None:
            return 0
        if isinstance(self._file, io.BytesIO):
            return self._file.getbuffer().nbytes - self._start
        try:
            state = os.fstat(self._file.fileno())
        except (AttributeError, OSError, TypeError):
            return 0
        return state.st_size - self._start if stat.S_ISREG(state.st_mode) else 0

    def _flow(self, first: bytes) -> None:
        from acrypto.streams.decompress import Decompress
        from acrypto.streams.flow import flow, works
        from acrypto.streams.tally import Tally

        def source() -> Iterator[bytes]:
            piece = first
            while piece:
                yield piece
                piece = self._file.read(LARGE)

        stages = [Decompress("gzip", limited=False)]
        self._pieces, self._stop = flow(stages, works(shared.shared_layer(), Tally(), stages), source())

    def _cut(self, most: int) -> bytes | memoryview:
        """Some of what flows; nothing at the end, or if this thread must go on."""
        while self._pieces is not None and not len(self._piece):
            try:
                self._piece = memoryview(next(self._pieces) or b"")
            except StopIteration:
                return b""
            except AcryptoError as error:
                self._go_on(error)
                return b""
        read, self._piece = self._piece[:most], self._piece[most:]
        return read

    def _go_on(self, error: AcryptoError) -> None:
        """Goes on with this thread, where the stage could not."""
        self._withdraw()
        start = self._start or 0
        if isinstance(error, CorruptInput) and str(error).startswith("trailing garbage"):
            # Whole members lie before it; zeros that some tools put there, or the next member, may be found.
            self._file.seek(start + error.offset)
            data = Compressed(self._file)
            data.skip_zeros()
            self._members = Members(data)
            return
        self._file.seek(start)
        self._members = Members(Compressed(self._file))
        left = self._pos
        while left and (read := self._members.read(min(_BLOCK, left))):
            left -= len(read)

    def _rewind(self) -> None:
        self._withdraw()
        self._members = None
        self._file.seek(self._start or 0)
        self._pos = 0

    def _withdraw(self) -> None:
        if self._stop is not None:
            self._stop()
        self._pieces = self._stop = None
        self._piece = memoryview(b"")
