"""Who reads age files: secret keys and passphrases (C2SP age.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from acrypto import _core
from acrypto.model.errors import AcryptoError, AuthenticationError, CorruptInput, LimitExceeded, UsageError
from acrypto.streams.age.format import decode
from acrypto.streams.age.keys import FILE_KEY_LEN, TAG_LEN, WRAP, WRAP_NONCE, Secret, check_header, wipe
from acrypto.streams.age.recipients import (
    KEY_LEN,
    SALT_LEN,
    X25519Recipient,
    scrypt_wrap_key,
    secret_of,
    x25519_public,
    x25519_wrap_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer as BytesLike

    from acrypto.streams.age.format import Header, Stanza

HRP = "AGE-SECRET-KEY-"
#: log2 of scrypt's N that a file may ask of us: some seconds, and 1 GiB. Two more than what age writes.
MAX_WORK_FACTOR = 20


class Identity(Protocol):
    """Somebody who may unwrap a file key."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytearray | None:
        """The file key, which the caller wipes; None if no stanza is for this identity.

        Raises:
            CorruptInput: a stanza of this identity's type is malformed.
        """


def _body(stanza: Stanza) -> bytes:
    # Before anything is decrypted: of another length it could be made to fit many keys.
    if len(stanza.body) != FILE_KEY_LEN + TAG_LEN:
        what = f"a stanza of {stanza.type} with {len(stanza.body)} bytes, not {FILE_KEY_LEN + TAG_LEN}"
        raise CorruptInput(what)
    return stanza.body


def _argument(stanza: Stanza, at: int, length: int) -> bytes:
    raw = decode(stanza.args[at].encode())
    if raw is None or len(raw) != length:
        raise CorruptInput(f"a stanza of {stanza.type} without {length} bytes in canonical base64")
    return raw


def _opened(key: bytearray, body: bytes) -> bytearray | None:
    try:
        return _core.unwrap_key(WRAP, key, WRAP_NONCE, body)
    except AuthenticationError:
        return None
    finally:
        wipe(key)


class X25519Identity:
    """A secret key, `AGE-SECRET-KEY-1...`.

    Args:
        secret: its 32 bytes; copied.

    Attributes:
        recipient: its public half.

    Raises:
        UsageError: there are not 32 of them.
    """

    def __init__(self, secret: BytesLike) -> None:
        self._secret = Secret(secret)
        if len(self._secret) != KEY_LEN:
            raise UsageError(f"a secret key of {len(self._secret)} bytes; X25519 has {KEY_LEN}")
        self.recipient = X25519Recipient(x25519_public(self._secret))

    @classmethod
    def generate(cls) -> X25519Identity:
        """A fresh one."""
        return cls._from(_core.random_key(KEY_LEN))

    @classmethod
    def parse(cls, text: str) -> X25519Identity:
        """The identity that `AGE-SECRET-KEY-1...` stands for. No error shows any of the text.

        Raises:
            UsageError: it is no such text, or of a type that is not supported.
        """
        try:
            hrp, secret = _core.bech32_decode(text)
        except (AcryptoError, UnicodeError):
            raise UsageError("not an identity (AGE-SECRET-KEY-1...): malformed, or with a typing error") from None
        if hrp != HRP or len(secret) != KEY_LEN:
            wipe(secret)
            raise UsageError("an identity of another type: only X25519 ones (AGE-SECRET-KEY-1...) are supported")
        return cls._from(secret)

    @classmethod
    def _from(cls, secret: bytearray) -> X25519Identity:
        try:
            return cls(secret)
        finally:
            wipe(secret)

    def export(self) -> str:
        """The secret as text, to be kept in a safe place."""
        return _core.bech32_encode(HRP.lower(), self._secret).upper()

    def __repr__(self) -> str:
        return f"<X25519Identity of {self.recipient}>"

    def wipe(self) -> None:
        """Overwrites the secret; it cannot be used any more."""
        wipe(self._secret)

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytearray | None:
        """The file key of the first stanza that is for this identity.

        Raises:
            CorruptInput: a stanza of X25519 is malformed, or its share a point of small order.
        """
        for stanza in stanzas:
            if stanza.type != "X25519":
                continue
            if len(stanza.args) != 2:
                raise CorruptInput(f"a stanza of X25519 with {len(stanza.args)} arguments, not 2")
            share, body = _argument(stanza, 1, KEY_LEN), _body(stanza)
            try:
                shared = _core.agree("x25519", self._secret, share)
            except AuthenticationError:
                raise CorruptInput("a stanza of X25519 whose share is a point of small order") from None
            found = _opened(x25519_wrap_key(shared, share, self.recipient.share), body)
            if found is not None:
                return found
        return None


