"""Pages that are like real ones."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def page_of() -> Callable[[int], bytes]:
    """The n-th page: a part of the interpreter's program, with its number in front, so that no two are the same."""
    with open(sys.executable, "rb") as program:
        data = program.read(1 << 20)

    def page(number: int) -> bytes:
        at = number * 4096 % (len(data) - 4096)
        return number.to_bytes(8, "little") + data[at : at + 4088]

    return page


@pytest.fixture(scope="session")
def noise_of() -> Callable[[int], bytes]:
    """The n-th page that does not compress."""
    return lambda number: random.Random(number).randbytes(4096)
