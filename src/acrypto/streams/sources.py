"""Where the bytes of a pipeline come from: a path, a descriptor, a file, an iterator, memory.

Files that have a descriptor are read ahead by the core, in whole pages at page-aligned offsets into pooled memory;
whatever else there is gives its pieces on the thread that drives the pipeline.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import UsageError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Any, Protocol, TypeAlias

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer
    from acrypto.streams.stage import Piece

    class Readable(Protocol):
        """A file as `open(..., "rb", buffering=0)` gives it, or anything with its `readinto`."""

        def readinto(self, buffer: memoryview, /) -> int | None:
            """Reads some bytes; 0 at the end."""

    class Reading(Protocol):
        """Anything with a `read` that gives some bytes, and none at the end. It may be a coroutine."""

        def read(self, size: int, /) -> BytesLike | Awaitable[BytesLike] | None:
            """Reads at most that many bytes."""

    #: What a pipeline reads from.
    Origin: TypeAlias = (
        str | os.PathLike[str] | int | BytesLike | Readable | Reading | Iterable[BytesLike] | AsyncIterable[BytesLike]
    )


class Settings:
    """How a source is read and a sink is written.

    Args:
        piece: bytes of a piece: a multiple of a page.
        ahead: pieces read ahead.
        behind: bytes accepted by a sink and not written yet.
        direct: past the page cache, where the file system allows it.
        via: "uring" or "threads" for files; "auto" takes io_uring where the kernel has it.
    """

    def __init__(self, piece: int, ahead: int, behind: int, direct: bool, via: str) -> None:
        self.piece = piece
        self.ahead = ahead
        self.behind = behind
        self.direct = direct
        self.via = via


class Source:
    """What all sources have. One thread asks for pieces; any may cancel.

    Attributes:
        total: bytes to come, if known.
        name: for errors, if there is one.
    """

    total: int | None = None
    name: str | None = None

    def pieces(self) -> Iterator[Piece]:
        """The data."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ends a read that waits, if that is possible."""

    def close(self) -> None:
        """Lets go of what was opened here."""


class FileSource(Source):
    """A file with a descriptor, read ahead by the core from where it stands.

    Args:
        layer: whose pool lends the memory.
        descriptor: of the file.
        how: sizes and ways.
        name: for errors.
        owned: whether it is closed at the end.
        left_at: told at the end how many bytes were consumed.
    """

    def __init__(
        self,
        layer: Layer,
        descriptor: int,
        how: Settings,
        *,
        name: str | None = None,
        owned: bool = False,
        offset: int | None = None,
        left_at: Callable[[int], object] | None = None,
    ) -> None:
        self.name = name
        self._descriptor = descriptor
        self._owned = owned
        self._left_at = left_at
        try:
            state = os.fstat(descriptor)
            if stat.S_ISDIR(state.st_mode):
                raise IsADirectoryError(21, os.strerror(21), name)
            if stat.S_ISREG(state.st_mode):
                start = os.lseek(descriptor, 0, os.SEEK_CUR) if offset is None else offset
                self.total = max(0, state.st_size - start)
            self._reader = _core.Reader(
                layer._native,
                descriptor,
                piece=how.piece,
                ahead=how.ahead,
                offset=offset,
                direct=how.direct,
                via=how.via,
            )
        except BaseException:
            if owned:
                os.close(descriptor)
            raise

    def pieces(self) -> Iterator[Piece]:
        """The data from where the file stands."""
        reader = self._reader
        while True:
            try:
                piece = reader.next()
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.name) from None
            if piece is None:
                return
            yield piece

    def cancel(self) -> None:
        """Ends a read that waits."""
        self._reader.cancel()

    def close(self) -> None:
        """Waits until the kernel has let go of all memory."""
        self._reader.close()
        if self._left_at is not None:
            self._left_at(self._reader.position)
        if self._owned:
            os.close(self._descriptor)


class MemorySource(Source):
    """Bytes that are there already, cut without a copy."""

    def __init__(self, data: BytesLike, piece: int) -> None:
        self._view = memoryview(data).cast("B")
        self._piece = piece
        self.total = len(self._view)

    def pieces(self) -> Iterator[Piece]:
        """The data."""
        for at in range(0, len(self._view), self._piece):
            yield self._view[at : at + self._piece]


