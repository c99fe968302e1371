"""The index of gzip files as acrypto writes them: the parts of their members, found by the preludes before them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.streams import steps
from acrypto.streams.gzip import format
from acrypto.streams.sequential import corrupt
from acrypto.streams.units import MOST_UNITS, Index, NotIndexed

if TYPE_CHECKING:
    from acrypto._core import Buffer, Operation, Transform
    from acrypto.layer.layer import Layer
    from acrypto.streams.place import Place
    from acrypto.streams.units import Unit

#: Enough for any header that is ours.
HEADER = 8 << 10
#: Most members of a file.
MOST_MEMBERS = 1 << 20


class _Member:
    """What is known of a member's checksum: that of the whole, and those of the parts that were read."""

    def __init__(self, first: int, sizes: list[int], checksum: int, end: int) -> None:
        self.first = first
        self.sizes = sizes
        self.checksum = checksum
        self.end = end
        self.found: dict[int, int] = {}
        self.is_sound = True

    def took(self, part: int, checksum: int) -> None:
        """Notes the checksum of a part that was read. Once all were, they must have that of the whole."""
        if part in self.found:
            return
        self.found[part] = checksum
        if len(self.found) == len(self.sizes):
            self.is_sound = self._whole() == self.checksum

    def _whole(self) -> int:
        whole = 0
        for at, size in enumerate(self.sizes):
            whole = _core.zlib_crc32_combine(whole, self.found[at], size)
        return whole


class GzipIndex(Index):
    """Units are parts.

    A part has no checksum of its own; that of a member is checked when all its parts have been read.

    Args:
        place: the file.

    Raises:
        NotIndexed: some member did not come in parts.
        CorruptInput: what members tell of themselves does not fit together.
    """

    format = "gzip"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._members: list[_Member] = []
        at = 0
        while at < place.size or not at:
            if len(self._members) >= MOST_MEMBERS:
                raise NotIndexed(f"gzip data in more than {MOST_MEMBERS} members")
            at = self._walk(at)
        self._whole = True

    def _walk(self, at: int) -> int:
        """Adds the parts of the member there; gives where it ends."""
        place = self.place
        hint = format.hinted(memoryview(place.read(at, HEADER)))
        if hint is None:
            raise NotIndexed("gzip data that did not come in parts")
        header, block = hint
        at += header
        first, parts = len(self._starts), array("Q")  # where each begins
        longest = format.longest_part(block)
        while True:
            seam = place.read(at, format.PRELUDE_LEN)
            length = format.part_len(memoryview(seam))
            if length is None:
                break
            if length > longest:
                raise NotIndexed("gzip data with a part longer than it can sensibly be")
            if first + len(parts) >= MOST_UNITS:
                raise NotIndexed(f"gzip data in more than {MOST_UNITS} parts")
            parts.append(at)
            at += format.PRELUDE_LEN + length
        end = at + len(format.FINAL) + format.TRAILER_LEN
        if not seam.startswith(format.FINAL) or len(seam) < end - at:
            raise NotIndexed("gzip data with parts that do not end as such")
        checksum, total = format.parse_trailer(seam[len(format.FINAL) : end - at])
        last = (total - block * (len(parts) - 1)) & 0xFFFFFFFF if parts else total
        if last > block or (not parts and last):
            raise corrupt("wrong gzip length", end)
        sizes = [block] * (len(parts) - 1) + [last] if parts else []
        parts.append(at)
        for number, size in enumerate(sizes):
            self.add(parts[number], parts[number + 1] - parts[number], size)
        self._members.append(_Member(first, sizes, checksum, end))
        return end

    def transform(self, layer: Layer) -> Transform:
        """Inflates parts."""
        return steps.part(layer)

    def content(self, number: int, unit: Unit, operation: Operation[Buffer]) -> Buffer:
        """Waits for a part.

        Raises:
            CorruptInput: it is damaged, or its member is, all parts of which have been read.
        """
        found = super().content(number, unit, operation)
        completion = operation.completion
        checksum = completion.checksum if completion is not None else None
        if checksum is not None:
            member = self._members[self._member_of(number)]
            member.took(number - member.first, checksum)
            if not member.is_sound:
                raise corrupt("wrong gzip CRC-32", member.end)
        return found

    def _member_of(self, number: int) -> int:
        low, high = 0, len(self._members)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._members[middle].first <= number else (low, middle)
        return low
