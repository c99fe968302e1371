"""Event loops of both kinds, layers that always queue, and interpreters of their own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

import acrypto
from acrypto.engines.simulated import Simulated
from acrypto.testing.gate import Gate

Run = Callable[[Coroutine[Any, Any, Any]], Any]
Script = Callable[[str], str]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in a fresh loop of each kind."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def go(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(coroutine)

    return go


@pytest.fixture
def queued() -> Iterator[acrypto.Layer]:
    """A layer that runs nothing inline."""
    with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
        yield layer


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(gate: Gate) -> Iterator[acrypto.Layer]:
    """A layer whose only device is busy until the test opens its gate."""
    with contextlib.ExitStack() as stack:
        layer = acrypto.open([gate])
        stack.callback(layer.close)
        stack.callback(gate.open)
        yield layer


@pytest.fixture
def script() -> Script:
    """Runs a program in an interpreter of its own: it must end well, in time, and say nothing on standard error."""

    def go(program: str, *, timeout_s: float = 20) -> str:
        command = [sys.executable, "-X", "faulthandler", "-W", "ignore:This process:DeprecationWarning", "-c", program]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    return go


@pytest.fixture(scope="module", params=["queued", "inline", "simulated"])
def home(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    """Layers on which routes run: through a queue, on the spot, and on something that completes later."""
    engine = Simulated(latency_us=1.0) if request.param == "simulated" else "software"
    inline_us = 0 if request.param == "queued" else 30.0
    with acrypto.open([engine], settings=acrypto.Settings(workers=2, inline_us=inline_us)) as layer:
        yield layer


@pytest.fixture(scope="module")
def soft() -> Iterator[acrypto.Layer]:
    """A layer on the software engine alone that runs nothing inline."""
    with acrypto.open(["software"], settings=acrypto.Settings(workers=2, inline_us=0)) as layer:
        yield layer
