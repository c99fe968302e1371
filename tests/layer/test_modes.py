"""How an end reaches its caller: in the loop, on a thread of the layer's, by polling, directly, or inline."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.layer.conftest import Run, Script
from tests.layer.only import Only, until
from tests.registry.twins import Twin

import acrypto
from acrypto.engines.base import Engine
from acrypto.engines.simulated import Simulated
from acrypto.model.offers import Offer
from acrypto.testing.gate import Gate

MODES = ["queued", "poll", "direct", "inline"]
NAMES = ["sha256", "hmac(sha256)", "gcm(aes)", "zlib"]
TEXT = b"a text of some length " * 300
LARGE = bytes(1 << 20)


def twin() -> Twin:
    return Twin(*(Offer(name, f"{name}-twin", 200) for name in NAMES))


ENGINES: dict[str, Callable[[], Engine | str]] = {
    "software": lambda: "software",
    "simulated": lambda: Simulated(algorithms=NAMES, latency_us=1.0),
    "polling": lambda: Simulated(algorithms=NAMES, mode="polling", window=4),
    "python": twin,
}


@pytest.fixture(params=list(ENGINES))
def layer(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    with acrypto.open([ENGINES[request.param]()], settings=acrypto.Settings(workers=2, inline_us=0)) as opened:
        yield opened


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    told: list[BaseException] = []
    monkeypatch.setattr("sys.unraisablehook", lambda each: told.append(each.exc_value))
    return told


def thread_name() -> str:
    """As the system knows it: threads of the core's have no other."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text(encoding="ascii").strip()


def reap(layer: acrypto.Layer, number: int = 1) -> list[acrypto.Operation[Any]]:
    """Polls until so many have come."""
    reaped: list[acrypto.Operation[Any]] = []
    until(lambda: (reaped.extend(layer.poll()), len(reaped) >= number)[1])
    assert layer.poll() == []
    return reaped


# ---- The same results in every mode, for every kind of user, over every kind of engine


def work(layer: acrypto.Layer, **wishes: Any) -> list[acrypto.Operation[Any]]:
    """Operations whose results somebody else can tell."""
    aead = layer.transform("gcm(aes)", key=bytes(16))
    packed = zlib.compress(TEXT)
    return [
        layer.digest("sha256", TEXT, **wishes),
        layer.mac("hmac(sha256)", b"key", TEXT, **wishes),
        aead.encrypt(bytes(12), TEXT, b"header", **wishes),
        aead.decrypt(bytes(12), AESGCM(bytes(16)).encrypt(bytes(12), TEXT, b"header"), b"header", **wishes),
        layer.decompress("zlib", packed, **wishes),
        layer.transform("sha256").digest_many([b"a", b"b"], **wishes),
    ]


RIGHT = [
    hashlib.sha256(TEXT).digest(),
    hmac.digest(b"key", TEXT, "sha256"),
    AESGCM(bytes(16)).encrypt(bytes(12), TEXT, b"header"),
    TEXT,
    TEXT,
    [hashlib.sha256(b"a").digest(), hashlib.sha256(b"b").digest()],
]


@pytest.mark.parametrize("mode", MODES)
def test_threads_get_the_same_from_every_engine(layer: acrypto.Layer, mode: str) -> None:
    operations = work(layer, mode=mode)
    assert [operation.wait(60) for operation in operations] == RIGHT
    until(lambda: (layer.poll(), layer.lingering())[1] == 0)


@pytest.mark.parametrize("mode", MODES)
def test_loops_get_the_same_from_every_engine(run: Run, layer: acrypto.Layer, mode: str) -> None:
    async def main() -> None:
        called: list[object] = []
        operations = work(layer, mode=mode, callback=called.append)
        if mode == "poll":
            while len(called) < len(operations):
                layer.poll()
                await asyncio.sleep(0)
        assert await asyncio.gather(*operations) == RIGHT
        while len(called) < len(operations):  # noqa: ASYNC110 - other threads call, and have no event
            await asyncio.sleep(0)
        assert sorted(map(id, called)) == sorted(map(id, operations))

    run(main())
    until(lambda: (layer.poll(), layer.lingering())[1] == 0)


