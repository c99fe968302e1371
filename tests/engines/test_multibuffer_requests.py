"""The engine over intel-ipsec-mb in a layer: in routes, among requests that end early, alone, and beside software."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import acrypto
from acrypto.engines.multibuffer import Multibuffer
from acrypto.engines.software import Software

if absent := Multibuffer().probe():
    pytest.skip(f"multibuffer: {absent.reason}", allow_module_level=True)

#: Seconds until a test is given up.
PATIENCE = 60
AUTHENC = "authenc(hmac(sha256),cbc(aes))"
MAC_KEY, KEY = bytes(range(32)), bytes(range(16))
#: The kernel's form of both keys (crypto/authenc.c).
BOTH_KEYS = bytes([8, 0, 1, 0, 0, 0, 0, len(KEY)]) + MAC_KEY + KEY
NONCE = bytes(16)
#: Too long for a lane: it keeps a worker busy for a tenth of a second.
LONG = bytes(64 << 20)
MESSAGES = [bytes([number]) * 4096 for number in range(64)]


def sealed(message: bytes, ad: bytes = b"") -> bytes:
    """What AUTHENC makes of a message, by somebody else's code."""
    context = Cipher(algorithms.AES(KEY), modes.CBC(NONCE)).encryptor()
    text = context.update(message) + context.finalize()
    return text + hmac.digest(MAC_KEY, ad + text, "sha256")


def one_worker(**how: Any) -> acrypto.Layer:
    settings = acrypto.Settings(workers=1, inline_us=0, remember_costs=False, **how)
    return acrypto.open(["multibuffer"], settings=settings)


def test_alone_it_serves_the_plain_names() -> None:
    with acrypto.open(["multibuffer"]) as layer:
        digest = layer.transform("sha256")
        mac = layer.transform("hmac(sha256)", key=KEY)
        aead = layer.transform(AUTHENC, key=BOTH_KEYS)
        assert layer.find(AUTHENC).driver == "authenc-hmac-sha256-cbc-aes-ipsecmb"
        message = MESSAGES[7]
        assert digest.digest(message).wait(PATIENCE) == hashlib.sha256(message).digest()
        assert mac.mac(message).wait(PATIENCE) == hmac.digest(KEY, message, "sha256")
        box = aead.encrypt(NONCE, message, b"ad")
        assert box.wait(PATIENCE) == sealed(message, b"ad")
        assert box.completion.device == "multibuffer0"
        assert aead.decrypt(NONCE, sealed(message, b"ad"), b"ad").wait(PATIENCE) == message
        with pytest.raises(acrypto.AuthenticationError):
            aead.decrypt(NONCE, sealed(message, b"ad"), b"da").wait(PATIENCE)


def test_alone_it_makes_compositions_of_its_parts() -> None:
    with acrypto.open(["multibuffer"]) as layer:
        assert layer.find("cts(cbc(aes))").driver == "cts(cbc-aes-ipsecmb)"
        with acrypto.open(["software"]) as other:
            boxes = [
                bytes(one.transform("cts(cbc(aes))", key=KEY).encrypt(NONCE, bytes(99)).wait(PATIENCE))
                for one in (layer, other)
            ]
        assert boxes[0] == boxes[1]


def test_where_others_have_no_better_parts_its_one_pass_serves() -> None:
    """Whatever was made before, and though `null` offers the parts, too: as a last resort."""
    with acrypto.open(["multibuffer", "null"]) as layer:
        for _ in range(2):
            assert layer.find("cbc(aes)").driver == "cbc-aes-ipsecmb"
            assert layer.find(AUTHENC).driver == "authenc-hmac-sha256-cbc-aes-ipsecmb"
            assert layer.find("cts(cbc(aes))").driver == "cts(cbc-aes-ipsecmb)"
        box = layer.transform(AUTHENC, key=BOTH_KEYS).encrypt(NONCE, MESSAGES[2])
        assert box.wait(PATIENCE) == sealed(MESSAGES[2])
        layer.register(Software())
        assert layer.find(AUTHENC).driver == "authenc(hmac-sha256-awslc,cbc-aes-awslc)"
        assert layer.find(AUTHENC).priority > 90
        assert layer.find("cts(cbc(aes))").driver == "cts(cbc-aes-awslc)"


