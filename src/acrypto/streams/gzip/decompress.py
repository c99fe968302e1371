"""gzip read on all cores where a member came in parts, in steps where it did not.

Preludes tell where parts end, and the parts are inflated at once. A part that inflates, without a final block, up to
its last bit is right whatever the header and the prelude said: inflating the stream from its start would pass exactly
there, with the same bytes. Whatever else happens (no prelude where one should be, a part that fails, is too large or
needs what came before it, data that end early), the rest of the member is inflated in steps, knowing the last 32 KiB of
output; so damage is found and told as in any other member.
"""

from __future__ import annotations

from collections import deque

from acrypto import _core
from acrypto.model.errors import CorruptInput, LimitExceeded
from acrypto.streams import sequential, steps
from acrypto.streams.gzip import crc, format
from acrypto.streams.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Buffer
    from acrypto.layer.layer import Layer
    from acrypto.streams.sink import Sink
    from acrypto.streams.source import Rolling
    from acrypto.streams.tally import Tally

#: Deflate refers back at most this far.
HISTORY = 32 << 10
#: Enough for any header that is ours.
HEADER = 8 << 10


def decompress(layer: Layer, data: Rolling, sink: Sink, tally: Tally) -> None:
    """Decompresses every member.

    Raises:
        CorruptInput: with its offset in the whole of the data.
        LimitExceeded: the sink would take no more.
    """
    first = True
    while data.need(1) or first:
        data.need(HEADER)
        hint = format.hinted(data.view)
        if hint is not None:
            length, block = hint
            data.skip(length)
            _Member(layer, data, sink, tally, block).read()
        elif not first and not format.MAGIC.startswith(bytes(data.view[:2])):
            raise sequential.corrupt("trailing garbage", data.offset)
        else:
            sequential.decompress(steps.decompressor(layer, "gzip"), data, sink.write, tally)
        first = False


class _Unsliceable(Exception):
    """The member must be read in steps from here on."""


class _Member:
    """One member that says it came in parts."""

    def __init__(self, layer: Layer, data: Rolling, sink: Sink, tally: Tally, block: int) -> None:
        self._layer = layer
        self._data = data
        self._sink = sink
        self._tally = tally
        self._block = block
        self._longest = format.longest_part(block)
        self._part = steps.part(layer)
        most = steps.in_flight(layer)
        self._window: Window[Buffer, memoryview] = Window(most, most * block)
        self._checksum = self._size = 0
        self._recent: deque[Buffer] = deque()  # of output, at least HISTORY bytes if there were so many
        self._recent_len = 0
        self._was_short = False

    def read(self) -> None:
        try:
            self._read_in_parts()
        except _Unsliceable:
            self._read_in_steps()
        finally:
            self._window.cancel()
        self._read_trailer()

    # ---- In parts

    def _read_in_parts(self) -> None:
        while True:
            while not self._window.is_full and (piece := self._cut()) is not None:
                self._window.push(self._part.decompress(piece, max_output=self._block), piece, self._block)
            if not len(self._window):
                break
            self._settle()
        data, final = self._data, format.FINAL
        if not data.need(len(final)) or data.view[: len(final)] != final:
            raise _Unsliceable
        data.skip(len(final))

    def _cut(self) -> memoryview | None:
        """The next part; None where there is none."""
        data = self._data
        if self._was_short:
            return None  # only the last one is: many little ones would cost more each than they hold
        data.need(format.PRELUDE_LEN)
        length = format.part_len(data.view)
        if length is None or length > self._longest or not data.need(format.PRELUDE_LEN + length):
            return None
        return data.take(format.PRELUDE_LEN + length)

    def _settle(self) -> None:
        """Writes what the oldest part gave."""
        operation, piece = self._window.pop()
        try:
            part = operation.wait()
        except (CorruptInput, LimitExceeded):
            self._data.put_back([piece, *self._window.cancel()])
            raise _Unsliceable from None
        self._data.done(piece)
        self._was_short = len(part) < self._block
        self._tally.ran(operation)
        completion = operation.completion
        checksum = completion.checksum if completion is not None else None
        self._give(part, _crc32(part) if checksum is None else checksum)

    # ---- In steps

    def _read_in_steps(self) -> None:
        history = b"".join(self._recent)[-HISTORY:]
        decoder = steps.decompressor(self._layer, "deflate", history)
        sequential.decompress(decoder, self._data, lambda part: self._give(part, _crc32(part)), self._tally)

    # ---- Both

    def _give(self, part: Buffer, checksum: int) -> None:
        self._sink.write(part)
        self._checksum = crc.combine(self._checksum, checksum, len(part))
        self._size += len(part)
        self._recent.append(part)
        self._recent_len += len(part)
        while self._recent_len - len(self._recent[0]) >= HISTORY:
            self._recent_len -= len(self._recent.popleft())

    def _read_trailer(self) -> None:
        data = self._data
        whole = data.need(format.TRAILER_LEN)
        trailer = data.view[: format.TRAILER_LEN]
        data.skip(len(trailer))
        if not whole:
            raise sequential.corrupt("truncated gzip data", data.offset)
        right = format.trailer(self._checksum, self._size)
        if trailer != right:
            what = "wrong gzip CRC-32" if trailer[:4] != right[:4] else "wrong gzip length"
            raise sequential.corrupt(what, data.offset)


def _crc32(part: Buffer) -> int:
    return int.from_bytes(_core.crc32(part), "big")
