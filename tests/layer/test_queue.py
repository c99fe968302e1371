"""Priorities, deadlines, budgets and bound devices."""

from __future__ import annotations

import asyncio
import hashlib
import itertools

import pytest
from tests.layer.conftest import Run

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.testing.gate import Gate


def held(layer: acrypto.Layer, gate: Gate) -> acrypto.Operation:
    """One operation that keeps the device busy."""
    blocker = layer.digest("sha256", b"blocker")
    assert gate.arrived.wait(10)
    return blocker


def until_taken(layer: acrypto.Layer) -> None:
    """Goes on once a worker has what was submitted."""
    while layer.devices()[0].queued:
        pass


# ---- Order


def test_larger_priority_first_and_in_order_within_one(gated: acrypto.Layer, gate: Gate) -> None:
    held(gated, gate)
    submitted = [(priority, number) for number, priority in enumerate([0, 5, -3, 5, 0, 100, -3, 0])]
    operations = [gated.digest("sha256", b"%d" % number, priority=priority) for priority, number in submitted]
    gate.open()
    for operation in operations:
        operation.wait(10)
    expected = [b"%d" % number for _, number in sorted(submitted, key=lambda item: -item[0])]
    assert gate.order == [b"blocker", *expected]


def test_priorities_hold_behind_the_budget_too(gate: Gate) -> None:
    with acrypto.open([gate], settings=acrypto.Settings(queue_operations=1)) as layer:
        held(layer, gate)
        operations = [layer.digest("sha256", b"%d" % priority, priority=priority) for priority in (1, 3, 2)]
        gate.open()
        for operation in operations:
            operation.wait(10)
    assert gate.order == [b"blocker", b"3", b"2", b"1"]


@pytest.mark.slow
def test_the_cores_own_workers_keep_the_order_as_well() -> None:
    for seconds in (0.03, 0.3, 1.5):  # a busy machine may be too slow for the shorter ones
        with acrypto.open([Faulty(Fault("delay", seconds=seconds))], settings=acrypto.Settings(workers=1)) as layer:
            layer.digest("sha256", b"blocker")
            until_taken(layer)
            operations = [layer.digest("sha256", b"x", priority=priority) for priority in (0, 9, 5)]
            if layer.devices()[0].queued < len(operations):
                continue
            for operation in operations:
                operation.wait(10)
            waits = [operation.completion.queue_ns for operation in operations if operation.completion]
            assert sorted(range(3), key=lambda at: waits[at]) == [1, 2, 0]
            return


# ---- Deadlines


@pytest.mark.parametrize("kind", ["python", "native"])
def test_an_expired_one_is_not_run(kind: str, gate: Gate) -> None:
    engine = gate if kind == "python" else Faulty(Fault("delay", seconds=0.2, times=1))
    with acrypto.open([engine], settings=acrypto.Settings(workers=1)) as layer:
        blocker = layer.digest("sha256", b"blocker")
        until_taken(layer)
        late = layer.digest("sha256", b"late", deadline=0.001)
        later = layer.digest("sha256", b"later", deadline=60)
        with pytest.raises(TimeoutError):
            blocker.wait(0.01)
        gate.open()
        with pytest.raises(acrypto.DeadlineExceeded):
            late.wait(10)
        assert later.wait(10) == hashlib.sha256(b"later").digest()
        assert blocker.wait(10) == hashlib.sha256(b"blocker").digest()
        assert b"late" not in gate.order
        assert layer.devices()[0].completed == 2


def test_a_deadline_error_is_a_timeout_error() -> None:
    assert issubclass(acrypto.DeadlineExceeded, TimeoutError)


@pytest.mark.parametrize("deadline", [-1.0, float("nan")])
def test_a_deadline_in_the_past_is_a_mistake(queued: acrypto.Layer, deadline: float) -> None:
    with pytest.raises(acrypto.UsageError, match="deadline"):
        queued.digest("sha256", b"x", deadline=deadline)


# ---- Devices by name


def test_a_bound_operation_goes_where_it_was_bound() -> None:
    with acrypto.open(["software", "software"], settings=acrypto.Settings(inline_us=0)) as layer:
        for name in ("software0", "software1", "software0"):
            operation = layer.digest("sha256", b"x", device=name)
            operation.wait(10)
            assert operation.completion is not None
            assert operation.completion.device == name