@pytest.mark.parametrize("mode", MODES)
def test_failures_come_the_same_way(layer: acrypto.Layer, mode: str) -> None:
    called: list[acrypto.Operation[Any]] = []
    aead = layer.transform("gcm(aes)", key=bytes(16))
    operation = aead.decrypt(bytes(12), bytes(40), mode=mode, callback=called.append)
    with pytest.raises(acrypto.AuthenticationError):
        operation.wait(60)
    until(lambda: (layer.poll(), called)[1])
    assert called == [operation]
    assert isinstance(called[0].exception(), acrypto.AuthenticationError)


def test_an_unknown_mode_is_a_mistake(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UsageError, match=r"mode is .never.; it must be queued, poll, direct or inline"):
        layer.digest("sha256", b"x", mode="never")


# ---- On which thread


@pytest.mark.parametrize("data", [b"x", LARGE], ids=["short", "long"])
def test_queued_without_a_loop_calls_on_a_thread_of_the_layers_own(layer: acrypto.Layer, data: bytes) -> None:
    called: list[tuple[str, bool]] = []
    operation = layer.digest("sha256", data, callback=lambda own: called.append((thread_name(), own.done())))
    operation.wait(60)
    until(lambda: called)
    assert called == [("acrypto/callbac", True)]


def test_queued_calls_on_another_thread_though_it_ran_here() -> None:
    """Who submits may hold what the callback wants."""
    with acrypto.open(["software"]) as layer:
        for _ in range(3):
            called: list[str] = []
            operation = layer.digest("sha256", b"x", callback=lambda _, called=called: called.append(thread_name()))
            operation.wait(60)
            until(lambda called=called: called)
        assert called == ["acrypto/callbac"]


def test_queued_in_a_loop_calls_in_the_loop(run: Run, layer: acrypto.Layer) -> None:
    async def main() -> None:
        called: list[int] = []
        await layer.digest("sha256", b"x", callback=lambda own: called.append(threading.get_ident()))
        while not called:  # noqa: ASYNC110 - this lets the loop turn
            await asyncio.sleep(0)
        assert called == [threading.get_ident()]

    run(main())


def test_direct_calls_on_the_completing_thread() -> None:
    with acrypto.open(["software"], settings=acrypto.Settings(workers=1, inline_us=0)) as layer:
        called: list[str] = []
        layer.digest("sha256", b"x", mode="direct", callback=lambda own: called.append(thread_name())).wait(60)
        until(lambda: called)
        assert called == ["software0/0"]


@pytest.mark.parametrize("is_in_loop", [False, True])
def test_direct_is_neither_here_nor_on_the_layers_thread(layer: acrypto.Layer, is_in_loop: bool) -> None:
    called: list[tuple[str, int, bool]] = []

    def note(own: acrypto.Operation[Any]) -> None:
        called.append((thread_name(), threading.get_ident(), own.done()))

    async def main() -> None:
        await layer.digest("sha256", b"x", mode="direct", callback=note)

    if is_in_loop:
        asyncio.run(main())
    else:
        layer.digest("sha256", b"x", mode="direct", callback=note).wait(60)
    until(lambda: called)
    [(name, ident, is_done)] = called
    assert is_done
    assert ident != threading.get_ident()
    assert name != "acrypto/callbac"


def test_direct_does_not_wait_for_a_loop_that_is_busy(layer: acrypto.Layer) -> None:
    async def main() -> None:
        called = threading.Event()
        operation = layer.digest("sha256", b"x", mode="direct", callback=lambda own: called.set())
        assert called.wait(60)  # on purpose: this holds the loop up
        assert operation.done()

    asyncio.run(main())


def test_inline_is_done_on_return(layer: acrypto.Layer) -> None:
    for data in (b"x", LARGE):
        assert layer.digest("sha256", data, mode="inline").done()


@pytest.mark.parametrize("is_in_loop", [False, True])
def test_inline_has_called_back_on_return(layer: acrypto.Layer, is_in_loop: bool) -> None:
    def check() -> None:
        for data in (b"x", LARGE):
            called: list[object] = []
            operation = layer.digest("sha256", data, mode="inline", callback=called.append)
            assert called == [operation]

    async def main() -> None:
        check()

    asyncio.run(main()) if is_in_loop else check()


