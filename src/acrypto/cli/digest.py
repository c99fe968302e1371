"""`acrypto digest`."""

from __future__ import annotations

import errno
import os
import stat
import sys

import click

from acrypto.cli import options, standard
from acrypto.cli.progress import Progress
from acrypto.cli.report import complain, speed, tell, warn
from acrypto.cli.standard import STDIN
from acrypto.model.errors import AcryptoError, UnknownAlgorithm, UsageError
from acrypto.streams.checksums import format as checksums
from acrypto.streams.digest import digest
from acrypto.streams.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from acrypto.layer.layer import Layer


@click.command("digest")
@options.files
@click.option(
    "-a",
    "--algorithm",
    show_default="sha256",
    help="Any digest or checksum of `algorithms`. With --check: the only one; else tagged lines may have any.",
)
@click.option("--tag", is_flag=True, help="Write BSD-style lines, which name the algorithm.")
@click.option("-c", "--check", is_flag=True, help="Read digests from the FILEs and check them.")
@click.option("--quiet", is_flag=True, help="With --check: say nothing of files that are OK.")
@click.option("--status", is_flag=True, help="With --check: say nothing at all; the exit code tells.")
@click.option("-w", "--warn", "warn_each", is_flag=True, help="With --check: tell each line that is no digest.")
@click.option("--strict", is_flag=True, help="With --check: lines that are no digests make it fail.")
@click.option("--ignore-missing", is_flag=True, help="With --check: pass over files that are not there.")
@options.as_json
def command(
    files: tuple[str, ...],
    algorithm: str | None,
    tag: bool,
    check: bool,
    quiet: bool,
    status: bool,
    warn_each: bool,
    strict: bool,
    ignore_missing: bool,
    as_json: bool,
) -> int:
    """Print or check digests of files, in the lines of sha256sum.

    Without FILE, or for -, standard input is read. Memory stays small whatever the size of a file.
    """
    only, algorithm = algorithm is not None, algorithm or "sha256"
    with options.layer(1) as layer:
        # Refuses a wrong name at once, and what is no digest.
        kind = layer.transform(algorithm).kind
        if kind != "digest":
            raise UsageError(f"{algorithm} is no digest; it is of kind {kind}")
        if check:
            return _Check(layer, algorithm, only, quiet, status, warn_each, strict, ignore_missing, as_json).run(files)
        return _print(layer, files, algorithm, tag, as_json)


def _print(layer: Layer, files: tuple[str, ...], algorithm: str, tag: bool, as_json: bool) -> int:
    code = 0
    for file in files or (STDIN,):
        try:
            value, row = measured(layer, file, algorithm)
        except (UsageError, UnknownAlgorithm):
            raise
        except (AcryptoError, OSError) as error:
            complain(file, error)
            code = 1
            continue
        if as_json:
            tell(row)
        else:
            sys.stdout.buffer.write(checksums.line(os.fsencode(file), value, algorithm if tag else None))
            sys.stdout.buffer.flush()
    return code


def measured(layer: Layer, file: str, algorithm: str, **parameters: Any) -> tuple[bytes, dict[str, Any]]:
    """A file's digest or MAC, and the account of it."""
    with standard.source(file) as source:
        state = os.fstat(source.fileno())
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
        with Progress(os.path.basename(file), state.st_size if stat.S_ISREG(state.st_mode) else None) as progress:
            tally = Tally(progress.watch)
            value = digest(layer, source, algorithm, tally=tally, **parameters)
    row = {
        "file": file,
        "algorithm": algorithm,
        "digest": value.hex(),
        "bytes": tally.bytes_in,
        **speed(tally, tally.bytes_in),
    }
    return value, row


