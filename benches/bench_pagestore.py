"""The page store beside the kernel's: pages of 4 KiB put and got in batches of eight, on one core.

The peer is zram, hot-added for the bench with lz4, written and read through O_DIRECT page by page from Python, as a
program of user space would. It has no deflate here: puts with deflate stand beside its lz4, gets beside the codec
alone. Without zram the codec alone is the peer of both.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Any

import corpus
from measure import PYTHON, QUICK, ROOT, Report, in_turns, median, quick
from zram import NoZram, zram

import acrypto
from acrypto.consumers.pagestore import PageStore

PAGE, BATCH = corpus.PAGE, 8
PAGES = quick(8192, 128)
ROUNDS = quick(15)
CODECS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "lz4": ("lz4", {}, {}),
    "deflate, fixed": ("deflate", {"strategy": "fixed"}, {"strategy": "fixed"}),
    "zstd, level 1": ("zstd", {"level": 1}, {"level": 1}),
}
#: The mark: 1.3 times the peer's time at most.
LEAST = 1 / 1.3
#: A program that stores so many pages and does nothing else, for its peak memory.
CHILD = """
import sys, acrypto, corpus
from acrypto.consumers.pagestore import PageStore
pages = corpus.pages(1024)
with acrypto.open(["software"]) as layer, PageStore(layer, max_bytes=1 << 30) as store:
    for at in range(0, int(sys.argv[1]), 1024):
        store.put_many(range(at, at + 1024), [at.to_bytes(8, "little") + page[8:] for page in pages]).wait()
    found = store.statistics()
    print(found["orig_data_size"], found["compr_data_size"], found["mem_used_total"], found["table_size"])
    print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Ours:
    """A store, and the codec alone, over the same pages in the same batches."""

    def __init__(self, layer: acrypto.Layer, codec: str, pages: list[bytes]) -> None:
        name, parameters, own = CODECS[codec]
        self.store = PageStore(layer, compressor=name, max_bytes=1 << 30, batch=BATCH, **parameters)
        self.transform = layer.transform("lz4-block" if name == "lz4" else name, **own)
        self.keys = [range(at, at + BATCH) for at in range(0, len(pages), BATCH)]
        self.data = [b"".join(pages[at : at + BATCH]) for at in range(0, len(pages), BATCH)]
        self.into = bytearray(BATCH * PAGE)
        self.put()
        for keys, data in zip(self.keys, self.data, strict=True):
            self.store.get_many(keys, into=self.into).wait()
            assert self.into == data
        compress = self.transform.compress_many
        self.packed = [compress(data, unit=PAGE, packed=True, mode="inline").wait() for data in self.data]

    def put(self) -> None:
        for keys, data in zip(self.keys, self.data, strict=True):
            self.store.put_many(keys, data).wait()

    def get(self) -> None:
        for keys in self.keys:
            self.store.get_many(keys, into=self.into).wait()

    def compress(self) -> None:
        for data in self.data:
            self.transform.compress_many(data, unit=PAGE, packed=True, mode="inline").wait()

    def decompress(self) -> None:
        for packed in self.packed:
            self.transform.decompress_many(packed, unit=PAGE, into=self.into, mode="inline").wait()


def sampler(run: Any, number: int) -> Any:
    """Seconds a page."""
    import time

    def sample() -> float:
        started = time.perf_counter()
        run()
        return (time.perf_counter() - started) / number

    return sample


def memory(report: Report) -> None:
    """What a page costs: the store's own count beside what the process takes."""
    number = quick(65536, 2048)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "benches"), *sys.path]))}
    told, empty = (
        subprocess.run(
            [PYTHON, "-c", CHILD, str(n)], check=True, capture_output=True, text=True, env=environment
        ).stdout
        for n in (number, 0)
    )
    original, packed, used, tables, peak = map(int, told.split())
    base = int(empty.split()[-1])
    report.raw["memory"] = {"pages": number, "bytes": original, "packed": packed, "used": used, "tables": tables}
    report.raw["memory"] |= {"peak_rss": peak, "peak_rss_empty": base}
    report.add("a page's tables", tables / number, "bytes", mark="<= 300", met=tables / number <= 300)
    report.add("memory as counted, of compressed bytes", used / packed, "x", mark="", met=None)
    report.add("peak RSS above an empty store's, of memory as counted", (peak - base) / used, "x", mark="", met=None)


def main() -> None:
    report = Report("pagestore")
    allowed = sorted(os.sched_getaffinity(0))
    pages = corpus.pages(PAGES)
    memory(report)
    os.sched_setaffinity(0, {allowed[-1]})
    with contextlib.ExitStack() as stack:
        layer = stack.enter_context(acrypto.open(["software"], settings=acrypto.Settings(workers=1)))
        samplers: dict[str, Any] = {}
        kernel: dict[str, float] = {}
        try:
            peer, name = stack.enter_context(zram("lz4", pages, PAGE))
            peer.write()
            samplers["zram write"] = sampler(peer.write, PAGES)
            samplers["zram read"] = sampler(peer.read, PAGES)
            kernel["zram lz4"] = round(peer.ratio(name), 3)
        except NoZram as error:
            print(f"no peer: {error}", file=sys.stderr)
            report.raw["zram"] = f"absent: {error}"
        stores = {codec: Ours(layer, codec, pages) for codec in CODECS}
        for codec, ours in stores.items():
            for run in ("put", "get", "compress", "decompress"):
                samplers[f"{codec}, {run}"] = sampler(getattr(ours, run), PAGES)
        samples = in_turns(samplers, ROUNDS)
        ratios = {codec: round(ours.store.ratio, 3) for codec, ours in stores.items()}
        for ours in stores.values():
            ours.store.close()
    os.sched_setaffinity(0, allowed)
    report.raw["pages"] = f"{PAGES} pages of {PAGE} bytes: two thirds memory of a process, a third files of /usr"
    report.raw["ratio"] = {**ratios, **kernel}
    for codec in CODECS:
        for run, alone, other in (("put", "compress", "zram write"), ("get", "decompress", "zram read")):
            is_like = other in samples and (codec == "lz4" or run == "put")
            peer_name = other if is_like else f"{codec}, {alone}"
            told = "zram's lz4" if is_like else "the codec alone"
            least = LEAST if codec != "zstd, level 1" else None
            own = samples[f"{codec}, {run}"]
            report.times(f"{codec}, {run}, beside {told}", own, "us", peer=samples[peer_name], least=least, scale=1e6)
            report.add(f"  {alone} alone", median(samples[f"{codec}, {alone}"]) * 1e6, "us", mark="", met=None)
    report.finish()
    if QUICK:
        return
    print(f"ratios: {report.raw['ratio']}")


if __name__ == "__main__":
    main()
