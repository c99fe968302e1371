"""What `digest` and `mac` share: a run over files that shows how far it is, and its rows."""

from __future__ import annotations

import errno
import os
import sys

from acrypto import _core
from acrypto.cli.progress import EVERY, Progress
from acrypto.cli.standard import STDIN
from acrypto.model.errors import UnknownAlgorithm, UsageError
from acrypto.streams.hash_files import HashedFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from acrypto.streams.hash_files import File, HashedFile


class Hashing:
    """Hashes files on several threads, and gives the results in the order of the files.

    Args:
        threads: how many; None for as many as there are CPUs.
        mapped: whether large files are mapped.
    """

    def __init__(self, threads: int | None, mapped: bool) -> None:
        self._run = HashedFiles(workers=threads, mapped=mapped)
        self._has_read_stdin = False
        self._drivers: list[str] = []

    def algorithm(self, kind: str, name: str, **parameters: Any) -> int:
        """The number of an algorithm.

        Raises:
            UsageError: it is of another kind, or a parameter is wrong.
            UnknownAlgorithm: no such name.
        """
        known = next((row["kind"] for row in _core.algorithms() if row["name"] == name), kind)
        if known != kind:
            raise UsageError(f"{name} is no {'MAC' if kind == 'mac' else kind}; it is of kind {known}")
        number, driver = self._run.algorithm(name, **parameters)
        self._drivers.append(driver)
        return number

    def driver(self, number: int) -> str:
        """Who computes an algorithm."""
        return self._drivers[number]

    def _file(self, name: str) -> File:
        if name != STDIN:
            return name
        if self._has_read_stdin:
            return os.devnull  # it was read to its end
        self._has_read_stdin = True
        return 0

    def run(self, files: Iterable[tuple[str, int]], shown: str, total: int | None) -> Iterator[list[HashedFile]]:
        """The results, as many at a time as there are.

        Args:
            files: with the numbers of their algorithms.
            shown: what is worked on, for the progress line; nothing to count files there.
            total: bytes to come, if known.
        """
        with self._run as run, Progress(shown, total) as progress:
            run.start((self._file(name), number) for name, number in files)
            while not run.exhausted:
                rows = run.take(EVERY if progress.is_shown else None)
                if rows:
                    yield rows
                if progress.is_shown:
                    done = run.progress
                    progress.watch(_Count(done.nbytes), None if shown else f"{done.files} files")


class _Count:
    def __init__(self, bytes_in: int) -> None:
        self.bytes_in = bytes_in


def name_of(row: HashedFile) -> str:
    """The file's name as it was given."""
    return STDIN if isinstance(row.path, int) else os.fsdecode(row.path)


def account(name: str, algorithm: str, driver: str, row: HashedFile) -> dict[str, Any]:
    """A file's row for machines. No device of a layer had it: reading and hashing are one job of the core."""
    assert row.digest is not None
    return {
        "file": name,
        "algorithm": algorithm,
        "digest": row.digest.hex(),
        "bytes": row.nbytes,
        "seconds": round(row.seconds, 6),
        "mb_per_s": round(row.nbytes / max(row.seconds, 1e-9) / 1e6, 1),
        "device": None,
        "driver": driver,
        "lane": None,
    }


def known(names: Iterable[str], failed: list[tuple[str, OSError]]) -> Iterator[str]:
    """The names without those of a standard input that is closed."""
    for name in names:
        if name == STDIN and sys.stdin is None:
            failed.append((name, OSError(errno.EBADF, "closed", "standard input")))
        else:
            yield name


def measure(names: tuple[str, ...]) -> tuple[str, int | None]:
    """What the progress line shows for these files: a name and a size if it is one file."""
    if len(names) != 1:
        return "", None
    try:
        size = os.stat(0 if names[0] == STDIN else names[0]).st_size
    except OSError:
        size = 0
    return os.path.basename(names[0]), size or None


__all__ = ["Hashing", "UnknownAlgorithm", "account", "known", "measure", "name_of"]