def test_inline_waits_for_its_turn(gate: Gate) -> None:
    """Behind what runs already, over a device that is busy."""
    with acrypto.open([gate]) as layer:
        blocker = layer.digest("sha256", b"blocker")
        assert gate.arrived.wait(60)
        opener = threading.Thread(target=lambda: (until(lambda: layer.devices()[0].operations == 2), gate.open()))
        opener.start()
        assert layer.digest("sha256", b"x", mode="inline").done()
        opener.join()
        blocker.wait(60)


# ---- Polling


def test_poll_gives_what_has_ended_in_that_order(gate: Gate) -> None:
    with acrypto.open([gate]) as layer:
        blocker = layer.digest("sha256", b"blocker")
        assert gate.arrived.wait(60)
        here = threading.get_ident()
        called: list[tuple[int, object]] = []
        wanted = [0, 9, 5, 9, -1]
        operations = [
            layer.digest(
                "sha256",
                b"x",
                priority=priority,
                mode="poll",
                callback=lambda own: called.append((threading.get_ident(), own)),
            )
            for priority in wanted
        ]
        assert layer.poll() == []
        gate.open()
        blocker.wait(60)
        for operation in operations:
            operation.wait(60)
        assert called == []
        ended = [operations[at] for at in sorted(range(5), key=lambda at: -wanted[at])]
        first: list[object] = []
        until(lambda: (first.extend(layer.poll(most=2 - len(first))), len(first) == 2)[1])
        assert first == ended[:2]
        assert reap(layer, 3) == ended[2:]
        assert called == [(here, operation) for operation in ended]
        assert layer.lingering() == 0


def test_poll_loses_none(layer: acrypto.Layer) -> None:
    reaped: list[acrypto.Operation[Any]] = []
    submitted: list[acrypto.Operation[Any]] = []
    for number in range(2000):
        submitted.append(layer.digest("sha256", b"%d" % number, mode="poll"))
        reaped.extend(layer.poll(most=3))
    until(lambda: (reaped.extend(layer.poll(most=7)), len(reaped) == 2000)[1])
    assert sorted(map(id, reaped)) == sorted(map(id, submitted))
    assert all(operation.done() for operation in reaped)
    assert submitted[7].result() == hashlib.sha256(b"7").digest()
    assert layer.lingering() == 0


def test_poll_by_many_threads_gives_each_once(layer: acrypto.Layer) -> None:
    reaped: list[acrypto.Operation[Any]] = []
    submitted = [layer.digest("sha256", b"%d" % number, mode="poll") for number in range(500)]

    def poll() -> None:
        while len(reaped) < 500:
            reaped.extend(layer.poll(most=2))

    threads = [threading.Thread(target=poll) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(id, reaped)) == sorted(map(id, submitted))


def test_nobody_else_is_given_to_who_polls(layer: acrypto.Layer) -> None:
    layer.digest("sha256", b"x").wait(60)
    layer.digest("sha256", b"x", mode="direct").wait(60)
    polled = layer.digest("sha256", b"x", mode="poll")
    polled.wait(60)
    assert reap(layer) == [polled]


def test_what_was_not_polled_lets_go_when_the_layer_closes(layer: acrypto.Layer) -> None:
    called: list[object] = []
    source = bytearray(b"x")
    operation = layer.digest("sha256", source, mode="poll", callback=called.append)
    operation.wait(60)
    layer.close()
    source.append(1)
    assert called == [operation]
    assert layer.lingering() == 0


def test_poll_of_a_closed_layer_is_empty_or_closed(layer: acrypto.Layer) -> None:
    layer.close()
    with contextlib.suppress(acrypto.ClosedError):
        assert layer.poll() == []


# ---- Callbacks that misbehave, and those that do much


@pytest.mark.parametrize("mode", MODES)
def test_an_exception_in_a_callback_is_reported_and_hurts_nobody(
    layer: acrypto.Layer, mode: str, unraisable: list[BaseException]
) -> None:
    def fail(own: acrypto.Operation[Any]) -> None:
        raise RuntimeError("of the caller's own")

    operations = [layer.digest("sha256", b"x", mode=mode, callback=fail) for _ in range(5)]
    assert {operation.wait(60) for operation in operations} == {hashlib.sha256(b"x").digest()}
    until(lambda: (layer.poll(), len(unraisable) == 5)[1])
    assert {str(error) for error in unraisable} == {"of the caller's own"}
    until(lambda: (layer.poll(), layer.lingering())[1] == 0)
    assert layer.digest("sha256", b"y", mode="inline").result() == hashlib.sha256(b"y").digest()


