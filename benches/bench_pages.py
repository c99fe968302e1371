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
from measure import ROOT, Report, in_turns, median, per_call

import acrypto

PAGE, ROUNDS = 4096, 15
#: Pages in a batch, and what two cores should be of one: of 64, waking who waits is a tenth of the time.
BATCHES = ((64, None), (1024, 1.85))
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


def ours(workers: int, data: bytes, mode: str) -> tuple[acrypto.Layer, Callable[[], object], Callable[[], object], int]:
    """A layer, what compresses all pages into slots, what takes them back, and the bytes they become."""
    layer = acrypto.open(["software"], settings=acrypto.Settings(workers=workers))
    transform = layer.transform("deflate", strategy="fixed")
    slots, back = bytearray(len(data)), bytearray(len(data))
    batch = transform.compress_many(data, unit=PAGE, into=slots).wait()

    def compress() -> object:
        return transform.compress_many(data, unit=PAGE, into=slots, mode=mode).wait()

    def decompress() -> object:
        return transform.decompress_many(batch, into=back, mode=mode).wait()

    for _ in range(3):
        compress(), decompress()
    assert back == data
    return layer, compress, decompress, sum(batch.lengths)


def measured(report: Report, count: int, mark: float | None) -> None:
    """Rows of batches of so many pages; `mark` is what two cores should be of one."""
    real = pages(256)
    data = b"".join(real * (count // len(real) + 1))[: count * PAGE]
    cores = min(2, len(os.sched_getaffinity(0)))
    samples: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages"
        path.write_bytes(data)
        program = compiled(Path(folder))
        peer = None if program is None else Peer(program, path)
        one, deflate_one, inflate_one, size = ours(1, data, "inline")
        two, deflate_two, inflate_two, _ = ours(cores, data, "queued")
        with one, two:
            samplers = {
                "compress, one core": per_call(deflate_one),
                "decompress, one core": per_call(inflate_one),
                f"compress, {cores} cores": per_call(deflate_two),
                f"decompress, {cores} cores": per_call(inflate_two),
            }
            for _ in range(ROUNDS):
                for name, found in in_turns(samplers, 1).items():
                    samples.setdefault(name, []).extend(each / count for each in found)
                if peer is not None:
                    for name, each in zip(("peer, compress", "peer, decompress"), peer.sample(), strict=True):
                        samples.setdefault(name, []).append(each)
    report.raw[f"{count} pages"] = samples
    report.raw[f"{count} pages, bytes"] = {"source": len(data), "ours": size, "peer, refused": peer and peer.sizes}
    middle = {name: median(found) * 1e9 for name, found in samples.items()}
    for verb in ("compress", "decompress"):
        raw = middle.get(f"peer, {verb}")
        single, many = middle[f"{verb}, one core"], middle[f"{verb}, {cores} cores"]
        what = f"{verb} a page, {count} in one buffer to slots"
        met = None if raw is None else raw / single >= 0.95
        report.add(f"{what}, one core (peer ISA-L in C)", single, "ns", mark=">= 0.95 x", met=met, peer=raw)
        met = None if mark is None or cores < 2 else single / many >= mark
        told = "" if mark is None else f">= {mark:.2f} x"
        report.add(f"{what}, {cores} cores (peer: ours on one)", many, "ns", mark=told, met=met, peer=single)


def main() -> None:
    report = Report("pages")
    report.raw["IAA, published, us a page, compress and decompress"] = IAA
    for count, mark in BATCHES:
        measured(report, count, mark)
    report.finish()


if __name__ == "__main__":
    main()
