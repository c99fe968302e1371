"""Ten thousand operations in flight at once: cancelled, left by their loop, closed under eight threads, forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.layer.conftest import Run

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.testing.gate import Gate

MANY = 10_000
THREADS = 8
#: So many are cancelled before the next look at how far the device is.
PACE = 50
#: Behind everything else: whoever waits for it has waited for a device without work.
LAST = -1000


@pytest.fixture
def crowded() -> Iterator[acrypto.Layer]:
    """Two workers that are slow to begin, so that all are in flight at once, and then about as fast as a loop."""
    engine = Faulty(Fault("delay", seconds=0.1, times=2), Fault("delay", seconds=0.001, every=50))
    with acrypto.open([engine], settings=acrypto.Settings(workers=2, inline_us=0)) as layer:
        yield layer


def settle(layer: acrypto.Layer, most_s: float = 10) -> int:
    """What lingers once the devices are idle; another worker may take a moment longer than the last operation."""
    end = time.monotonic() + most_s
    while True:
        layer.digest("sha256", b"last", priority=LAST).wait(10)
        lingering = layer.lingering()
        if not lingering or time.monotonic() > end:
            return lingering


def sources(nbytes: int) -> list[bytearray]:
    """As many different messages, each with memory of its own."""
    dice = random.Random(nbytes)
    return [bytearray(dice.randbytes(nbytes)) for _ in range(MANY)]


def right(messages: list[bytearray]) -> list[bytes]:
    return [hashlib.sha256(message).digest() for message in messages]


def assert_let_go(messages: list[bytearray]) -> None:
    """None is borrowed any more: each can be resized."""
    for message in messages:
        message.append(1)


# ---- Cancelling


def outcomes(results: list[bytes | BaseException], expected: list[bytes], withdrawn: set[int]) -> Counter[str]:
    """How they ended: exactly those that were withdrawn are cancelled, all others gave their own result."""
    ended: Counter[str] = Counter()
    for number, (result, digest) in enumerate(zip(results, expected, strict=True)):
        cancelled = isinstance(result, asyncio.CancelledError)
        assert cancelled == (number in withdrawn), number
        assert cancelled or result == digest, number
        ended["cancelled" if cancelled else "done"] += 1
    return ended


async def gather_and_cancel(
    operations: list[acrypto.Operation], dice: random.Random, start: Callable[[], None]
) -> tuple[list[bytes | BaseException], set[int]]:
    """Cancels half of what is gathered: some before `start`, the others in step with the device's progress.

    So that chance falls on what is queued, on what is running, on what is done, and on what only the loop has not heard
    of yet.
    """
    chosen = dice.sample(range(MANY), MANY // 2)
    before, during = chosen[: MANY // 8], chosen[MANY // 8 :]
    settled: Counter[int] = Counter()
    for number, operation in enumerate(operations):
        operation.add_done_callback(lambda _, number=number: settled.update([number]))
    gathered = asyncio.gather(*operations, return_exceptions=True)
    withdrawn = {number for number in before if operations[number].cancel()}
    start()
    for turn, number in enumerate(during):
        if turn % PACE == 0:
            await asyncio.wait([operations[turn * MANY // len(during)]])
        if operations[number].cancel():
            withdrawn.add(number)
    results = await asyncio.wait_for(gathered, 10)
    await asyncio.sleep(0)  # a callback added last is called last
    assert settled == Counter(range(MANY))
    assert not any(operation.cancel() for operation in operations)
    return results, withdrawn


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cancelling_half_at_random_moments_settles_each_once(run: Run, crowded: acrypto.Layer, seed: int) -> None:
    messages = sources(2000)
    expected = right(messages)

    async def main() -> None:
        operations = [crowded.digest("sha256", message) for message in messages]
        results, withdrawn = await gather_and_cancel(operations, random.Random(seed), lambda: None)
        assert outcomes(results, expected, withdrawn)["done"] >= MANY // 2

    run(main())
    assert settle(crowded) == 0
    assert_let_go(messages)


def test_cancelling_half_of_what_a_busy_device_holds(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    """The device is held until all are in flight, so that those cancelled first are surely cancelled while queued."""
    messages = sources(200)
    expected = right(messages)

    async def main() -> None:
        operations = [gated.digest("sha256", message) for message in messages]
        assert gate.arrived.wait(10)
        assert gated.lingering() == MANY
        results, withdrawn = await gather_and_cancel(operations, random.Random(4), gate.open)
        ended = outcomes(results, expected, withdrawn)
        assert ended["cancelled"] >= MANY // 8
        assert ended["done"] >= MANY // 2

    run(main())
    assert settle(gated) == 0
    assert_let_go(messages)


def test_cancelling_the_gathering_cancels_each(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    """Also those that the engine has begun: it keeps their memory until it lets go, and their results go nowhere."""
    messages = sources(200)

    async def main() -> None:
        operations = [gated.digest("sha256", message) for message in messages]
        gathered = asyncio.gather(*operations)
        assert gate.arrived.wait(10)
        gathered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(gathered, 10)
        assert all(operation.cancelled() for operation in operations)
        assert gated.lingering() > 0
        gate.open()

    run(main())
    assert settle(gated) == 0
    assert_let_go(messages)


# ---- Ending the loop


@pytest.mark.slow
@pytest.mark.parametrize("way", ["held", "dropped", "gathered"])
def test_a_layer_goes_on_after_a_loop_that_left_masses(run: Run, crowded: acrypto.Layer, way: str) -> None:
    """The loop ends with them in flight, kept, forgotten or awaited by a task; the next loop is served all the same."""
    messages = sources(2000)
    expected = right(messages)
    kept: list[acrypto.Operation] = []
    tasks: list[asyncio.Task[list[bytes]]] = []

    async def gather(operations: list[acrypto.Operation]) -> list[bytes]:
        return await asyncio.gather(*operations)

    async def leave() -> None:
        operations = [crowded.digest("sha256", message) for message in messages]
        if way != "dropped":
            kept.extend(operations)
        if way == "gathered":
            tasks.append(asyncio.create_task(gather(operations)))
            await asyncio.sleep(0)

    async def go_on() -> None:
        fresh = [crowded.digest("sha256", message) for message in messages[:1000]]
        assert await asyncio.wait_for(asyncio.gather(*fresh), 10) == expected[:1000]

    run(leave())
    assert all(task.done() for task in tasks)
    run(go_on())
    for operation, digest in zip(kept, expected if kept else [], strict=True):
        if way == "held":
            assert operation.wait(10) == digest
        else:
            assert operation.done()
            assert operation.cancelled() or operation.result() == digest
    assert settle(crowded) == 0
    assert_let_go(messages)


def test_what_a_loop_left_on_a_busy_device_is_let_go(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    """None of them had run when their loop ended."""
    messages = sources(200)

    async def leave() -> None:
        for message in messages:
            gated.digest("sha256", message)

    async def go_on() -> None:
        operation = gated.digest("sha256", b"next", priority=LAST)
        gate.open()
        assert await asyncio.wait_for(operation, 10) == hashlib.sha256(b"next").digest()

    run(leave())
    assert gated.lingering() == MANY
    run(go_on())
    assert settle(gated) == 0
    assert_let_go(messages)


# ---- Closing the layer


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["half of them are done", "half of them come later"])
def test_closing_under_eight_threads_ends_each_wait(crowded: acrypto.Layer, moment: str) -> None:
    """Each wait gives its own result or ClosedError; what comes after the closing is refused with the same error."""
    messages = sources(2000)
    expected = right(messages)
    first_half: list[acrypto.Operation] = []
    ready = threading.Barrier(THREADS + 1)

    def work(first: int) -> Counter[str]:
        mine = range(first, MANY, THREADS)
        before = len(mine) if moment == "half of them are done" else len(mine) // 2
        operations = [(number, crowded.digest("sha256", messages[number])) for number in mine[:before]]
        first_half.extend(operation for number, operation in operations if number < MANY // 2)
        ready.wait(10)
        with contextlib.suppress(acrypto.ClosedError):
            for number in mine[before:]:
                operations.append((number, crowded.digest("sha256", messages[number])))
        ended = Counter({"refused": len(mine) - len(operations)})
        for number, operation in operations:
            try:
                assert operation.wait(10) == expected[number]
                ended["done"] += 1
            except acrypto.ClosedError:
                ended["closed"] += 1
        return ended

    with ThreadPoolExecutor(THREADS) as threads:
        futures = [threads.submit(work, first) for first in range(THREADS)]
        ready.wait(10)
        if moment == "half of them are done":
            first_half[-1].wait(10)
        crowded.close()
        ended = sum((future.result(20) for future in futures), Counter())
    assert ended.total() == MANY
    assert crowded.lingering() == 0
    assert_let_go(messages)


def test_closing_a_busy_device_under_eight_threads(gate: Gate) -> None:
    """What the engine holds is finished; all the rest fails with ClosedError while the engine is still at it."""
    layer = acrypto.open([gate])
    messages = sources(200)
    expected = right(messages)
    submitted = threading.Barrier(THREADS + 1)

    def work(first: int) -> Counter[str]:
        mine = range(first, MANY, THREADS)
        operations = [(number, layer.digest("sha256", messages[number])) for number in mine]
        submitted.wait(10)
        ended: Counter[str] = Counter()
        for number, operation in operations:
            try:
                assert operation.wait(10) == expected[number]
                ended["done"] += 1
            except acrypto.ClosedError:
                ended["closed"] += 1
                gate.open()
        return ended

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            futures = [threads.submit(work, first) for first in range(THREADS)]
            assert gate.arrived.wait(10)
            submitted.wait(10)
            assert layer.lingering() == MANY
            layer.close()
            ended = sum((future.result(20) for future in futures), Counter())
    finally:
        gate.open()
        layer.close()
    assert ended.total() == MANY
    assert 0 < ended["done"] == len(gate.order)
    assert layer.lingering() == 0
    assert_let_go(messages)


# ---- Forgetting


@pytest.mark.slow
def test_forgetting_in_a_thread(crowded: acrypto.Layer) -> None:
    messages = sources(2000)
    for message in messages:
        crowded.digest("sha256", message)
    assert settle(crowded) == 0
    assert_let_go(messages)


@pytest.mark.slow
def test_forgetting_in_threads_that_end(crowded: acrypto.Layer) -> None:
    """Nobody who knew of them is left when they are done."""
    messages = sources(2000)

    def work(first: int) -> None:
        for message in messages[first::THREADS]:
            crowded.digest("sha256", message)

    threads = [threading.Thread(target=work, args=[first]) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert settle(crowded) == 0
    assert_let_go(messages)


def test_what_is_forgotten_on_a_busy_device_still_runs(gated: acrypto.Layer, gate: Gate) -> None:
    messages = sources(200)
    for message in messages:
        gated.digest("sha256", message)
    gc.collect()
    assert gated.lingering() == MANY
    gate.open()
    assert settle(gated) == 0
    assert set(gate.order) >= {bytes(message) for message in messages}
    assert_let_go(messages)
