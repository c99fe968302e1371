"""`acrypto decrypt`."""

from __future__ import annotations

import os

import click

from acrypto.cli import age, options
from acrypto.cli.encrypt import SUFFIX
from acrypto.cli.standard import STDIN
from acrypto.cli.transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

    from acrypto.streams.stage import Stage


def plain_name(file: str) -> str | None:
    """The name of a file's contents, or None if its suffix does not tell."""
    stem, suffix = os.path.splitext(file)
    return stem if suffix.lower() == SUFFIX else None


@click.command("decrypt")
@options.files
@age.identities
@options.where
@click.option("-t", "--test", is_flag=True, help="Only test: write nothing.")
@options.handling
def command(
    files: tuple[str, ...],
    identities: tuple[str, ...],
    ask: bool,
    passphrase_file: str | None,
    passphrase_fd: int | None,
    max_work_factor: int,
    output: str | None,
    to_stdout: bool,
    test: bool,
    force: bool,
    remove: bool,
    digests: tuple[str, ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Decrypt age files, binary or armored, on all cores and in bounded memory.

    With the secret keys in the files of -i, which may be encrypted with a passphrase themselves; or with a passphrase,
    which is asked for.

    Without FILE, or for -, standard input goes to standard output. The result is named without .age, keeps mode and
    times, appears only when all of it was verified, and overwrites nothing without --force; the source stays, without
    --rm. To standard output goes what was verified so far: mind the exit code.
    """
    if not test and (to_stdout or output == STDIN or ((not files or STDIN in files) and output is None)):
        options.refuse_terminal(force)
    age.no_passphrase_from(files, passphrase_fd, *identities)
    stage = age.decryption(identities, ask, passphrase_file, passphrase_fd, max_work_factor)
    with options.layer(threads) as layer:

        def stages(_source: FileIO, _state: os.stat_result | None) -> list[Stage]:
            return [stage]

        transfer = Transfer(
            "decrypt",
            layer,
            stages,
            output=output,
            sibling=plain_name,
            to_stdout=to_stdout,
            discard=test,
            force=force,
            remove=remove,
            as_json=as_json,
            quiet=quiet,
            digests=digests,
            advice="; --max-work-factor raises the limit",
        )
        return transfer.run(files)
