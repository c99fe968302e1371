"""Who goes first: larger priorities, those who have waited long, and clients by their shares."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.layer.only import STRONGEST, Only, device, until

import acrypto
from acrypto.testing.gate import Gate

Submit = tuple[bytes, dict[str, Any]]


@contextmanager
def busy(**settings: Any) -> Iterator[tuple[acrypto.Layer, Gate]]:
    """A layer on one device, which is kept busy until its gate is opened."""
    gate = Gate()
    with ExitStack() as stack:
        layer = stack.enter_context(acrypto.open([gate], settings=acrypto.Settings(**settings)))
        stack.callback(gate.open)
        layer.digest("sha256", b"blocker")
        assert gate.arrived.wait(60)
        yield layer, gate


def order(layer: acrypto.Layer, gate: Gate, submitted: list[Submit]) -> list[bytes]:
    """In which order these are done."""
    operations = [layer.digest("sha256", data, **wishes) for data, wishes in submitted]
    gate.open()
    for operation in operations:
        operation.wait(60)
    assert gate.order[0] == b"blocker"
    return gate.order[1:]


def by_client(done: list[bytes], first: int) -> dict[str, int]:
    return dict(collections.Counter(data.split()[0].decode() for data in done[:first]))


def work(number: int, *clients: str, size: int = 100, **wishes: Any) -> list[Submit]:
    """So much of each client, one client after the other: shares do not depend on who came first."""
    return [
        (b"%s %d " % (client.encode(), at) + bytes(size), {"client": client, **wishes})
        for client in clients
        for at in range(number)
    ]


# ---- Shares


@pytest.mark.parametrize("heavy_first", [True, False])
@pytest.mark.parametrize("weight", [1, 2, 3, 10])
def test_clients_are_served_by_weight(weight: int, heavy_first: bool) -> None:
    """While both have work, and within one of the ideal at every moment."""
    clients = ("heavy", "light") if heavy_first else ("light", "heavy")
    with busy() as (layer, gate):
        layer.set_client("heavy", weight)
        done = order(layer, gate, work(60, *clients))
        for first in range(1, 60):
            heavy = by_client(done, first).get("heavy", 0)
            assert abs(heavy - first * weight / (weight + 1)) <= 2, first


def test_shares_are_of_bytes() -> None:
    """And of a little for each message: who asks for much at once comes less often."""
    with busy() as (layer, gate):
        submitted = work(40, "large", size=30_000) + work(40, "small", size=9_500)
        done = order(layer, gate, submitted)
        nbytes = collections.Counter[bytes]()
        for data in done:
            nbytes[data.split()[0]] += len(data)
            if data.startswith(b"small 39 "):
                break
        assert 0.7 < nbytes[b"small"] / nbytes[b"large"] < 1.4


def test_within_a_client_it_is_first_in_first_out() -> None:
    with busy() as (layer, gate):
        layer.set_client("a", 3)
        done = order(layer, gate, work(50, "a", "b"))
        for client in (b"a ", b"b "):
            numbers = [int(data.split()[1]) for data in done if data.startswith(client)]
            assert numbers == list(range(50))


def test_who_was_idle_saves_nothing_up() -> None:
    """Latecomers get their share from now on, not what they did not use before."""
    with busy() as (layer, gate):
        early = [layer.digest("sha256", data, **wishes) for data, wishes in work(30, "early")]
        gate.open()
        for operation in early:
            operation.wait(60)
        gate.shut()
        blocker = layer.digest("sha256", b"another", client="early")
        assert gate.arrived.wait(60)
        del gate.order[:]
        gate.order.append(b"blocker")
        done = order(layer, gate, work(30, "early", "late"))
        blocker.wait(60)
        assert abs(by_client([each for each in done if each != b"another"], 20)["late"] - 10) <= 2


def test_priority_comes_before_shares() -> None:
    with busy() as (layer, gate):
        layer.set_client("heavy", 100)
        done = order(layer, gate, work(10, "heavy") + work(10, "light", priority=1))
        assert by_client(done, 10) == {"light": 10}


def test_nobody_in_particular_is_one_client() -> None:
    with busy() as (layer, gate):
        layer.set_client("named", 3)
        plain = [(b"plain %d " % at + bytes(100), {}) for at in range(40)]
        done = order(layer, gate, plain + work(40, "named"))
        assert abs(by_client(done, 40)["named"] - 30) <= 2


def test_shares_hold_on_devices_that_come_later() -> None:
    gate = Only("late", "sha256")
    with acrypto.open(["software"], settings=acrypto.Settings(**STRONGEST)) as layer:
        layer.set_client("heavy", 3)
        layer.register(gate)
        layer.digest("sha256", b"blocker")
        assert gate.arrived.wait(60)
        done = order(layer, gate, work(40, "light", "heavy"))
        assert abs(by_client(done, 40)["heavy"] - 30) <= 2


def test_a_weight_may_be_changed() -> None:
    with busy() as (layer, gate):
        layer.set_client("a", 9)
        layer.set_client("a", 1)
        layer.set_client("b", 3)
        assert abs(by_client(order(layer, gate, work(40, "a", "b")), 40)["b"] - 30) <= 2


@pytest.mark.parametrize("weight", [0, -1])
def test_a_weight_below_one_is_a_mistake(weight: int) -> None:
    with acrypto.open(["software"]) as layer, pytest.raises((acrypto.UsageError, OverflowError)):
        layer.set_client("a", weight)


# ---- Aging


def pass_time(milliseconds: float) -> None:
    """By the clock that aging reads: what is waited for here is time itself."""
    end = time.monotonic_ns() + int(milliseconds * 1e6)
    until(lambda: time.monotonic_ns() > end)


def test_without_aging_the_larger_priority_always_wins() -> None:
    with busy(aging_ms=0) as (layer, gate):
        low = layer.digest("sha256", b"low", priority=-5)
        pass_time(5)
        assert order(layer, gate, [(b"high", {"priority": 1})])[0] == b"high"
        low.wait(60)


def test_who_waited_long_counts_as_more() -> None:
    with busy(aging_ms=0.1) as (layer, gate):
        low = layer.digest("sha256", b"low", priority=-5)
        pass_time(5)
        assert order(layer, gate, [(b"high", {"priority": 1})])[0] == b"low"
        low.wait(60)


def test_nobody_starves_behind_a_stream_of_larger_ones() -> None:
    """With the gate open only for as long as something more important waits."""
    with busy(aging_ms=0.1, queue_operations=2) as (layer, gate):
        low = layer.digest("sha256", b"low", priority=-100)
        pass_time(20)
        done = order(layer, gate, [(b"high %d" % at, {"priority": 50}) for at in range(50)])
        low.wait(60)
        assert done.index(b"low") < 5


def test_equals_stay_in_order_however_old() -> None:
    with busy(aging_ms=0.001) as (layer, gate):
        submitted = [(b"%d" % at, {"priority": 3}) for at in range(50)]
        assert order(layer, gate, submitted) == [data for data, _ in submitted]


def test_a_span_that_is_long_changes_nothing() -> None:
    with busy(aging_ms=1e9) as (layer, gate):
        priorities = [0, 5, -3, 5, 0, 100, -3, 0]
        done = order(layer, gate, [(b"%d" % at, {"priority": each}) for at, each in enumerate(priorities)])
        assert done == [b"%d" % at for at, _ in sorted(enumerate(priorities), key=lambda each: -each[1])]


def test_what_waits_is_listed_with_priority_and_client() -> None:
    with busy(queue_operations=2) as (layer, gate):
        operations = [layer.digest("sha256", b"x" * 10, priority=at, client="a" if at else None) for at in range(3)]
        rows = sorted(layer.requests(), key=lambda row: row.priority)
        assert [(row.device, row.algorithm, row.direction) for row in rows] == [("gate0", "sha256", "digest")] * 3
        assert [row.priority for row in rows] == [0, 1, 2]
        assert rows[0].client == 0
        assert rows[1].client == rows[2].client != 0
        assert sum(row.is_waiting for row in rows) == device(layer, "gate0").waiting == 2
        gate.open()
        for operation in operations:
            operation.wait(60)
        assert layer.requests() == []
