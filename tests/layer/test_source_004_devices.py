"""The old layer's announcements (2005-2007) on devices: who matches, who has room, who is bound, who breaks.

One test for each feature; the others are in the files beside this one. Not here: private data (a callback is a closure
or a bound method: it carries what it likes); the ioctl-like flow, its two copies, direct access and the command set
(they belong to the daemon); the dm-crypt and ESP4 ports and the OCF bridge (consumers of the layer, not the layer).
"""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
from typing import Any

import pytest
from tests.layer.laws import PATIENCE, Calls, Keeper, device, opened, outcome, ran_on, until

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.model.offers import Limits

MANY = 10_000
KEY = bytes(range(16))
#: What a device can do; what it is asked for: algorithm, operation, bytes, parameters; whether the two match.
MATCHES: list[tuple[dict[str, Any], tuple[str, str, int, dict[str, Any]], bool]] = [
    ({"algorithms": ["deflate"]}, ("deflate", "compress", 100, {}), True),
    ({"algorithms": ["deflate"]}, ("zlib", "compress", 100, {}), False),
    ({"algorithms": ["ctr(aes)"]}, ("ctr(aes)", "encrypt", 100, {"key": KEY}), True),
    ({"algorithms": ["ctr(aes)"]}, ("cbc(aes)", "encrypt", 96, {"key": KEY}), False),
    ({"algorithms": ["deflate", "ctr(aes)"]}, ("ctr(aes)", "decrypt", 100, {"key": KEY}), True),
    # The operation counts: one that only inflates is not asked to deflate.
    ({"algorithms": ["deflate"], "limits": Limits(directions=("decompress",))}, ("deflate", "compress", 1, {}), False),
    ({"algorithms": ["deflate"], "limits": Limits(directions=("compress",))}, ("deflate", "compress", 1, {}), True),
    # What modifies a mode and does not make it another one (the upper bits of the old mode word) does not count.
    ({"algorithms": ["deflate"]}, ("deflate", "compress", 100, {"level": 9}), True),
    ({"algorithms": ["deflate"]}, ("deflate", "compress", 100, {"level": 1, "strategy": "fixed"}), True),
    ({"algorithms": ["hmac(sha256)"]}, ("hmac(sha256)", "mac", 100, {"key": KEY, "tag_len": 16}), True),
    ({"algorithms": ["ctr(aes)"]}, ("ctr(aes)", "encrypt", 100, {"key": KEY * 2}), True),
    # Nor does a device get what is larger than it can take.
    ({"algorithms": ["sha256"], "limits": Limits(max_bytes=4096)}, ("sha256", "digest", 4096, {}), True),
    ({"algorithms": ["sha256"], "limits": Limits(max_bytes=4096)}, ("sha256", "digest", 4097, {}), False),
]


@pytest.mark.parametrize(("can", "asked", "matches"), MATCHES)
def test_capability_match(can: dict[str, Any], asked: tuple[str, str, int, dict[str, Any]], matches: bool) -> None:
    """Operation, type, mode and size must match, modifiers need not; what matches nobody is refused at once."""
    algorithm, operation, nbytes, parameters = asked
    engine = Keeper(**can)
    engine.open()

    def submit(layer: acrypto.Layer) -> acrypto.Operation:
        run = getattr(layer.transform(algorithm, **parameters), operation)
        return run(*[bytes(16)] * (operation in {"encrypt", "decrypt"}), bytes(nbytes))

    with opened(engine) as layer:
        if matches:
            assert ran_on(submit(layer)) == engine.device
        else:
            with pytest.raises((acrypto.NoEngine, acrypto.UnknownAlgorithm)):
                submit(layer)
        assert len(engine.seen) == matches
    with opened(engine_like(can), "software", balancer="failover") as layer:
        assert ran_on(submit(layer)) == ("keeper0" if matches else "software0")


def engine_like(can: dict[str, Any]) -> Keeper:
    engine = Keeper(**can)
    engine.open()
    return engine


