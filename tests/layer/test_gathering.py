"""Short operations that wait for company: the same results, told the same way, and nobody waits for ever."""

import asyncio
import hashlib
import threading

import pytest
from tests.registry.twins import Twin

import acrypto
from acrypto.engines.multibuffer import Multibuffer
from acrypto.model.offers import Limits, Offer

if absent := Multibuffer().probe():
    pytest.skip(f"multibuffer: {absent.reason}", allow_module_level=True)

MESSAGES = [bytes([n]) * (1000 + n) for n in range(64)]
DIGESTS = [hashlib.sha256(message).digest() for message in MESSAGES]


@pytest.fixture
def layer():
    """Of lanes alone: where there is a choice, what is measured decides, and no test may depend on that."""
    with acrypto.open(["multibuffer"], settings=acrypto.Settings(remember_costs=False)) as opened:
        yield opened


async def learn(digest: acrypto.Transform) -> None:
    """Until company is expected."""
    for _ in range(10):
        operations = [digest.digest(message) for message in MESSAGES]
        assert [await operation for operation in operations] == DIGESTS
        if all(operation.completion.lane == "batch" for operation in operations):
            return
    raise AssertionError("company was never expected")


def run(layer: acrypto.Layer, body) -> None:
    async def main() -> None:
        digest = layer.transform("sha256")
        await learn(digest)
        await body(digest)

    asyncio.run(main())


def test_who_awaits_many_gets_lanes_without_asking() -> None:
    """Once they are known to be faster than the other device."""

    async def main() -> None:
        settings = acrypto.Settings(remember_costs=False)
        async with acrypto.open(["software", "multibuffer"], settings=settings) as layer:
            digest = layer.transform("sha256")
            for _ in range(5000):
                operations = [digest.digest(message * 4) for message in MESSAGES]
                results = [await operation for operation in operations]
                told = [operation.completion for operation in operations]
                assert {completion.lane for completion in told} <= {"batch", "inline"}
                if all(completion.device == "multibuffer0" for completion in told):
                    assert results == [hashlib.sha256(message * 4).digest() for message in MESSAGES]
                    return
        raise AssertionError("the lanes were never found to be better")

    asyncio.run(main())


