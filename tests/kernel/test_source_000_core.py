"""What the analysis of the kernel's crypto core says: queues, templates, the engine; one test for each feature."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.kernel.codecs import comp, scomp

from acrypto.kernel import (
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EBUSY,
    EINPROGRESS,
    ENAMETOOLONG,
    ENOSPC,
    ERR_PTR,
    ESHUTDOWN,
    CryptoAsyncRequest,
    CryptoEngine,
    CryptoEngineOp,
    CryptoQueue,
    Kernel,
    aead_request_alloc,
    aead_request_set_callback,
    aead_request_set_crypt,
    boot,
    crypto_aead_encrypt,
    crypto_aead_setkey,
    crypto_alloc_aead,
    crypto_dequeue_request,
    crypto_engine_alloc_init,
    crypto_engine_alloc_init_and_set,
    crypto_engine_exit,
    crypto_engine_start,
    crypto_engine_stop,
    crypto_enqueue_request,
    crypto_finalize_request,
    crypto_get_backlog,
    crypto_has_alg,
    crypto_queue_len,
    crypto_register_alg,
    crypto_register_scomp,
    crypto_req_done,
    crypto_request_complete,
    crypto_transfer_request_to_engine,
    crypto_wait_req,
    proc_crypto,
)

QUEUE = [
    # limit, flags of each request, what enqueueing says
    (2, [0, 0, 0], [-EINPROGRESS, -EINPROGRESS, -ENOSPC]),
    (1, [0, CRYPTO_TFM_REQ_MAY_BACKLOG, 0], [-EINPROGRESS, -EBUSY, -ENOSPC]),
    (0, [0, CRYPTO_TFM_REQ_MAY_BACKLOG], [-ENOSPC, -EBUSY]),
    (1, [CRYPTO_TFM_REQ_MAY_BACKLOG] * 3, [-EINPROGRESS, -EBUSY, -EBUSY]),
]


@pytest.mark.parametrize(("limit", "flags", "codes"), QUEUE)
def test_crypto_queue(limit: int, flags: list[int], codes: list[int]) -> None:
    """Room: -EINPROGRESS. Full: -ENOSPC, or -EBUSY and the backlog, then one -EINPROGRESS, then the result."""
    queue, told = CryptoQueue(limit), []
    accepted = []
    for number, (flag, code) in enumerate(zip(flags, codes, strict=True)):
        req = CryptoAsyncRequest()
        req.flags, req.complete, req.data = flag, lambda data, err: told.append((data, err)), number
        req.begin()
        assert crypto_enqueue_request(queue, req) == code
        if code != -ENOSPC:
            accepted.append(number)
    while crypto_queue_len(queue):
        backlog, req = crypto_get_backlog(queue), crypto_dequeue_request(queue)
        if backlog is not None:
            crypto_request_complete(backlog, -EINPROGRESS)
        crypto_request_complete(req, 0)
    assert [number for number, err in told if err == 0] == accepted
    parked = [number for number, code in enumerate(codes) if code == -EBUSY]
    assert [number for number, err in told if err == -EINPROGRESS] == parked
    assert all(told.index((number, -EINPROGRESS)) < told.index((number, 0)) for number in parked)


def test_proc_table(kernel: Kernel) -> None:
    """The text has the kernel's labels in 13 columns, and reads back as what was registered."""
    crypto_register_scomp(scomp("zz", "zz-py", 7))
    crypto_register_alg(comp("zz-old", "zz-old-py", 3))
    blocks = [dict(line.split(":", 1) for line in block.splitlines()) for block in proc_crypto().strip().split("\n\n")]
    assert all(len(label) == 13 for block in blocks for label in block)
    facts = [{label.strip(): value.strip() for label, value in block.items()} for block in blocks]
    [mine] = [block for block in facts if block["driver"] == "zz-py"]
    assert {key: mine[key] for key in ("name", "priority", "selftest", "internal", "type")} == {
        "name": "zz", "priority": "7", "selftest": "passed", "internal": "no", "type": "scomp",
    }  # fmt: skip
    assert facts[0]["driver"] == "zz-old-py"
    assert facts[0]["type"] == "compression"
    assert {block["name"] for block in facts} >= {"deflate", "sha256", "gcm(aes)"}


