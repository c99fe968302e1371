"""`acrypto run`."""

from __future__ import annotations

import click

from acrypto.cli import options, stages
from acrypto.cli.standard import STDIN
from acrypto.cli.transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from io import FileIO

    from acrypto.streams.stage import Stage


# A \b keeps click from filling the lines behind it, up to an empty one.
_HELP = """Send IN through STAGES to OUT in one pass, on all cores and in bounded memory.

STAGES are separated by |, and need quotes: "zstd:3 | age:-r age1..." or "decrypt:-i key.txt | decompress".

\b
NAME[:LEVEL]      compress: gzip, bgzf, zstd, lz4, or any algorithm that does
decompress[:NAME] gzip, zstd and lz4 by the first bytes; another by its name
age:OPTIONS       encrypt: -r, -R, -i, -p, --armor as of `encrypt`
decrypt[:OPTIONS] decrypt: -i, -p as of `decrypt`
digest:NAMES      print digests of what flows by: digest:sha256,blake3

IN and OUT are files; without them, or for -, standard input and output. OUT appears only when it is whole.
"""


@click.command("run", help=_HELP)
@click.argument("stages_", metavar="STAGES")
@click.argument("source", type=click.Path(), default=STDIN, metavar="[IN]")
@click.argument("output", type=click.Path(), default=STDIN, metavar="[OUT]")
@click.option("--discard", is_flag=True, help="Write nothing: only measure, check and digest.")
@click.option(
    "--max-output",
    type=options.size_or_none,
    metavar="SIZE",
    help="Most bytes that a decompression may give, or none. [1G, or 256 bytes for each byte read if that is more]",
)
@click.option("--force", is_flag=True, help="Overwrite files, write to a terminal.")
@options.digests
@options.threads
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on success, on a terminal either.")
@options.as_json
def command(
    stages_: str,
    source: str,
    output: str,
    discard: bool,
    max_output: int | None,
    force: bool,
    digests: tuple[str, ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Runs it."""
    if output == STDIN and not discard:
        options.refuse_terminal(force)
    with options.layer(threads) as layer:
        made = stages.parse(stages_, layer, max_output=max_output)

        def chosen(_source: FileIO, _state: os.stat_result | None) -> list[Stage]:
            return made

        transfer = Transfer(
            "run",
            layer,
            chosen,
            output=None if discard else output,
            sibling=lambda _file: None,
            to_stdout=False,
            discard=discard,
            force=force,
            remove=False,
            as_json=as_json,
            quiet=quiet,
            digests=digests,
            advice="" if max_output is not None else "; --max-output raises the limit",
        )
        return transfer.run((source,))
