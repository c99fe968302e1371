"""Borrowed memory, cancelled and forgotten operations, and how layers and loops end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import random
import resource
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from tests.layer.conftest import Run

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.testing.gate import Gate

MANY = 10_000


def settle(layer: acrypto.Layer, most_s: float = 10) -> int:
    """What lingers once the workers have had their time."""
    end = time.monotonic() + most_s
    while layer.lingering() and time.monotonic() < end:
        layer.digest("sha256", b"x").wait(10)
    return layer.lingering()


async def until(condition: Callable[[], object], most_s: float = 10) -> bool:
    """Lets the loop turn until it holds."""
    end = time.monotonic() + most_s
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - it happens outside the loop and has no event
        await asyncio.sleep(0)
    return bool(condition())


async def asettle(layer: acrypto.Layer) -> int:
    await until(lambda: not layer.lingering())
    return layer.lingering()


# ---- Borrowed memory


def test_a_source_is_pinned_exactly_while_it_is_in_flight(gated: acrypto.Layer, gate: Gate) -> None:
    source = bytearray(b"source")
    operation = gated.digest("sha256", source)
    with pytest.raises(BufferError):
        source.append(1)
    gate.open()
    assert operation.wait(10) == hashlib.sha256(b"source").digest()
    source.append(1)


def test_after_an_await_nothing_is_pinned(run: Run, queued: acrypto.Layer) -> None:
    """Whether the task had to wait or found the operation done."""

    async def main() -> None:
        for must_be_done in (False, True):
            source, into = bytearray(100), bytearray(200)
            operation = queued.digest("sha256", [source, b"x", memoryview(source)], into=into)
            while must_be_done and not operation.done():
                pass
            assert await operation == 32
            source.append(1)
            into.append(1)

    run(main())


def test_after_a_wait_nothing_is_pinned(queued: acrypto.Layer) -> None:
    for _ in range(2000):
        source = bytearray(100)
        queued.digest("sha256", source).wait(10)
        source.append(1)


def test_after_polling_nothing_is_pinned(queued: acrypto.Layer) -> None:
    source = bytearray(100)
    operation = queued.digest("sha256", source)
    while not operation.done():
        pass
    operation.result()
    source.append(1)
    assert queued.lingering() == 0


def test_a_cancelled_one_lingers_until_its_engine_lets_go(gated: acrypto.Layer, gate: Gate) -> None:
    source = bytearray(b"source")
    operation = gated.digest("sha256", source)
    assert gate.arrived.wait(10)
    operation.cancel()
    with pytest.raises(BufferError):
        source.append(1)
    assert gated.lingering() == 1
    gate.open()
    gated.digest("sha256", b"another").wait(10)
    assert settle(gated) == 0
    source.append(1)


def test_a_source_that_is_forgotten_lives_as_long_as_it_is_read(gated: acrypto.Layer, gate: Gate) -> None:
    operation = gated.digest("sha256", bytearray(b"forgotten" * 1000))
    gc.collect()
    gate.open()
    assert operation.wait(10) == hashlib.sha256(b"forgotten" * 1000).digest()


@pytest.mark.parametrize("inline_us", [0, 1e9])
def test_references_are_given_back(inline_us: float) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us)) as layer:
        aead = layer.transform("gcm(aes)", key=bytes(16))
        source, ad, into = b"s" * 1000, b"a" * 100, bytearray(1100)
        nonce = bytes(12)
        objects = (source, ad, into, nonce)
        before = [sys.getrefcount(known) for known in objects]
        for _ in range(100):
            aead.encrypt(nonce, source, ad, into=into).wait(10)
            aead.encrypt(nonce, [source, ad], ad).wait(10)
            aead.encrypt_many([nonce] * 3, [source] * 3, [ad] * 3).wait(10)
            with pytest.raises(acrypto.AuthenticationError):
                aead.decrypt(nonce, source, ad).wait(10)
            with pytest.raises(acrypto.NoEngine):
                aead.encrypt(nonce, source, ad, device="none")
            with pytest.raises(TypeError):
                aead.encrypt(nonce, [source, None])
        settle(layer)
        assert [sys.getrefcount(known) for known in objects] == before


def test_into_may_not_overlap_what_is_read(queued: acrypto.Layer) -> None:
    aead = queued.transform("gcm(aes)", key=bytes(16))
    memory = bytearray(100)
    view = memoryview(memory)
    for source, ad in ((view[:50], b""), ([b"x", view[90:]], b""), (b"x", view[:50]), (b"x", [b"y", view[99:]])):
        with pytest.raises(BufferError, match="overlap"):
            aead.encrypt(bytes(12), source, ad, into=memory)
    assert not any(memory)


# ---- Cancelling and dropping


@pytest.mark.slow
def test_cancelling_at_any_moment_settles_once(run: Run, queued: acrypto.Layer) -> None:
    """Ten thousand operations, cancelled while queued, while running and when done: result or cancelled, never both."""
    dice = random.Random(1)
    source = bytearray(3000)
    right = hashlib.sha256(source).digest()

    async def main() -> None:
        ended = 0
        while ended < MANY:
            operations = [queued.digest("sha256", source) for _ in range(100)]
            withdrawn = set()
            for operation in dice.sample(operations, 60):
                if dice.random() < 0.3:
                    await asyncio.sleep(0)
                if operation.cancel():
                    withdrawn.add(operation)
            for operation in operations:
                if operation in withdrawn:
                    assert operation.cancelled()
                    with pytest.raises(asyncio.CancelledError):
                        await operation
                else:
                    assert await operation == right
            ended += len(operations)
        assert await asettle(queued) == 0

    run(main())
    source.append(1)
    assert all((device.operations, device.bytes) == (0, 0) for device in queued.devices())


@pytest.mark.slow
def test_dropping_without_awaiting_leaves_nothing(run: Run, queued: acrypto.Layer) -> None:
    source = bytearray(300)

    async def main() -> None:
        for _ in range(MANY):
            queued.digest("sha256", source)
        assert await asettle(queued) == 0

    run(main())
    source.append(1)


def test_dropping_in_a_thread_leaves_nothing(queued: acrypto.Layer) -> None:
    source = bytearray(300)
    for _ in range(2000):
        queued.digest("sha256", source)
    assert settle(queued) == 0
    source.append(1)


def test_an_operation_that_nobody_holds_still_runs(gated: acrypto.Layer, gate: Gate) -> None:
    gated.digest("sha256", b"nobody's")
    gc.collect()
    gate.open()
    gated.digest("sha256", b"last").wait(10)
    assert b"nobody's" in gate.order


@pytest.mark.slow
def test_memory_does_not_grow_over_many_rounds(run: Run, queued: acrypto.Layer) -> None:
    source = bytes(20_000)

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    async def main() -> None:
        async def round_of_work() -> None:
            operations = [queued.compress("gzip", source) for _ in range(40)]
            failing = [queued.decompress("gzip", source) for _ in range(10)]
            for operation in operations[::4]:
                operation.cancel()
            await asyncio.wait([*operations, *failing])

        for _ in range(20):
            await round_of_work()
        gc.collect()
        before = resident()
        for _ in range(100):
            await round_of_work()
        gc.collect()
        # 5000 operations that leaked but their handle would be more than this.
        assert resident() - before < 8 << 20

    run(main())


# ---- Closing the layer


@pytest.mark.slow
def test_closing_with_ten_thousand_in_flight_settles_each(run: Run) -> None:
    source = bytearray(2000)

    async def main() -> None:
        layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
        operations = [layer.digest("sha256", source) for _ in range(MANY)]
        results = asyncio.gather(*operations, return_exceptions=True)
        await layer.aclose()
        kinds = {type(result) for result in await results}
        assert kinds <= {bytes, acrypto.ClosedError}
        assert layer.lingering() == 0

    run(main())
    source.append(1)


def test_closing_in_a_thread_settles_what_is_waited_for(gate: Gate) -> None:
    layer = acrypto.open([gate])
    held = layer.digest("sha256", b"held")
    assert gate.arrived.wait(10)
    operations = [layer.digest("sha256", b"x") for _ in range(20)]
    closer = threading.Thread(target=layer.close)
    closer.start()
    for operation in operations:
        with pytest.raises(acrypto.ClosedError):
            operation.wait(10)
    gate.open()
    closer.join(10)
    assert not closer.is_alive()
    assert held.wait(0) == hashlib.sha256(b"held").digest()
    assert layer.lingering() == 0


@pytest.mark.parametrize("debug", [False, True])
def test_closing_from_another_thread_wakes_the_loop(run: Run, gate: Gate, debug: bool) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(debug)
        layer = acrypto.open([gate])
        first = layer.digest("sha256", b"first")
        await asyncio.to_thread(gate.arrived.wait)
        second = layer.digest("sha256", b"second")
        closer = threading.Thread(target=layer.close)
        closer.start()
        with pytest.raises(acrypto.ClosedError):
            await second
        gate.open()
        assert await first == hashlib.sha256(b"first").digest()
        closer.join()

    run(main())


def test_a_second_closer_waits_for_the_first(run: Run) -> None:
    """Otherwise it takes the rings away under operations that still run, and nobody is ever told of them."""

    async def main() -> None:
        layer = acrypto.open([Faulty(Fault("delay", seconds=0.1, times=1))], settings=acrypto.Settings(workers=1))
        operation = layer.digest("sha256", b"x")
        assert await until(lambda: not layer.devices()[0].queued)
        closer = threading.Thread(target=layer.close)
        closer.start()
        assert await until(lambda: not layer.is_open)
        layer.close()
        assert await asyncio.wait_for(operation, 10) == hashlib.sha256(b"x").digest()
        closer.join()
        assert layer.lingering() == 0

    run(main())


def test_closing_that_is_cancelled_can_be_repeated(run: Run) -> None:
    async def main() -> None:
        layer = acrypto.open([Faulty(Fault("delay", seconds=0.1, times=1))], settings=acrypto.Settings(workers=1))
        operation = layer.digest("sha256", b"x")
        assert await until(lambda: not layer.devices()[0].queued)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(layer.aclose(), 0.01)
        await layer.aclose()
        assert await asyncio.wait_for(operation, 10) == hashlib.sha256(b"x").digest()
        assert layer.lingering() == 0

    run(main())


def test_a_closed_layer_refuses_everything_the_same_way() -> None:
    layer = acrypto.open()
    transform = layer.transform("sha256")
    layer.close()
    layer.close()
    assert not layer.is_open
    assert repr(layer) == "<Layer: closed>"
    for call in (
        lambda: layer.digest("sha256", b"x"),
        lambda: layer.transform("sha256"),
        lambda: layer.random(1),
        lambda: layer.explain("sha256", nbytes=1),
        lambda: transform.digest(b"x"),
        lambda: transform.try_digest(b"x"),
        lambda: transform.digest_many([b"x"]),
    ):
        with pytest.raises(acrypto.ClosedError):
            call()
    assert {device.state for device in layer.devices()} == {"closed"}


def test_a_loops_readers_are_taken_away_with_the_layer(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
            await layer.digest("sha256", b"x")
            known = weakref.ref(layer)
        del layer
        gc.collect()
        assert known() is None
        assert loop.is_running()

    run(main())


def test_submitting_while_another_thread_closes_does_not_deadlock(script) -> None:
    """The closer runs a loop's Python code; a thread that submits at that moment must not be waiting for it."""
    program = """
import acrypto, asyncio, threading
inside, removing, passed = threading.Event(), threading.Event(), threading.Event()
layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
class Loop(asyncio.SelectorEventLoop):
    def remove_reader(self, fd):
        removing.set()
        passed.wait(1)
        return super().remove_reader(fd)
def other():
    async def main():
        def messages():
            inside.set()
            removing.wait()
            yield bytes(100)
        try:
            await layer.transform("sha256").digest_many(messages())
        except acrypto.ClosedError:
            pass
        passed.set()
    asyncio.run(main())
async def main():
    await layer.digest("sha256", b"x")
    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    layer.close()
    thread.join()
loop = Loop()
loop.run_until_complete(main())
loop.close()
"""
    script(program)


