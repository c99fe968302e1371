"""Laws of batches of digests, MACs and ciphers: packed or not, in whatever memory, each result is as if alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acrypto
from acrypto.engines.faulty import Faulty
from acrypto.engines.multibuffer import Multibuffer
from acrypto.kernel import errno

#: One that writes where it is told, one with lanes, and one whose results are copied since it may lose work.
ENGINES = {"direct": "software", "lanes": "multibuffer", "copied": Faulty()}
DATA = bytes(range(256)) * 80
SIZES = {"gcm(aes)": 12, "chacha20-poly1305": 12, "cbc(aes)": 16, "ctr(aes)": 16}


@pytest.fixture(scope="module", params=list(ENGINES))
def layer(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    if request.param == "lanes" and (absent := Multibuffer().probe()):
        pytest.skip(f"multibuffer: {absent.reason}")
    with acrypto.open([ENGINES[request.param]]) as opened:
        yield opened


def cut(data: bytes, unit: int) -> list[bytes]:
    return [data[at : at + unit] for at in range(0, len(data), unit)]


def keyed(layer: acrypto.Layer, name: str) -> acrypto.Transform:
    return layer.transform(name, key=bytes(range(32)))


@given(
    size=st.integers(0, 9000),
    unit=st.integers(1, 5000),
    name=st.sampled_from(["sha256", "sha1", "hmac(sha256)", "cmac(aes)"]),
    mode=st.sampled_from(["queued", "inline"]),
)
def test_packed_digests_are_those_of_one_by_one(
    layer: acrypto.Layer, size: int, unit: int, name: str, mode: str
) -> None:
    unit = max(unit, size // 100)
    transform = keyed(layer, name) if "(" in name else layer.transform(name)
    kind = "mac" if "(" in name else "digest"
    one, many = getattr(transform, kind), getattr(transform, f"{kind}_many")
    messages = cut(DATA[:size], unit)
    right = [one(message).wait() for message in messages]
    into = bytearray(sum(map(len, right)) + 5)
    assert many(messages, mode=mode).wait() == many(DATA[:size], unit=unit, mode=mode).wait() == right
    for options in ({"packed": True}, {"into": into}, {"into": into, "packed": True}):
        for source in ({"data": messages}, {"data": DATA[:size], "unit": unit}):
            batch = many(**source, **options, mode=mode).wait()
            assert [bytes(result) for result in batch] == right
            assert batch.nbytes == sum(batch.lengths) == sum(map(len, right))
            assert bytes(memoryview(batch.buffer)[: batch.nbytes]) == b"".join(right)


@given(
    blocks=st.integers(0, 500),
    unit=st.integers(1, 300),
    name=st.sampled_from(sorted(SIZES)),
    mode=st.sampled_from(["queued", "inline"]),
    each=st.booleans(),
    has_ads=st.booleans(),
)
def test_packed_ciphertexts_are_those_of_one_by_one_and_come_back(
    layer: acrypto.Layer, blocks: int, unit: int, name: str, mode: str, each: bool, has_ads: bool
) -> None:
    """Blocks and units are of 16 bytes, which every mode takes; nonces are a list, or one buffer."""
    data, unit = DATA[: blocks * 16], max(unit, blocks // 100) * 16
    transform, messages = keyed(layer, name), cut(data, unit)
    nonces = [number.to_bytes(SIZES[name], "little") for number in range(len(messages))]
    given_nonces: Any = nonces if each else b"".join(nonces)
    ads = [bytes(number % 7) for number in range(len(messages))] if has_ads and SIZES[name] == 12 else None
    lone = ads or [b""] * len(messages)
    right = [bytes(transform.encrypt(*one).wait()) for one in zip(nonces, messages, lone, strict=True)]
    into = bytearray(sum(map(len, right)))
    listed = transform.encrypt_many(given_nonces, data, ads, unit=unit, mode=mode).wait()
    assert [bytes(one) for one in listed] == right
    for options in ({"packed": True}, {"into": into}):
        sealed = transform.encrypt_many(given_nonces, data, ads, unit=unit, **options, mode=mode).wait()
        assert [bytes(one) for one in sealed] == right
        back = bytearray(len(data))
        opened = transform.decrypt_many(given_nonces, sealed, ads, into=back, mode=mode).wait()
        assert bytes(back) == data
        assert opened.lengths.tolist() == [len(message) for message in messages]


@pytest.mark.parametrize("mode", ["queued", "inline"])
def test_a_forged_unit_fails_alone_and_leaves_nothing(layer: acrypto.Layer, mode: str) -> None:
    transform = keyed(layer, "gcm(aes)")
    nonces = bytes(range(12 * 20))
    secret = b"s" * 1024
    data = DATA[: 3 * 1024] + secret + DATA[4 * 1024 :]
    sealed = bytearray(bytes(transform.encrypt_many(nonces, data, unit=1024, packed=True).wait().buffer))
    sealed[3 * 1040 + 7] ^= 1
    into = bytearray(b"\xaa" * len(DATA))
    opened = transform.decrypt_many(nonces, sealed, unit=1040, into=into, return_exceptions=True, mode=mode).wait()
    assert list(opened.errors) == [3]
    assert isinstance(opened.errors[3], acrypto.AuthenticationError)
    assert opened.lengths[3] == -errno.EBADMSG
    assert secret[:16] not in into
    good = [index for index in range(20) if index != 3]
    assert [bytes(opened[index]) for index in good] == [DATA[index * 1024 : (index + 1) * 1024] for index in good]
    with pytest.raises(acrypto.AuthenticationError):
        opened[3]
    with pytest.raises(acrypto.AuthenticationError):
        transform.decrypt_many(nonces, sealed, unit=1040, packed=True, mode=mode).wait()


def test_what_does_not_fit_together_is_told(layer: acrypto.Layer) -> None:
    """One buffer without a unit, and counts that differ: who reads the message knows what to give."""
    digest, seal = layer.transform("sha256"), keyed(layer, "gcm(aes)")
    for call, told in (
        (lambda: digest.digest_many(DATA), "unit tells"),
        (lambda: seal.encrypt_many([bytes(12)], DATA), "unit tells"),
        (lambda: keyed(layer, "hmac(sha256)").verify_many([bytes(32)], DATA), "give a list"),
        (lambda: seal.encrypt_many(bytes(23), [b"a", b"b"]), "23 bytes of nonces for 2 messages"),
        (lambda: seal.encrypt_many([bytes(12)], [b"a", b"b"]), "1 nonces for 2 messages"),
        (lambda: seal.encrypt_many([bytes(12)] * 3, [b"a", b"b"]), "more nonces"),
        (lambda: seal.encrypt_many(bytes(24), [b"a", b"b"], [b""]), "1 ads for 2 messages"),
    ):
        with pytest.raises(acrypto.UsageError, match=told):
            call()
    with pytest.raises(acrypto.OutputTooSmall):
        digest.digest_many([b"a", b"b"], into=bytearray(63)).wait()


def test_rows_of_an_array_are_messages(layer: acrypto.Layer) -> None:
    """numpy: a table of bytes goes in row by row, and results lie in another, without a copy."""
    np = pytest.importorskip("numpy")
    pages = np.frombuffer(DATA, dtype=np.uint8).reshape(20, 1024)
    digests = np.zeros((20, 32), dtype=np.uint8)
    batch = layer.transform("sha256").digest_many(pages, into=digests).wait()
    assert [row.tobytes() for row in digests] == layer.transform("sha256").digest_many(DATA, unit=1024).wait()
    assert np.asarray(batch.offsets).tolist() == list(range(0, 640, 32))
