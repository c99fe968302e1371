"""What the core needs to place one request on one of four devices, queue it there and take it out again."""

from __future__ import annotations

import subprocess

from measure import ROOT, Report, median, quick

ROUNDS = quick(5)
STEPS = {
    "choose": "choose among four measured devices (fastest)",
    "submit": "make the request and queue it",
    "take": "take it out of the queue",
}


def samples() -> list[list[float]]:
    """Nanoseconds of each step, one line per thousand requests."""
    manifest = str(ROOT / "rust" / "Cargo.toml")
    argv = ["cargo", "run", "--quiet", "--release", "--manifest-path", manifest, "-p", "acrypto-core"]
    told = subprocess.run([*argv, "--example", "balance"], check=True, capture_output=True, text=True).stdout
    names, *lines = told.split()
    assert names.split(",") == list(STEPS)
    return [[float(cell) for cell in line.split(",")] for line in lines]


def main() -> None:
    report = Report("balance")
    rows = [row for _ in range(ROUNDS) for row in samples()]
    report.raw["nanoseconds"] = dict(zip(STEPS, map(list, zip(*rows, strict=True)), strict=True))
    total = median([sum(row) for row in rows])
    report.add("place and queue one request among 4 devices", total, "ns", mark="<= 300 ns", met=total <= 300)
    for at, what in enumerate(STEPS.values()):
        report.add(f"  {what}", median([row[at] for row in rows]), "ns", mark="", met=None)
    report.finish()


if __name__ == "__main__":
    main()
