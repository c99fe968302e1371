"""Digests of files as lines or rows, printed as they come."""

from __future__ import annotations

import os
import sys

from acrypto.cli.hashing import Hashing
from acrypto.cli.report import complain, tell
from acrypto.cli.standard import STDIN
from acrypto.cli.tree import files_under
from acrypto.streams.checksums import format as checksums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.cli.plain import Asked


def print_digests(asked: Asked) -> int:
    """Does what is asked for; the exit code."""
    return _Print(asked).run(asked.files, asked.recursive)


class _Print:
    """Prints the digests of files as they come, and errors in between."""

    def __init__(self, asked: Asked) -> None:
        self._algorithm = asked.algorithm
        self._hashing = Hashing(asked.threads, asked.mapped)
        self._tag = asked.algorithm if asked.tag else None
        self._as_json = asked.as_json
        self._code = 0

    def run(self, files: tuple[str, ...], recursive: bool) -> int:
        """The exit code."""
        number = self._hashing.algorithm("digest", self._algorithm)
        names: Iterator[str] = iter(files or (STDIN,))
        only = (files or (STDIN,))[0] if len(files) < 2 and not recursive else None
        if recursive:
            names = (name for file in files or (".",) for name in files_under(file, self._failed))
        for rows in self._hashing.run(((name, number) for name in names), only):
            lines = []
            for name, row in rows:
                if row.error is not None:
                    self._failed(name, row.error)
                elif self._as_json:
                    tell(self._hashing.account(name, self._algorithm, row))
                else:
                    lines.append(checksums.line(os.fsencode(name), row.result(), self._tag))
            sys.stdout.buffer.write(b"".join(lines))
            sys.stdout.buffer.flush()
        return self._code

    def _failed(self, name: str, error: Exception) -> None:
        complain(name, error)
        self._code = 1
