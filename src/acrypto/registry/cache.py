"""Small files in the user's cache directory: what one process has found out and the next need not.

The directory is `$ACRYPTO_CACHE` (empty: nothing is kept), else `acrypto` under `$XDG_CACHE_HOME` or `~/.cache`. A file
is read only if it belongs to this user and nobody else may write to it. Nothing in here raises: a cache is there to
save time, and whatever happens to it costs time at worst.
"""

from __future__ import annotations

import contextlib
import os
import stat

from acrypto import _core
from acrypto._core import _native
from acrypto.model.directories import user_directory

#: Digits of what `short` gives.
KEY_DIGITS = 32


def directory() -> str | None:
    """Where the files are; None if there are to be none."""
    chosen = os.environ.get("ACRYPTO_CACHE")
    if chosen is not None:
        return chosen or None
    return user_directory("XDG_CACHE_HOME", "~/.cache")


def build() -> str:
    """What is the same only for this very build on such a CPU: what was found out under another one says nothing."""
    info = _core.build_info()
    path = _native.__file__ or ""
    try:
        facts = os.stat(path)
        size, time_ns = facts.st_size, facts.st_mtime_ns
    except OSError:
        size = time_ns = 0
    return " ".join(map(str, (info["version"], info["target"], path, size, time_ns, *info["cpu_features"])))


def short(text: str) -> str:
    """A digest of a text, as `KEY_DIGITS` hexadecimal digits."""
    return _core.sha256(text.encode("utf-8", "surrogateescape")).hex()[:KEY_DIGITS]


def read(place: str | None, name: str, most_bytes: int) -> list[str] | None:
    """The lines of a file, as ASCII; of one that is too long, those that are in its first `most_bytes`.

    None if there is no such file, or it cannot be trusted: not a plain one, of another user, writable by others.
    """
    if place is None:
        return None
    try:
        file = os.open(os.path.join(place, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        facts = os.fstat(file)
        is_trusted = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
        return os.read(file, most_bytes).decode("ascii", "replace").split("\n") if is_trusted else None
    except OSError:
        return None
    finally:
        os.close(file)


def write(place: str | None, name: str, lines: list[str]) -> bool:
    """Puts a file in the place of the one that is there, in one step; whether that was done."""
    if place is None:
        return False
    # A name of its own, so that two processes, or threads, that write at once cannot mix their halves.
    path = os.path.join(place, name)
    draft = f"{path}.{os.getpid()}.{os.urandom(8).hex()}"
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError):
        return False
    try:
        with open(file, "wb") as stream:
            stream.write(("\n".join(lines) + "\n").encode("ascii", "replace"))
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        return False
    return True
