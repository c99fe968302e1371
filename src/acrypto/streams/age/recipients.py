"""Who age files are written to: public keys and passphrases (C2SP age.md).

SSH keys, plug-ins and the recipients of hardware and post-quantum keys are not among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from acrypto import _core
from acrypto.model.errors import AcryptoError, AuthenticationError, UsageError
from acrypto.streams.age.format import Stanza, encode
from acrypto.streams.age.keys import FILE_KEY_LEN, WRAP, WRAP_NONCE, Secret, wipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer as BytesLike

HRP = "age"
KEY_LEN = 32
X25519_INFO = b"age-encryption.org/v1/X25519"
SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
SALT_LEN = 16
#: log2 of scrypt's N for new files: about a second, and 256 MiB. The same as age's.
WORK_FACTOR = 18
#: Beyond this a file could be read by hardly anyone: 4 GiB of memory.
MOST_WORK_FACTOR = 22
SCRYPT_R, SCRYPT_P = 8, 1


class Recipient(Protocol):
    """Somebody who a file key can be wrapped for."""

    def wrap(self, file_key: bytearray) -> Stanza:
        """The file key, so that only the recipient gets at it."""


class X25519Recipient:
    """A public key, `age1...`. Immutable.

    Args:
        share: its 32 bytes.

    Raises:
        UsageError: there are not 32 of them.
    """

    def __init__(self, share: BytesLike) -> None:
        self.share = bytes(share)
        if len(self.share) != KEY_LEN:
            raise UsageError(f"a public key of {len(self.share)} bytes; X25519 has {KEY_LEN}")

    @classmethod
    def parse(cls, text: str) -> X25519Recipient:
        """The recipient that `age1...` stands for.

        Raises:
            UsageError: it is no such text, or of a type that is not supported.
        """
        if text.startswith("ssh-"):
            raise UsageError("an SSH key as recipient: only X25519 ones (age1...) are supported")
        if text.upper().startswith("AGE-SECRET-KEY-"):
            raise UsageError("an identity, which is secret, as recipient: its public half (age1...) is wanted")
        try:
            hrp, share = _core.bech32_decode(text)
        except (AcryptoError, UnicodeError):
            raise UsageError("not a recipient (age1...): malformed, or with a typing error") from None
        if hrp != HRP or len(share) != KEY_LEN:
            kind = hrp if hrp.isprintable() and hrp.islower() else "another type"
            raise UsageError(f"a recipient of {kind} with {len(share)} bytes: only X25519 ones (age1...) are supported")
        return cls(share)

    def __str__(self) -> str:
        return _core.bech32_encode(HRP, self.share)

    def __repr__(self) -> str:
        return f"<X25519Recipient {self}>"

    def __eq__(self, other: object) -> bool:
        return self.share == other.share if isinstance(other, X25519Recipient) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.share)

    def wrap(self, file_key: bytearray) -> Stanza:
        """The file key under an agreement with a key that is made for it and forgotten.

        Raises:
            UsageError: the public key is a point of small order, with which everybody agrees on the same.
        """
        ephemeral = _core.random_key(KEY_LEN)
        try:
            share = x25519_public(ephemeral)
            try:
                shared = _core.agree("x25519", ephemeral, self.share)
            except AuthenticationError:
                raise UsageError("the recipient is a point of small order, which nobody owns") from None
        finally:
            wipe(ephemeral)
        key = x25519_wrap_key(shared, share, self.share)
        try:
            body = bytes(_core.encrypt(WRAP, key, WRAP_NONCE, file_key))
        finally:
            wipe(key)
        return Stanza(("X25519", encode(share).decode()), body)


def x25519_public(secret: bytearray) -> bytes:
    """The 32 bytes of a secret key's public half: the end of a SubjectPublicKeyInfo."""
    return _core.public_key("x25519", secret)[-KEY_LEN:]


def x25519_wrap_key(shared: bytearray, share: bytes, recipient: bytes) -> bytearray:
    """The key that wraps; the shared secret is wiped."""
    try:
        return _core.hkdf("sha256", shared, share + recipient, X25519_INFO, 32)
    finally:
        wipe(shared)


class ScryptRecipient:
    """A passphrase. Whoever knows it could have written the file, so it is the only recipient of its file.

    Args:
        passphrase: text, which counts as UTF-8, or bytes; copied.
        work_factor: log2 of scrypt's N, 1 to 22. Memory in bytes is 1024 times N.

    Raises:
        UsageError: the passphrase is empty, or the work factor not in its range.
    """

    def __init__(self, passphrase: str | BytesLike, *, work_factor: int = WORK_FACTOR) -> None:
        self._passphrase = secret_of(passphrase)
        if not 1 <= work_factor <= MOST_WORK_FACTOR:
            raise UsageError(f"work factor is {work_factor}; it must be 1 to {MOST_WORK_FACTOR}")
        self._work_factor = work_factor

    def __repr__(self) -> str:
        return f"<ScryptRecipient with work factor {self._work_factor}>"

    def wrap(self, file_key: bytearray) -> Stanza:
        """The file key under the passphrase and a fresh salt. Blocks for about a second, by default."""
        salt = bytes(_core.random_key(SALT_LEN))
        key = scrypt_wrap_key(self._passphrase, salt, self._work_factor)
        try:
            body = bytes(_core.encrypt(WRAP, key, WRAP_NONCE, file_key))
        finally:
            wipe(key)
        return Stanza(("scrypt", encode(salt).decode(), str(self._work_factor)), body)

    def wipe(self) -> None:
        """Overwrites the passphrase; it cannot be used any more."""
        wipe(self._passphrase)
        self._passphrase = Secret()


def secret_of(passphrase: str | BytesLike) -> Secret:
    """A passphrase as bytes of its own."""
    # A view first: a number would make so many zeros.
    secret = Secret(passphrase.encode() if isinstance(passphrase, str) else memoryview(passphrase))
    if not secret:
        raise UsageError("the passphrase is empty")
    return secret


def scrypt_wrap_key(passphrase: bytearray, salt: bytes, work_factor: int) -> bytearray:
    """The key that wraps, out of a passphrase."""
    if not passphrase:
        raise UsageError("the passphrase was wiped")
    memory = 128 * SCRYPT_R * ((1 << work_factor) + SCRYPT_P + 1)
    return _core.scrypt(passphrase, SCRYPT_LABEL + salt, work_factor, SCRYPT_R, SCRYPT_P, 32, memory)


def recipients_of(given: Iterable[Recipient | str], passphrase: str | BytesLike | None) -> list[Recipient]:
    """Recipients as they were given, text among them; a passphrase stands alone.

    Raises:
        UsageError: there is none, a passphrase among others, or a text that is no recipient.
    """
    if isinstance(given, str):
        raise UsageError("recipients is one string; a list of them is wanted")
    found: list[Recipient] = [X25519Recipient.parse(each) if isinstance(each, str) else each for each in given]
    if passphrase is not None:
        found.append(ScryptRecipient(passphrase))
    if not found:
        raise UsageError("no recipient and no passphrase")
    if len(found) > 1 and any(isinstance(each, ScryptRecipient) for each in found):
        raise UsageError("a passphrase goes alone, without any other recipient")
    return found


def wrapped(recipients: Sequence[Recipient]) -> tuple[bytearray, list[Stanza]]:
    """A fresh file key, which the caller wipes, and its stanzas."""
    file_key = _core.random_key(FILE_KEY_LEN)
    try:
        return file_key, [recipient.wrap(file_key) for recipient in recipients]
    except BaseException:
        wipe(file_key)
        raise
