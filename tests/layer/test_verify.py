"""Integrity: whoever is asked to verify gives no wrong byte, and who lied gets no more work."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.layer.only import STRONGEST, device, until
from tests.properties.cases import Case
from tests.registry.twins import Liar, Twin

import acrypto
from acrypto.engines.base import Engine
from acrypto.engines.simulated import Simulated
from acrypto.model.offers import Offer

TEXT = b"a text of some length " * 300
KEY = bytes(range(32))


def private_key(name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    made = {"ed25519": ed25519.Ed25519PrivateKey, "x25519": x25519.X25519PrivateKey}[name].generate()
    der, pkcs8, plain = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(der, pkcs8, plain)


CASES = [
    Case("deflate", "compression", {"level": 1}, b"", 1, 0, True),
    Case("zstd", "compression", {"level": 3}, b"", 1, 0, True),
    Case("lz4", "compression", {}, b"", 1, 0, True),
    Case("sha256", "digest", {}, b"", 1, 0, True),
    Case("crc32", "digest", {}, b"", 1, 0, True),
    Case("hmac(sha256)", "mac", {"key": KEY}, b"", 1, 0, True),
    Case("ctr(aes)", "cipher", {"key": KEY}, bytes(16), 1, 0, True),
    Case("cbc(aes)", "cipher", {"key": KEY}, bytes(16), 16, 0, True),
    Case("gcm(aes)", "aead", {"key": KEY}, bytes(12), 1, 0, True),
    Case("ed25519", "signature", {"key": private_key("ed25519")}, b"", 1, 0, True),
]
NAMES = [case.name for case in CASES]
cases = pytest.mark.parametrize("case", CASES, ids=NAMES)


class Cheat(Liar):
    """Is let in unproven, and lies when it is told to, or about one message only."""

    selftest = False

    def __init__(self, *names: str) -> None:
        super().__init__(*(Offer(name, f"{name}-cheat", 200) for name in names or NAMES), name="cheat")
        self.lies_about: Callable[[bytes], bool] = lambda source: True

    def do(self, job: Any, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
        lies = self.lies_about(source)
        return Liar.do(self, job, source, nonce, ad, tag) if lies else Twin.do(self, job, source, nonce, ad, tag)


def opened(*engines: Engine | str, **settings: Any) -> acrypto.Layer:
    return acrypto.open(engines, settings=acrypto.Settings(workers=1, inline_us=0, **{**STRONGEST, **settings}))


@pytest.fixture(params=["python", "simulated"])
def lying(request: pytest.FixtureRequest) -> Iterator[tuple[acrypto.Layer, str]]:
    """A layer whose strongest device lies, and that device's name."""
    engine = Cheat() if request.param == "python" else Simulated(algorithms=NAMES, priority=200)
    with opened(engine, "software") as layer:
        if isinstance(engine, Simulated):
            engine.tune("corrupt_rate", 1.0)
        yield layer, f"{engine.name}0"


# ---- No wrong byte


@cases
def test_a_liar_is_found_out_and_another_does_it(lying: tuple[acrypto.Layer, str], case: Case) -> None:
    layer, liar = lying
    message = case.fit(TEXT)
    operation = case.forward(layer.transform(case.name, **case.parameters, verify=True), message)
    if case.kind == "signature":  # signing twice is not for us to decide
        with pytest.raises(acrypto.EngineError, match="wrong result"):
            operation.wait(60)
        assert device(layer, liar).state == "quarantined"
        return
    result = operation.wait(60)
    check(layer, case, message, result)
    assert operation.completion.device == "software0"
    assert operation.completion.attempts == 2
    assert operation.completion.reason == "done again: the result was wrong"
    found = device(layer, liar)
    assert (found.state, found.lied, found.redone) == ("quarantined", 1, 1)
    assert "wrong result" in found.why
    assert layer.statistics().fallbacks["done again: the result was wrong"] == 1


def check(layer: acrypto.Layer, case: Case, message: bytes, result: Any) -> None:
    """It is what the software engine gives, or takes back."""
    own = layer.transform(case.name, **case.parameters)
    wishes: dict[str, Any] = {"device": "software0"}
    match case.kind:
        case "compression":
            assert bytes(own.decompress(result, **wishes).wait(60)) == message
        case "signature":
            own.verify(result, message, **wishes).wait(60)
        case _:
            assert bytes(result) == bytes(case.forward(own, message, **wishes).wait(60))


