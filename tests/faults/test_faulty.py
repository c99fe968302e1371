"""Whatever a device does, each operation ends once and with the right error, and the layer stays usable."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import threading
from collections import Counter

import pytest

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.engines.software import Software

NUM = 60
MESSAGES = [bytes([number]) * 100 for number in range(NUM)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


def opened(*schedule: Fault, lost_after: float = 30, workers: int = 2, **settings: int) -> acrypto.Layer:
    values = acrypto.Settings(workers=workers, lost_after=lost_after, **settings)
    return acrypto.open([Faulty(*schedule)], settings=values)


def ends(layer: acrypto.Layer, way: str) -> list[object]:
    """Every message's digest, or the exception in its place."""

    async def main() -> list[object]:
        return await asyncio.gather(*(layer.digest("sha256", m) for m in MESSAGES), return_exceptions=True)

    if way == "loop":
        return asyncio.run(main())
    operations = [layer.digest("sha256", message) for message in MESSAGES]
    gathered: list[object] = []
    for operation in operations:
        try:
            gathered.append(operation.wait(20))
        except acrypto.AcryptoError as error:
            gathered.append(error)
    return gathered


def kinds(results: list[object]) -> Counter[type]:
    return Counter(type(result) for result in results)


both_ways = pytest.mark.parametrize("way", ["loop", "threads"])


@both_ways
def test_nothing_on_the_schedule_is_nothing_wrong(way: str) -> None:
    with opened() as layer:
        assert ends(layer, way) == RIGHT


@both_ways
def test_what_is_refused_is_offered_again(way: str) -> None:
    with opened(Fault("refuse", every=3, times=50)) as layer:
        assert ends(layer, way) == RIGHT
        assert layer.devices()[0].refused > 0
    assert layer.lingering() == 0


@both_ways
def test_what_is_delayed_is_only_late(way: str) -> None:
    with opened(Fault("delay", every=9, seconds=0.002)) as layer:
        assert ends(layer, way) == RIGHT


