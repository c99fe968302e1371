"""The driver of Intel's analytics accelerator over the model of it: their cost, and many pages at once.

The model really compresses, on this machine's cores, so it cannot be as fast as the hardware: the codec alone stands
beside it. Whether driver and model make of latencies and engines what those allow is measured where the codec is not
the limit: with IAA's published latencies times a factor, with descriptors that do nothing, and in the model's own time.
The driver alone is measured by benches/raw/iaa_driver.rs, which this builds; through the layer it is measured here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import corpus
from measure import QUICK, ROOT, Report, median, quartiles, quick, tool

import acrypto
from acrypto.engines.iaa import Iaa
from acrypto.idxd import Bus

PAGE = corpus.PAGE
PAGES = 1024
#: Pages of one sample, the layers in turns.
RUN = 64
SECONDS = quick(6, 1) / 2
ROUNDS = quick(200, 20)
#: Linux's cover letter tells of these nanoseconds a page; a device has eight engines.
PUBLISHED = {"compress": 3200.0, "decompress": 2200.0}
ENGINES, ENTRIES = 8, 64
#: Times the published latencies at which the codec, 4 to 8 us a page on two cores, is no limit any more.
FACTOR = 40
#: The marks: microseconds above the codec, nanoseconds of a submission, and of what is allowed at least so much.
MOST_ABOVE_US, MOST_SUBMISSION_NS, LEAST = 1.0, 150.0, 0.9
EXAMPLE = "raw_iaa_driver"
Samples = dict[str, list[float]]


def build() -> str:
    """The raw program, built against the core of this checkout."""
    if tool("cargo") is None:
        sys.exit("the driver alone cannot be measured: cargo builds benches/raw/iaa_driver.rs, and is not on the path")
    built = ["cargo", "build", "--release", "--quiet", "-p", "acrypto-core", "--example", EXAMPLE]
    subprocess.run(built, cwd=ROOT / "rust", check=True)
    return str(ROOT / "rust" / "target" / "release" / "examples" / EXAMPLE)


def raw(program: str, *arguments: object) -> Samples:
    """Its samples, in nanoseconds."""
    argv = [program, *map(str, arguments)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    told = (line.partition(": ") for line in lines)
    return {name: [float(word) for word in words.split()] for name, _, words in told}


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """This thread and those that it starts on one core."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def device(mode: str, factor: float) -> Iaa:
    """The driver over one device whose eight engines serve one queue of 64 entries."""
    bus = Bus()
    bus.add_device("iax1")
    queue = {"mode": "dedicated", "type": "kernel", "size": ENTRIES, "group_id": 0, "priority": 10}
    for name, value in {**queue, "name": "bench", "driver_name": "crypto"}.items():
        bus.write(f"devices/wq1.0/{name}", str(value))
    for engine in range(ENGINES):
        bus.write(f"devices/engine1.{engine}/group_id", "0")
    bus.enable("iax1")
    native: Any = bus.backing("iax1")
    for op, latency in PUBLISHED.items():
        native.native.tune(f"{op}_ns", latency * factor)
    return Iaa(bus=bus, sync_mode=mode, verify_compress=False)


def above(report: Report, what: str, ours: list[float], codec: list[float], peer: str, *, has_mark: bool) -> None:
    """A row: how much longer, sample by sample; and one of both times. Samples in microseconds."""
    more = [one - other for one, other in zip(ours, codec, strict=True)]
    report.raw[what] = {"ours, us": ours, "peer, us": codec}
    mark, met = (f"<= {MOST_ABOVE_US:.1f} us", median(more) <= MOST_ABOVE_US) if has_mark else ("", None)
    report.add(what, median(more), "us", mark=mark, met=met, spread=quartiles(more))
    report.add(f"  both times (peer {peer})", median(ours), "us", mark="", met=None, peer=median(codec))


def driver_alone(report: Report, program: str, path: Path) -> None:
    """What driver and model add to the codec, and what a submission takes; no layer and no Python in it."""
    with pinned():
        samples = {name: [ns / 1e3 for ns in each] for name, each in raw(program, "sync", path, SECONDS).items()}
    for op in PUBLISHED:
        told = f"{op} a page, sync, driver and model above the codec"
        above(report, told, samples[f"driver, {op}"], samples[f"codec, {op}"], "the codec alone", has_mark=True)
    samples = raw(program, "submit", SECONDS)
    report.raw["submission, ns"] = samples
    has_direct = any(name.startswith("MOVDIR64B") for name in samples)
    if not has_direct:
        report.raw["MOVDIR64B"] = "absent: this CPU does not have the instruction; portals take ordinary stores"
    way = "MOVDIR64B" if has_direct else "ordinary stores"
    for mode in ("dedicated", "shared"):
        each = samples.pop(f"model, {mode}")
        what = f"submit a descriptor to a {mode} queue, portal write to return, by {way}"
        met = median(each) <= MOST_SUBMISSION_NS
        report.add(what, median(each), "ns", mark=f"<= {MOST_SUBMISSION_NS:.0f} ns", met=met, spread=quartiles(each))
    for name, each in samples.items():
        if each[0] == each[0]:  # not a number: there is only one core
            report.add(f"  64 bytes by {name}", median(each), "ns", mark="", met=None, spread=quartiles(each))


