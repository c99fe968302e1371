"""A window of operations in flight, whose results come out in the order in which they went in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto._core import Operation
    from acrypto.streams.stage import Work

T = TypeVar("T")
C = TypeVar("C")


class Window(Generic[T, C]):
    """Bounded in operations and in bytes; one operation always fits.

    Whoever pushes asks `is_full` first and pops until it is not: that is the back-pressure. Each operation carries
    something of its submitter's, which comes back with it.

    Args:
        most: operations.
        most_bytes: bytes, as the submitter counts them.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: deque[tuple[Operation[T], C, int]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_full(self) -> bool:
        """Whether something must be popped before the next push."""
        return len(self._entries) >= self._most or self._bytes >= self._most_bytes

    @property
    def is_ready(self) -> bool:
        """Whether `pop` would not block."""
        return bool(self._entries) and self._entries[0][0].done()

    def push(self, operation: Operation[T], carried: C, nbytes: int) -> None:
        """Takes an operation, behind all others."""
        self._entries.append((operation, carried, nbytes))
        self._bytes += nbytes

    def pop(self) -> tuple[Operation[T], C]:
        """Gives the oldest operation, ended or not, with what it carried."""
        operation, carried, nbytes = self._entries.popleft()
        self._bytes -= nbytes
        return operation, carried

    def cancel(self) -> list[C]:
        """Withdraws everything; gives what was carried."""
        carried = [entry[1] for entry in self._entries]
        for operation, _, _ in self._entries:
            operation.cancel()
        self._entries.clear()
        self._bytes = 0
        return carried


def ordered(work: Work, jobs: Iterator[tuple[Operation[T], C, int] | None]) -> Iterator[tuple[Operation[T], C] | None]:
    """Runs what `jobs` submits, as much at once as `work` allows, and gives it back in order.

    Each job is an operation that was just submitted, something of its submitter's, and the bytes that it counts for. An
    operation comes out when it is its turn, ended or not: whoever gets it waits. What is left when the caller stops is
    withdrawn. None is passed on where nothing is ready.
    """
    window: Window[T, C] = Window(work.in_flight, work.most_bytes)
    try:
        while True:
            while window.is_ready or window.is_full:
                yield window.pop()
            try:
                job = next(jobs)
            except StopIteration:
                break
            if job is None:
                yield None
            else:
                window.push(*job)
        while len(window):
            yield window.pop()
    finally:
        window.cancel()


def results(work: Work, jobs: Iterator[tuple[Operation[T], C, int] | None]) -> Iterator[tuple[T, C] | None]:
    """What comes of the operations that `jobs` submits, as `ordered` has it, each noted in the account of `work`."""
    for job in ordered(work, jobs):
        if job is None:
            yield None
            continue
        operation, carried = job
        result = operation.wait()
        work.tally.ran(operation)
        yield result, carried
