"""`acrypto digest --check`: the files of lists, told as sha256sum tells."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from typing import NamedTuple

from acrypto import _core
from acrypto.cli import standard
from acrypto.cli.report import complain, tell, warn
from acrypto.cli.standard import STDIN
from acrypto.model.errors import AcryptoError
from acrypto.streams.checksums import format as checksums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acrypto.cli.hashing import Hashing
    from acrypto.streams.hash_files import HashedFile

OK, WRONG, UNREAD, MISSING = "OK", "FAILED", "FAILED open or read", "missing"


class How(NamedTuple):
    """What the command line asks for: the algorithm of untagged lines, whether it is the only one, and how to tell."""

    algorithm: str
    only: bool
    quiet: bool
    status: bool
    warn_each: bool
    strict: bool
    ignore_missing: bool
    as_json: bool


class Check:
    """Checks the files of lists, several at once.

    Args:
        how: what the command line asks for.
        hashing: makes what hashes the files of one list.
    """

    def __init__(self, how: How, hashing: Callable[[], Hashing]) -> None:
        self._how = how
        self._hashing = hashing
        # Whether names follow one blank; the first untagged line tells, for all lists.
        self._one_space: bool | None = None
        self._sizes: dict[tuple[str, int | None], int] = {}

    def run(self, lists: tuple[str, ...]) -> int:
        """The exit code."""
        code = 0
        # Refuses a wrong name at once, and what is no digest.
        self._hashing().algorithm("digest", self._how.algorithm)
        for name in lists or (STDIN,):
            try:
                with standard.source(name) as source:
                    lines = source.readall().split(b"\n")
            except OSError as error:
                complain(name, error)
                code = 1
                continue
            code = max(code, self._list("standard input" if name == STDIN else name, lines))
        return code

    def _list(self, shown: str, lines: list[bytes]) -> int:
        hashing, counts = self._hashing(), Counter[str]()
        # Lines that count, with their numbers, up to where files were handed out to be hashed.
        pending: deque[tuple[int, checksums.Line | None]] = deque()
        for rows in hashing.run(self._files(hashing, lines, pending)):
            for _, row in rows:
                line = self._passed(shown, pending, counts)
                assert line is not None
                counts[self._outcome(line, row, hashing)] += 1
            sys.stdout.buffer.flush()
        self._passed(shown, pending, counts)
        return self._sum(shown, counts)

    def _files(
        self, hashing: Hashing, lines: list[bytes], pending: deque[tuple[int, checksums.Line | None]]
    ) -> Iterator[tuple[str, int]]:
        numbers: dict[tuple[str, int | None], int] = {}
        for number, text in enumerate(lines, 1):
            if text in {b"", b"\r"} or text.startswith(b"#"):
                continue
            line = self._line(text)
            pending.append((number, line))
            if line is not None:
                key = line.algorithm or self._how.algorithm, line.digest_size
                if key not in numbers:
                    numbers[key] = hashing.algorithm("digest", key[0], digest_size=key[1])
                yield os.fsdecode(line.name), numbers[key]

    def _passed(
        self, shown: str, pending: deque[tuple[int, checksums.Line | None]], counts: Counter[str]
    ) -> checksums.Line | None:
        """The next line with a digest; those before it that have none are told and counted."""
        while pending:
            number, line = pending.popleft()
            if line is not None:
                return line
            counts["malformed"] += 1
            if self._how.warn_each and not self._how.status:
                warn(f"{shown}: {number}: improperly formatted {self._how.algorithm} checksum line")
        return None

    def _sum(self, shown: str, counts: Counter[str]) -> int:
        if not sum(counts.values()) - counts["malformed"]:
            warn(f"{shown}: no properly formatted checksum lines found")
            return 1
        if not self._how.status:
            for count, one, more in (
                (counts["malformed"], "line is improperly formatted", "lines are improperly formatted"),
                (counts[UNREAD], "listed file could not be read", "listed files could not be read"),
                (counts[WRONG], "computed checksum did NOT match", "computed checksums did NOT match"),
            ):
                if count:
                    warn(f"WARNING: {count} {one if count == 1 else more}")
        nothing = self._how.ignore_missing and not counts[OK]
        if nothing and not self._how.status:
            warn(f"{shown}: no file was verified")
        return int(bool(counts[WRONG] or counts[UNREAD] or nothing or (self._how.strict and counts["malformed"])))

    def _line(self, text: bytes) -> checksums.Line | None:
        """What a line says, if it is one that counts here."""
        line = checksums.parse(text, one_space=bool(self._one_space))
        if line is None or len(line.digest) != self._size(line.algorithm or self._how.algorithm, line.digest_size):
            return None
        if line.algorithm is not None:
            return line if line.algorithm == self._how.algorithm or not self._how.only else None
        if line.one_space and self._one_space is False:
            return None
        self._one_space = line.one_space
        return line

    def _size(self, algorithm: str, digest_size: int | None) -> int:
        """Bytes of a digest; -1 if there is no such digest."""
        key = algorithm, digest_size
        if key not in self._sizes:
            try:
                self._sizes[key] = len(_core.digest(algorithm, b"", digest_size=digest_size))
            except AcryptoError:
                self._sizes[key] = -1
        return self._sizes[key]

    def _outcome(self, line: checksums.Line, row: HashedFile, hashing: Hashing) -> str:
        name, algorithm = os.fsdecode(line.name), line.algorithm or self._how.algorithm
        if row.error is None:
            outcome = OK if row.digest == line.digest else WRONG
        elif self._how.ignore_missing and isinstance(row.error, FileNotFoundError):
            return MISSING
        else:
            complain(name, row.error)
            outcome = UNREAD
        if self._how.as_json:
            about = {"file": name, "algorithm": algorithm}
            if row.error is None:
                about = hashing.account(name, algorithm, row)
            tell({**about, "outcome": outcome})
        elif not self._how.status and not (self._how.quiet and outcome == OK):
            sys.stdout.buffer.write(checksums.reported(line.name) + b": " + outcome.encode() + b"\n")
        return outcome
