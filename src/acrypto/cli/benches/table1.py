"""Pages of 4 KiB, as a compressed swap has them, through every mode."""

from __future__ import annotations

import os
import sys
import zlib

from acrypto.cli.benches.timing import seconds
from acrypto.cli.report import table
from acrypto.layer.layer import Layer
from acrypto.model.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from acrypto.cli.benches.timing import Run

    Loop = Callable[[Coroutine[Any, Any, None]], object]

KEY = "table1_ns_per_page"
PAGE = 4096
PAGES = 64
CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "deflate, fixed Huffman": ("deflate", {"strategy": "fixed"}),
    "deflate, level 1": ("deflate", {"level": 1}),
    "lz4": ("lz4-block", {}),
    "zstd, level 1": ("zstd", {"level": 1}),
}
MODES = ("inline", "batch", "poll", "queued")
ZLIB = "zlib, level 6"


def measure(threads: int | None) -> list[dict[str, object]]:
    """Nanoseconds a page and the ratio, by codec, direction and mode."""
    import asyncio

    found = pages()
    loop = asyncio.new_event_loop()
    rows: list[dict[str, object]] = []
    with Layer(["software"]) as near, Layer(["software"], settings=Settings(workers=threads, inline_us=0)) as far:
        for codec, (name, parameters) in CODECS.items():
            here, there = near.transform(name, **parameters), far.transform(name, **parameters)
            packed = [bytes(result) for result in here.compress_many(found).wait()]
            ratio = round(PAGE * PAGES / sum(map(len, packed)), 2)
            for direction, items in (("compress", found), ("decompress", packed)):
                runs = _runs(loop.run_until_complete, far, here, there, direction, items)
                for mode, run in zip(MODES, runs, strict=True):
                    rows.append(_row(codec, direction, mode, run, ratio))
    loop.close()
    packed = [zlib.compress(page, 6, -11) for page in found]
    ratio = round(PAGE * PAGES / sum(map(len, packed)), 2)
    rows.append(_row(ZLIB, "compress", "inline", lambda: [zlib.compress(page, 6, -11) for page in found], ratio))
    rows.append(_row(ZLIB, "decompress", "inline", lambda: [zlib.decompress(item, -15) for item in packed], ratio))
    return rows


def show(rows: list[dict[str, object]]) -> None:
    """A table: a codec and direction to a line."""
    found = {(row["codec"], row["direction"], row["mode"]): row for row in rows}
    cells = []
    for codec, direction in dict.fromkeys((row["codec"], row["direction"]) for row in rows):
        line = [found.get((codec, direction, mode)) for mode in MODES]
        told = ["" if row is None else f"{row['ns']:,}" for row in line]
        ratio = next(row["ratio"] for row in line if row is not None)
        cells.append([f"{codec}, {direction}", *told, f"{ratio:.2f}"])
    table((f"ns a page of {PAGE} bytes", *MODES, "ratio"), cells, right=range(1, 2 + len(MODES)))


def pages() -> list[bytes]:
    """Real ones, that every machine has: half of the interpreter's program, half of its library's text."""
    with open(sys.executable, "rb") as program, open(os.path.realpath(os.__file__), "rb") as module:
        programs, text = program.read(), module.read()
    cut: list[bytes] = []
    for data in (programs, text):
        whole = [data[at : at + PAGE] for at in range(0, len(data) - PAGE + 1, PAGE)]
        usable = [page for page in whole if page.count(page[0]) != PAGE] or [bytes(range(256)) * 16]
        step = max(1, len(usable) * 2 // PAGES)
        some = usable[::step]
        cut += (some * (PAGES // len(some) + 1))[: PAGES // 2]
    return cut


def _runs(loop: Loop, far: Layer, here: Any, there: Any, direction: str, items: list[bytes]) -> tuple[Run, ...]:
    one, other, many = getattr(here, direction), getattr(there, direction), getattr(here, f"{direction}_many")

    def inline() -> None:
        for item in items:
            one(item, mode="inline").wait()

    def poll() -> None:
        waiting = len([other(item, mode="poll") for item in items])
        while waiting:
            waiting -= len(far.poll())

    async def at_once() -> None:
        for operation in [other(item) for item in items]:
            await operation

    return inline, lambda: many(items).wait(), poll, lambda: loop(at_once())


def _row(codec: str, direction: str, mode: str, run: Run, ratio: float) -> dict[str, object]:
    ns = round(seconds(run) / PAGES * 1e9)
    return {"codec": codec, "direction": direction, "mode": mode, "ns": ns, "ratio": ratio}