class _Check:
    """Checks the files of lists, and tells as sha256sum does."""

    def __init__(
        self,
        layer: Layer,
        algorithm: str,
        only: bool,
        quiet: bool,
        status: bool,
        warn_each: bool,
        strict: bool,
        ignore_missing: bool,
        as_json: bool,
    ) -> None:
        self._layer = layer
        self._algorithm = algorithm
        self._only = only
        self._quiet = quiet
        self._status = status
        self._warn_each = warn_each
        # Whether names follow one blank; the first untagged line tells, for all lists.
        self._one_space: bool | None = None
        self._sizes: dict[tuple[str, int | None], int] = {}
        self._strict = strict
        self._ignore_missing = ignore_missing
        self._as_json = as_json

    def run(self, lists: tuple[str, ...]) -> int:
        code = 0
        for name in lists or (STDIN,):
            try:
                with standard.source(name) as source:
                    lines = source.readall().split(b"\n")
            except OSError as error:
                complain(name, error)
                code = 1
                continue
            code = max(code, self._list(name, lines))
        return code

    def _list(self, name: str, lines: list[bytes]) -> int:
        wrong = unread = matched = formatted = malformed = 0
        shown = "standard input" if name == STDIN else name
        for number, line in enumerate(lines, 1):
            if line in {b"", b"\r"} or line.startswith(b"#"):
                continue
            entry = self._entry(line)
            if entry is None:
                malformed += 1
                if self._warn_each and not self._status:
                    warn(f"{shown}: {number}: improperly formatted {self._algorithm} checksum line")
                continue
            formatted += 1
            outcome = self._one(entry)
            wrong += outcome == "FAILED"
            unread += outcome == "FAILED open or read"
            matched += outcome == "OK"
        if not formatted:
            warn(f"{shown}: no properly formatted checksum lines found")
            return 1
        if not self._status:
            for count, one, more in (
                (malformed, "line is improperly formatted", "lines are improperly formatted"),
                (unread, "listed file could not be read", "listed files could not be read"),
                (wrong, "computed checksum did NOT match", "computed checksums did NOT match"),
            ):
                if count:
                    warn(f"WARNING: {count} {one if count == 1 else more}")
        nothing = self._ignore_missing and not matched
        if nothing and not self._status:
            warn(f"{shown}: no file was verified")
        return int(bool(wrong or unread or nothing or (self._strict and malformed)))

    def _entry(self, text: bytes) -> checksums.Line | None:
        """What a line says, if it is one that counts here."""
        line = checksums.parse(text, one_space=bool(self._one_space))
        if line is None or len(line.digest) != self._size(line.algorithm or self._algorithm, line.digest_size):
            return None
        if line.algorithm is not None:
            return line if line.algorithm == self._algorithm or not self._only else None
        if line.one_space and self._one_space is False:
            return None
        self._one_space = line.one_space
        return line

    def _size(self, algorithm: str, digest_size: int | None) -> int:
        """Bytes of a digest; -1 if there is no such digest."""
        key = algorithm, digest_size
        if key not in self._sizes:
            try:
                self._sizes[key] = len(self._layer.digest(algorithm, b"", digest_size=digest_size).wait())
            except AcryptoError:
                self._sizes[key] = -1
        return self._sizes[key]

    def _one(self, line: checksums.Line) -> str:
        name = os.fsdecode(line.name)
        algorithm = line.algorithm or self._algorithm
        row: dict[str, Any] = {"file": name, "algorithm": algorithm}
        parameters = {} if line.digest_size is None else {"digest_size": line.digest_size}
        try:
            value, row = measured(self._layer, name, algorithm, **parameters)
            outcome = "OK" if value == line.digest else "FAILED"
        except FileNotFoundError as error:
            if self._ignore_missing:
                return "missing"
            complain(name, error)
            outcome = "FAILED open or read"
        except (AcryptoError, OSError) as error:
            complain(name, error)
            outcome = "FAILED open or read"
        if self._as_json:
            tell({**row, "outcome": outcome})
        elif not self._status and not (self._quiet and outcome == "OK"):
            sys.stdout.buffer.write(checksums.reported(line.name) + b": " + outcome.encode() + b"\n")
            sys.stdout.buffer.flush()
        return outcome
