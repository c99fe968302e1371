"""What we show people runs: the examples, the programs in the README and the docs, the commands of docs/streams.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.house.places import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: Those whose blocks are whole programs; elsewhere they are parts of one.
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in ("drop-ins.md", "engines/iaa.md", "kernel.md", "pagestore.md", "streams.md")),
]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


PROGRAMS = {f"{page.stem} {number}": block for page in PAGES for number, block in enumerate(blocks(page, "python"))}
COMMANDS = {
    page.stem: [block for block in blocks(page, "sh") if "acrypto" in block]
    for page in (ROOT / "README.md", ROOT / "docs" / "streams.md")
}


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
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    """The block runs as it stands."""
    (tmp_path / "block.py").write_text(PROGRAMS[name], encoding="utf-8")
    run(tmp_path, "block.py")


@pytest.mark.slow
@pytest.mark.parametrize("page", COMMANDS)
def test_commands(page: str, tmp_path: Path) -> None:
    """The commands run one after the other, on a file and a folder as they name them."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "note").write_bytes(b"something worth keeping\n" * 1000)
    with tarfile.open(tmp_path / "backup.tar", "w") as archive:
        archive.add(tmp_path / "folder", "folder")
    (commands,) = COMMANDS[page]
    script = f'acrypto() {{ "{sys.executable}" -m acrypto "$@"; }}\n{commands}'
    run(tmp_path, "-c", "import subprocess, sys; sys.exit(subprocess.call(['sh', '-e', '-c', sys.argv[1]]))", script)
    assert (tmp_path / "copy.tar").read_bytes() == (tmp_path / "backup.tar").read_bytes()