class ScryptIdentity:
    """A passphrase.

    Args:
        passphrase: text, which counts as UTF-8, or bytes; copied.
        max_work_factor: log2 of the most scrypt work that a file may ask for. Memory in bytes is 1024 times its power.

    Raises:
        UsageError: the passphrase is empty.
    """

    def __init__(self, passphrase: str | BytesLike, *, max_work_factor: int = MAX_WORK_FACTOR) -> None:
        self._passphrase = secret_of(passphrase)
        self._max_work_factor = max_work_factor

    def __repr__(self) -> str:
        return f"<ScryptIdentity up to work factor {self._max_work_factor}>"

    def wipe(self) -> None:
        """Overwrites the passphrase; it cannot be used any more."""
        wipe(self._passphrase)
        self._passphrase = Secret()

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytearray | None:
        """The file key, if the passphrase is right.

        Raises:
            CorruptInput: the stanza is malformed.
            LimitExceeded: it asks for more work than is allowed.
        """
        for stanza in stanzas:
            if stanza.type != "scrypt":
                continue
            if len(stanza.args) != 3:
                raise CorruptInput(f"a stanza of scrypt with {len(stanza.args)} arguments, not 3")
            salt, factor = _argument(stanza, 1, SALT_LEN), stanza.args[2]
            if not (factor.isascii() and factor.isdecimal()) or factor.startswith("0"):
                raise CorruptInput("a stanza of scrypt whose work factor is no decimal number")
            body, most = _body(stanza), self._max_work_factor
            if len(factor) > 9 or int(factor) > most:
                shown = factor if len(factor) <= 9 else f"of {len(factor)} digits"
                raise LimitExceeded(f"the file's scrypt work factor is {shown}; at most {most} is allowed", most)
            found = _opened(scrypt_wrap_key(self._passphrase, salt, int(factor)), body)
            if found is not None:
                return found
        return None


def identities_of(given: Iterable[Identity | str], passphrase: str | BytesLike | None) -> list[Identity]:
    """Identities as they were given, text among them, and a passphrase.

    Raises:
        UsageError: there is none, or a text that is no identity.
    """
    if isinstance(given, str):
        raise UsageError("identities is one string; a list of them is wanted")
    found: list[Identity] = [X25519Identity.parse(each) if isinstance(each, str) else each for each in given]
    if passphrase is not None:
        found.append(ScryptIdentity(passphrase))
    if not found:
        raise UsageError("no identity and no passphrase")
    return found


def unwrapped(header: Header, identities: Sequence[Identity]) -> bytearray:
    """The file key of a header whose MAC is right; the caller wipes it.

    Raises:
        CorruptInput: a stanza is malformed, or one of scrypt is not alone.
        LimitExceeded: see `ScryptIdentity`.
        AuthenticationError: no identity opens any stanza, or the header was changed.
    """
    stanzas = header.stanzas
    if len(stanzas) > 1 and any(stanza.type == "scrypt" for stanza in stanzas):
        raise CorruptInput(f"a stanza of scrypt among {len(stanzas)}; it must be alone")
    for identity in identities:
        file_key = identity.unwrap(stanzas)
        if file_key is not None:
            try:
                check_header(file_key, header)
            except AuthenticationError:
                wipe(file_key)
                raise AuthenticationError("authentication of the header failed") from None
            return file_key
    if stanzas[0].type == "scrypt":
        raise AuthenticationError("the passphrase is wrong, or none was given: the file has no other recipient")
    raise AuthenticationError("no identity matches any of the file's recipients")
