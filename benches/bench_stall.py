"""How long an event loop stands still while 64 MiB go through: ours, and `to_thread` with the usual libraries."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from measure import Report, median, quick

import acrypto

SIZE = quick(64, 4) << 20
ROUNDS = quick(5)


async def gaps(work: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    """Wall time of `work`, and the worst and median lateness of a 1 ms heartbeat meanwhile, in ms."""
    late: list[float] = []
    running = True

    async def beat() -> None:
        last = time.perf_counter()
        while running:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            late.append(now - last - 0.001)
            last = now

    task = asyncio.create_task(beat())
    await asyncio.sleep(0.02)
    late.clear()
    started = time.perf_counter()
    result = await work()
    wall = time.perf_counter() - started
    running = False
    await task
    del result
    return wall * 1e3, max(late) * 1e3, median(late) * 1e3


async def run(report: Report) -> None:
    block = bytes(range(256)) * 64 + os.urandom(48 << 10)
    data = (block * (SIZE // len(block) + 1))[:SIZE]
    key, nonce = os.urandom(32), os.urandom(12)
    peer = AESGCM(key)
    async with acrypto.open() as layer:
        aead, gzip = layer.transform("gcm(aes)", key=key), layer.transform("gzip", level=1)
        works: dict[str, tuple[Callable[[], Awaitable[object]], bool]] = {
            "gzip level 1 of 64 MiB": (lambda: gzip.compress(data), True),
            "AES-256-GCM of 64 MiB": (lambda: aead.encrypt(nonce, data), True),
            "sha256 of 64 MiB": (lambda: layer.digest("sha256", data), True),
            "peer: to_thread(AESGCM.encrypt)": (lambda: asyncio.to_thread(peer.encrypt, nonce, data, None), False),
            "peer: to_thread(zlib.compress level 1)": (lambda: asyncio.to_thread(zlib.compress, data, 1), False),
        }
        samples: dict[str, list[tuple[float, float, float]]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            for name, (work, _) in works.items():
                samples[name].append(await gaps(work))
    report.raw["wall, worst, median in ms"] = samples
    for name, (_, is_ours) in works.items():
        worst = max(sample[1] for sample in samples[name])
        middle = median([sample[2] for sample in samples[name]])
        wall = median([sample[0] for sample in samples[name]])
        report.add(f"{name}: wall", wall, "ms", mark="", met=None)
        report.add(
            f"{name}: worst gap", worst, "ms", mark="< 5 ms" if is_ours else "", met=worst < 5 if is_ours else None
        )
        report.add(
            f"{name}: median gap",
            middle,
            "ms",
            mark="< 0.2 ms" if is_ours else "",
            met=middle < 0.2 if is_ours else None,
        )


def main() -> None:
    report = Report("stall")
    asyncio.run(run(report))
    report.finish()


if __name__ == "__main__":
    main()
