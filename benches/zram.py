"""The kernel's own compressed block device as a peer: hot-added for the bench, and removed after it."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

CONTROL = Path("/sys/class/zram-control")


class NoZram(Exception):
    """Why there is none here."""


class Zram:
    """One device with one page after the other."""

    def __init__(self, descriptor: int, pages: list[bytes], size: int) -> None:
        self.descriptor, self.size = descriptor, size
        # O_DIRECT wants memory that begins on a page.
        self.whole = mmap.mmap(-1, len(pages) * size)
        self.whole.write(b"".join(pages))
        self.parts = [memoryview(self.whole)[at : at + size] for at in range(0, len(self.whole), size)]
        self.into = mmap.mmap(-1, size)

    def write(self) -> None:
        """Every page once, each with a call of its own."""
        for at, part in enumerate(self.parts):
            os.pwrite(self.descriptor, part, at * self.size)

    def read(self) -> None:
        """Every page once, likewise."""
        for at in range(len(self.parts)):
            os.preadv(self.descriptor, [self.into], at * self.size)

    def ratio(self, name: str) -> float:
        """Bytes of pages for each byte of compressed ones."""
        original, packed = (Path("/sys/block", name, "mm_stat").read_text().split())[:2]
        return int(original) / max(1, int(packed))


@contextlib.contextmanager
def zram(compressor: str, pages: list[bytes], size: int) -> Iterator[tuple[Zram, str]]:
    """A device of its own with `pages` in reach, and its name.

    Raises:
        NoZram: the kernel has none, not this compressor, or we may not.
    """
    try:
        number = int((CONTROL / "hot_add").read_text())
    except (OSError, ValueError) as error:
        raise NoZram(f"zram cannot be added: {error}") from None
    name = f"zram{number}"
    block = Path("/sys/block", name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            try:
                (block / "comp_algorithm").write_text(compressor)
                (block / "disksize").write_text(str(len(pages) * size))
                node = Path("/dev", name)
                if not node.exists():
                    node = Path(folder, name)
                    major, minor = map(int, (block / "dev").read_text().split(":"))
                    os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(major, minor))
                descriptor = os.open(node, os.O_RDWR | os.O_DIRECT)
            except OSError as error:
                raise NoZram(f"zram with {compressor} cannot be used: {error}") from None
            try:
                yield Zram(descriptor, pages, size), name
            finally:
                os.close(descriptor)
    finally:
        (block / "reset").write_text("1")
        (CONTROL / "hot_remove").write_text(str(number))
