"""Digests, checksums and MACs equal those of hashlib, hmac, zlib and cryptography."""

from __future__ import annotations

import hashlib
import hmac
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import MESSAGES, MIXED, run

import acrypto

HASHES = ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "blake2b"]
SHORT = ["sha1", "sha224", "sha256", "sha384", "sha512", "blake2b"]
messages = st.one_of(st.binary(max_size=600), st.integers(0, 20_000).map(lambda size: MIXED[:size]))


def peer(name: str) -> str:
    return name.replace("-", "_")


def crc32c(data: bytes) -> bytes:
    """CRC-32C bit by bit, as RFC 3720 B.4 and any textbook have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


@pytest.mark.parametrize("name", HASHES)
@given(message=messages)
def test_hashlib(name: str, layer: acrypto.Layer, message: bytes) -> None:
    """Every digest, one-shot and through the layer."""
    expected = hashlib.new(peer(name), message).digest()
    assert acrypto.digest(name, message) == layer.digest(name, message).wait() == expected
    if name in SHORT:
        assert getattr(acrypto, name)(message) == expected


@pytest.mark.parametrize("name", HASHES)
def test_hashlib_on_much(name: str, layer: acrypto.Layer) -> None:
    """A megabyte, which goes through the queue, in one piece and in many."""
    message = MESSAGES["zeros"] + MIXED
    expected = hashlib.new(peer(name), message).digest()
    assert layer.digest(name, message).wait() == expected
    assert layer.digest(name, [message[at : at + 7777] for at in range(0, len(message), 7777)]).wait() == expected


@given(message=messages, size=st.integers(1, 64))
def test_blake2b_of_every_size(layer: acrypto.Layer, message: bytes, size: int) -> None:
    """BLAKE2b's size is part of what it hashes: a shorter digest is another one."""
    assert (
        layer.digest("blake2b", message, digest_size=size).wait() == hashlib.blake2b(message, digest_size=size).digest()
    )


@given(message=messages, sizes=st.tuples(*[st.integers(1, 400)] * 2))
def test_blake3_is_a_stream(layer: acrypto.Layer, message: bytes, sizes: tuple[int, int]) -> None:
    """A shorter BLAKE3 is the beginning of a longer one."""
    short, long = sorted(sizes)
    digests = [layer.digest("blake3", message, digest_size=size).wait() for size in (short, long)]
    assert digests[1].startswith(digests[0])
    assert [len(digest) for digest in digests] == [short, long]


@given(message=messages)
def test_checksums(layer: acrypto.Layer, message: bytes) -> None:
    """CRC-32 is zlib's, CRC-32C the textbook's; most significant byte first."""
    assert acrypto.crc32(message) == layer.digest("crc32", message).wait() == zlib.crc32(message).to_bytes(4, "big")
    short = message[:1000]
    assert acrypto.crc32c(short) == layer.digest("crc32c", short).wait() == crc32c(short)


@pytest.mark.parametrize("name", HASHES[:-1])
@given(key=st.binary(max_size=300), message=messages)
def test_hmac(name: str, layer: acrypto.Layer, key: bytes, message: bytes) -> None:
    """HMAC with keys of any length: none, a block, more than a block."""
    expected = hmac.digest(key, message, peer(name))
    assert acrypto.mac(f"hmac({name})", key, message) == layer.mac(f"hmac({name})", key, message).wait() == expected
    assert layer.mac(f"hmac({name})", key, message, tag_len=12).wait() == expected[:12]


@given(key=st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), message=messages)
def test_cmac(layer: acrypto.Layer, key: bytes, message: bytes) -> None:
    """AES-CMAC with each length of key."""
    mac = CMAC(AES(key))
    mac.update(message)
    tag = mac.finalize()
    assert layer.mac("cmac(aes)", key, message).wait() == tag
    acrypto.verify("cmac(aes)", key, tag, message)


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512", "sha3-256"])
def test_openssl(name: str, layer: acrypto.Layer) -> None:
    """The openssl command says the same."""
    told = run(f"openssl dgst -{name} -r", MIXED).split()[0].decode()
    assert layer.digest(name, MIXED).wait().hex() == told
