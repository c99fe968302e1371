"""Layers of several devices, where the strongest serves, and work for them that checks itself."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.layer.only import STRONGEST, until

import acrypto
from acrypto.engines.base import Engine
from acrypto.testing.gate import Gate


@contextmanager
def opened(*engines: Engine | str, **settings: Any) -> Iterator[acrypto.Layer]:
    """The strongest serves, nothing runs inline; gates are opened before the layer closes."""
    with ExitStack() as stack:
        settings = {"workers": 1, "inline_us": 0, **STRONGEST, **settings}
        layer = stack.enter_context(acrypto.open(engines, settings=acrypto.Settings(**settings)))
        for engine in engines:
            if isinstance(engine, Gate):
                stack.callback(engine.open)
        yield layer


def right(operation: acrypto.Operation[bytes], data: bytes) -> str:
    """Checks the digest; who made it."""
    assert operation.wait(60) == hashlib.sha256(data).digest()
    assert operation.completion is not None
    return operation.completion.device


def digests(layer: acrypto.Layer, number: int, **wishes: Any) -> list[tuple[acrypto.Operation[bytes], bytes]]:
    messages = [b"message %d" % at for at in range(number)]
    return [(layer.digest("sha256", message, **wishes), message) for message in messages]


def busy(layer: acrypto.Layer, gate: Gate, number: int, **wishes: Any) -> list[tuple[acrypto.Operation[bytes], bytes]]:
    """One in the gate's hands, and so many behind it."""
    blocker = layer.digest("sha256", b"blocker", **wishes)
    assert gate.arrived.wait(60)
    return [(blocker, b"blocker"), *digests(layer, number, **wishes)]


def states(layer: acrypto.Layer) -> dict[str, str]:
    return {found.name: found.state for found in layer.devices()}


class Load:
    """Threads that submit and check until they are told to stop."""

    def __init__(self, layer: acrypto.Layer, threads: int = 3) -> None:
        self.layer = layer
        self.wrong: list[BaseException] = []
        self.done = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for operation, message in digests(self.layer, 20):
                    right(operation, message)
                    self.done += 1
            except BaseException as error:
                self.wrong.append(error)
                return

    def more(self, number: int = 200) -> None:
        """Goes on once so many more are done."""
        goal = self.done + number
        until(lambda: self.done >= goal or self.wrong)
        assert self.wrong == []