class ReadSource(Source):
    """An object with `readinto` or `read`, asked on the driving thread."""

    def __init__(self, layer: Layer, file: Any, how: Settings, loop: AbstractEventLoop | None) -> None:
        self._layer = layer
        self._file = file
        self._piece = how.piece
        self._calls = _Calls(loop)
        name = getattr(file, "name", None)
        self.name = name if isinstance(name, str) else None

    def pieces(self) -> Iterator[Piece]:
        """The data, in whole pieces until they end."""
        if hasattr(self._file, "readinto"):
            yield from self._read_into_ours()
            return
        while data := self._there(self._calls.outcome(self._file.read(self._piece))):
            view = memoryview(data).cast("B")
            _core.count_copy("python", len(view))
            yield view

    def _there(self, given: Any) -> Any:
        """What a read gave, which is not the end if it is nothing at the moment."""
        if given is None:
            raise BlockingIOError(errno.EAGAIN, "has no data yet; a source that waits for them is wanted", self.name)
        return given

    def _read_into_ours(self) -> Iterator[Piece]:
        while True:
            space = memoryview(_core.Space(self._layer._native, self._piece))
            filled = 0
            while filled < len(space):
                count = self._there(self._calls.outcome(self._file.readinto(space[filled:])))
                if not count:
                    break
                filled += count
            _core.count_copy("python", filled)
            if filled:
                yield space[:filled].toreadonly()
            if filled < len(space):
                return

    def cancel(self) -> None:
        """Ends a read that is a coroutine; another one ends when it does."""
        self._calls.cancel()


class IteratorSource(Source):
    """What a plain or an asynchronous iterator gives."""

    def __init__(self, items: Any, loop: AbstractEventLoop | None) -> None:
        self._items = items
        self._calls = _Calls(loop)

    def pieces(self) -> Iterator[Piece]:
        """The items, as they come."""
        if not hasattr(self._items, "__anext__"):
            for item in self._items:
                yield memoryview(item).cast("B")
            return
        while True:
            try:
                item = self._calls.outcome(_next_of(self._items))
            except StopAsyncIteration:
                return
            yield memoryview(item).cast("B")

    def cancel(self) -> None:
        """Ends the wait for an asynchronous item."""
        self._calls.cancel()


async def _next_of(items: AsyncIterator[Any]) -> Any:
    return await items.__anext__()


class _Calls:
    """Runs coroutines in the loop whose pipeline it is, one at a time, from the driving thread."""

    def __init__(self, loop: AbstractEventLoop | None) -> None:
        self._loop = loop
        self._future: Future[Any] | None = None
        self._cancelled = False

    def outcome(self, made: Any) -> Any:
        """What a call gave, or what its coroutine gives."""
        import inspect

        if not inspect.isawaitable(made):
            return made
        if self._loop is None:
            if inspect.iscoroutine(made):
                made.close()
            raise UsageError("an asynchronous source or sink needs a pipeline that is run in an event loop")
        import asyncio

        async def awaited() -> Any:
            return await made

        self._future = asyncio.run_coroutine_threadsafe(awaited(), self._loop)
        if self._cancelled:
            self._future.cancel()
        return self._future.result()

    def cancel(self) -> None:
        self._cancelled = True
        if self._future is not None:
            self._future.cancel()


def source(layer: Layer, origin: Origin, how: Settings, loop: AbstractEventLoop | None = None) -> Source:
    """Opens what a pipeline reads from.

    Args:
        layer: whose pool lends the memory.
        origin: a path, a descriptor, a file, an iterator of bytes (asynchronous or not), or bytes.
        how: sizes and ways.
        loop: where coroutines run.

    Raises:
        UsageError: it is nothing to read from.
        OSError: the file cannot be opened.
    """
    if isinstance(origin, (str, os.PathLike)):
        path = os.fspath(origin)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return FileSource(layer, descriptor, how, name=path, owned=True)
    if isinstance(origin, int):
        return FileSource(layer, origin, how)
    if isinstance(origin, io.FileIO):
        return FileSource(layer, origin.fileno(), how, name=_name(origin))
    if isinstance(origin, io.BufferedReader) and isinstance(origin.raw, io.FileIO) and origin.seekable():
        # Its buffer is passed by; afterwards it stands where the reading ended.
        start, file = origin.tell(), origin
        return FileSource(
            layer,
            origin.fileno(),
            how,
            name=_name(origin),
            offset=start,
            left_at=lambda count: file.seek(start + count),
        )
    if hasattr(origin, "readinto") or hasattr(origin, "read"):
        return ReadSource(layer, origin, how, loop)
    try:
        return MemorySource(origin, how.piece)  # type: ignore[arg-type]
    except TypeError:
        pass
    if hasattr(origin, "__aiter__"):
        return IteratorSource(origin.__aiter__(), loop)
    if hasattr(origin, "__iter__"):
        return IteratorSource(iter(origin), loop)  # type: ignore[arg-type]
    raise UsageError(
        f"source is of type {type(origin).__name__}; a path, descriptor, file, iterator or bytes is wanted"
    )


def _name(file: Any) -> str | None:
    name = getattr(file, "name", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else None
