"""What makes compressed or encrypted data readable at any place: units, decoded on their own, and indexes of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import CorruptInput, LimitExceeded
from acrypto.streams.sequential import corrupt, moved

if TYPE_CHECKING:
    from acrypto._core import Buffer, Operation, Transform
    from acrypto.layer.layer import Layer
    from acrypto.streams.place import Place

#: The size that units have where the format leaves the choice: little enough to be decoded for a few bytes, large
#: enough that the way to a worker costs nothing beside it.
LIKED = 512 << 10
#: Units of more content are refused: one is held in memory as a whole.
MOST_CONTENT = 64 << 20
#: Most units of a file.
MOST_UNITS = 1 << 23


class NotIndexed(Exception):
    """The data cannot be read at any place; the message says why. From the start on they may be sound."""


class Unit(NamedTuple):
    """Some of the data that is decoded on its own.

    Attributes:
        start: where its source bytes begin.
        length: source bytes.
        offset: where its content begins.
        size: bytes of content.
    """

    start: int
    length: int
    offset: int
    size: int


class Index:
    """Where the units of a file are. Not thread-safe: its reader has a lock.

    What an index was told by the file is not trusted. Units are checked against the file's size and against limits as
    they are added, and their content against what was told of it. A subclass adds units with `add`, either all at once
    or bit by bit in `extend`, and says with `transform` (or `decode`) how one is decoded.

    Args:
        place: the file.

    Attributes:
        format: its name.
    """

    format = ""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._starts = array("Q")
        self._lengths = array("Q")
        self._offsets = array("Q", [0])
        self._whole = False
        self._transform: Transform | None = None

    def add(self, start: int, length: int, size: int) -> None:
        """Adds the next unit.

        Raises:
            CorruptInput: the file ends before it.
            NotIndexed: it is too large, or there are too many.
        """
        if start + length > self.place.size:
            raise corrupt(f"truncated {self.format} data", self.place.size)
        if size > MOST_CONTENT or length > 2 * MOST_CONTENT:
            raise NotIndexed(f"{self.format} data in parts of more than {MOST_CONTENT} bytes")
        if len(self._starts) >= MOST_UNITS:
            raise NotIndexed(f"{self.format} data in more than {MOST_UNITS} parts")
        self._starts.append(start)
        self._lengths.append(length)
        self._offsets.append(self._offsets[-1] + size)

    def extend(self) -> bool:
        """Adds at least one unit; False if there are no more.

        Raises:
            CorruptInput: no unit is where one should be.
        """
        return False

    def _more(self) -> bool:
        if not self._whole and not self.extend():
            self._whole = True
        return not self._whole

    def size(self) -> int:
        """Bytes of content in all."""
        while self._more():
            pass
        return self._offsets[-1]

    def find(self, offset: int) -> int | None:
        """The number of the unit that holds the byte there; None behind the end."""
        while offset >= self._offsets[-1]:
            if not self._more():
                return None
        return bisect_right(self._offsets, offset) - 1

    def unit(self, number: int) -> Unit | None:
        """A unit by its number; None behind the last."""
        while number >= len(self._starts):
            if not self._more():
                return None
        offset = self._offsets[number]
        return Unit(self._starts[number], self._lengths[number], offset, self._offsets[number + 1] - offset)

    def transform(self, layer: Layer) -> Transform:
        """What decodes units."""
        raise NotImplementedError

    def _transform_of(self, layer: Layer) -> Transform:
        if self._transform is None:
            self._transform = self.transform(layer)
        return self._transform

    def decode(self, layer: Layer, number: int, unit: Unit, source: bytes) -> Operation[Buffer]:
        """Starts to decode a unit."""
        return self._transform_of(layer).decompress(source, max_output=unit.size)

    def content(self, number: int, unit: Unit, operation: Operation[Buffer]) -> Buffer:
        """Waits for the content of a unit, which has the size that was told.

        Raises:
            CorruptInput: it is damaged, or has another size.
        """
        try:
            found = operation.wait()
        except LimitExceeded:
            raise self._wrong(unit) from None
        except CorruptInput as error:
            raise moved(error, unit.start) from None
        if len(found) != unit.size:
            raise self._wrong(unit)
        return found

    def _wrong(self, unit: Unit) -> CorruptInput:
        return corrupt(f"{self.format} index tells another size than the data have", unit.start)
