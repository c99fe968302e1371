"""Known answers of message authentication codes: both the tag and its check, and the check of a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.vectors import nist
from tests.vectors.answer import Answer

from acrypto import AuthenticationError

RFC = {
    "hmac(sha1)": "HMAC/rfc-2202-sha1.txt",
    "hmac(sha224)": "HMAC/rfc-4231-sha224.txt",
    "hmac(sha256)": "HMAC/rfc-4231-sha256.txt",
    "hmac(sha384)": "HMAC/rfc-4231-sha384.txt",
    "hmac(sha512)": "HMAC/rfc-4231-sha512.txt",
}

#: NIST, "Examples with Intermediate Values", HMAC with SHA-3, sample 1 of each: a key 00 01 02 ... of this length.
SAMPLE = b"Sample message for keylen<blocklen"
SHA3 = {
    "hmac(sha3-224)": (28, "332cfd59347fdb8e576e77260be4aba2d6dc53117b3bfb52c6d18c04"),
    "hmac(sha3-256)": (32, "4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205"),
    "hmac(sha3-384)": (
        48,
        "d588a3c51f3f2d906e8298c1199aa8ff6296218127f6b38a90b6afe2c5617725bc99987f79b22a557b6520db710b7f42",
    ),
    "hmac(sha3-512)": (
        64,
        "4efd629d6c71bf86162658f29943b1c308ce27cdfa6db0d9c3ce81763f9cbce5f7ebe9868031db1a8f8eb7b6b95e5c5e"
        "3f657a8996c86a2f6527e307f0213196",
    ),
}


def all_ways(name: str, key: bytes, message: bytes, tag: bytes, origin: str) -> Iterator[Answer]:
    wrong = bytes([tag[0] ^ 1]) + tag[1:]
    yield Answer(name, "mac", (message,), tag, origin, {"key": key})
    yield Answer(name, "verify", (tag, message), None, origin, {"key": key})
    yield Answer(name, "verify", (wrong, message), AuthenticationError, f"{origin}, wrong", {"key": key})
    yield Answer(name, "verify", (tag[:-1], message), AuthenticationError, f"{origin}, short", {"key": key})
    yield Answer(name, "mac", (message,), tag[:8], f"{origin}, cut", {"key": key, "tag_len": 8})


def rfc(name: str) -> Iterator[Answer]:
    for number, record in enumerate(nist.records(RFC[name], "md")):
        key, message, tag = (bytes.fromhex(record[field]) for field in ("key", "msg", "md"))
        yield from all_ways(name, key, message, tag, f"{RFC[name]} {number}")


def sha3(name: str) -> Iterator[Answer]:
    size, tag = SHA3[name]
    yield from all_ways(name, bytes(range(size)), SAMPLE, bytes.fromhex(tag), "NIST HMAC_SHA3, sample 1")


def cmac(name: str) -> Iterator[Answer]:
    for bits in (128, 192, 256):
        path = f"CMAC/nist-800-38b-aes{bits}.txt"
        for number, record in enumerate(nist.records(path, "output")):
            key, message, tag = (bytes.fromhex(record[field]) for field in ("key", "message", "output"))
            yield from all_ways(name, key, message, tag, f"{path} {number}")


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = (
    dict.fromkeys(RFC, rfc) | dict.fromkeys(SHA3, sha3) | {"cmac(aes)": cmac}
)
