"""A gzip file as Python's raw files are: bytes on demand, with the outcomes of the standard library's `gzip`.

Small files, pipes and whatever else has no size are read on the caller's thread. A large one goes through the stage
that decompresses on all cores. That is stricter than the standard library (zeros behind a member, wrong checksums of
headers), so where it refuses to go on, the caller's thread goes on, and finds and tells what the standard library
does.
"""

from __future__ import annotations

import io
import os
import stat
from typing import IO, TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import AcryptoError, CorruptInput
from acrypto.streams import shared
from acrypto.streams.faces.gzip_members import ENDLESS, FIRST, Compressed, Members, decompress
from acrypto.streams.gzip import format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer as BytesLike

    from acrypto.streams.stage import Piece

#: Compressed bytes of a file from which on the layer is worth its while.
LARGE = 1 << 20
#: What is read at a time where it is only passed over.
_BLOCK = 128 << 10


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
            _core.count_copy("python", len(read))
            return len(read)

    def readall(self) -> bytes:
        """Reads the rest."""
        if self._pos == 0 and self._pieces is None and self._members is None and 0 < self._size_left() < LARGE:
            return self._read_small()
        read = b"".join(iter(lambda: self._some(ENDLESS), b""))
        _core.count_copy("python", len(read))
        return read

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
        if self._pos:
            self._pass_over()
            return
        first = self._file.read(FIRST)
        if len(first) == FIRST and self._size_left() >= LARGE and format.header_len(memoryview(first)) is not None:
            self.mtime = int.from_bytes(first[4:8], "little")
            self._flow(first)
            return
        self._members = Members(Compressed(self._file, first))

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
                _core.count_copy("python", len(piece))
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
            except BaseException:
                # Reading failed, or was interrupted, and the stages have ended with it: whoever asks again begins anew.
                self._withdraw()
                raise
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
        self._pass_over()

    def _pass_over(self) -> None:
        """Begins at the start once more, and reads up to the position on this thread."""
        self._file.seek(self._start or 0)
        members, left = Members(Compressed(self._file)), self._pos
        while left and (read := members.read(min(_BLOCK, left))):
            left -= len(read)
        self._members = members

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