@cases
def test_the_way_back_is_looked_at_as_well(lying: tuple[acrypto.Layer, str], case: Case) -> None:
    layer, liar = lying
    message = case.fit(TEXT)
    there = case.forward(layer.transform(case.name, **case.parameters), message, device="software0").wait(60)
    transform = layer.transform(case.name, **case.parameters, verify=True)
    match case.kind:
        case "compression":
            operation = transform.decompress(there)
        case "cipher" | "aead":
            operation = transform.decrypt(case.nonce, there)
        case _:
            pytest.skip("it has no way back whose result could be wrong")
    assert bytes(operation.wait(60)) == message
    assert device(layer, liar).state == "quarantined"


@cases
def test_honest_ones_pass(case: Case) -> None:
    with opened(Simulated(algorithms=NAMES, priority=200), "software") as layer:
        message = case.fit(TEXT)
        transform = layer.transform(case.name, **case.parameters, verify=True)
        for _ in range(5):
            operation = case.forward(transform, message)
            check(layer, case, message, operation.wait(60))
            assert (operation.completion.device, operation.completion.attempts) == ("simulated0", 1)
        assert device(layer, "simulated0").lied == 0


@pytest.mark.parametrize("size", [0, 1, 15, 70_000, 1 << 20])
@cases
def test_the_software_engine_verifies_itself(case: Case, size: int) -> None:
    """On both lanes."""
    for inline_us in (0.0, 1e6):
        with acrypto.open(["software"], settings=acrypto.Settings(inline_us=inline_us)) as layer:
            message = case.fit(bytes(size))
            operation = case.forward(layer.transform(case.name, **case.parameters, verify=True), message)
            check(layer, case, message, operation.wait(60))


@cases
@pytest.mark.parametrize("engine", ["python", "simulated"])
def test_alone_a_liar_fails(case: Case, engine: str) -> None:
    made = Cheat() if engine == "python" else Simulated(algorithms=NAMES)
    with opened(made) as layer:
        if isinstance(made, Simulated):
            made.tune("corrupt_rate", 1.0)
        transform = layer.transform(case.name, **case.parameters, verify=True)
        for _ in range(5):
            with pytest.raises(acrypto.EngineError, match="gave a wrong result"):
                case.forward(transform, case.fit(TEXT)).wait(60)
        [found] = layer.devices()
        assert (found.state, found.lied) == ("quarantined", 5)
        with pytest.raises(acrypto.NoEngine, match="wrong result"):  # unchecked, nothing of it is given any more
            case.forward(layer.transform(case.name, **case.parameters), case.fit(TEXT)).wait(60)


def test_a_bound_request_is_not_done_elsewhere(lying: tuple[acrypto.Layer, str]) -> None:
    layer, liar = lying
    with pytest.raises(acrypto.EngineError, match="wrong result"):
        layer.transform("sha256", verify=True).digest(TEXT, device=liar).wait(60)
    assert device(layer, liar).state == "quarantined"


def test_into_holds_the_right_result_and_nothing_of_the_wrong_one(lying: tuple[acrypto.Layer, str]) -> None:
    layer, _ = lying
    expected = bytes(layer.transform("ctr(aes)", key=KEY).encrypt(bytes(16), TEXT, device="software0").wait(60))
    memory = bytearray(b"\xa5" * (len(TEXT) + 64))
    transform = layer.transform("ctr(aes)", key=KEY, verify=True)
    count = transform.encrypt(bytes(16), TEXT, into=memory).wait(60)
    assert memory[:count] == expected
    assert set(memory[count:]) <= {0xA5, 0}


def test_alone_a_liars_bytes_are_not_left_in_the_callers_memory() -> None:
    with opened(Cheat("ctr(aes)")) as layer:
        memory = bytearray(len(TEXT))
        with pytest.raises(acrypto.EngineError):
            layer.transform("ctr(aes)", key=KEY, verify=True).encrypt(bytes(16), TEXT, into=memory).wait(60)
        assert memory == bytes(len(TEXT))


def test_without_it_nobody_looks() -> None:
    with opened(Cheat(), "software") as layer:
        assert layer.digest("sha256", TEXT).wait(60) != hashlib.sha256(TEXT).digest()
        assert device(layer, "cheat0").state == "up"


def test_stages_of_a_route_are_verified_each_for_itself(lying: tuple[acrypto.Layer, str]) -> None:
    layer, _ = lying
    press = layer.transform("zstd", verify=True)
    seal = layer.transform("hmac(sha256)", key=KEY, verify=True)
    operation = layer.route(press, seal).run(TEXT)
    sealed = operation.wait(60)
    assert [stage.device for stage in operation.completion.stages] == ["software0"] * 2
    assert [stage.attempts for stage in operation.completion.stages] == [2, 1]
    assert bytes(layer.route(press, seal).reverse().run(sealed).wait(60)) == TEXT


