"""Many independent messages: every operation at every size and depth, beside libraries and commands that do the same.

Ours four ways: `*_many` of N on the calling thread (mode "inline"), `*_many` as it comes (by a worker if it is long),
N operations that are started together and then awaited, and one message after the other; on a layer with the engines
`software` and `multibuffer`, whose balancer has to learn which is better, and `*_many` on each of them alone. One core,
to which everything is pinned; DPDK has a second one for the thread that waits.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import crypto_marks
import crypto_peers
from crypto_cases import CASES, Case
from crypto_peers import Absent
from measure import QUICK, Report, median, quick

import acrypto

SIZES = (64, 4096) if QUICK else (16, 64, 256, 1024, 4096, 16384, 65536, 1 << 20)
DEPTHS = (1, 16) if QUICK else (1, 4, 8, 16, 64, 256)
#: Of `openssl speed` a second each, of DPDK a fraction of one.
OPENSSL_SIZES = (4096,) if QUICK else (16, 256, 4096, 65536, 1 << 20)
DPDK_SIZES = (4096,) if QUICK else (64, 1024, 4096, 16384)
ROUNDS = quick(3)
#: Seconds of one sample.
SAMPLE_S = 0.002 if QUICK else 0.005
#: More bytes than this in flight say nothing about anything but memory.
MOST = 16 << 20
ENGINES = {"software": ["software"], "multibuffer": ["multibuffer"], "both": None}
Run = Callable[[], object]


def sampler(run: Run, messages: int) -> Callable[[], float]:
    """Nanoseconds a message; the runs before the first sample teach the balancer."""
    until, number = time.perf_counter() + 2 * SAMPLE_S, 0
    while time.perf_counter() < until or number < 3:
        run()
        number += 1
    times = max(1, number // 2)

    def sample() -> float:
        gc.disable()
        started = time.perf_counter_ns()
        for _ in range(times):
            run()
        elapsed = time.perf_counter_ns() - started
        gc.enable()
        return elapsed / times / messages

    return sample


class Bench:
    """The layers, an event loop, and the cells of the grid."""

    def __init__(self) -> None:
        self.report = Report("crypto")
        self.cells: list[dict[str, Any]] = []
        self.absent: dict[str, str] = {}
        self.layers: dict[str, acrypto.Layer] = {}
        self.loop = asyncio.new_event_loop()
        for name, engines in ENGINES.items():
            # What it learned in another run would hide what it has to learn.
            settings = acrypto.Settings(workers=1, remember_costs=False)
            try:
                self.layers[name] = acrypto.open(engines, settings=settings)
            except acrypto.AcryptoError as error:
                self.absent[f"ours, {name}"] = str(error)

    def close(self) -> None:
        for layer in self.layers.values():
            layer.close()
        self.loop.close()

    # ---- What is measured

    def ours(self, case: Case, size: int, depth: int) -> Iterator[tuple[str, Run]]:
        """Every way of ours, by name."""
        messages = [os.urandom(size) for _ in range(depth)]
        for name, layer in self.layers.items():
            try:
                transform = case.transform(layer)
            except (acrypto.NoEngine, acrypto.UnknownAlgorithm) as error:
                self.absent[f"ours, {name}: {case.name}"] = str(error)
                continue
            many, one = case.many(transform), case.one(transform)
            if depth > 1:
                yield f"many, {name}", lambda many=many: many(messages).wait()
            if name == "both":
                inline = case.many(transform, mode="inline")
                if depth > 1:
                    yield "many, inline", lambda many=inline: many(messages).wait()
                if depth == 1:
                    yield "one by one", lambda one=one: one(messages[0]).wait()
                yield "awaited at once", self.awaited(one, messages)

    def awaited(self, one: Callable[[bytes], acrypto.Operation[Any]], messages: list[bytes], times: int = 1) -> Run:
        """All started, then each awaited, in an event loop; so many times, since a service starts its loop once."""

        async def at_once() -> None:
            for _ in range(times):
                for operation in [one(message) for message in messages]:
                    await operation

        return lambda: self.loop.run_until_complete(at_once())

    def cell(self, case: Case, size: int, depth: int) -> None:
        """All ways, and the peers that Python has, in turns."""
        samplers = {name: sampler(run, depth) for name, run in self.ours(case, size, depth)}
        if depth == 1:
            message = os.urandom(size)
            for name, peer in case.peers.items():
                samplers[name] = sampler(lambda peer=peer: peer(message), 1)
        if size <= crypto_peers.RAW_MOST:
            self.peer(f"raw ipsec-mb: {case.name}", samplers, "raw ipsec-mb", lambda: self.raw(case, size, depth))
        samples: dict[str, list[float]] = {name: [] for name in samplers}
        for _ in range(ROUNDS):
            for name, sample in samplers.items():
                samples[name].append(round(sample(), 1))
        for name, ns in samples.items():
            self.cells.append({"case": case.name, "size": size, "depth": depth, "who": name, "ns": ns})

    @staticmethod
    def raw(case: Case, size: int, depth: int) -> float:
        return crypto_peers.raw(case.raw, size, depth, SAMPLE_S)

    def peer(self, key: str, samplers: dict[str, Callable[[], float]], name: str, sample: Callable[[], float]) -> None:
        """Takes a command among the samplers if it gives a figure."""
        if key in self.absent or name in self.absent:
            return
        try:
            sample()
        except Absent as error:
            self.absent[key] = str(error)
        else:
            samplers[name] = sample

    def commands(self, case: Case) -> None:
        """`openssl speed` and DPDK, which take their own time."""
        for size in OPENSSL_SIZES if case.openssl else ():
            self.command(case, size, 1, "openssl speed", lambda size=size: crypto_peers.openssl(case.openssl, size))
        for size in DPDK_SIZES if case.dpdk else ():
            operations = max(20_000, min(1_000_000, (1 << 29) // size)) if not QUICK else 20_000
            run = lambda size=size, number=operations: crypto_peers.dpdk(case.dpdk, size, 32, number)  # noqa: E731
            self.command(case, size, 32, "DPDK", run)

    def command(self, case: Case, size: int, depth: int, who: str, run: Callable[[], float]) -> None:
        key = f"{who}: {case.name}"
        if key in self.absent:
            return
        try:
            ns = round(run(), 1)
        except Absent as error:
            self.absent[key] = str(error)
        else:
            self.cells.append({"case": case.name, "size": size, "depth": depth, "who": who, "ns": [ns]})


def main() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    bench = Bench()
    try:
        crypto_peers.build_raw()
    except Absent as error:
        bench.absent["raw ipsec-mb"] = str(error)
    crypto_marks.measure(
        bench
    )  # first, with a heap as fresh as that of the raw peers, which are processes of their own
    for case in CASES:
        for size in SIZES:
            for depth in DEPTHS:
                if size * depth <= MOST:
                    bench.cell(case, size, depth)
        bench.commands(case)
    bench.close()
    os.sched_setaffinity(0, allowed)
    summary(bench)
    bench.report.raw["commands"] = commands()
    bench.report.raw["absent"] = bench.absent
    bench.report.raw["grid, ns a message"] = bench.cells
    bench.report.finish()
    for name, why in bench.absent.items():
        print(f"absent: {name}: {why}")


def commands() -> dict[str, str]:
    """An example of each peer's command line, so that anybody can run it."""
    shown: dict[str, str] = {}
    for name, make in {
        "raw ipsec-mb": lambda: crypto_peers.raw_command("sha256", 4096, 64, SAMPLE_S),
        "openssl speed": lambda: crypto_peers.openssl_command(CASES[0].openssl, 4096),
        "DPDK": lambda: crypto_peers.dpdk_command(CASES[2].dpdk, 4096, 32, 100_000),
    }.items():
        try:
            shown[name] = " ".join(make()).replace(f"{crypto_peers.ROOT}/", "")
        except Absent as error:
            shown[name] = f"absent: {error}"
    return shown