@pytest.mark.parametrize("mode", ["queued", "inline"])
def test_it_runs_stages_of_routes(mode: str) -> None:
    """First, last and between those of other devices; many routes at once and one."""
    with acrypto.open(["software", "multibuffer"]) as layer:
        route = layer.route(
            layer.transform("cbc-aes-ipsecmb", key=KEY),
            layer.transform("zlib", level=1),
            layer.transform("sha512-ipsecmb"),
            layer.transform("hmac-sha256-ipsecmb", key=MAC_KEY),
        )
        nonce = {0: NONCE}
        operations = [route.run(message, nonce=nonce, mode=mode) for message in MESSAGES]
        back = route.reverse()
        for message, operation in zip(MESSAGES, operations, strict=True):
            result = bytes(operation.wait(PATIENCE))
            assert hmac.digest(MAC_KEY, result[:-32], "sha256") == result[-32:]
            assert operation.completion.digests == [("sha512", hashlib.sha512(result[:-32]).digest())]
            devices = [stage.device for stage in operation.completion.stages]
            assert devices == ["multibuffer0", "software0", "multibuffer0", "multibuffer0"]
            assert bytes(back.run(result, nonce=nonce, mode=mode).wait(PATIENCE)) == message
            with pytest.raises(acrypto.AuthenticationError):
                back.run(result[:-1] + bytes([result[-1] ^ 1]), nonce=nonce, mode=mode).wait(PATIENCE)


def test_requests_that_end_early_take_none_of_their_burst_along() -> None:
    """A third is cancelled, a third has a deadline that passes while the only worker is busy; the rest is right."""
    with one_worker() as layer:
        busy = layer.digest("sha512", LONG)
        digest = layer.transform("sha256")
        operations = [
            digest.digest(message, deadline=1e-4 if number % 3 == 1 else None)
            for number, message in enumerate(MESSAGES)
        ]
        dropped = [operation.cancel() for operation in operations[::3]]
        for number, (message, operation) in enumerate(zip(MESSAGES, operations, strict=True)):
            if number % 3 == 0:
                assert dropped[number // 3]
                assert operation.cancelled()
            elif number % 3 == 1:
                with pytest.raises(acrypto.DeadlineExceeded):
                    operation.wait(PATIENCE)
            else:
                assert operation.wait(PATIENCE) == hashlib.sha256(message).digest()
        assert busy.wait(PATIENCE) == hashlib.sha512(LONG).digest()
        assert digest.digest(b"abc").wait(PATIENCE) == hashlib.sha256(b"abc").digest()


def test_a_batch_that_is_cancelled_or_late_lets_go_of_its_memory() -> None:
    with one_worker() as layer:
        layer.digest("sha512", LONG)
        digest = layer.transform("sha256")
        sources = [[bytearray(message) for message in MESSAGES] for _ in range(3)]
        cancelled = digest.digest_many(sources[0])
        late = digest.digest_many(sources[1], deadline=1e-4)
        good = digest.digest_many(sources[2])
        assert cancelled.cancel()
        with pytest.raises(acrypto.DeadlineExceeded):
            late.wait(PATIENCE)
        assert list(good.wait(PATIENCE)) == [hashlib.sha256(message).digest() for message in MESSAGES]
    for source in sources[0] + sources[1] + sources[2]:
        source.append(0)  # BufferError while it is pinned


def test_single_ones_are_done_by_software_parts_and_many_by_lanes_and_give_the_same_bytes() -> None:
    """What is awaited together goes to the lanes, once they are known to be better."""

    async def main() -> None:
        async with acrypto.open(settings=acrypto.Settings(remember_costs=False)) as layer:
            aead = layer.transform(AUTHENC, key=BOTH_KEYS)
            composed = layer.find(AUTHENC)
            assert composed.driver == "authenc(hmac-sha256-awslc,cbc-aes-awslc)"
            wanted = [sealed(message) for message in MESSAGES]
            drivers = set()
            for _ in range(5000):
                operations = [aead.encrypt(NONCE, message) for message in MESSAGES]
                assert [bytes(await operation) for operation in operations] == wanted
                drivers = {operation.completion.driver for operation in operations}
                if drivers == {"authenc-hmac-sha256-cbc-aes-ipsecmb"}:
                    break
            assert drivers == {"authenc-hmac-sha256-cbc-aes-ipsecmb"}
            for _ in range(5000):  # now and then one is tried elsewhere, so that costs stay known
                operation = aead.encrypt(NONCE, MESSAGES[0])
                assert bytes(await operation) == wanted[0]
                if operation.completion.driver == composed.driver:
                    break
            assert operation.completion.driver == composed.driver
            opened = await aead.decrypt_many([NONCE] * 64, wanted)
            assert [bytes(message) for message in opened] == MESSAGES

    asyncio.run(main())


def test_a_composition_that_fails_its_self_test_leaves_the_name_to_the_lanes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from acrypto.registry import selftest

    prove = selftest.prove

    def refuse(subject: selftest.Subject) -> str:
        if subject.driver.startswith("authenc("):
            raise selftest.SelfTestFailed("refused by the test")
        return prove(subject)

    monkeypatch.setattr(selftest, "prove", refuse)
    with acrypto.open() as layer:
        monkeypatch.setattr(layer._registry._verdicts, "has", lambda key: False)
        assert layer.find(AUTHENC).driver == "authenc-hmac-sha256-cbc-aes-ipsecmb"
        box = layer.transform(AUTHENC, key=BOTH_KEYS).encrypt(NONCE, MESSAGES[1])
        assert box.wait(PATIENCE) == sealed(MESSAGES[1])
