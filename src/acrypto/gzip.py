"""A drop-in for the standard library's `gzip`: the same names, signatures, outcomes and exceptions.

    from acrypto import gzip

Large files are compressed and decompressed on all cores, through a layer that is opened when first needed; small ones
on the caller's thread. What is written is ordinary gzip (RFC 1952), one member for each file opened. Bytes that are
written are kept until there is a MiB of them, or until `flush` or `close`.

`compress` has the default of newer Pythons for `mtime`, so that the same data become the same bytes.
"""

from __future__ import annotations

import builtins
import errno
import gzip as _standard
import io
import os
import time
from typing import IO, TYPE_CHECKING

from acrypto import zlib
from acrypto.streams.faces import gzip_writing as writing
from acrypto.streams.faces.gzip_members import BadGzipFile, decompress
from acrypto.streams.faces.gzip_reading import Reader
from acrypto.streams.gzip import format

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

__all__ = ["BadGzipFile", "GzipFile", "open", "compress", "decompress", "READ", "WRITE"]

#: What `GzipFile.mode` tells, as the running Python has it.
READ, WRITE = _standard.READ, _standard.WRITE

_BEST = 9


def open(
    filename: str | bytes | os.PathLike[Any] | IO[bytes],
    mode: str = "rb",
    compresslevel: int = _BEST,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> GzipFile | io.TextIOWrapper:
    """Opens a gzip file.

    Args:
        filename: a path, or a file that is open.
        mode: "r", "w", "x" or "a", with "b" (or nothing) for a binary file, with "t" for a text file.
        compresslevel: 0 to 9.
        encoding: of a text file, as of the built-in `open`.
        errors: of a text file, as of the built-in `open`.
        newline: of a text file, as of the built-in `open`.

    Raises:
        ValueError: arguments that do not go together.
        TypeError: `filename` is neither.
    """
    if "t" not in mode:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"Argument {name!r} not supported in binary mode")
    elif "b" in mode:
        raise ValueError(f"Invalid mode: {mode!r}")
    binary_mode = mode.replace("t", "")
    if isinstance(filename, (str, bytes, os.PathLike)):
        binary = GzipFile(filename, binary_mode, compresslevel)
    elif hasattr(filename, "read") or hasattr(filename, "write"):
        binary = GzipFile(None, binary_mode, compresslevel, filename)
    else:
        raise TypeError("filename must be a str or bytes object, or a file")
    if "t" not in mode:
        return binary
    return io.TextIOWrapper(binary, io.text_encoding(encoding), errors, newline)


