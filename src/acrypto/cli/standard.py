"""Standard input and output as raw files, and sources by name."""

from __future__ import annotations

import errno
import os
import sys

from acrypto.streams.output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

#: The name of standard input, and of standard output.
STDIN = "-"


def occupy() -> None:
    """Sees to it that no file of ours gets a standard stream's number where the caller closed that stream."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def source(file: str) -> FileIO:
    """A file, or standard input, to read from."""
    if file != STDIN:
        return open(file, "rb", buffering=0)
    if sys.stdin is None:
        raise OSError(errno.EBADF, "closed", "standard input")
    return open(0, "rb", buffering=0, closefd=False)


def sink() -> Output:
    """Standard output to write to."""
    return Output(1, "standard output", closefd=False)
