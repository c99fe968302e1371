"""Kernels of both profiles, each over a layer of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import acrypto
from acrypto.kernel import Kernel, boot


@pytest.fixture
def kernel(layer: acrypto.Layer) -> Iterator[Kernel]:
    """The current profile; what a test registers leaves with it."""
    with boot(layer) as booted:
        yield booted


@pytest.fixture
def classic(layer: acrypto.Layer) -> Iterator[Kernel]:
    """The profile of 2023."""
    with boot(layer, profile="v9-2023") as booted:
        yield booted


@pytest.fixture
def script() -> Callable[[str], str]:
    """Runs a program in an interpreter of its own: it must end well, in time, and say nothing on standard error."""

    def go(program: str) -> str:
        command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    return go
