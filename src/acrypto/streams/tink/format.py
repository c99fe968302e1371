"""AES-GCM-HKDF streaming as Tink defines it (developers.google.com/tink/streaming-aead): sizes, header, nonces.

A file is a header and segments of one size, of which the last may be shorter and the first is, by the header. Each is
sealed with AES-GCM under a key derived for the file; its nonce tells its number and whether it is the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import CorruptInput, UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

TAG_LEN = 16
PREFIX_LEN = 7
#: Segments are numbered with four bytes.
MOST_SEGMENTS = 1 << 32
#: Segments that we take: each is in memory as a whole, several at a time.
MOST_SEGMENT = 16 << 20
KEY_SIZES = (16, 32)
HASHES = ("sha1", "sha256", "sha512")


class Parameters(NamedTuple):
    """What both sides agree on beside the key.

    Attributes:
        segment: bytes of a sealed segment; Tink's templates have 4096 and 1048576.
        key_len: of the derived key, 16 or 32.
        hash: of HKDF: sha1, sha256 or sha512.
    """

    segment: int = 1 << 20
    key_len: int = 32
    hash: str = "sha256"

    @property
    def header_len(self) -> int:
        """A byte that tells just this, the salt, the nonces' prefix."""
        return 1 + self.key_len + PREFIX_LEN

    @property
    def unit(self) -> int:
        """Plaintext bytes of a segment."""
        return self.segment - TAG_LEN

    @property
    def first(self) -> int:
        """Plaintext bytes of the first segment."""
        return self.unit - self.header_len

    def check(self, key: BytesLike) -> None:
        """Refuses what Tink refuses.

        Raises:
            UsageError: with what is wrong, and the limit.
        """
        if self.key_len not in KEY_SIZES:
            raise UsageError(f"key_len is {self.key_len}; it must be 16 or 32")
        if self.hash not in HASHES:
            raise UsageError(f"hash is {self.hash!r}; it must be sha1, sha256 or sha512")
        least = self.header_len + TAG_LEN + 1
        if not least <= self.segment <= MOST_SEGMENT:
            raise UsageError(f"segment is {self.segment} bytes; it must be {least} to {MOST_SEGMENT}")
        if memoryview(key).nbytes < self.key_len:
            raise UsageError(f"key is {memoryview(key).nbytes} bytes; it must have at least {self.key_len}")


class Header(NamedTuple):
    """The beginning of a file.

    Attributes:
        salt: of the file's key.
        prefix: of all nonces.
    """

    salt: bytes
    prefix: bytes

    def write(self) -> bytes:
        """As it stands in the file."""
        return bytes([1 + len(self.salt) + PREFIX_LEN]) + self.salt + self.prefix

    def nonce(self, number: int, *, is_last: bool) -> bytes:
        """The nonce of a segment."""
        return self.prefix + number.to_bytes(4, "big") + bytes([is_last])


def parse(data: bytes, parameters: Parameters) -> Header:
    """The header that data begin with.

    Raises:
        CorruptInput: it is truncated, or of other parameters.
    """
    length = parameters.header_len
    if data[:1] != bytes([length]):
        raise CorruptInput("not an AES-GCM-HKDF stream of these parameters at offset 0", 0)
    if len(data) < length:
        raise CorruptInput(f"truncated header at offset {len(data)}", len(data))
    salt_end = 1 + parameters.key_len
    return Header(data[1:salt_end], data[salt_end:length])
