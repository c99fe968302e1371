"""What our own layers cost: the null engine, in batches and queued, beside `asyncio.to_thread`."""

from __future__ import annotations

import asyncio
import os
import time

from measure import Report, median, per_call, quick

import acrypto
from acrypto.engines.null import Null

NUMBER = 64
ROUNDS = quick(300, 10)
BUFFERS = [os.urandom(64) for _ in range(NUMBER)]


def batches(report: Report) -> None:
    with acrypto.open([Null()]) as layer:
        digests = layer.transform("sha256")
        packs = layer.transform("deflate")
        for name, call in (
            ("digest_many", lambda: digests.digest_many(BUFFERS).wait()),
            ("compress_many", lambda: packs.compress_many(BUFFERS).wait()),
        ):
            sampler = per_call(call)
            samples = [sampler() / NUMBER * 1e6 for _ in range(quick(21))]
            report.raw[name] = samples
            ours = median(samples)
            report.add(f"{name} of {NUMBER} small buffers, per item", ours, "us", mark="<= 0.6 us", met=ours <= 0.6)


async def queued(report: Report, loop_name: str) -> None:
    samples: dict[str, list[float]] = {"one after the other": [], "gather": [], "to_thread gather": [], "to_thread": []}
    async with acrypto.open([Null(inline=False)]) as layer:
        digests = layer.transform("sha256")
        for _ in range(ROUNDS):
            started = time.perf_counter()
            operations = [digests.digest(buffer) for buffer in BUFFERS]
            for operation in operations:
                await operation
            samples["one after the other"].append((time.perf_counter() - started) / NUMBER * 1e6)

            started = time.perf_counter()
            await asyncio.gather(*[digests.digest(buffer) for buffer in BUFFERS])
            samples["gather"].append((time.perf_counter() - started) / NUMBER * 1e6)

        for _ in range(ROUNDS // 10):
            started = time.perf_counter()
            await asyncio.gather(*[asyncio.to_thread(len, buffer) for buffer in BUFFERS])
            samples["to_thread gather"].append((time.perf_counter() - started) / NUMBER * 1e6)
            started = time.perf_counter()
            for buffer in BUFFERS:
                await asyncio.to_thread(len, buffer)
            samples["to_thread"].append((time.perf_counter() - started) / NUMBER * 1e6)
    report.raw[loop_name] = samples
    one, gather = median(samples["one after the other"]), median(samples["gather"])
    report.add(
        f"{NUMBER} queued, awaited one after the other ({loop_name}; peer to_thread)",
        one, "us", mark="<= 6 us", met=one <= 6, peer=median(samples["to_thread"]),
    )  # fmt: skip
    report.add(
        f"{NUMBER} queued, in one gather ({loop_name}; peer to_thread)",
        gather, "us", mark="<= 10 us", met=gather <= 10, peer=median(samples["to_thread gather"]),
    )  # fmt: skip


def main() -> None:
    report = Report("overhead")
    batches(report)
    asyncio.run(queued(report, "asyncio"))
    try:
        import uvloop
    except ImportError:
        print("uvloop is not installed: its rows are left out")
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(queued(report, "uvloop"))
    report.finish()


if __name__ == "__main__":
    main()