def test_an_unclosed_layer_warns_and_closes_itself() -> None:
    layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
    native = layer._native
    operation = layer.digest("sha256", bytes(100_000))
    with pytest.warns(ResourceWarning, match="unclosed <Layer"):
        del layer
    assert not native.is_open
    with contextlib.suppress(acrypto.ClosedError):
        operation.wait(1)
    assert operation.done()


def test_a_transform_may_outlive_its_layer() -> None:
    with acrypto.open() as layer:
        transform = layer.transform("gcm(aes)", key=bytes(16))
    del layer
    gc.collect()
    with pytest.raises(acrypto.ClosedError):
        transform.encrypt(bytes(12), b"x")
    assert transform.algorithm == "gcm(aes)"


def test_a_result_may_outlive_its_layer() -> None:
    with acrypto.open() as layer:
        packed = layer.compress("gzip", b"x" * 10_000).wait(10)
    del layer
    gc.collect()
    assert acrypto.decompress("gzip", packed) == b"x" * 10_000


def test_opening_and_closing_many_layers_leaves_no_descriptor_and_no_thread() -> None:
    import os

    def number() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    async def work() -> None:
        async with acrypto.open(["software", "faulty", Gate()], settings=acrypto.Settings(inline_us=0)) as layer:
            await layer.digest("sha256", b"x")

    asyncio.run(work())
    before = number()
    for _ in range(20):
        asyncio.run(work())
    gc.collect()
    assert all(now <= then for now, then in zip(number(), before, strict=True))


# ---- Closing the loop


def test_a_layer_goes_on_in_a_new_loop(run: Run, queued: acrypto.Layer) -> None:
    """The first loop is closed with operations in flight; they are let go, and the next loop is served."""
    source = bytearray(50_000)

    async def leave() -> list[acrypto.Operation]:
        return [queued.digest("sha256", source) for _ in range(200)]

    async def go_on() -> None:
        assert await queued.digest("sha256", b"x") == hashlib.sha256(b"x").digest()

    for _ in range(3):
        left = run(leave())
        run(go_on())
        assert {operation.wait(10) for operation in left} == {hashlib.sha256(source).digest()}
    run(go_on())
    assert settle(queued) == 0
    source.append(1)


def test_a_layer_closed_after_its_loop_lets_everything_go(run: Run) -> None:
    source = bytearray(50_000)
    layer = acrypto.open(settings=acrypto.Settings(inline_us=0))

    async def leave() -> None:
        for _ in range(100):
            layer.digest("sha256", source)

    run(leave())
    layer.close()
    assert layer.lingering() == 0
    source.append(1)
