"""The old layer's announcements on queues: priorities, bursts, back-pressure, limits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.layer.laws import PATIENCE, Keeper, device, opened, outcome, until

import acrypto
from acrypto import _core

#: A priority below all others: who waits for it has waited for the whole queue.
LAST = -(1 << 31)


def named(number: int) -> bytes:
    return b"%d" % number


def test_priority() -> None:
    """Mixed priorities, one worker: larger first, first in first out inside one; it interrupts nothing."""
    engine = Keeper(blocks=True)
    submitted = [(priority, number) for number, priority in enumerate([0, 7, -1, 7, 0, 1 << 31, LAST, 7, -1])]
    submitted[5] = ((1 << 31) - 1, 5)
    with opened(engine, aging_ms=0) as layer:
        layer.digest("sha256", b"first", priority=LAST)
        engine.wait_for(1)
        operations = [layer.digest("sha256", named(number), priority=priority) for priority, number in submitted]
        engine.open()
        for operation in operations:
            operation.wait(PATIENCE)
    assert engine.seen == [b"first", *(named(n) for _, n in sorted(submitted, key=lambda item: -item[0]))]


def test_priority_queues_cached() -> None:
    """A queue per distinct priority, made with its first request, and kept when it is empty."""
    engine = Keeper(blocks=True)
    with opened(engine) as layer:
        assert device(layer, engine).priorities == 0
        layer.digest("sha256", b"x", priority=5)
        engine.wait_for(1)
        counts = []
        for priority in (5, 5, -2, 5, 0, -2, 9):
            layer.digest("sha256", b"x", priority=priority)
            counts.append(device(layer, engine).priorities)
        assert counts == [1, 1, 2, 2, 3, 3, 4]
        engine.open()
        layer.digest("sha256", b"last", priority=-2).wait(PATIENCE)
        assert until(lambda: device(layer, engine).operations == 0)
        assert device(layer, engine).priorities == 4
        layer.digest("sha256", b"x", priority=9).wait(PATIENCE)
        assert device(layer, engine).priorities == 4


class Offered(Keeper):
    """Takes at most so many of each burst, and notes how many it was offered."""

    def __init__(self, most: int) -> None:
        super().__init__(blocks=True)
        self._most = most

    def submit(self, burst: Sequence[_core.Job]) -> int:
        taken = super().submit(burst[: self._most])
        self.offered[-1] = len(burst)
        return taken


@pytest.mark.parametrize("most", [1, 7, 60, 64])
def test_batching(most: int) -> None:
    """A provider sees all that is queued and takes as many at once as it likes: fewer wake-ups the more it takes."""
    number = 60
    engine = Offered(most)
    with opened(engine) as layer:
        operations = [layer.digest("sha256", b"first")]
        engine.wait_for(1)
        operations += [layer.digest("sha256", named(each)) for each in range(number)]
        engine.open()
        assert len({operation.wait(PATIENCE) for operation in operations}) == number + 1
    assert engine.offered == [1, *range(number, 0, -most)]
    assert engine.seen == [b"first", *map(named, range(number))]


def test_erestart_and_unblock() -> None:
    """A driver with room for four, a hundred requests: never more in its hands, resumed in order, all done."""
    engine = Keeper(room=4)
    with opened(engine) as layer:
        operations = [layer.digest("sha256", named(number)) for number in range(100)]
        for _ in range(25):
            assert len(engine.wait_for(4)) == 4
            assert engine.finish(4) == [True] * 4
        assert len({operation.wait(PATIENCE) for operation in operations}) == 100
    assert engine.most_held == 4
    assert engine.seen == [named(number) for number in range(100)]


class Hinted(Keeper):
    """Notes the hint of each job."""

    def submit(self, burst: Sequence[_core.Job]) -> int:
        self.hints = [*getattr(self, "hints", []), *((job.units[0][0], job.more) for job in burst)]
        return super().submit(burst)


def test_hint_more() -> None:
    """Set while another request for the same driver is ready behind it: a driver rings its bell once per burst."""
    engine = Hinted(blocks=True)
    with opened(engine) as layer:
        operations = [layer.digest("sha256", b"alone")]
        engine.wait_for(1)
        operations += [layer.digest("sha256", named(number)) for number in range(70)]
        engine.open()
        for operation in operations:
            operation.wait(PATIENCE)
    assert engine.hints[0] == (b"alone", False)
    assert engine.hints[1:] == [(named(number), number < 69) for number in range(70)]


def test_hint_more_does_not_count_what_the_driver_has() -> None:
    """Requests in the driver's own hands are not behind the next one: no hint, or its bell is never rung."""
    engine = Hinted()
    with opened(engine) as layer:
        for number in range(3):
            layer.digest("sha256", named(number))
            engine.wait_for(number + 1)
    assert engine.hints == [(named(number), False) for number in range(3)]


def test_crypto_q_max() -> None:
    """Of a queue of 1000 the 1001st is refused, and its caller, who alone can count it, is told; or waits, if it may.

    Nothing is dropped: what was accepted is done, and the refused one leaves no trace.
    """
    engine = Keeper(blocks=True)
    with opened(engine, queue_operations=1000) as layer:
        transform = layer.transform("sha256")
        operations = [transform.try_digest(b"first")]
        engine.wait_for(1)
        operations += [transform.try_digest(named(number)) for number in range(999)]
        source = bytearray(b"refused")
        for _ in range(3):
            with pytest.raises(acrypto.QueueFull, match="1000 operations"):
                transform.try_digest(source)
        source.append(1)
        row = device(layer, engine)
        assert (row.operations, row.waiting, row.submitted, layer.lingering()) == (1000, 0, 1000, 1000)
        patient = transform.digest(b"patient")
        assert device(layer, engine).waiting == 1
        engine.open()
        assert {type(outcome(operation)) for operation in [*operations, patient]} == {bytes}
        assert until(lambda: device(layer, engine).operations == 0)
    assert len(engine.seen) == 1001
    assert b"refused" not in engine.seen


def test_crypto_q_max_of_cryptd() -> None:
    """The kernel's own limit of 1000 is that of what is made asynchronous by name."""
    with opened("software") as layer:
        layer.transform("cryptd(ctr(aes))", key=bytes(16))
        [host] = [row for row in layer.devices() if row.engine == "cryptd"]
        assert host.max_operations == 1000
