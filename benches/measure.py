"""What the benches share: fair timing, the machine's description, a table, raw results kept beside the claims.

A bench runs its peer and us in one run, in turns, and reports medians and ratios: absolute times wander by 10 to 15 %
on shared machines. Raw samples are stored, so that anybody can judge the spread.

`--quick` on the command line of a bench makes it short, to see that it works: its figures are worth nothing, and are
stored under build/, not among the results.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import instructions
from machine import machine

ROOT = Path(__file__).resolve().parent.parent
QUICK = "--quick" in sys.argv
RESULTS = ROOT / "build" / "bench-quick" if QUICK else ROOT / "benches" / "results"
#: Lists of numbers, which belong on one line.
NUMBERS = re.compile(r"\[\n\s*((?:-?[\d.]+(?:e[-+]?\d+)?,\s+)*-?[\d.]+(?:e[-+]?\d+)?)\s+\]")


def quick(usual: int, short: int = 1) -> int:
    """How many of something: as usual, or few when the run is to be short."""
    return short if QUICK else usual


def per_call(function: Callable[[], object], *, at_least_s: float = 0.02) -> Callable[[], float]:
    """A sampler: seconds per call over enough calls to last `at_least_s`."""
    function()
    number = 1
    while True:
        started = time.perf_counter()
        for _ in range(number):
            function()
        if time.perf_counter() - started >= at_least_s:
            break
        number *= 2

    def sample() -> float:
        gc.disable()
        started = time.perf_counter()
        for _ in range(number):
            function()
        elapsed = time.perf_counter() - started
        gc.enable()
        return elapsed / number

    return sample


def in_turns(samplers: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Samples of each, taken in turns so that drift hits all alike."""
    samples: dict[str, list[float]] = {name: [] for name in samplers}
    for _ in range(rounds):
        for name, sampler in samplers.items():
            samples[name].append(sampler())
    return samples


def command(argv: list[str], *, stdin: Path | None = None, stdout: Path | None = None) -> dict[str, float]:
    """Runs a command; wall and CPU seconds and peak memory in MiB.

    `/usr/bin/time` stands between, because the peak of a direct child includes what it inherited from us.
    """
    with (
        open(stdin or os.devnull, "rb") as source,
        open(stdout or os.devnull, "wb") as target,
    ):
        timed = ["/usr/bin/time", "-q", "-f", "%e %U %S %M", *argv]
        started = time.perf_counter()
        done = subprocess.run(timed, stdin=source, stdout=target, stderr=subprocess.PIPE, check=False)
        wall = time.perf_counter() - started
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {' '.join(lines[:3])}")
    _, user, system, peak = lines[-1].split()
    return {"wall": wall, "cpu": float(user) + float(system), "rss_mib": int(peak) / 1024}


def tool(name: str) -> str | None:
    """The path of a peer's command, or None."""
    return shutil.which(name)


