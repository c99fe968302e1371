"""Keys out of keys and passphrases, as others derive them; secrets come in memory that can be overwritten."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

import acrypto
from acrypto import _core

HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


@given(
    st.sampled_from(sorted(HASHES)), st.binary(max_size=200), st.binary(max_size=100), st.binary(), st.integers(1, 300)
)
def test_hkdf(name: str, key: bytes, salt: bytes, info: bytes, length: int) -> None:
    assert _core.hkdf(name, key, salt, info, length) == HKDF(HASHES[name](), length, salt, info).derive(key)


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(1, 6), st.integers(1, 9), st.integers(1, 3))
def test_scrypt(password: bytes, salt: bytes, n_log2: int, r: int, p: int) -> None:
    right = hashlib.scrypt(password, salt=salt, n=1 << n_log2, r=r, p=p, dklen=40)
    assert _core.scrypt(password, salt, n_log2, r, p, 40, 1 << 20) == right


def test_limits_are_told() -> None:
    with pytest.raises(acrypto.UsageError, match="length is 8161 bytes, hkdf with sha256 gives at most 8160"):
        _core.hkdf("sha256", b"", b"", b"", 8161)
    with pytest.raises(acrypto.UsageError, match=r"hash is .md5., hkdf takes sha1"):
        _core.hkdf("md5", b"", b"", b"", 1)
    with pytest.raises(acrypto.UsageError, match="wants 33556480 bytes, over 33556479"):
        _core.scrypt(b"", b"", 15, 8, 1, 32, 33556479)
    with pytest.raises(acrypto.UsageError, match="1048577 random bytes at once; at most 1048576"):
        _core.random_key((1 << 20) + 1)


@given(st.binary(max_size=60), st.sampled_from(["age", "AGE-SECRET-KEY-", "a", "x1y"]))
def test_bech32_goes_there_and_back(data: bytes, hrp: str) -> None:
    text = _core.bech32_encode(hrp, data)
    assert text == text.lower()
    assert _core.bech32_decode(text) == (hrp.lower(), data)
    assert _core.bech32_decode(text.upper()) == (hrp.upper(), data)
    for at in range(len(text)):
        with pytest.raises(acrypto.CorruptInput):
            _core.bech32_decode(text[:at] + ("q" if text[at] != "q" else "p") + text[at + 1 :])


def test_secrets_can_be_overwritten() -> None:
    secret = _core.random_key(32)
    peer = X25519PrivateKey.generate()
    shared = _core.agree("x25519", secret, peer.public_key().public_bytes_raw())
    public = X25519PrivateKey.from_private_bytes(bytes(secret)).public_key()
    assert shared == peer.exchange(public)
    sealed = acrypto.encrypt("gcm(aes)", secret, bytes(12), b"a key")
    opened = _core.unwrap_key("gcm(aes)", secret, bytes(12), sealed)
    assert opened == b"a key"
    for one in (secret, shared, opened, _core.hkdf("sha256", secret, b"", b"", 32)):
        assert isinstance(one, bytearray)
    with pytest.raises(acrypto.AuthenticationError):
        _core.unwrap_key("gcm(aes)", secret, bytes(12), bytes(sealed)[:-1] + b"\0\0")
    with pytest.raises(acrypto.AuthenticationError):
        _core.agree("x25519", secret, bytes(32))
    with pytest.raises(acrypto.UsageError, match="it has no agree"):
        _core.agree("gcm(aes)", secret, bytes(32))
    with pytest.raises(acrypto.UsageError, match="it has no decrypt"):
        _core.unwrap_key("x25519", secret, b"", bytes(32))
