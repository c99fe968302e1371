"""The old layer's announcements on sessions: routes over devices, their callbacks, and where those run."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.layer.conftest import Run
from tests.layer.laws import PATIENCE, Calls, Keeper, device, opened, ran_on

import acrypto
from acrypto import _core

KEY, MAC_KEY, IV = bytes(range(32)), b"mac key", bytes(range(16))
DATA = b"a message of some length " * 40


class Noting(Keeper):
    """Lets everything through and notes what it was asked for: operation, algorithm, key, bytes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.asked: list[tuple[str, str, bytes, bytes]] = []
        self.open()

    def submit(self, burst: Any) -> int:
        for job in burst:
            self.asked += [(job.operation, job.algorithm, job.params["key"], source) for source, *_ in job.units]
        return super().submit(burst)


@pytest.fixture
def cipherer() -> Noting:
    return Noting("cipherer", ["ctr(aes)"])


@pytest.fixture
def signer() -> Noting:
    return Noting("signer", ["hmac(sha256)"])


@pytest.fixture
def layer(cipherer: Noting, signer: Noting) -> Iterator[acrypto.Layer]:
    with opened(cipherer, signer, "software", balancer="failover") as layer:
        yield layer


def by_hand(data: bytes) -> bytes:
    ciphertext = bytes(_core.encrypt("ctr(aes)", KEY, IV, data))
    return ciphertext + hmac.digest(MAC_KEY, ciphertext, "sha256")


def test_session_routing(layer: acrypto.Layer, cipherer: Noting, signer: Noting) -> None:
    """Encrypted on one device, signed on another: the bytes are those of both by hand, each used its own parameters."""
    route = layer.route(layer.transform("ctr(aes)", key=KEY), layer.transform("hmac(sha256)", key=MAC_KEY))
    operation = route.run(DATA, nonce=IV)
    assert bytes(operation.wait(PATIENCE)) == by_hand(DATA)
    assert cipherer.asked == [("encrypt", "ctr(aes)", KEY, DATA)]
    assert signer.asked == [("mac", "hmac(sha256)", MAC_KEY, by_hand(DATA)[: len(DATA)])]
    assert operation.completion is not None
    assert [stage.device for stage in operation.completion.stages] == ["cipherer0", "signer0"]
    back = route.reverse().run(by_hand(DATA), nonce=IV)
    assert bytes(back.wait(PATIENCE)) == DATA
    assert (signer.asked[1][0], cipherer.asked[1][0]) == ("verify", "decrypt")


def test_session_routing_ends_after_the_last_stage() -> None:
    """Stages run one after the other, and who waits hears nothing before the last."""
    first, second, calls = Keeper("first", ["sha256"]), Keeper("second", ["sha512"]), Calls()
    with opened(first, second) as layer:
        route = layer.route(layer.transform("sha256"), layer.transform("sha512"))
        operation = route.run(DATA, callback=calls.of(0))
        first.wait_for(1)
        assert not second.held
        first.finish()
        second.wait_for(1)
        assert not operation.done()
        assert calls.threads == {0: []}
        second.finish()
        assert bytes(operation.wait(PATIENCE)) == DATA
        assert operation.completion is not None
        assert operation.completion.digests == [
            ("sha256", hashlib.sha256(DATA).digest()),
            ("sha512", hashlib.sha512(DATA).digest()),
        ]
        calls.wait()
    assert calls.counts() == {1}


def test_callback_parameters(layer: acrypto.Layer) -> None:
    """After a route the callback sees the parameters of its last stage; after one transform, that one's."""
    told: queue.Queue[acrypto.Operation] = queue.Queue()
    cipher, signature = layer.transform("ctr(aes)", key=KEY), layer.transform("hmac(sha256)", key=MAC_KEY)
    layer.route(cipher, signature).run(DATA, nonce=IV, callback=told.put)
    ended = told.get(timeout=PATIENCE)
    completion = ended.completion
    assert completion is not None
    assert (completion.device, completion.driver) == ("signer0", "hmac(sha256)-signer")
    assert completion.stages[-1].algorithm == "hmac(sha256)"
    assert (completion.bytes_in, completion.bytes_out) == (len(DATA), len(DATA) + 32)
    assert bytes(ended.result()) == by_hand(DATA)
    cipher.encrypt(IV, DATA, callback=told.put)
    completion = told.get(timeout=PATIENCE).completion
    assert completion is not None
    assert (completion.device, completion.driver) == ("cipherer0", "ctr(aes)-cipherer")


