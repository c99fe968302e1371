"""Queues with a backlog, the engine that pumps one, and the queues of asynchronous drivers."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.codecs import TEXT, acomp, deflate, inflate, run, work

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.kernel import (
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EAGAIN,
    EBUSY,
    EINPROGRESS,
    EINVAL,
    EIO,
    ENOSPC,
    ESHUTDOWN,
    CryptoAsyncRequest,
    CryptoEngine,
    CryptoEngineOp,
    CryptoQueue,
    Kernel,
    acomp_is_async,
    acomp_request_alloc,
    acomp_request_set_callback,
    acomp_request_set_params,
    acomp_request_set_unit_size,
    boot,
    crypto_acomp_compress,
    crypto_alloc_acomp,
    crypto_dequeue_request,
    crypto_engine_alloc_init,
    crypto_engine_alloc_init_and_set,
    crypto_engine_exit,
    crypto_engine_start,
    crypto_enqueue_request,
    crypto_enqueue_request_head,
    crypto_finalize_request,
    crypto_free_acomp,
    crypto_get_backlog,
    crypto_init_queue,
    crypto_queue_len,
    crypto_register_acomp,
    crypto_req_done,
    crypto_request_complete,
    crypto_transfer_request_to_engine,
    crypto_unregister_acomp,
    crypto_wait_req,
    sgl_alloc,
)
from acrypto.kernel.dispatch import HARDWARE_DEPTH, DriverQueue
from acrypto.model.offers import Offer


def new(told: list[Any] | None = None, name: Any = None, flags: int = 0) -> CryptoAsyncRequest:
    req = CryptoAsyncRequest()
    req.flags, req.data = flags, name
    if told is not None:
        req.complete = lambda data, err: told.append((data, err))
    req.begin()
    return req


@given(limit=st.integers(0, 4), steps=st.lists(st.sampled_from(["put", "park", "take", "back"]), max_size=40))
def test_a_queue_keeps_order_and_limit(limit: int, steps: list[str]) -> None:
    """Whatever is done to it, requests leave in order of arrival and no more are taken without backlog than allowed."""
    queue, model = CryptoQueue(limit), []
    last = None
    for number, step in enumerate(steps):
        if step in {"put", "park"}:
            req = new(name=number, flags=CRYPTO_TFM_REQ_MAY_BACKLOG * (step == "park"))
            full = len(model) >= limit
            err = crypto_enqueue_request(queue, req)
            assert err == (-EINPROGRESS if not full else -EBUSY if step == "park" else -ENOSPC)
            if err != -ENOSPC:
                model.append(req)
        elif step == "take":
            last = crypto_dequeue_request(queue)
            assert last is (model.pop(0) if model else None)
        elif last is not None:
            crypto_enqueue_request_head(queue, last)
            model.insert(0, last)
            last = None
        assert crypto_queue_len(queue) == len(model)
        parked = crypto_get_backlog(queue)
        assert parked is None or parked is model[max(limit, 1 if queue._live else 0)]


def test_a_request_ends_once(caplog: pytest.LogCaptureFixture) -> None:
    """Notices may come before; a second end is logged and goes no further."""
    told: list[Any] = []
    req = new(told, "x")
    for err in (-EINPROGRESS, 0, -EINVAL):
        crypto_request_complete(req, err)
    assert told == [("x", -EINPROGRESS), ("x", 0)]
    assert "twice" in caplog.text


def test_a_request_is_used_once_at_a_time() -> None:
    """In flight it cannot be begun or freed; freed it cannot be begun, given a callback or freed again."""
    req = new()
    for call in (req.begin, req.free):
        with pytest.raises(acrypto.UsageError, match="in flight"):
            call()
    crypto_request_complete(req, 0)
    req.free()
    for call in (req.begin, req.free):
        with pytest.raises(acrypto.UsageError, match="freed"):
            call()


def test_a_completion_function_that_raises_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """The thread that completes goes on; the log tells."""
    req = new()
    req.complete = lambda data, err: 1 // 0
    crypto_request_complete(req, 0)
    assert "ZeroDivisionError" in caplog.text


class Engined:
    """An asynchronous compressor whose requests wait in a crypto_engine."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.engine = crypto_engine_alloc_init_and_set("fake", CryptoEngineOp(self.start), qlen=2)
        crypto_engine_start(self.engine)
        self.arrived = threading.Semaphore(0)

    def start(self, engine: CryptoEngine, req: Any) -> int:
        self.arrived.release()
        assert self.gate.acquire(timeout=10)
        crypto_finalize_request(engine, req, work(req, deflate if req.ctx else inflate))
        return 0

    def submit(self, req: Any, compress: bool) -> int:
        req.ctx = compress
        return crypto_transfer_request_to_engine(self.engine, req)


