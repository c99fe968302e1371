"""Where the bytes of an age file's contents lie, so that any of them can be read without those before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import AuthenticationError, CorruptInput, UsageError
from acrypto.streams.age import armor, format, keys
from acrypto.streams.age.identities import identities_of, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation
    from acrypto.layer.layer import Layer
    from acrypto.streams.age.format import Header
    from acrypto.streams.age.identities import Identity

    #: Bytes of the file: from an offset, so many; fewer only where it ends.
    ReadAt = Callable[[int, int], BytesLike]

#: Bytes that most headers fit in.
FIRST_LOOK = 4096


class Chunks(NamedTuple):
    """Chunks in a row.

    Attributes:
        start: of their plaintext, in the contents.
        size: of their plaintext.
        offset: of the first of them in the file.
        length: of them in the file.
        nonce: of the first of them.
    """

    start: int
    size: int
    offset: int
    length: int
    nonce: bytes


class AgeIndex:
    """The chunks of a binary age file. Whoever makes one has proved that the file ends where it should.

    Immutable; shareable between threads as far as `read_at` is.

    Args:
        layer: whose engines decrypt.
        read_at: reads the file.
        file_size: bytes of the file.
        identities: who reads, as of `Decrypt`.
        passphrase: likewise.

    Attributes:
        size: bytes of the contents.

    Raises:
        CorruptInput: not an age file, armored, malformed or truncated.
        AuthenticationError: no identity opens it, or it was changed; the end of it, too.
        UsageError: no identity.
    """

    def __init__(
        self,
        layer: Layer,
        read_at: ReadAt,
        file_size: int,
        identities: Iterable[Identity | str] = (),
        *,
        passphrase: str | BytesLike | None = None,
    ) -> None:
        self._read_at = read_at
        header = self._header(file_size)
        file_key = unwrapped(header, identities_of(identities, passphrase))
        nonce = bytes(read_at(header.length, keys.NONCE_LEN))
        self._payload = header.length + keys.NONCE_LEN
        sealed = file_size - self._payload
        try:
            if len(nonce) < keys.NONCE_LEN:
                raise CorruptInput(f"truncated at offset {file_size}", file_size)
            key = keys.payload_key(file_key, nonce)
        finally:
            keys.wipe(file_key)
        try:
            self._transform = layer.transform(keys.STREAM, key=key, unit=keys.CHUNK)
        finally:
            keys.wipe(key)
        #: Of the last chunk.
        self._last = (sealed - 1) // keys.SEALED if sealed > 0 else 0
        rest = sealed - self._last * keys.SEALED
        if rest < keys.TAG_LEN or (rest == keys.TAG_LEN and self._last):
            raise CorruptInput(f"truncated, or with an empty final chunk, at offset {file_size}", file_size)
        self.size = sealed - (self._last + 1) * keys.TAG_LEN
        self._check_end()

    def _header(self, file_size: int) -> Header:
        look = FIRST_LOOK
        while True:
            head = bytes(self._read_at(0, look))
            if head.lstrip(armor.SPACES).startswith(armor.BEGIN[:1]):
                raise CorruptInput("armored: only binary age files are read at any place, at offset 0", 0)
            header = format.parse(head, ended=len(head) >= file_size or len(head) < look)
            if header is not None:
                return header
            look *= 4

    def _check_end(self) -> None:
        # Without this, a file that was cut at a chunk's end would have a size that nobody gave it.
        last = self.chunks(self.size, 0)
        try:
            self.open(last, self._read_at(last.offset, last.length)).wait()
        except AuthenticationError:
            told = f"authentication of the final chunk, at offset {last.offset}, failed"
            raise AuthenticationError(told) from None

    def chunks(self, start: int, size: int) -> Chunks:
        """The chunks that hold a part of the contents, and at least one.

        Args:
            start: of the part, at most the size of the contents.
            size: of the part; what reaches beyond the end is left out.

        Raises:
            UsageError: it starts before or behind the contents.
        """
        if not 0 <= start <= self.size:
            raise UsageError(f"start is {start}; it must be 0 to {self.size}")
        first = min(start // keys.CHUNK, self._last)
        end = min(start + size, self.size)
        last = min(max((end - 1) // keys.CHUNK, first), self._last)
        plain = first * keys.CHUNK
        offset, count = self._payload + first * keys.SEALED, last + 1 - first
        plain_size = min(count * keys.CHUNK, self.size - plain)
        nonce = keys.chunk_nonce(first, is_final=last == self._last)
        return Chunks(plain, plain_size, offset, plain_size + count * keys.TAG_LEN, nonce)

    def open(self, chunks: Chunks, data: BytesLike | list[memoryview]) -> Operation[Buffer]:
        """Starts to decrypt chunks.

        Args:
            chunks: as `chunks` gave them.
            data: what the file holds there, in one piece or several; borrowed until the operation has ended.

        Returns:
            Their plaintext, of which nothing is given unless all of it is authentic.
        """
        return self._transform.decrypt(chunks.nonce, data)
