"""Ciphers, AEADs, signatures and random numbers."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.codecs import cut

import acrypto
from acrypto.kernel import (
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EBADMSG,
    EFAULT,
    EINVAL,
    ENOENT,
    ENOKEY,
    ENOSYS,
    EOVERFLOW,
    ERR_PTR,
    IS_ERR,
    Kernel,
    aead_request_alloc,
    aead_request_free,
    aead_request_set_ad,
    aead_request_set_callback,
    aead_request_set_crypt,
    akcipher_request_alloc,
    akcipher_request_free,
    akcipher_request_set_callback,
    akcipher_request_set_crypt,
    boot,
    crypto_aead_authsize,
    crypto_aead_blocksize,
    crypto_aead_decrypt,
    crypto_aead_encrypt,
    crypto_aead_ivsize,
    crypto_aead_maxauthsize,
    crypto_aead_setauthsize,
    crypto_aead_setkey,
    crypto_akcipher_decrypt,
    crypto_akcipher_encrypt,
    crypto_akcipher_maxsize,
    crypto_akcipher_set_priv_key,
    crypto_akcipher_set_pub_key,
    crypto_akcipher_sign,
    crypto_akcipher_verify,
    crypto_alloc_aead,
    crypto_alloc_akcipher,
    crypto_alloc_rng,
    crypto_alloc_skcipher,
    crypto_free_aead,
    crypto_free_akcipher,
    crypto_free_rng,
    crypto_free_skcipher,
    crypto_req_done,
    crypto_rng_alg_name,
    crypto_rng_generate,
    crypto_rng_get_bytes,
    crypto_rng_reset,
    crypto_rng_seedsize,
    crypto_skcipher_blocksize,
    crypto_skcipher_decrypt,
    crypto_skcipher_driver_name,
    crypto_skcipher_encrypt,
    crypto_skcipher_ivsize,
    crypto_skcipher_max_keysize,
    crypto_skcipher_min_keysize,
    crypto_skcipher_setkey,
    crypto_wait_req,
    skcipher_request_alloc,
    skcipher_request_free,
    skcipher_request_set_callback,
    skcipher_request_set_crypt,
)

RANDOM = random.Random(7)
KEY, NONCE = RANDOM.randbytes(32), RANDOM.randbytes(16)


def skcipher(tfm: Any, src: Any, dst: Any, length: int, iv: Any, *, encrypt: bool = True) -> int:
    req, wait = skcipher_request_alloc(tfm), DECLARE_CRYPTO_WAIT()
    skcipher_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait)
    skcipher_request_set_crypt(req, src, dst, length, iv)
    err = crypto_wait_req((crypto_skcipher_encrypt if encrypt else crypto_skcipher_decrypt)(req), wait)
    skcipher_request_free(req)
    return err


def aead(tfm: Any, src: Any, dst: Any, assoc: int, crypt: int, iv: Any, *, encrypt: bool = True) -> int:
    req, wait = aead_request_alloc(tfm), DECLARE_CRYPTO_WAIT()
    aead_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait)
    aead_request_set_crypt(req, src, dst, crypt, iv)
    aead_request_set_ad(req, assoc)
    err = crypto_wait_req((crypto_aead_encrypt if encrypt else crypto_aead_decrypt)(req), wait)
    aead_request_free(req)
    return err


# ---- Ciphers


@pytest.mark.parametrize("name", ["cbc(aes)", "ctr(aes)", "cryptd(cbc(aes))"])
@given(blocks=st.lists(st.integers(0, 5), min_size=1, max_size=4), places=st.lists(st.integers(0, 320), max_size=5))
def test_chained_requests_are_one_message(
    layer: acrypto.Layer, name: str, blocks: list[int], places: list[int]
) -> None:
    """The IV that a request leaves continues the message, in place and in pieces, there and back."""
    with boot(layer):
        tfm = crypto_alloc_skcipher(name)
        assert not IS_ERR(tfm)
        assert crypto_skcipher_setkey(tfm, KEY) == 0
        size = 16 * sum(blocks)
        text = RANDOM.randbytes(size)
        whole, parts, iv, first = bytearray(size), bytearray(text), bytearray(NONCE), bytearray(NONCE)
        assert skcipher(tfm, text, whole, size, first) == 0
        at = 0
        for count in blocks:
            piece = memoryview(parts)[at : at + 16 * count]
            sg = cut(piece, [place for place in places if place <= len(piece)])
            assert skcipher(tfm, sg, sg, len(piece), iv) == 0
            at += len(piece)
        assert parts == whole
        assert iv == first
        iv[:] = NONCE
        at = 0
        for count in blocks:
            piece = memoryview(parts)[at : at + 16 * count]
            assert skcipher(tfm, piece, piece, len(piece), iv, encrypt=False) == 0
            at += len(piece)
        assert parts == text
        assert iv == first


def test_ciphers_check(kernel: Kernel) -> None:
    """No key: -ENOKEY. Wrong key, length, IV or room: -EINVAL. A read-only result: -EFAULT."""
    tfm, data = crypto_alloc_skcipher("cbc(aes)"), bytearray(32)
    assert skcipher(tfm, data, data, 32, NONCE) == -ENOKEY
    for key, keylen in ((bytes(15), None), (bytes(16), 17), (bytes(32), -1), (b"", None)):
        assert crypto_skcipher_setkey(tfm, key, keylen) == -EINVAL
    assert crypto_skcipher_setkey(tfm, KEY, 16) == 0
    assert skcipher(tfm, data, data, 31, NONCE) == -EINVAL
    assert skcipher(tfm, data, data, 48, NONCE) == -EINVAL
    assert skcipher(tfm, data, bytearray(16), 32, NONCE) == -EINVAL
    assert skcipher(tfm, data, data, 32, NONCE[:15]) == -EINVAL
    assert skcipher(tfm, data, data, 32, None) == -EINVAL
    assert skcipher(tfm, data, bytes(32), 32, NONCE) == -EFAULT
    assert skcipher(tfm, data, data, 0, NONCE) == 0
    sizes = (crypto_skcipher_ivsize, crypto_skcipher_blocksize, crypto_skcipher_min_keysize)
    assert [size(tfm) for size in (*sizes, crypto_skcipher_max_keysize)] == [16, 16, 16, 32]
    assert crypto_skcipher_driver_name(tfm) == tfm.driver
    xts = crypto_alloc_skcipher("xts(aes)")
    assert crypto_skcipher_setkey(xts, KEY + NONCE + NONCE[::-1]) == 0
    assert skcipher(xts, data, data, 15, NONCE) == -EINVAL
    assert skcipher(xts, data, data, 17, NONCE) == 0
    crypto_free_skcipher(tfm)
    with pytest.raises(acrypto.UsageError, match="freed"):
        crypto_skcipher_setkey(tfm, KEY)


# ---- AEADs


def frames() -> Iterator[tuple[str, bytes, bytes, bytes, bytes, bytes]]:
    """Name, key, IV, associated data, text, what an independent library makes of it."""
    text, salt, iv = RANDOM.randbytes(100), RANDOM.randbytes(4), RANDOM.randbytes(8)
    ad12 = RANDOM.randbytes(12)
    yield "gcm(aes)", KEY, NONCE[:12], ad12, text, AESGCM(KEY).encrypt(NONCE[:12], text, ad12)
    yield "gcm(aes)", KEY, NONCE[:12], b"", b"", AESGCM(KEY).encrypt(NONCE[:12], b"", b"")
    counter = bytes([1]) + NONCE[:13] + bytes(2)
    yield "ccm(aes)", KEY, counter, ad12, text, AESCCM(KEY).encrypt(NONCE[:13], text, ad12)
    counter = bytes([3]) + NONCE[:11] + bytes(4)
    yield "ccm(aes)", KEY, counter, ad12, text, AESCCM(KEY).encrypt(NONCE[:11], text, ad12)
    boxed = ChaCha20Poly1305(KEY).encrypt(NONCE[:12], text, ad12)
    yield "rfc7539(chacha20,poly1305)", KEY, NONCE[:12], ad12, text, boxed
    # The IV stands at the end of what is given as associated data, and is not authenticated with it.
    for spi in (8, 12):
        ad = ad12[:spi]
        boxed = AESGCM(KEY).encrypt(salt + iv, text, ad)
        yield "rfc4106(gcm(aes))", KEY + salt, iv, ad + iv, text, boxed
        boxed = AESCCM(KEY).encrypt(salt[:3] + iv, text, ad)
        yield "rfc4309(ccm(aes))", KEY + salt[:3], iv, ad + iv, text, boxed
        boxed = ChaCha20Poly1305(KEY).encrypt(salt + iv, text, ad)
        yield "rfc7539esp(chacha20,poly1305)", KEY + salt, iv, ad + iv, text, boxed
    tag = AESGCM(KEY).encrypt(salt + iv, b"", ad12 + iv + text)
    yield "rfc4543(gcm(aes))", KEY + salt, iv, ad12 + iv, text, text + tag


FRAMES = list(frames())


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame[0]}-{len(frame[3])}")
@pytest.mark.parametrize("places", [[], [1, 2, 3, 50], [0, 0, 17]], ids=str)
def test_layout(kernel: Kernel, frame: Any, places: list[int]) -> None:
    """Associated data, text becomes associated data, ciphertext, tag, and back; a wrong tag is -EBADMSG."""
    name, key, iv, ad, text, boxed = frame
    tfm = crypto_alloc_aead(name)
    assert not IS_ERR(tfm), tfm
    assert crypto_aead_setkey(tfm, key) == 0
    plain, sealed = ad + text, bytearray(len(ad) + len(boxed))
    src = cut(plain, [place for place in places if place <= len(plain)])
    assert aead(tfm, src, cut(sealed, [p for p in places if p <= len(sealed)]), len(ad), len(text), iv) == 0
    assert sealed == ad + boxed
    inplace = bytearray(plain) + bytearray(crypto_aead_authsize(tfm))
    sg = cut(inplace, [place for place in places if place <= len(inplace)])
    assert aead(tfm, sg, sg, len(ad), len(text), iv) == 0
    assert inplace == sealed
    opened = bytearray(len(plain))
    assert aead(tfm, sealed, opened, len(ad), len(boxed), iv, encrypt=False) == 0
    assert opened == plain
    for at in {len(sealed) - 1, len(ad)}:
        bad, untouched = bytearray(sealed), bytearray(len(plain))
        bad[at] ^= 1
        assert aead(tfm, bad, untouched, len(ad), len(boxed), iv, encrypt=False) == -EBADMSG
        assert not any(untouched)


@pytest.mark.parametrize("frame", [FRAMES[0], FRAMES[5]], ids=lambda frame: frame[0])
def test_later_too(kernel: Kernel, frame: Any) -> None:
    """An asynchronous one gives the same, and tells a wrong tag in its completion."""
    name, key, iv, ad, text, boxed = frame
    tfm = crypto_alloc_aead(f"cryptd({name})")
    assert tfm.asynchronous
    assert crypto_aead_setkey(tfm, key) == 0
    sealed = bytearray(len(ad) + len(boxed))
    assert aead(tfm, ad + text, sealed, len(ad), len(text), iv) == 0
    assert sealed == ad + boxed
    sealed[-1] ^= 1
    assert aead(tfm, sealed, bytearray(len(ad + text)), len(ad), len(boxed), iv, encrypt=False) == -EBADMSG


def test_seqiv(kernel: Kernel) -> None:
    """The IV is written before the ciphertext, counted in the length; decryption takes it from there."""
    tfm = crypto_alloc_aead("seqiv(rfc4106(gcm(aes)))")
    key, ad, text = KEY + NONCE[:4], NONCE[:8], bytes(range(64))
    assert crypto_aead_setkey(tfm, key) == 0
    memory = bytearray(ad + bytes(8) + text + bytes(16))
    assert aead(tfm, memory, memory, 8, 8 + 64, struct.pack(">Q", 1)) == 0
    iv = bytes(memory[8:16])
    assert memory[:8] == ad
    assert memory[16:] == AESGCM(KEY).encrypt(NONCE[:4] + iv, text, ad)
    opened = bytearray(8 + 8 + 64)
    assert aead(tfm, memory, opened, 8, 8 + 64 + 16, bytes(8), encrypt=False) == 0
    assert opened == ad + iv + text
    assert aead(tfm, memory, opened, 8, 7, bytes(8)) == -EINVAL
    assert aead(tfm, memory, opened, 8, 23, bytes(8), encrypt=False) == -EINVAL
    memory[12] ^= 1
    assert aead(tfm, memory, opened, 8, 8 + 64 + 16, bytes(8), encrypt=False) == -EBADMSG


def test_authenc(kernel: Kernel) -> None:
    """The key is the kernel's blob; the tag is the MAC of associated data and ciphertext."""
    tfm = crypto_alloc_aead("authenc(hmac(sha256),cbc(aes))")
    blob = struct.pack("<HH", 8, 1) + struct.pack(">I", 16) + KEY + NONCE
    assert crypto_aead_setkey(tfm, blob) == 0
    assert crypto_aead_setkey(tfm, blob[:10]) == -EINVAL
    assert crypto_aead_setauthsize(tfm, 12) == 0
    ad, text, sealed = bytes(range(20)), bytes(32), bytearray(20 + 32 + 12)
    assert aead(tfm, ad + text, sealed, 20, 32, NONCE) == 0
    with acrypto.open() as layer:
        box = bytes(layer.transform("cbc(aes)", key=NONCE).encrypt(NONCE, text).wait())
        tag = layer.mac("hmac(sha256)", KEY, ad + box).wait()
    assert sealed == ad + box + tag[:12]
    assert aead(tfm, ad + text, sealed, 20, 31, NONCE) == -EINVAL