def test_backlog_through_a_crypto_engine(kernel: Kernel) -> None:
    """A driver over crypto_engine: -EINPROGRESS, -EBUSY with one early notice, -ENOSPC, and every result right."""
    driver = Engined()
    for _ in range(10_000):
        driver.gate.release()
    alg = acomp(
        "zz", "zz-engined", compress=lambda req: driver.submit(req, True),
        decompress=lambda req: driver.submit(req, False),
    )  # fmt: skip
    assert crypto_register_acomp(alg) == 0
    tfm = crypto_alloc_acomp("zz")
    while driver.gate.acquire(blocking=False):
        pass
    while driver.arrived.acquire(blocking=False):
        pass
    told, done = [], threading.Semaphore(0)

    def end(data: Any, err: int) -> None:
        told.append((data, err))
        done.release()

    def submit(number: int, flags: int) -> int:
        req, out = acomp_request_alloc(tfm), bytearray(100)
        acomp_request_set_params(req, TEXT, out, len(TEXT), len(out))
        acomp_request_set_callback(req, flags, end, number)
        return crypto_acomp_compress(req)

    assert submit(0, 0) == -EINPROGRESS
    assert driver.arrived.acquire(timeout=10)
    assert [submit(number, 0) for number in (1, 2, 3)] == [-EINPROGRESS, -EINPROGRESS, -ENOSPC]
    assert submit(4, CRYPTO_TFM_REQ_MAY_BACKLOG) == -EBUSY
    for _ in range(4):
        driver.gate.release()
    for _ in range(5):
        assert done.acquire(timeout=10)
    assert sorted(told) == [(0, 0), (1, 0), (2, 0), (4, -EINPROGRESS), (4, 0)]
    assert [number for number, err in told if err == 0] == [0, 1, 2, 4]
    crypto_free_acomp(tfm)
    crypto_unregister_acomp(alg)
    driver.engine.pause = lambda seconds: threading.Event().wait(0.001)
    assert crypto_engine_exit(driver.engine) == 0


@pytest.mark.parametrize("fails", ["prepare", "start", "raise"])
def test_an_engine_ends_what_its_hooks_refuse(fails: str) -> None:
    """A hook's error is the request's, and the next request runs; unprepare follows each request."""
    seen: list[str] = []

    def prepare(engine: CryptoEngine, req: Any) -> int:
        seen.append("prepare")
        return -EIO if req.data == "bad" and fails == "prepare" else 0

    def start(engine: CryptoEngine, req: Any) -> int:
        seen.append("start")
        if req.data == "bad":
            if fails == "raise":
                raise ValueError
            return -EIO
        crypto_finalize_request(engine, req, 0)
        return 0

    def unprepare(engine: CryptoEngine, req: Any) -> int:
        seen.append("unprepare")
        return 0

    engine = crypto_engine_alloc_init("fake", CryptoEngineOp(start, prepare, unprepare))
    crypto_engine_start(engine)
    results, done = [], threading.Semaphore(0)
    for name in ("bad", "good"):
        req = new(name=name)
        req.complete = lambda data, err: (results.append((data, err)), done.release())
        assert crypto_transfer_request_to_engine(engine, req) == -EINPROGRESS
    assert done.acquire(timeout=10)
    assert done.acquire(timeout=10)
    assert results == [("bad", -EIO), ("good", 0)]
    bad = ["prepare", "unprepare"] if fails == "prepare" else ["prepare", "start", "unprepare"]
    assert seen == [*bad, "prepare", "start", "unprepare"]
    engine.pause = lambda seconds: threading.Event().wait(0.001)
    assert crypto_engine_exit(engine) == 0


