"""A pump between a queue and hardware that takes one request at a time (crypto/crypto_engine.c, crypto/engine.h).

The operations of the hardware stand with the engine here; since Linux 6.6 they stand with each algorithm.
"""

from __future__ import annotations

import logging
import threading
import time

from acrypto.kernel.errno import EBUSY, EINPROGRESS, EIO, ENOSPC, ESHUTDOWN, errname
from acrypto.kernel.queue import (
    CryptoQueue,
    crypto_dequeue_request,
    crypto_enqueue_request,
    crypto_enqueue_request_head,
    crypto_get_backlog,
    crypto_queue_len,
)
from acrypto.kernel.request import crypto_request_complete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from acrypto.kernel.request import CryptoAsyncRequest

    Hook: TypeAlias = "Callable[[CryptoEngine, CryptoAsyncRequest], int]"

log = logging.getLogger("acrypto.kernel")

#: Requests that an engine's queue holds unless told otherwise.
CRYPTO_ENGINE_MAX_QLEN = 10
#: How often, and with which pauses, stopping looks whether all is done: 10 seconds together.
STOP_TRIES, STOP_PAUSE_S = 500, 0.020
#: Seconds until full hardware that holds nothing of ours is tried again.
RETRY_S = 0.001


class CryptoEngineOp:
    """What the hardware does with a request (struct crypto_engine_op).

    Args:
        do_one_request: starts the request and returns 0, or a negative errno; whoever finishes it later calls
            `crypto_finalize_request`.
        prepare_request: before it; a negative errno ends the request.
        unprepare_request: after it, whatever the outcome.
    """

    __slots__ = ("do_one_request", "prepare_request", "unprepare_request")

    def __init__(
        self,
        do_one_request: Hook,
        prepare_request: Hook | None = None,
        unprepare_request: Hook | None = None,
    ) -> None:
        self.do_one_request = do_one_request
        self.prepare_request = prepare_request
        self.unprepare_request = unprepare_request


class CryptoEngine:
    """One engine, made by `crypto_engine_alloc_init` (struct crypto_engine).

    Attributes:
        name: the device's, with `-engine` behind.
        running, busy: whether it takes requests; whether it works on some.
        pause: sleeps for some seconds while stopping waits; a test may put its own clock here.
    """

    def __init__(self, dev: str, op: CryptoEngineOp, retry_support: bool, qlen: int) -> None:
        self.name = f"{dev}-engine"
        self.running = self.busy = False
        self.retry_support = retry_support
        self.pause: Callable[[float], object] = time.sleep
        self._op = op
        self._queue = CryptoQueue(qlen)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._current: CryptoAsyncRequest | None = None
        self._in_hardware: set[CryptoAsyncRequest] = set()
        self._asked = self._gone = False
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        self._asked = True
        self._work.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not (self._asked or self._gone):
                    self._work.wait()
                if self._gone:
                    return
                self._asked = False
            while self._pump():
                pass

    def _pump(self) -> bool:
        """Moves one request to the hardware; tells whether another may follow at once."""
        with self._lock:
            if self._current is not None:
                return False
            if not (self.running and crypto_queue_len(self._queue)):
                self.busy = bool(self._in_hardware)
                return False
            backlog = crypto_get_backlog(self._queue)
            req = crypto_dequeue_request(self._queue)
            if req is None:
                return False
            if not self.retry_support:
                self._current = req
            self._in_hardware.add(req)
            self.busy = True
        err = self._start(req)
        if err == -ENOSPC and self.retry_support:
            return self._put_back(req)
        if err < 0:
            log.error("%s: a request failed: %s", self.name, errname(err))
            crypto_finalize_request(self, req, err)
        if backlog is not None:
            crypto_request_complete(backlog, -EINPROGRESS)
        return self.retry_support

    def _start(self, req: CryptoAsyncRequest) -> int:
        try:
            err = self._op.prepare_request(self, req) if self._op.prepare_request else 0
            return self._op.do_one_request(self, req) if err >= 0 else err
        except Exception:
            # A hook that raises must cost one request, not the thread that pumps all of them.
            log.exception("%s: a hook raised", self.name)
            return -EIO

    def _put_back(self, req: CryptoAsyncRequest) -> bool:
        # The hardware is full: the order of requests must hold. What it finishes asks for the next turn; with nothing
        # in it, nothing would, so it is tried again soon.
        if self._op.unprepare_request:
            self._op.unprepare_request(self, req)
        with self._lock:
            self._in_hardware.discard(req)
            crypto_enqueue_request_head(self._queue, req)
            if not self._in_hardware:
                self._work.wait(RETRY_S)
                self._asked = True
        return False


def crypto_engine_alloc_init_and_set(
    dev: str, op: CryptoEngineOp, *, retry_support: bool = False, qlen: int = CRYPTO_ENGINE_MAX_QLEN
) -> CryptoEngine:
    """A new engine, not started; with `retry_support` it fills the hardware until that says `-ENOSPC`."""
    return CryptoEngine(dev, op, retry_support, qlen)


def crypto_engine_alloc_init(dev: str, op: CryptoEngineOp) -> CryptoEngine:
    """A new engine, not started, with a queue of 10, for hardware that does one request at a time."""
    return crypto_engine_alloc_init_and_set(dev, op)


def crypto_engine_start(engine: CryptoEngine) -> int:
    """Takes requests from now on. `-EBUSY` if it does already."""
    with engine._lock:
        if engine.running or engine.busy:
            return -EBUSY
        engine.running = True
        engine._ask()
    return 0


def crypto_engine_stop(engine: CryptoEngine) -> int:
    """Takes no more requests once all are done; waits for that 500 times 20 ms, then `-EBUSY` and goes on."""
    for tries in range(STOP_TRIES + 1):
        with engine._lock:
            if not (crypto_queue_len(engine._queue) or engine.busy):
                engine.running = False
                return 0
        if tries < STOP_TRIES:
            engine.pause(STOP_PAUSE_S)
    log.warning("%s could not be stopped: it still has work", engine.name)
    return -EBUSY


def crypto_engine_exit(engine: CryptoEngine) -> int:
    """Stops the engine and ends its thread; `-EBUSY`, and neither, if it still has work."""
    err = crypto_engine_stop(engine)
    if err == 0:
        with engine._lock:
            engine._gone = True
            engine._work.notify()
        engine._thread.join()
    return err


def crypto_transfer_request_to_engine(engine: CryptoEngine, req: CryptoAsyncRequest) -> int:
    """Queues a request: the queue's return codes, and `-ESHUTDOWN` while the engine is stopped."""
    with engine._lock:
        if not engine.running:
            return -ESHUTDOWN
        err = crypto_enqueue_request(engine._queue, req)
        if not engine.busy:
            engine._ask()
        return err


def crypto_finalize_request(engine: CryptoEngine, req: CryptoAsyncRequest, err: int) -> None:
    """Ends a request of this engine and lets the next one in; for any thread."""
    if engine._op.unprepare_request:
        engine._op.unprepare_request(engine, req)
    with engine._lock:
        engine._in_hardware.discard(req)
        if engine._current is req:
            engine._current = None
    crypto_request_complete(req, err)
    with engine._lock:
        engine._ask()
