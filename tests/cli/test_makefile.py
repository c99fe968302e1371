"""What `make` would do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_clean_removes_the_environment_that_was_named() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "clean", "VENV=somewhere/else"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    removed = done.stdout.splitlines()[0].split()
    assert removed[:3] == ["rm", "-rf", "somewhere/else"]
    assert ".venv" not in removed
