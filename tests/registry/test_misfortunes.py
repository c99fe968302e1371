"""What is wrong with an engine is its own misfortune: nobody waits for it for ever, and nothing else is lost."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence

import pytest
from tests.registry.twins import PATIENCE, Silent, Slow, Twin, sha256

import acrypto
from acrypto import _core
from acrypto.model.offers import Offer
from acrypto.model.shapes import Shape


@pytest.mark.parametrize("holds", [False, True])
def test_closing_does_not_wait_for_a_part_that_never_comes(holds: bool) -> None:
    """An engine that refuses, or keeps, its jobs does not keep a composition's worker for ever."""

    class Stuck(Twin):
        def __init__(self) -> None:
            super().__init__(Offer("cbc(aes)", "cbc-aes-stuck", 300), name="stuck")
            self.asked = threading.Event()
            self.is_stuck = False
            self.kept: list[_core.Job] = []

        def submit(self, burst: Sequence[_core.Job]) -> int:
            if not self.is_stuck:
                return super().submit(burst)
            self.asked.set()
            self.kept += burst if holds else []
            return len(burst) if holds else 0

        def close(self) -> None:
            self.kept.clear()

    engine = Stuck()
    layer = acrypto.open([engine, "software"])
    transform = layer.transform("cts(cbc(aes))", key=bytes(16))
    engine.is_stuck = True
    operation = transform.encrypt(bytes(16), bytes(40))
    assert engine.asked.wait(PATIENCE)
    closing = threading.Thread(target=layer.close)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    with pytest.raises((acrypto.ClosedError, acrypto.DeviceLost)):
        operation.wait(PATIENCE)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_interrupted_proof_leaves_nobody_waiting(
    layer: acrypto.Layer, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove(_subject: object) -> str:
        raise error

    monkeypatch.setenv("ACRYPTO_CACHE", "")  # what passed before would not be asked

    with monkeypatch.context() as patched:
        patched.setattr("acrypto.registry.selftest.prove", prove)
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                layer.register(Twin(sha256()))
            assert "sha256-twin" not in {row.driver for row in layer.offers()}
        else:
            layer.register(Twin(sha256()))
            assert {row.selftest for row in layer.offers() if row.driver == "sha256-twin"} == {"failed"}
        with pytest.raises((acrypto.NoEngine, KeyboardInterrupt)):
            layer.find("cts(cbc(aes))")
    if error is MemoryError:
        before = len(layer.offers())
        with pytest.raises(acrypto.NoEngine):
            layer.find("cts(cbc(aes))")  # at once, and not after a minute
        assert len(layer.offers()) == before
        layer.selftest()
    assert layer.find("cts(cbc(aes))").selftest == "passed"


def test_sizes_that_cannot_be_are_refused(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UsageError, match="nonce=35184372088832"):
        layer.register(Twin(Offer("own", "own-twin", 1, kind="aead", shape=Shape(nonce=1 << 45))))


def test_the_largest_priority_still_makes_compositions(layer: acrypto.Layer) -> None:
    layer.register(Twin(Offer("cbc(aes)", "cbc-aes-twin", (1 << 31) - 1)))
    assert layer.find("authenc(hmac(sha256),cbc(aes))").priority == (1 << 31) - 1
    assert layer.find("cryptd(cbc(aes))").driver == "cryptd(cbc-aes-twin)"


def test_an_engine_in_python_is_no_host_whatever_it_says(layer: acrypto.Layer) -> None:
    """Compositions of its offers run on a device of ours, even of offers that complete in the call."""
    layer.register(Twin(Offer("cbc(aes)", "cbc-aes-twin", 300, asynchronous=False)))
    row = layer.find("cts(cbc(aes))")
    assert (row.device, row.selftest, row.asynchronous) == ("template0", "passed", True)


def test_all_tests_of_a_device_together_are_bounded(layer: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that hangs costs its time once, and not once for each of its offers."""
    monkeypatch.setattr("acrypto.registry.registry.DEVICE_S", 0.1)
    monkeypatch.setattr("acrypto.registry.laws.trial.OPERATION_S", 0.2)
    names = ("sha1", "sha224", "sha256", "sha384", "sha512")
    engine = Silent(*(Offer(name, f"{name}-silent", 1) for name in names))
    layer.register(engine)
    reasons = [row.reason for row in layer.offers() if row.engine == "silent"]
    assert "every operation ends" in reasons[0]
    assert all("took longer than 0.1 s together" in reason for reason in reasons[1:])
    assert len(engine.kept) == 1


def test_closing_does_not_wait_for_ever_for_an_engine_that_does_not_return(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("acrypto.layer.pump.LET_GO", 0.05)
    engine = Slow(sha256("sha256-slow"))
    engine.selftest = False
    layer = acrypto.open([engine])
    operation = layer.digest("sha256", b"abc")
    assert engine.asked.wait(PATIENCE)
    layer.close()
    assert "slow has not returned" in caplog.text
    with pytest.raises((acrypto.ClosedError, acrypto.DeviceLost)):
        operation.wait(PATIENCE)
    engine.go.set()
    assert engine.closed.wait(PATIENCE)


# ---- Leaving while others work


class Careful(Twin):
    """Does one job at a time, when it is told to."""

    def __init__(self, *offers: Offer) -> None:
        super().__init__(*offers, name="careful")
        self.selftest = False
        self.go = threading.Event()

    def submit(self, burst: Sequence[_core.Job]) -> int:
        assert self.go.wait(PATIENCE)
        return super().submit(burst[:1])


def test_operations_in_flight_are_users(layer: acrypto.Layer) -> None:
    """A device is not closed under what it is working on, though nobody holds the transform any more."""
    engine = Careful(sha256("sha256-careful"))
    device = layer.register(engine)
    operations = [layer.digest("sha256", bytes([number])) for number in range(20)]
    leaving = threading.Thread(target=layer.unregister, args=(device,))
    leaving.start()
    while device in {row.device for row in layer.offers()}:
        pass  # until it has left lookup
    engine.go.set()
    assert [o.wait(PATIENCE) for o in operations] == [_core.digest("sha256", bytes([n])) for n in range(20)]
    leaving.join(PATIENCE)
    assert not leaving.is_alive()
    assert engine.closed.wait(PATIENCE)


def test_a_second_who_unregisters_waits_too(layer: acrypto.Layer) -> None:
    """And closes nothing under those for whom the first one waits."""
    device = layer.register(Twin(sha256()))
    held = layer.transform("sha256-twin")
    for _ in range(2):
        with pytest.raises(acrypto.DeadlineExceeded):
            layer.unregister(device, timeout=0)
    assert bytes(held.digest(b"abc").wait(PATIENCE)) == _core.digest("sha256", b"abc")
    both = [threading.Thread(target=layer.unregister, args=(device,)) for _ in range(2)]
    for thread in both:
        thread.start()
    del held
    for thread in both:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert device not in {row.name for row in layer.devices()}


@pytest.mark.parametrize("ends", ["unregister", "break"])
def test_a_host_that_is_gone_is_opened_anew(layer: acrypto.Layer, ends: str) -> None:
    assert layer.find("cryptd(sha256)").device == "cryptd0"
    if ends == "break":
        layer._native.break_device("cryptd0")
    else:
        layer.unregister("cryptd0", timeout=PATIENCE)
    assert layer.find("cryptd(sha512)").device == "cryptd1"


def test_what_leaves_leaves_nothing_behind(layer: acrypto.Layer) -> None:
    """Neither the engine, nor what was measured of it."""
    costs = len(layer.costs())
    engines = []
    for _ in range(5):
        engine = Twin(sha256())
        engines.append(weakref.ref(engine))
        device = layer.register(engine)
        layer.find("cryptd(sha256)")
        del engine
        layer.unregister(device, timeout=PATIENCE)
    gc.collect()
    assert [engine() for engine in engines] == [None] * 5
    assert len([row for row in layer.costs() if row[0].startswith("twin")]) == 0
    assert len(layer.costs()) <= costs + 100
    assert not layer._registry._leaving


@pytest.mark.parametrize("name", ["cbc(des3_ede)", "cts(cbc(des3_ede))"])
def test_an_offer_cannot_call_the_insecure_secure(layer: acrypto.Layer, name: str) -> None:
    engine = Twin(Offer(name, "insecure-twin", 300, kind="cipher"))
    engine.selftest = False
    layer.register(engine)
    with pytest.raises(acrypto.UsageError, match="allow_insecure"):
        layer.transform(name, key=bytes(range(24)))
