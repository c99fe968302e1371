"""`acrypto bench`."""

from __future__ import annotations

import hashlib
import time
import zlib

import click

from acrypto import _core
from acrypto.cli import options
from acrypto.cli.report import table, tell
from acrypto.cli.sample import text
from acrypto.engines.null import Null
from acrypto.layer.layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[], object]

SIZES = (4 << 10, 64 << 10, 1 << 20)
#: Seconds for each figure.
LONG = 0.09
#: Messages of one submission, and of one queue.
MANY = 64
KEY, NONCE = bytes(range(16)), bytes(12)


@click.command("bench")
@options.threads
@options.as_json
def command(threads: int | None, as_json: bool) -> int:
    """Measure our own cost, and the speed of a few algorithms, in about ten seconds.

    us are microseconds, MB/s 10^6 uncompressed bytes a second; each figure is the best of several rounds. "one" is the
    synchronous one-shot on one core, "queued" a window of messages on all workers, "stdlib" hashlib or zlib on one
    core.
    """
    costs = _own_costs()
    with options.layer(threads) as layer:
        speeds = [row for nbytes in SIZES for row in _speeds(layer, nbytes)]
    if as_json:
        tell({"own_cost_us": costs, "mb_per_s": speeds})
        return 0
    table(("our own cost, null engine", "us"), ((name, f"{us:.2f}") for name, us in costs.items()), right=(1,))
    print()
    headings = ("MB/s", "bytes", "one", "queued", "stdlib")
    rows = [[row["what"], f"{row['bytes']:,}", *(_shown(row[name]) for name in headings[2:])] for row in speeds]
    table(headings, rows, right=(1, 2, 3, 4))
    return 0


def _shown(figure: object) -> str:
    return "" if figure is None else f"{figure:,.0f}"


def _seconds(run: Run, *, repeat: int = 1) -> float:
    """The best time of one call."""
    run()
    best, until = float("inf"), time.perf_counter() + LONG
    while (begun := time.perf_counter()) < until:
        for _ in range(repeat):
            run()
        best = min(best, time.perf_counter() - begun)
    return best / repeat


def _own_costs() -> dict[str, float]:
    """Microseconds that a message costs beside its work."""
    message = bytes(64)
    messages = [message] * MANY
    with Layer([Null()]) as layer:
        transform = layer.transform("sha256")
        costs = {
            f"digest_many of {MANY}, each": _seconds(lambda: transform.digest_many(messages).wait(), repeat=20) / MANY,
            "one operation, inline": _seconds(lambda: transform.digest(message).wait(), repeat=1000),
        }
    with Layer([Null(inline=False)]) as layer:
        transform = layer.transform("sha256")

        def queued() -> None:
            for operation in [transform.digest(message) for _ in range(MANY)]:
                operation.wait()

        costs[f"{MANY} operations queued, then waited for, each"] = _seconds(queued, repeat=5) / MANY
    return {name: round(seconds * 1e6, 3) for name, seconds in costs.items()}


def _speeds(layer: Layer, nbytes: int) -> list[dict[str, object]]:
    data = text(nbytes)
    aead = layer.transform("gcm(aes)", key=KEY)
    digest = layer.transform("sha256")
    rows: list[tuple[str, Run, Callable[[], _core.Operation[object]], Run | None]] = [
        ("sha256", lambda: _core.sha256(data), lambda: digest.digest(data), lambda: hashlib.sha256(data).digest()),
        # One nonce for all: this is no message.
        (
            "gcm(aes)",
            lambda: _core.encrypt("gcm(aes)", KEY, NONCE, data),
            lambda: aead.encrypt(NONCE, data),
            None,
        ),
    ]
    for name, level in (("gzip", 1), ("gzip", 6), ("zstd", 1), ("lz4", None)):
        rows += _codec(layer, name, level, data)
    return [
        {
            "what": what,
            "bytes": nbytes,
            "one": _rate(nbytes, _seconds(one)),
            "queued": _rate(nbytes, _seconds(_window(queued)) / MANY),
            "stdlib": None if stdlib is None else _rate(nbytes, _seconds(stdlib)),
        }
        for what, one, queued, stdlib in rows
    ]


def _codec(
    layer: Layer, name: str, level: int | None, data: bytes
) -> list[tuple[str, Run, Callable[[], _core.Operation[object]], Run | None]]:
    transform = layer.transform(name, level=level)
    packed = bytes(transform.compress(data).wait())
    what = name if level is None else f"{name} {level}"
    parameters = {} if level is None else {"level": level}
    is_gzip = name == "gzip"
    return [
        (
            what,
            lambda: _core.compress(name, data, **parameters),
            lambda: transform.compress(data),
            (lambda: zlib.compress(data, level or 0)) if is_gzip else None,
        ),
        (
            f"{what}, decompress",
            lambda: _core.decompress(name, packed),
            lambda: transform.decompress(packed),
            (lambda: zlib.decompress(packed, 31)) if is_gzip else None,
        ),
    ]


def _window(submit: Callable[[], _core.Operation[object]]) -> Run:
    def run() -> None:
        for operation in [submit() for _ in range(MANY)]:
            operation.wait()

    return run


def _rate(nbytes: int, seconds: float) -> float:
    return round(nbytes / seconds / 1e6, 1)