def test_queue_depth_admission() -> None:
    """A device with a queue of two: the third goes elsewhere, or nowhere; one that ends makes room for the next."""
    narrow = Keeper("narrow", priority=300, limits=Limits(queue=2))
    wide = Keeper("wide")
    with opened(narrow, wide, balancer="failover") as layer:
        transform = layer.transform("sha256")
        first = [transform.digest(b"%d" % number) for number in range(3)]
        narrow.wait_for(2)
        wide.wait_for(1)
        assert (device(layer, narrow).operations, device(layer, wide).spilled) == (2, 1)
        narrow.finish(1)
        first[0].wait(PATIENCE)
        fourth = transform.digest(b"fourth")
        narrow.wait_for(2)
        with pytest.raises(acrypto.QueueFull, match=r"narrow0 is full \(2 operations"):
            transform.try_digest(b"none", device="narrow0")
        patient = transform.digest(b"patient", device="narrow0")
        assert (narrow.most_held, device(layer, narrow).waiting) == (2, 1)
        narrow.open()
        wide.open()
        assert [ran_on(each) for each in [*first, fourth, patient]] == ["narrow0"] * 2 + ["wide0"] + ["narrow0"] * 2
        assert narrow.most_held == 2


def test_several_async_device_queues() -> None:
    """Each device has a queue and workers of its own: while one is stuck the other one goes on."""
    stuck, other = Keeper("stuck", blocks=True), Keeper("other")
    other.open()
    with opened(stuck, other) as layer:
        held = [layer.digest("sha256", b"%d" % number, device="stuck0") for number in range(5)]
        stuck.wait_for(1)
        for number in range(100):
            assert ran_on(layer.digest("sha256", b"%d" % number, device="other0")) == "other0"
        assert not any(each.done() for each in held)
        assert device(layer, stuck).operations == 5
        stuck.open()
        right = [hashlib.sha256(b"%d" % number).digest() for number in range(5)]
        assert [each.wait(PATIENCE) for each in held] == right


def test_bound_session() -> None:
    """Bound to the busiest device it still lands there; bound to one that is not there, or dead, it is refused."""
    busy, idle = Keeper("busy"), Keeper("idle")
    with opened(busy, idle, balancer="simple") as layer:
        for _ in range(50):
            layer.digest("sha256", b"load", device="busy0")
        busy.wait_for(50)
        bound = layer.digest("sha256", b"bound", device="busy0")
        busy.wait_for(51)
        free = layer.digest("sha256", b"free")
        idle.wait_for(1)
        with pytest.raises(acrypto.NoEngine, match="nowhere0"):
            layer.digest("sha256", b"x", device="nowhere0")
        layer.break_device("busy0")
        assert outcome(bound) is acrypto.DeviceLost  # nothing else is tried
        with pytest.raises(acrypto.NoEngine, match="broken"):
            layer.digest("sha256", b"x", device="busy0")
        idle.open()
        assert ran_on(free) == "idle0"


def test_bound_session_of_many_stages() -> None:
    """A route that is bound to a device runs there, all of it, though a stronger one is idle."""
    strong, weak = Keeper("strong", priority=300), Keeper("weak")
    strong.open()
    weak.open()
    with opened(strong, weak, balancer="failover") as layer:
        digest = layer.transform("sha256")
        operation = layer.route(digest, digest, digest).run(b"x", device="weak0")
        operation.wait(PATIENCE)
        assert operation.completion is not None
        assert [stage.device for stage in operation.completion.stages] == ["weak0"] * 3


def test_broken_session() -> None:
    """Its callback, called once, sees that it broke and on which device; nothing of the device is held afterwards."""
    engine, calls, told = Keeper(), Calls(), []
    source = bytearray(b"source")
    with opened(engine) as layer:
        count = calls.of(0)

        def callback(ended: acrypto.Operation) -> None:
            told.append(ended.exception())
            count(ended)

        operation = layer.digest("sha256", source, callback=callback)
        engine.wait_for(1)
        assert engine.finish(outcome=acrypto.EngineError("the card caught fire")) == [True]
        assert outcome(operation) is acrypto.EngineError
        calls.wait()
        assert "the card caught fire" in str(told[0])
        assert operation.completion is not None
        assert operation.completion.device == "keeper0"
        row = device(layer, engine)
        assert (row.failed, row.finished, row.operations, row.bytes, layer.lingering()) == (1, 1, 0, 0, 0)
        source.append(1)
    assert calls.counts() == {1}


