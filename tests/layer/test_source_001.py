"""What the review of 2005 asked of the old layer; one test for each wish, and for what the review found.

The interfaces that it asked for are in `test_source_001_faces.py`, capability match in `test_source_004_devices.py`,
64-bit counters in `test_source_004_numbers.py`. Not here: the netlink message that switches balancers, never built.
"""

from __future__ import annotations

import hashlib
import threading

import pytest
from tests.layer.laws import PATIENCE, Calls, Keeper, device, opened, ran_on, until

import acrypto
from acrypto.engines.simulated import Simulated

MESSAGES = [b"%d" % number * 50 for number in range(100)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


# ---- Balancers


def test_lb_switch_at_run_time() -> None:
    """Written, read back, marked; what is queued stays where it is, the next session goes where the new one says."""
    first, second = Keeper("first", priority=300), Keeper("second")
    with opened(first, second, balancer="failover") as layer:
        tree = layer.tree()
        queued = [layer.digest("sha256", message) for message in MESSAGES[:3]]
        first.wait_for(3)
        assert "[(failover)]" in tree.read("lbs").split()
        tree.write("lbs", "simple\n")
        assert {"(failover)", "[simple]"} <= set(tree.read("lbs").split())
        assert [str(row) for row in layer.balancers() if row.is_current] == ["[simple]"]
        assert not second.held  # nothing has moved
        following = layer.digest("sha256", b"next")
        second.wait_for(1)
        for wrong in ("slowest", "", "[simple]"):
            with pytest.raises(acrypto.UsageError):
                tree.write("lbs", wrong)
        assert "[simple]" in tree.read("lbs").split()
        first.open()
        second.open()
        assert {ran_on(operation) for operation in queued} == {"first0"}
        assert ran_on(following) == "second0"


def test_undeletable_default_lb() -> None:
    """The last one cannot leave: whoever removes them all is refused once, and work is placed all the time."""
    with opened("software", "software") as layer:
        refused = []
        for row in layer.balancers():
            try:
                layer.remove_balancer(row.name)
            except acrypto.UsageError as error:
                refused.append(str(error))
            assert ran_on(layer.digest("sha256", b"x")).startswith("software")
            assert sum(other.is_current for other in layer.balancers()) == 1
            assert sum(other.is_default for other in layer.balancers()) == 1
        [message] = refused
        [last] = layer.balancers()
        assert last.name in message
        assert str(last) == f"[({last.name})]"
        layer.remove_balancer(last.name, force=True)
        assert layer.balancers() == []
        with pytest.raises(acrypto.NoEngine):
            layer.digest("sha256", b"x")


# ---- Queues


def test_rehash_on_arrival() -> None:
    """A queue of 100 on a slow device, and another device arrives: both drain, nothing is lost or done twice."""
    slow, fresh, calls = Keeper("slow", blocks=True), Keeper("fresh", blocks=True), Calls()
    with opened(slow, balancer="simple") as layer:
        transform = layer.transform("sha256")
        operations = [transform.digest(b"first")]
        slow.wait_for(1)
        operations += [transform.digest(message, callback=calls.of(n)) for n, message in enumerate(MESSAGES)]
        bound = transform.digest(b"bound", device="slow0")
        layer.register(fresh)
        fresh.wait_for(1)
        here, there = device(layer, slow), device(layer, fresh)
        assert here.operations + there.operations == len(MESSAGES) + 2
        assert abs(here.operations - there.operations) <= 2  # as even as this balancer makes them
        assert here.moved == there.operations
        fresh.open()
        assert until(lambda: device(layer, fresh).operations == 0)
        assert not bound.done()
        slow.open()
        assert [operation.wait(PATIENCE) for operation in operations[1:]] == RIGHT
        assert {ran_on(operations[0]), ran_on(bound)} == {"slow0"}
        assert sorted(slow.seen + fresh.seen) == sorted([b"first", b"bound", *MESSAGES])
        calls.wait()
    assert calls.counts() == {1}


def test_rehash_on_arrival_is_the_balancers_choice() -> None:
    """With the newcomer the weaker one, and a balancer that takes the strongest, nothing moves."""
    strong, weak = Keeper("strong", priority=300, blocks=True), Keeper("weak", priority=100)
    with opened(strong, balancer="failover") as layer:
        operations = [layer.digest("sha256", MESSAGES[0])]
        strong.wait_for(1)
        operations += [layer.digest("sha256", message) for message in MESSAGES[1:]]
        layer.register(weak)
        assert device(layer, "strong0").operations == len(MESSAGES)
        strong.open()
        assert {ran_on(operation) for operation in operations} == {"strong0"}
        assert strong.seen == MESSAGES  # and the order is what it was
        weak.open()


def test_one_list_of_all_sessions() -> None:
    """The list is the union of the devices' queues: each queued session once, with where it waits and for what."""
    keepers = [Keeper(name, ["sha256", "deflate"], blocks=True) for name in ("first", "second")]
    with opened(*keepers, queue_operations=10) as layer:
        for keeper in keepers:
            layer.digest("sha256", b"x", device=keeper.device)
            keeper.wait_for(1)
        assert layer.requests() == []  # what is in an engine's hands is queued no more
        for number in range(30):
            layer.digest("sha256", b"x", device=keepers[number % 2].device, priority=number % 3)
        layer.compress("deflate", bytes(1000), device="first0", priority=7)
        rows = layer.requests()
        assert len({row.number for row in rows}) == len(rows) == 31
        for keeper in keepers:
            row = device(layer, keeper)
            own = [request for request in rows if request.device == keeper.device]
            assert [sum(r.is_waiting for r in own), sum(not r.is_waiting for r in own)] == [row.waiting, row.queued]
            assert row.queued + 1 == row.operations == 10
        [odd] = [(row.algorithm, row.direction, row.device) for row in rows if row.priority == 7]
        assert odd == ("deflate", "compress", "first0")
        lines = layer.tree().read("requests").split("\n")
        assert sorted(int(line.split()[0]) for line in lines) == sorted(row.number for row in rows)


# ---- The life of sessions and devices


def test_atomic_alloc_vs_create_and_add() -> None:
    """No device sees a session before it is complete.

    There is no half-made session: what `create` made and `add` published is one call here. Transforms and routes are
    made before, are nobody's sessions, and any number of stages may be put together; a call whose arguments are wrong
    leaves nothing behind; and stages that a callback adds are seen when the callback has returned.
    """
    engine = Keeper("engine", ["sha256", "ctr(aes)"])
    hopped = threading.Event()
    with opened(engine) as layer:

        def nothing() -> bool:
            row = device(layer, engine)
            return (row.submitted, row.operations, layer.requests(), layer.lingering()) == (0, 0, [], 0)

        digest, cipher = layer.transform("sha256"), layer.transform("ctr(aes)", key=bytes(16))
        route = layer.route(cipher, digest, cipher)
        assert nothing()
        for nonce in ({0: bytes(15), 2: bytes(16)}, bytes(16)):
            with pytest.raises(acrypto.UsageError):
                route.run(b"data", nonce=nonce)
            assert nothing()

        def then(hop: object) -> None:
            if not hopped.is_set():
                hop.append(digest)
                assert device(layer, engine).operations == 0
                hopped.set()

        operation = layer.route(digest).run(b"data", then=then)
        engine.wait_for(1)
        engine.finish()
        assert hopped.wait(PATIENCE)
        engine.wait_for(1)
        engine.open()
        assert bytes(operation.wait(PATIENCE)) == b"data"
        assert device(layer, engine).submitted == 2


@pytest.mark.slow
def test_safe_device_removal() -> None:
    """Removed under load from four threads: no callback is lost or comes twice, and no later session goes there."""
    leaving, calls = Simulated(name="leaving", latency_us=50.0, depth=8, algorithms=["sha256"]), Calls()
    with opened(leaving, "software", balancer="round_robin") as layer:
        transform = layer.transform("sha256")
        started, operations = threading.Barrier(5), [[] for _ in range(4)]

        def submit(own: list[acrypto.Operation], first: int) -> None:
            started.wait(PATIENCE)
            for number in range(first, first + 1000):
                own.append(transform.digest(b"%d" % number, callback=calls.of(number)))

        threads = [threading.Thread(target=submit, args=(own, 1000 * n)) for n, own in enumerate(operations)]
        for thread in threads:
            thread.start()
        started.wait(PATIENCE)
        assert until(lambda: device(layer, "leaving0").completed > 20)
        layer.remove_device("leaving0")
        assert [row.name for row in layer.devices()] == ["software0"]
        assert all(row.device == "software0" for row in layer.offers())
        later = [transform.digest(b"later") for _ in range(20)]
        assert {ran_on(operation) for operation in later} == {"software0"}
        for thread in threads:
            thread.join(PATIENCE)
        for first, own in enumerate(operations):
            for number, operation in enumerate(own, 1000 * first):
                assert operation.wait(PATIENCE) == hashlib.sha256(b"%d" % number).digest()
        calls.wait()
        assert layer.lingering() == 0
    assert len(calls.threads) == 4000
    assert calls.counts() == {1}