TAGS = {
    "gcm(aes)": {4, 8, 12, 13, 14, 15, 16},
    "ccm(aes)": {4, 6, 8, 10, 12, 14, 16},
    "rfc4106(gcm(aes))": {8, 12, 16},
    "rfc4309(ccm(aes))": {8, 12, 16},
    "rfc4543(gcm(aes))": {16},
    "rfc7539(chacha20,poly1305)": {16},
}


@pytest.mark.parametrize("name", TAGS)
def test_tag_sizes(kernel: Kernel, name: str) -> None:
    """The sizes that the algorithm has are taken, before or after the key, and work; all others are -EINVAL."""
    [(_, key, iv, ad, text, _)] = [frame for frame in FRAMES if frame[0] == name][:1]
    for size in range(18):
        tfm = crypto_alloc_aead(name)
        early = crypto_aead_setauthsize(tfm, size)
        assert early == (0 if size in TAGS[name] else -EINVAL), size
        assert crypto_aead_setkey(tfm, key) == 0, size
        assert crypto_aead_setauthsize(tfm, size) == early
        assert crypto_aead_authsize(tfm) == (size if early == 0 else 16)
        sealed = bytearray(len(ad + text) + crypto_aead_authsize(tfm))
        assert aead(tfm, ad + text, sealed, len(ad), len(text), iv) == 0
        crypto_free_aead(tfm)


