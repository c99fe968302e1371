"""The index of a BGZF file: from its `.gzi`, or by going from block to block as far as it is needed."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from acrypto.model.errors import CorruptInput
from acrypto.streams import steps
from acrypto.streams.bgzf import format
from acrypto.streams.sequential import corrupt
from acrypto.streams.units import LIKED, Index

if TYPE_CHECKING:
    from acrypto._core import Transform
    from acrypto.layer.layer import Layer
    from acrypto.streams.place import Place

#: The most bytes of a `.gzi` that are read; it tells of 4 TiB.
MOST_GZI = 1 << 30


class BgzfIndex(Index):
    """Units are runs of blocks.

    Args:
        place: the file.
        gzi: what its `.gzi` holds. What that leaves out is found in the file.

    Raises:
        CorruptInput: the `.gzi` is damaged or tells of blocks that cannot be.
    """

    format = "bgzf"

    def __init__(self, place: Place, gzi: bytes | None = None) -> None:
        super().__init__(place)
        self._at = 0
        self._last: int | None = None
        if gzi is not None:
            self._take(*format.parse_index(gzi))

    def _take(self, starts: array[int], offsets: array[int]) -> None:
        first = 0
        for at in range(1, len(starts)):
            start, size = starts[first], offsets[at] - offsets[first]
            if size >= LIKED or starts[at] - start >= LIKED or at == len(starts) - 1:
                self.add(start, starts[at] - start, size)
                first = at
        self._at = starts[-1]

    def extend(self) -> bool:
        """Adds a run of blocks."""
        length = size = 0
        for block, content in format.blocks(self.place.read, self._at):
            length += block
            size += content
            self._last = content
            if size >= LIKED or length >= LIKED:
                break
        if length:
            self.add(self._at, length, size)
            self._at += length
            return True
        if self._at < self.place.size:
            raise corrupt("no bgzf block", self._at)
        if self._last != 0:
            raise corrupt("truncated bgzf data", self._at)
        return False

    def transform(self, layer: Layer) -> Transform:
        """Inflates runs of blocks."""
        return steps.blocks(layer)


def gzi(place: Place) -> bytes:
    """The `.gzi` of a BGZF file, as `bgzip --index` makes it.

    Raises:
        CorruptInput: the file does not consist of whole blocks.
        OSError: reading failed.
    """
    starts, offsets, last = array("Q", [0]), array("Q", [0]), None
    for length, size in format.blocks(place.read, 0):
        starts.append(starts[-1] + length)
        offsets.append(offsets[-1] + size)
        last = size
    end = starts[-1]
    if end != place.size or last != 0:
        raise corrupt("truncated bgzf data" if end == place.size else "no bgzf block", end)
    # bgzip leaves out the empty block at the end, and so whatever is behind it.
    return format.index_to_bytes(starts[:-2], offsets[:-2])


def gzi_beside(path: str) -> bytes | None:
    """What the `.gzi` beside a file holds; None if there is none that can be read and no newer file."""
    import os

    try:
        beside = path + ".gzi"
        if os.stat(beside).st_mtime_ns < os.stat(path).st_mtime_ns or os.stat(beside).st_size > MOST_GZI:
            return None
        with open(beside, "rb") as file:
            found = file.read()
        format.parse_index(found)
    except (OSError, CorruptInput):
        return None
    return found
