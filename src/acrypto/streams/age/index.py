"""Where the bytes of an age file's contents lie, so that any of them can be read without those before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import AuthenticationError, CorruptInput
from acrypto.streams.age import armor, format, keys
from acrypto.streams.age.identities import identities_of, unwrapped
from acrypto.streams.units import LIKED, Index, NotIndexed, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation, Transform
    from acrypto.layer.layer import Layer
    from acrypto.streams.age.format import Header
    from acrypto.streams.age.identities import Identity
    from acrypto.streams.place import Place

#: Bytes that most headers fit in.
FIRST_LOOK = 4096
#: Chunks of a unit.
CHUNKS = LIKED // keys.CHUNK
SIZE = CHUNKS * keys.CHUNK
LENGTH = CHUNKS * keys.SEALED


class AgeIndex(Index):
    """Units are some chunks each, all where arithmetic says. Whoever has one knows that the file ends where it should.

    Args:
        place: the file; binary, for an armored one is read from its beginning only.
        identities: who reads, as of `Decrypt`.
        passphrase: likewise.

    Raises:
        CorruptInput: not an age file, malformed or truncated.
        AuthenticationError: no identity opens it, or its header or its end was changed.
        LimitExceeded: its passphrase asks for more work than is allowed.
        NotIndexed: it is armored.
        UsageError: no identity.
    """

    format = "age"

    def __init__(
        self,
        place: Place,
        identities: Iterable[Identity | str] = (),
        *,
        passphrase: str | BytesLike | None = None,
    ) -> None:
        super().__init__(place)
        header = self._header()
        file_key = unwrapped(header, identities_of(identities, passphrase))
        try:
            nonce = place.read(header.length, keys.NONCE_LEN)
            if len(nonce) < keys.NONCE_LEN:
                raise CorruptInput(f"truncated at offset {place.size}", place.size)
            self._key = keys.payload_key(file_key, nonce)
        finally:
            keys.wipe(file_key)
        self._payload = header.length + keys.NONCE_LEN
        sealed = place.size - self._payload
        #: The number of the last chunk.
        self._last = (sealed - 1) // keys.SEALED if sealed > 0 else 0
        rest = sealed - self._last * keys.SEALED
        if rest < keys.TAG_LEN or (rest == keys.TAG_LEN and self._last):
            raise CorruptInput(f"truncated, or with an empty final chunk, at offset {place.size}", place.size)
        self._size = sealed - (self._last + 1) * keys.TAG_LEN
        self._check_end()

    def __del__(self) -> None:
        key = getattr(self, "_key", None)
        if key is not None:
            keys.wipe(key)

    def _header(self) -> Header:
        look = FIRST_LOOK
        while True:
            head = self.place.read(0, look)
            if head.lstrip(armor.SPACES).startswith(armor.BEGIN[:1]):
                raise NotIndexed("armored age data")
            header = format.parse(head, ended=len(head) < look)
            if header is not None:
                return header
            look *= 4

    def _check_end(self) -> None:
        # Without this, a file that was cut at a chunk's end would have a size that nobody gave it.
        offset = self._payload + self._last * keys.SEALED
        data = self.place.read(offset, keys.SEALED)
        try:
            _core.decrypt(keys.STREAM, self._key, keys.chunk_nonce(self._last, is_final=True), data, unit=keys.CHUNK)
        except AuthenticationError:
            raise AuthenticationError(f"authentication of the final chunk, at offset {offset}, failed") from None

    def size(self) -> int:
        """Bytes of content in all."""
        return self._size

    def find(self, offset: int) -> int | None:
        """The number of the unit that holds the byte there; None behind the end."""
        return offset // SIZE if offset < self._size else None

    def unit(self, number: int) -> Unit | None:
        """A unit by its number; None behind the last."""
        offset = number * SIZE
        size = min(SIZE, self._size - offset)
        if size <= 0:
            return None
        length = size + -(-size // keys.CHUNK) * keys.TAG_LEN
        return Unit(self._payload + number * LENGTH, length, offset, size)

    def transform(self, layer: Layer) -> Transform:
        """Opens chunks."""
        return layer.transform(keys.STREAM, key=self._key, unit=keys.CHUNK)

    def decode(self, layer: Layer, number: int, unit: Unit, source: bytes) -> Operation[Buffer]:
        """Starts to decrypt a unit."""
        is_final = unit.offset + unit.size == self._size
        return self._transform_of(layer).decrypt(keys.chunk_nonce(number * CHUNKS, is_final=is_final), source)

    def content(self, number: int, unit: Unit, operation: Operation[Buffer]) -> Buffer:
        """Waits for the content of a unit.

        Raises:
            AuthenticationError: it was changed; nothing of it is given.
        """
        try:
            return super().content(number, unit, operation)
        except AuthenticationError:
            told = f"authentication of the chunks from offset {unit.start} on failed"
            raise AuthenticationError(told) from None
