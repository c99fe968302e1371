"""Commands that ask on their terminal, with somebody who answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def on_terminal(words: Sequence[str | Path], *answers: str, code: int = 0, cwd: Path | None = None) -> str:
    """Runs a command on a terminal of its own and gives an answer to each question; what it showed in all."""
    if shutil.which("setsid") is None:
        pytest.skip("setsid is not installed")
    ours, its = os.openpty()
    try:
        started = subprocess.Popen(["setsid", "-c", "-w", *words], stdin=its, stdout=its, stderr=its, cwd=cwd)
    finally:
        os.close(its)
    shown, seen, left = b"", 0, list(answers)
    with started:
        while True:
            try:
                shown += os.read(ours, 1000)
            except OSError:  # nobody holds its end any more
                break
            if left and shown[seen:].rstrip(b" ").endswith(b":"):
                os.write(ours, left.pop(0).encode() + b"\n")
                seen = len(shown)
    os.close(ours)
    assert started.returncode == code, shown.decode()
    return shown.decode()
