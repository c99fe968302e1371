"""`acrypto bench`."""

from __future__ import annotations

import importlib

import click

from acrypto.cli import options
from acrypto.cli.report import tell

#: A module of `acrypto.cli.benches` for each.
NAMES = ("own", "speed", "table1", "crypto", "scaling", "stall", "pagestore")


@click.command("bench")
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]...")
@options.threads
@click.option("--pid", type=click.IntRange(min=1), help="Whose memory pagestore compresses, rather than its own.")
@options.as_json
def command(names: tuple[str, ...], threads: int | None, pid: int | None, as_json: bool) -> int:
    """Measure our own cost and speed, all in under half a minute, or only what is named.

    own: what a message costs beside its work. speed: a few algorithms on messages of three sizes. table1: pages of
    4 KiB in every mode. crypto: messages of 4 KiB, alone and together. scaling: more workers, more requests in flight,
    larger messages. stall: how long an event loop stands still meanwhile. pagestore: pages of a program's own memory,
    one by one and through a page store.

    us are microseconds, ns nanoseconds, MB/s 10^6 uncompressed bytes a second; each figure is the best of several
    rounds. "one" is the synchronous one-shot or operation, "queued" a window of messages on all workers, "stdlib"
    hashlib, hmac or zlib on one core. `make bench` in a checkout measures at length, beside more peers.
    """
    told: dict[str, object] = {}
    for at, name in enumerate(dict.fromkeys(names or NAMES)):
        bench = importlib.import_module(f"acrypto.cli.benches.{name}")
        figures = bench.measure(threads, pid) if name == "pagestore" else bench.measure(threads)
        if as_json:
            told[bench.KEY] = figures
            continue
        if at:
            print()
        bench.show(figures)
    if as_json:
        tell(told)
    return 0
