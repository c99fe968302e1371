"""What more cores, more requests in flight and larger messages give.

Cores: batches of real pages and of messages on one worker and on as many as there are CPUs. In flight: 4 KiB messages
started together and then awaited. Size: one message, awaited, from 64 bytes to 16 MiB.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

import corpus
from measure import QUICK, Report, in_turns, median, quick

import acrypto

KEY, NONCE = bytes(range(32)), bytes(12)
PAGES = quick(2048, 64)
ROUNDS = quick(9)
DEPTHS = (1, 16) if QUICK else (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZES = (4096, 1 << 20) if QUICK else tuple(64 << (2 * step) for step in range(10))
#: Bytes of one sample over sizes, at least.
ENOUGH = quick(8, 1) << 20
NAMES = {
    "deflate, fixed Huffman": ("deflate", {"strategy": "fixed"}, "compress"),
    "zstd (level 1)": ("zstd", {"level": 1}, "compress"),
    "SHA-256": ("sha256", {}, "digest"),
    "AES-256-GCM": ("gcm(aes)", {"key": KEY}, "encrypt"),
}
Run = Callable[[], object]


def one(layer: acrypto.Layer, what: str) -> Callable[[bytes], acrypto.Operation[Any]]:
    """Starts one message."""
    name, parameters, method = NAMES[what]
    call = getattr(layer.transform(name, **parameters), method)
    return (lambda message: call(NONCE, message)) if method == "encrypt" else call


def many(layer: acrypto.Layer, what: str, messages: list[bytes]) -> Run:
    """All messages as one operation."""
    name, parameters, method = NAMES[what]
    call = getattr(layer.transform(name, **parameters), f"{method}_many")
    arguments = ([NONCE] * len(messages), messages) if method == "encrypt" else (messages,)
    return lambda: call(*arguments).wait()


def rate(run: Run, nbytes: int, times: int = 1) -> Callable[[], float]:
    """GB/s of a run over so many bytes."""
    for _ in range(quick(3)):
        run()

    def sample() -> float:
        started = time.perf_counter_ns()
        for _ in range(times):
            run()
        return nbytes * times / (time.perf_counter_ns() - started)

    return sample


def cores(report: Report, pages: list[bytes]) -> None:
    """The same batch on one worker and on all."""
    workers = sorted({1, len(os.sched_getaffinity(0))})
    layers = {number: acrypto.open(settings=acrypto.Settings(workers=number, inline_us=0)) for number in workers}
    samplers = {
        (what, number): rate(many(layers[number], what, pages), PAGES * corpus.PAGE)
        for what in NAMES
        for number in workers
    }
    samples = in_turns({f"{what}, {number}": sampler for (what, number), sampler in samplers.items()}, ROUNDS)
    for layer in layers.values():
        layer.close()
    report.raw["cores, GB/s"] = [
        {"what": what, "workers": number, "gb_per_s": samples[f"{what}, {number}"]} for what, number in samplers
    ]
    for what in NAMES:
        alone, together = (median(samples[f"{what}, {number}"]) for number in (workers[0], workers[-1]))
        name = f"{what}, batch of {PAGES} pages: {workers[-1]} workers over 1"
        report.add(name, together / alone, "x", mark="", met=None)


def in_loop(loop: asyncio.AbstractEventLoop, run: Callable[[], Coroutine[Any, Any, None]]) -> Run:
    return lambda: loop.run_until_complete(run())


def flight(report: Report, layer: acrypto.Layer, loop: asyncio.AbstractEventLoop, pages: list[bytes]) -> None:
    """More requests at once."""
    rows, some = [], pages[:256]
    for what in NAMES:
        start, samplers = one(layer, what), {}
        for depth in DEPTHS:

            async def at_once(start: Any = start, depth: int = depth) -> None:
                for at in range(0, len(some), depth):
                    for operation in [start(message) for message in some[at : at + depth]]:
                        await operation

            samplers[str(depth)] = rate(in_loop(loop, at_once), len(some) * corpus.PAGE)
        samples = in_turns(samplers, ROUNDS)
        rows += [{"what": what, "depth": depth, "gb_per_s": samples[str(depth)]} for depth in DEPTHS]
        first, best = median(samples[str(DEPTHS[0])]), max(median(each) for each in samples.values())
        report.add(f"{what} of 4 KiB: best depth over one in flight", best / first, "x", mark="", met=None)
    report.raw["in flight, GB/s"] = rows


def sizes(report: Report, layer: acrypto.Layer, loop: asyncio.AbstractEventLoop, pages: list[bytes]) -> None:
    """Larger messages, one at a time."""
    text = b"".join(pages)
    text *= max(SIZES) // len(text) + 1
    rows = []
    for what in NAMES:
        start, samplers = one(layer, what), {}
        for size in SIZES:
            # Other data each time: pages compress differently.
            number = max(1, min(ENOUGH // size, quick(400, 2)))
            apart = max(0, len(text) - size) // number
            messages = [text[at * apart : at * apart + size] for at in range(number)]

            async def alone(start: Any = start, messages: list[bytes] = messages) -> None:
                for message in messages:
                    await start(message)

            samplers[str(size)] = rate(in_loop(loop, alone), size * number)
        samples = in_turns(samplers, quick(5))
        rows += [{"what": what, "size": size, "gb_per_s": samples[str(size)]} for size in SIZES]
        report.add(f"{what}: best size, one at a time", max(map(median, samples.values())), "GB/s", mark="", met=None)
    report.raw["size, GB/s"] = rows


def main() -> None:
    report = Report("scaling")
    pages = corpus.pages(PAGES)
    cores(report, pages)
    loop = asyncio.new_event_loop()
    with acrypto.open(settings=acrypto.Settings(remember_costs=False)) as layer:
        flight(report, layer, loop, pages)
        sizes(report, layer, loop, pages)
    loop.close()
    report.finish()


if __name__ == "__main__":
    main()
