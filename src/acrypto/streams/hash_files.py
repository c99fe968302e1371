"""Digests of many files at once: a native job with threads of its own reads and hashes, several files at a time.

Large files use every thread that has none of its own: BLAKE3 hashes one with all of them, any other algorithm has it
read ahead. Files are read, not mapped, unless `mapped` says so: mapping gains little, and a file that is shortened
meanwhile then kills the process (SIGBUS).
"""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple

from acrypto import _core
from acrypto.model.errors import ClosedError
from acrypto.model.settings import cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self, TypeAlias

    #: A path, or the number of an open file, which is read from where it stands and stays open.
    File: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes] | int

#: Results taken at once.
BURST = 64
#: Files under way for each thread, so that none waits for whoever takes the results; and for all.
PER_WORKER, AT_LEAST = 8, 256


class HashedFile(NamedTuple):
    """What became of one file.

    Attributes:
        path: as it was given.
        digest: None if there is an error.
        error: why there is no digest.
        nbytes: bytes hashed.
        seconds: from opening the file to its digest.
    """

    path: File
    digest: bytes | None
    error: Exception | None
    nbytes: int
    seconds: float

    def result(self) -> bytes:
        """The digest; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        assert self.digest is not None
        return self.digest


class Hashed(NamedTuple):
    """What a run has done so far.

    Attributes:
        files: files done, those that failed included.
        nbytes: bytes hashed, of files still in work too.
    """

    files: int
    nbytes: int


class HashedFiles:
    """A run over files: an iterator, and an asynchronous one, of `HashedFile`.

    It works from the moment it is made. One thread or task takes the results; `progress` and `cancel` are anybody's.
    Left before its end it is to be closed, `with` does that; dropping it cancels it, too.

    Raises:
        UsageError: a setting is out of its range.
    """

    def __init__(
        self, *, workers: int | None = None, mapped: bool = False, ordered: bool = True, piece: int | None = None
    ) -> None:
        self._workers = cpus() if workers is None else workers
        self._native = _core.FileDigests(self._workers, mapped=mapped, ordered=ordered, piece=piece)
        self._limit = max(AT_LEAST, PER_WORKER * self._workers)
        self._files: Iterator[tuple[File, int]] | None = None
        self._submitted = 0
        # Paths of files under way, by their number.
        self._waiting: dict[int, File] = {}
        self._rows: deque[HashedFile] = deque()
        self._wakers: list[asyncio.Future[None]] = []
        self._is_closed = self._is_cancelled = False

    def algorithm(self, name: str, **parameters: Any) -> tuple[int, str]:
        """Makes an algorithm known: the number for `start`, and who computes it.

        Raises:
            UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
            UsageError: a parameter is wrong, missing, or not the algorithm's.
        """
        return self._native.algorithm(name, **parameters)

    def start(self, files: Iterable[tuple[File, int]]) -> Self:
        """Begins, once: files with the numbers of their algorithms, taken from the iterator as there is room."""
        self._files = iter(files)
        self._feed()
        return self

    @property
    def progress(self) -> Hashed:
        """What is done so far, at any time and from any thread."""
        files, nbytes, _ = self._native.progress()
        return Hashed(files, nbytes)

    @property
    def most_mapped(self) -> int:
        """The most bytes that were mapped at once."""
        return self._native.progress()[2]

    def _feed(self) -> None:
        """Hands in as many files as there is room for."""
        room = self._limit - len(self._waiting) - len(self._rows)
        if self._files is None or room < min(BURST, self._limit // 2):
            return
        given: list[tuple[bytes | int, int]] = []
        try:
            for file, number in self._files:
                given.append((file if isinstance(file, int) else os.fsencode(file), number))
                self._waiting[self._submitted] = file
                self._submitted += 1
                if len(given) == room:
                    break
            else:
                self._files = None
            if given:
                self._native.submit(given)
        except BaseException:
            self.cancel()
            raise

    def take(self, timeout: float | None = None) -> list[HashedFile]:
        """The next results, as many as there are: at least one, unless `timeout` seconds passed or all were taken.

        Raises:
            asyncio.CancelledError: the run was cancelled.
            ClosedError: it was closed before its end.
        """
        if self._rows:
            rows = list(self._rows)
            self._rows.clear()
            return rows
        self._feed()
        if self.exhausted:
            self.close()
            return []
        if self._is_closed:
            raise ClosedError("the run was closed before its end")
        return [self._row(*told) for told in self._native.take(BURST, timeout)]

    def _row(
        self, number: int, outcome: bytes | tuple[int, int | None] | Exception, nbytes: int, elapsed_ns: int
    ) -> HashedFile:
        path, seconds = self._waiting.pop(number), elapsed_ns / 1e9
        if isinstance(outcome, bytes):
            return HashedFile(path, outcome, None, nbytes, seconds)
        if isinstance(outcome, tuple):
            errno, offset = outcome
            where = "" if offset is None else f" at offset {offset}"
            return HashedFile(path, None, OSError(errno, os.strerror(errno) + where, path), nbytes, seconds)
        return HashedFile(path, None, outcome, nbytes, seconds)

    @property
    def exhausted(self) -> bool:
        """Whether all results were taken."""
        return self._files is None and not self._waiting and not self._rows

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> HashedFile:
        if not self._rows:
            self._rows.extend(self.take())
            if not self._rows:
                raise StopIteration
        return self._rows.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HashedFile:
        while not self._rows:
            rows = self.take(0)
            if not rows and self.exhausted:
                raise StopAsyncIteration
            self._rows.extend(rows)
            if not rows:
                await self._rung()
        return self._rows.popleft()

    async def _rung(self) -> None:
        """Waits for the native side to have something, without a thread."""
        import asyncio  # as much to load as all of ours, and not needed by who waits in a thread

        event_loop = asyncio.get_running_loop()
        waker = event_loop.create_future()
        self._wakers.append(waker)
        bell = self._native.listen()
        event_loop.add_reader(bell, self._wake)
        try:
            await waker
        finally:
            self._wakers.remove(waker)
            if not self._wakers:
                event_loop.remove_reader(bell)

    def _wake(self) -> None:
        self._native.silence()
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None)

    def cancel(self) -> None:
        """Gives up what is not done, at once; taking results then raises `asyncio.CancelledError`."""
        self._is_cancelled = True
        self._native.cancel()

    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._is_cancelled

    def close(self) -> None:
        """Cancels what is not done, and waits for the threads: for the pieces that they are at."""
        self._is_closed = True
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        self._is_closed = True
        self.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._native.close)

    def __repr__(self) -> str:
        files, nbytes = self.progress
        return (
            f"<HashedFiles: {files} of {self._submitted}{'+' if self._files is not None else ''} files, {nbytes} bytes>"
        )


class HashingFile:
    """A digest on its way: `await` it, or `wait()` for it in a thread."""

    def __init__(self, run: HashedFiles) -> None:
        self._run = run
        self._row: HashedFile | None = None

    @property
    def progress(self) -> int:
        """Bytes hashed so far."""
        return self._run.progress.nbytes

    def _take(self, timeout: float | None) -> bool:
        if self._row is None:
            for row in self._run.take(timeout):
                self._row = row
        return self._row is not None

    def done(self) -> bool:
        """Whether there is a digest or an error, or it was cancelled."""
        return self._run.cancelled() or self._take(0)

    def wait(self, timeout: float | None = None) -> bytes:
        """Blocks this thread until there is the digest.

        Raises:
            OSError: the file cannot be opened or read.
            TimeoutError: `timeout` seconds have passed; hashing goes on.
            asyncio.CancelledError: it was cancelled.
        """
        if not self._take(timeout):
            raise TimeoutError("the digest is not done yet")
        return self._result()

    def _result(self) -> bytes:
        assert self._row is not None
        self._run.close()
        return self._row.result()

    def __await__(self) -> Generator[Any, None, bytes]:
        while not self._take(0):
            yield from self._run._rung().__await__()
        return self._result()

    def cancel(self) -> None:
        """Gives it up: whoever waits gets `asyncio.CancelledError`."""
        if self._row is None:
            self._run.cancel()


def hash_files(
    paths: Iterable[File],
    algorithm: str = "sha256",
    *,
    workers: int | None = None,
    mapped: bool = False,
    ordered: bool = True,
    **parameters: Any,
) -> HashedFiles:
    """Hashes many files, several at once; iterate, with `for` or `async for`, over what became of each.

    A file that cannot be read is a row with an error and stops no other. Directories are such files; FIFOs and devices
    are read to their end. Memory stays small whatever the sizes and the number of files: some hundred are under way.

    Args:
        paths: of files, or numbers of open ones; taken from an iterator as there is room.
        algorithm: of a digest, checksum or MAC.
        workers: threads; as many as there are CPUs if not given.
        mapped: map large files, 64 MiB at once at most, instead of reading them. A file that is shortened meanwhile
            then kills the process.
        ordered: results in the order of the paths, or as they come.
        **parameters: `key` and `tag_len` of a MAC, `digest_size` where it is variable.

    Raises:
        UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
        UsageError: a parameter is wrong, missing, or not the algorithm's; `workers` is out of its range.
    """
    run = HashedFiles(workers=workers, mapped=mapped, ordered=ordered)
    number, _ = run.algorithm(algorithm, **parameters)
    return run.start((path, number) for path in paths)


def hash_file(
    path: File, algorithm: str = "sha256", *, workers: int | None = None, mapped: bool = False, **parameters: Any
) -> HashingFile:
    """Hashes one file: `await acrypto.hash_file(path)`, or `acrypto.hash_file(path).wait()`.

    It begins at once and blocks no event loop. A large file has all threads: see `hash_files` for the arguments.

    Raises:
        UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
        UsageError: a parameter is wrong, missing, or not the algorithm's; `workers` is out of its range.
    """
    return HashingFile(hash_files([path], algorithm, workers=workers, mapped=mapped, **parameters))
