"""`acrypto random`."""

from __future__ import annotations

import click

from acrypto.cli import options, standard
from acrypto.cli.report import tell
from acrypto.streams.replacement import Replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from acrypto.layer.layer import Layer

#: Bytes asked for at a time.
PIECE = 1 << 20
#: The most bytes that fit into JSON.
MOST_IN_JSON = 1 << 20


@click.command("random")
@click.argument("nbytes", type=options.size, metavar="N")
@click.option("--hex", "as_hex", is_flag=True, help="Write hexadecimal digits and a newline.")
@click.option(
    "-o", "--output", type=click.Path(), metavar="OUT", help="Name of a file to write; only its owner may read it."
)
@click.option("--force", is_flag=True, help="Overwrite a file, write to a terminal.")
@options.as_json
def command(nbytes: int, as_hex: bool, output: str | None, force: bool, as_json: bool) -> int:
    """Write N random bytes (K, M, G: powers of 1024), fit for keys, from a DRBG seeded by the system.

    With --json, an object that holds them in hexadecimal digits, for at most 1M; or that names the file of -o.
    """
    if output is None and as_json and nbytes > MOST_IN_JSON:
        raise click.UsageError("--json holds at most 1M; -o OUT takes more")
    if output is None and not as_hex and not as_json:
        options.refuse_terminal(force)
    with options.layer() as layer:
        if output is not None:
            with Replacement(output, force=force, private=True) as result:
                _write(layer, nbytes, as_hex, result.file)
                result.commit()
            if as_json:
                tell({"operation": "random", "bytes": nbytes, "output": output})
            return 0
        if as_json:
            drawn = layer.random(nbytes).wait() if nbytes else b""
            tell({"operation": "random", "bytes": nbytes, "hex": drawn.hex()})
            return 0
        with standard.sink() as sink:
            _write(layer, nbytes, as_hex, sink)
    return 0


def _write(layer: Layer, nbytes: int, as_hex: bool, sink: FileIO) -> None:
    from acrypto.streams.pipeline import Pipeline

    Pipeline(layer, _drawn(layer, nbytes, as_hex), [], sink).drive()


def _drawn(layer: Layer, nbytes: int, as_hex: bool) -> Iterator[bytes]:
    running = None
    while nbytes > 0 or running is not None:
        count = min(PIECE, nbytes)
        ahead = layer.random(count) if count else None
        if running is not None:
            piece = running.wait()
            yield piece.hex().encode() if as_hex else piece
        running = ahead
        nbytes -= count
    if as_hex:
        yield b"\n"