def test_templates() -> None:
    """Instances have the kernel's names and priorities, and do the vectors; a name over 128 characters is refused."""
    with boot():
        plain = crypto_alloc_aead("gcm(aes)")
        wrapped = crypto_alloc_aead("cryptd(gcm(aes))")
        assert wrapped.driver == f"cryptd({plain.driver})"
        assert wrapped.priority == plain.priority + 50
        assert wrapped.asynchronous
        assert wrapped.kernel.queue(wrapped.driver).max_qlen == 1000
        spread = crypto_alloc_aead(f"pcrypt({plain.driver})")
        assert (spread.driver, spread.priority) == (f"pcrypt({plain.driver})", plain.priority + 100)
        for name in ("authenc(hmac(sha256),cbc(aes))", "essiv(cbc(aes),sha256)", "rfc4106(gcm(aes))"):
            assert crypto_has_alg(name)
        assert crypto_alloc_aead("cryptd(" * 20 + "gcm(aes)" + ")" * 20) == ERR_PTR(-ENAMETOOLONG)
        boxes = []
        for tfm in (plain, wrapped, spread):
            assert crypto_aead_setkey(tfm, bytes(16)) == 0
            req, wait, memory = aead_request_alloc(tfm), DECLARE_CRYPTO_WAIT(), bytearray(32)
            aead_request_set_callback(req, 0, crypto_req_done, wait)
            aead_request_set_crypt(req, memory, memory, 16, bytes(12))
            assert crypto_wait_req(crypto_aead_encrypt(req), wait) == 0
            boxes.append(bytes(memory))
        # Test case 2 of the GCM specification.
        answer = bytes.fromhex("0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf")
        assert boxes == [answer] * 3


def test_pcrypt_completes_in_order() -> None:
    """Whatever finishes first, completions come in the order of submission."""
    with boot():
        tfm = crypto_alloc_aead("pcrypt(gcm(aes))")
        crypto_aead_setkey(tfm, bytes(16))
        ended, done = [], threading.Semaphore(0)

        def told(number: int, err: int) -> None:
            ended.append((number, err))
            done.release()

        requests = []
        for number in range(40):
            req, size = aead_request_alloc(tfm), 100_000 if number % 4 == 0 else 16
            memory = bytearray(size + 16)
            aead_request_set_callback(req, 0, told, number)
            aead_request_set_crypt(req, memory, memory, size, bytes(12))
            assert crypto_aead_encrypt(req) == -EINPROGRESS
            requests.append(req)
        for _ in requests:
            assert done.acquire(timeout=10)
        assert ended == [(number, 0) for number in range(40)]


def test_engine() -> None:
    """Ten in the queue, full hardware keeps the order, stopping waits 500 times 20 ms, after it -ESHUTDOWN."""
    started: list[Any] = []
    arrived = threading.Semaphore(0)

    def start(engine: CryptoEngine, req: CryptoAsyncRequest) -> int:
        started.append(req)
        arrived.release()
        return 0

    engine = crypto_engine_alloc_init("fake", CryptoEngineOp(start))
    pauses: list[float] = []
    engine.pause = pauses.append

    def new() -> CryptoAsyncRequest:
        req = CryptoAsyncRequest()
        req.begin()
        return req

    assert crypto_transfer_request_to_engine(engine, new()) == -ESHUTDOWN
    assert crypto_engine_start(engine) == 0
    assert crypto_engine_start(engine) == -EBUSY
    assert crypto_transfer_request_to_engine(engine, new()) == -EINPROGRESS
    assert arrived.acquire(timeout=10)
    assert [crypto_transfer_request_to_engine(engine, new()) for _ in range(11)] == [-EINPROGRESS] * 10 + [-ENOSPC]
    assert len(started) == 1
    assert crypto_engine_stop(engine) == -EBUSY
    assert (len(pauses), sum(pauses)) == (500, pytest.approx(10))
    for number in range(11):
        crypto_finalize_request(engine, started[number], 0)
        assert number == 10 or arrived.acquire(timeout=10)
    engine.pause = lambda seconds: threading.Event().wait(0.001)
    assert crypto_engine_stop(engine) == 0
    assert crypto_transfer_request_to_engine(engine, new()) == -ESHUTDOWN
    assert crypto_engine_exit(engine) == 0


def test_engine_retry() -> None:
    """Hardware that says -ENOSPC gets the same request again, first, when it has finished another one."""
    taken: list[int] = []
    full, arrived = threading.Event(), threading.Semaphore(0)

    def start(engine: CryptoEngine, req: CryptoAsyncRequest) -> int:
        if len(taken) - finished[0] >= 4:
            full.set()
            return -ENOSPC
        taken.append(req.data)
        arrived.release()
        return 0

    finished = [0]
    engine = crypto_engine_alloc_init_and_set("fake", CryptoEngineOp(start), retry_support=True)
    crypto_engine_start(engine)
    requests = []
    for number in range(10):
        req = CryptoAsyncRequest()
        req.data = number
        req.begin()
        requests.append(req)
        assert crypto_transfer_request_to_engine(engine, req) == -EINPROGRESS
    assert full.wait(10)
    for number in range(10):
        assert arrived.acquire(timeout=10)
        finished[0] += 1
        crypto_finalize_request(engine, requests[number], 0)
    assert taken == list(range(10))
    assert crypto_engine_exit(engine) == 0
