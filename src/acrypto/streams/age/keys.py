"""What age derives from a file key (C2SP age.md): the header's MAC, the payload's key, the nonces of its chunks.

A file key and all that is made of it lie in bytearrays, which are overwritten when they have done their duty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core

if TYPE_CHECKING:
    from acrypto.streams.age.format import Header

FILE_KEY_LEN = 16
#: In front of the payload: the salt of its key.
NONCE_LEN = 16
#: Plaintext bytes of a chunk; all but the last one have as many.
CHUNK = 64 << 10
#: Bytes that a chunk grows by.
TAG_LEN = 16
SEALED = CHUNK + TAG_LEN
#: The algorithm of the payload, whose unit is a chunk.
STREAM = "stream(chacha20-poly1305)"
#: The algorithm that wraps a file key, and its nonce: each key wraps once.
WRAP = "chacha20-poly1305"
WRAP_NONCE = bytes(12)


class Secret(bytearray):
    """Bytes that are overwritten when they are let go of."""

    def __del__(self) -> None:
        self[:] = bytes(len(self))


def wipe(secret: bytearray) -> None:
    """Overwrites a secret."""
    secret[:] = bytes(len(secret))


def _mac_key(file_key: bytearray) -> bytearray:
    return _core.hkdf("sha256", file_key, b"", b"header", 32)


def header_mac(file_key: bytearray, covered: bytes) -> bytes:
    """The MAC of a header."""
    key = _mac_key(file_key)
    try:
        return _core.mac("hmac(sha256)", key, covered)
    finally:
        wipe(key)


def check_header(file_key: bytearray, header: Header) -> None:
    """Sees to it that a header was made by one who knows the file key.

    Raises:
        AuthenticationError: it was not.
    """
    key = _mac_key(file_key)
    try:
        _core.verify("hmac(sha256)", key, header.mac, header.covered)
    finally:
        wipe(key)


def payload_key(file_key: bytearray, nonce: bytes) -> bytearray:
    """The key of the payload behind this nonce."""
    return _core.hkdf("sha256", file_key, nonce, b"payload", 32)


def chunk_nonce(number: int, *, is_final: bool) -> bytes:
    """The nonce of a chunk, or of several of which it is the first and the last one may be final."""
    return number.to_bytes(11, "big") + bytes([is_final])
