"""What `digest` and `mac` share: a run over files that shows how far it is, and its rows."""

from __future__ import annotations

import os
import sys
from collections import deque

from acrypto import _core
from acrypto.cli.progress import EVERY, Progress
from acrypto.cli.standard import STDIN
from acrypto.model.errors import UsageError
from acrypto.streams.hash_files import HashedFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from acrypto.streams.hash_files import File, Hashed, HashedFile


class Hashing:
    """Hashes files on several threads, and gives the results in the order of the files.

    Args:
        threads: how many; None for as many as there are CPUs.
        mapped: whether large files are mapped.
    """

    def __init__(self, threads: int | None, mapped: bool) -> None:
        self._run = HashedFiles(workers=threads, mapped=mapped)
        self._has_read_stdin = False
        self._drivers: dict[str, str] = {}

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
        self._drivers[name] = driver
        return number

    def _file(self, name: str, names: deque[str]) -> File:
        names.append(name)
        if name != STDIN:
            return name
        if self._has_read_stdin:
            return os.devnull  # it was read to its end
        self._has_read_stdin = True
        return -1 if sys.stdin is None else 0

    def run(self, files: Iterable[tuple[str, int]], only: str | None = None) -> Iterator[list[tuple[str, HashedFile]]]:
        """The results with the files' names, as many at a time as there are.

        Args:
            files: with the numbers of their algorithms.
            only: the one file, if it is one: the progress line shows its name and how much is to come.
        """
        shown, total = ("", None) if only is None else (os.path.basename(only), _size(only))
        with self._run as run, Progress(shown, total) as progress:
            names: deque[str] = deque()
            run.start((self._file(name, names), number) for name, number in files)
            while not run.exhausted:
                rows = run.take(EVERY if progress.is_shown else None)
                if rows:
                    yield [(names.popleft(), row) for row in rows]
                if progress.is_shown:
                    done = run.progress
                    progress.watch(_Count(done), shown or f"{done.files} files")

    def account(self, name: str, algorithm: str, row: HashedFile) -> dict[str, Any]:
        """A file's row for machines. No device of a layer had it: reading and hashing are one job of the core."""
        return {
            "file": name,
            "algorithm": algorithm,
            "digest": row.result().hex(),
            "bytes": row.nbytes,
            "seconds": round(row.seconds, 6),
            "mb_per_s": round(row.nbytes / max(row.seconds, 1e-9) / 1e6, 1),
            "device": None,
            "driver": self._drivers[algorithm],
            "lane": None,
        }


class _Count:
    def __init__(self, done: Hashed) -> None:
        self.bytes_in = done.nbytes


def _size(name: str) -> int | None:
    try:
        return os.stat(0 if name == STDIN else name).st_size or None
    except OSError:
        return None