class GzipFile(io.BufferedIOBase):
    """A gzip file, read or written as if it were what it contains. One thread at a time writes.

    Args:
        filename: the path; with `fileobj`, the name for the header only.
        mode: "r", "w", "x" or "a", each also with "b"; by default that of `fileobj`, or "rb".
        compresslevel: 0 to 9.
        fileobj: an open file to use instead of opening one; it stays open.
        mtime: seconds since the epoch for the header; now by default.

    Raises:
        ValueError: no such mode or level.
        OSError: the file cannot be opened.
    """

    #: The file, if it was opened here.
    myfileobj: IO[bytes] | None = None
    #: The file; None once closed.
    fileobj: Any = None

    def __init__(
        self,
        filename: str | bytes | os.PathLike[Any] | None = None,
        mode: str | None = None,
        compresslevel: int = _BEST,
        fileobj: Any = None,
        mtime: float | None = None,
    ) -> None:
        if mode and ("t" in mode or "U" in mode):
            raise ValueError(f"Invalid mode: {mode!r}")
        if mode and "b" not in mode:
            mode += "b"
        if fileobj is None:
            if filename is None:
                raise TypeError("a filename or a fileobj is needed")
            fileobj = self.myfileobj = builtins.open(filename, mode or "rb")  # noqa: SIM115
        try:
            self._start(filename, mode, compresslevel, fileobj, mtime)
        except BaseException:
            self._close_own()
            raise

    def _start(
        self,
        filename: str | bytes | os.PathLike[Any] | None,
        mode: str | None,
        level: int,
        fileobj: Any,
        mtime: float | None,
    ) -> None:
        if filename is None:
            filename = getattr(fileobj, "name", "")
            if not isinstance(filename, (str, bytes)):
                filename = ""
        self.name = os.fspath(filename)
        actual = getattr(fileobj, "mode", "rb") if mode is None else mode
        if actual.startswith("r"):
            self.mode = READ
            raw = Reader(fileobj, 0 if self.myfileobj is not None else None)
            self._buffer: io.BufferedReader = io.BufferedReader(raw)
        elif actual.startswith(("w", "a", "x")):
            if mode is None:
                import warnings

                warnings.warn(
                    "GzipFile was opened for writing, but this will change in future Python releases.  "
                    "Specify the mode argument for opening it for writing.",
                    FutureWarning,
                    stacklevel=3,
                )
            self.mode = WRITE
            stamp = int(time.time() if mtime is None else mtime)
            self._member = writing.Member(fileobj.write, level, _header_name(self.name), stamp)
        else:
            raise ValueError(f"Invalid mode: {actual!r}")
        self.fileobj = fileobj

    def __repr__(self) -> str:
        return f"<gzip {repr(self.fileobj)[1:-1]} {hex(id(self))}>"

    # ---- Reading

    @property
    def mtime(self) -> int | None:
        """The time stamp of the header read last (of a large file, of the first one); None before."""
        raw = self._reader().raw
        return raw.mtime if isinstance(raw, Reader) else None

    def _reader(self) -> io.BufferedReader:
        if self.mode != READ:
            raise OSError(errno.EBADF, "read on write-only GzipFile object")
        return self._buffer

    def read(self, size: int | None = -1) -> bytes:
        """Reads that many bytes, fewer only at the end; all of them if `size` is negative.

        Raises:
            BadGzipFile: this is no gzip file, or its checksum or length is wrong.
            EOFError: the file is cut off.
            acrypto.zlib.error: its deflate data are damaged.
        """
        self._check()
        return self._reader().read(size)

    def read1(self, size: int = -1) -> bytes:
        """Reads some bytes with at most one read of what lies beneath."""
        self._check()
        return self._reader().read1(io.DEFAULT_BUFFER_SIZE if size < 0 else size)

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer`, up to the end of the file."""
        self._check()
        return self._reader().readinto(buffer)

    def readinto1(self, buffer: Any) -> int:
        """Reads some bytes into `buffer` with at most one read of what lies beneath."""
        self._check()
        return self._reader().readinto1(buffer)

    def peek(self, n: int) -> bytes:
        """Some bytes that come next; they are not consumed."""
        self._check()
        return self._reader().peek(n)

    def readline(self, size: int | None = -1) -> bytes:
        """Reads a line."""
        # Once for each line: no calls but the one.
        if self.fileobj is None or self.mode != READ:
            self._check()
            self._reader()
        return self._buffer.readline(size)

    def rewind(self) -> None:
        """Goes back to the beginning."""
        if self.mode != READ:
            raise OSError("Can't rewind in write mode")
        self._buffer.seek(0)

    # ---- Writing

    def write(self, data: BytesLike) -> int:
        """Takes bytes; gives how many."""
        self._check()
        if self.mode != WRITE:
            raise OSError(errno.EBADF, "write() on read-only GzipFile object")
        if isinstance(data, (bytes, bytearray)):
            self._member.add(data)
            return len(data)
        with memoryview(data) as view:
            if view.nbytes == 0:
                return 0
            plain = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
            self._member.add(plain)
            return view.nbytes

    def flush(self, zlib_mode: int = zlib.Z_SYNC_FLUSH) -> None:
        """Writes what was taken, so that a reader of the file gets it. Flushing often costs compression."""
        self._check()
        if self.mode == WRITE:
            self._member.flush(zlib_mode)
            self.fileobj.flush()

    # ---- Both

    def _check(self) -> None:
        if self.fileobj is None:
            raise ValueError("I/O operation on closed file")

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.fileobj is None

    def close(self) -> None:
        """Writes the rest; closes the file if it was opened here."""
        if self.fileobj is None:
            return
        self.fileobj = None
        try:
            if self.mode == WRITE:
                try:
                    self._member.finish()
                finally:
                    self._member.cancel()
            else:
                self._buffer.close()
        finally:
            self._close_own()

    def _close_own(self) -> None:
        own, self.myfileobj = self.myfileobj, None
        if own is not None:
            own.close()

    def fileno(self) -> int:
        """The descriptor of the file beneath. AttributeError if that has none."""
        return self.fileobj.fileno()  # type: ignore[no-any-return]

    def readable(self) -> bool:
        """Whether it is open for reading."""
        return bool(self.mode == READ)

    def writable(self) -> bool:
        """Whether it is open for writing."""
        return bool(self.mode == WRITE)

    def seekable(self) -> bool:
        """True: seeking forward is reading, or writing zeros."""
        return True

    def tell(self) -> int:
        """Bytes of the contents before the current place."""
        self._check()
        return self._member.size if self.mode == WRITE else self._buffer.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place in the contents.

        Reading, backwards means from the beginning anew. Writing, only forward is possible, over zeros.

        Raises:
            OSError: backwards, while writing.
            ValueError: from the end, while writing.
        """
        self._check()
        if self.mode == READ:
            return self._buffer.seek(offset, whence)
        if whence == io.SEEK_CUR:
            offset += self._member.size
        elif whence != io.SEEK_SET:
            raise ValueError("Seek from end not supported")
        count = offset - self._member.size
        if count < 0:
            raise OSError("Negative seek in write mode")
        zeros = bytes(min(count, 1 << 20))
        while count:
            self._member.add(zeros[:count])
            count -= min(count, len(zeros))
        return offset


def _header_name(name: str | bytes) -> bytes:
    """The name for the header: without directories and ".gz"; none if the header's Latin-1 has no letters for it."""
    base = os.path.basename(name)
    try:
        encoded = base.encode("latin-1") if isinstance(base, str) else base
    except UnicodeEncodeError:
        return b""
    return encoded.removesuffix(b".gz")


def compress(data: BytesLike, compresslevel: int = _BEST, *, mtime: float | None = 0) -> bytes:
    """Compresses a whole message.

    Args:
        data: the message.
        compresslevel: 0 to 9.
        mtime: seconds since the epoch for the header; None for now.
    """
    stamp = int(time.time() if mtime is None else mtime)
    body = zlib.compress(data, compresslevel, -zlib.MAX_WBITS)
    trailer = format.trailer(zlib.crc32(data), memoryview(data).nbytes)
    return writing.header(compresslevel, stamp) + body + trailer
