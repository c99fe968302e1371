"""The machine, the versions and the scheduling group that a result belongs to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import instructions

import acrypto

#: What alone.py did for this run, in words.
GROUP = "ACRYPTO_BENCH_GROUP"
#: Python packages that are peers, or that draw.
PACKAGES = ("cryptography", "isal", "zstandard", "uvloop", "lz4", "zlib-ng", "pgzip", "numpy", "matplotlib")
#: Debian packages that are peers.
PEERS = (
    *("age", "b3sum", "coreutils", "dpdk", "gzip", "isal", "libipsec-mb1", "libisal2", "lz4", "openssl", "pigz"),
    *("tabix", "zstd"),
)


def machine() -> dict[str, Any]:
    """The facts that stand at the head of a result."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), "?")
    return {
        "cpu": cpu,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "acrypto": acrypto.build_info(),
        "packages": {name: _package(name) for name in PACKAGES},
        "peers": _peers(),
        "group": os.environ.get(GROUP, "none: not run by scripts/bench"),
        "load": [round(load, 2) for load in os.getloadavg()],
        "instructions": instructions.absent() or "counted",
        "date": time.strftime("%Y-%m-%d"),
    }


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _peers() -> dict[str, str]:
    if shutil.which("dpkg-query") is None:
        return {}
    argv = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PEERS]
    told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    pairs = (line.split(" ", 1) for line in told.splitlines())
    return {name: version for name, version in pairs if version}