class Slow(Engine):
    """Compresses when its gate is open, later."""

    name = "slow"

    def __init__(self) -> None:
        self.gate = threading.Event()

    def offers(self) -> Sequence[Offer]:
        return [Offer("zz", "zz-slow", 200, kind="compression")]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        self.gate.wait()
        for job in burst:
            job.complete([self._one(job, source) for source, *_ in job.units])
        return len(burst)

    def _one(self, job: _core.Job, source: bytes) -> bytes | Exception:
        out = memoryview(bytearray(2 * len(source) + 100_000))
        length = (deflate if job.operation == "compress" else inflate)(memoryview(source), out)
        if length == -ENOSPC:
            return acrypto.LimitExceeded("too large", job.max_output)
        return bytes(out[:length]) if length >= 0 else acrypto.CorruptInput("damaged")


@pytest.fixture
def slow() -> Iterator[Slow]:
    """A layer with an asynchronous compressor that has passed its self-test, and is now held up."""
    engine = Slow()
    engine.gate.set()
    with acrypto.open([engine, "software"]) as layer, boot(layer):
        engine.gate.clear()
        try:
            yield engine
        finally:
            engine.gate.set()


def test_an_asynchronous_driver_of_the_layer(slow: Slow) -> None:
    """So many in flight, ten behind them, then -ENOSPC or the backlog; each ends once, in order, elsewhere."""
    tfm = crypto_alloc_acomp("zz")
    assert acomp_is_async(tfm)
    told, done = [], threading.Semaphore(0)

    def end(data: Any, err: int) -> None:
        told.append((data, err, threading.current_thread()))
        done.release()

    def submit(number: int, flags: int = 0) -> int:
        req, out = acomp_request_alloc(tfm), bytearray(100)
        acomp_request_set_params(req, [TEXT[:1], TEXT[1:]], [memoryview(out)[:5], memoryview(out)[5:]], 70, 100)
        acomp_request_set_callback(req, flags, end, number)
        return crypto_acomp_compress(req)

    queue = tfm.kernel.queue("zz-slow")
    assert (queue.max_qlen, queue.depth) == (10, HARDWARE_DEPTH)
    assert [submit(number) for number in range(HARDWARE_DEPTH)] == [-EINPROGRESS] * HARDWARE_DEPTH
    codes = [submit(number + 100) for number in range(11)]
    assert codes == [-EINPROGRESS] * 10 + [-ENOSPC]
    assert submit(200, CRYPTO_TFM_REQ_MAY_BACKLOG) == -EBUSY
    slow.gate.set()
    for _ in range(HARDWARE_DEPTH + 12):
        assert done.acquire(timeout=10)
    ends = [data for data, err, _ in told if err == 0]
    assert ends == [*range(HARDWARE_DEPTH), *range(100, 110), 200]
    assert [data for data, err, _ in told if err == -EINPROGRESS] == [200]
    assert threading.current_thread() not in {thread for *_, thread in told}


def test_an_asynchronous_driver_tells_errors(slow: Slow) -> None:
    """What goes wrong later is what the wait gives, in one piece or several; nothing is written past the end."""
    slow.gate.set()
    tfm, noise = crypto_alloc_acomp("zz"), random.Random(3).randbytes(1000)
    for places in (500, 250):
        memory = bytearray(b"\xa5" * 600)
        view = memoryview(memory)[:500]
        result = [view] if places == 500 else [view[:places], view[places:]]
        assert run(tfm, noise, result, 1000, 500)[0] == -ENOSPC
        assert memory[500:] == b"\xa5" * 100
        assert run(tfm, b"\xff" * 20, result, 20, 500, compress=False)[0] == -EINVAL
    packed = bytearray(200)
    err, length = run(tfm, TEXT, packed, 70, 200)
    assert err == 0
    assert run(tfm, packed, [bytearray(20), bytearray(20)], length, 40, compress=False)[0] == -ENOSPC


