"""The hazards that were found while the old code was read, by number: those of memory.

The others are in `test_hazards.py`. There is no IAA and none of its formats yet: 8 (a missing destination), 9 (a copy
that is too large), 10 (`by_n` with nothing to divide by) and 13 (odd chunks) are tested in their general form, and come
back with the device for what is of its formats alone.
"""

from __future__ import annotations

import gc
import hashlib

import pytest
from tests.layer.laws import PATIENCE, Calls, Keeper, device, opened, outcome, ran_on, until

import acrypto
from acrypto.engines.simulated import Simulated

MESSAGES = [b"%d" % number * 30 for number in range(200)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


# ---- 5


def test_hazard_05_a_route_that_is_forgotten_runs_to_its_end() -> None:
    """Nobody holds the route, its transforms, its operation or its source while stages are read: all are alive."""
    engine, calls, results = Keeper("card", ["ctr(aes)", "sha256"]), Calls(), []
    with opened(engine) as layer:
        count = calls.of(0)

        def callback(ended: acrypto.Operation) -> None:
            results.append(bytes(ended.result()))
            count(ended)

        cipher = layer.transform("ctr(aes)", key=bytes(16))
        route = layer.route(cipher, layer.transform("sha256"), cipher)
        route.run(bytearray(b"data"), nonce={0: bytes(16), 2: bytes(16)}, callback=callback)
        del route, cipher
        for _ in range(3):
            engine.wait_for(1)
            gc.collect()
            engine.finish()
        calls.wait()
        assert results == [b"data"]
        assert until(lambda: sum(row.users for row in layer.offers()) == 0)
    assert calls.counts() == {1}


# ---- 7


@pytest.mark.slow
def test_hazard_07_buffers_are_kept_until_verification_ends() -> None:
    """A result that came from a device is checked later, on a busy one: until then the source is borrowed."""
    card = Keeper("card", ["deflate"], priority=300)
    source = bytearray(MESSAGES[7] * 100)
    with opened(card, "software", balancer="failover", workers=1) as layer:
        transform = layer.transform("deflate", verify=True)
        busy = layer.compress("gzip", acrypto.random(1 << 20) * 32, level=9, device="software0")
        assert until(lambda: device(layer, "software0").queued == 0)
        operation = transform.compress(source)
        card.wait_for(1)
        assert card.finish() == [True]
        with pytest.raises(BufferError):
            source.append(1)
        assert not operation.done()
        assert not busy.done()  # or this would show nothing
        busy.cancel()
        assert bytes(acrypto.decompress("deflate", operation.wait(PATIENCE))) == source
        source.append(1)


def test_hazard_07_a_wrong_result_is_not_let_through() -> None:
    """Verified, a lying device's result is never seen: the work is done elsewhere and the liar gets no more."""
    liar = Keeper("liar", ["deflate"], priority=300)
    with opened(liar, "software", balancer="failover") as layer:
        operation = layer.transform("deflate", verify=True).compress(b"message")
        liar.wait_for(1)
        liar.finish(outcome=bytes(acrypto.compress("deflate", b"another")))
        assert bytes(acrypto.decompress("deflate", operation.wait(PATIENCE))) == b"message"
        assert ran_on(operation) == "software0"
        row = device(layer, liar)
        assert (row.lied, row.state) == (1, "quarantined")


# ---- 8


def test_hazard_08_a_destination_belongs_to_the_request() -> None:
    """Without one the result has memory of its own, however late it comes; one that was given is never written twice.

    A device that keeps a request and its caller's `into` to itself could still be writing there: the request is not
    done again elsewhere, and the memory stays borrowed until the device lets go.
    """
    keeper, other = Keeper("keeper", priority=300), Keeper("other")
    other.open()
    with opened(keeper, other, balancer="failover") as layer:
        transform = layer.transform("sha256")
        into = bytearray(b"\xaa" * 40)
        free, fixed = transform.digest(b"x"), transform.digest(b"x", into=into)
        keeper.wait_for(2)
        layer.break_device("keeper0")
        assert outcome(free) == hashlib.sha256(b"x").digest()
        assert outcome(fixed) is acrypto.DeviceLost
        assert into == b"\xaa" * 40
        with pytest.raises(BufferError):
            into.append(1)
        keeper.take()
        assert until(lambda: layer.lingering() == 0)
        into.append(1)
        assert into[:40] == b"\xaa" * 40


# ---- 9


@pytest.mark.parametrize("segments", [1, 3, 40])
def test_hazard_09_what_an_engine_gives_is_bounded(segments: int) -> None:
    """However long a result is that an engine hands over, no byte is written past the end of where it goes."""
    engine = Keeper("card", ["deflate"])
    memory = bytearray(b"\xaa" * 300)
    source = [MESSAGES[9]] * segments
    packed = acrypto.compress("deflate", b"".join(source))
    with opened(engine) as layer:
        transform = layer.transform("deflate")
        for operation, expected in (
            (lambda: transform.compress(source, into=memoryview(memory)[100:200]), acrypto.OutputTooSmall),
            (lambda: transform.decompress(packed, max_output=1000), acrypto.LimitExceeded),
            (lambda: transform.decompress(packed, into=memoryview(memory)[100:200]), acrypto.OutputTooSmall),
        ):
            submitted = operation()
            engine.wait_for(1)
            engine.finish(outcome=b"\xee" * 4096)
            assert outcome(submitted) is expected
        assert memory[:100] == memory[200:] == b"\xaa" * 100


# ---- 10


def test_hazard_10_nothing_is_divided_by_nothing() -> None:
    """A batch cut into units of 0 bytes is refused before it is cut; one of nothing, or with a short tail, is none."""
    with opened("software", Simulated(algorithms=["sha256"])) as layer:
        transform = layer.transform("sha256")
        with pytest.raises(acrypto.UsageError, match="unit is 0 bytes"):
            transform.digest_many(bytes(100), unit=0)
        for wrong in (-1, 1 << 70):
            with pytest.raises((acrypto.UsageError, OverflowError)):
                transform.digest_many(bytes(100), unit=wrong)
        assert transform.digest_many(b"", unit=7).wait(PATIENCE) == []
        assert transform.digest_many([]).wait(PATIENCE) == []
        data = bytes(range(100))
        for where in ("software0", "simulated0"):
            for unit in (1, 7, 99, 100, 101, 1 << 40):
                expected = [hashlib.sha256(data[at : at + unit]).digest() for at in range(0, len(data), unit)]
                assert transform.digest_many(data, unit=unit, device=where).wait(PATIENCE) == expected


# ---- 13


@pytest.mark.parametrize("chunk", [4095, 4096, 4097, 1])
def test_hazard_13_odd_chunks_change_nothing(chunk: int) -> None:
    """Cut at any place, and so at any alignment for the rest, a message gives the same bytes on every device."""
    data = acrypto.random(3 * 4096 + 5)[: 40 if chunk == 1 else None]
    view = memoryview(b"\xaa" + data)[1:]
    segments = [view[at : at + chunk] for at in range(0, len(data), chunk)]
    with opened("software", Simulated(latency_us=1.0, algorithms=["sha256", "zlib", "ctr(aes)"])) as layer:
        for where in ("software0", "simulated0"):
            assert layer.digest("sha256", segments, device=where).wait(PATIENCE) == hashlib.sha256(data).digest()
            packed = layer.compress("zlib", segments, device=where).wait(PATIENCE)
            assert bytes(acrypto.decompress("zlib", packed)) == data
            memory = bytearray(len(data) + 1)
            cipher = layer.transform("ctr(aes)", key=bytes(16))
            cipher.encrypt(bytes(16), segments, into=memoryview(memory)[1:], device=where).wait(PATIENCE)
            assert bytes(memory[1:]) == bytes(acrypto.encrypt("ctr(aes)", bytes(16), bytes(16), data))
