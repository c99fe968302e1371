"""What opening a layer costs: with every offer still to be proven, with all verdicts known, and once more."""

from __future__ import annotations

import os
import subprocess
import tempfile

from measure import PYTHON, Report, in_turns, median, quick

CODE = """
import time, acrypto
t = time.perf_counter()
acrypto.open().close()
first = time.perf_counter() - t
t = time.perf_counter()
acrypto.open().close()
print(first, time.perf_counter() - t)
"""
ROUNDS = quick(21)


def child(cache: str) -> list[float]:
    """Seconds of the first and the second layer of an interpreter; verdicts are kept in `cache` (empty: nowhere)."""
    env = os.environ | {"ACRYPTO_CACHE": cache}
    told = subprocess.run([PYTHON, "-c", CODE], check=True, capture_output=True, text=True, env=env).stdout
    return [float(seconds) for seconds in told.split()]


def main() -> None:
    report = Report("open")
    with tempfile.TemporaryDirectory() as cache:
        child(cache)
        samplers = {
            "all offers proven": lambda: child("")[0],
            "verdicts known": lambda: child(cache)[0],
            "verdicts known, second layer": lambda: child(cache)[1],
        }
        samples = in_turns(samplers, ROUNDS)
    report.raw["seconds"] = samples
    cold, warm, again = (median(samples[name]) * 1e3 for name in samplers)
    report.add("open a layer, every offer self-tested", cold, "ms", mark="", met=None)
    report.add("open a layer, verdicts known", warm, "ms", mark="< 50 ms", met=warm < 50)
    report.add("open a second layer in one process", again, "ms", mark="", met=None)
    report.finish()


if __name__ == "__main__":
    main()