def test_a_batch_on_an_asynchronous_driver(slow: Slow) -> None:
    """Several units travel as one request."""
    slow.gate.set()
    tfm, wait = crypto_alloc_acomp("zz"), DECLARE_CRYPTO_WAIT()
    req, result = acomp_request_alloc(tfm), sgl_alloc(4096 * 3)
    acomp_request_set_params(req, TEXT * 3, result, 210, 4096 * 3)
    acomp_request_set_callback(req, 0, crypto_req_done, wait)
    acomp_request_set_unit_size(req, 70)
    assert crypto_acomp_compress(req) == -EINPROGRESS
    assert crypto_wait_req(-EINPROGRESS, wait) == 0
    assert [entry.length for entry in result] == [38] * 3


def test_closing_ends_what_waits(slow: Slow) -> None:
    """What a closing kernel has not begun ends with -ESHUTDOWN, what it has begun ends as it may."""
    queue = DriverQueue("cryptd(x)")
    begun, go = threading.Event(), threading.Event()

    def start() -> Any:
        begun.set()
        go.wait(10)
        raise acrypto.CorruptInput("x")

    told: list[Any] = []
    assert queue.submit(new(told, 0), start, lambda result: 0) == -EINPROGRESS
    assert begun.wait(10)
    assert queue.submit(new(told, 1), start, lambda result: 0) == -EINPROGRESS
    closes = threading.Thread(target=queue.close)
    closes.start()
    with queue._changed:
        assert queue._changed.wait_for(lambda: queue._closed, 10)
    go.set()
    closes.join(10)
    assert told == [(0, -EINVAL), (1, -ESHUTDOWN)]
    assert queue.submit(new(), start, lambda result: 0) == -ESHUTDOWN


def test_a_bug_in_the_middle_ends_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """An error that is none of ours is -EIO and a line in the log."""
    queue = DriverQueue("x")
    told, done = [], threading.Event()
    req = new()
    req.complete = lambda data, err: (told.append(err), done.set())
    queue.submit(req, lambda: 1 // 0, lambda result: 0)
    assert done.wait(10)
    assert told == [-EIO]
    assert "ZeroDivisionError" in caplog.text
    queue.close()


def test_full_pcrypt_is_busy() -> None:
    """Pcrypt has no backlog: when it is full it says -EAGAIN, whatever the flags."""
    queue = DriverQueue("pcrypt(x)")
    assert queue.max_qlen == 1000
    held = threading.Event()

    def start() -> Any:
        held.wait(10)
        raise acrypto.ClosedError("x")

    told: list[Any] = []
    codes = [queue.submit(new(told, n, CRYPTO_TFM_REQ_MAY_BACKLOG), start, lambda r: 0) for n in range(1002)]
    assert codes[:1000] == [-EINPROGRESS] * 1000
    assert codes[-1] == -EAGAIN
    held.set()
    queue.close()


def test_full_hardware_that_holds_nothing_is_tried_again() -> None:
    """Somebody else's work fills it: the request is put back, unprepared, and started when there is room."""
    refusals, unprepared, done = [0], [0], threading.Event()

    def start(engine: CryptoEngine, req: Any) -> int:
        if refusals[0] < 3:
            refusals[0] += 1
            return -ENOSPC
        crypto_finalize_request(engine, req, 0)
        return 0

    def unprepare(engine: CryptoEngine, req: Any) -> int:
        unprepared[0] += 1
        return 0

    op = CryptoEngineOp(start, unprepare_request=unprepare)
    engine = crypto_engine_alloc_init_and_set("fake", op, retry_support=True)
    crypto_engine_start(engine)
    req = new()
    req.complete = lambda data, err: done.set()
    assert crypto_transfer_request_to_engine(engine, req) == -EINPROGRESS
    assert done.wait(10)
    assert (refusals, unprepared) == ([3], [4])
    engine.pause = lambda seconds: threading.Event().wait(0.001)
    assert crypto_engine_exit(engine) == 0


def test_a_queue_can_be_emptied() -> None:
    """Initialised again it is empty, with another limit."""
    queue = CryptoQueue(1)
    crypto_enqueue_request(queue, new())
    crypto_enqueue_request(queue, new(flags=CRYPTO_TFM_REQ_MAY_BACKLOG))
    crypto_init_queue(queue, 5)
    assert (crypto_queue_len(queue), crypto_get_backlog(queue), queue.max_qlen) == (0, None, 5)
    assert crypto_dequeue_request(queue) is None