def test_aeads_check(kernel: Kernel) -> None:
    """No key: -ENOKEY. Wrong key, lengths, IV or room: -EINVAL. A read-only result: -EFAULT."""
    tfm, data = crypto_alloc_aead("gcm(aes)"), bytearray(100)
    assert aead(tfm, data, data, 8, 16, NONCE) == -ENOKEY
    assert crypto_aead_setkey(tfm, bytes(15)) == -EINVAL
    assert crypto_aead_setkey(tfm, KEY, 33) == -EINVAL
    assert crypto_aead_setkey(tfm, KEY) == 0
    assert aead(tfm, data, data, 8, 15, NONCE, encrypt=False) == -EINVAL
    assert aead(tfm, data, data, 8, 93, NONCE) == -EINVAL
    assert aead(tfm, data, data, -1, 16, NONCE) == -EINVAL
    assert aead(tfm, data, bytearray(39), 8, 16, NONCE) == -EINVAL
    assert aead(tfm, data, data, 8, 16, NONCE[:11]) == -EINVAL
    assert aead(tfm, data, bytes(100), 8, 16, NONCE) == -EFAULT
    assert [crypto_aead_ivsize(tfm), crypto_aead_maxauthsize(tfm), crypto_aead_blocksize(tfm)] == [12, 16, 1]
    esp = crypto_alloc_aead("rfc4106(gcm(aes))")
    assert crypto_aead_setkey(esp, KEY + bytes(4)) == 0
    for assoclen in (0, 8, 12, 15, 17, 24):
        assert aead(esp, data, data, assoclen, 16, NONCE) == -EINVAL
    ccm = crypto_alloc_aead("ccm(aes)")
    assert crypto_aead_ivsize(ccm) == 16
    assert crypto_aead_setkey(ccm, KEY) == 0
    for first in (0, 8, 255):
        assert aead(ccm, data, data, 8, 16, bytes([first]) + NONCE[1:]) == -EINVAL
    crypto_free_aead(tfm)
    with pytest.raises(acrypto.UsageError, match="freed"):
        crypto_aead_setkey(tfm, KEY)


