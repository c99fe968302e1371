"""An operation is what asyncio takes for a future, and what a thread can wait for."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import hashlib
import threading
import weakref

import pytest
from tests.layer.conftest import Run

import acrypto
from acrypto.testing.gate import Gate

DATA = b"the quick brown fox" * 10
RIGHT = hashlib.sha256(DATA).digest()


async def turns(number: int = 5) -> None:
    """Lets the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


# ---- Awaiting


def test_await_gives_the_result(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        assert await queued.digest("sha256", DATA) == RIGHT

    run(main())


def test_it_may_be_awaited_twice(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        operation = queued.digest("sha256", DATA)
        assert await operation == RIGHT
        assert await operation == RIGHT

    run(main())


def test_two_tasks_may_await_one(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    async def main() -> None:
        operation = gated.digest("sha256", DATA)

        async def wait() -> bytes:
            return await operation

        tasks = [asyncio.create_task(wait()) for _ in range(2)]
        await turns()
        gate.open()
        assert await asyncio.gather(*tasks) == [RIGHT, RIGHT]

    run(main())


def test_gather_keeps_the_order(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        messages = [bytes([number]) * 100 for number in range(50)]
        digests = await asyncio.gather(*(queued.digest("sha256", message) for message in messages))
        assert digests == [hashlib.sha256(message).digest() for message in messages]

    run(main())


def test_gather_hands_out_exceptions(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        good, bad = await asyncio.gather(
            queued.digest("sha256", DATA), queued.decompress("gzip", b"no gzip"), return_exceptions=True
        )
        assert good == RIGHT
        assert isinstance(bad, acrypto.CorruptInput)

    run(main())


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_gather_with_a_cancelled_one_ends(run: Run, gated: acrypto.Layer, gate: Gate, return_exceptions: bool) -> None:
    async def main() -> None:
        operations = [gated.digest("sha256", DATA) for _ in range(3)]
        operations[1].cancel("because")
        gate.open()
        gathered = asyncio.gather(*operations, return_exceptions=return_exceptions)
        await asyncio.wait([gathered], timeout=10)
        if return_exceptions:
            first, second, third = gathered.result()
            assert (first, type(second), third) == (RIGHT, asyncio.CancelledError, RIGHT)
        else:
            with pytest.raises(asyncio.CancelledError):
                gathered.result()

    run(main())


def test_a_gather_that_is_cancelled_cancels_all(run: Run, gated: acrypto.Layer) -> None:
    async def main() -> None:
        operations = [gated.digest("sha256", DATA) for _ in range(3)]
        gathered = asyncio.gather(*operations)
        await turns()
        gathered.cancel()
        await asyncio.wait([gathered], timeout=10)
        with pytest.raises(asyncio.CancelledError):
            gathered.result()
        assert all(operation.cancelled() for operation in operations)

    run(main())


def test_a_loop_may_run_until_one_is_complete(gated: acrypto.Layer, gate: Gate) -> None:
    async def submit() -> acrypto.Operation:
        return gated.digest("sha256", DATA)

    with asyncio.Runner() as runner:
        operation = runner.run(submit())
        gate.open()
        assert runner.get_loop().run_until_complete(operation) == RIGHT


def test_asyncio_wait_and_as_completed_take_it(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        operations = [queued.digest("sha256", DATA) for _ in range(9)]
        done, pending = await asyncio.wait(operations, timeout=10)
        assert done == set(operations)
        assert not pending
        for next_one in asyncio.as_completed([queued.digest("sha256", DATA) for _ in range(9)]):
            assert await next_one == RIGHT

    run(main())


def test_wait_returns_at_the_first_that_ends(run: Run, gated: acrypto.Layer, gate: Gate, queued: acrypto.Layer) -> None:
    async def main() -> None:
        held, free = gated.digest("sha256", DATA), queued.digest("sha256", DATA)
        done, pending = await asyncio.wait([held, free], return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({free}, {held})
        gate.open()
        assert await held == RIGHT

    run(main())


def test_wait_for_in_time_gives_the_result(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        assert await asyncio.wait_for(queued.digest("sha256", DATA), 10) == RIGHT

    run(main())


def test_wait_for_cancels_what_is_late(run: Run, gated: acrypto.Layer) -> None:
    async def main() -> None:
        operation = gated.digest("sha256", DATA)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(operation, 0.01)
        assert operation.cancelled()

    run(main())


def test_timeout_cancels_what_is_late(run: Run, gated: acrypto.Layer) -> None:
    async def main() -> None:
        operation = gated.digest("sha256", DATA)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await operation
        assert operation.cancelled()

    run(main())


def test_shield_keeps_it_running(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    async def main() -> None:
        operation = gated.digest("sha256", DATA)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(operation), 0.01)
        assert not operation.done()
        gate.open()
        assert await operation == RIGHT

    run(main())


def test_a_cancelled_task_cancels_what_it_awaits(run: Run, gated: acrypto.Layer) -> None:
    async def main() -> None:
        operation = gated.digest("sha256", DATA)

        async def wait() -> bytes:
            return await operation

        task = asyncio.create_task(wait())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert operation.cancelled()

    run(main())


def test_a_task_group_takes_coroutines_around_it(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        async def one() -> bytes:
            return await queued.digest("sha256", DATA)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(20)]
        assert {task.result() for task in tasks} == {RIGHT}

    run(main())


def test_context_variables_survive_the_await(run: Run, queued: acrypto.Layer) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def main() -> None:
        async def one(number: int) -> None:
            variable.set(number)
            await queued.digest("sha256", DATA)
            assert variable.get() == number

        await asyncio.gather(*(one(number) for number in range(20)))

    run(main())


def test_another_loop_may_not_await_it(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    async def submit() -> acrypto.Operation:
        return gated.digest("sha256", DATA)

    async def wait(operation: acrypto.Operation) -> None:
        with pytest.raises(RuntimeError, match="loop"):
            await operation

    loop = asyncio.new_event_loop()
    try:
        operation = loop.run_until_complete(submit())
        run(wait(operation))
        gate.open()
        assert operation.wait(10) == RIGHT
    finally:
        loop.close()


def test_what_was_submitted_outside_a_loop_is_waited_for_not_awaited(
    run: Run, gated: acrypto.Layer, gate: Gate
) -> None:
    operation = gated.digest("sha256", DATA)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="outside an event loop"):
            await operation
        with pytest.raises(RuntimeError, match="outside an event loop"):
            operation.add_done_callback(print)
        with pytest.raises(RuntimeError, match="outside an event loop"):
            operation.get_loop()

    run(main())
    gate.open()
    assert operation.wait(10) == RIGHT


# ---- Asking


def test_a_pending_one_has_no_outcome_yet(gated: acrypto.Layer, gate: Gate) -> None:
    operation = gated.digest("sha256", DATA)
    assert not operation.done()
    assert not operation.cancelled()
    assert operation.completion is None
    assert "pending" in repr(operation)
    for ask in (operation.result, operation.exception):
        with pytest.raises(RuntimeError, match="not done"):
            ask()
    with pytest.raises(TimeoutError):
        operation.wait(0.001)
    assert not operation.done()
    gate.open()
    assert operation.wait(10) == RIGHT


def test_a_done_one_tells_its_result(queued: acrypto.Layer) -> None:
    operation = queued.digest("sha256", DATA)
    operation.wait(10)
    assert (operation.done(), operation.cancelled(), operation.exception()) == (True, False, None)
    assert operation.result() == operation.wait(0) == RIGHT
    assert not operation.cancel()
    assert "done" in repr(operation)


def test_a_failed_one_tells_its_error(queued: acrypto.Layer) -> None:
    operation = queued.decompress("gzip", b"no gzip")
    with pytest.raises(acrypto.CorruptInput):
        operation.wait(10)
    assert isinstance(operation.exception(), acrypto.CorruptInput)
    assert not operation.cancel()
    with pytest.raises(acrypto.CorruptInput):
        operation.result()
    assert "failed" in repr(operation)


def test_a_cancelled_one_tells_so(gated: acrypto.Layer) -> None:
    operation = gated.digest("sha256", DATA)
    assert operation.cancel("with a message")
    assert not operation.cancel()
    assert operation.done()
    assert operation.cancelled()
    assert "cancelled" in repr(operation)
    for ask in (operation.result, operation.exception, operation.wait):
        with pytest.raises(asyncio.CancelledError):
            ask()


def test_a_completion_tells_how_it_was_run(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        operation = queued.compress("gzip", DATA * 100)
        packed = await operation
        completion = operation.completion
        assert completion is not None
        assert completion.device == "software0"
        assert completion.driver.startswith("gzip")
        assert (completion.lane, completion.reason, completion.attempts) == ("queued", "highest priority", 1)
        assert (completion.bytes_in, completion.bytes_out) == (len(DATA) * 100, len(packed))
        assert completion.queue_ns > 0
        assert completion.run_ns > 0
        assert "software0" in repr(completion)

    run(main())


def test_a_bound_operation_says_who_bound_it(queued: acrypto.Layer) -> None:
    operation = queued.digest("sha256", DATA, device="software0")
    operation.wait(10)
    assert operation.completion is not None
    assert operation.completion.reason == "bound by the caller"


# ---- Callbacks


def test_callbacks_run_in_the_loop_in_order(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    async def main() -> None:
        seen: list[object] = []
        operation = gated.digest("sha256", DATA)
        assert operation.get_loop() is asyncio.get_running_loop()
        operation.add_done_callback(lambda ended: seen.append((1, ended, threading.get_ident())))
        operation.add_done_callback(lambda ended: seen.append((2, ended, threading.get_ident())))
        gate.open()
        await operation
        await turns()
        here = threading.get_ident()
        assert seen == [(1, operation, here), (2, operation, here)]

    run(main())


def test_a_callback_on_a_done_one_runs_soon_but_not_at_once(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        seen: list[object] = []
        operation = queued.digest("sha256", DATA)
        await operation
        operation.add_done_callback(seen.append)
        assert seen == []
        await turns()
        assert seen == [operation]

    run(main())


def test_a_callback_runs_in_its_context(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def main() -> None:
        context = contextvars.copy_context()
        context.run(variable.set, "mine")
        seen: list[str] = []
        operation = gated.digest("sha256", DATA)
        operation.add_done_callback(lambda _: seen.append(variable.get()), context=context)
        gate.open()
        await operation
        await turns()
        assert seen == ["mine"]

    run(main())


def test_a_removed_callback_does_not_run(run: Run, gated: acrypto.Layer, gate: Gate) -> None:
    async def main() -> None:
        gone: list[object] = []
        kept: list[object] = []
        operation = gated.digest("sha256", DATA)
        for callback in (gone.append, kept.append, gone.append):
            operation.add_done_callback(callback)
        assert operation.remove_done_callback(gone.append) == 2
        assert operation.remove_done_callback(print) == 0
        gate.open()
        await operation
        await turns()
        assert (gone, kept) == ([], [operation])

    run(main())


def test_callbacks_run_when_it_is_cancelled(run: Run, gated: acrypto.Layer) -> None:
    async def main() -> None:
        seen: list[object] = []
        operation = gated.digest("sha256", DATA)
        operation.add_done_callback(seen.append)
        operation.cancel()
        await turns()
        assert seen == [operation]

    run(main())


def test_a_failing_callback_goes_to_the_loops_handler(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        told: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        operation = queued.digest("sha256", DATA)
        operation.add_done_callback(lambda _: 1 // 0)
        await operation
        await turns()
        assert [type(context["exception"]) for context in told] == [ZeroDivisionError]

    run(main())


# ---- From other threads


@pytest.mark.parametrize("debug", [False, True])
def test_another_thread_may_cancel_and_the_task_learns_at_once(
    run: Run, gated: acrypto.Layer, gate: Gate, debug: bool
) -> None:
    """Not only when the engine lets go: the gate is still shut when the task has ended."""

    async def main() -> None:
        asyncio.get_running_loop().set_debug(debug)
        operation = gated.digest("sha256", DATA)

        async def wait() -> None:
            with pytest.raises(asyncio.CancelledError):
                await operation

        task = asyncio.create_task(wait())
        await turns()
        await asyncio.to_thread(gate.arrived.wait)
        thread = threading.Thread(target=operation.cancel)
        thread.start()
        # No timer of ours may wake the loop before the cancellation does.
        await asyncio.wait([task], timeout=10)
        assert task.done()
        assert gated.lingering() == 1
        thread.join()

    run(main())


def test_a_thread_may_wait_for_what_a_loop_submitted(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> None:
        operation = queued.digest("sha256", DATA)
        assert await asyncio.to_thread(operation.wait, 10) == RIGHT
        assert await operation == RIGHT

    run(main())


def test_many_threads_may_wait_for_one(gated: acrypto.Layer, gate: Gate) -> None:
    operation = gated.digest("sha256", DATA)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(operation.wait(10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.open()
    for thread in threads:
        thread.join()
    assert results == [RIGHT] * 8


# ---- Memory


def test_a_failed_one_in_a_local_variable_is_collected(run: Run, queued: acrypto.Layer) -> None:
    """Operation, error, traceback, frame and operation again: a circle that the collector must be able to open."""

    async def main() -> list[weakref.ref[acrypto.Operation]]:
        known = []

        async def fail() -> None:
            operation = queued.decompress("gzip", b"no gzip")
            known.append(weakref.ref(operation))
            with pytest.raises(acrypto.CorruptInput):
                await operation

        for _ in range(5):
            await fail()
        await turns()
        return known

    known = run(main())
    gc.collect()
    assert [reference() for reference in known] == [None] * 5


def test_a_callback_that_knows_its_operation_is_collected(run: Run, queued: acrypto.Layer) -> None:
    async def main() -> weakref.ref[acrypto.Operation]:
        operation = queued.digest("sha256", DATA)
        operation.add_done_callback(lambda _: operation.done())
        await operation
        await turns()
        return weakref.ref(operation)

    known = run(main())
    gc.collect()
    assert known() is None


def test_looking_at_it_from_the_collector_does_not_deadlock(script) -> None:
    """Whatever the collector runs while an outcome is handed out may ask the same operation."""
    script("""
import acrypto, asyncio, gc
from acrypto.testing.gate import Gate
gate = Gate()
layer = acrypto.open([gate])
operation = layer.digest("sha256", b"x")
operation.cancel()
gc.callbacks.append(lambda *_: operation.done())
gc.set_threshold(1)
for ask in (operation.result, operation.exception, operation.wait):
    try:
        ask()
    except asyncio.CancelledError:
        pass
gc.callbacks.clear()
gate.open()
layer.close()
""")


def test_asking_from_another_thread_never_wakes_a_task_too_early(run: Run, queued: acrypto.Layer) -> None:
    """A thread that polls takes results out of the core's hands while the loop hands them out."""
    current: list[acrypto.Operation] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            for operation in list(current):
                operation.done()

    async def main() -> None:
        for _ in range(20):
            current[:] = [queued.decompress("gzip", b"no gzip") for _ in range(20)]
            for ended in await asyncio.gather(*current, return_exceptions=True):
                assert isinstance(ended, acrypto.CorruptInput)

    threads = [threading.Thread(target=poll) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        run(main())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
