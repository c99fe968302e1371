"""Any number of threads and loops share a layer and its transforms, whatever they do at random."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import random
import threading
from collections.abc import Callable

import pytest
from tests.layer.conftest import Run

import acrypto

THREADS = 16
MESSAGES = [bytes([number]) * (number * 37) for number in range(64)]
DIGESTS = [hashlib.sha256(message).digest() for message in MESSAGES]
#: How an operation may end that somebody cancels, or whose layer somebody closes.
ENDS = (asyncio.CancelledError, acrypto.ClosedError)


def all_at_once(work: Callable[[int], None], number: int = THREADS) -> None:
    """Runs `work(seed)` in many threads that start together; raises what one of them raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(number)

    def guarded(seed: int) -> None:
        try:
            barrier.wait()
            work(seed)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(seed,)) for seed in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def collector_pressure() -> object:
    """Another thread that collects all the time."""
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            gc.collect(0)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("inline_us", [0, 30])
def test_threads_share_a_layer_and_a_transform(inline_us: float) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us)) as layer, collector_pressure():
        transform = layer.transform("sha256")

        def work(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(60):
                at = [dice.randrange(len(MESSAGES)) for _ in range(8)]
                operations = [transform.digest(MESSAGES[number], priority=dice.randrange(3)) for number in at]
                many = transform.digest_many([MESSAGES[number] for number in at])
                withdrawn = [dice.random() < 0.3 and operation.cancel() for operation in operations]
                for number, operation, gone in zip(at, operations, withdrawn, strict=True):
                    if gone:
                        assert operation.cancelled()
                    else:
                        assert operation.wait(30) == DIGESTS[number]
                assert many.wait(30) == [DIGESTS[number] for number in at]

        all_at_once(work)
        layer.digest("sha256", b"x").wait()
        assert all(device.operations == 0 for device in layer.devices())
    assert layer.lingering() == 0


@pytest.mark.slow
def test_loops_in_several_threads_share_a_layer(run: Run) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=0, queue_operations=20)) as layer, collector_pressure():

        async def main(seed: int) -> None:
            dice = random.Random(seed)
            for _ in range(20):
                at = [dice.randrange(len(MESSAGES)) for _ in range(20)]
                operations = [layer.digest("sha256", MESSAGES[number]) for number in at]
                withdrawn = [dice.random() < 0.2 and operation.cancel() for operation in operations]
                for number, operation, gone in zip(at, operations, withdrawn, strict=True):
                    if gone:
                        with pytest.raises(asyncio.CancelledError):
                            await operation
                    else:
                        assert await operation == DIGESTS[number]

        all_at_once(lambda seed: run(main(seed)), 6)
    assert layer.lingering() == 0


@pytest.mark.slow
def test_one_thread_cancels_what_another_threads_loop_awaits(run: Run) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
        current: list[acrypto.Operation] = []
        stop = threading.Event()

        def cancel() -> None:
            dice = random.Random(1)
            while not stop.is_set():
                for operation in list(current):
                    if dice.random() < 0.5:
                        operation.cancel()

        async def one(operation: acrypto.Operation, right: bytes) -> None:
            try:
                assert await operation == right
            except asyncio.CancelledError:
                assert operation.cancelled()

        async def main() -> None:
            for _ in range(40):
                current[:] = [layer.digest("sha256", message) for message in MESSAGES]
                ended = await asyncio.gather(
                    *(asyncio.create_task(one(*pair)) for pair in zip(current, DIGESTS, strict=True))
                )
                assert ended == [None] * len(MESSAGES)

        thread = threading.Thread(target=cancel)
        thread.start()
        try:
            run(main())
        finally:
            stop.set()
            thread.join()
    assert layer.lingering() == 0


@pytest.mark.slow
def test_closing_at_any_moment_under_sixteen_threads() -> None:
    """Whoever submits gets a result, a cancellation or ClosedError; nothing else, and nobody hangs."""
    for _ in range(10):
        layer = acrypto.open(settings=acrypto.Settings(inline_us=0, queue_operations=50))
        close_at_any_moment(layer)
        assert layer.lingering() == 0


def close_at_any_moment(layer: acrypto.Layer) -> None:
    transform = layer.transform("sha256")
    busy = threading.Event()

    def work(seed: int) -> None:
        if seed < 2:
            busy.wait()
            layer.close()
            return
        dice = random.Random(seed)
        with contextlib.suppress(acrypto.ClosedError):
            while True:
                at = dice.randrange(len(MESSAGES))
                operation = transform.digest(MESSAGES[at])
                if dice.random() < 0.2:
                    operation.cancel()
                with contextlib.suppress(*ENDS):
                    assert operation.wait(30) == DIGESTS[at]
                if at == seed:
                    busy.set()

    all_at_once(work)


@pytest.mark.slow
def test_loops_are_closed_and_opened_while_others_work(run: Run) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:

        async def main() -> None:
            left = [layer.digest("sha256", message) for message in MESSAGES]  # many of them left behind
            assert await left[5] == DIGESTS[5]

        def work(seed: int) -> None:
            for _ in range(15):
                run(main())

        all_at_once(work, 4)
        for operation in [layer.digest("sha256", message) for message in MESSAGES]:
            operation.wait(10)
    assert layer.lingering() == 0


@pytest.mark.slow
def test_a_shared_buffer_is_read_by_many_threads_at_once(queued: acrypto.Layer) -> None:
    packed = queued.compress("gzip", b"shared" * 10_000).wait(10)

    def work(seed: int) -> None:
        for _ in range(20):
            assert queued.decompress("gzip", packed).wait(30) == b"shared" * 10_000
            assert packed == packed.tobytes()
            assert hash(packed) == hash(bytes(packed))

    all_at_once(work, 8)
