"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from _thread import allocate_lock as Lock

from acrypto.streams import leftovers
from acrypto.streams.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_mask_lock = Lock()
#: Errors of filesystems that know no hard links.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
#: Errors of filesystems and kernels that know no files without a name.
_NO_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS}


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
    """A file that is written without a name, and gets its name when it is whole.

    Until then the file system knows no name of it (O_TMPFILE), so whatever ends the process leaves nothing. Where that
    is not supported it has a temporary name beside its own, which is removed when the context is left without `commit`;
    one that a killed process left is removed by the first of a later process in the same directory (`leftovers`). A
    name that belongs to a device or a pipe is written to directly; a block device, whose contents are as good as a
    file's, only with `force`.

    Nothing is synced, as with gzip and zstd unless they are told to: what a machine that loses power had committed
    shortly before may be gone or be incomplete.

    Args:
        path: the name it shall have.
        force: whether a file of that name may be replaced, or a block device be overwritten.
        private: whether only its owner may read it.

    Raises:
        FileExistsError: there is such a file or block device and `force` was not given; from `commit` if the file came
            meanwhile.
        IsADirectoryError: there is such a directory.
        OSError: the file cannot be made, or, from `commit`, not be named.
    """

    def __init__(self, path: str, *, force: bool = False, private: bool = False) -> None:
        self.path = path
        self._force = force
        self._private = private
        self._folder = os.path.dirname(path) or os.curdir
        self._direct = False
        self._temporary: str | None = None
        try:
            self.file = self._open()
        except BaseException:
            self._discard()
            raise

    def _open(self) -> Output:
        if not self.path:
            raise FileNotFoundError(errno.ENOENT, "a file needs a name", self.path)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.path)
        if there is not None and not stat.S_ISREG(there.st_mode):
            if stat.S_ISBLK(there.st_mode) and not self._force:
                raise FileExistsError(errno.EEXIST, "is a block device", self.path)
            self._direct = True
            return Output(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666), self.path)
        if os.path.lexists(self.path) and not self._force:
            raise FileExistsError(errno.EEXIST, "exists already", self.path)
        leftovers.clean(self._folder)
        try:
            made = self._open_nameless()
            return Output(self._open_named() if made is None else made, self.path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None

    def _open_nameless(self) -> int | None:
        """A file that has no name, or None where there is no such thing."""
        try:
            made = os.open(self._folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in _NO_NAMELESS:
                return None
            raise
        # It is named through /proc, which not every jail has.
        if os.path.exists(_link_of(made)):
            return made
        os.close(made)
        return None

    def _open_named(self) -> int:
        while True:
            # Recorded before it exists: a signal may come right after it was made.
            name = self._temporary = os.path.join(self._folder, leftovers.new_name())
            try:
                made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except OSError:
                self._temporary = None
                raise
            if leftovers.claim(made):
                return made
            os.close(made)

    @property
    def is_temporary(self) -> bool:
        """Whether this becomes a file of its own; not so for a device or a pipe."""
        return not self._direct

    def commit(self, like: os.stat_result | None = None) -> None:
        """Gives the file its name; and, if told, the mode, owner (where allowed) and times of another file."""
        if self._direct:
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
        try:
            # Some filesystems tell at a close only that there was no room; the real one comes after the naming, because
            # it gives up what is nameless, and the claim to what is not.
            os.close(os.dup(made))
            self._name(made)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, "exists already", self.path) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None
        self.file.close()

    def _name(self, made: int) -> None:
        if self._temporary is None and not self._force:
            _link_nameless(made, self.path)
            return
        if self._temporary is None:
            # Nothing replaces a file but a name: the whole file gets one for a moment.
            leftovers.claim(made)
            self._temporary = os.path.join(self._folder, leftovers.new_name())
            _link_nameless(made, self._temporary)
        if self._force:
            os.replace(self._temporary, self.path)
        else:
            _rename_to_nothing(self._temporary, self.path)
        self._temporary = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Its claim ends when it is closed, so that comes last; and it is closed whatever becomes of the name.
        try:
            self._discard()
        finally:
            self.file.close()

    def _discard(self) -> None:
        if self._temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None


def _link_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _link_nameless(made: int, path: str) -> None:
    """Names a file that has no name; never one that is there already."""
    # With a descriptor of a directory, of whatever one, this is linkat(), which follows the link to the open file.
    os.link(_link_of(made), path, src_dir_fd=made, follow_symlinks=True)


def _rename_to_nothing(temporary: str, path: str) -> None:
    """Renames, but never onto a file that came meanwhile."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(temporary, path)
    else:
        os.unlink(temporary)
