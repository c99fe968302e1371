"""A batch of pages on one worker and on more; more requests in flight; larger messages."""

from __future__ import annotations

from acrypto.cli import options
from acrypto.cli.benches.timing import rate, seconds, shown
from acrypto.cli.report import table
from acrypto.cli.sample import text
from acrypto.model.settings import cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer

KEY = "scaling_mb_per_s"
SIZE = 4096
DEPTHS = (1, 4, 16, 64, 256)
SIZES = (64, 1 << 10, 16 << 10, 256 << 10, 4 << 20)
#: Pages of a batch: enough for every worker to have its share for a while.
BATCH = 512
NAMES = ("sha256", "gzip")
LEVELS = {"gzip": 1}


def measure(threads: int | None) -> list[dict[str, object]]:
    """MB/s, by what grows."""
    rows: list[dict[str, object]] = []
    for workers in sorted({1, threads or cpus()}):
        with options.layer(workers) as layer:
            rows += [_row("workers", workers, name, _batch(layer, name)) for name in NAMES]
    with options.layer(threads) as layer:
        for name in NAMES:
            rows += [_row("in flight", depth, name, _awaited(layer, name, SIZE, depth)) for depth in DEPTHS]
            rows += [_row("bytes", size, name, _awaited(layer, name, size, 1)) for size in SIZES]
    return rows


def show(rows: list[dict[str, object]]) -> None:
    """A table."""
    found = {(row["grows"], row["number"], row["algorithm"]): row["mb_per_s"] for row in rows}
    keys = dict.fromkeys((row["grows"], row["number"]) for row in rows)
    cells = [[f"{number:,} {grows}", *(shown(found[grows, number, name]) for name in NAMES)] for grows, number in keys]
    table(("MB/s", *NAMES), cells, right=range(1, 1 + len(NAMES)))


def _row(grows: str, number: int, name: str, mb_per_s: float) -> dict[str, object]:
    return {"grows": grows, "number": number, "algorithm": name, "mb_per_s": mb_per_s}


def _batch(layer: Layer, name: str) -> float:
    data = text(BATCH * SIZE)
    pages = [data[at : at + SIZE] for at in range(0, len(data), SIZE)]
    transform = layer.transform(name, level=LEVELS.get(name))
    many = transform.compress_many if name == "gzip" else transform.digest_many
    return rate(len(data), seconds(lambda: many(pages).wait()))


def _awaited(layer: Layer, name: str, size: int, depth: int) -> float:
    import asyncio

    data = text(size)
    transform = layer.transform(name, level=LEVELS.get(name))
    one = transform.compress if name == "gzip" else transform.digest

    async def at_once() -> None:
        for operation in [one(data) for _ in range(depth)]:
            await operation

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        return rate(size * depth, seconds(lambda: loop.run_until_complete(at_once())))