@pytest.mark.parametrize("name", ["nosuch0", "", "software", "software9"])
def test_an_unknown_device_is_no_engine(queued: acrypto.Layer, name: str) -> None:
    with pytest.raises(acrypto.NoEngine, match="software0"):
        queued.digest("sha256", b"x", device=name)


def test_a_broken_device_is_passed_over() -> None:
    with acrypto.open([Faulty(Fault("die", times=1)), "null"]) as layer:
        with pytest.raises(acrypto.DeviceLost):
            layer.digest("sha256", b"x", device="faulty0").wait(10)
        assert [device.state for device in layer.devices()] == ["broken", "up"]
        with pytest.raises(acrypto.NoEngine, match="broken"):
            layer.digest("sha256", b"x", device="faulty0")
        assert layer.digest("sha256", b"x").wait(10) == b""


# ---- Budgets


def test_a_full_queue_lets_awaits_wait_and_all_finish(run: Run) -> None:
    settings = acrypto.Settings(inline_us=0, queue_operations=3)

    async def main() -> None:
        async with acrypto.open(settings=settings) as layer:
            messages = [b"%d" % number for number in range(500)]
            digests = await asyncio.gather(*(layer.digest("sha256", message) for message in messages))
            assert digests == [hashlib.sha256(message).digest() for message in messages]
            for device in layer.devices():
                assert (device.operations, device.waiting, device.bytes, device.max_operations) == (0, 0, 0, 3)

    run(main())


def test_try_raises_when_there_is_no_room(gate: Gate) -> None:
    with acrypto.open([gate], settings=acrypto.Settings(queue_operations=2)) as layer:
        transform = layer.transform("sha256")
        blocker = held(layer, gate)
        second = transform.try_digest(b"second")
        source = bytearray(b"third")
        for attempt in (
            lambda: transform.try_digest(source),
            lambda: transform.try_digest_many([source, source]),
            lambda: layer.transform("gcm(aes)", key=bytes(16)).try_encrypt(bytes(12), source),
        ):
            with pytest.raises(acrypto.QueueFull, match="gate0"):
                attempt()
        source.append(1)  # what bounced is not borrowed any more
        patient = transform.digest(b"patient")
        assert layer.lingering() == 3
        gate.open()
        for operation in (blocker, second, patient):
            operation.wait(10)
        assert transform.try_digest(b"now").wait(10) == hashlib.sha256(b"now").digest()


def test_try_counts_bytes_too(gate: Gate) -> None:
    with acrypto.open([gate], settings=acrypto.Settings(queue_bytes=10_000)) as layer:
        transform = layer.transform("sha256")
        held(layer, gate)
        first = transform.try_digest(bytes(9000))
        with pytest.raises(acrypto.QueueFull):
            transform.try_digest(bytes(9000))
        small = transform.try_digest(bytes(10))
        gate.open()
        assert first.wait(10) != small.wait(10)


def test_an_operation_larger_than_the_byte_budget_still_runs() -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=0, queue_bytes=1000)) as layer:
        large = [layer.digest("sha256", bytes(100_000)) for _ in range(3)]
        small = [layer.digest("sha256", b"x") for _ in range(50)]
        for operation in itertools.chain(large, small):
            operation.wait(10)


def test_a_cancelled_one_gives_its_room_to_the_next(gate: Gate) -> None:
    with acrypto.open([gate], settings=acrypto.Settings(queue_operations=2)) as layer:
        transform = layer.transform("sha256")
        held(layer, gate)
        queued = transform.digest(b"cancelled")
        queued.cancel()
        next_one = transform.try_digest(b"next")
        gate.open()
        assert next_one.wait(10) == hashlib.sha256(b"next").digest()
        assert b"cancelled" not in gate.order


@pytest.mark.slow
def test_a_hundred_thousand_at_once_stay_inside_the_byte_budget(run: Run) -> None:
    settings = acrypto.Settings(inline_us=0, queue_operations=1024, queue_bytes=1 << 20)
    source = bytes(4096)

    async def main() -> None:
        async with acrypto.open(settings=settings) as layer:
            transform = layer.transform("sha256")
            digests = await asyncio.gather(*(transform.digest(source) for _ in range(100_000)))
            assert set(digests) == {hashlib.sha256(source).digest()}
            devices = layer.devices()
            assert all(device.peak_bytes <= device.max_bytes == 1 << 20 for device in devices)
            assert sum(device.completed for device in devices) == 100_000
            assert layer.lingering() == 0

    run(main())