@pytest.mark.parametrize("mode", ["queued", "poll", "direct"])
@pytest.mark.parametrize("when", ["queued", "running", "ended"])
def test_a_callback_is_called_once_though_it_was_cancelled(gate: Gate, mode: str, when: str) -> None:
    called: list[acrypto.Operation[Any]] = []
    with acrypto.open([gate]) as layer:
        blocker = layer.digest("sha256", b"blocker") if when == "queued" else None
        operation = layer.digest("sha256", b"x", mode=mode, callback=called.append)
        assert gate.arrived.wait(60)
        if when == "ended":
            gate.open()
            operation.wait(60)
        assert operation.cancel() is (when != "ended")
        gate.open()
        if blocker is not None:
            blocker.wait(60)
        until(lambda: (layer.poll(), called)[1])
        until(lambda: (layer.poll(), layer.lingering())[1] == 0)
    assert called == [operation]


@pytest.mark.parametrize("mode", MODES)
def test_a_callback_may_submit_more(layer: acrypto.Layer, mode: str) -> None:
    ended: list[acrypto.Operation[Any]] = []

    def more(own: acrypto.Operation[Any]) -> None:
        ended.append(own)
        if len(ended) < 50:
            layer.digest("sha256", own.result(), mode=mode, callback=more)

    layer.digest("sha256", b"", mode=mode, callback=more)
    until(lambda: (layer.poll(), len(ended) == 50)[1])
    expected = b""
    for operation in ended:
        expected = hashlib.sha256(expected).digest()
        assert operation.result() == expected


CLOSES = """
import os, threading, acrypto
from acrypto.engines.simulated import Simulated
from acrypto.engines.software import Software

layer = acrypto.open([{engine}], settings=acrypto.Settings(workers=2, inline_us=0))
closed = threading.Event()
ended = []

def close(own):
    ended.append(own)
    layer.close()
    closed.set()

operations = []
try:
    for _ in range({number}):
        operations.append(layer.digest("sha256", bytes(1 << 16), mode="{mode}", callback=close))
except acrypto.ClosedError:
    pass  # the first one was quick
while not closed.is_set() and layer.is_open:
    try:
        layer.poll()
    except acrypto.ClosedError:
        break
    os.sched_yield()
assert closed.wait(15)
for operation in operations:
    try:
        operation.wait(15)
    except acrypto.ClosedError:
        pass
layer.close()
print(layer.is_open, layer.lingering())
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ["Software()", "Simulated()"])
def test_a_callback_may_close_the_layer(script: Script, mode: str, engine: str) -> None:
    number = 1 if mode == "inline" else 5
    assert script(CLOSES.format(engine=engine, mode=mode, number=number)) == "False 0\n"


@pytest.mark.parametrize("mode", ["queued", "direct"])
def test_a_slow_callback_holds_nobody_up_who_only_waits(gate: Gate, mode: str) -> None:
    hold, come = threading.Event(), threading.Event()
    slow = Only("slow", "crc32")
    slow.open()
    gate.open()
    with acrypto.open([gate, slow], settings=acrypto.Settings(inline_us=0)) as layer:
        layer.digest("crc32", b"x", mode=mode, callback=lambda own: (come.set(), hold.wait(60)))
        assert come.wait(60)
        assert layer.digest("sha256", b"x").wait(60) == hashlib.sha256(b"x").digest()
        hold.set()


# ---- Routes and batches have the same modes


@pytest.mark.parametrize("mode", MODES)
def test_routes_and_batches_are_told_of_alike(layer: acrypto.Layer, mode: str) -> None:
    called: list[acrypto.Operation[Any]] = []
    digest, mac = layer.transform("sha256"), layer.transform("hmac(sha256)", key=b"key")
    wishes: dict[str, Any] = {"mode": mode, "callback": called.append}
    route = layer.route(digest, mac).run(TEXT, **wishes)
    batch = digest.digest_many([b"a", b"b", b"c"], **wishes)
    until(lambda: (layer.poll(), len(called) == 2)[1])
    assert {id(each) for each in called} == {id(route), id(batch)}
    assert bytes(route.result()) == TEXT + hmac.digest(b"key", TEXT, "sha256")
    assert batch.result() == [hashlib.sha256(each).digest() for each in (b"a", b"b", b"c")]
