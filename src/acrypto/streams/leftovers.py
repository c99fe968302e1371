"""Temporary files: how they are named and claimed, and how those of a process that was killed are found and removed.

Whoever writes a temporary file holds a lock on it (flock), which ends with the process whatever ends it; or a moment
later, because the kernel ends a process's io_uring, which holds the file too, in its own time. So a file of which the
lock can be had is nobody's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

_PREFIX = ".acrypto-"
_DIGITS = 16
#: Directories that this process has looked through, by device and inode, and how many of them it remembers.
_seen: set[tuple[int, int]] = set()
_MOST_SEEN = 1024


def new_name() -> str:
    """A name for a temporary file, that nobody has."""
    return f"{_PREFIX}{os.urandom(_DIGITS // 2).hex()}"


def is_name(name: str) -> bool:
    """Whether a temporary file of ours might be called so."""
    digits = name.removeprefix(_PREFIX)
    return len(digits) == _DIGITS == len(name) - len(_PREFIX) and not digits.strip("0123456789abcdef")


def claim(made: int) -> bool:
    """Tells all others that a temporary file is in use, for as long as it is open.

    Args:
        made: the descriptor, open for writing.

    Returns:
        False if somebody removed it already, because nobody had claimed it yet.
    """
    try:
        fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Where there are no locks nobody gets one, so nobody removes anything.
        return error.errno not in {errno.EWOULDBLOCK, errno.EACCES}
    return os.fstat(made).st_nlink > 0


def clean(folder: str) -> None:
    """Removes the temporary files in a directory that nobody uses any more; the first time that a process calls it.

    Only regular files of our own user with a name that `new_name` might have given. It is looked for them once only,
    because a directory may hold many files, and a command may write as many.
    """
    with contextlib.suppress(OSError):
        state = os.stat(folder)
        if (state.st_dev, state.st_ino) in _seen:
            return
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        _seen.add((state.st_dev, state.st_ino))
        for name in os.listdir(folder):
            if is_name(name):
                with contextlib.suppress(OSError):
                    _remove_unused(os.path.join(folder, name))


def _remove_unused(path: str) -> None:
    if not _is_ours(os.lstat(path)):
        return
    # Over NFS only who may write gets such a lock. What meanwhile took the place of the file is not waited for.
    there = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(there)
        if not _is_ours(state):
            return
        fcntl.flock(there, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have got its real name, or lost this one, before we had the lock.
        if os.path.samestat(state, os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(there)


def _is_ours(state: os.stat_result) -> bool:
    return stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid()
