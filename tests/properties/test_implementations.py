"""Any implementation of a name gives the same bytes as any other, however the message is cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.twins import PATIENCE, Twin

import acrypto
from acrypto.model.offers import Offer

#: What the engine written in Python does, beside the software engine.
TWINS = ("sha256", "sha3-512", "hmac(sha256)", "cbc(aes)", "ctr(aes)", "ecb(aes)", "gcm(aes)", "deflate", "zstd")

#: Names, and the ways to get there: over the core's own parts, over those of Python, through queues and threads.
WAYS = {
    "sha256": ["sha256-awslc", "sha256-twin", "cryptd(sha256-awslc)", "cryptd(sha256-twin)"],
    "sha3-512": ["sha3-512-awslc", "sha3-512-twin", "cryptd(cryptd(sha3-512-awslc))"],
    "hmac(sha256)": ["hmac-sha256-awslc", "hmac-sha256-twin", "hmac(sha256-awslc)", "hmac(sha256-twin)"],
    "hmac(sha3-512)": ["hmac-sha3-512-awslc", "hmac(sha3-512-awslc)", "cryptd(hmac(sha3-512-twin))"],
    "cbc(aes)": ["cbc-aes-awslc", "cbc-aes-twin", "cryptd(cbc-aes-awslc)"],
    "cts(cbc(aes))": ["cts(cbc-aes-awslc)", "cts(cbc-aes-twin)", "cryptd(cts(cbc-aes-awslc))"],
    "rfc3686(ctr(aes))": ["rfc3686(ctr-aes-awslc)", "rfc3686(ctr-aes-twin)"],
    "essiv(cbc(aes),sha256)": ["essiv(cbc-aes-awslc,sha256-awslc)", "essiv(cbc-aes-twin,sha256-twin)"],
    "gcm(aes)": [
        "gcm-aes-awslc",
        "gcm-aes-twin",
        "cryptd(gcm-aes-awslc)",
        "pcrypt(gcm-aes-awslc)",
        "pcrypt(gcm-aes-twin)",
    ],
    "rfc4106(gcm(aes))": ["rfc4106(gcm-aes-awslc)", "rfc4106(gcm-aes-twin)", "pcrypt(rfc4106(gcm-aes-awslc))"],
    "rfc4543(gcm(aes))": ["rfc4543(gcm-aes-awslc)", "rfc4543(gcm-aes-twin)"],
    "authenc(hmac(sha256),cbc(aes))": [
        "authenc(hmac-sha256-awslc,cbc-aes-awslc)",
        "authenc(hmac(sha256-awslc),cbc-aes-twin)",
        "authenc(hmac-sha256-twin,cbc-aes-awslc)",
        "pcrypt(authenc(hmac-sha256-awslc,cbc-aes-awslc))",
    ],
    "authencesn(hmac(sha256),cbc(aes))": [
        "authencesn(hmac-sha256-awslc,cbc-aes-awslc)",
        "cryptd(authencesn(hmac-sha256-twin,cbc-aes-twin))",
    ],
    "deflate": ["deflate-libdeflate", "deflate-twin", "cryptd(deflate-libdeflate)"],
    "zstd": ["zstd-libzstd", "zstd-twin", "cryptd(zstd-twin)"],
}
#: Bytes of key: of the cipher, and what a template adds.
KEYS = {"rfc3686": 20, "rfc4106": 20, "rfc4543": 20}
BLOB = bytes([8, 0, 1, 0, 0, 0, 0, 16])


def twin() -> Twin:
    """An engine written in Python, weaker than all others."""
    return Twin(*(Offer(name, f"{name.replace('(', '-').replace(')', '')}-twin", 10) for name in TWINS))


@pytest.fixture(scope="module")
def several() -> Iterator[acrypto.Layer]:
    with acrypto.open(settings=acrypto.Settings(workers=2)) as layer:
        layer.register(twin())
        yield layer


def ways(kind: str) -> st.SearchStrategy[tuple[str, str, str]]:
    """A name of a kind, and two different ways to get there."""
    with acrypto.open() as layer:
        layer.register(twin())
        names = [name for name in WAYS if layer.find(name).kind == kind]
    pairs = [(name, one, other) for name in names for one in WAYS[name] for other in WAYS[name] if one != other]
    return st.sampled_from(pairs)


@st.composite
def cut(draw: st.DrawFn, message: bytes) -> bytes | list[bytes]:
    """A message, or the same in segments."""
    if draw(st.booleans()):
        return message
    places = sorted(draw(st.lists(st.integers(0, len(message)), max_size=6)))
    return [message[start:end] for start, end in zip([0, *places], [*places, len(message)], strict=True)]


MESSAGES = st.binary(max_size=300) | st.integers(0, 70_000).map(lambda size: (b"some of it repeats, " * 3501)[:size])


@given(way=ways("digest"), message=MESSAGES, data=st.data())
def test_digests(several: acrypto.Layer, way: tuple[str, str, str], message: bytes, data: st.DataObject) -> None:
    one, other = (several.transform(driver) for driver in way[1:])
    right = one.digest(data.draw(cut(message))).wait(PATIENCE)
    assert other.digest(data.draw(cut(message))).wait(PATIENCE) == right


@given(way=ways("mac"), key=st.binary(max_size=150), message=MESSAGES, data=st.data())
def test_macs(
    several: acrypto.Layer, way: tuple[str, str, str], key: bytes, message: bytes, data: st.DataObject
) -> None:
    one, other = (several.transform(driver, key=key) for driver in way[1:])
    right = one.mac(data.draw(cut(message))).wait(PATIENCE)
    assert other.mac(data.draw(cut(message))).wait(PATIENCE) == right
    other.verify(right, message).wait(PATIENCE)


@given(way=ways("cipher"), random=st.binary(min_size=36, max_size=36), message=MESSAGES, data=st.data())
def test_ciphers(
    several: acrypto.Layer, way: tuple[str, str, str], random: bytes, message: bytes, data: st.DataObject
) -> None:
    name = way[0]
    key, nonce = random[: KEYS.get(name.partition("(")[0], 16)], random[20 : 20 + several.find(name).shape.nonce]
    if name.startswith("cts"):
        message += bytes(16)
    elif "cbc" in name:
        message = message[: len(message) // 16 * 16]
    one, other = (several.transform(driver, key=key) for driver in way[1:])
    right = bytes(one.encrypt(nonce, data.draw(cut(message))).wait(PATIENCE))
    assert bytes(other.encrypt(nonce, data.draw(cut(message))).wait(PATIENCE)) == right
    assert bytes(other.decrypt(nonce, data.draw(cut(right))).wait(PATIENCE)) == message


@given(way=ways("aead"), random=st.binary(min_size=64, max_size=64), message=MESSAGES, data=st.data())
def test_aeads(
    several: acrypto.Layer, way: tuple[str, str, str], random: bytes, message: bytes, data: st.DataObject
) -> None:
    """Also on what is forged: both refuse it."""
    name = way[0]
    key = random[: KEYS.get(name.partition("(")[0], 16)]
    nonce, ad = random[20 : 20 + several.find(name).shape.nonce], random[48:60]
    if name.startswith("authenc"):
        key, message = BLOB + random[:48], message[: len(message) // 16 * 16]
    one, other = (several.transform(driver, key=key) for driver in way[1:])
    box = bytes(one.encrypt(nonce, data.draw(cut(message)), data.draw(cut(ad))).wait(PATIENCE))
    assert bytes(other.encrypt(nonce, data.draw(cut(message)), ad).wait(PATIENCE)) == box
    assert bytes(other.decrypt(nonce, data.draw(cut(box)), ad).wait(PATIENCE)) == message
    at = data.draw(st.integers(0, len(box) - 1))
    forged = box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]
    for transform in (one, other):
        with pytest.raises(acrypto.AuthenticationError):
            transform.decrypt(nonce, forged, ad).wait(PATIENCE)


@given(way=ways("compression"), message=MESSAGES, data=st.data())
def test_codecs(several: acrypto.Layer, way: tuple[str, str, str], message: bytes, data: st.DataObject) -> None:
    """Packed bytes may differ; what they hold does not."""
    one, other = (several.transform(driver) for driver in way[1:])
    packed = bytes(one.compress(data.draw(cut(message))).wait(PATIENCE))
    assert bytes(other.decompress(data.draw(cut(packed))).wait(PATIENCE)) == message
