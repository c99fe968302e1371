"""The old layer's announcements on balancing: who is chosen, who may choose, and what moves when a device goes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from tests.layer.conftest import Script
from tests.layer.laws import PATIENCE, Calls, Keeper, device, opened, outcome, ran_on, until

import acrypto
from acrypto.balancers.base import Balancer
from acrypto.balancers.simple import Simple

MESSAGES = [b"%d" % number for number in range(200)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [((0, 0, 0), 0), ((1, 0, 0), 1), ((2, 1, 1), 1), ((1, 2, 1), 0), ((2, 2, 1), 2), ((3, 3, 3), 0), ((9, 8, 7), 2)],
)
def test_simple_lb(loads: tuple[int, ...], chosen: int) -> None:
    """The device with the fewest requests; of equals the one that was registered first."""
    keepers = [Keeper(name) for name in ("first", "second", "third")]
    with opened(*keepers, balancer="simple") as layer:
        for keeper, load in zip(keepers, loads, strict=True):
            for _ in range(load):
                layer.digest("sha256", b"load", device=keeper.device)
            keeper.wait_for(load)
        operation = layer.digest("sha256", b"x")
        keepers[chosen].wait_for(loads[chosen] + 1)
        for keeper in keepers:
            keeper.open()
        assert ran_on(operation) == keepers[chosen].device


def test_simple_lb_skips_the_broken() -> None:
    """A broken device has the fewest of all, and is not chosen."""
    first, second = Keeper("first"), Keeper("second")
    second.open()
    with opened(first, second, balancer="simple") as layer:
        layer.break_device("first0")
        assert {ran_on(layer.digest("sha256", b"x")) for _ in range(10)} == {"second0"}


class ByClient(Balancer):
    """Each client has a device."""

    name = "by_client"

    def find_device(self, request: Any, devices: Sequence[Any]) -> str | None:
        return {1: "first0", 2: "second0"}.get(request.client)


def test_pluggable_lb() -> None:
    """A name is taken once; a policy of one's own places by what it sees of the request, and may refuse."""
    first, second = Keeper("first"), Keeper("second")
    first.open()
    second.open()
    with opened(first, second) as layer:
        layer.add_balancer(ByClient())
        with pytest.raises(acrypto.UsageError, match="by_client is taken"):
            layer.add_balancer(ByClient())
        with pytest.raises(acrypto.UsageError, match="simple is taken"):
            layer.add_balancer(Simple())
        layer.set_balancer("by_client")
        for _ in range(3):
            assert ran_on(layer.digest("sha256", b"x", client="someone")) == "first0"
            assert ran_on(layer.digest("sha256", b"x", client="another")) == "second0"
        with pytest.raises(acrypto.NoEngine, match="by_client"):
            layer.digest("sha256", b"x")


PROGRAM = """
import os
import acrypto
from acrypto.engines.software import Software
with acrypto.open([Software(), Software()], settings=acrypto.Settings(balancer="by_process")) as layer:
    ran = set()
    for _ in range(5):
        operation = layer.digest("sha256", b"x")
        operation.wait()
        ran.add(operation.completion.device)
    print(os.getpid() % 2, *ran)
"""


@pytest.mark.slow
def test_custom_lb_by_pid_places_per_pid(script: Script) -> None:
    """Real processes: each one's requests are all on one device, which depends on nothing but its number."""
    for _ in range(3):
        remainder, *ran = script(PROGRAM).split()
        assert ran == [f"software{remainder}"]


@pytest.mark.parametrize("others", [1, 0])
def test_rehash_on_break(others: int) -> None:
    """A device breaks in mid-queue: each session ends exactly once, elsewhere if there is another, else as broken."""
    dying, calls = Keeper("dying", priority=300, room=2, blocks=True), Calls()
    other = Keeper("other")
    other.open()
    with opened(dying, *[other] * others, balancer="failover") as layer:
        # Those that it has in its hands, those in its queue, and those behind the queue's budget.
        operations = [layer.digest("sha256", MESSAGES[0], callback=calls.of(0))]
        dying.wait_for(1)
        operations += [layer.digest("sha256", each, callback=calls.of(n + 1)) for n, each in enumerate(MESSAGES[1:])]
        assert device(layer, dying).operations == len(MESSAGES)
        held = dying.wait_for(1)
        layer.break_device("dying0")
        if others:
            assert [ran_on(operation) for operation in operations] == ["other0"] * len(MESSAGES)
            assert [operation.wait() for operation in operations] == RIGHT
            assert sorted(other.seen) == sorted(MESSAGES)  # none was done twice
            assert device(layer, dying).moved == len(MESSAGES) - len(held)
            assert device(layer, dying).redone == len(held)
            attempts = [operation.completion.attempts for operation in operations if operation.completion]
            assert attempts == [2] + [1] * (len(MESSAGES) - 1)
        else:
            assert {outcome(operation) for operation in operations} == {acrypto.DeviceLost}
        calls.wait()
        dying.open()  # what comes back from the dead is nobody's any more
        assert until(lambda: device(layer, dying).operations == layer.lingering() == 0)
    assert calls.counts() == {1}


def test_session_migration() -> None:
    """A driver leaves in mid-run: what is queued and what comes next is done elsewhere, by the same transform.

    The kernel's users got EAGAIN and had to submit again; here nobody has to, and nobody sees an error.
    """
    leaving, other = Keeper("leaving", priority=300, blocks=True), Keeper("other")
    other.open()
    with opened(leaving, other, balancer="failover") as layer:
        transform = layer.transform("sha256")
        running = transform.digest(b"running")
        leaving.wait_for(1)
        queued = [transform.digest(message) for message in MESSAGES]
        remover = threading.Thread(target=layer.remove_device, args=("leaving0",))
        remover.start()
        assert [ran_on(operation) for operation in queued] == ["other0"] * len(MESSAGES)
        assert ran_on(transform.digest(b"new")) == "other0"
        assert not running.done()  # in-flight work finishes where it is
        leaving.open()
        assert ran_on(running) == "leaving0"
        remover.join(PATIENCE)
        assert not remover.is_alive()
        assert [row.name for row in layer.devices()] == ["other0"]
        assert ran_on(transform.digest(b"later")) == "other0"
        with pytest.raises(acrypto.NoEngine):
            transform.digest(b"x", device="leaving0")
        assert layer.find("sha256").device == "other0"
