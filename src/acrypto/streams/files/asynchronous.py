"""`aopen_file`: compressed and encrypted files for asyncio.

What is buffered is given, and what fits a buffer is taken, without leaving the event loop; the rest is done by a file
object of `open_file` on one thread of the file's own, while the layer's workers decode ahead. A call that is cancelled
leaves its work to be finished there, and the bytes to the next one: nothing is lost, and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from acrypto import _core
from acrypto.model.errors import UsageError
from acrypto.streams.files.open import open_file
from acrypto.streams.files.reader import FileReader
from acrypto.streams.files.writer import FileWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer as BytesLike

    from acrypto.streams.files.open import Openable

T = TypeVar("T")

#: Bytes that are read at a time, and taken before they are written.
CHUNK = 256 << 10


class AsyncFile:
    """A compressed or encrypted file for one event loop. Calls of several tasks are done one after the other."""

    def __init__(self, file: FileReader | FileWriter, pool: ThreadPoolExecutor) -> None:
        self._file = file
        self._pool = pool
        self._lock = asyncio.Lock()
        self._running: asyncio.Future[Any] | None = None
        self._ending: asyncio.Future[Any] | None = None
        self._closed = False

    @property
    def name(self) -> Any:
        """As of the file object."""
        return self._file.raw.name if isinstance(self._file, FileReader) else self._file.name

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def _check(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on closed file")

    async def _done(self, work: Callable[[], T]) -> T:
        """Runs work on the file's thread, behind what a cancelled call left there."""
        await self._settled()
        loop = asyncio.get_running_loop()
        future = self._running = loop.run_in_executor(self._pool, work)
        return await asyncio.shield(future)

    async def _settled(self) -> None:
        """Waits for what a cancelled call left; its errors were that call's."""
        running = self._running
        if running is not None:
            if not running.done():
                await asyncio.wait([running])
            if not running.cancelled():
                running.exception()
            self._running = None

    async def close(self) -> None:
        """Closes it; a file that is written gets its name.

        Raises:
            OSError: writing failed; the file is lost.
            AcryptoError: a stage failed; likewise.
        """
        await self._end(self._file.close)

    async def _end(self, work: Callable[[], None]) -> None:
        """Closes it in its own way; once closed, only waits for the end that a cancelled call began."""
        async with self._lock:
            if not self._closed:
                self._closed = True
                # Given to the thread at once, behind what a cancelled call left there: it happens, cancelled or not.
                self._ending = asyncio.get_running_loop().run_in_executor(self._pool, work)
                self._pool.shutdown(wait=False)
            ending = self._ending
            if ending is not None:
                try:
                    await asyncio.shield(ending)
                finally:
                    if ending.done():
                        self._ending = None

    async def __aenter__(self) -> Self:
        self._check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncFileReader(AsyncFile):
    """The content of a file. Iterating gives lines; `chunks` gives the bytes as they come."""

    _file: FileReader

    def __init__(self, file: FileReader, pool: ThreadPoolExecutor) -> None:
        super().__init__(file, pool)
        self._buffer = bytearray()
        self._start = 0  # of what was not given yet
        self._ended = False

    @property
    def _have(self) -> int:
        return len(self._buffer) - self._start

    async def _fill(self, nbytes: int = CHUNK) -> None:
        """Puts more into the buffer, or finds the end."""

        def read() -> None:
            # On the thread, where it happens whatever becomes of the task.
            found = self._file.read1(nbytes)
            self._buffer += found
            _core.count_copy("python", len(found))
            self._ended = not found

        await self._settled()
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        await self._done(read)

    def _given(self, nbytes: int) -> bytes:
        found = bytes(memoryview(self._buffer)[self._start : self._start + nbytes])
        self._start += len(found)
        _core.count_copy("python", len(found))
        return found

    async def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, fewer only at the end; all that are left without a size.

        Raises:
            CorruptInput: the data are damaged.
            OSError: reading failed.
        """
        async with self._lock:
            self._check()
            whole = size is None or size < 0
            wanted = 0 if size is None else size
            await self._settled()
            while not self._ended and (whole or self._have < wanted):
                await self._fill(max(CHUNK, min(wanted - self._have, 4 * CHUNK)))
            return self._given(self._have if whole else wanted)

    async def read1(self, size: int = -1, /) -> bytes:
        """Some bytes, as many as are there, and none only at the end."""
        async with self._lock:
            self._check()
            await self._settled()
            if not self._have and not self._ended:
                await self._fill()
            return self._given(self._have if size < 0 else size)

    async def readinto(self, space: BytesLike, /) -> int:
        """Fills a buffer, which stays untouched if the call is cancelled; gives the bytes, fewer only at the end."""
        with memoryview(space).cast("B") as view:
            found = await self.read(len(view))
            view[: len(found)] = found
            return len(found)

    async def readline(self, size: int = -1, /) -> bytes:
        """A line with its end, or what is left; at most `size` bytes of it."""
        async with self._lock:
            self._check()
            await self._settled()
            looked = 0
            while True:
                at = self._buffer.find(b"\n", self._start + looked)
                if at >= 0 or self._ended or 0 <= size <= self._have:
                    length = at + 1 - self._start if at >= 0 else self._have
                    return self._given(length if size < 0 else min(length, size))
                looked = self._have
                await self._fill()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes that are left, in chunks as they come."""
        while chunk := await self.read1():
            yield chunk

    async def pread(self, offset: int, nbytes: int) -> bytes:
        """So many bytes of content from `offset` on, fewer only at the end; leaves the position where it is."""
        async with self._lock:
            self._check()
            return await self._done(lambda: self._file.pread(offset, nbytes))

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position."""
        async with self._lock:
            self._check()
            await self._settled()
            if whence == os.SEEK_CUR:
                offset -= self._have

            def seek() -> int:
                at = self._file.seek(offset, whence)
                self._buffer.clear()
                self._start, self._ended = 0, False
                return at

            return await self._done(seek)

    async def tell(self) -> int:
        """The position."""
        async with self._lock:
            self._check()
            await self._settled()
            return self._file.tell() - self._have

    def seekable(self) -> bool:
        """As of the file object."""
        return self._file.seekable()


class AsyncFileWriter(AsyncFile):
    """A file that is written. Leaving the `async with` block by an exception leaves no file."""

    _file: FileWriter

    def __init__(self, file: FileWriter, pool: ThreadPoolExecutor) -> None:
        super().__init__(file, pool)
        self._buffer = bytearray()
        self._failure: BaseException | None = None

    async def write(self, data: BytesLike, /) -> int:
        """Takes all of `data`, also if the call is cancelled while it waits for those before; they may change then.

        Raises:
            OSError: writing failed; the file is lost.
            AcryptoError: a stage failed; likewise.
        """
        async with self._lock:
            self._check()
            nbytes = memoryview(data).nbytes
            if len(self._buffer) + nbytes < CHUNK:
                self._buffer += data
                return nbytes
            held, self._buffer = self._buffer, bytearray()
            taken = data if type(data) is bytes else bytes(data)
            _core.count_copy("python", len(held) + (0 if taken is data else nbytes))

            def write() -> None:
                if held:
                    self._file.write(held)
                self._file.write(taken)

            await self._then(write)
            return nbytes

    async def _then(self, work: Callable[[], Any]) -> None:
        """Runs work behind what runs, whether the caller is cancelled or not."""
        if self._failure is not None:
            raise self._failure
        loop = asyncio.get_running_loop()
        # The pool has one thread, so the order is that of these calls.
        future = self._running = loop.run_in_executor(self._pool, self._noted, work)
        await asyncio.shield(future)

    def _noted(self, work: Callable[[], Any]) -> None:
        # On the thread, so that what runs there behind this knows.
        try:
            work()
        except BaseException as error:
            self._failure = self._failure or error
            raise

    def _close_file(self) -> None:
        if self._failure is not None:
            self._file.discard()
            raise self._failure
        if self._buffer:
            self._file.write(self._buffer)
        self._file.close()

    async def close(self) -> None:
        """Writes what is left, and gives the file its name.

        Raises:
            OSError: writing failed; the file is lost.
            AcryptoError: a stage failed; likewise.
        """
        await self._end(self._close_file)

    async def discard(self) -> None:
        """Closes it without giving the file its name."""
        await self._end(self._file.discard)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self.discard()


class _Opening:
    """What `aopen_file` gives: to be awaited, or entered with `async with`."""

    def __init__(self, file: Openable, mode: str, parameters: dict[str, Any]) -> None:
        self._file = file
        self._mode = mode
        self._parameters = parameters
        self._opened: AsyncFile | None = None

    async def _open(self) -> Any:
        pool = ThreadPoolExecutor(1, "acrypto-file")
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(
            pool,
            lambda: open_file(self._file, self._mode, **self._parameters),  # type: ignore[call-overload]
        )
        try:
            file = await asyncio.shield(opening)
        except BaseException:
            if not opening.done():
                # Cancelled: closed again as soon as it is open.
                opening.add_done_callback(_closed_again)
            pool.shutdown(wait=False)
            raise
        made = AsyncFileReader(file, pool) if isinstance(file, FileReader) else AsyncFileWriter(file, pool)
        self._opened = made
        return made

    def __await__(self) -> Generator[Any, None, Any]:
        return self._open().__await__()

    async def __aenter__(self) -> Any:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)


def _closed_again(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        file = opening.result()
        (file.discard if isinstance(file, FileWriter) else file.close)()


def aopen_file(file: Openable, mode: str = "rb", **parameters: Any) -> Any:
    """Opens a compressed or encrypted file for asyncio: `async with acrypto.aopen_file(path) as f:`.

    Args:
        file: as of `open_file`.
        mode: "rb", "wb" or "xb".
        parameters: as of `open_file`, but for those of text.

    Returns:
        What gives an `AsyncFileReader` or `AsyncFileWriter` when awaited or entered.

    Raises:
        UsageError: the mode is for text.
    """
    if "t" in mode:
        raise UsageError(f"mode is {mode!r}; asynchronous files are binary")
    return _Opening(file, mode, parameters)
