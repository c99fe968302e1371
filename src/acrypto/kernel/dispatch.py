"""Runs requests of asynchronous drivers: a bounded queue for each driver, and a thread that completes them.

The rules are those of crypto/cryptd.c (a queue of 1000, one request at a time), crypto/pcrypt.c (no backlog, `-EAGAIN`
when full, completions in order of submission) and, for all others, crypto/crypto_engine.c with retry support (a queue
of 10 before hardware that takes several).
"""

from __future__ import annotations

import logging
import threading
from collections import deque

from acrypto.kernel.engine import CRYPTO_ENGINE_MAX_QLEN
from acrypto.kernel.errno import EAGAIN, EINPROGRESS, EIO, ENOSPC, ESHUTDOWN, errno_of
from acrypto.kernel.queue import (
    CryptoQueue,
    crypto_dequeue_request,
    crypto_enqueue_request,
    crypto_get_backlog,
    crypto_queue_len,
)
from acrypto.kernel.request import crypto_request_complete
from acrypto.model.settings import cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from acrypto._core import Operation
    from acrypto.kernel.request import CryptoAsyncRequest

    #: Submits the work to the layer; and puts its result where the request wants it, for the request's return code.
    Start: TypeAlias = Callable[[], Operation[Any]]
    Finish: TypeAlias = Callable[[Any], int]

log = logging.getLogger("acrypto.kernel")

#: Requests in a cryptd queue (crypto/cryptd.c); in flight through pcrypt (kernel/padata.c).
CRYPTD_MAX_QLEN = 1000
PADATA_MAX_OBJECTS = 1000
#: Requests that other drivers have in flight at once, behind their queue of 10.
HARDWARE_DEPTH = 16


def run(start: Start, finish: Finish) -> int:
    """Does the work in this call; its return code."""
    try:
        return finish(start().wait())
    except Exception as error:
        return errno_of(error)


class DriverQueue:
    """One asynchronous driver's queue, with a thread that feeds the layer from it and one that completes requests.

    Requests complete in order of submission: who overtook its elders waits for them. pcrypt promises that, others may.

    Args:
        driver: its name, which tells the rules.

    Attributes:
        depth: requests that are in flight behind the queue.
    """

    def __init__(self, driver: str) -> None:
        limit, self.depth = CRYPTO_ENGINE_MAX_QLEN, HARDWARE_DEPTH
        self._parallel = driver.startswith("pcrypt(")
        if driver.startswith("cryptd("):
            limit, self.depth = CRYPTD_MAX_QLEN, 1
        elif self._parallel:
            limit, self.depth = PADATA_MAX_OBJECTS, 2 * cpus()
        self._queue = CryptoQueue(limit)
        self._work: dict[CryptoAsyncRequest, tuple[Start, Finish]] = {}
        #: In the hardware, in order of submission; and those of them that are not submitted yet.
        self._flying: deque[Flight] = deque()
        self._boarding: deque[Flight] = deque()
        self._changed = threading.Condition()
        self._closed = self._fed = False
        self._threads = [
            threading.Thread(target=work, name=f"kernel/{driver}", daemon=True) for work in (self._feed, self._finish)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def max_qlen(self) -> int:
        """Requests that wait at most, before `-ENOSPC` or the backlog."""
        return self._queue.max_qlen

    def submit(self, req: CryptoAsyncRequest, start: Start, finish: Finish) -> int:
        """Queues a request; what the call that asked for it returns."""
        with self._changed:
            if self._closed:
                return -ESHUTDOWN
            if self._parallel and crypto_queue_len(self._queue) + len(self._flying) >= self.max_qlen:
                return -EAGAIN
            err = crypto_enqueue_request(self._queue, req)
            if err != -ENOSPC:
                self._work[req] = (start, finish)
                self._admit()
            return err

    def _admit(self) -> None:
        """Moves requests from the queue to the hardware, as far as that takes any. Under the lock."""
        while crypto_queue_len(self._queue) and (self._closed or len(self._flying) < self.depth):
            backlog = crypto_get_backlog(self._queue)
            req = crypto_dequeue_request(self._queue)
            if req is not None:
                start, finish = self._work.pop(req)
                flight = Flight(req, start, finish, backlog)
                self._flying.append(flight)
                self._boarding.append(flight)
        self._changed.notify_all()

    def _feed(self) -> None:
        while True:
            with self._changed:
                while not (self._boarding or self._closed):
                    self._changed.wait()
                if not self._boarding:
                    self._fed = True
                    self._changed.notify_all()
                    return
                flight, closed = self._boarding.popleft(), self._closed
            if flight.backlog is not None:
                crypto_request_complete(flight.backlog, -EINPROGRESS)
            flight.start(closed)
            with self._changed:
                self._changed.notify_all()

    def _finish(self) -> None:
        while True:
            with self._changed:
                while not (self._flying and self._flying[0].started):
                    if self._fed and not self._flying:
                        return
                    self._changed.wait()
                flight = self._flying[0]
            err = flight.wait()
            with self._changed:
                self._flying.popleft()
                self._admit()
            crypto_request_complete(flight.req, err)

    def close(self) -> None:
        """Ends what waits with `-ESHUTDOWN`, waits for what runs, and ends the threads."""
        with self._changed:
            self._closed = True
            self._admit()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


class Flight:
    """A request on its way through the layer.

    Attributes:
        req: the request.
        backlog: the one that left the backlog for the queue when this one left the queue.
        started: whether it was submitted, or refused.
    """

    __slots__ = ("_err", "_finish", "_operation", "_start", "backlog", "req", "started")

    def __init__(
        self, req: CryptoAsyncRequest, start: Start, finish: Finish, backlog: CryptoAsyncRequest | None
    ) -> None:  # fmt: skip
        self.req = req
        self.backlog = backlog
        self.started = False
        self._start = start
        self._finish = finish
        self._operation: Operation[Any] | None = None
        self._err = 0

    def start(self, closed: bool) -> None:
        """Submits it, unless the kernel is going down."""
        try:
            if closed:
                self._err = -ESHUTDOWN
            else:
                self._operation = self._start()
        except Exception as error:
            self._err = _told(error)
        self.started = True

    def wait(self) -> int:
        """Its return code, when it is done."""
        if self._operation is None:
            return self._err
        try:
            return self._finish(self._operation.wait())
        except Exception as error:
            return _told(error)


def _told(error: Exception) -> int:
    try:
        return errno_of(error)
    except Exception:
        # Not one of ours: a bug, but the request must end and the thread must go on.
        log.exception("a request raised")
        return -EIO
