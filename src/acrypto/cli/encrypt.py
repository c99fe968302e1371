"""`acrypto encrypt`."""

from __future__ import annotations

import click

from acrypto.cli import age, options
from acrypto.cli.standard import STDIN
from acrypto.cli.transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from io import FileIO

    from acrypto.streams.stage import Stage

SUFFIX = ".age"


@click.command("encrypt")
@options.files
@age.recipients
@options.where
@options.handling
def command(
    files: tuple[str, ...],
    recipients: tuple[str, ...],
    recipients_files: tuple[str, ...],
    identities: tuple[str, ...],
    ask: bool,
    passphrase_file: str | None,
    passphrase_fd: int | None,
    armor: bool,
    output: str | None,
    to_stdout: bool,
    force: bool,
    remove: bool,
    digests: tuple[str, ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Encrypt files into FILE.age (age v1), on all cores and in bounded memory.

    To public keys (age1..., made by `acrypto keygen` or age-keygen), of which each one's owner can read the result, or
    with a passphrase. `age` and `rage` read it, too.

    Without FILE, or for -, standard input goes to standard output. The result keeps mode and times, appears only when
    it is whole, and overwrites nothing without --force; the source stays, without --rm.
    """
    if not armor and (to_stdout or output == STDIN or ((not files or STDIN in files) and output is None)):
        options.refuse_terminal(force)
    age.no_passphrase_from(files, passphrase_fd, *recipients_files, *identities)
    stage = age.encryption(recipients, recipients_files, identities, ask, passphrase_file, passphrase_fd, armor)
    with options.layer(threads) as layer:

        def stages(_source: FileIO, _state: os.stat_result | None) -> list[Stage]:
            return [stage]

        transfer = Transfer(
            "encrypt",
            layer,
            stages,
            output=output,
            sibling=lambda file: file + SUFFIX,
            to_stdout=to_stdout,
            discard=False,
            force=force,
            remove=remove,
            as_json=as_json,
            quiet=quiet,
            digests=digests,
        )
        return transfer.run(files)
