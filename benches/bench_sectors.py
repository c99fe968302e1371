"""AES-XTS of runs of sectors: one call of ours against the libraries themselves, and against what Python has.

The libraries are driven by benches/raw/xts_sectors.rs, which this builds: a keyed context, and for each sector its
tweak and one call. The peer of a row is the fastest of them, in the same run, in turns with ours.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from measure import ROOT, Report, median, per_call, quick, tool

import acrypto

#: Bytes of a sector, sectors of a run.
RUNS = ((4096, 16), (4096, 1), (512, 128), (512, 8))
#: The runs that have a mark.
MARKED = ((4096, 16, "256", "encrypt"), (4096, 16, "256", "decrypt"))
LEAST = 0.85
ROUNDS = quick(9)
#: Seconds that the raw program measures each of its rows in a round.
RAW_SECONDS = 0.03
KEY = bytes(range(64))
TWEAK = (7).to_bytes(16, "little")


def build() -> str:
    """The raw program, built against the libraries of this checkout."""
    if tool("cargo") is None:
        sys.exit("the peer is missing: cargo builds benches/raw/xts_sectors.rs, and is not on the path")
    built = ["cargo", "build", "--release", "--quiet", "-p", "acrypto-core", "--example", "raw_xts_sectors"]
    subprocess.run(built, cwd=ROOT / "rust", check=True)
    return str(ROOT / "rust" / "target" / "release" / "examples" / "raw_xts_sectors")


def raw(program: str, sector: int, count: int) -> dict[tuple[str, ...], float]:
    """Seconds a run, by library, bits of the key and direction."""
    argv = [program, str(sector), str(count), str(RAW_SECONDS)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return {tuple(which): float(ns) / 1e9 for *which, ns in map(str.split, lines)}


def call(transform: Any, op: str, data: bytes) -> Callable[[], object]:
    """One run, with the result in the layer's memory."""
    function = getattr(transform, op)
    return lambda: function(TWEAK, data).wait()


def call_into(transform: Any, op: str, data: bytes) -> Callable[[], object]:
    """One run, with the result in the caller's memory."""
    function, into = getattr(transform, op), bytearray(len(data))
    return lambda: function(TWEAK, data, into=into).wait()


def python_peer(sector: int, data: bytes) -> Callable[[], object]:
    """The run by `cryptography`, which takes a new object for every tweak."""

    def run() -> None:
        for number in range(len(data) // sector):
            cipher = Cipher(AES(KEY), modes.XTS((7 + number).to_bytes(16, "little"))).encryptor()
            cipher.update(data[number * sector : (number + 1) * sector])
            cipher.finalize()

    return run


def main() -> None:
    report = Report("sectors")
    program = build()
    with acrypto.open() as layer:
        for sector, count in RUNS:
            data = bytes(range(256)) * (sector * count // 256)
            ours: dict[tuple[str, ...], Callable[[], float]] = {}
            for bits, key in (("256", KEY), ("128", KEY[:32])):
                transform = layer.transform("xts(aes)", key=key, unit=sector)
                for op in ("encrypt", "decrypt"):
                    ours["acrypto", bits, op] = per_call(call(transform, op, data))
                ours["acrypto into=", bits, "encrypt"] = per_call(call_into(transform, "encrypt", data))
            ours["cryptography", "256", "encrypt"] = per_call(python_peer(sector, data))
            samples: dict[tuple[str, ...], list[float]] = {}
            for _ in range(ROUNDS):
                for which, seconds in raw(program, sector, count).items():
                    samples.setdefault(which, []).append(seconds)
                for which, sampler in ours.items():
                    samples.setdefault(which, []).append(sampler())
            report.raw[f"{count} x {sector} B"] = {" ".join(which): each for which, each in samples.items()}
            rows(report, sector, count, {which: median(each) for which, each in samples.items()})
    report.finish()


def rows(report: Report, sector: int, count: int, times: dict[tuple[str, ...], float]) -> None:
    """The rows of one length of run: ours beside the fastest library, and beside `cryptography`."""
    for (who, bits, op), ours in times.items():
        if not who.startswith("acrypto"):
            continue
        same = {other: time for (other, *rest), time in times.items() if rest == [bits, op]}
        libraries = {other: time for other, time in same.items() if not other.startswith(("acrypto", "cryptography"))}
        peers = [min(libraries, key=lambda other: libraries[other])] if libraries else []
        if who == "acrypto" and "cryptography" in same:
            peers.append("cryptography")
        for peer in peers:
            has_mark = peer in libraries and who == "acrypto" and (sector, count, bits, op) in MARKED
            called = "cryptography, sector by sector" if peer == "cryptography" else peer
            extra = ", into=" if who != "acrypto" else ""
            report.add(
                f"AES-{bits}-XTS {op} {count} x {sector} B{extra} (peer {called})",
                ours * 1e6,
                "us",
                peer=same[peer] * 1e6,
                mark=f">= {LEAST:.2f} x" if has_mark else "",
                met=same[peer] / ours >= LEAST if has_mark else None,
            )


if __name__ == "__main__":
    main()
