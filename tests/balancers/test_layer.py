"""Balancers in a layer: which device serves, as its policy says, from the next request on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

import acrypto
from acrypto.balancers.base import Balancer
from acrypto.balancers.by_size import BySize
from acrypto.balancers.failover import Failover
from acrypto.engines.software import Software

DATA = bytes(1 << 20)


@pytest.fixture
def layer() -> Iterator[acrypto.Layer]:
    """Three devices of one engine, on which nothing runs inline."""
    engines = [Software(), Software(), Software()]
    with acrypto.open(engines, settings=acrypto.Settings(workers=1, inline_us=0)) as opened:
        yield opened


def served(layer: acrypto.Layer, data: bytes = DATA) -> str:
    operation = layer.digest("sha256", data)
    operation.wait()
    return operation.completion.device


def listed(layer: acrypto.Layer) -> list[str]:
    return [str(row) for row in layer.balancers()]


class Chosen(Balancer):
    """Gives what it is told to, and keeps what it saw."""

    name = "chosen"

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.seen: list[tuple[object, ...]] = []
        self.events: list[str] = []

    def find_device(self, request: object, devices: Sequence[object]) -> object:
        self.seen.append(
            (request.algorithm, request.direction, request.nbytes, request.priority, request.pid, request.device_count)
        )
        self.seen.append(tuple((device.name, device.engine, device.has_room) for device in devices))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def rehash(self, event: object) -> bool:
        self.events.append(event)
        return True


def test_the_default_is_fastest(layer: acrypto.Layer) -> None:
    assert "[(fastest)]" in listed(layer)


def test_the_settings_choose() -> None:
    with acrypto.open(settings=acrypto.Settings(balancer="simple")) as layer:
        assert "[(simple)]" in listed(layer)
    with pytest.raises(acrypto.UsageError, match="slowest"):
        acrypto.open(settings=acrypto.Settings(balancer="slowest"))


def test_lb_switch_at_run_time(layer: acrypto.Layer) -> None:
    """Write, read back: the route changes for the next request."""
    layer.set_balancer("round_robin")
    assert {served(layer) for _ in range(3)} == {"software0", "software1", "software2"}
    layer.add_balancer(Chosen("software1"))
    layer.set_balancer("chosen")
    assert {served(layer) for _ in range(3)} == {"software1"}
    assert {"(fastest)", "[chosen]"} <= set(listed(layer))
    with pytest.raises(acrypto.UsageError, match="known: fastest"):
        layer.set_balancer("slowest")
    assert served(layer) == "software1"


def test_undeletable_default_lb(layer: acrypto.Layer) -> None:
    names = [row.name for row in layer.balancers()]
    for name in names[:-1]:
        layer.remove_balancer(name)
    with pytest.raises(acrypto.UsageError, match="last"):
        layer.remove_balancer(names[-1])
    served(layer)
    layer.remove_balancer(names[-1], force=True)
    with pytest.raises(acrypto.NoEngine):
        served(layer)
    layer.add_balancer(Chosen(2))
    assert served(layer).startswith("software")


def test_simple_lb(layer: acrypto.Layer) -> None:
    """Of devices that have equally few requests the first wins."""
    layer.set_balancer("simple")
    assert {served(layer) for _ in range(3)} == {"software0"}


def test_by_size(layer: acrypto.Layer) -> None:
    layer.add_balancer(BySize(4096, small="software1", large="software2", name="by_page"))
    layer.set_balancer("by_page")
    assert (served(layer, bytes(4095)), served(layer, bytes(4096))) == ("software1", "software2")


def test_failover(layer: acrypto.Layer) -> None:
    layer.add_balancer(Failover(["software2", "software1"], name="backwards"))
    layer.set_balancer("backwards")
    assert served(layer) == "software2"
    layer.break_device("software2")
    assert served(layer) == "software1"


def test_by_process(layer: acrypto.Layer) -> None:
    layer.set_balancer("by_process")
    assert {served(layer) for _ in range(4)} == {f"software{os.getpid() % 3}"}


def test_one_in_python_sees_the_request_and_the_devices(layer: acrypto.Layer) -> None:
    policy = Chosen(0)
    layer.add_balancer(policy)
    layer.set_balancer("chosen")
    layer.digest("sha256", DATA, priority=5).wait()
    assert policy.seen[-2] == ("sha256", "digest", len(DATA), 5, os.getpid(), 3)
    assert sorted(policy.seen[-1]) == [(f"software{number}", "software", True) for number in range(3)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # which is how an exception is told
@pytest.mark.parametrize("answer", ["nowhere", 3, -1, object(), ValueError("wrong")], ids=repr)
def test_nonsense_of_one_in_python_costs_nobody_a_request(layer: acrypto.Layer, answer: object) -> None:
    layer.add_balancer(Chosen(answer))
    layer.set_balancer("chosen")
    assert served(layer).startswith("software")


def test_none_sends_the_request_away(layer: acrypto.Layer) -> None:
    layer.add_balancer(Chosen(None))
    layer.set_balancer("chosen")
    with pytest.raises(acrypto.NoEngine):
        served(layer)
