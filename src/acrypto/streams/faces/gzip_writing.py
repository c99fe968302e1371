"""One gzip member that is written call by call: small ones on the caller's thread, large ones on all cores.

The first MiB is kept. If the member ends within it, it is compressed in one go. If more comes, the member is made of
parts, as `compress` makes them. If it is flushed before, what follows goes through a zlib stream, whose flushes cost
least; and when a MiB has come without a flush, parts again: a flush ends on a byte boundary, where parts may begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto import _core, zlib
from acrypto.model.errors import AcryptoError
from acrypto.streams import shared, steps
from acrypto.streams.gzip import format
from acrypto.streams.gzip.compress import BLOCK
from acrypto.streams.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto._core import Buffer, Deflater

_BEST, _FASTEST = 9, 1
_UNKNOWN_SYSTEM = 255


def header(level: int, mtime: int, name: bytes = b"") -> bytes:
    """The header that the standard library gives a member."""
    strength = {_BEST: 2, _FASTEST: 4}.get(level, 0)
    fixed = format.MAGIC + bytes([8, 8 if name else 0]) + (mtime & 0xFFFFFFFF).to_bytes(4, "little")
    return fixed + bytes([strength, _UNKNOWN_SYSTEM]) + (name + b"\0" if name else b"")


class Member:
    """A member on its way. One thread at a time.

    Args:
        write: takes the compressed bytes.
        level: 0 to 9; -1 for 6.
        name: for the header; empty for none.
        mtime: for the header.

    Attributes:
        size: bytes taken.

    Raises:
        ValueError: no such level.
    """

    def __init__(self, write: Callable[[bytes], object], level: int, name: bytes, mtime: int) -> None:
        if not -1 <= level <= _BEST:
            raise ValueError("Invalid initialization option")
        self._write = write
        self._level = level
        self._name = name
        self._mtime = mtime
        self.size = 0
        self._waiting = bytearray()  # not compressed yet
        self._checksum = 0
        self._stream: Deflater | None = None
        self._streamed = 0  # bytes since the last flush
        self._parts: _Parts | None = None

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Takes more of the contents; the memory is the caller's again."""
        self.size += len(data)
        if self._stream is not None:
            self._to_stream(self._stream, data)
        elif isinstance(data, bytes) and not self._waiting and len(data) >= BLOCK:
            self._to_parts(memoryview(data))
        else:
            self._waiting += data
            if len(self._waiting) >= BLOCK:
                full, self._waiting = self._waiting, bytearray()
                _core.count_copy("python", len(full))
                self._to_parts(memoryview(full))

    def flush(self, mode: int) -> None:
        """Writes all that was taken, so that a reader of the bytes written so far gets it."""
        if self._parts is not None:
            if self._waiting:
                self._parts.push(memoryview(bytes(self._waiting)))
                self._waiting.clear()
            self._parts.drain()
            return
        if self._stream is None:
            self._write(header(self._level, self._mtime, self._name))
            self._stream = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._to_stream(self._stream, self._waiting)
            self._waiting = bytearray()
        self._streamed = 0
        self._write(self._stream.flush(mode))

    def finish(self) -> None:
        """Ends the member."""
        if self._parts is not None:
            self.flush(zlib.Z_SYNC_FLUSH)
            self._write(format.FINAL + format.trailer(self._parts.checksum, self.size))
        elif self._stream is not None:
            self._write(self._stream.flush() + format.trailer(self._checksum, self.size))
        else:
            contents, self._waiting = self._waiting, bytearray()
            body = zlib.compress(contents, self._level, -zlib.MAX_WBITS)
            trailer = format.trailer(zlib.crc32(contents), self.size)
            self._write(header(self._level, self._mtime, self._name) + body + trailer)

    def cancel(self) -> None:
        """Withdraws what is in flight; the member stays incomplete."""
        if self._parts is not None:
            self._parts.cancel()

    def _to_stream(self, stream: Deflater, data: bytes | bytearray | memoryview) -> None:
        self._checksum = zlib.crc32(data, self._checksum)
        if made := stream.compress(data):
            self._write(made)
        self._streamed += len(data)
        if self._streamed >= BLOCK:
            self._write(stream.flush(zlib.Z_SYNC_FLUSH))
            self._stream = None
            self._parts = _Parts(self._write, self._level, self._checksum)

    def _to_parts(self, data: memoryview) -> None:
        """Takes at least a block, in memory that nobody writes to any more; what is left over waits."""
        if self._parts is None:
            level = None if self._level < 0 else self._level
            self._write(format.header(block=BLOCK, level=level, name=self._name, mtime=self._mtime))
            self._parts = _Parts(self._write, self._level, 0)
        at = 0
        while len(data) - at >= BLOCK:
            self._parts.push(data[at : at + BLOCK])
            at += BLOCK
        self._waiting += data[at:]


class _Parts:
    """Parts in flight, written in order."""

    def __init__(self, write: Callable[[bytes], object], level: int, checksum: int) -> None:
        layer = shared.shared_layer()
        most = steps.in_flight(layer)
        self._write = write
        self._level = level
        self._transform = steps.part(layer, level=None if level < 0 else level)
        self._window: Window[Buffer, memoryview] = Window(most, most * BLOCK)
        self.checksum = checksum

    def push(self, contents: memoryview) -> None:
        while self._window.is_ready or self._window.is_full:
            self._settle()
        try:
            operation = self._transform.compress(contents)
        except AcryptoError:
            self.drain()
            self._give(self._alone(contents), zlib.crc32(contents), len(contents))
        else:
            self._window.push(operation, contents, len(contents))

    def drain(self) -> None:
        while len(self._window):
            self._settle()

    def cancel(self) -> None:
        self._window.cancel()

    def _settle(self) -> None:
        operation, contents = self._window.pop()
        try:
            part: Buffer | bytes = operation.wait()
        except AcryptoError:
            part = self._alone(contents)
        completion = operation.completion
        checksum = completion.checksum if completion is not None else None
        self._give(part, zlib.crc32(contents) if checksum is None else checksum, len(contents))

    def _alone(self, contents: memoryview) -> bytes:
        """A part made here: the process ends, or no engine is left, but the file shall be whole all the same."""
        stream = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return stream.compress(contents) + stream.flush(zlib.Z_FULL_FLUSH)

    def _give(self, part: Buffer | bytes, checksum: int, length: int) -> None:
        self.checksum = zlib.crc32_combine(self.checksum, checksum, length)
        _core.count_copy("python", len(part))
        self._write(b"".join((format.prelude(len(part)), part)))
