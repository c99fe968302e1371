"""What Python adds to each policy: its arguments, checked where they are given, and the one that is Python's alone."""

from __future__ import annotations

import os

import pytest

from acrypto.balancers.base import Balancer
from acrypto.balancers.by_process import ByProcess
from acrypto.balancers.by_size import THRESHOLD, BySize
from acrypto.balancers.catalogue import BALANCERS, DEFAULT
from acrypto.balancers.failover import Failover
from acrypto.model.errors import UsageError


class Seat:
    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number


SEATS = [Seat("c", 7), Seat("a", 0), Seat("b", 3)]


@pytest.mark.parametrize("name", BALANCERS)
def test_the_catalogue(name: str) -> None:
    """Each stands under its own name, explains itself, and is made without arguments."""
    kind = BALANCERS[name]
    assert kind.name == name == kind.__module__.rpartition(".")[2]
    assert kind.__doc__
    assert isinstance(kind(), Balancer)
    assert kind.native is not Balancer.native or kind.find_device is not Balancer.find_device


def test_the_default_is_in_the_catalogue() -> None:
    assert DEFAULT in BALANCERS


def test_one_without_anything_says_so() -> None:
    assert Balancer().native() is None
    assert Balancer().rehash("broke") is True
    with pytest.raises(NotImplementedError, match="neither a native form nor find_device"):
        Balancer().find_device(None, [])


def test_sizes() -> None:
    policy = BySize()
    assert (policy.threshold, policy.small, policy.large) == (THRESHOLD, "", "")
    policy = BySize(0, small="a", large="b")
    assert (policy.threshold, policy.small, policy.large) == (0, "a", "b")
    for wrong in (-1, 1.5, True, "1K"):
        with pytest.raises(UsageError, match="threshold is"):
            BySize(wrong)
    with pytest.raises(UsageError, match="large is 3"):
        BySize(large=3)


def test_one_of_another_order_has_another_name() -> None:
    assert (BySize().name, BySize(1, name="by_page").name) == ("by_size", "by_page")
    assert (Failover().name, Failover(["a"], name="backwards").name) == ("failover", "backwards")


def test_orders() -> None:
    assert Failover().order == []
    assert Failover(("a", "b")).order == ["a", "b"]
    for wrong in ("ab", ["a", 3]):
        with pytest.raises(UsageError, match="order"):
            Failover(wrong)


@pytest.mark.parametrize("pid", range(10, 16))
def test_custom_lb_places_by_pid(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process's number modulo the devices, in the order of their numbers and not of their bids."""
    monkeypatch.setattr(os, "getpid", lambda: pid)
    assert ByProcess().find_device(None, SEATS) == "abc"[pid % 3]
    assert ByProcess().find_device(None, SEATS[::-1]) == "abc"[pid % 3]
    assert ByProcess().find_device(None, SEATS[:1]) == "c"


def test_a_forked_child_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is asked for at each request: what the parent found out is not the child's."""
    policy = ByProcess()
    monkeypatch.setattr(os, "getpid", lambda: 6)
    before = policy.find_device(None, SEATS)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert (before, policy.find_device(None, SEATS)) == ("a", "b")
