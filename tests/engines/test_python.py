"""Engines written in Python: a real one in a few lines, and all the ways to get it wrong."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Callable, Sequence

import pytest

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer

DATA = b"some text, " * 500


class Zlib(Engine):
    """Deflate by the standard library."""

    name = "zlib"

    def __init__(self) -> None:
        self.closed = 0

    def offers(self) -> Sequence[Offer]:
        return [Offer("deflate", "deflate-stdlib", 200)]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        for job in burst:
            work = self._compress if job.operation == "compress" else self._decompress
            job.complete([work(source, job) for source, *_ in job.units])
        return len(burst)

    def close(self) -> None:
        self.closed += 1

    def _compress(self, source: bytes, job: _core.Job) -> bytes:
        return zlib.compress(source, job.params.get("level", 6), -15)

    def _decompress(self, source: bytes, job: _core.Job) -> bytes | Exception:
        inflate = zlib.decompressobj(-15)
        try:
            plain = inflate.decompress(source, job.max_output + 1)
        except zlib.error as error:
            return acrypto.CorruptInput(str(error))
        if len(plain) > job.max_output:
            return acrypto.LimitExceeded("too much", job.max_output)
        if not inflate.eof or inflate.unused_data:
            return acrypto.CorruptInput("truncated, or followed by something else")
        return plain


class Acts(Engine):
    """Whatever a test wants of `submit`."""

    name = "acts"
    selftest = False  # most of what tests want of it is wrong

    def __init__(self, submit: Callable[[Sequence[_core.Job]], object]) -> None:
        self.submit = submit  # type: ignore[assignment, method-assign]
        self.closed = 0

    def offers(self) -> Sequence[Offer]:
        return [Offer(name, f"{name}-acts", 200) for name in ("sha256", "gzip", "gcm(aes)")]

    def close(self) -> None:
        self.closed += 1


def complete(job: _core.Job, result: bytes = b"r" * 32) -> None:
    job.complete([result for _ in job.units])


# ---- A sound one


def test_it_serves_threads() -> None:
    engine = Zlib()
    with acrypto.open([engine, "software"]) as layer:
        operation = layer.compress("deflate", DATA, level=9)
        packed = operation.wait(10)
        assert zlib.decompress(packed, -15) == DATA
        assert operation.completion is not None
        assert (operation.completion.device, operation.completion.lane) == ("zlib0", "queued")
        assert layer.decompress("deflate", packed).wait(10) == DATA
        assert layer.decompress("deflate", packed, device="software0").wait(10) == DATA
        with pytest.raises(acrypto.CorruptInput):
            layer.decompress("deflate", b"\xff" * 20).wait(10)
        assert layer.digest("sha256", b"x").wait(10) == acrypto.sha256(b"x")
    assert engine.closed == 1


def test_it_serves_a_loop_and_many() -> None:
    async def main() -> None:
        async with acrypto.open([Zlib()]) as layer:
            packed = await asyncio.gather(*(layer.compress("deflate", DATA) for _ in range(200)))
            assert {zlib.decompress(one, -15) for one in packed} == {DATA}
            transform = layer.transform("deflate", level=1)
            units = await transform.compress_many(DATA, unit=1000)
            assert b"".join(zlib.decompress(unit, -15) for unit in units) == DATA
            assert layer.lingering() == 0

    asyncio.run(main())


def test_it_writes_into_the_callers_buffer_and_never_past_it() -> None:
    with acrypto.open([Zlib()]) as layer:
        transform = layer.transform("deflate")
        packed = bytes(transform.compress(DATA).wait(10))
        into = bytearray(len(DATA))
        assert transform.decompress(packed, into=into).wait(10) == len(DATA)
        assert into == DATA
        small = bytearray(100)
        with pytest.raises(acrypto.OutputTooSmall):
            transform.decompress(packed, into=small).wait(10)


def test_max_output_holds_for_a_python_engine_too() -> None:
    with acrypto.open([Zlib()]) as layer:
        packed = layer.compress("deflate", DATA).wait(10)
        with pytest.raises(acrypto.LimitExceeded):
            layer.decompress("deflate", packed, max_output=100).wait(10)


def test_a_job_tells_all_that_is_needed() -> None:
    seen: dict[str, object] = {}

    def submit(burst: Sequence[_core.Job]) -> int:
        [job] = burst
        seen.update(operation=job.operation, algorithm=job.algorithm, params=job.params, units=job.units)
        seen["completed"] = (job.is_open, job.complete([b"box"]), job.complete([b"again"]), job.is_open, job.units)
        return 1

    with acrypto.open([Acts(submit)]) as layer:
        aead = layer.transform("gcm(aes)", key=b"k" * 16, tag_len=12)
        assert aead.encrypt(b"n" * 12, [b"da", b"ta"], [b"a", b"d"]).wait(10) == b"box"
    assert (seen["operation"], seen["algorithm"]) == ("encrypt", "gcm(aes)")
    assert seen["params"] == {"key": b"k" * 16, "tag_len": 12}
    assert seen["units"] == [(b"data", b"n" * 12, b"ad", b"")]
    assert seen["completed"] == (True, True, False, False, [])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, acrypto.Buffer])
def test_results_may_be_anything_bytes_like(kind: type) -> None:
    def submit(burst: Sequence[_core.Job]) -> int:
        for job in burst:
            job.complete([acrypto.compress("gzip", DATA) if kind is acrypto.Buffer else kind(b"result")])
        return len(burst)

    with acrypto.open([Acts(submit)]) as layer:
        got = layer.compress("gzip", b"x").wait(10)
        assert got == b"result" or acrypto.decompress("gzip", got) == DATA


# ---- Back-pressure


def test_taking_fewer_is_ordinary() -> None:
    turns = [0]

    def submit(burst: Sequence[_core.Job]) -> int:
        turns[0] += 1
        if turns[0] % 3:
            return 0
        complete(burst[0])
        return 1

    with acrypto.open([Acts(submit)]) as layer:
        operations = [layer.digest("sha256", b"x") for _ in range(10)]
        assert {operation.wait(10) for operation in operations} == {b"r" * 32}


def test_completing_later_from_another_thread_is_ordinary() -> None:
    held: list[_core.Job] = []
    ready = threading.Semaphore(0)

    def submit(burst: Sequence[_core.Job]) -> int:
        held.extend(burst)
        for _ in burst:
            ready.release()
        return len(burst)

    def finish() -> None:
        for _ in range(50):
            ready.acquire()
            complete(held.pop(0))

    async def main() -> None:
        async with acrypto.open([Acts(submit)]) as layer:
            thread = threading.Thread(target=finish)
            thread.start()
            operations = [layer.digest("sha256", b"x") for _ in range(50)]
            assert set(await asyncio.gather(*operations)) == {b"r" * 32}
            thread.join()

    asyncio.run(main())


def test_closing_while_it_refuses_closes_it_once() -> None:
    refused = threading.Event()

    def submit(burst: Sequence[_core.Job]) -> int:
        refused.set()
        return 0

    engine = Acts(submit)
    layer = acrypto.open([engine])
    operation = layer.digest("sha256", b"x")
    assert refused.wait(10)
    layer.close()
    with pytest.raises(acrypto.ClosedError):
        operation.wait(5)
    assert engine.closed == 1
    assert layer.lingering() == 0


# ---- Wrong ones


@pytest.mark.parametrize(
    "error", [ValueError("a mistake"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_one_that_raises_is_an_internal_error_and_goes_on(error: BaseException) -> None:
    def submit(burst: Sequence[_core.Job]) -> int:
        if burst[0].units[0][0] == b"bad":
            raise error
        for job in burst:
            complete(job)
        return len(burst)

    with acrypto.open([Acts(submit)]) as layer:
        with pytest.raises(acrypto.InternalError, match=type(error).__name__):
            layer.digest("sha256", b"bad").wait(5)
        assert layer.digest("sha256", b"good").wait(5) == b"r" * 32
    assert layer.lingering() == 0


@pytest.mark.parametrize("answer", [None, "all", -1])
def test_one_that_does_not_tell_how_many_it_took_is_found_out(answer: object) -> None:
    with acrypto.open([Acts(lambda burst: answer)]) as layer:
        for _ in range(2):
            with pytest.raises(acrypto.InternalError):
                layer.digest("sha256", b"x").wait(5)


def test_one_that_forgets_a_job_loses_the_operation() -> None:
    with acrypto.open([Acts(len)]) as layer:
        for _ in range(2):
            with pytest.raises(acrypto.DeviceLost):
                layer.digest("sha256", b"x").wait(5)
    assert layer.lingering() == 0


def test_one_that_keeps_its_jobs_cannot_keep_a_layer_from_closing() -> None:
    kept: list[_core.Job] = []

    def submit(burst: Sequence[_core.Job]) -> int:
        kept.extend(burst)
        return len(burst)

    source = bytearray(b"x")
    layer = acrypto.open([Acts(submit)])
    operation = layer.digest("sha256", source)
    while not kept:
        pass
    layer.close()
    with pytest.raises((acrypto.ClosedError, acrypto.DeviceLost)):
        operation.wait(5)
    assert complete(kept[0]) is None
    with pytest.raises((acrypto.ClosedError, acrypto.DeviceLost)):
        operation.result()


@pytest.mark.parametrize("results", [[], [b"r", 5], ["text"], [None], [ValueError("of its own")]])
def test_wrong_results_are_told_and_nothing_hangs(results: list[object]) -> None:
    def submit(burst: Sequence[_core.Job]) -> int:
        for job in burst:
            job.complete(results)  # type: ignore[arg-type]
        return len(burst)

    with acrypto.open([Acts(submit)]) as layer:
        many = layer.transform("sha256").digest_many([b"x", b"y"], return_exceptions=True).wait(5)
        assert any(isinstance(result, (acrypto.EngineError, acrypto.InternalError)) for result in many)


@pytest.mark.parametrize(
    "error", [acrypto.CorruptInput("no", 7), acrypto.LimitExceeded("no", 7), acrypto.AuthenticationError("no")]
)
def test_errors_of_ours_arrive_as_they_are(error: acrypto.AcryptoError) -> None:
    def submit(burst: Sequence[_core.Job]) -> int:
        for job in burst:
            job.complete([error])
        return len(burst)

    with acrypto.open([Acts(submit)]) as layer, pytest.raises(type(error)) as caught:
        layer.digest("sha256", b"x").wait(5)
    for fact in ("offset", "limit"):
        assert getattr(caught.value, fact, None) == getattr(error, fact, None)


def test_what_was_cancelled_or_expired_never_reaches_it() -> None:
    gate, arrived, seen = threading.Event(), threading.Event(), []

    def submit(burst: Sequence[_core.Job]) -> int:
        arrived.set()
        gate.wait()
        for job in burst:
            seen.append(job.units[0][0])
            complete(job)
        return len(burst)

    with acrypto.open([Acts(submit)]) as layer:
        first = layer.digest("sha256", b"first")
        assert arrived.wait(10)
        cancelled = layer.digest("sha256", b"cancelled")
        expired = layer.digest("sha256", b"expired", deadline=0)
        cancelled.cancel()
        gate.set()
        assert first.wait(10) == b"r" * 32
        with pytest.raises(acrypto.DeadlineExceeded):
            expired.wait(10)
    assert seen == [b"first"]
