"""Peers of bench_crypto that are commands: openssl speed, DPDK's crypto perf, and raw ipsec-mb (raw/ipsec_mb.c).

Each gives nanoseconds a message, or is absent for a reason, which is stored with the result.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from measure import ROOT, tool

BUILD = ROOT / "benches" / "raw" / "build"
#: The most bytes of a message that raw/ipsec_mb.c takes.
RAW_MOST = 65520
#: What this process may use, before it pins itself to one.
CPUS = sorted(os.sched_getaffinity(0))
BUILT = ROOT / "build" / "bench" / "ipsec_mb"
#: One lcore that works and one that waits; without huge pages, devices or shared files.
EAL = ("--lcores", "0@{first},1@{last}", "--no-shconf", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry")


class Absent(Exception):
    """A peer that is not here, and why."""


def run(argv: list[str], seconds: float = 60, cpus: set[int] | None = None, env: dict[str, str] | None = None) -> str:
    """What a command prints; Absent with its last line of complaint if it fails."""

    def placed() -> None:
        if cpus:
            os.sched_setaffinity(0, cpus)

    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=seconds,
            preexec_fn=placed if cpus else None,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"{Path(argv[0]).name}: {error}") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "silence").splitlines()[-1]
        raise Absent(f"{Path(argv[0]).name} ended with {done.returncode}: {last}")
    return done.stdout


# ---- openssl speed


def openssl_command(arguments: tuple[str, ...], size: int) -> list[str]:
    if tool("openssl") is None:
        raise Absent("openssl is not installed")
    return ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(size), *arguments]


def openssl(arguments: tuple[str, ...], size: int) -> float:
    """Nanoseconds of one operation on one buffer, again and again."""
    return openssl_told(run(openssl_command(arguments, size)), size)


def openssl_told(told: str, size: int) -> float:
    """From the line `+F:22:sha256:1900000000.00`, bytes a second; `-hmac` has two more fields before the number."""
    for line in told.splitlines():
        fields = line.split(":")
        if fields[0].startswith("+F"):
            return size / float(fields[-1]) * 1e9
    raise Absent("openssl speed printed no figure")


# ---- raw ipsec-mb


def build_raw() -> None:
    """Builds the C program, once."""
    if not BUILD.exists():
        raise Absent(f"{BUILD.relative_to(ROOT)} is not there")
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    run([str(BUILD)], env={"ACRYPTO_BENCH_DIR": str(BUILT.parent)})
    if not BUILT.exists():
        raise Absent("it cannot be built here: libipsec-mb-dev or a C compiler is missing")


def raw_command(operation: str, size: int, depth: int, seconds: float) -> list[str]:
    return [str(BUILT), operation, str(size), str(depth), str(seconds)]


def raw(operation: str, size: int, depth: int, seconds: float) -> float:
    """Nanoseconds a message with `depth` jobs in flight."""
    if not operation:
        raise Absent("ipsec-mb has no such operation")
    told = run(raw_command(operation, size, depth, seconds))
    try:
        return float(json.loads(told)["ns"])
    except (ValueError, KeyError) as error:
        raise Absent(f"ipsec_mb printed {told.strip()[:60]!r}") from error


# ---- DPDK


def dpdk_command(arguments: tuple[str, ...], size: int, depth: int, operations: int) -> list[str]:
    """The command; all CPUs that the machine has are its to use."""
    if tool("dpdk-test-crypto-perf") is None:
        raise Absent("dpdk-test-crypto-perf is not installed (Debian: dpdk-dev, librte-crypto-ipsec-mb23)")
    if len(CPUS) < 2:
        raise Absent("dpdk-test-crypto-perf wants two CPUs: one lcore works, one waits for it")
    places = [word.format(first=CPUS[0], last=CPUS[-1]) for word in EAL]
    driver = "crypto_aesni_gcm" if "aes-gcm" in arguments else "crypto_aesni_mb"
    run_of = ["--ptest", "throughput", "--burst-sz", str(depth), "--buffer-sz", str(size), "--total-ops"]
    rest = [str(operations), "--silent", "--pool-sz", "1024", "--csv-friendly"]
    return [
        "dpdk-test-crypto-perf",
        *places,
        "--vdev",
        f"{driver}0",
        "--",
        "--devtype",
        driver,
        *run_of,
        *rest,
        *arguments,
    ]


def dpdk(arguments: tuple[str, ...], size: int, depth: int, operations: int) -> float:
    """Nanoseconds of one operation on one lcore."""
    argv = dpdk_command(arguments, size, depth, operations)
    return dpdk_told(run(argv, cpus=set(CPUS)))


def dpdk_told(told: str) -> float:
    """From the line of values under the heading: the column of millions of operations a second."""
    columns: list[str] = []
    for line in told.splitlines():
        fields = [field.strip() for field in line.lstrip("# ").split(",")]
        if any("MOps" in field or "Ops(Millions)" in field for field in fields):
            columns = fields
        elif columns and len(fields) == len(columns):
            at = next(i for i, name in enumerate(columns) if "MOps" in name or "Ops(Millions)" in name)
            return 1e3 / float(fields[at])
    raise Absent("dpdk-test-crypto-perf printed no figure")