# ---- Signatures


@pytest.fixture(scope="module")
def pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _der(key: rsa.RSAPrivateKey) -> tuple[bytes, bytes]:
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    private = key.private_bytes(der, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    return private, key.public_key().public_bytes(der, serialization.PublicFormat.PKCS1)


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_signatures(kernel: Kernel, pair: rsa.RSAPrivateKey, name: str) -> None:
    """Keys are PKCS #1; signatures are the ones that others make and check."""
    private, public = _der(pair)
    signer, checker = (crypto_alloc_akcipher(f"pkcs1pad(rsa,{name})") for _ in range(2))
    assert crypto_akcipher_set_priv_key(signer, private) == 0
    assert crypto_akcipher_set_pub_key(checker, public) == 0
    assert crypto_akcipher_maxsize(signer) == crypto_akcipher_maxsize(checker) == 256
    message, signature = b"a message of some length", bytearray(256)
    req = akcipher_request_alloc(signer)
    akcipher_request_set_crypt(req, [message[:5], message[5:]], signature, len(message), 256)
    assert crypto_akcipher_sign(req) == 0
    assert req.dst_len == 256
    pair.public_key().verify(bytes(signature), message, padding.PKCS1v15(), getattr(hashes, name.upper())())

    def verify(data: bytes) -> int:
        req = akcipher_request_alloc(checker)
        akcipher_request_set_crypt(req, data, None, 256, len(data) - 256)
        return crypto_akcipher_verify(req)

    assert verify(bytes(signature) + message) == 0
    assert verify(bytes(signature) + message[:-1]) == -EBADMSG
    assert verify(bytes(256) + message) == -EBADMSG


def test_signatures_check(kernel: Kernel, pair: rsa.RSAPrivateKey) -> None:
    """What cannot be done is -ENOSYS, -ENOKEY or -EINVAL; a digest in a message's place is refused."""
    private, public = _der(pair)
    tfm = crypto_alloc_akcipher("pkcs1pad(rsa,sha256)")
    req = akcipher_request_alloc(tfm)
    akcipher_request_set_callback(req, 0, None, None)
    akcipher_request_set_crypt(req, b"message", bytearray(256), 7, 256)
    assert crypto_akcipher_sign(req) == -ENOKEY
    assert crypto_akcipher_verify(req) == -ENOKEY
    for wrong in (b"", b"\x30", b"\x30\x03\x02\x01\x00", private[:100]):
        assert crypto_akcipher_set_priv_key(tfm, wrong) == -EINVAL
        assert crypto_akcipher_set_pub_key(tfm, wrong) == -EINVAL
    assert crypto_akcipher_set_pub_key(tfm, public) == 0
    assert crypto_akcipher_sign(req) == -ENOKEY
    assert crypto_akcipher_set_priv_key(tfm, private) == 0
    akcipher_request_set_crypt(req, b"message", bytearray(255), 7, 255)
    assert crypto_akcipher_sign(req) == -EOVERFLOW
    assert req.dst_len == 256
    akcipher_request_set_crypt(req, bytes(32), bytearray(256), 32, 256)
    assert crypto_akcipher_sign(req) == -EINVAL
    akcipher_request_set_crypt(req, b"message", bytes(256), 7, 256)
    assert crypto_akcipher_sign(req) == -EFAULT
    akcipher_request_set_crypt(req, bytes(288), None, 256, 32)
    assert crypto_akcipher_verify(req) == -EINVAL
    akcipher_request_set_crypt(req, bytes(300), None, 255, 45)
    assert crypto_akcipher_verify(req) == -EINVAL
    akcipher_request_set_crypt(req, bytes(300), None, 256, 45)
    assert crypto_akcipher_encrypt(req) == crypto_akcipher_decrypt(req) == -ENOSYS
    akcipher_request_free(req)
    crypto_free_akcipher(tfm)
    bare = crypto_alloc_akcipher("rsa")
    assert crypto_akcipher_set_pub_key(bare, public) == -ENOSYS
    req = akcipher_request_alloc(bare)
    assert crypto_akcipher_sign(req) == crypto_akcipher_verify(req) == -ENOSYS
    assert crypto_alloc_akcipher("dh") == ERR_PTR(-ENOENT)


# ---- Random numbers


def test_random_numbers(kernel: Kernel) -> None:
    """Every byte asked for is written, and no other; lengths are checked."""
    tfm = crypto_alloc_rng("stdrng")
    assert crypto_rng_alg_name(tfm) == "stdrng"
    out = bytearray((1 << 20) + 5000)
    assert crypto_rng_get_bytes(tfm, out, len(out) - 1000) == 0
    assert min(len(set(out[:5000])), len(set(out[-3000:-1000]))) > 200
    assert not any(out[-1000:])
    other = bytearray(32)
    assert crypto_rng_reset(tfm, bytes(32), 32) == 0
    assert crypto_rng_generate(tfm, b"more", 4, other, 32) == 0
    assert any(other)
    assert crypto_rng_reset(tfm, None, crypto_rng_seedsize(tfm)) == 0
    for wrong in (
        crypto_rng_get_bytes(tfm, other, 33),
        crypto_rng_get_bytes(tfm, bytes(32), 32),
        crypto_rng_generate(tfm, b"more", 5, other, 32),
        crypto_rng_reset(tfm, b"seed", 5),
        crypto_rng_reset(tfm, b"seed", -1),
    ):
        assert wrong == -EINVAL
    crypto_free_rng(tfm)
    with pytest.raises(acrypto.UsageError, match="freed"):
        crypto_rng_get_bytes(tfm, other, 32)
    assert crypto_alloc_rng("sha256") == ERR_PTR(-ENOENT)
