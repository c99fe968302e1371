"""Instructions, counted by `perf stat` where the machine has counters: they hold still where time does not."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys


def parsed(told: str) -> int | str:
    """The count in what `perf stat -x,` told, or the reason why there is none."""
    for line in told.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("instructions"):
            return int(fields[0]) if fields[0].isdigit() else f"perf says {fields[0]}: no counter on this machine"
    return f"perf told nothing of instructions: {(told.strip().splitlines() or ['silence'])[-1]}"


def of(argv: list[str]) -> int | str:
    """How many user-mode instructions a command takes, or why that is not known."""
    perf = shutil.which("perf")
    if perf is None:
        return "perf is not installed"
    counted = [perf, "stat", "-x,", "-e", "instructions:u", "--", *argv]
    done = subprocess.run(counted, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return f"perf ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['silence'])[0]}"
    return parsed(done.stderr)


@functools.cache
def absent() -> str | None:
    """Why instructions are not counted here; None where they are."""
    told = of(["true"])
    return f"not available: {told}" if isinstance(told, str) else None


def per_round(setup: str, statement: str, rounds: int = 200) -> float | str:
    """Instructions of one run of `statement` in a fresh Python: of two runs, so that start-up drops out.

    Args:
        setup: Python, run once.
        statement: Python, one line, run `rounds` times, and three times as often.
        rounds: how often.
    """
    why = absent()
    if why is not None:
        return why
    counts: list[int] = []
    for number in (rounds, 3 * rounds):
        told = of([sys.executable, "-c", f"{setup}\nfor _ in range({number}):\n    {statement}\n"])
        if isinstance(told, str):
            return told
        counts.append(told)
    return (counts[1] - counts[0]) / (2 * rounds)
