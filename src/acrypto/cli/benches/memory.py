"""Pages of a running program's own memory: what a compressed swap would be given."""

from __future__ import annotations

import os
import struct

from acrypto.model.errors import UsageError

PAGE = 4096
#: Of a word in /proc/PID/pagemap: the page is in memory (Linux, Documentation/admin-guide/mm/pagemap.rst).
PRESENT = 1 << 63


def areas(pid: int | None = None) -> list[tuple[int, int]]:
    """Addresses of private writable memory that belongs to no file, from and to.

    Raises:
        UsageError: there is no such process, or its memory may not be read.
    """
    found = []
    try:
        with open(f"/proc/{_name(pid)}/maps") as maps:
            for line in maps:
                span, rights, _, _, inode, *name = line.split()
                if (
                    rights.startswith("rw")
                    and rights[3] == "p"
                    and inode == "0"
                    and name[:1] not in (["[vvar]"], ["[stack]"])
                ):
                    begin, end = (int(part, 16) for part in span.split("-"))
                    found.append((begin, end))
    except OSError as error:
        raise UsageError(f"the memory of process {_name(pid)} cannot be read: {error.strerror}") from None
    return found


def pages(most: int, pid: int | None = None) -> list[bytes]:
    """At most so many pages that are in memory, evenly spread over the process's own memory.

    They are read one after the other while the program runs, as they are at that moment.

    Raises:
        UsageError: there is no such process, or its memory may not be read.
    """
    present = [address for begin, end in areas(pid) for address in _present(begin, end, pid)]
    step = max(1, len(present) // most)
    found = []
    try:
        with open(f"/proc/{_name(pid)}/mem", "rb", buffering=0) as memory:
            for address in present[::step][:most]:
                page = _read(memory.fileno(), address)
                if page is not None:
                    found.append(page)
    except OSError as error:
        raise UsageError(f"the memory of process {_name(pid)} cannot be read: {error.strerror}") from None
    return found


def _name(pid: int | None) -> str:
    return "self" if pid is None else str(pid)


def _read(memory: int, address: int) -> bytes | None:
    try:
        page = os.pread(memory, PAGE, address)
    except OSError:
        return None  # it was unmapped meanwhile
    return page if len(page) == PAGE else None


def _present(begin: int, end: int, pid: int | None) -> list[int]:
    count = (end - begin) // PAGE
    try:
        with open(f"/proc/{_name(pid)}/pagemap", "rb", buffering=0) as pagemap:
            words = os.pread(pagemap.fileno(), count * 8, begin // PAGE * 8)
    except OSError:
        return list(range(begin, end, PAGE))  # nobody tells: reading those that are not there gives zeros
    flags = struct.unpack(f"<{len(words) // 8}Q", words)
    return [begin + at * PAGE for at, word in enumerate(flags) if word & PRESENT]
