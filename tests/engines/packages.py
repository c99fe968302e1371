"""Installed packages that publish engines, made on the spot: a module, and the metadata that pip would leave."""

from __future__ import annotations

import textwrap
from pathlib import Path


def install(folder: Path, package: str, source: str, **points: str) -> None:
    """Puts a package into a folder, to be used by having that on `sys.path`.

    Args:
        folder: the folder.
        package: its name, and its only module's.
        source: that module's text.
        points: entry points of the group `acrypto.engines`, by name.
    """
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {value}" for name, value in points.items()]
    text = "\n".join(["[console_scripts]", f"{package} = {package}:main", "", "[acrypto.engines]", *lines, ""])
    (metadata / "entry_points.txt").write_text(text, encoding="utf-8")
    (folder / f"{package}.py").write_text(textwrap.dedent(source), encoding="utf-8")
