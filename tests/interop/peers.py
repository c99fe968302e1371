"""Other people's tools, as functions from bytes to bytes."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

_NOISE = random.Random(7).randbytes(60_000)
_TEXT = b"".join(b"%d bottles of beer on the wall, %d bottles of beer\n" % (n, n * n) for n in range(3000))

#: What is handed to and fro: nothing, little, text, noise, both, and long runs.
MESSAGES = {
    "nothing": b"",
    "one byte": b"a",
    "page": _TEXT[:4096],
    "noise": _NOISE,
    "mixed": _TEXT[:70_000] + _NOISE[:30_000] + _TEXT,
    "zeros": bytes(1_000_000),
}
MIXED = MESSAGES["mixed"]


def run(command: str, data: bytes) -> bytes:
    """What a command makes of the data; the test is skipped where the command is not installed."""
    words = command.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout
