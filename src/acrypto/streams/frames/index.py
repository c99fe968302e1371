"""The index of a zstd or lz4 file: from its seek table, or by going through its frames."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from acrypto.streams.frames import format as frame_format
from acrypto.streams.frames import seekable_format
from acrypto.streams.frames.decompress import FORMATS, HEADER, OVERHEAD
from acrypto.streams.sequential import corrupt
from acrypto.streams.units import LIKED, MOST_CONTENT, Index, NotIndexed

if TYPE_CHECKING:
    from acrypto._core import Buffer, Operation, Transform
    from acrypto.layer.layer import Layer
    from acrypto.streams.frames.seekable_format import Table
    from acrypto.streams.place import Place
    from acrypto.streams.units import Unit

#: Longer entries of a table that have no content make it odd, and the file is gone through instead.
MOST_EMPTY = 64 << 10
#: Most frames of a file that is gone through.
MOST_FRAMES = seekable_format.MOST_FRAMES


class FramesIndex(Index):
    """Units are frames, or runs of small ones.

    A seek table is used if it tells of the whole file. It may lie about what lies in the frames: their contents must
    have the sizes that it tells, and the checksums where it has them. Entries without content are decoded with their
    neighbours, so that none can hide a frame.

    Args:
        place: the file.
        format: `zstd` or `lz4`.

    Raises:
        NotIndexed: some frame does not tell its size, or is very large, or is none.
    """

    def __init__(self, place: Place, format: str) -> None:
        super().__init__(place)
        self.format = format
        #: Of each unit, the first of its frames; and of the frames, lengths and checksums.
        self._firsts = array("L", [0])
        self._frame_lens = array("Q")
        self._checksums: array[int] | None = None
        table = self._table() if format == "zstd" else None
        if table is None or not self._take(table):
            self._walk()
        self._whole = True

    def _table(self) -> Table | None:
        read, size = self.place.read, self.place.size
        footer = read(size - seekable_format.FOOTER_LEN, seekable_format.FOOTER_LEN) if size > HEADER else b""
        length = seekable_format.table_len(footer)
        if length is None or length > size:
            return None
        table = seekable_format.parse(read(size - length, length))
        return table if table is not None and sum(table.lengths) == size - length else None

    def _take(self, table: Table) -> bool:
        """Takes the units from a table; False if it is too odd to be used."""
        if not any(table.sizes):
            return False
        if any(not size and length > MOST_EMPTY for length, size in zip(table.lengths, table.sizes, strict=True)):
            return False
        behind = len(table.sizes)
        while not table.sizes[behind - 1]:
            behind -= 1
        start = 0
        run = _Run(0)
        for at, (length, size) in enumerate(zip(table.lengths, table.sizes, strict=True)):
            if run.is_full(size) and at < behind:
                self._add(run, at)
                run = _Run(start)
            run.add(length, size)
            self._frame_lens.append(length)
            start += length
        self._add(run, len(table.sizes))
        self._checksums = table.checksums
        return True

    def _add(self, run: _Run, behind: int) -> None:
        self.add(run.start, run.length, run.size)
        self._firsts.append(behind)

    def _walk(self) -> None:
        walk, place = FORMATS[self.format], self.place
        at = 0
        run = _Run(0)
        while at < place.size:
            start, head = at, place.read(at, HEADER)
            skippable = frame_format.is_skippable(head)
            size = walk.content_size(head)
            if size is None or size > MOST_CONTENT:
                raise NotIndexed(f"{self.format} data with a frame that is large or does not tell its size")
            most = place.size if skippable else size + size // 8 + OVERHEAD
            length = walk.frame_len(lambda offset, nbytes, at=start: place.read(at + offset, nbytes), most)  # type: ignore[misc]
            if length is None or at + length > place.size:
                raise NotIndexed(f"{self.format} data with a frame that is damaged or cut off")
            if len(self._frame_lens) >= MOST_FRAMES:
                raise NotIndexed(f"{self.format} data in more than {MOST_FRAMES} frames")
            if run.length and (skippable or run.is_full(size)):
                self._add(run, len(self._frame_lens))
                run = _Run(at)
            at += length
            if skippable:
                run = _Run(at)
                continue
            run.add(length, size)
            self._frame_lens.append(length)
        if run.length:
            self._add(run, len(self._frame_lens))
        if not self._starts and not place.size:
            raise NotIndexed("no data")

    def transform(self, layer: Layer) -> Transform:
        """Decompresses runs of frames."""
        return layer.transform(self.format)

    def decode(self, layer: Layer, number: int, unit: Unit, source: bytes) -> Operation[Buffer]:
        """Starts to decompress a run of frames."""
        if self._checksums is None:
            return super().decode(layer, number, unit, source)
        view, parts, at = memoryview(source), [], 0
        for frame in range(self._firsts[number], self._firsts[number + 1]):
            length = self._frame_lens[frame]
            parts += self._with_checksum(view[at : at + length], self._checksums[frame], unit.start + at)
            at += length
        return self._transform_of(layer).decompress(parts, max_output=unit.size)

    def _with_checksum(self, frame: memoryview, checksum: int, start: int) -> list[memoryview]:
        """The frame with its content's checksum, as the table tells it, behind it; so the decoder checks it.

        The table has the low half of the XXH64, and so has a frame that has any (RFC 8878 3.1.1).
        """
        if len(frame) < HEADER // 2 or frame[:4] != frame_format.ZSTD_MAGIC:
            return [frame]
        if frame[4] & 4:
            if frame_format.zstd_checksum(frame) != checksum:
                raise corrupt("zstd seek table tells another checksum than the frame has", start)
            return [frame]
        head = frame_format.ZSTD_MAGIC + bytes([frame[4] | 4])
        return [memoryview(head), frame[5:], memoryview(checksum.to_bytes(4, "little"))]


class _Run:
    """Frames that make a unit."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.length = 0
        self.size = 0

    def add(self, length: int, size: int) -> None:
        self.length += length
        self.size += size

    def is_full(self, more: int) -> bool:
        """Whether a frame of that much content belongs to the next unit."""
        return bool(self.size) and (self.size + more > LIKED or self.length > LIKED)
