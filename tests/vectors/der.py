"""Just enough DER (X.690) to make keys and signatures out of the numbers that vectors give."""

from __future__ import annotations

RSA = bytes.fromhex("300d06092a864886f70d0101010500")
P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
X25519 = bytes.fromhex("300506032b656e")
ED25519 = bytes.fromhex("300506032b6570")


def wrap(tag: int, *parts: bytes) -> bytes:
    """One element."""
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + body


def integer(value: int) -> bytes:
    """INTEGER."""
    return wrap(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE."""
    return wrap(0x30, *parts)


def public(algorithm: bytes, key: bytes) -> bytes:
    """SubjectPublicKeyInfo (RFC 5280)."""
    return sequence(algorithm, wrap(3, b"\0", key))


def private(algorithm: bytes, key: bytes) -> bytes:
    """PKCS #8 (RFC 5208)."""
    return sequence(integer(0), algorithm, wrap(4, key))


def rsa_private(n: int, e: int, d: int, p: int, q: int) -> bytes:
    """PKCS #8 around RSAPrivateKey (RFC 8017 A.1.2)."""
    parts = (0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return private(RSA, sequence(*map(integer, parts)))


def p256_private(d: int, point: bytes) -> bytes:
    """PKCS #8 around ECPrivateKey (RFC 5915)."""
    inside = sequence(integer(1), wrap(4, d.to_bytes(32, "big")), wrap(0xA1, wrap(3, b"\0", point)))
    return private(P256, inside)
