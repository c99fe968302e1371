"""A writer of age files, good and bad, that knows nothing of acrypto: pyca/cryptography, hashlib and base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FILE_KEY = b"YELLOW SUBMARINE"
SECRET = bytes(range(1, 33))
CHUNK = 65536
EPHEMERAL = bytes(range(101, 133))
SALT = bytes(range(201, 217))
NONCE = bytes(range(61, 77))


def hkdf(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def not_canonical(text: str) -> str:
    """The same bytes, with one of the bits set that are left over."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


class AgeFile:
    """A file that grows line by line; every step may be left out or done wrong."""

    def __init__(self, file_key: bytes = FILE_KEY) -> None:
        self.file_key = file_key
        self.data = b""
        self._chunks = itertools.count()
        self._payload: ChaCha20Poly1305 | None = None

    def line(self, text: str | bytes) -> AgeFile:
        self.data += (text.encode() if isinstance(text, str) else text) + b"\n"
        return self

    def version(self, version: str = "v1") -> AgeFile:
        return self.line(f"age-encryption.org/{version}")

    def body(self, raw: bytes) -> AgeFile:
        text = b64(raw)
        for at in range(0, len(text) // 64 * 64 + 1, 64):
            self.line(text[at : at + 64])
        return self

    def args(self, *args: str) -> AgeFile:
        return self.line(" ".join(["->", *args]))

    def wrapped(self, key: bytes, *, flip: bool = False) -> bytes:
        box = ChaCha20Poly1305(key).encrypt(bytes(12), self.file_key, None)
        return box[:-1] + bytes([box[-1] ^ flip])

    def x25519_key(self, share: bytes | None = None, shared: bytes | None = None) -> tuple[bytes, bytes]:
        """A share, and the key that wraps with it."""
        recipient = public(SECRET)
        if share is None:
            share = public(EPHEMERAL)
            point = X25519PublicKey.from_public_bytes(recipient)
            shared = X25519PrivateKey.from_private_bytes(EPHEMERAL).exchange(point)
        assert shared is not None
        return share, hkdf(shared, share + recipient, b"age-encryption.org/v1/X25519")

    def x25519(self) -> AgeFile:
        share, key = self.x25519_key()
        return self.args("X25519", b64(share)).body(self.wrapped(key))

    def scrypt_key(self, passphrase: str, factor: int, salt: bytes = SALT) -> bytes:
        salt = b"age-encryption.org/v1/scrypt" + salt
        return hashlib.scrypt(passphrase.encode(), salt=salt, n=1 << factor, r=8, p=1, dklen=32, maxmem=1 << 30)

    def scrypt(self, passphrase: str = "password", factor: int = 10, shown: str | None = None) -> AgeFile:
        self.args("scrypt", b64(SALT), str(factor) if shown is None else shown)
        return self.body(self.wrapped(self.scrypt_key(passphrase, factor)))

    def mac_of(self, covered: bytes) -> bytes:
        return hmac.new(hkdf(self.file_key, None, b"header"), covered, "sha256").digest()

    def mac(self) -> AgeFile:
        return self.line(f"--- {b64(self.mac_of(self.data + b'---'))}")

    def nonce(self, nonce: bytes = NONCE) -> AgeFile:
        self.data += nonce
        self._payload = ChaCha20Poly1305(hkdf(self.file_key, nonce, b"payload"))
        return self

    def chunk(self, text: bytes, *, final: bool = False, number: int | None = None) -> AgeFile:
        """The next chunk, or one with a number of its own."""
        assert self._payload is not None
        number = next(self._chunks) if number is None else number
        self.data += self._payload.encrypt(number.to_bytes(11, "big") + bytes([final]), text, None)
        return self

    def payload(self, text: bytes = b"age") -> AgeFile:
        self.nonce()
        parts = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)] or [b""]
        for part in parts[:-1]:
            self.chunk(part)
        return self.chunk(parts[-1], final=True)

    def armored(self, *, end: str = "\n") -> bytes:
        text = base64.b64encode(self.data).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        whole = ["-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----"]
        return "".join(line + end for line in whole).encode()


def good(text: bytes = b"age") -> AgeFile:
    return AgeFile().version().x25519().mac().payload(text)
