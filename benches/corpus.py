"""Pages of real data: what a compressed swap or page cache sees."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
#: How many pages of one file at most, so that no file decides.
OF_A_FILE = 8
#: How many files of a place.
FILES = 800
#: Suffixes of files that are compressed already.
PACKED = {".gz", ".png", ".svgz", ".xz", ".zst"}


def pages(number: int) -> list[bytes]:
    """`number` pages, shuffled, none of them one byte repeated.

    Two thirds are writable memory of this process (objects of the interpreter), a third programs, libraries and text
    from /usr: about what a page store is given. The same interpreter and the same /usr give nearly the same pages.
    """
    memory = list(itertools.islice(_memory(), number * 2 // 3))
    files = list(itertools.islice(_files(), number - len(memory)))
    found = memory + files
    if len(found) < number:
        found += list(itertools.islice(itertools.cycle(found), number - len(found)))
    random.Random(1).shuffle(found)
    return found


def _memory() -> list[bytes]:
    """This process's own pages, spread over all of its writable mappings."""
    found: list[bytes] = []
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            fields = line.split()
            if not fields[1].startswith("rw") or (len(fields) > 5 and fields[5] in {"[vvar]", "[stack]"}):
                continue
            begin, end = (int(word, 16) for word in fields[0].split("-"))
            try:
                memory.seek(begin)
                data = memory.read(min(end - begin, 4 << 20))
            except (OSError, OverflowError, ValueError):
                continue
            found += _cut(data)
    random.Random(2).shuffle(found)
    return found


def _files() -> list[bytes]:
    found: list[bytes] = []
    for place in (Path("/usr/bin"), Path("/usr/lib"), Path("/usr/share/doc")):
        for path in itertools.islice(_regular(place), FILES):
            with open(path, "rb") as file:
                found += _cut(file.read(OF_A_FILE * PAGE))
    random.Random(3).shuffle(found)
    return found


def _regular(place: Path) -> Iterator[Path]:
    """The readable files below a folder, in an order that does not depend on the file system."""
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix not in PACKED and path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def _cut(data: bytes) -> list[bytes]:
    cut = (data[at : at + PAGE] for at in range(0, len(data) - PAGE + 1, PAGE))
    return [page for page in cut if page.count(page[0]) != PAGE]
