"""Routes with what their stages need, and the same undone by somebody else's code."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from tests.layer.only import STRONGEST

import acrypto
from acrypto.testing.gate import Gate

KEY = bytes(range(32))
#: The most that a flipped bit of compressed data may make of it.
MOST = 8 << 20


class Kind(NamedTuple):
    """A stage: how it is made, and how it is undone by somebody else's code.

    `undo` gives the message before the stage; for a digest, the value that it must have left.
    """

    name: str
    parameters: dict[str, object]
    nonce_len: int
    undo: Callable[[bytes, bytes, bytes], bytes]

    @property
    def is_digest(self) -> bool:
        return self.name in {"sha256", "crc32", "blake2b-256"}

    @property
    def takes_ad(self) -> bool:
        return self.nonce_len == 12


def checked(algorithm: str) -> Callable[[bytes, bytes, bytes], bytes]:
    def undo(message: bytes, nonce: bytes, ad: bytes) -> bytes:
        size = hashlib.new(algorithm).digest_size
        rest, tag = message[:-size], message[-size:]
        assert hmac.digest(KEY, rest, algorithm) == tag
        return rest

    return undo


def by_cipher(nonce: bytes) -> Any:
    return Cipher(algorithms.AES(KEY), modes.CTR(nonce)).decryptor()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("zlib", {"level": 1}, 0, lambda m, n, a: zlib.decompress(m)),
        Kind("deflate", {"level": 1}, 0, lambda m, n, a: zlib.decompress(m, -15)),
        Kind("zstd", {"level": 3}, 0, lambda m, n, a: zstandard.ZstdDecompressor().decompressobj().decompress(m)),
        Kind("gcm(aes)", {"key": KEY}, 12, lambda m, n, a: AESGCM(KEY).decrypt(n, m, a)),
        Kind("rfc7539(chacha20,poly1305)", {"key": KEY}, 12, lambda m, n, a: ChaCha20Poly1305(KEY).decrypt(n, m, a)),
        Kind("ctr(aes)", {"key": KEY}, 16, lambda m, n, a: by_cipher(n).update(m)),
        Kind("hmac(sha256)", {"key": KEY}, 0, checked("sha256")),
        Kind("hmac(sha512)", {"key": KEY}, 0, checked("sha512")),
        Kind("sha256", {}, 0, lambda m, n, a: hashlib.sha256(m).digest()),
        Kind("crc32", {}, 0, lambda m, n, a: zlib.crc32(m).to_bytes(4, "big")),
    )
}
#: Ends with something that notices a changed bit.
SEALED = [["gcm(aes)"], ["zlib", "hmac(sha256)"], ["zstd", "gcm(aes)", "hmac(sha256)"], ["ctr(aes)", "gcm(aes)"]]


def nonces(kinds: list[Kind]) -> dict[int, bytes]:
    return {index: bytes([index + 1]) * kind.nonce_len for index, kind in enumerate(kinds) if kind.nonce_len}


def ads(kinds: list[Kind]) -> dict[int, bytes]:
    return {index: b"header %d" % index for index, kind in enumerate(kinds) if kind.takes_ad}


class Way(NamedTuple):
    """A route with what its stages need."""

    kinds: list[Kind]
    route: acrypto.Route
    extras: dict[str, Any]

    @classmethod
    def of(cls, layer: acrypto.Layer, names: list[str]) -> Way:
        kinds = [KINDS[name] for name in names]
        route = layer.route(*(layer.transform(kind.name, **kind.parameters) for kind in kinds))
        given = {"nonce": nonces(kinds), "ad": ads(kinds)}
        return cls(kinds, route, {name: value for name, value in given.items() if value})

    def run(self, data: object, **wishes: object) -> acrypto.Operation[Any]:
        return self.route.run(data, **self.extras, **wishes)

    def back(self, data: object, **wishes: object) -> acrypto.Operation[Any]:
        return self.route.reverse().run(data, **self.extras, **wishes)

    def undo_by_hand(self, message: bytes, digests: list[tuple[str, bytes]]) -> bytes:
        """Takes the stages off, the last one first; checks what digest stages left on the way."""
        left = list(digests)
        for index, kind in reversed(list(enumerate(self.kinds))):
            nonce, ad = self.extras.get("nonce", {}).get(index, b""), self.extras.get("ad", {}).get(index, b"")
            before = kind.undo(message, nonce, ad)
            if kind.is_digest:
                assert left.pop() == (kind.name, before)
            else:
                message = before
        assert left == []
        return message


def content(size: int, seed: int) -> bytes:
    """Half of it can be compressed."""
    half = size // 2
    return random.Random(seed).randbytes(size - half) + (b"as it was, " * (half // 11 + 1))[:half]


@contextlib.contextmanager
def opened(*engines: object, **settings: object) -> Iterator[acrypto.Layer]:
    """A layer on these and the software engine, where the strongest serves; whose gates are opened before it closes."""
    with contextlib.ExitStack() as stack:
        settings = {"workers": 1, "inline_us": 0, **STRONGEST, **settings}
        layer = stack.enter_context(acrypto.open([*engines, "software"], settings=acrypto.Settings(**settings)))
        for engine in engines:
            if isinstance(engine, Gate):
                stack.callback(engine.open)
        yield layer


THREE = ["zstd", "gcm(aes)", "hmac(sha256)"]


def private_key(name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    made = {"ed25519": ed25519.Ed25519PrivateKey, "x25519": x25519.X25519PrivateKey}[name].generate()
    der, pkcs8, plain = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(der, pkcs8, plain)
