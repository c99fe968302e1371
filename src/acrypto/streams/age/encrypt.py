"""Writes age files: the header, then the payload on all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.streams.age import armor as text
from acrypto.streams.age import format, keys
from acrypto.streams.age.recipients import recipients_of, wrapped
from acrypto.streams.messages import ending
from acrypto.streams.stage import regrouped
from acrypto.streams.window import results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation, Transform
    from acrypto.streams.age.recipients import Recipient
    from acrypto.streams.stage import Piece, Work

#: Chunks that are sealed by one operation: enough that the hand-over costs nothing beside them, and one less than would
#: make the result, with its tags, a little longer than a buffer of the pool.
CHUNKS = 15
OPERATION = CHUNKS * keys.CHUNK


class Encrypt:
    """The stage that encrypts to age v1. Each run makes its own keys, so no two outputs are alike.

    Args:
        recipients: whom to write to: `X25519Recipient`s, or their text (`age1...`), or one `ScryptRecipient`.
        passphrase: instead of recipients.
        armor: whether to write text.

    Raises:
        UsageError: there is no recipient, or a passphrase among others.
    """

    format = "age"

    def __init__(
        self,
        recipients: Iterable[Recipient | str] = (),
        *,
        passphrase: str | BytesLike | None = None,
        armor: bool = False,
    ) -> None:
        self._recipients = recipients_of(recipients, passphrase)
        self._armor = armor

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return "encrypt age"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return OPERATION

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The encrypted file."""
        made = self._binary(work, upstream)
        return text.encoded(made) if self._armor else made

    def _binary(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        file_key, stanzas = wrapped(self._recipients)
        nonce = bytes(_core.random_key(keys.NONCE_LEN))
        try:
            covered = format.covered(stanzas)
            header = format.finished(covered, keys.header_mac(file_key, covered))
            key = keys.payload_key(file_key, nonce)
        finally:
            keys.wipe(file_key)
        try:
            transform = work.layer.transform(keys.STREAM, key=key, unit=keys.CHUNK)
        finally:
            keys.wipe(key)
        yield header + nonce
        yield from sealed(work, transform, upstream)


def sealed(work: Work, transform: Transform, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
    """The payload behind its nonce."""

    def jobs() -> Iterator[tuple[Operation[Buffer], None, int] | None]:
        number = 0
        for part in ending(regrouped(upstream, OPERATION)):
            if part is None:
                yield None
                continue
            message, nbytes, is_last = part
            nonce = keys.chunk_nonce(number, is_final=is_last)
            yield transform.encrypt(nonce, message, mode=work.mode), None, nbytes
            number += CHUNKS

    for made in results(work, jobs()):
        yield None if made is None else made[0]
