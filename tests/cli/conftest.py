"""The command as users run it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
COMMAND = (sys.executable, "-m", "acrypto")


@pytest.fixture
def acrypto(tmp_path: Path) -> Run:
    """Runs `acrypto ARGUMENTS` in the test's own folder; never a traceback, whatever happens."""

    def run(*arguments: str | bytes | Path, code: int = 0, **how: object) -> subprocess.CompletedProcess[bytes]:
        words = [*map(os.fsencode, COMMAND), *map(os.fsencode, arguments)]
        if "stdin" not in how:
            how.setdefault("input", b"")
        how.setdefault("stdout", subprocess.PIPE)
        how.setdefault("stderr", subprocess.PIPE)
        done: subprocess.CompletedProcess[bytes] = subprocess.run(words, cwd=tmp_path, check=False, **how)  # type: ignore[call-overload]
        assert b"Traceback" not in (done.stderr or b""), done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


def peak_memory(*arguments: str | Path) -> tuple[int, bytes, int]:
    """Exit code, standard error and the most KiB that a run of `acrypto ARGUMENTS` held; its output is dropped."""
    # What wait4 tells counts the process that forked as well.
    script = """
import sys
from acrypto.cli.main import run
code = run(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""
    words = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    told, _, peak = done.stderr.rpartition(b"VmHWM:")
    return done.returncode, told, int(peak.split()[0])
