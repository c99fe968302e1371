"""The table of the IAA driver's cover letter, made anew: 4 KiB pages through every mode of every codec.

Nanoseconds a page, compressed and decompressed, beside zlib at level 6 with a window of 2 KiB, which is what the
kernel's software deflate does. "inline", "batch" and the peers are one core's work, pinned to it; in "poll" and
"queued" a worker on another core stands where the accelerator stood, and nothing is allowed to run inline.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus
import dpdk_compress
from crypto_peers import Absent
from measure import QUICK, Report, in_turns, median, quick

import acrypto

PAGE = corpus.PAGE
PAGES = quick(512, 32)
ROUNDS = quick(15)
DEPTH = 64
#: The published figures of hardware and kernel, ns a page: compress, decompress.
PUBLISHED: dict[str, Any] = {
    "source": "[PATCH v9 00/14] crypto: Add Intel Analytics Accelerator (IAA) crypto compression driver, Table 1 "
    "(zswap, pages of spec17, by tracepoints, on its authors' machine)",
    "IAA, synchronous": [3177, 2235],
    "IAA, interrupt": [6847, 5840],
    "kernel's software deflate": [108978, 14485],
}
CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "deflate, fixed Huffman": ("deflate", {"strategy": "fixed"}),
    "deflate, dynamic (level 1)": ("deflate", {"level": 1}),
    "lz4": ("lz4-block", {}),
    "zstd (level 1)": ("zstd", {"level": 1}),
}
MODES = ("inline", "batch", "poll", "queued, 64 in flight", "queued, one at a time")
Items = list[bytes]
Sampler = Callable[[], float]


def timed(run: Callable[[], object], number: int) -> Sampler:
    """Seconds a page of a run over all of them."""
    run()

    def sample() -> float:
        started = time.perf_counter()
        run()
        return (time.perf_counter() - started) / number

    return sample


def bursts(items: Items) -> list[Items]:
    return [items[at : at + DEPTH] for at in range(0, len(items), DEPTH)]


def modes(
    loop: asyncio.AbstractEventLoop, near: acrypto.Layer, far: acrypto.Layer, codec: str, direction: str, items: Items
) -> dict[str, Sampler]:
    """A sampler for each mode, of one codec and direction."""
    name, parameters = CODECS[codec]
    here, there = near.transform(name, **parameters), far.transform(name, **parameters)
    extra: dict[str, Any] = {} if direction == "compress" else {"max_output": PAGE}
    one, other, many = getattr(here, direction), getattr(there, direction), getattr(here, f"{direction}_many")
    whole = memoryview(b"".join(items))

    def inline() -> None:
        for item in items:
            one(item, mode="inline", **extra).wait()

    def batch() -> None:
        if direction == "compress":
            for at in range(0, len(whole), DEPTH * PAGE):
                many(whole[at : at + DEPTH * PAGE], unit=PAGE).wait()
        else:
            for burst in bursts(items):
                many(burst, **extra).wait()

    def poll() -> None:
        for burst in bursts(items):
            waiting = len([other(item, mode="poll", **extra) for item in burst])
            while waiting:
                waiting -= len(far.poll())

    async def at_once() -> None:
        for burst in bursts(items):
            for operation in [other(item, **extra) for item in burst]:
                await operation

    async def alone() -> None:
        for item in items:
            await other(item, **extra)

    runs = (inline, batch, poll, lambda: loop.run_until_complete(at_once()), lambda: loop.run_until_complete(alone()))
    return dict(zip(MODES, (timed(run, len(items)) for run in runs), strict=True))


def dpdk(report: Report, pages: Items) -> None:
    """DPDK's figures for the two deflates, stored beside ours, or why there are none."""
    stored: dict[str, Any] = {}
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(pages))
        file.flush()
        for codec, codes in dpdk_compress.CODES.items():
            try:
                found = [dpdk_compress.measure(Path(file.name), PAGE, codes, quick(20, 2)) for _ in range(quick(5))]
            except Absent as error:
                stored[codec] = f"absent: {error}"
                continue
            stored[codec] = {"compress": [there for there, _ in found], "decompress": [back for _, back in found]}
            for direction, samples in stored[codec].items():
                what = f"  DPDK's compress perf alone: {codec}, {direction}"
                report.add(what, median(samples), "ns", mark="", met=None)
    report.raw["DPDK, ns a page"] = stored


def main() -> None:
    report = Report("table1")
    allowed = sorted(os.sched_getaffinity(0))
    pages = corpus.pages(PAGES)
    loop = asyncio.new_event_loop()
    os.sched_setaffinity(0, {allowed[-1]})  # the worker's, which inherits it
    far = acrypto.open(["software"], settings=acrypto.Settings(workers=1, inline_us=0))
    far.transform("sha256").digest(b"a").wait()
    os.sched_setaffinity(0, {allowed[0]})
    near = acrypto.open(["software"], settings=acrypto.Settings(workers=1, inline_us=1e6))
    reference = [zlib.compress(page, 6, -11) for page in pages]
    ratios = {"zlib level 6": PAGE * PAGES / sum(map(len, reference))}
    with near, far:
        samplers: dict[str, Sampler] = {
            "zlib level 6, compress": timed(lambda: [zlib.compress(page, 6, -11) for page in pages], PAGES),
            "zlib level 6, decompress": timed(lambda: [zlib.decompress(item, -15) for item in reference], PAGES),
        }
        for codec, (name, parameters) in CODECS.items():
            transform = near.transform(name, **parameters)
            packed = [bytes(transform.compress(page).wait()) for page in pages]
            assert [bytes(transform.decompress(item).wait()) for item in packed] == pages
            ratios[codec] = PAGE * PAGES / sum(map(len, packed))
            for direction, items in (("compress", pages), ("decompress", packed)):
                for mode, sampler in modes(loop, near, far, codec, direction, items).items():
                    samplers[f"{codec}, {direction}, {mode}"] = sampler
        samples = in_turns(samplers, ROUNDS)
    loop.close()
    os.sched_setaffinity(0, allowed)
    report.raw["pages"] = f"{PAGES} pages of {PAGE} bytes: two thirds memory of a process, a third files of /usr"
    report.raw["published, ns a page (compress, decompress)"] = PUBLISHED
    report.raw["ratio"] = {name: round(ratio, 3) for name, ratio in ratios.items()}
    for direction in ("compress", "decompress"):
        peer = samples[f"zlib level 6, {direction}"]
        for codec in CODECS:
            for mode in MODES:
                what = f"{codec}, {direction}, {mode}"
                report.times(what, samples[what], "ns", peer=peer, scale=1e9)
    dpdk(report, pages)
    report.finish()
    if not QUICK:
        print(f"zlib level 6: {median(samples['zlib level 6, compress']) * 1e9:.0f} ns a page")


if __name__ == "__main__":
    main()