class Report:
    """Rows of a bench: what, ours, the peer's, the ratio, the mark, whether it is met, our spread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self.raw: dict[str, Any] = {}

    def add(
        self,
        what: str,
        ours: float,
        unit: str,
        *,
        mark: str,
        met: bool | None,
        peer: float | None = None,
        spread: tuple[float, float] | None = None,
    ) -> None:
        """One row; `met` is None for a figure without a mark, `spread` the quartiles of ours."""
        ratio = None if peer is None or ours == 0 else peer / ours
        row = {"what": what, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio, "mark": mark, "met": met}
        self.rows.append(row if spread is None else {**row, "spread": list(spread)})

    def times(
        self,
        what: str,
        ours: list[float],
        unit: str,
        *,
        peer: list[float] | None = None,
        least: float | None = None,
        scale: float = 1.0,
    ) -> None:
        """One row of samples of a time, and of the peer's, taken in turns.

        Args:
            what: the row's name; its samples are stored under it.
            ours: our samples.
            unit: of what is shown.
            peer: the peer's samples.
            least: the mark: the peer's time over ours.
            scale: what a sample is multiplied by for `unit`.
        """
        a, b = median(ours) * scale, None if peer is None else median(peer) * scale
        self.raw[what] = {"ours": ours, "peer": peer}
        mark = "" if least is None else f">= {least:.2f} x"
        met = None if least is None or b is None else b / a >= least
        low, high = quartiles(ours)
        self.add(what, a, unit, mark=mark, met=met, peer=b, spread=(low * scale, high * scale))

    def finish(self) -> None:
        """Prints the table and stores everything under benches/results."""
        print(f"\n{self.name}\n")
        wide = max([62, *(len(row["what"]) for row in self.rows)])
        header = f"{'what':{wide}} {'ours':>10} {'quartiles':>19} {'peer':>10} {'unit':6} {'ratio':>6}  mark"
        print(header)
        print("-" * (len(header) + 24))
        for row in self.rows:
            print(shown(row, wide))
        RESULTS.mkdir(parents=True, exist_ok=True)
        stored = {
            "bench": self.name,
            "command": "make bench ONE=" + self.name,
            "machine": machine(),
            "rows": self.rows,
            "raw": self.raw,
        }
        path = RESULTS / f"{self.name}.json"
        path.write_text(packed(stored) + "\n")
        print(f"\nraw results: {path.relative_to(ROOT)}")


def shown(row: dict[str, Any], wide: int) -> str:
    """A row as it is printed."""
    peer = "" if row["peer"] is None else f"{row['peer']:.3f}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
    spread = "" if "spread" not in row else "{:.3f}-{:.3f}".format(*row["spread"])
    left = f"{row['what']:{wide}} {row['ours']:10.3f} {spread:>19} {peer:>10} {row['unit']:6} {ratio:>6}"
    return f"{left}  {row['mark']} {verdict}".rstrip()


def packed(stored: object) -> str:
    """JSON for people and for git: indented, with lists of numbers on one line."""
    return NUMBERS.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", json.dumps(stored, indent=1))


def median(samples: list[float]) -> float:
    """The middle sample."""
    return statistics.median(samples)


def quartiles(samples: list[float]) -> tuple[float, float]:
    """What a quarter of the samples is below, and what a quarter is above; of one sample, itself."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


PYTHON = sys.executable


def compare(
    report: Report,
    what: str,
    ours: list[str],
    peer: list[str],
    *,
    least: float | None,
    rounds: int,
    rss: float | None = None,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Two rows: time and peak memory of our command and the peer's, run in turns.

    Args:
        report: where the rows go.
        what: the first row's name.
        ours: our command.
        peer: the peer's.
        least: the mark: the peer's time over ours; None for none.
        rounds: runs of each.
        rss: the most MiB that ours may have in memory.
        before: called before every run.
    """
    samples: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for _ in range(rounds):
        for who, argv in (("ours", ours), ("peer", peer)):
            before()
            samples[who].append(command(argv))
    shown = [[Path(word).name if word.startswith("/") else word for word in argv] for argv in (ours, peer)]
    report.raw[what] = {"ours": shown[0], "peer": shown[1], "samples": samples}
    walls = {who: [sample["wall"] for sample in samples[who]] for who in ("ours", "peer")}
    a, b = median(walls["ours"]), median(walls["peer"])
    mark = "" if least is None else f">= {least:.2f} x"
    met = None if least is None else b / a >= least
    report.add(what, a, "s", mark=mark, met=met, peer=b, spread=quartiles(walls["ours"]))
    if instructions.absent() is None:
        report.raw[what]["instructions"] = {"ours": instructions.of(ours), "peer": instructions.of(peer)}
    peak, peer_peak = (max(sample["rss_mib"] for sample in samples[who]) for who in ("ours", "peer"))
    mark = "" if rss is None else f"<= {rss:.0f} MiB"
    report.add("  peak memory of it", peak, "MiB", mark=mark, met=None if rss is None else peak <= rss, peer=peer_peak)
