"""gzip read on all cores where a member came in parts or BGZF blocks, in steps where it did not.

Preludes tell where parts end, and the parts are inflated at once. A part that inflates, without a final block, up to
its last bit is right whatever the header and the prelude said: inflating the stream from its start would pass exactly
there, with the same bytes. Whatever else happens (no prelude where one should be, a part that fails, is too large or
needs what came before it, data that end early), the rest of the member is inflated in steps, knowing the last 32 KiB of
output; so damage is found and told as in any other member.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import CorruptInput, LimitExceeded
from acrypto.streams import sequential, steps
from acrypto.streams.bgzf import format as bgzf
from acrypto.streams.bgzf.decompress import Runs
from acrypto.streams.gzip import format
from acrypto.streams.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Buffer, Operation
    from acrypto.streams.parse import Incoming
    from acrypto.streams.stage import Piece, Work

#: Deflate refers back at most this far.
HISTORY = 32 << 10
#: Enough for any header that is ours.
HEADER = 8 << 10


def decompress(work: Work, incoming: Incoming, *, bgzf_ends: bool = False) -> Iterator[Piece | None]:
    """The contents of every member; those that are BGZF blocks on all cores, too.

    Args:
        work: what runs.
        incoming: the data.
        bgzf_ends: whether BGZF blocks at the end must have an empty one as the last of them; without it a file was cut
            off, or came from another tool than those for BGZF.

    Zeros behind the last member are passed over, as all gzip tools do: tapes and block devices pad with them.

    Raises:
        CorruptInput: with its offset in the whole of the data.
    """
    first, runs = True, None
    while incoming.need(1) or first:
        start = incoming.offset
        head = incoming.peek(HEADER)
        hint, runs = format.hinted(memoryview(head)), None
        plain = format.header_len(memoryview(head)) if hint is None else None
        if hint is not None:
            length, block = hint
            incoming.skip(length)
            yield from _Member(work, incoming, block).read()
        elif plain is not None and not format.is_bgzf(memoryview(head)):
            incoming.skip(plain)
            yield from _Member(work, incoming, None).read()
        elif bgzf.block_len(head) is not None and (found := Runs(work, incoming)).begins():
            runs = found
            yield from runs.read()
        elif not first and not format.MAGIC.startswith(head[:2]):
            _skip_padding(incoming, start)
        else:
            # Damaged, or with a header that is out of the ordinary: the library tells what is wrong, and where.
            yield from sequential.decompress(work, steps.decompressor(work.layer, "gzip"), incoming)
        first = False
    if bgzf_ends and runs is not None and runs.last:
        raise sequential.corrupt("truncated bgzf data", incoming.offset)


def _skip_padding(incoming: Incoming, start: int) -> None:
    while len(piece := incoming.take_piece()):
        if bytes(piece).count(0) < len(piece):
            raise sequential.corrupt("trailing garbage", start)


class _Unsliceable(Exception):
    """The member must be read in steps from here on."""


class _Member:
    """One member behind its header; with the size of a block if it says that it came in parts."""

    def __init__(self, work: Work, incoming: Incoming, block: int | None) -> None:
        self._work = work
        self._incoming = incoming
        self._block = block or 0
        self._longest = format.longest_part(self._block)
        self._part = steps.part(work.layer) if block is not None else None
        self._window: Window[Buffer, list[memoryview]] = Window(work.in_flight, work.most_bytes)
        self._checksum = self._size = 0
        self._recent: deque[Buffer] = deque()  # of output, at least HISTORY bytes if there were so many
        self._recent_len = 0
        self._was_short = False

    def read(self) -> Iterator[Piece]:
        try:
            if self._part is None:
                raise _Unsliceable
            yield from self._read_in_parts(self._part)
        except _Unsliceable:
            yield from self._read_in_steps()
        finally:
            self._window.cancel()
        self._read_trailer()

    # ---- In parts

    def _read_in_parts(self, transform: _core.Transform) -> Iterator[Piece]:
        while True:
            while not self._window.is_full and (piece := self._cut()) is not None:
                self._window.push(self._submitted(transform, piece), piece, self._block)
            if not len(self._window):
                break
            yield self._settle()
        incoming, final = self._incoming, format.FINAL
        if incoming.peek(len(final)) != final:
            raise _Unsliceable
        incoming.skip(len(final))

    def _submitted(self, transform: _core.Transform, piece: list[memoryview]) -> Operation[Buffer]:
        return transform.decompress(piece, max_output=self._block, mode=self._work.mode)

    def _cut(self) -> list[memoryview] | None:
        """The next part; None where there is none."""
        incoming = self._incoming
        if self._was_short:
            return None  # only the last one is: many little ones would cost more each than they hold
        length = format.part_len(memoryview(incoming.peek(format.PRELUDE_LEN)))
        if length is None or length > self._longest or not incoming.need(format.PRELUDE_LEN + length):
            return None
        return incoming.take(format.PRELUDE_LEN + length)

    def _settle(self) -> Buffer:
        """What the oldest part gave."""
        operation, piece = self._window.pop()
        try:
            part = operation.wait()
        except (CorruptInput, LimitExceeded):
            self._incoming.put_back([*piece, *(segment for later in self._window.cancel() for segment in later)])
            raise _Unsliceable from None
        self._was_short = len(part) < self._block
        self._work.tally.ran(operation)
        completion = operation.completion
        checksum = completion.checksum if completion is not None else None
        self._took(part, _crc32(part) if checksum is None else checksum)
        return part

    # ---- In steps

    def _read_in_steps(self) -> Iterator[Piece]:
        history = b"".join(memoryview(part)[-HISTORY:] for part in self._recent)[-HISTORY:]
        decoder = steps.decompressor(self._work.layer, "deflate", history)
        # Its checksum is made here, while the next step runs on a worker.
        for part in sequential.decompress(self._work, decoder, self._incoming):
            self._took(part, _crc32(part))
            yield part

    # ---- Both

    def _took(self, part: Buffer, checksum: int) -> None:
        self._checksum = _core.zlib_crc32_combine(self._checksum, checksum, len(part))
        self._size += len(part)
        self._recent.append(part)
        self._recent_len += len(part)
        while self._recent_len - len(self._recent[0]) >= HISTORY:
            self._recent_len -= len(self._recent.popleft())

    def _read_trailer(self) -> None:
        incoming = self._incoming
        trailer = incoming.peek(format.TRAILER_LEN)
        incoming.skip(len(trailer))
        if len(trailer) < format.TRAILER_LEN:
            raise sequential.corrupt("truncated gzip data", incoming.offset)
        right = format.trailer(self._checksum, self._size)
        if trailer != right:
            what = "wrong gzip CRC-32" if trailer[:4] != right[:4] else "wrong gzip length"
            raise sequential.corrupt(what, incoming.offset)


def _crc32(part: Buffer) -> int:
    return int.from_bytes(_core.crc32(part), "big")
