"""The stages of Tink's format, on all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import AuthenticationError, CorruptInput, LimitExceeded
from acrypto.streams import stage
from acrypto.streams.messages import ending, headed
from acrypto.streams.parse import Incoming
from acrypto.streams.tink import format
from acrypto.streams.tink.format import MOST_SEGMENTS, TAG_LEN, Header, Parameters
from acrypto.streams.window import ordered, results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation, Transform
    from acrypto.streams.stage import Piece, Work

#: Bytes that are worked on by one operation, if they are that many segments.
OPERATION = 1 << 20


class _Tink:
    """What both directions share.

    Args:
        key: the key material, at least as long as the derived key; copied, and wiped with the stage.
        associated_data: what is authenticated beside the data, and not written; both sides give the same.
        parameters: sizes and hash.
    """

    direction = ""
    format = "tink"

    def __init__(
        self, key: BytesLike, associated_data: BytesLike = b"", *, parameters: Parameters | None = None
    ) -> None:
        parameters = parameters or Parameters()
        parameters.check(key)
        self._key = bytearray(key)
        self._ad = bytes(associated_data)
        self._parameters = parameters
        #: Segments of an operation.
        self._segments = max(1, OPERATION // parameters.segment)

    def __del__(self) -> None:
        key = getattr(self, "_key", None)
        if key is not None:
            key[:] = bytes(len(key))

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return f"{self.direction} tink"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return stage.PIECE

    def _transforms(self, work: Work, salt: bytes) -> tuple[Transform, Transform]:
        """For the first segment, and for all others."""
        parameters = self._parameters
        key = _core.hkdf(parameters.hash, self._key, salt, self._ad, parameters.key_len)
        try:
            one = work.layer.transform("gcm(aes)", key=key)
            return one, work.layer.transform("stream(gcm(aes))", key=key, unit=parameters.unit)
        finally:
            key[:] = bytes(len(key))

    def _advance(self, number: int, nbytes: int, size: int) -> int:
        number += -(-nbytes // size)
        if number > MOST_SEGMENTS:
            most = MOST_SEGMENTS
            raise LimitExceeded(f"more than {most} segments of {self._parameters.segment} bytes", most)
        return number


class TinkEncrypt(_Tink):
    """The stage that encrypts as Tink's AES-GCM-HKDF streaming AEAD does. Each run makes its own salt.

    Args:
        key: the key material, at least as long as the derived key; copied, and wiped with the stage.
        associated_data: what is authenticated beside the data, and not written; both sides give the same.
        parameters: sizes and hash; those of Tink's AES256_GCM_HKDF_1MB by default.

    Raises:
        UsageError: the key is too short, or a parameter is not Tink's.
    """

    direction = "encrypt"

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The encrypted file.

        Raises:
            LimitExceeded: there are more segments than can be numbered.
        """
        parameters = self._parameters
        random = bytes(_core.random_key(parameters.header_len - 1))
        header = Header(random[: parameters.key_len], random[parameters.key_len :])
        one, many = self._transforms(work, header.salt)

        def jobs() -> Iterator[tuple[Operation[Buffer], None, int] | None]:
            number = 0
            for part in ending(headed(upstream, parameters.first, self._segments * parameters.unit)):
                if part is None:
                    yield None
                    continue
                message, nbytes, is_last = part
                after = self._advance(number, max(nbytes, 1), parameters.unit)
                transform = many if number else one
                nonce = header.nonce(number, is_last=is_last)
                yield transform.encrypt(nonce, message, mode=work.mode), None, nbytes
                number = after

        yield header.write()
        for made in results(work, jobs()):
            yield None if made is None else made[0]


class TinkDecrypt(_Tink):
    """The stage that decrypts what Tink's AES-GCM-HKDF streaming AEAD has encrypted.

    Args:
        key: the key material, at least as long as the derived key; copied, and wiped with the stage.
        associated_data: what was authenticated beside the data.
        parameters: those that it was encrypted with.

    Raises:
        UsageError: the key is too short, or a parameter is not Tink's.
    """

    direction = "decrypt"

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The contents. What came before an error is authentic, and only a part of them.

        Raises:
            CorruptInput: of other parameters, or truncated where that shows; with the offset.
            AuthenticationError: another key, other associated data, or it was changed, truncated or added to.
        """
        parameters, incoming = self._parameters, Incoming(upstream)
        header = format.parse(incoming.peek(parameters.header_len), parameters)
        incoming.skip(parameters.header_len)
        one, many = self._transforms(work, header.salt)
        flaw: CorruptInput | None = None

        def jobs() -> Iterator[tuple[Operation[Buffer], int, int]]:
            nonlocal flaw
            number, is_last = 0, False
            while not is_last:
                wanted = self._segments * parameters.segment if number else parameters.first + TAG_LEN
                is_last = not incoming.need(wanted + 1)
                nbytes, start = min(incoming.have, wanted), incoming.offset
                flaw = self._flaw(nbytes, number, start)
                if flaw is not None:
                    return
                after = self._advance(number, nbytes, parameters.segment)
                nonce = header.nonce(number, is_last=is_last)
                yield (many if number else one).decrypt(nonce, incoming.take(nbytes), mode=work.mode), start, nbytes
                number = after

        for job in ordered(work, jobs()):
            assert job is not None  # what parses is never fed
            operation, start = job
            try:
                text = operation.wait()
            except AuthenticationError:
                told = f"authentication of the segments from offset {start} on failed"
                raise AuthenticationError(told) from None
            work.tally.ran(operation)
            yield text
        if flaw is not None:
            raise flaw

    def _flaw(self, nbytes: int, number: int, offset: int) -> CorruptInput | None:
        """What is wrong with the length of these segments, of which the first has this number and offset."""
        rest = nbytes % self._parameters.segment if number else nbytes
        end = offset + nbytes
        if nbytes and not rest:
            return None
        if rest < TAG_LEN:
            return CorruptInput(f"truncated at offset {end}", end)
        if rest == TAG_LEN and number:
            return CorruptInput(f"an empty last segment at offset {end - rest}", end - rest)
        return None
