"""How long an event loop stands still while a large message is worked on."""

from __future__ import annotations

import time
import zlib

from acrypto.cli import options
from acrypto.cli.report import table
from acrypto.cli.sample import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = "stall_ms"
SIZE = 16 << 20
#: Seconds between two beats.
BEAT = 0.001


def measure(threads: int | None) -> list[dict[str, object]]:
    """The worst lateness of a heartbeat, and how long the work took, in ms."""
    import asyncio

    return asyncio.run(_all(threads))


def show(rows: list[dict[str, object]]) -> None:
    """A table."""
    cells = [[row["what"], f"{row['worst']:.2f}", f"{row['wall']:.0f}"] for row in rows]
    table((f"{SIZE >> 20} MiB in an event loop", "worst gap, ms", "took, ms"), cells, right=(1, 2))


async def _all(threads: int | None) -> list[dict[str, object]]:
    import asyncio

    data = text(SIZE)
    with options.layer(threads) as layer:
        gzip, aead = layer.transform("gzip", level=1), layer.transform("gcm(aes)", key=bytes(32))
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "gzip, level 1": lambda: gzip.compress(data),
            "gcm(aes)": lambda: aead.encrypt(bytes(12), data),
            "to_thread(zlib.compress, level 1)": lambda: asyncio.to_thread(zlib.compress, data, 1),
        }
        rows: list[dict[str, object]] = []
        for what, work in works.items():
            worst, wall = await _late(work)
            rows.append({"what": what, "worst": round(worst * 1e3, 3), "wall": round(wall * 1e3, 1)})
    return rows


async def _late(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    import asyncio

    late = [0.0]

    async def beat() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT)
            now = time.perf_counter()
            late.append(now - last - BEAT)
            last = now

    beating = asyncio.create_task(beat())
    await asyncio.sleep(5 * BEAT)
    late[:] = [0.0]
    begun = time.perf_counter()
    await work()
    wall = time.perf_counter() - begun
    await asyncio.sleep(BEAT)  # the beat that was late because of it
    beating.cancel()
    return max(late), wall
