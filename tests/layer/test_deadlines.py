"""Deadlines: what cannot be done in time is not begun, and nobody waits beyond his time, whatever a device does."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest
from tests.layer.conftest import Run
from tests.layer.only import STRONGEST, Only, device, until

import acrypto
from acrypto.engines.simulated import Simulated
from acrypto.testing.gate import Gate


def test_what_cannot_be_met_is_not_begun() -> None:
    """Known from runs of this size that were measured often enough."""
    engine = Simulated(algorithms=["sha256"], latency_us=1.0)
    with acrypto.open([engine]) as layer:
        engine.tune("latency_us", 30_000)
        for _ in range(12):
            layer.digest("sha256", bytes(5000)).wait(60)
        before = device(layer, "simulated0")
        for deadline, is_met in ((0.005, False), (30.0, True), (0.001, False)):
            operation = layer.digest("sha256", bytes(5000), deadline=deadline)
            if is_met:
                assert operation.wait(60) == hashlib.sha256(bytes(5000)).digest()
            else:
                with pytest.raises(acrypto.DeadlineExceeded):
                    operation.wait(60)
        until(lambda: not layer.lingering())
        assert device(layer, "simulated0").completed - before.completed == 1


def test_what_was_never_measured_is_tried() -> None:
    with acrypto.open([Simulated(algorithms=["sha256"], latency_us=1.0)]) as layer:
        assert layer.digest("sha256", b"x", deadline=30).wait(60) == hashlib.sha256(b"x").digest()


@pytest.mark.parametrize("where", ["running", "queued", "waiting"])
def test_it_ends_in_time_though_its_device_is_stuck(where: str, gate: Gate) -> None:
    with acrypto.open([gate], settings=acrypto.Settings(queue_operations=2)) as layer:
        ahead = []
        for _ in range({"running": 0, "queued": 1, "waiting": 2}[where]):
            ahead.append(layer.digest("sha256", b"x"))
            assert gate.arrived.wait(60)  # one is in its hands before the next one comes
        source = bytearray(b"late")
        late = layer.digest("sha256", source, deadline=0.05)
        assert gate.arrived.wait(60)
        with pytest.raises(acrypto.DeadlineExceeded) as told:
            late.wait(60)
        assert isinstance(told.value, TimeoutError)
        assert late.done()
        assert not late.cancel()
        if where == "running":
            # The engine has it, and may still read it.
            assert layer.lingering() == 1
            with pytest.raises(BufferError):
                source.append(1)
            assert device(layer, "gate0").lingering == 1
        gate.open()
        for operation in ahead:
            operation.wait(60)
        until(lambda: not layer.lingering())
        source.append(1)
        assert (b"late" in gate.order) is (where == "running")
        assert device(layer, "gate0").operations == 0


def test_in_a_loop_it_ends_in_time_as_well(run: Run, gate: Gate) -> None:
    async def main() -> None:
        async with acrypto.open([gate]) as layer:
            operations = [layer.digest("sha256", b"x", deadline=0.02 * number) for number in range(1, 6)]
            ended = await asyncio.gather(*operations, return_exceptions=True)
            assert [type(error) for error in ended] == [acrypto.DeadlineExceeded] * 5
            gate.open()

    run(main())


def test_they_end_in_the_order_of_their_deadlines(gate: Gate) -> None:
    with acrypto.open([gate]) as layer:
        ended: list[float] = []
        done = threading.Event()
        deadlines = [0.25, 0.05, 0.45, 0.15, 0.35]

        def note(deadline: float) -> None:
            ended.append(deadline)
            if len(ended) == len(deadlines):
                done.set()

        for deadline in deadlines:
            layer.digest("sha256", b"x", deadline=deadline, mode="direct", callback=lambda own, at=deadline: note(at))
        assert done.wait(60)
        assert ended == sorted(deadlines)
        gate.open()


@pytest.mark.parametrize("mode", ["queued", "poll", "direct"])
def test_the_callback_is_called_once(gate: Gate, mode: str) -> None:
    called: list[object] = []
    with acrypto.open([gate]) as layer:
        operation = layer.digest("sha256", b"x", deadline=0.02, mode=mode, callback=called.append)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        until(lambda: (layer.poll(), called)[1])
        gate.open()
        until(lambda: (layer.poll(), layer.lingering())[1] == 0)
    assert called == [operation]


def test_inline_waits_no_longer_either(gate: Gate) -> None:
    with acrypto.open([gate]) as layer:
        operation = layer.digest("sha256", b"x", deadline=0.02, mode="inline")
        assert isinstance(operation.exception(), acrypto.DeadlineExceeded)
        gate.open()


def test_on_a_device_that_died_silently_it_ends_in_time() -> None:
    engine = Simulated(algorithms=["sha256"], latency_us=1.0)
    with acrypto.open([engine]) as layer:
        engine.kill("silent")
        source = bytearray(b"x")
        operation = layer.digest("sha256", source, deadline=0.05)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        assert layer.lingering() == 1
        engine.revive()
        until(lambda: not layer.lingering())
        source.append(1)


def test_it_is_counted_from_submission_also_when_it_is_done_again() -> None:
    """A second attempt does not begin the time anew."""
    first, second = Only("first", "sha256", priority=300), Only("second", "sha256", priority=200)
    with acrypto.open([first, second], settings=acrypto.Settings(**STRONGEST)) as layer:
        operation = layer.digest("sha256", b"x", deadline=0.3)
        assert first.arrived.wait(60)
        layer.break_device("first0")
        assert second.arrived.wait(60)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        first.open()
        second.open()


def test_a_batch_has_one_deadline(gate: Gate) -> None:
    with acrypto.open([gate]) as layer:
        operation = layer.transform("sha256").digest_many([b"a", b"b", b"c"], deadline=0.02)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        exceptions = layer.transform("sha256").digest_many([b"a", b"b"], deadline=0.02, return_exceptions=True)
        assert [type(each) for each in exceptions.wait(60)] == [acrypto.DeadlineExceeded] * 2
        gate.open()


def test_a_deadline_that_was_met_leaves_nothing(gate: Gate) -> None:
    gate.open()
    with acrypto.open([gate], settings=acrypto.Settings(inline_us=0)) as layer:
        operations = [layer.digest("sha256", b"%d" % number, deadline=3600.0) for number in range(3000)]
        for number, operation in enumerate(operations):
            assert operation.wait(60) == hashlib.sha256(b"%d" % number).digest()
        until(lambda: not layer.lingering())
    # Closing does not wait for the hour.


@pytest.mark.parametrize("deadline", [-1.0, float("nan"), "soon"])
def test_nonsense_is_a_mistake(gate: Gate, deadline: object) -> None:
    with acrypto.open([gate]) as layer, pytest.raises((acrypto.UsageError, TypeError)):
        layer.digest("sha256", b"x", deadline=deadline)  # type: ignore[arg-type]


@pytest.mark.parametrize("deadline", [float("inf"), 1e15])
def test_a_deadline_beyond_all_clocks_is_none(gate: Gate, deadline: float) -> None:
    gate.open()
    with acrypto.open([gate]) as layer:
        assert layer.digest("sha256", b"x", deadline=deadline).wait(60) == hashlib.sha256(b"x").digest()