@pytest.mark.parametrize("mode", ["queued", "direct"])
def test_route_editing_in_callback(layer: acrypto.Layer, signer: Noting, mode: str) -> None:
    """A callback adds a stage once: it is asked twice, both stages run, and the session ends once."""
    cipher, signature = layer.transform("ctr(aes)", key=KEY), layer.transform("hmac(sha256)", key=MAC_KEY)
    hops, calls = [], Calls()

    def then(hop: Any) -> None:
        hops.append((hop.nbytes, [stage.algorithm for stage in hop.stages]))
        if len(hops) == 1:
            hop.append(signature)

    operation = layer.route(cipher).run(DATA, nonce=IV, then=then, callback=calls.of(0), mode=mode)
    assert bytes(operation.wait(PATIENCE)) == by_hand(DATA)
    both = ["ctr(aes)", "hmac(sha256)"]
    assert hops == [(len(DATA), both[:1]), (len(DATA) + 32, both)]
    assert len(signer.asked) == 1
    calls.wait()
    layer.close()
    assert calls.counts() == {1}
    assert layer.lingering() == 0


def test_route_editing_ends_with_the_callback(layer: acrypto.Layer) -> None:
    """What is added after the callback has returned is refused: the session has gone on without it."""
    kept = []
    cipher = layer.transform("ctr(aes)", key=KEY)
    operation = layer.route(cipher).run(DATA, nonce=IV, then=kept.append)
    assert bytes(operation.wait(PATIENCE)) == by_hand(DATA)[: len(DATA)]
    with pytest.raises(acrypto.UsageError, match="has gone on"):
        kept[0].append(cipher, nonce=IV)


def test_direct_completion() -> None:
    """Direct: the callback runs on the thread that completes. Else it runs on a thread that completes nothing."""
    engine, calls = Keeper(), Calls()
    with opened(engine) as layer:
        modes = ["direct", "queued"]
        operations = [layer.digest("sha256", b"x", mode=m, callback=calls.of(n)) for n, m in enumerate(modes)]
        engine.wait_for(2)
        completer = threading.Thread(target=engine.finish)
        completer.start()
        calls.wait()
        completer.join(PATIENCE)
        [direct], [queued] = calls.threads.values()
        assert direct is completer
        assert queued.ident not in {completer.ident, threading.get_ident()}
        assert all(operation.done() for operation in operations)
    assert calls.counts() == {1}


def test_direct_completion_of_a_dead_device() -> None:
    """Whoever breaks the device completes what it had: the callback runs there."""
    engine, calls = Keeper(), Calls()
    with opened(engine) as layer:
        layer.digest("sha256", b"x", mode="direct", callback=calls.of(0))
        engine.wait_for(1)
        layer.break_device("keeper0")
        assert calls.threads == {0: [threading.current_thread()]}
        engine.finish()
    assert calls.counts() == {1}


@pytest.mark.parametrize("inline_us", [0.0, 1e9])
def test_no_callback_context_promise(inline_us: float) -> None:
    """A callback that is not direct runs off its submitter's stack, however short the work is."""
    calls = Calls()
    with opened("software", inline_us=inline_us) as layer:
        for number in range(20):
            layer.digest("sha256", b"x", callback=calls.of(number)).wait(PATIENCE)
        calls.wait()
    submitter = threading.current_thread()
    assert submitter not in {thread for threads in calls.threads.values() for thread in threads}
    assert calls.counts() == {1}


@pytest.mark.parametrize("inline_us", [0.0, 1e9])
def test_no_callback_context_promise_in_a_loop(run: Run, inline_us: float) -> None:
    """In a loop it runs in the loop, and not before the submission has returned."""
    calls = Calls()

    async def main() -> None:
        with opened("software", inline_us=inline_us) as layer:
            heard, count = asyncio.Event(), calls.of(0)
            operation = layer.digest("sha256", b"x", callback=lambda ended: (count(ended), heard.set()))
            assert calls.threads == {0: []}
            await operation
            await heard.wait()

    run(main())
    assert calls.threads == {0: [threading.current_thread()]}


def test_direct_completion_by_polling(layer: acrypto.Layer) -> None:
    """Polled ones run their callbacks where they are reaped, and nowhere before."""
    calls = Calls()
    operation = layer.digest("sha256", DATA, mode="poll", callback=calls.of(0))
    reaped: list[acrypto.Operation] = []
    while not reaped:
        assert calls.threads == {0: []}
        reaped += layer.poll()
    assert reaped == [operation]
    assert calls.threads == {0: [threading.current_thread()]}
    assert layer.poll() == []
    assert ran_on(operation) == device(layer, "software0").name
