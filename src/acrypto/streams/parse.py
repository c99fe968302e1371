"""Pieces as one run of bytes for those who parse: looked at, and taken without a copy."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from acrypto.streams.stage import Piece

#: Smaller copies are not counted: headers.
COUNTED = 4096


class Incoming:
    """What comes from upstream and was not consumed yet.

    Args:
        upstream: the pieces. None among them is refused: a parser cannot go on without what it asked for.

    Attributes:
        offset: of the first byte that was not consumed, from the start.
        ended: whether nothing more will come from upstream.
    """

    def __init__(self, upstream: Iterator[Piece | None]) -> None:
        self._upstream = upstream
        self._parts: deque[memoryview] = deque()
        self._have = 0
        self.offset = 0
        self.ended = False

    @property
    def have(self) -> int:
        """Bytes at hand."""
        return self._have

    def more(self) -> bool:
        """Gets another piece; False if there is none."""
        while not self.ended:
            try:
                piece = next(self._upstream)
            except StopIteration:
                self.ended = True
                break
            if piece is None:
                raise InternalError("a stage that parses was fed instead of run")
            if len(piece):
                self._parts.append(memoryview(piece))
                self._have += len(piece)
                return True
        return False

    def need(self, nbytes: int) -> bool:
        """Gets pieces until that many bytes are at hand; False if the data end before."""
        while self._have < nbytes:
            if not self.more():
                return False
        return True

    def peek(self, nbytes: int, at: int = 0) -> bytes:
        """A copy of the bytes from `at` on, fewer than `nbytes` only where the data end. For headers."""
        self.need(at + nbytes)
        found, left = [], nbytes
        for part in self._parts:
            if at < len(part):
                found.append(part[at : at + left])
                left -= len(found[-1])
                if not left:
                    break
            at = max(0, at - len(part))
        if nbytes - left >= COUNTED:
            _core.count_copy("python", nbytes - left)
        return b"".join(found)

    def take(self, nbytes: int) -> list[memoryview]:
        """Consumes bytes that are at hand, and gives them where they lie."""
        taken = []
        left = nbytes
        while left:
            part = self._parts.popleft()
            if len(part) > left:
                self._parts.appendleft(part[left:])
                part = part[:left]
            taken.append(part)
            left -= len(part)
        self._have -= nbytes
        self.offset += nbytes
        return taken

    def skip(self, nbytes: int) -> None:
        """Consumes bytes that are at hand."""
        self.take(nbytes)

    def take_piece(self) -> memoryview:
        """Consumes the first piece, as it lies; nothing if there is no more."""
        if not self._parts and not self.more():
            return memoryview(b"")
        part = self._parts.popleft()
        self._have -= len(part)
        self.offset += len(part)
        return part

    def put_back(self, parts: Sequence[memoryview]) -> None:
        """Puts what was taken back, in its order, before what is at hand."""
        nbytes = sum(map(len, parts))
        self._parts.extendleft(reversed(parts))
        self._have += nbytes
        self.offset -= nbytes
