"""A gate that offers only what it is told to, and waiting for what has no event."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import acrypto
from acrypto.layer.views import Device
from acrypto.model.offers import Limits, Offer
from acrypto.testing.gate import Gate

#: Under this balancer the strongest usable offer serves: a test knows where its work goes.
STRONGEST = {"balancer": "failover", "probation": 1000.0, "health_s": 0.0}


class Only(Gate):
    """A gate with a name, that offers these algorithms, above the software engine unless told otherwise."""

    def __init__(self, name: str, *algorithms: str, priority: int = 200, limits: Limits | None = None) -> None:
        super().__init__()
        self.name = name
        self._offers = [Offer(each, f"{each}-{name}", priority, limits=limits) for each in algorithms]

    def offers(self) -> Sequence[Offer]:
        return self._offers


def until(condition: Callable[[], object]) -> None:
    """Lets other threads run until it holds; the test's time limit ends it else."""
    while not condition():
        os.sched_yield()


def device(layer: acrypto.Layer, name: str) -> Device:
    """The device's state at this moment."""
    return next(device for device in layer.devices() if device.name == name)
