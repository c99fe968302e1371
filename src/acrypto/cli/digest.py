"""`acrypto digest`."""

from __future__ import annotations

import click

from acrypto.cli import options
from acrypto.cli.digest_check import Check, How
from acrypto.cli.hashing import Hashing
from acrypto.cli.plain import Asked
from acrypto.cli.printing import print_digests


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
        return print_digests(Asked(files, algorithm, recursive, tag, threads, mapped, as_json))
    if recursive:
        raise click.UsageError("--check reads lists, not folders: it does not go with --recursive")
    how = How(algorithm, only, quiet, status, warn_each, strict, ignore_missing, as_json)
    return Check(how, lambda: Hashing(threads, mapped)).run(files)