@both_ways
def test_what_fails_is_an_engine_error(way: str) -> None:
    with opened(Fault("fail", every=2)) as layer:
        results = ends(layer, way)
        assert kinds(results) == {acrypto.EngineError: NUM // 2, bytes: NUM // 2}
        assert all(error.retryable for error in results if isinstance(error, acrypto.EngineError))
        [device] = layer.devices()
        assert (device.failed, device.completed, device.state) == (NUM // 2, NUM // 2, "up")


@both_ways
def test_what_is_corrupted_is_delivered_as_it_is(way: str) -> None:
    """Nobody above can know; that is what AEADs, checks and the cross-check are for."""
    with opened(Fault("corrupt", times=1)) as layer:
        assert sum(got != right for got, right in zip(ends(layer, way), RIGHT, strict=True)) == 1


def test_a_corrupted_box_does_not_open() -> None:
    with opened(Fault("corrupt", times=1)) as layer:
        aead = layer.transform("gcm(aes)", key=bytes(16))
        box = aead.encrypt(bytes(12), b"secret").wait(10)
        with pytest.raises(acrypto.AuthenticationError):
            aead.decrypt(bytes(12), box).wait(10)


@both_ways
def test_a_dropped_completion_ends_as_lost(way: str) -> None:
    source = bytearray(b"x")
    layer = opened(Fault("drop", every=10), lost_after=0.02)
    results = ends(layer, way)
    assert kinds(results) == {acrypto.DeviceLost: NUM // 10, bytes: NUM * 9 // 10}
    # The device may still touch their memory, so it stays pinned until it is closed.
    assert layer.lingering() == NUM // 10
    layer.digest("sha256", source)
    layer.close()
    assert layer.lingering() == 0
    source.append(1)


@both_ways
def test_a_duplicated_completion_is_counted_and_ignored(way: str) -> None:
    layer = opened(Fault("duplicate", every=2))
    assert ends(layer, way) == RIGHT
    layer.close()
    assert layer.devices()[0].duplicates == NUM // 2
    assert layer.lingering() == 0


@both_ways
def test_a_device_that_dies_in_mid_burst_ends_everything(way: str) -> None:
    """The one before it is done, everything at and after it is lost, also what waits behind the budget."""
    schedule = (Fault("delay", seconds=0.2, times=1), Fault("die", after=1, times=1))
    with opened(*schedule, workers=1, queue_operations=8) as layer:
        results = ends(layer, way)
        assert kinds(results) == {bytes: 1, acrypto.DeviceLost: NUM - 1}
        assert layer.devices()[0].state == "broken"
        with pytest.raises(acrypto.NoEngine, match="broken"):
            layer.digest("sha256", b"x")
    assert layer.lingering() == 0


def test_told_lost_and_let_go_in_one_drain_is_harmless() -> None:
    """The device gives it up and then closes while the loop does not turn: both are in the ring at once."""

    async def main() -> None:
        source = bytearray(b"x")
        layer = opened(Fault("drop", times=3), lost_after=0.02)
        operations = [layer.digest("sha256", source) for _ in range(3)]
        while not all(operation.done() for operation in operations):
            pass
        layer.close()
        assert layer.lingering() == 0
        for operation in operations:
            with pytest.raises(acrypto.DeviceLost):
                await operation
        source.append(1)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["refuse", "drop", "fail", "duplicate"])
def test_closing_does_not_wait_for_what_never_comes(kind: str) -> None:
    source = bytearray(100)
    layer = opened(Fault(kind))
    operations = [layer.digest("sha256", source) for _ in range(200)]
    layer.close()
    also = {"fail": acrypto.EngineError, "drop": acrypto.DeviceLost, "duplicate": bytes}
    for operation in operations:
        assert isinstance(_end(operation), (acrypto.ClosedError, also.get(kind, acrypto.ClosedError)))
    assert layer.lingering() == 0
    source.append(1)


def test_what_is_dropped_while_the_device_closes_ends_too() -> None:
    layer = opened(Fault("delay", seconds=0.1, times=1), Fault("drop", after=1), workers=1)
    operations = [layer.digest("sha256", b"x") for _ in range(4)]
    while layer.devices()[0].queued:
        pass
    layer.close()
    assert operations[0].wait(5) == hashlib.sha256(b"x").digest()
    for operation in operations[1:]:
        with pytest.raises((acrypto.ClosedError, acrypto.DeviceLost)):
            operation.wait(5)
    assert layer.lingering() == 0


def test_waiting_for_a_lost_one_in_the_loop_is_not_for_ever() -> None:
    async def main() -> None:
        async with opened(Fault("drop"), lost_after=0.02) as layer:
            operations = [layer.digest("sha256", b"x") for _ in range(20)]
            results = await asyncio.wait_for(asyncio.gather(*operations, return_exceptions=True), 10)
            assert kinds(results) == {acrypto.DeviceLost: 20}

    asyncio.run(main())


def test_a_batch_with_one_lost_part_ends_as_lost() -> None:
    with opened(Fault("drop", times=1), lost_after=0.02) as layer:
        operation = layer.transform("sha256").digest_many(MESSAGES)
        with pytest.raises(acrypto.DeviceLost):
            operation.wait(10)


def test_a_batch_with_one_failed_part_gives_the_others() -> None:
    with opened(Fault("fail", times=1)) as layer:
        results = layer.transform("sha256").digest_many(MESSAGES, return_exceptions=True).wait(10)
        found = kinds(results)
        assert found[acrypto.EngineError] + found[bytes] == NUM
        assert found[acrypto.EngineError] == NUM // 2
        good = [(got, right) for got, right in zip(results, RIGHT, strict=True) if isinstance(got, bytes)]
        assert all(got == right for got, right in good)


@pytest.mark.parametrize("kind", ["refuse", "delay", "fail", "corrupt", "drop", "duplicate"])
def test_cancelling_meets_every_fault(kind: str) -> None:
    """An operation that is cancelled stays cancelled, and its memory is let go whatever the device does then."""
    source = bytearray(100)
    layer = opened(Fault(kind, every=3, seconds=0.001, times=200), lost_after=0.02)
    operations = [layer.digest("sha256", source) for _ in range(300)]
    withdrawn = [operation for operation in operations[::2] if operation.cancel()]
    for operation in set(operations) - set(withdrawn):
        _end(operation)
    assert all(operation.cancelled() for operation in withdrawn)
    layer.close()
    assert layer.lingering() == 0
    source.append(1)


@pytest.mark.slow
def test_everything_at_once_from_many_threads() -> None:
    schedule = (
        Fault("refuse", every=11, times=300),
        Fault("delay", every=53, seconds=0.001),
        Fault("fail", every=7),
        Fault("duplicate", every=5),
        Fault("drop", every=97),
    )
    layer = opened(*schedule, lost_after=0.05, queue_operations=40)
    counts: Counter[type] = Counter()
    lock = threading.Lock()

    def work() -> None:
        for _ in range(5):
            found = kinds(ends(layer, "threads"))
            with lock:
                counts.update(found)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.total() == 8 * 5 * NUM
    assert set(counts) == {bytes, acrypto.EngineError, acrypto.DeviceLost}
    layer.close()
    assert layer.lingering() == 0


def test_an_unknown_fault_is_a_mistake() -> None:
    with pytest.raises(acrypto.UsageError, match="explode"):
        opened(Fault("explode"))
    gc.collect()


def test_a_python_engine_cannot_be_wrapped() -> None:
    from acrypto.engines.null import Null

    with pytest.raises(acrypto.UsageError, match="native"):
        Faulty(inner=Null(python=True))


def test_it_bids_below_everybody_and_says_what_it_wraps() -> None:
    with acrypto.open([Faulty(inner=Software()), "software"]) as layer:
        rows = [row for row in layer.algorithms() if row.name == "sha256"]
        assert [row.device for row in rows] == ["software0", "faulty0"]
        assert rows[1].driver.startswith("faulty(")


def _end(operation: acrypto.Operation) -> object:
    try:
        return operation.wait(10)
    except (acrypto.AcryptoError, asyncio.CancelledError) as error:
        return error
