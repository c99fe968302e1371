"""`acrypto compress`."""

from __future__ import annotations

import os

import click

from acrypto.cli import options
from acrypto.cli.standard import STDIN
from acrypto.cli.transfer import Transfer
from acrypto.streams.compress import SUFFIXES, Compress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

    from acrypto.streams.stage import Stage


@click.command("compress")
@options.files
@click.option(
    "-f",
    "--format",
    "format_",
    default="gzip",
    metavar="NAME",
    help=f"{', '.join(SUFFIXES)}, or any algorithm that compresses.  [default: gzip]",
)
@click.option("-l", "--level", type=int, metavar="N", help="gzip 0 to 9 [6], zstd -7 to 22 [3], lz4 0 to 12 [0].")
@click.option("--strategy", type=click.Choice(["fixed"]), help="fixed: only fixed Huffman codes, the fastest (gzip).")
@options.where
@options.handling
def command(
    files: tuple[str, ...],
    format_: str,
    level: int | None,
    strategy: str | None,
    output: str | None,
    to_stdout: bool,
    force: bool,
    remove: bool,
    digests: tuple[str, ...],
    threads: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Compress files into FILE.gz, FILE.bgz, FILE.zst or FILE.lz4, on all cores and in bounded memory.

    With another algorithm's NAME (`acrypto algorithms` lists them) into FILE.NAME, each in one piece of at most 256M.

    Without FILE, or for -, standard input goes to standard output. The result keeps mode and times, appears only when
    it is whole, and overwrites nothing without --force; the source stays, without --rm. The result is one ordinary file
    for gzip, bgzf, zstd and lz4. With --json, an object a file: on standard error when standard output carries data.
    """
    suffix = SUFFIXES.get(format_, options.suffix(format_))
    if to_stdout or output == STDIN or ((not files or STDIN in files) and output is None):
        options.refuse_terminal(force)
    with options.layer(threads) as layer:
        if format_ not in SUFFIXES:
            options.check_format(layer, format_, SUFFIXES)

        def stages(source: FileIO, state: os.stat_result | None) -> list[Stage]:
            if format_ not in SUFFIXES:
                from acrypto.streams.whole import WholeCompress

                return [WholeCompress(format_, level, strategy=strategy)]
            name, mtime = b"", 0
            if state is not None:
                name, mtime = os.fsencode(os.path.basename(os.fsdecode(source.name))), int(state.st_mtime)
            return [Compress(format_, level, strategy=strategy, name=name, mtime=mtime)]

        transfer = Transfer(
            "compress",
            layer,
            stages,
            output=output,
            sibling=lambda file: file + suffix if suffix else None,
            to_stdout=to_stdout,
            discard=False,
            force=force,
            remove=remove,
            as_json=as_json,
            quiet=quiet,
            digests=digests,
        )
        return transfer.run(files)
