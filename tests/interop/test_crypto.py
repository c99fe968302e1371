"""Ciphers, AEADs, signatures and key agreement: cryptography reads what we write, and we read what it writes."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, aead, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import MIXED

import acrypto

HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def exactly(*sizes: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from(sizes).flatmap(lambda size: st.binary(min_size=size, max_size=size))


messages = st.one_of(st.binary(max_size=300), st.integers(0, 20_000).map(lambda size: MIXED[:size]))


@given(key=exactly(16, 24, 32), nonce=st.binary(min_size=8, max_size=128), message=messages, ad=st.binary(max_size=64))
def test_gcm(layer: acrypto.Layer, key: bytes, nonce: bytes, message: bytes, ad: bytes) -> None:
    """AES-GCM with every length of key and nonce."""
    theirs = aead.AESGCM(key)
    ours = layer.transform("gcm(aes)", key=key)
    box = ours.encrypt(nonce, message, ad).wait()
    assert box == theirs.encrypt(nonce, message, ad)
    assert theirs.decrypt(nonce, bytes(box), ad) == message
    assert ours.decrypt(nonce, theirs.encrypt(nonce, message, None)).wait() == message


@given(
    key=exactly(16, 24, 32),
    nonce=st.binary(min_size=7, max_size=13),
    tag_len=st.sampled_from([4, 6, 8, 10, 12, 14, 16]),
    message=messages,
    ad=st.binary(max_size=64),
)
def test_ccm(layer: acrypto.Layer, key: bytes, nonce: bytes, tag_len: int, message: bytes, ad: bytes) -> None:
    """AES-CCM with every length of key, nonce and tag."""
    theirs = aead.AESCCM(key, tag_len)
    ours = layer.transform("ccm(aes)", key=key, tag_len=tag_len)
    box = ours.encrypt(nonce, message, ad).wait()
    assert box == theirs.encrypt(nonce, message, ad)
    assert ours.decrypt(nonce, box, ad).wait() == message


@pytest.mark.parametrize("name", ["chacha20-poly1305", "rfc7539(chacha20,poly1305)"])
@given(key=exactly(32), nonce=exactly(12), message=messages, ad=st.binary(max_size=64))
def test_chacha(name: str, layer: acrypto.Layer, key: bytes, nonce: bytes, message: bytes, ad: bytes) -> None:
    """ChaCha20-Poly1305, by both of its names."""
    theirs = aead.ChaCha20Poly1305(key)
    box = layer.transform(name, key=key).encrypt(nonce, message, ad).wait()
    assert box == theirs.encrypt(nonce, message, ad)
    assert acrypto.decrypt(name, key, nonce, box, ad) == message


@given(key=exactly(16, 24, 32), iv=exactly(16), message=messages)
def test_aes_modes(layer: acrypto.Layer, key: bytes, iv: bytes, message: bytes) -> None:
    """AES in CTR, CBC and ECB; a counter that wraps around included."""
    whole = message[: len(message) // 16 * 16]
    wrapping = b"\xff" * 15 + iv[:1]
    for name, mode, nonce, data in (
        ("ctr(aes)", modes.CTR(iv), iv, message),
        ("ctr(aes)", modes.CTR(wrapping), wrapping, message),
        ("cbc(aes)", modes.CBC(iv), iv, whole),
        ("ecb(aes)", modes.ECB(), b"", whole),
    ):
        theirs = Cipher(AES(key), mode).encryptor()
        expected = theirs.update(data) + theirs.finalize()
        ours = layer.transform(name, key=key)
        assert ours.encrypt(nonce, data).wait() == expected
        assert ours.decrypt(nonce, expected).wait() == data


@given(key=exactly(32, 64), tweak=exactly(16), size=st.integers(16, 5000))
def test_xts(layer: acrypto.Layer, key: bytes, tweak: bytes, size: int) -> None:
    """AES-XTS with both lengths of key, stealing included; equal halves are refused by both."""
    half = len(key) // 2
    if key[:half] == key[half:]:
        key = key[:-1] + bytes([key[-1] ^ 1])
    theirs = Cipher(AES(key), modes.XTS(tweak)).encryptor()
    expected = theirs.update(MIXED[:size]) + theirs.finalize()
    ours = layer.transform("xts(aes)", key=key)
    assert ours.encrypt(tweak, MIXED[:size]).wait() == expected
    assert ours.decrypt(tweak, expected).wait() == MIXED[:size]


@given(key=exactly(24), iv=exactly(8), blocks=st.integers(0, 100))
def test_triple_des(key: bytes, iv: bytes, blocks: int) -> None:
    """Triple DES with three keys, in both modes."""
    message = MIXED[: blocks * 8]
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True, workers=1)) as layer:
        for name, mode, nonce in (("cbc(des3_ede)", modes.CBC(iv), iv), ("ecb(des3_ede)", modes.ECB(), b"")):
            theirs = Cipher(TripleDES(key), mode).encryptor()
            expected = theirs.update(message) + theirs.finalize()
            ours = layer.transform(name, key=key)
            assert ours.encrypt(nonce, message).wait() == expected
            assert ours.decrypt(nonce, expected).wait() == message


@given(message=messages)
def test_ed25519(layer: acrypto.Layer, message: bytes) -> None:
    """Ed25519 keys and signatures, raw and in DER, both ways."""
    theirs = ed25519.Ed25519PrivateKey.generate()
    raw = theirs.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    der = theirs.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for key in (raw, der):
        ours = layer.transform("ed25519", key=key)
        assert ours.sign(message).wait() == theirs.sign(message)
        assert ours.public_key() == public
    layer.transform("ed25519", key=public).verify(theirs.sign(message), message).wait()


@pytest.mark.parametrize("name", ["sha256", "sha384"])
@given(message=messages)
def test_ecdsa(name: str, layer: acrypto.Layer, message: bytes) -> None:
    """ECDSA over P-256: each verifies what the other signed, and neither what was changed."""
    theirs = ec.generate_private_key(ec.SECP256R1())
    der = theirs.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    scheme = ec.ECDSA(HASHES[name])
    ours = layer.transform("ecdsa-nist-p256", key=der, hash=name)
    assert ours.public_key() == public
    theirs.public_key().verify(ours.sign(message).wait(), message, scheme)
    verifier = layer.transform("ecdsa-nist-p256", key=public, hash=name)
    assert verifier.verify(theirs.sign(message, scheme), message).wait() is None
    with pytest.raises(acrypto.AuthenticationError):
        verifier.verify(theirs.sign(message, scheme), message + b"\0").wait()
    with pytest.raises(InvalidSignature):
        theirs.public_key().verify(ours.sign(message).wait(), message + b"\0", scheme)


@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize("name", HASHES)
def test_rsa(bits: int, name: str, layer: acrypto.Layer) -> None:
    """RSA with both paddings and each hash; PSS with a salt as long as the hash."""
    theirs = rsa.generate_private_key(65537, bits)
    der = theirs.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    hash_ = HASHES[name]
    pss = padding.PSS(padding.MGF1(hash_), padding.PSS.DIGEST_LENGTH)
    for kind, scheme in (("pss", pss), ("pkcs1", padding.PKCS1v15())):
        ours = layer.transform("rsa", key=der, padding=kind, hash=name)
        assert ours.public_key() == public
        theirs.public_key().verify(ours.sign(MIXED).wait(), MIXED, scheme, hash_)
        verifier = layer.transform("rsa", key=public, padding=kind, hash=name)
        assert verifier.verify(theirs.sign(MIXED, scheme, hash_), MIXED).wait() is None


@given(data=st.data())
def test_x25519(layer: acrypto.Layer, data: st.DataObject) -> None:
    """Both sides agree on the same secret, whoever holds which key."""
    theirs = x25519.X25519PrivateKey.from_private_bytes(data.draw(exactly(32)))
    private = data.draw(exactly(32))
    ours = layer.transform("x25519", key=private)
    public = load_der_public_key(ours.public_key())
    assert public == x25519.X25519PrivateKey.from_private_bytes(private).public_key()
    peer = theirs.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert ours.agree(peer).wait() == theirs.exchange(public)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ed25519", ed25519.Ed25519PrivateKey),
        ("ecdsa-nist-p256", ec.EllipticCurvePrivateKey),
        ("rsa", rsa.RSAPrivateKey),
        ("x25519", x25519.X25519PrivateKey),
    ],
)
def test_they_read_our_keys(name: str, kind: type) -> None:
    """Keys that we make are PKCS #8, and their public halves SubjectPublicKeyInfo; no two are alike."""
    key = acrypto.generate_key(name)
    theirs = load_der_private_key(key, None)
    assert isinstance(theirs, kind)
    public = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert acrypto.public_key(name, key) == public
    assert acrypto.generate_key(name) != key
