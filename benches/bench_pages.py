"""Pages of 4 KiB through deflate with the fixed Huffman code, many in one buffer, beside ISA-L alone.

The peer is a small C program (raw/isal_pages.c) over the system's libisal, on one core, compiled when the bench runs.
IAA's figures for the same work are published ones (Linux's patches of iaa_crypto), not measured here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench_oneshot import pages
from measure import ROOT, Report, in_turns, median, per_call, quick

import acrypto

PAGE, ROUNDS = 4096, quick(15)
#: Pages in a batch. Of 64, waking who waits is a good part of the time.
BATCHES = (64, 1024)
#: Microseconds a page of IAA, compress and decompress: synchronous, and with interrupts.
IAA = {"sync": (3.2, 2.2), "interrupt": (6.8, 5.8)}


def compiled(folder: Path) -> Path | None:
    """The peer, or None where there is no libisal to build it with."""
    program = folder / "isal_pages"
    source = ROOT / "benches" / "raw" / "isal_pages.c"
    done = subprocess.run(
        ["cc", "-O2", "-o", str(program), str(source), "-lisal"], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        print(f"no peer: {(done.stderr.strip().splitlines() or ['?'])[-1]} (Debian: libisal-dev)", file=sys.stderr)
        return None
    return program


class Peer:
    """Runs of the C program, each of a few rounds over all pages."""

    def __init__(self, program: Path, data: Path) -> None:
        self.argv = [str(program), str(data), str(PAGE), str(PAGE), str(max(7, 2048 * PAGE // data.stat().st_size))]
        self.sizes = ""

    def sample(self) -> tuple[float, float]:
        """Seconds a page, to deflate and to inflate."""
        *rounds, self.sizes = subprocess.run(self.argv, check=True, capture_output=True, text=True).stdout.splitlines()
        deflated, inflated = zip(*(map(float, line.split()) for line in rounds), strict=True)
        return median(list(deflated)) / 1e9, median(list(inflated)) / 1e9

    def twice(self) -> tuple[float, float]:
        """Seconds a page of two runs at once, of whatever cores there are: what a second core gives this library."""
        runs = [subprocess.Popen(self.argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        told = [run.communicate()[0].splitlines()[:-1] for run in runs]
        deflated, inflated = zip(*(map(float, line.split()) for lines in told for line in lines), strict=True)
        return median(list(deflated)) / 2e9, median(list(inflated)) / 2e9


class Ours:
    """A layer that compresses all pages into slots and takes them back, some batches of them at a time."""

    def __init__(self, workers: int, data: bytes, mode: str) -> None:
        self.layer = acrypto.open(["software"], settings=acrypto.Settings(workers=workers))
        self.transform = self.layer.transform("deflate", strategy="fixed")
        self.data, self.mode = data, mode
        self.slots = [bytearray(len(data)) for _ in range(2)]
        self.backs = [bytearray(len(data)) for _ in range(2)]
        self.batch = self.transform.compress_many(data, unit=PAGE, into=bytearray(len(data))).wait()
        for _ in range(3):
            self.compress(2)
            self.decompress(2)
        assert self.backs == [data, data]

    def compress(self, in_flight: int) -> None:
        """So many batches, all started before the first is waited for."""
        work = self.transform.compress_many
        for operation in [work(self.data, unit=PAGE, into=to, mode=self.mode) for to in self.slots[:in_flight]]:
            operation.wait()

    def decompress(self, in_flight: int) -> None:
        """So many batches, all started before the first is waited for."""
        work = self.transform.decompress_many
        for operation in [work(self.batch, into=to, mode=self.mode) for to in self.backs[:in_flight]]:
            operation.wait()


def warmed(run: Callable[[], None]) -> Callable[[], float]:
    """A sampler that first runs for as long as a sample: a core that slept through the others' turns wakes slowly."""
    sample = per_call(run, at_least_s=0.04)

    def second() -> float:
        sample()
        return sample()

    return second


def measured(report: Report, count: int) -> None:
    """Rows of batches of so many pages."""
    real = pages(256)
    data = b"".join(real * (count // len(real) + 1))[: count * PAGE]
    cores = min(2, len(os.sched_getaffinity(0)))
    samples: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages"
        path.write_bytes(data)
        program = compiled(Path(folder))
        peer = None if program is None else Peer(program, path)
        one, two = Ours(1, data, "inline"), Ours(cores, data, "queued")
        with one.layer, two.layer:
            samplers = {}
            for verb in ("compress", "decompress"):
                alone, both = getattr(one, verb), getattr(two, verb)
                samplers[f"{verb}, one core"] = warmed(lambda alone=alone: alone(1))
                samplers[f"{verb}, {cores} cores, one in flight"] = warmed(lambda both=both: both(1))
                samplers[f"{verb}, {cores} cores, two in flight"] = warmed(lambda both=both: both(2))
            for _ in range(ROUNDS):
                for name, found in in_turns(samplers, 1).items():
                    share = 2 * count if "two in flight" in name else count
                    samples.setdefault(name, []).extend(each / share for each in found)
                if peer is not None:
                    for name, each in zip(("peer, compress", "peer, decompress"), peer.sample(), strict=True):
                        samples.setdefault(name, []).append(each)
                    for name, each in zip(("limit, compress", "limit, decompress"), peer.twice(), strict=True):
                        samples.setdefault(name, []).append(each)
    report.raw[f"{count} pages"] = samples
    size = sum(one.batch.lengths)
    report.raw[f"{count} pages, bytes"] = {"source": len(data), "ours": size, "peer, refused": peer and peer.sizes}
    middle = {name: median(found) * 1e9 for name, found in samples.items()}
    for verb in ("compress", "decompress"):
        raw, single = middle.get(f"peer, {verb}"), middle[f"{verb}, one core"]
        what = f"{verb} a page, {count} in a batch"
        met = None if raw is None else raw / single >= 0.95
        report.add(f"{what}, one core (peer ISA-L in C)", single, "ns", mark=">= 0.95 x", met=met, peer=raw)
        for flight in ("one", "two"):
            many = middle[f"{verb}, {cores} cores, {flight} in flight"]
            has_mark = cores == 2 and flight == "two" and count >= 1024
            mark, met = (">= 1.85 x", single / many >= 1.85) if has_mark else ("", None)
            name = f"  {verb} on {cores} cores, {count} in a batch, {flight} in flight (peer ours on one)"
            report.add(name, many, "ns", mark=mark, met=met, peer=single)
        if raw is not None and cores == 2:
            limit = middle[f"limit, {verb}"]
            name = f"  the limit: {verb} by ISA-L in C, two processes at once, {count} pages (peer one process)"
            report.add(name, limit, "ns", mark="", met=None, peer=raw)


def main() -> None:
    report = Report("pages")
    report.raw["IAA, published, us a page, compress and decompress"] = IAA
    for count in BATCHES:
        measured(report, count)
    report.finish()


if __name__ == "__main__":
    main()
