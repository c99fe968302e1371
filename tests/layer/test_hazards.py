"""The hazards that were found while the old code was read, by number: those of requests, devices and balancers.

Those of memory (5, 7, 8, 9, 10 and 13) are in `test_hazards_memory.py`. There is no IAA yet: hazards 6 and 12 are
tested in their general form (what comes late, what is silent). Hazard 1's return codes are those of the kernel face
(`tests/kernel/test_queue.py`, `tests/kernel/test_source_000_core.py`); here it is its law.
"""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.layer.laws import PATIENCE, Calls, Keeper, device, done, opened, outcome, ran_on, until

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.engines.simulated import Simulated

MESSAGES = [b"%d" % number * 30 for number in range(200)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


# ---- 1


@pytest.mark.parametrize("late", ["right", "wrong", "error"])
def test_hazard_01_what_waited_behind_a_full_queue_is_told_once(late: str) -> None:
    """From the backlog into the queue is no news; the end is told once, and what comes after the end is not."""
    engine, calls = Keeper(), Calls()
    with opened(engine, queue_operations=1) as layer:
        operations = [layer.digest("sha256", b"x", callback=calls.of(number)) for number in range(3)]
        assert device(layer, engine).waiting == 2
        for number in range(3):
            [job] = engine.wait_for(1)
            assert [bool(threads) for threads in calls.threads.values()] == [n < number for n in range(3)]
            assert engine.finish(outcome=acrypto.EngineError("late") if number == 2 else None) == [True]
            outcome(operations[number])
            assert until(lambda number=number: calls.threads[number])
            again = {"right": done(job), "wrong": [b"wrong" * 7], "error": [acrypto.EngineError("again")]}[late]
            assert job.complete(again) is False
        assert [outcome(operation) for operation in operations[:2]] == [hashlib.sha256(b"x").digest()] * 2
        assert outcome(operations[2]) is acrypto.EngineError
        assert device(layer, engine).finished == 3
    assert calls.counts() == {1}


# ---- 2


@pytest.mark.parametrize("ending", ["goes on", "cancelled", "raises", "broken", "forgotten"])
def test_hazard_02_a_session_that_its_callback_rearms_ends_once(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-armed thirty times, while it is cancelled, loses its device, or nobody holds it: one end, nothing held."""
    raised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    calls, hops = Calls(), []
    source = bytearray(b"source")
    other = Keeper("other", priority=50)
    other.open()
    with opened("software", other, balancer="failover") as layer:
        digest = layer.transform("sha256")
        held: list[acrypto.Operation] = []
        ready = threading.Event()

        def then(hop: Any) -> None:
            assert ready.wait(PATIENCE)
            hops.append(len(hop.stages))
            if len(hops) == 15 and ending == "cancelled":
                held[0].cancel()
            if len(hops) == 15 and ending == "broken":
                layer.break_device("software0")
            if len(hops) <= 30:
                hop.append(digest)
            if len(hops) == 15 and ending == "raises":
                raise acrypto.UsageError("the callback's own")

        held.append(layer.route(digest).run(source, then=then, callback=calls.of(0), mode="direct"))
        if ending == "forgotten":
            held.clear()
        ready.set()
        calls.wait()
        assert until(lambda: layer.lingering() == 0)
        source.append(1)
        if ending in {"goes on", "forgotten", "broken"}:
            assert hops == list(range(1, 32))
        if ending == "broken":
            assert {stage.device for stage in held[0].completion.stages} == {"software0", "other0"}
        assert len(raised) == (ending == "raises")
        if ending == "raises":  # what it had added is not done, and the session ends
            assert hops == list(range(1, 16))
            assert bytes(held[0].wait(PATIENCE)) == source[:-1]
        if ending == "cancelled":
            assert held[0].cancelled()
            assert len(hops) <= 16
    assert calls.counts() == {1}


# ---- 3

BREAK: dict[str, Callable[[acrypto.Layer, Keeper], object]] = {
    "it fails": lambda layer, engine: engine.finish(outcome=acrypto.EngineError("x")),
    "it forgets": lambda layer, engine: engine.take() and None,
    "it dies": lambda layer, engine: (layer.break_device(engine.device), engine.open()),
    "it leaves": lambda layer, engine: layer.remove_device(engine.device, 0),
    "it gives nonsense": lambda layer, engine: [job.complete([]) for job in engine.take()],
}


@pytest.mark.parametrize("cause", BREAK)
def test_hazard_03_a_broken_session_returns_every_reference(cause: str) -> None:
    """However it broke: the device's counts, the offer's users, the caller's memory and callback are free again."""
    engine, source = Keeper(), acrypto.random(100)
    ended = threading.Event()

    def callback(_operation: object) -> None:
        ended.set()

    with opened(engine) as layer:
        before = sys.getrefcount(source), sys.getrefcount(callback)
        transform = layer.transform("sha256")
        operation = transform.digest(source, callback=callback, mode="direct", device=engine.device)
        engine.wait_for(1)
        BREAK[cause](layer, engine)
        assert isinstance(outcome(operation), type)  # some error
        assert ended.wait(PATIENCE)
        assert until(lambda: layer.lingering() == 0)
        assert all((row.operations, row.bytes, row.lingering) == (0, 0, 0) for row in layer.devices())
        del operation, transform
        gc.collect()
        assert until(lambda: sum(row.users for row in layer.offers()) == 0)
        assert (sys.getrefcount(source), sys.getrefcount(callback)) == before


# ---- 4


@pytest.mark.parametrize("others", [1, 0])
@pytest.mark.parametrize("blocks", [False, True])
def test_hazard_04_removal_of_a_device_that_never_completes_ends(others: int, blocks: bool) -> None:
    """What is queued there moves, what it keeps is done again elsewhere or ends as lost, and the removal returns."""
    stuck, other, calls = Keeper("stuck", priority=300, blocks=blocks, lets_go=False), Keeper("other"), Calls()
    other.open()
    with opened(stuck, *[other] * others, balancer="failover", queue_operations=50) as layer:
        operations = [layer.digest("sha256", MESSAGES[0], callback=calls.of(0))]
        stuck.wait_for(1)
        operations += [layer.digest("sha256", m, callback=calls.of(n + 1)) for n, m in enumerate(MESSAGES[1:])]
        remover = threading.Thread(target=layer.remove_device, args=("stuck0", 0))
        remover.start()
        if blocks:  # a thread of anybody's that never returns is waited for: that is the pump's patience, not ours
            assert {type(outcome(operation)) for operation in operations[1:]} == {bytes if others else type}
            stuck.open()
        remover.join(PATIENCE)
        assert not remover.is_alive()
        ended = [outcome(operation) for operation in operations]
        if others:
            assert ended == RIGHT
        else:
            assert set(ended) <= {acrypto.DeviceLost, *RIGHT}
            assert blocks or acrypto.DeviceLost in ended
        assert "stuck0" not in {row.name for row in layer.devices()}
        calls.wait()
        stuck.take()
        assert until(lambda: layer.lingering() == 0)
    assert calls.counts() == {1}


# ---- 6


@pytest.mark.parametrize("end", ["remove", "break", "close"])
def test_hazard_06_a_completion_after_removal_touches_nothing(end: str) -> None:
    """A job that comes back after its device has gone is told so; its caller has had another's result, or an error."""
    engine, other = Keeper("gone", priority=300, lets_go=False), Keeper("other")
    other.open()
    source, calls = bytearray(b"source"), Calls()
    with opened(engine, other, balancer="failover") as layer:
        operation = layer.digest("sha256", source, callback=calls.of(0))
        into = bytearray(32)
        fixed = layer.transform("sha256").digest(source, into=into)
        jobs = engine.wait_for(2)
        engine.take()
        match end:
            case "remove":
                layer.remove_device("gone0", 0)
            case "break":
                layer.break_device("gone0")
            case _:
                layer.close()
        ended = [outcome(operation), outcome(fixed)]
        right = hashlib.sha256(source).digest()
        assert ended == [acrypto.ClosedError] * 2 if end == "close" else ended[0] == right
        for job in jobs:
            job.complete([b"\xee" * 32 for _ in job.units])
        assert [outcome(operation), outcome(fixed)] == ended
        del jobs
        gc.collect()
        assert until(lambda: layer.lingering() == 0)
        source.append(1)
        into.append(1)
        calls.wait()
    assert calls.counts() == {1}


# ---- 11


@pytest.mark.parametrize("operations", [1, 4])
def test_hazard_11_admission_is_counted_by_us(operations: int) -> None:
    """A device that takes whatever it is given, and would lose what is too much, is never given too much."""
    engine = Keeper()
    with opened(engine, queue_operations=operations, queue_bytes=1 << 20) as layer:
        transform = layer.transform("sha256")
        submitted = [transform.digest(message) for message in MESSAGES]
        for _ in range(0, len(MESSAGES), operations):
            engine.wait_for(operations)
            row = device(layer, engine)
            assert (row.operations, row.queued) == (operations, 0)
            assert row.waiting == len(MESSAGES) - len(engine.seen)
            engine.finish(operations)
        assert [operation.wait(PATIENCE) for operation in submitted] == RIGHT
        large = [transform.digest(bytes(400_000)) for _ in range(6)]
        engine.open()
        assert len({operation.wait(PATIENCE) for operation in large}) == 1
        assert device(layer, engine).peak_bytes <= 1 << 20
    assert engine.most_held == operations


# ---- 12


def test_hazard_12_a_device_that_is_silent_is_given_up() -> None:
    """No completion within the limit: the request is done elsewhere, the device disables itself, no call hangs."""
    silent, other = Keeper("silent", priority=300), Keeper("other")
    other.open()
    with opened(silent, other, balancer="failover", lost_after=0.05, quarantine_errors=1, probation=1e6) as layer:
        assert ran_on(layer.digest("sha256", b"x")) == "other0"
        row = device(layer, silent)
        assert (row.lost, row.state) == (1, "quarantined")
        assert ran_on(layer.digest("sha256", b"x")) == "other0"
        with pytest.raises(acrypto.NoEngine, match="quarantined"):
            layer.digest("sha256", b"x", device="silent0")
        assert (device(layer, silent).lingering, layer.lingering()) == (1, 1)  # it still has the memory
        silent.finish()
        assert until(lambda: layer.lingering() == 0)


def test_hazard_12_alone_it_is_lost_each_time_and_never_hangs() -> None:
    """There is nobody else: each call ends with DeviceLost, no call waits for ever, and it may come back by itself."""
    silent = Keeper("silent")
    with opened(silent, lost_after=0.05) as layer:
        for _ in range(3):
            assert outcome(layer.digest("sha256", b"x")) is acrypto.DeviceLost
        silent.open()
        assert ran_on(layer.digest("sha256", b"x")) == "silent0"


# ---- 14


@pytest.mark.slow
def test_hazard_14_balancers_are_switched_while_sessions_are_queued() -> None:
    """Whoever places a request sees one balancer, whole: each request ends once, rightly, and one is always current."""
    engines = [Simulated(name=name, latency_us=5.0, algorithms=["sha256"]) for name in ("first", "second")]
    flaky = Faulty(Fault("refuse", every=7))
    names = ["simple", "fastest", "round_robin", "failover", "by_size"]
    over, listings, calls = threading.Event(), [], Calls()
    with opened(*engines, flaky) as layer:

        def switch() -> None:
            while not over.is_set():
                for name in names:
                    layer.set_balancer(name)
                    listings.append(sum(row.is_current for row in layer.balancers()))

        switchers = [threading.Thread(target=switch) for _ in range(2)]
        for thread in switchers:
            thread.start()
        transform = layer.transform("sha256")
        try:
            operations = [
                transform.digest(message, callback=calls.of(1000 * turn + number))
                for turn in range(10)
                for number, message in enumerate(MESSAGES)
            ]
            assert [operation.wait(PATIENCE) for operation in operations] == RIGHT * 10
        finally:
            over.set()
            for thread in switchers:
                thread.join(PATIENCE)
        calls.wait()
        assert set(listings) == {1}
        assert layer.lingering() == 0
    assert calls.counts() == {1}
