"""`acrypto decompress`."""

from __future__ import annotations

import os

import click

from acrypto.cli import options
from acrypto.cli.standard import STDIN
from acrypto.cli.transfer import Transfer
from acrypto.streams.compress import SUFFIXES
from acrypto.streams.decompress import MAGICS, Decompress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

    from acrypto.streams.stage import Stage

#: What is taken off a name, and what is put in its place.
NAMES = {**dict.fromkeys(SUFFIXES.values(), ""), ".tgz": ".tar", ".tzst": ".tar"}


def plain_name(file: str, own: str = "") -> str | None:
    """The name of a file's contents, or None if its suffix does not tell: a known one, or the format's own."""
    if own and file.endswith(own) and os.path.basename(file) != own:
        return file[: -len(own)]
    stem, suffix = os.path.splitext(file)
    return stem + NAMES[suffix.lower()] if suffix.lower() in NAMES else None


@click.command("decompress")
@options.files
@click.option(
    "-f",
    "--format",
    "format_",
    metavar="NAME",
    help=f"{', '.join(MAGICS)}, or any algorithm that compresses. Else the first bytes tell.",
)
@options.where
@click.option("-t", "--test", is_flag=True, help="Only test: write nothing.")
@click.option(
    "--max-output",
    type=options.size_or_none,
    metavar="SIZE",
    help="Most bytes to write, or none for no limit. [1G, or 256 bytes for each byte read if that is more]",
)
@options.handling
def command(
    files: tuple[str, ...],
    format_: str | None,
    output: str | None,
    to_stdout: bool,
    test: bool,
    max_output: int | None,
    force: bool,
    remove: bool,
    digests: tuple[str, ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Decompress gzip, zstd and lz4 files, with every member or frame that they have, in bounded memory.

    Without FILE, or for -, standard input goes to standard output. The result is named without the suffix (.gz, .zst,
    .lz4), keeps mode and times, appears only when it is whole, and overwrites nothing without --force; the source
    stays, without --rm. Damage is told with its offset in bytes. With --json, an object a file: on standard error when
    standard output carries data.

    Of another algorithm, which --format NAME must tell, FILE.NAME is one piece of at most 256M.
    """
    if not test and (to_stdout or output == STDIN or ((not files or STDIN in files) and output is None)):
        options.refuse_terminal(force)
    with options.layer(threads) as layer:
        other = None if format_ in MAGICS else format_
        if other is not None:
            options.check_format(layer, other, MAGICS)

        def stages(_source: FileIO, _state: os.stat_result | None) -> list[Stage]:
            limited = max_output != -1
            most = max_output if limited else None
            if other is not None:
                from acrypto.streams.whole import WholeDecompress

                return [WholeDecompress(other, max_output=most, limited=limited)]
            return [Decompress(format_, max_output=most, limited=limited)]

        transfer = Transfer(
            "decompress",
            layer,
            stages,
            output=output,
            sibling=lambda file: plain_name(file, options.suffix(format_ or "")),
            to_stdout=to_stdout,
            discard=test,
            force=force,
            remove=remove,
            as_json=as_json,
            quiet=quiet,
            digests=digests,
            # Nobody chose the limit, so its message tells how to choose another.
            advice="" if max_output is not None else "; --max-output raises the limit",
        )
        return transfer.run(files)
