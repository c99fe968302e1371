"""What we show people runs: every example, and every block of Python in the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.house.places import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = ROOT / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, tmp_path: Path) -> None:
    """The example ends well, wherever it is started and without arguments."""
    run(tmp_path, str(example))


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_readme(block: str, tmp_path: Path) -> None:
    """The block runs as it stands."""
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    run(tmp_path, "block.py")
