"""The operations of bench_crypto: how we, and each peer, are asked for the same."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers import modes as cipher_modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

import acrypto

KEY16, KEY32, MAC_KEY, NONCE, IV = bytes(range(16)), bytes(range(32)), bytes(range(32)), bytes(12), bytes(16)
#: Two different halves, as XTS wants them.
XTS_KEY = bytes(range(64))
#: The kernel's form: a header of native words (length 8, type 1), the cipher key's length, the MAC key, the cipher key.
AUTHENC_KEY = struct.pack("=HH", 8, 1) + struct.pack(">I", 16) + MAC_KEY + KEY16
Peer = Callable[[bytes], object]


@dataclasses.dataclass(frozen=True)
class Case:
    """An operation; what a peer lacks is empty."""

    #: Its name in results.
    name: str
    #: What a reader calls it.
    title: str
    #: Our algorithm, the operation's method, its key and its nonce.
    algorithm: str
    method: str
    key: bytes | None = None
    nonce: bytes | None = None
    #: Libraries that Python has, called once for each message.
    peers: dict[str, Peer] = dataclasses.field(default_factory=dict)
    #: Its name in raw/ipsec_mb.c.
    raw: str = ""
    #: Arguments of `openssl speed`.
    openssl: tuple[str, ...] = ()
    #: Arguments of `dpdk-test-crypto-perf`.
    dpdk: tuple[str, ...] = ()

    def transform(self, layer: acrypto.Layer) -> acrypto.Transform:
        """Ours; raises UnknownAlgorithm or NoEngine where no engine of the layer has it."""
        return layer.transform(self.algorithm, key=self.key)

    def one(self, transform: acrypto.Transform, **wishes: Any) -> Callable[[bytes], acrypto.Operation[Any]]:
        """Starts one message."""
        method, nonce = getattr(transform, self.method), self.nonce
        if nonce is None:
            return lambda message: method(message, **wishes)
        return lambda message: method(nonce, message, **wishes)

    def many(self, transform: acrypto.Transform, **wishes: Any) -> Callable[[list[bytes]], acrypto.Operation[Any]]:
        """Starts many messages as one operation."""
        method, nonce = getattr(transform, f"{self.method}_many"), self.nonce
        if nonce is None:
            return lambda messages: method(messages, **wishes)
        return lambda messages: method([nonce] * len(messages), messages, **wishes)


def _cbc(message: bytes) -> bytes:
    return Cipher(algorithms.AES(KEY16), cipher_modes.CBC(IV)).encryptor().update(message)


def _cbc_hmac(message: bytes) -> tuple[bytes, bytes]:
    sealed = _cbc(message)
    return sealed, hmac.digest(MAC_KEY, sealed, "sha256")


def _xts(message: bytes) -> bytes:
    return Cipher(algorithms.AES(XTS_KEY), cipher_modes.XTS(IV)).encryptor().update(message)


_GCM, _CHACHA = AESGCM(KEY32), ChaCha20Poly1305(KEY32)
_CIPHER = ("--cipher-op", "encrypt", "--cipher-algo", "aes-cbc", "--cipher-key-sz", "16", "--cipher-iv-sz", "16")
_AUTH = ("--auth-op", "generate", "--auth-algo", "sha2-256-hmac", "--auth-key-sz", "32", "--digest-sz", "32")
_AEAD = ("--aead-op", "encrypt", "--aead-algo", "aes-gcm", "--aead-key-sz", "32", "--aead-iv-sz", "12")

CASES = (
    Case(
        *("sha256", "SHA-256", "sha256", "digest"),
        raw="sha256",
        peers={"hashlib": lambda message: hashlib.sha256(message).digest()},
        openssl=("-evp", "sha256"),
    ),
    Case(
        *("sha512", "SHA-512", "sha512", "digest"),
        raw="sha512",
        peers={"hashlib": lambda message: hashlib.sha512(message).digest()},
        openssl=("-evp", "sha512"),
    ),
    Case(
        *("hmac-sha256", "HMAC-SHA256", "hmac(sha256)", "mac", MAC_KEY),
        raw="hmac-sha256",
        peers={"hmac.digest": lambda message: hmac.digest(MAC_KEY, message, "sha256")},
        openssl=("-hmac", "sha256"),
        dpdk=("--optype", "auth-only", *_AUTH),
    ),
    Case(
        *("aes-128-cbc", "AES-128-CBC encrypt", "cbc(aes)", "encrypt", KEY16, IV),
        raw="cbc128-enc",
        peers={"cryptography": _cbc},
        openssl=("-evp", "aes-128-cbc"),
        dpdk=("--optype", "cipher-only", *_CIPHER),
    ),
    Case(
        *("aes-128-cbc-hmac-sha256", "AES-128-CBC + HMAC-SHA256", "authenc(hmac(sha256),cbc(aes))", "encrypt"),
        *(AUTHENC_KEY, IV),
        raw="cbc128+hmac-sha256",
        peers={"cryptography": _cbc_hmac},
        dpdk=("--optype", "cipher-then-auth", *_CIPHER, *_AUTH),
    ),
    Case(
        *("aes-256-gcm", "AES-256-GCM", "gcm(aes)", "encrypt", KEY32, NONCE),
        raw="gcm256-enc",
        peers={"cryptography": lambda message: _GCM.encrypt(NONCE, message, None)},
        openssl=("-evp", "aes-256-gcm"),
        dpdk=("--optype", "aead", *_AEAD, "--aead-aad-sz", "0", "--digest-sz", "16"),
    ),
    Case(
        *("chacha20-poly1305", "ChaCha20-Poly1305", "chacha20-poly1305", "encrypt", KEY32, NONCE),
        raw="chacha20-poly1305",
        peers={"cryptography": lambda message: _CHACHA.encrypt(NONCE, message, None)},
        openssl=("-evp", "chacha20-poly1305"),
    ),
    Case(
        *("aes-256-xts", "AES-256-XTS", "xts(aes)", "encrypt", XTS_KEY, IV),
        peers={"cryptography": _xts},
        openssl=("-evp", "aes-256-xts"),
    ),
)