def through_layer(report: Report, pages: list[bytes]) -> None:
    """One page at a time on the calling thread, through the layer, beside the software engine's same codec."""
    with (
        pinned(),
        acrypto.open([device("sync", 0)]) as ours,
        acrypto.open(["software"]) as software,
    ):
        one, other = ours.transform("deflate-iaa"), software.transform("deflate", strategy="fixed")
        packed = [bytes(other.compress(page, mode="inline").wait()) for page in pages]
        for op, messages, limits in (("compress", pages, {}), ("decompress", packed, {"max_output": PAGE})):

            def took(transform: Any, first: int, op: str = op, messages: Any = messages, limits: Any = limits) -> float:
                call = getattr(transform, op)
                started = time.perf_counter()
                for message in messages[first : first + RUN]:
                    call(message, mode="inline", **limits).wait()
                return (time.perf_counter() - started) / RUN * 1e6

            samples: tuple[list[float], list[float]] = ([], [])
            for turn in range(-RUN, ROUNDS):
                first = turn * RUN % len(pages)
                for transform, each in zip((one, other), samples, strict=True):
                    each.append(took(transform, first))
            told = f"{op} a page, sync, deflate-iaa above the software engine's fixed codes, through the layer, inline"
            above(report, told, samples[0][RUN:], samples[1][RUN:], "the software engine", has_mark=False)


def allowed(report: Report, what: str, each: list[float], ns: float, *, has_mark: bool, peer: str) -> None:
    """A row: nanoseconds a page beside what a limit allows, and pages a second. Samples in nanoseconds."""
    report.raw[what] = {"ours, ns": each, "peer, ns": ns}
    mark, met = (f">= {LEAST:.2f} x", ns / median(each) >= LEAST) if has_mark else ("", None)
    report.add(f"{what} (peer {peer})", median(each), "ns", mark=mark, met=met, peer=ns, spread=quartiles(each))
    report.add("  a second", 1e9 / median(each), "1/s", mark="", met=None, peer=1e9 / ns)


def in_flight(report: Report, program: str, path: Path, pages: list[bytes]) -> None:
    """64 descriptors under way: as fast as hardware is told to be, slower, in the model's time, without a codec."""
    limit = "latencies and engines"
    for op, latency in PUBLISHED.items():
        least = latency / ENGINES
        samples = raw(program, "flight", path, SECONDS, op, 1)
        codec = samples["codec on all cores"]
        layer = batches(pages, op, 1)
        what = f"{op}, 64 in flight, published latency"
        peer = "the codec alone on all cores"
        allowed(report, f"{what}, driver", samples["driver"], median(codec), has_mark=False, peer=peer)
        allowed(report, f"{what}, layer", layer, median(codec), has_mark=False, peer=peer)
        report.raw[f"{what}: {peer}, ns"] = codec
        report.raw[f"{what}: what {limit} allow, ns"] = least
        what = f"{op}, 64 in flight, latency x {FACTOR}"
        slow = raw(program, "flight", path, SECONDS, op, FACTOR)["driver"]
        allowed(report, f"{what}, driver", slow, least * FACTOR, has_mark=True, peer=limit)
        slow = batches(pages, op, FACTOR)
        allowed(report, f"{what}, layer", slow, least * FACTOR, has_mark=True, peer=limit)
        own = raw(program, "virtual", path, SECONDS / 4, op)["driver"]
        what = f"{op}, 64 in flight, published latency, in the model's own time, driver"
        allowed(report, what, own, least, has_mark=False, peer=limit)
    noop = raw(program, "flight", path, SECONDS, "noop", 1)["noop"]
    what = "descriptors without work, 64 in flight, latency of a compression"
    allowed(report, what, noop, PUBLISHED["compress"] / ENGINES, has_mark=False, peer=limit)


def batches(pages: list[bytes], op: str, factor: float) -> list[float]:
    """Nanoseconds a page of one call of many, whose completions are polled for."""
    data = b"".join(pages)
    with acrypto.open([device("async", factor)]) as layer:
        transform = layer.transform("deflate-iaa")
        packed = transform.compress_many(data, unit=PAGE, packed=True).wait()
        into = bytearray(len(data))
        transform.decompress_many(packed, unit=PAGE, into=into).wait()
        assert into == data
        calls: dict[str, Callable[[], object]] = {
            "compress": lambda: transform.compress_many(data, unit=PAGE, packed=True).wait(),
            "decompress": lambda: transform.decompress_many(packed, unit=PAGE, into=into).wait(),
        }
        samples = []
        until = time.perf_counter() + SECONDS
        while len(samples) < 5 or time.perf_counter() < until:
            started = time.perf_counter()
            calls[op]()
            samples.append((time.perf_counter() - started) / len(pages) * 1e9)
    return samples


def main() -> None:
    report = Report("iaa")
    program = build()
    pages = corpus.pages(PAGES)
    report.raw["pages"] = f"{PAGES} pages of {PAGE} bytes: two thirds memory of a process, a third files of /usr"
    report.raw["published, ns a page"] = {
        **PUBLISHED,
        "source": "the cover letter of Linux's iaa_crypto",
        "engines": ENGINES,
    }
    report.raw["factor"] = FACTOR
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages"
        path.write_bytes(b"".join(pages))
        driver_alone(report, program, path)
        through_layer(report, pages)
        in_flight(report, program, path, pages)
    report.finish()
    if QUICK:
        return
    print(f"the factor of the latencies: {FACTOR}")


if __name__ == "__main__":
    main()
