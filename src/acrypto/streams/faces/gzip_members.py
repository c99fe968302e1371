"""The members of a gzip file one after the other, on the caller's thread, with the outcomes of Python's `gzip`."""

from __future__ import annotations

import gzip as _standard
import io
import struct
from typing import IO, TYPE_CHECKING

from acrypto import _core, zlib
from acrypto.model.errors import CorruptInput
from acrypto.streams.gzip import format

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

#: What is read at a time: first, for the many small files, and then.
FIRST, _BLOCK = 16 << 10, 128 << 10
_HEADER_CHECK, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
#: Without a limit: the caller asks for as much as the caller wants.
ENDLESS = (1 << 63) - 1


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
        file: with a `read`.
        ahead: what was read of it already.
    """

    def __init__(self, file: IO[bytes], ahead: bytes = b"") -> None:
        self._file = file
        self._ahead = memoryview(ahead)
        self._next = _BLOCK if ahead else FIRST

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
    ordinary = format.header_len(block)
    if ordinary is not None:
        data.put_back(block[ordinary:])
        return int.from_bytes(block[4:8], "little")
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
        return bytes(_core.decompress("gzip", view, max_output=ENDLESS))
    except CorruptInput:
        members = Members(Compressed(io.BytesIO(view)))
        return b"".join(iter(lambda: members.read(ENDLESS), b""))