def test_gather_wait_and_callbacks_see_them_end(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        assert await asyncio.gather(*(digest.digest(message) for message in MESSAGES)) == DIGESTS
        seen = []
        for message in MESSAGES[:20]:
            digest.digest(message).add_done_callback(lambda operation: seen.append(operation.result()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sorted(seen) == sorted(DIGESTS[:20])

    run(layer, body)


def test_tasks_that_await_one_each_travel_together(layer: acrypto.Layer) -> None:
    """After one in 64 has shown that others come."""

    async def body(_: acrypto.Transform) -> None:
        digest = layer.transform("sha512")
        data = bytes(1_000)
        wanted = hashlib.sha512(data).digest()
        devices = set()

        async def one() -> None:
            operation = digest.digest(data)
            assert await operation == wanted
            devices.add((operation.completion.device, operation.completion.lane))

        for _ in range(3000):
            await asyncio.gather(*(one() for _ in range(32)))
            if ("multibuffer0", "batch") in devices:
                return
        raise AssertionError(devices)

    run(layer, body)


@pytest.mark.parametrize("ask", ["result", "exception", "done", "wait", "completion"])
def test_whoever_asks_gets_an_answer(layer: acrypto.Layer, ask: str) -> None:
    async def body(digest: acrypto.Transform) -> None:
        operation = digest.digest(MESSAGES[0])
        answer = getattr(operation, ask)
        if ask != "completion":
            answer = answer()
        assert operation.result() == DIGESTS[0]
        assert answer in (DIGESTS[0], None, True) or ask == "completion"

    run(layer, body)


def test_another_thread_may_wait_while_the_loop_is_blocked(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        operations = [digest.digest(message) for message in MESSAGES[:10]]
        got = []
        thread = threading.Thread(target=lambda: got.extend(operation.wait(60) for operation in operations))
        thread.start()
        thread.join(60)
        assert got == DIGESTS[:10]

    run(layer, body)


def test_cancelled_ones_are_left_out(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        operations = [digest.digest(message) for message in MESSAGES]
        dropped = [operation.cancel() for operation in operations[::2]]
        assert [await operation for operation in operations[1::2]] == DIGESTS[1::2]
        for was, operation in zip(dropped, operations[::2], strict=True):
            assert operation.cancelled() == was

    run(layer, body)


def test_those_nobody_awaits_are_done_in_the_next_turn_and_let_go(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        data = bytearray(MESSAGES[0])
        operations = [digest.digest(data) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        data.append(0)  # which raises BufferError while it is pinned
        assert all(operation.done() for operation in operations)
        assert layer.pinned()[0] == 0 if hasattr(layer, "pinned") else True

    run(layer, body)


def test_a_loop_that_is_closed_before_its_next_turn_leaves_them_to_whoever_asks(layer: acrypto.Layer) -> None:
    digest = layer.transform("sha256")
    asyncio.run(learn(digest))
    for _ in range(20):
        left = []
        loop = asyncio.new_event_loop()

        def leave(loop: asyncio.AbstractEventLoop = loop, left: list = left) -> None:
            loop.stop()
            left.append(digest.digest(MESSAGES[0]))

        loop.call_soon(leave)
        loop.run_forever()
        loop.close()
        assert left[0].result() == DIGESTS[0]
        del loop, leave

        async def body() -> None:
            ended = asyncio.Event()
            digest.digest(MESSAGES[1]).add_done_callback(lambda _: ended.set())
            await asyncio.wait_for(ended.wait(), 60)

        asyncio.run(body())


def test_a_closing_layer_ends_them(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        operations = [digest.digest(message) for message in MESSAGES[:10]]
        layer.close()
        assert [operation.result() for operation in operations] == DIGESTS[:10]

    run(layer, body)


def test_results_go_where_the_caller_says(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        room = [bytearray(32) for _ in MESSAGES]
        operations = [digest.digest(message, into=into) for message, into in zip(MESSAGES, room, strict=True)]
        assert [await operation for operation in operations] == [32] * 64
        assert room == DIGESTS

    run(layer, body)


def test_a_wrong_tag_fails_its_own_operation_alone(layer: acrypto.Layer) -> None:
    async def main() -> None:
        mac = layer.transform("hmac(sha256)", key=bytes(32))
        tags = [await mac.mac(message) for message in MESSAGES]
        tags[7] = bytes(32)
        for _ in range(50):
            operations = [mac.verify(tag, message) for tag, message in zip(tags, MESSAGES, strict=True)]
            results = [await asyncio.wait([operation]) for operation in operations]
            assert len(results) == 64
            failed = [index for index, operation in enumerate(operations) if operation.exception() is not None]
            assert failed == [7]
            with pytest.raises(acrypto.AuthenticationError):
                operations[7].result()

    asyncio.run(main())


def test_with_no_patience_none_are_put_off() -> None:
    settings = acrypto.Settings(gather_us=0, remember_costs=False)

    async def main() -> None:
        with acrypto.open(["software", "multibuffer"], settings=settings) as layer:
            digest = layer.transform("sha256")
            for _ in range(20):
                operations = [digest.digest(message) for message in MESSAGES[:8]]
                assert all(operation.done() for operation in operations)
                assert all(operation.completion.lane == "inline" for operation in operations)

    asyncio.run(main())


def test_a_loop_that_is_closed_before_its_next_turn_leaves_none_behind(layer: acrypto.Layer) -> None:
    event_loop = asyncio.new_event_loop()
    operations = []

    async def main() -> None:
        digest = layer.transform("sha256")
        await learn(digest)
        event_loop.stop()
        operations.extend(digest.digest(message) for message in MESSAGES[:10])
        await asyncio.Event().wait()

    task = event_loop.create_task(main())
    event_loop.run_forever()
    task.get_coro().close()
    task._log_destroy_pending = False
    assert operations[0].completion is None
    event_loop.close()
    assert all(operation.completion for operation in operations)
    assert [operation.result() for operation in operations] == DIGESTS[:10]


class Eager(asyncio.SelectorEventLoop):
    """Calls at once what it is told to call soon, if it is told so."""

    is_eager = False

    def call_soon(self, callback, *args, context=None):
        if self.is_eager and type(callback).__name__ == "Turn":
            callback()
            return None
        return super().call_soon(callback, *args, context=context)


def test_a_loop_that_calls_at_once_is_told_again_of_the_next(layer: acrypto.Layer) -> None:
    event_loop = Eager()

    async def main() -> None:
        digest = layer.transform("sha256")
        await learn(digest)
        await asyncio.sleep(0)
        event_loop.is_eager = True
        assert digest.digest(MESSAGES[0]).completion
        event_loop.is_eager = False
        operation = digest.digest(MESSAGES[1])
        assert not operation.completion
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert operation.completion

    event_loop.run_until_complete(main())
    event_loop.close()


class Refusing(asyncio.SelectorEventLoop):
    """Refuses a turn if it is told so."""

    refuses = False

    def call_soon(self, callback, *args, context=None):
        if self.refuses and type(callback).__name__ == "Turn":
            raise RuntimeError("refused")
        return super().call_soon(callback, *args, context=context)


def test_a_loop_that_refuses_once_is_asked_again(layer: acrypto.Layer) -> None:
    event_loop = Refusing()

    async def main() -> None:
        digest = layer.transform("sha256")
        await learn(digest)
        await asyncio.sleep(0)
        data = bytearray(MESSAGES[0])
        event_loop.refuses = True
        with pytest.raises(RuntimeError, match="refused") as raised:
            digest.digest(data)
        data.append(0)  # nothing holds it
        event_loop.refuses = False
        operation = digest.digest(MESSAGES[1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert operation.completion, raised

    event_loop.run_until_complete(main())
    event_loop.close()


def test_a_cancelled_one_lets_go_of_memory_though_its_handle_stays(layer: acrypto.Layer) -> None:
    async def body(digest: acrypto.Transform) -> None:
        data = bytearray(MESSAGES[0])
        operations = [digest.digest(data) for _ in range(10)]
        assert all(operation.cancel() for operation in operations)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        data.append(0)  # which raises BufferError while it is pinned
        assert all(operation.cancelled() for operation in operations)

    run(layer, body)


def test_bursts_of_two_kinds_in_turn_travel_together_as_those_of_one_kind_do() -> None:
    """What was awaited is counted once, not again as a burst of none when another kind comes."""

    async def main() -> None:
        with acrypto.open(["multibuffer"], settings=acrypto.Settings(remember_costs=False)) as layer:
            starts = (layer.transform("sha256").digest, layer.transform("hmac(sha256)", key=bytes(32)).mac)
            for _ in range(40):
                are_done = []
                for start in starts:
                    operations = [start(MESSAGES[0]) for _ in range(2)]
                    are_done.append(any(operation.completion for operation in operations))
                    for operation in operations:
                        await operation
            assert are_done == [False, False]

    asyncio.run(main())


def test_a_burst_that_goes_one_way_keeps_within_its_limits() -> None:
    twin = Twin(Offer("sha256", "sha256-twin", 300, limits=Limits(max_bytes=5000)))
    settings = acrypto.Settings(balancer="failover", remember_costs=False)

    async def main() -> None:
        with acrypto.open(["software", "multibuffer", twin], settings=settings) as layer:
            digest = layer.transform("sha256")
            operations = [digest.digest(bytes(size)) for size in (4100, 4200, 8000)]
            for operation in operations:
                await operation
            assert [operation.completion.device == "twin0" for operation in operations] == [True, True, False]

    asyncio.run(main())