class Forgetful(Keeper):
    """Drops whatever it takes."""

    def submit(self, burst: Any) -> int:
        return len(burst)


CAUSES: dict[str, tuple[Any, type[acrypto.AcryptoError]]] = {
    "fails": (lambda: Faulty(Fault("fail")), acrypto.EngineError),
    "forgets": (lambda: Forgetful("faulty"), acrypto.DeviceLost),
    "dies": (lambda: Keeper("faulty"), acrypto.DeviceLost),
    "dies with a queue": (lambda: Keeper("faulty", blocks=True), acrypto.DeviceLost),
    "closes": (lambda: Keeper("faulty", blocks=True), acrypto.ClosedError),
}


@pytest.mark.slow
@pytest.mark.parametrize("cause", CAUSES)
def test_no_leak_on_broken(cause: str) -> None:
    """Ten thousand broken requests leave every count at zero: sources, operations, budget, offers' users."""
    make, expected = CAUSES[cause]
    engine = make()
    source, calls = acrypto.random(600), []

    def call(_ended: object) -> None:
        calls.append(None)

    with opened(engine) as layer:
        closing = threading.Thread(target=layer.close)
        transform = layer.transform("sha256")
        before = sys.getrefcount(source), sys.getrefcount(call)
        users = [row.users for row in layer.offers() if row.algorithm == "sha256"]
        operations = [transform.digest(source, callback=call) for _ in range(MANY)]
        if cause.startswith("dies"):
            engine.wait_for(1)
            layer.break_device("faulty0")
        elif cause == "closes":
            engine.wait_for(1)
            closing.start()
            assert until(lambda: not layer.is_open)
            engine.take()
        ended = {outcome(operation) for operation in operations}
        assert ended == {expected}
        if isinstance(engine, Keeper):
            engine.open()  # a dead device that never gives back holds the memory, and the budget, until it does
        assert until(lambda: layer.lingering() == device(layer, "faulty0").operations == 0)
        row = device(layer, "faulty0")
        assert (row.operations, row.queued, row.waiting, row.bytes, row.lingering) == (0, 0, 0, 0, 0)
        del operations
        assert until(lambda: [row.users for row in layer.offers() if row.algorithm == "sha256"] == users)
        del transform
        gc.collect()
        assert {row.users for row in layer.offers()} == {0}
        if cause == "closes":
            closing.join(PATIENCE)
    assert len(calls) == MANY
    assert (sys.getrefcount(source), sys.getrefcount(call)) == before


#: Key, nonce, bytes to encrypt, bytes of the destination; and the error.
CAUSES_OF_2005: dict[str, tuple[int, int, int, int, type[acrypto.AcryptoError]]] = {
    "element counts": (16, 16, 64, 48, acrypto.OutputTooSmall),
    "bad key": (15, 16, 64, 64, acrypto.UsageError),
    "missing iv": (16, 0, 64, 64, acrypto.UsageError),
    "iv of another size": (16, 15, 64, 64, acrypto.UsageError),
    "odd size": (16, 16, 63, 64, acrypto.UsageError),
}


@pytest.mark.parametrize("cause", CAUSES_OF_2005)
def test_software_provider(cause: str) -> None:
    """As many threads as it is told; each cause of its failures fails that one, tells why, and breaks nothing else."""
    with acrypto.open(settings=acrypto.Settings(workers=3, inline_us=0)) as layer:
        assert layer.devices()[0].workers == 3
        transform = layer.transform("cbc(aes)", key=KEY)
        right = bytes(transform.encrypt(bytes(16), bytes(64)).wait(PATIENCE))
        key, nonce, nbytes, room, expected = CAUSES_OF_2005[cause]
        with pytest.raises(expected):
            layer.transform("cbc(aes)", key=bytes(key)).encrypt(bytes(nonce), bytes(nbytes), into=bytearray(room)).wait(
                PATIENCE
            )
        assert layer.devices()[0].state == "up"
        assert bytes(transform.encrypt(bytes(16), bytes(64)).wait(PATIENCE)) == right
        assert layer.lingering() == 0