def summary(bench: Bench) -> None:
    """Rows for 4 KiB: ours at depth, beside one call after the other of what Python has."""
    found = {(cell["case"], cell["depth"], cell["who"]): cell["ns"] for cell in bench.cells if cell["size"] == 4096}
    deep = max(depth for depth in DEPTHS if depth <= 64)
    for case in CASES:
        (peer,) = case.peers
        reference = found[case.name, 1, peer]
        ways = {"one by one": (1, "one by one"), f"{deep} awaited at once": (deep, "awaited at once")}
        ways |= {f"{case.method}_many of {deep}, inline": (deep, "many, inline")}
        ways |= {f"{case.method}_many of {deep}, engine {name}": (deep, f"many, {name}") for name in ENGINES}
        for way, (depth, who) in ways.items():
            ns = found.get((case.name, depth, who))
            if ns:
                what = f"{case.title} of 4 KiB: {way} (peer {peer} in a loop)".replace("engine both", "both engines")
                bench.report.times(what, ns, "ns", peer=reference)
    for case in CASES:
        for who, depth in (("raw ipsec-mb", deep), ("openssl speed", 1), ("DPDK", 32)):
            ns = found.get((case.name, depth, who))
            if ns:
                bench.report.add(f"  {who} alone: {case.title} of 4 KiB", median(ns), "ns", mark="", met=None)


if __name__ == "__main__":
    main()
