"""The memory and contexts that synchronous compression has once per worker (crypto/scompress.c).

The kernel has one set for each CPU and forbids preemption while it is used. A process cannot do that, so a set has a
lock, and whoever finds the set of its choice taken uses another one.
"""

from __future__ import annotations

import contextlib
import threading

from acrypto.model.settings import KIB, cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes of the classic buffers, and the most that one request may have.
SCOMP_SCRATCH_SIZE = 128 * KIB
#: Bytes of the newer ones, which only data in several pieces needs.
SRC_SCRATCH_SIZE, DST_SCRATCH_SIZE = 4 * KIB, 65400


class Worker:
    """One worker's buffers, used by one thread at a time.

    Attributes:
        index: which one; contexts that belong to a worker are kept by it.
        src, dst: the buffers; empty while no transform exists.
    """

    __slots__ = ("dst", "index", "lock", "src")

    def __init__(self, index: int) -> None:
        self.index = index
        self.lock = threading.Lock()
        self.src = self.dst = memoryview(b"")


class Scratches:
    """The buffers of all workers: there from the first transform to the last.

    Args:
        src_size, dst_size: bytes of each worker's buffers.

    Attributes:
        users: transforms that exist.
    """

    def __init__(self, src_size: int, dst_size: int) -> None:
        self.src_size, self.dst_size = src_size, dst_size
        self.users = 0
        self.workers = [Worker(index) for index in range(cpus())]
        self._lock = threading.Lock()

    @property
    def allocated(self) -> int:
        """Bytes that they take now."""
        return sum(len(worker.src) + len(worker.dst) for worker in self.workers)

    def get(self) -> None:
        """Counts a transform; the first one allocates."""
        with self._lock:
            self.users += 1
            if self.users == 1:
                for worker in self.workers:
                    worker.src = memoryview(bytearray(self.src_size))
                    worker.dst = memoryview(bytearray(self.dst_size))

    def put(self) -> None:
        """Counts a transform less; the last one frees."""
        with self._lock:
            self.users -= 1
            if self.users == 0:
                for worker in self.workers:
                    with worker.lock:
                        worker.src = worker.dst = memoryview(b"")

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Worker]:
        """One worker's buffers, for this thread alone until the end of the block."""
        start = threading.get_ident() // 64 % len(self.workers)
        ordered = self.workers[start:] + self.workers[:start]
        for worker in ordered:
            if worker.lock.acquire(blocking=False):
                break
        else:
            worker = ordered[0]
            worker.lock.acquire()
        try:
            yield worker
        finally:
            worker.lock.release()
