"""An age file's chunks as units of a file that is read at any place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.streams.age import keys
from acrypto.streams.units import LIKED, Index, Unit

if TYPE_CHECKING:
    from acrypto._core import Buffer, Operation
    from acrypto.layer.layer import Layer
    from acrypto.streams.age.index import AgeIndex
    from acrypto.streams.place import Place

#: Content of a unit: whole chunks.
SIZE = LIKED // keys.CHUNK * keys.CHUNK


class AgeUnits(Index):
    """Units are runs of chunks; where they are is a matter of arithmetic.

    Args:
        place: the file.
        chunks: of it.
    """

    format = "age"

    def __init__(self, place: Place, chunks: AgeIndex) -> None:
        super().__init__(place)
        self._chunks = chunks

    def size(self) -> int:
        """Bytes of content in all, as the final chunk has proved."""
        return self._chunks.size

    def find(self, offset: int) -> int | None:
        """The number of the unit that holds the byte there; None behind the end."""
        return offset // SIZE if offset < self._chunks.size else None

    def unit(self, number: int) -> Unit | None:
        """A unit by its number; None behind the last."""
        if number * SIZE >= self._chunks.size:
            return None
        found = self._chunks.chunks(number * SIZE, SIZE)
        return Unit(found.offset, found.length, found.start, found.size)

    def decode(self, layer: Layer, number: int, unit: Unit, source: bytes) -> Operation[Buffer]:
        """Starts to decrypt chunks."""
        return self._chunks.open(self._chunks.chunks(unit.offset, unit.size), source)
