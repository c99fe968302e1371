"""Compositions while their parts come and go: never one over what has left, never a name that is not found."""

from __future__ import annotations

import os
import threading

import pytest
from tests.registry.twins import PATIENCE, Twin, sha256

import acrypto
from acrypto.model.offers import Offer

AUTHENC = "authenc(hmac(sha256),cbc(aes))"
KEY = bytes([8, 0, 1, 0, 0, 0, 0, 16]) + bytes(range(48))


def test_a_name_is_found_while_stronger_parts_come_and_go(layer: acrypto.Layer) -> None:
    """It can be made at every moment, so it is."""
    ends, failures = threading.Event(), []

    def ask() -> None:
        while not ends.is_set():
            try:
                layer.transform(AUTHENC, key=KEY)
            except acrypto.AcryptoError as error:
                failures.append(error)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for _ in range(8):
        engine = Twin(Offer("cbc(aes)", "cbc-aes-twin", 300))
        engine.selftest = False
        layer.unregister(layer.register(engine), timeout=PATIENCE)
    ends.set()
    for thread in asking:
        thread.join(PATIENCE)
    assert not failures
    assert layer.find(AUTHENC).driver == "authenc(hmac-sha256-awslc,cbc-aes-awslc)"


@pytest.mark.parametrize("when", ["leaves", "comes"])
def test_what_changes_while_it_is_made_is_looked_up_again(
    layer: acrypto.Layer, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that leaves, or a stronger one that comes, between the look-up of the parts and the composition."""
    engine = Twin(Offer("cbc(aes)", "cbc-aes-twin", 300))
    if when == "leaves":
        layer.register(engine)
    registry = layer._registry
    common, done = registry._common_device, []

    def change(parts: list[object]) -> str:
        found: str = common(parts)  # type: ignore[arg-type]
        if not done:
            done.append(True)
            if when == "leaves":
                layer.unregister("cbc-aes-twin", timeout=0)
            else:
                layer.register(engine)
        return found

    monkeypatch.setattr(registry, "_common_device", change)
    driver = layer.find("cts(cbc(aes))").driver
    assert driver == ("cts(cbc-aes-awslc)" if when == "leaves" else "cts(cbc-aes-twin)")


def test_two_names_of_one_driver_asked_for_at_once(layer: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the proof that the first one runs."""
    from acrypto.registry import selftest

    monkeypatch.setenv("ACRYPTO_CACHE", "")
    prove, proving, go = selftest.prove, threading.Event(), threading.Event()

    def slowly(subject: selftest.Subject) -> str:
        proving.set()
        assert go.wait(PATIENCE)
        return prove(subject)

    monkeypatch.setattr(selftest, "prove", slowly)
    found: list[int] = []
    one = threading.Thread(target=lambda: found.append(layer.find("cryptd(gcm-aes-awslc)").id))
    one.start()
    assert proving.wait(PATIENCE)
    two = threading.Thread(target=lambda: found.append(layer.find("cryptd(gcm(aes))").id))
    two.start()
    while "cryptd(gcm(aes))" not in layer._registry._aliases:
        pass  # until it has found the other's
    go.set()
    for thread in (one, two):
        thread.join(PATIENCE)
    assert len(found) == 2
    assert found[0] == found[1]


def test_who_names_a_wrapper_inside_takes_no_plain_name(layer: acrypto.Layer) -> None:
    plain = layer.find("rfc4106(gcm(aes))").id
    special = layer.find("rfc4106(cryptd(gcm(aes)))")
    assert special.driver == "rfc4106(cryptd(gcm-aes-awslc))"
    assert layer.find("rfc4106(gcm(aes))").id == plain
    assert layer.find("seqiv(rfc4106(gcm(aes)))").driver == "seqiv(rfc4106(gcm-aes-awslc))"


@pytest.mark.parametrize("name", ["essiv(cts(cbc(aes)),sha256)", "seqiv(seqiv(rfc4106(gcm(aes))))"])
def test_what_cannot_be_nested_so_is_refused(layer: acrypto.Layer, name: str) -> None:
    with pytest.raises(acrypto.UsageError):
        layer.find(name)


@pytest.mark.parametrize("name", ["", "a\0b", "a b", "x" * 129, "cryptd", "template", "pcrypt", None])
def test_engines_have_names(layer: acrypto.Layer, name: str) -> None:
    devices = len(layer.devices())
    with pytest.raises(acrypto.UsageError, match="engine name"):
        layer.register(Twin(sha256(), name=name))
    assert len(layer.devices()) == devices


def test_an_instance_is_opened_once(layer: acrypto.Layer) -> None:
    engine = Twin(sha256())
    layer.register(engine)
    with pytest.raises(acrypto.UsageError, match="open already"):
        layer.register(engine)


def test_a_forked_child_is_refused(layer: acrypto.Layer) -> None:
    """Though another thread held the registry's lock at the fork."""
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with layer._registry._changed:
            held.set()
            assert go.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE)
    child = os.fork()
    if not child:
        refused = 0
        for ask in (layer.offers, layer.algorithms, lambda: layer.find("sha256"), layer.selftest):
            try:
                ask()
            except acrypto.ClosedError:
                refused += 1
        os._exit(0 if refused == 4 else 1)
    go.set()
    holder.join(PATIENCE)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
