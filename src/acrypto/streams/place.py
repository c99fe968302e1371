"""Files that are read at any place: a path, a descriptor, a file object."""

from __future__ import annotations

import io
import os
import stat
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from acrypto import _core
from acrypto.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Place(Protocol):
    """Bytes that can be read at any place, by any thread.

    Attributes:
        size: bytes there are.
        name: for errors, if there is one.
    """

    size: int
    name: str | None

    def read(self, offset: int, nbytes: int) -> bytes:
        """So many bytes from there on, fewer only at the end."""

    def close(self) -> None:
        """Lets go of what was opened."""


class FilePlace:
    """A file with a descriptor, which keeps its own position.

    Args:
        descriptor: of the file.
        base: what counts as its beginning.
        name: for errors.
        owned: whether it is closed with this.
    """

    def __init__(self, descriptor: int, *, base: int = 0, name: str | None = None, owned: bool = False) -> None:
        self.descriptor = descriptor
        self.base = base
        self.name = name
        self._owned = owned
        state = os.fstat(descriptor)
        if stat.S_ISBLK(state.st_mode):
            here = os.lseek(descriptor, 0, os.SEEK_CUR)
            end = os.lseek(descriptor, 0, os.SEEK_END)
            os.lseek(descriptor, here, os.SEEK_SET)
        else:
            end = state.st_size
        self.size = max(0, end - base)

    @classmethod
    def of_path(cls, path: str) -> Self:
        """Opens a file.

        Raises:
            OSError: it cannot be opened, or is none to be read at any place.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise IsADirectoryError(21, os.strerror(21), path)
            return cls(descriptor, name=path, owned=True)
        except BaseException:
            os.close(descriptor)
            raise

    def read(self, offset: int, nbytes: int) -> bytes:
        """So many bytes from there on, fewer only at the end."""
        try:
            found = os.pread(self.descriptor, nbytes, self.base + offset)
            while len(found) < nbytes:
                more = os.pread(self.descriptor, nbytes - len(found), self.base + offset + len(found))
                if not more:
                    break
                found += more
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} at offset {offset}", self.name) from None
        _core.count_copy("read", len(found))
        return found

    def close(self) -> None:
        """Closes a descriptor of its own."""
        if self._owned:
            self._owned = False
            os.close(self.descriptor)


class ObjectPlace:
    """A file object with `seek` and `read`, or with a `pread` of its own. Without that, each read moves its position.

    Args:
        file: the object.
        base: what counts as its beginning.
    """

    def __init__(self, file: Any, base: int) -> None:
        self._file = file
        self.base = base
        self._lock = Lock()
        self._pread: Callable[[int, int], bytes] | None = getattr(file, "pread", None)
        self.name = called(file)
        self.size = max(0, file.seek(0, os.SEEK_END) - base)
        file.seek(base)

    def read(self, offset: int, nbytes: int) -> bytes:
        """So many bytes from there on, fewer only at the end."""
        if self._pread is not None:
            return self._pread(self.base + offset, nbytes)
        with self._lock:
            self._file.seek(self.base + offset)
            found: bytes = self._file.read(nbytes) or b""
            while len(found) < nbytes:
                more = self._file.read(nbytes - len(found))
                if not more:
                    break
                found += more
        _core.count_copy("python", len(found))
        return found

    def close(self) -> None:
        """Leaves the file to its owner."""


def called(file: Any) -> str | None:
    """The name of a file object, if it has one."""
    name = getattr(file, "name", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else None


def is_path(file: Any) -> bool:
    """Whether it names a file."""
    return isinstance(file, (str, bytes, os.PathLike))


def descriptor_of(file: Any) -> int | None:
    """The descriptor of a plain file, whose bytes are those that the object gives; None of any other object.

    Objects that decompress have the `fileno` of what they decompress, so only the classes of `io` are trusted.
    """
    if type(file) is int:
        return file
    raw = file.raw if isinstance(file, io.BufferedReader) else file
    return raw.fileno() if type(raw) is io.FileIO else None


def place(file: Any) -> Place | None:
    """Where a path, a descriptor or a file object can be read at any place, counted from where it stands.

    Returns:
        None if it is a pipe or the like.

    Raises:
        UsageError: it is no file at all.
        OSError: it cannot be opened.
    """
    if is_path(file):
        found = FilePlace.of_path(os.fsdecode(file))
        if _seekable(found.descriptor):
            return found
        found.close()
        return None
    descriptor = descriptor_of(file)
    if descriptor is not None:
        if not _seekable(descriptor):
            return None
        here = os.lseek(descriptor, 0, os.SEEK_CUR) if type(file) is int else file.tell()
        return FilePlace(descriptor, base=here, name=called(file))
    if not hasattr(file, "read"):
        raise UsageError(f"file is of type {type(file).__name__}; a path, a descriptor or a file object is wanted")
    seekable = getattr(file, "seekable", None)
    return ObjectPlace(file, file.tell()) if seekable is not None and seekable() else None


def _seekable(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)
