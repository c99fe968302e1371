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

PAGE, COUNT, ROUNDS = 4096, 1024, 15
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
        self.argv = [str(program), str(data), str(PAGE), str(PAGE), "7"]
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


def main() -> None:
    report = Report("pages")
    real = pages(256)
    data = b"".join(real * (COUNT // len(real) + 1))[: COUNT * PAGE]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages"
        path.write_bytes(data)
        program = compiled(Path(folder))
        peer = None if program is None else Peer(program, path)
        cores = min(2, len(os.sched_getaffinity(0)))
        one, deflate_one, inflate_one, size = ours(1, data, "inline")
        two, deflate_two, inflate_two, _ = ours(cores, data, "queued")
        samples: dict[str, list[float]] = {}
        with one, two:
            samplers = {
                "compress, one core": per_call(deflate_one),
                "decompress, one core": per_call(inflate_one),
                f"compress, {cores} cores": per_call(deflate_two),
                f"decompress, {cores} cores": per_call(inflate_two),
            }
            for _ in range(ROUNDS):
                for name, found in in_turns(samplers, 1).items():
                    samples.setdefault(name, []).extend(each / COUNT for each in found)
                if peer is not None:
                    for name, each in zip(("peer, compress", "peer, decompress"), peer.sample(), strict=True):
                        samples.setdefault(name, []).append(each)
    report.raw["samples"] = samples
    report.raw["bytes"] = {"source": len(data), "ours": size, "peer": peer and peer.sizes}
    report.raw["IAA, published, us: compress and decompress"] = IAA
    middle = {name: median(found) * 1e9 for name, found in samples.items()}
    for verb in ("compress", "decompress"):
        raw = middle.get(f"peer, {verb}")
        single, many = middle[f"{verb}, one core"], middle[f"{verb}, {cores} cores"]
        what = f"{verb} a 4 KiB page, {COUNT} in one buffer into slots"
        met = None if raw is None else raw / single >= 0.95
        report.add(f"{what}, one core (peer ISA-L in C)", single, "ns", mark=">= 0.95 x", met=met, peer=raw)
        met = None if cores < 2 else single / many >= 1.85
        report.add(f"{what}, {cores} cores (peer: ours on one)", many, "ns", mark=">= 1.85 x", met=met, peer=single)
    report.finish()


if __name__ == "__main__":
    main()
