"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from _thread import allocate_lock as Lock

from acrypto.streams.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_mask_lock = Lock()
#: Errors of filesystems that know no hard links.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def _umask() -> int:
    """The process's mask for new files. To ask the C library is to change it for a moment, for all threads."""
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    with _mask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


class Replacement:
    """A file that is written under a temporary name beside its own and renamed when it is whole.

    Leaving the context without `commit` removes it. A name that belongs to a device or a pipe is written to directly;
    a block device, whose contents are as good as a file's, only with `force`.

    Args:
        path: the name it shall have.
        force: whether a file of that name may be replaced, or a block device be overwritten.
        private: whether only its owner may read it.

    Raises:
        FileExistsError: there is such a file or block device and `force` was not given; from `commit` if the file came
            meanwhile.
        IsADirectoryError: there is such a directory.
        OSError: the file cannot be made.
    """

    def __init__(self, path: str, *, force: bool = False, private: bool = False) -> None:
        self.path = path
        self._force = force
        self._private = private
        self._temporary: str | None = None
        try:
            self.file = self._open()
        except BaseException:
            self._discard()
            raise

    def _open(self) -> Output:
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.path)
        if there is not None and not stat.S_ISREG(there.st_mode):
            if stat.S_ISBLK(there.st_mode) and not self._force:
                raise FileExistsError(errno.EEXIST, "is a block device; --force overwrites it", self.path)
            return Output(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666), self.path)
        if os.path.lexists(self.path) and not self._force:
            raise FileExistsError(errno.EEXIST, "exists already; --force overwrites it", self.path)
        while True:
            name = os.path.join(os.path.dirname(self.path), f".acrypto-{os.urandom(8).hex()}")
            # Recorded before it exists: a signal may come right after it was made.
            self._temporary = name
            try:
                made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except OSError as error:
                self._temporary = None
                raise OSError(error.errno, error.strerror, self.path) from None
            return Output(made, self.path)

    @property
    def is_temporary(self) -> bool:
        """Whether this becomes a file of its own; not so for a device or a pipe."""
        return self._temporary is not None

    def commit(self, like: os.stat_result | None = None) -> None:
        """Gives the file its name; and, if told, the mode, owner (where allowed) and times of another file."""
        if self._temporary is None:
            self.file.close()
            return
        made = self.file.fileno()
        if like is None and not self._private:
            os.fchmod(made, 0o666 & ~_umask())
        elif like is not None:
            mode = stat.S_IMODE(like.st_mode)
            try:
                os.fchown(made, like.st_uid, like.st_gid)
            except OSError:
                mode &= 0o777  # set-id bits belong to the owner that it cannot have
            os.fchmod(made, mode)
            os.utime(made, ns=(like.st_atime_ns, like.st_mtime_ns))
        self.file.close()
        if self._force:
            os.replace(self._temporary, self.path)
        else:
            self._rename_to_nothing(self._temporary)
        self._temporary = None

    def _rename_to_nothing(self, temporary: str) -> None:
        """Renames, but never onto a file that came meanwhile."""
        try:
            os.link(temporary, self.path, follow_symlinks=False)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, "exists already; --force overwrites it", self.path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.rename(temporary, self.path)
        else:
            os.unlink(temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self._discard()

    def _discard(self) -> None:
        if self._temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None
