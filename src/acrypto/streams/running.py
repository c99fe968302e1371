"""The handle of a pipeline that runs: awaited or waited for, looked at while it runs, and cancelled."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from acrypto.streams.run import Cancelled

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Generator
    from types import TracebackType

    from acrypto.streams.run import Result, Run

#: Seconds between two looks of `async for`.
EVERY = 0.1
#: Seconds that the end of the interpreter waits for pipelines that it has cancelled.
PATIENCE = 5.0

_running: weakref.WeakSet[Running] = weakref.WeakSet()


class Progress(NamedTuple):
    """How far a pipeline is.

    Attributes:
        bytes_in: read from the source so far.
        bytes_out: written to the sink so far.
        total: bytes of the source, if known.
        seconds: since the start.
    """

    bytes_in: int
    bytes_out: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Source bytes a second, on average."""
        return self.bytes_in / self.seconds if self.seconds > 0 else 0.0

    @property
    def ratio(self) -> float:
        """Output bytes for each input byte; 0 before there is any."""
        return self.bytes_out / self.bytes_in if self.bytes_in else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds left at this rate; None if nobody knows."""
        if self.total is None or not self.bytes_in:
            return None
        return max(0.0, (self.total - self.bytes_in) / self.rate)


class Running:
    """A pipeline on its way. Shareable between threads.

    `await` it in the event loop in which it was started: a task that is cancelled meanwhile cancels the pipeline, and
    goes on when that has ended, so that no half file is left by then. Or `wait` for it in a thread. `async for` gives a
    `Progress` now and then, and one at the end. An error that nobody has asked for when the last handle goes is told to
    the log (logger `acrypto`).
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._trace: TracebackType | None = None
        self._is_told = False
        self._was_cancelled = False
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._awaited: list[tuple[AbstractEventLoop, Future[None]]] = []
        # Not waited for by the interpreter's end, which cancels it instead.
        self._thread = threading.Thread(target=self._drive, name="acrypto-pipeline", daemon=True)
        _running.add(self)
        self._thread.start()

    def _drive(self) -> None:
        try:
            self._result = self._run.drive()
        except Cancelled:
            self._was_cancelled = True
        except BaseException as error:  # told to whoever waits
            self._error, self._trace = error, error.__traceback__
        with self._lock:
            self._ended.set()
            awaited, self._awaited = self._awaited, []
        for loop, future in awaited:
            with suppress(RuntimeError):  # the loop may be closed: nobody waits any more
                loop.call_soon_threadsafe(_end, future)
        # The trace holds this frame. With the handle in it, a forgotten one would go only when garbage is collected.
        del self

    def __del__(self) -> None:
        if self._error is not None and not self._is_told:
            failure = (type(self._error), self._error, self._trace)
            logging.getLogger("acrypto").error("a pipeline failed, and nobody asked how it ended", exc_info=failure)

    @property
    def progress(self) -> Progress:
        """How far it is; any thread may ask at any time, and it costs nothing."""
        tally = self._run.tally
        return Progress(tally.bytes_in, tally.bytes_out, self._run.total, tally.seconds)

    def __repr__(self) -> str:
        state = "cancelled" if self._was_cancelled else "ended" if self.done() else "running"
        progress = self.progress
        return f"<Running: {state}, {progress.bytes_in} bytes in, {progress.bytes_out} out>"

    def done(self) -> bool:
        """Whether it has ended: with a result, an error, or cancelled."""
        return self._ended.is_set()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._was_cancelled

    def cancel(self) -> bool:
        """Asks it to end; a sink that is a path leaves nothing. False if it has ended already.

        A source or sink whose own `read` or `write` blocks ends when that returns.
        """
        if self.done():
            return False
        self._run.cancel()
        return True

    def result(self) -> Result:
        """The outcome.

        Raises:
            asyncio.InvalidStateError: it runs still.
            asyncio.CancelledError: it was cancelled.
            AcryptoError: a stage failed.
            OSError: reading or writing failed.
        """
        if not self.done():
            raise asyncio.InvalidStateError("the pipeline has not ended")
        if self._was_cancelled:
            raise asyncio.CancelledError
        if self._error is not None:
            self._is_told = True
            # Without the traces of those who were told before.
            raise self._error.with_traceback(self._trace)
        assert self._result is not None
        return self._result

    def wait(self, timeout: float | None = None) -> Result:
        """Waits in this thread, and gives what `result` gives. An interrupt leaves it running.

        Raises:
            TimeoutError: it has not ended after that many seconds.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"the pipeline has not ended after {timeout} s")
        self._thread.join()
        return self.result()

    async def _until_ended(self, seconds: float | None = None) -> bool:
        """Whether it has ended, by then."""
        loop = asyncio.get_running_loop()
        future: Future[None] = loop.create_future()
        with self._lock:
            if self._ended.is_set():
                return True
            self._awaited.append((loop, future))
        done, _ = await asyncio.wait([future], timeout=seconds)
        if not done:
            with self._lock:
                self._awaited = [each for each in self._awaited if each[1] is not future]
        return bool(done)

    async def _outcome(self) -> Result:
        try:
            await self._until_ended()
        except asyncio.CancelledError:
            self.cancel()
            while not self.done():
                with suppress(asyncio.CancelledError):  # once is enough
                    await self._until_ended()
            raise
        return self.result()

    def __await__(self) -> Generator[object, None, Result]:
        return self._outcome().__await__()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        while not await self._until_ended(EVERY):
            yield self.progress
        yield self.progress
        self.result()


def _end(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@atexit.register
def _end_all() -> None:
    """Nobody waits for them any more; what they were writing goes."""
    left = [each for each in _running if each.cancel()]
    ends = time.monotonic() + PATIENCE
    for each in left:
        each._thread.join(max(0.0, ends - time.monotonic()))