def test_failures_are_failures_not_lies() -> None:
    with opened(Simulated(algorithms=["gcm(aes)", "zlib"], priority=200), "software") as layer:
        aead = layer.transform("gcm(aes)", key=KEY, verify=True)
        with pytest.raises(acrypto.AuthenticationError):
            aead.decrypt(bytes(12), bytes(40)).wait(60)
        with pytest.raises(acrypto.CorruptInput):
            layer.transform("zlib", verify=True).decompress(b"nothing").wait(60)
        assert [found.lied for found in layer.devices()] == [0, 0]


# ---- Batches


@pytest.mark.parametrize("bad", [{0}, {3}, {6}, {1, 5}, set(range(7))], ids=str)
def test_of_a_batch_only_what_was_wrong_is_done_again(bad: set[int]) -> None:
    cheat = Cheat()
    cheat.lies_about = lambda source: int(source.split()[0]) in bad
    messages = [b"%d is a message" % number for number in range(7)]
    with opened(cheat, "software") as layer:
        before = device(layer, "software0").completed
        operation = layer.transform("sha256", verify=True).digest_many(messages)
        assert operation.wait(60) == [hashlib.sha256(message).digest() for message in messages]
        assert device(layer, "software0").completed - before == len(bad)
        assert device(layer, "cheat0").state == "quarantined"


def test_alone_a_batch_has_an_error_in_the_place_of_what_was_wrong() -> None:
    cheat = Cheat("sha256")
    cheat.lies_about = lambda source: source == b"b"
    with opened(cheat) as layer:
        transform = layer.transform("sha256", verify=True)
        results = transform.digest_many([b"a", b"b", b"c"], return_exceptions=True).wait(60)
        assert isinstance(results[1], acrypto.EngineError)
        assert results[::2] == [hashlib.sha256(b"a").digest(), hashlib.sha256(b"c").digest()]
        with pytest.raises(acrypto.EngineError):
            transform.digest_many([b"a", b"b", b"c"]).wait(60)


# ---- Samples


@pytest.mark.parametrize("every", [1, 3])
def test_one_in_so_many_is_checked(every: int) -> None:
    with opened(Cheat("sha256"), crosscheck=every) as layer:
        served = wrong = 0
        for _ in range(12):
            try:
                assert layer.digest("sha256", TEXT).wait(60) != hashlib.sha256(TEXT).digest()
            except acrypto.EngineError:
                wrong += 1
            except acrypto.NoEngine:
                break
            served += 1
        assert (served, wrong, layer.devices()[0].lied) == (1, 1, 1)  # the first one is among them


def test_a_sample_finds_a_liar_and_others_take_over() -> None:
    with opened(Cheat(), "software", crosscheck=4) as layer:
        results = [layer.digest("sha256", TEXT).wait(60) for _ in range(12)]
        assert device(layer, "cheat0").state == "quarantined"
        assert set(results[3:]) == {hashlib.sha256(TEXT).digest()}


def test_samples_of_honest_devices_change_nothing() -> None:
    with opened(Simulated(algorithms=NAMES, priority=200), "software", crosscheck=1) as layer:
        for case in CASES:
            message = case.fit(TEXT)
            operation = case.forward(layer.transform(case.name, **case.parameters), message)
            check(layer, case, message, operation.wait(60))
            assert operation.completion.device == "simulated0"
        assert device(layer, "simulated0").lied == 0


# ---- What cannot be verified


def test_it_is_told_where_nobody_can_look() -> None:
    class Odd(Engine):
        name = "odd"
        selftest = False

        def offers(self) -> list[Offer]:
            return [Offer("oddhash", "oddhash-odd", 100, kind="digest")]

        def submit(self, burst: Any) -> int:
            for job in burst:
                job.complete([b"digest" for _ in job.units])
            return len(burst)

    with acrypto.open([Odd()]) as layer:
        assert layer.digest("oddhash", b"x").wait(60) == b"digest"
        with pytest.raises(acrypto.UsageError, match="oddhash"):
            layer.transform("oddhash", verify=True)


def test_a_check_whose_device_breaks_is_made_all_the_same() -> None:
    """And the caller's memory holds what was found right, not what was first written there."""
    bad, good = (Simulated(name=name, algorithms=["zlib"], priority=300) for name in ("bad", "good"))
    with opened(bad, good, "software") as layer:
        bad.tune("corrupt_rate", 1.0)
        transform, into = layer.transform("zlib", verify=True), bytearray(4096)
        # The checking device has enough to do for the check to wait there.
        busy = [layer.compress("zlib", os.urandom(16 << 20), level=9, device="software0") for _ in range(2)]
        operation = transform.compress(TEXT, into=into)
        until(lambda: any(into) or operation.done())
        layer.break_device("software0")
        assert zlib.decompress(into[: operation.wait(60)]) == TEXT
        for other in busy:
            with contextlib.suppress(acrypto.DeviceLost):
                other.wait(60)
