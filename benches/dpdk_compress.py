"""DPDK's compress perf over ISA-L, on the same pages: nanoseconds a page on one lcore."""

from __future__ import annotations

from pathlib import Path

from crypto_peers import CPUS, EAL, Absent, run
from measure import tool

#: By our codec's name: what the Huffman codes are called there.
CODES = {"deflate, fixed Huffman": "fixed", "deflate, dynamic (level 1)": "dynamic"}


def command(data: Path, page: int, codes: str, times: int) -> list[str]:
    """The command; Absent if it, or a second CPU, is not here."""
    if tool("dpdk-test-compress-perf") is None:
        raise Absent("dpdk-test-compress-perf is not installed (Debian: dpdk-dev, librte-compress-isal23)")
    if len(CPUS) < 2:
        raise Absent("dpdk-test-compress-perf wants two CPUs: one lcore works, one waits for it")
    places = [word.format(first=CPUS[0], last=CPUS[-1]).replace("512", "1024") for word in EAL]
    device = ["--vdev", "compress_isal0", "--", "--driver-name", "compress_isal", "--ptest", "throughput"]
    work = ["--operation", "comp_and_decomp", "--huffman-enc", codes, "--compress-level", "1", "--num-iter", str(times)]
    sizes = ["--input-file", str(data), "--seg-sz", str(page), "--max-num-sgl-segs", "1", "--pool-sz", "4096"]
    return ["dpdk-test-compress-perf", *places, *device, *work, *sizes]


def told(text: str, page: int) -> tuple[float, float]:
    """From the line under "Comp [Gbps]": its last two numbers are gigabits of input a second, there and back."""
    lines = text.splitlines()
    for at, line in enumerate(lines[:-1]):
        if "Comp [Gbps]" in line:
            there, back = (page * 8 / float(word) for word in lines[at + 1].split()[-2:])
            return there, back
    raise Absent("dpdk-test-compress-perf printed no figure")


def measure(data: Path, page: int, codes: str, times: int) -> tuple[float, float]:
    """Nanoseconds a page, compressed and decompressed."""
    return told(run(command(data, page, codes, times), cpus=set(CPUS)), page)
