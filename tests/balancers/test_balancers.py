"""The balancers of a layer: unique names, one current, one default, and never none unless it is forced."""

from __future__ import annotations

import threading

import pytest

from acrypto import _core
from acrypto.balancers.balancers import BalancerRow, Balancers, Nobody
from acrypto.balancers.base import Balancer
from acrypto.balancers.catalogue import BALANCERS, DEFAULT
from acrypto.model.errors import ClosedError, UsageError


class Forms:
    """In the place of the core's balancers: tells which one was asked for."""

    @staticmethod
    def python(balancer: Balancer) -> str:
        return f"python {balancer.name}"

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: " ".join([name, *map(repr, arguments)])


class Native:
    """In the place of the core's layer."""

    def __init__(self) -> None:
        self.is_ours = True
        self.used: list[object] = []
        self.refusal: Exception | None = None

    def set_balancer(self, balancer: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.used.append(balancer)


class Named(Balancer):
    def __init__(self, name: str) -> None:
        self.name = name

    def find_device(self, request: object, devices: object) -> int:
        return 0


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "Balancer", Forms(), raising=False)


@pytest.fixture
def native() -> Native:
    return Native()


def shown(balancers: Balancers) -> str:
    return " ".join(map(str, balancers.rows()))


def few(native: Native, *names: str) -> Balancers:
    return Balancers(native, names[0], [Named(name) for name in names])


def test_a_layer_has_one_of_each_in_the_catalogue(native: Native) -> None:
    balancers = Balancers(native)
    assert [row.name for row in balancers.rows()] == list(BALANCERS)
    assert balancers.current == balancers.default == DEFAULT
    assert native.used == [DEFAULT]


def test_each_is_known_to_the_core_by_its_own_form(native: Native) -> None:
    balancers = Balancers(native)
    for name in BALANCERS:
        balancers.set(name)
    assert native.used[1:] == [
        "fastest",
        "simple",
        "round_robin",
        "by_size 65536 '' ''",
        "failover []",
        "python by_process",
    ]


def test_the_listing_marks_the_current_and_the_default(native: Native) -> None:
    """As the old layer's `lbs` does."""
    balancers = few(native, "a", "b", "c")
    assert shown(balancers) == "[(a)] b c"
    balancers.set("c")
    assert shown(balancers) == "(a) b [c]"
    balancers.set_default("b")
    assert shown(balancers) == "a (b) [c]"


def test_a_row_is_plain_values() -> None:
    assert BalancerRow("a", is_current=True).as_dict() == {"name": "a", "is_current": True, "is_default": False}
    assert repr(BalancerRow("a", is_default=True)) == "<BalancerRow: (a)>"


def test_begins_with_what_it_was_told(native: Native) -> None:
    assert shown(Balancers(native, "simple", [Named("fastest"), Named("simple")])) == "fastest [(simple)]"
    with pytest.raises(UsageError, match="no balancer is called 'slowest'; known: fastest, simple"):
        Balancers(native, "slowest")


def test_a_name_is_taken_once(native: Native) -> None:
    """The old layer's -EINVAL."""
    balancers = few(native, "a")
    with pytest.raises(UsageError, match="the name a is taken"):
        balancers.add(Named("a"))
    balancers.remove("a", force=True)
    balancers.add(Named("a"))


@pytest.mark.parametrize("name", ["", "two words", "[a]", "(a)", "ü", None])
def test_a_name_can_be_listed(native: Native, name: str) -> None:
    """Without brackets and blanks, which mean something in a listing."""
    with pytest.raises(UsageError, match="made of letters, digits"):
        few(native, "a").add(Named(name))


def test_what_is_not_there_cannot_be_set_or_removed(native: Native) -> None:
    balancers = few(native, "a", "b")
    for call in (balancers.set, balancers.set_default, balancers.remove):
        with pytest.raises(UsageError, match="no balancer is called 'c'; known: a, b"):
            call("c")
    assert shown(balancers) == "[(a)] b"


def test_adding_places_nothing(native: Native) -> None:
    balancers = few(native, "a")
    balancers.add(Named("b"))
    assert shown(balancers) == "[(a)] b"
    assert native.used == ["python a"]


def test_for_the_current_one_the_default_takes_over(native: Native) -> None:
    balancers = few(native, "a", "b", "c")
    balancers.set("c")
    balancers.remove("c")
    assert shown(balancers) == "[(a)] b"
    assert native.used[-1] == "python a"


def test_for_the_default_the_oldest_takes_over(native: Native) -> None:
    balancers = few(native, "a", "b", "c")
    balancers.set("c")
    used = len(native.used)
    balancers.remove("a")
    assert shown(balancers) == "(b) [c]"
    assert len(native.used) == used


def test_one_that_is_both_leaves_both_to_the_oldest(native: Native) -> None:
    balancers = few(native, "a", "b", "c")
    balancers.remove("a")
    assert shown(balancers) == "[(b)] c"
    assert native.used[-1] == "python b"


def test_the_last_one_cannot_leave(native: Native) -> None:
    balancers = few(native, "a", "b")
    balancers.remove("a")
    with pytest.raises(UsageError, match="b is the last balancer"):
        balancers.remove("b")
    assert shown(balancers) == "[(b)]"


def test_force_takes_the_last_one_and_nobody_decides_until_there_is_a_first(native: Native) -> None:
    balancers = few(native, "a")
    balancers.remove("a", force=True)
    assert balancers.rows() == []
    assert (balancers.current, balancers.default) == ("", "")
    assert native.used[-1] == "python nobody"
    with pytest.raises(UsageError, match="known: none"):
        balancers.set("a")
    balancers.add(Named("b"))
    assert shown(balancers) == "[(b)]"
    assert native.used[-1] == "python b"
    assert Nobody().find_device(None, []) is None


def test_what_the_core_refuses_has_not_happened(native: Native) -> None:
    balancers = few(native, "a", "b")
    native.refusal = ClosedError("closed")
    with pytest.raises(ClosedError):
        balancers.set("b")
    with pytest.raises(ClosedError):
        balancers.remove("a")
    assert shown(balancers) == "[(a)] b"


def test_a_forked_child_is_refused_before_any_lock(native: Native) -> None:
    balancers = few(native, "a", "b")
    native.is_ours = False
    with balancers._lock:
        for call in (lambda: balancers.set("b"), lambda: balancers.add(Named("c")), lambda: balancers.remove("a")):
            with pytest.raises(ClosedError, match="after a fork"):
                call()
        with pytest.raises(ClosedError):
            balancers.rows()


def test_threads_that_change_it_leave_one_current(native: Native) -> None:
    """Whatever the order: each name once, one current, one default, and the core knows which."""
    balancers = few(native, "a")
    start = threading.Barrier(4)

    def change(number: int) -> None:
        start.wait()
        for turn in range(50):
            name = f"t{number}-{turn}"
            balancers.add(Named(name))
            balancers.set(name)
            balancers.remove(name)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(balancers) == "[(a)]"
    assert native.used[-1] == "python a"
