"""Where the time of 64 messages of 4 KiB goes: by library, as `perf record` samples it, and by step, of awaited ones.

Samples say which library a core was in, not for how long a message was; so shares, in per cent. Where there is no perf,
or it may not sample, the result says so.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crypto_cases import CASES
from measure import Report, quick

import acrypto

NUMBER, SIZE = 64, 4096
SECONDS = quick(3, 0.5)
ROUNDS = quick(2000, 50)
PROFILED = ("sha256", "hmac-sha256", "aes-128-cbc", "aes-128-cbc-hmac-sha256", "aes-256-gcm")
#: What is profiled: the same call as the marks of bench_crypto have.
PROGRAM = """
import os, sys, time, acrypto
from crypto_cases import CASES
case = next(case for case in CASES if case.name == sys.argv[1])
messages = [os.urandom(4096) for _ in range(64)]
with acrypto.open() as layer:
    many = case.many(case.transform(layer), mode="inline")
    until = time.perf_counter() + float(sys.argv[2])
    while time.perf_counter() < until:
        many(messages).wait()
"""
#: Libraries as perf names them, and as a reader does.
PARTS = {
    "libIPSec_MB": "the library with the lanes",
    "_native": "our core, and AWS-LC in it",
    "libc": "the C library: memory",
    "python": "the interpreter",
    "kernel": "the kernel",
}
LINE = re.compile(r"^\s*([\d.]+)%\s+(\S+)", re.MULTILINE)


def shares(name: str) -> dict[str, float]:
    """Per cent of samples by part, of one operation in batches.

    Raises:
        RuntimeError: perf is not here, or cannot sample.
    """
    perf = shutil.which("perf")
    if perf is None:
        raise RuntimeError("perf is not installed")
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data"
        record = [
            perf,
            "record",
            "-q",
            "-F",
            "5000",
            "-o",
            data,
            "--",
            sys.executable,
            "-c",
            PROGRAM,
            name,
            str(SECONDS),
        ]
        paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            record, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"perf ended with {done.returncode}: {(done.stderr.strip() or 'silence').splitlines()[-1]}"
            )
        report = [perf, "report", "-i", data, "--no-children", "--sort", "dso", "--stdio"]
        told = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    found = dict.fromkeys([*PARTS.values(), "others"], 0.0)
    for share, library in LINE.findall(told):
        part = next((part for known, part in PARTS.items() if known in library), "others")
        found[part] += float(share)
    return found


async def awaited(report: Report) -> None:
    """The steps of 64 operations that are started and then awaited: the fastest quarter of many bursts."""
    messages = [os.urandom(SIZE) for _ in range(NUMBER - 1)]  # one more would be run as it comes
    steps: dict[str, list[float]] = {"started": [], "run, in lanes": [], "handed out": [], "awaited": []}
    with acrypto.open(settings=acrypto.Settings(gather_us=1000)) as layer:
        start = layer.transform("sha256").digest
        for burst in range(ROUNDS + 300):
            begun = time.perf_counter_ns()
            operations = [start(message) for message in messages]
            started = time.perf_counter_ns()
            await operations[0]
            run = time.perf_counter_ns()
            for operation in operations:
                await operation
            ended = time.perf_counter_ns()
            told = operations[0].completion
            if burst >= 300 and told is not None and told.lane == "batch" and told.device.startswith("multibuffer"):
                spans = (started - begun, told.run_ns, run - started - told.run_ns, ended - run)
                for step, span in zip(steps.values(), spans, strict=True):
                    step.append(span / len(messages))
    for name, spans in steps.items():
        if spans:
            report.times(f"SHA-256 of 4 KiB, 64 awaited at once, by step: {name}", spans, "ns")
        else:
            report.raw[name] = "no burst went to lanes here"


def main() -> None:
    report = Report("profile")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    asyncio.run(awaited(report))
    for case in CASES:
        if case.name not in PROFILED:
            continue
        try:
            found = shares(case.name)
        except RuntimeError as error:
            report.raw[case.name] = f"not profiled: {error}"
            continue
        for part, share in found.items():
            report.add(f"{case.title} of 4 KiB, 64 in a batch: {part}", share, "%", mark="", met=None)
    os.sched_setaffinity(0, allowed)
    report.finish()


if __name__ == "__main__":
    main()
