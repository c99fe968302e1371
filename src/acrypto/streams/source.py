"""Where bytes come from: whole pieces out of a file or pipe, and a rolling view of them for parsers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from acrypto.streams.tally import Tally

    class Readable(Protocol):
        """What a source reads from: a raw file, as `open(..., "rb", buffering=0)` gives it."""

        def readinto(self, buffer: memoryview, /) -> int | None:
            """Reads some bytes; 0 at the end."""


class Source:
    """Reads pieces that are full unless the data end in them, however small the reads of a pipe are.

    Args:
        file: what to read from.
        tally: where the bytes are counted.
    """

    def __init__(self, file: Readable, tally: Tally) -> None:
        self._file = file
        self._tally = tally

    def fill(self, space: memoryview) -> int:
        """Fills `space`; gives the bytes written, fewer than its length only at the end of the data."""
        filled = 0
        while filled < len(space):
            count = self._file.readinto(space[filled:])
            if not count:
                break
            filled += count
        self._tally.took(filled)
        return filled


class Rolling:
    """The data from the first byte not consumed yet, as one view that grows on demand.

    Views that were taken stay valid, since growing moves to other memory; memory that is done with serves again.

    Args:
        source: what to read from.
        piece: bytes to grow by.
    """

    def __init__(self, source: Source, piece: int = 1 << 20) -> None:
        self.source = source
        self.offset = 0
        self.view = memoryview(b"")
        self.ended = False
        self._piece = piece
        self._taken: dict[int, int] = {}  # views that were taken, by the identity of their memory
        self._spare: list[bytearray] = []

    def more(self) -> bool:
        """Reads another piece; False if there is none."""
        if self.ended:
            return False
        old, kept = self.view, len(self.view)
        memory = self._memory(kept + self._piece)
        memory[:kept] = old
        count = self.source.fill(memory[kept : kept + self._piece])
        self.ended = count < self._piece
        self.view = memory[: kept + count].toreadonly()
        self._recycle(old)
        return count > 0

    def _memory(self, nbytes: int) -> memoryview:
        fitting = [spare for spare in self._spare if len(spare) >= nbytes]
        if not fitting:
            self._spare.clear()  # too small for what comes now
            return memoryview(bytearray(max(nbytes, 2 * self._piece)))
        self._spare.remove(fitting[0])
        return memoryview(fitting[0])

    def _recycle(self, view: memoryview) -> None:
        if isinstance(view.obj, bytearray) and view.obj is not self.view.obj and id(view.obj) not in self._taken:
            self._spare.append(view.obj)

    def need(self, nbytes: int) -> bool:
        """Reads until that many bytes are in view; False if the data end before."""
        while len(self.view) < nbytes:
            if not self.more():
                return False
        return True

    def skip(self, nbytes: int) -> None:
        """Consumes bytes that are in view."""
        self.view = self.view[nbytes:]
        self.offset += nbytes

    def take(self, nbytes: int) -> memoryview:
        """Consumes bytes that are in view and gives them, to be handed back with `done` or kept for good."""
        taken = self.view[:nbytes]
        self._taken[id(taken.obj)] = self._taken.get(id(taken.obj), 0) + 1
        self.skip(nbytes)
        return taken

    def done(self, taken: memoryview) -> None:
        """Ends the use of a view that was taken: nothing reads it any more."""
        memory = id(taken.obj)
        self._taken[memory] -= 1
        if not self._taken[memory]:
            del self._taken[memory]
            self._recycle(taken)

    def put_back(self, parts: list[memoryview]) -> None:
        """Puts parts, in their order, back before what is in view."""
        self.offset -= sum(map(len, parts))
        self.view = memoryview(b"".join([*parts, self.view]))
