"""`acrypto digest`."""

from __future__ import annotations

import os
import sys

import click

from acrypto.cli import options
from acrypto.cli.hashing import Hashing
from acrypto.cli.report import complain, tell
from acrypto.cli.standard import STDIN
from acrypto.cli.tree import files_under
from acrypto.streams.checksums import format as checksums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command("digest")
@options.files
@click.option(
    "-a",
    "--algorithm",
    show_default="sha256",
    help="Any digest or checksum of `algorithms`. With --check: the only one; else tagged lines may have any.",
)
@click.option("-r", "--recursive", is_flag=True, help="Take the regular files under FILEs that are folders, sorted.")
@click.option("--tag", is_flag=True, help="Write BSD-style lines, which name the algorithm.")
@click.option("-c", "--check", is_flag=True, help="Read digests from the FILEs and check them.")
@click.option("--quiet", is_flag=True, help="With --check: say nothing of files that are OK.")
@click.option("--status", is_flag=True, help="With --check: say nothing at all; the exit code tells.")
@click.option("-w", "--warn", "warn_each", is_flag=True, help="With --check: tell each line that is no digest.")
@click.option("--strict", is_flag=True, help="With --check: lines that are no digests make it fail.")
@click.option("--ignore-missing", is_flag=True, help="With --check: pass over files that are not there.")
@options.threads
@options.mapping
@options.as_json
def command(
    files: tuple[str, ...],
    algorithm: str | None,
    recursive: bool,
    tag: bool,
    check: bool,
    quiet: bool,
    status: bool,
    warn_each: bool,
    strict: bool,
    ignore_missing: bool,
    threads: int | None,
    mapped: bool,
    as_json: bool,
) -> int:
    """Print or check digests of files, in the lines of sha256sum.

    Without FILE, or for -, standard input is read; with --recursive, the folder here. Several files are hashed at once,
    and BLAKE3 hashes one on all cores; lines come in the order of the files. Memory stays small whatever the sizes.
    """
    only, algorithm = algorithm is not None, algorithm or "sha256"
    if not check:
        return _Print(algorithm, Hashing(threads, mapped), tag, as_json).run(files, recursive)
    if recursive:
        raise click.UsageError("--check reads lists, not folders: it does not go with --recursive")
    from acrypto.cli.digest_check import Check, How

    how = How(algorithm, only, quiet, status, warn_each, strict, ignore_missing, as_json)
    return Check(how, lambda: Hashing(threads, mapped)).run(files)


class _Print:
    """Prints the digests of files as they come, and errors in between."""

    def __init__(self, algorithm: str, hashing: Hashing, tag: bool, as_json: bool) -> None:
        self._algorithm = algorithm
        self._hashing = hashing
        self._tag = algorithm if tag else None
        self._as_json = as_json
        self._code = 0

    def run(self, files: tuple[str, ...], recursive: bool) -> int:
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
