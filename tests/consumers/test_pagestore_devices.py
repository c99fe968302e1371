"""Threads and tasks at once, devices that are late, lie down or die: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import acrypto
from acrypto.consumers.pagestore import PageStore
from acrypto.engines.faulty import Fault, Faulty
from acrypto.engines.simulated import Simulated

Pages = Callable[[int], bytes]

THREADS, EACH = 4, 150


def test_threads_and_tasks_at_once(layer: acrypto.Layer, page_of: Pages) -> None:
    """Each its own keys, and all of them one that is replaced again and again: it always is one of its pages."""
    shared = {page_of(n) for n in range(10_000, 10_000 + THREADS * EACH)} | {bytes(4096)}
    with PageStore(layer, max_bytes=32 << 20) as store:
        store[0] = bytes(4096)

        def thread(number: int) -> None:
            for n in range(EACH):
                key, page = (number + 1, n), page_of(number * EACH + n)
                store[key] = page
                store[0] = page_of(10_000 + number * EACH + n)
                assert store[key] == page
                assert bytes(store[0]) in shared
                if n % 3 == 0:
                    del store[key]

        async def task(number: int) -> None:
            for n in range(EACH):
                key, page = (number + 101, n), page_of(number * EACH + n)
                await store.put(key, page, mode="queued" if n % 2 else None)
                found = await store.get(key)
                assert found is not None
                assert found == page

        async def tasks() -> None:
            await asyncio.gather(*(task(number) for number in range(THREADS)))

        with ThreadPoolExecutor(THREADS + 1) as pool:
            futures = [pool.submit(thread, number) for number in range(THREADS)]
            futures.append(pool.submit(asyncio.run, tasks()))
            for future in futures:
                future.result(100)
        assert len(store) == 1 + THREADS * (EACH * 2) - THREADS * EACH // 3


def test_batches_go_through_the_layer(page_of: Pages) -> None:
    """A stronger device does the work, in batches of eight, and its statistics show it."""
    device = Simulated(priority=300, algorithms=["lz4-block"], latency_us=0)
    with acrypto.open([device]) as layer, PageStore(layer, max_bytes=8 << 20) as store:
        pages = [page_of(n) for n in range(64)]
        operation = store.put_many(range(64), pages)
        operation.wait()
        assert operation.completion.bytes_in == 64 * 4096
        assert operation.completion.device == "simulated0"
        assert [bytes(page or b"") for page in store.get_many(range(64)).wait()] == pages


@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
def test_a_device_that_dies_in_mid_batch_loses_nothing(page_of: Pages, how: str) -> None:
    device = Simulated(priority=300, algorithms=["lz4-block"], latency_us=0)
    settings = acrypto.Settings(lost_after=1)
    with acrypto.open([device, "software"], settings=settings) as layer, PageStore(layer, max_bytes=32 << 20) as store:
        device.tune("latency_us", 2000)
        pages = [page_of(n) for n in range(400)]
        store.put_many(range(400), [page_of(n + 1000) for n in range(400)]).wait()
        puts = [store.put_many(range(n, n + 40), pages[n : n + 40], mode="queued") for n in range(0, 400, 40)]
        device.kill(how)
        for put in puts:
            put.wait(60)
        assert [bytes(page or b"") for page in store.get_many(range(400), mode="inline").wait()] == pages
        device.revive()


def test_when_no_device_is_left_pages_are_kept_as_they_are(page_of: Pages) -> None:
    """The compressor fails everywhere: the store is still a store."""
    engine = Faulty(Fault("fail", every=1))
    with acrypto.open([engine]) as layer, PageStore(layer, compressor="lz4-block", max_bytes=8 << 20) as store:
        pages = [page_of(n) for n in range(30)]
        for mode in ("inline", "queued", None):
            store.put_many(range(30), pages, mode=mode).wait()
            assert [bytes(page or b"") for page in store.get_many(range(30)).wait()] == pages
        found = store.statistics()
        assert found["huge_pages"] == 30
        assert found["crypto_compress_fail"] == 90


def test_a_page_that_cannot_be_decompressed_now_is_still_there(page_of: Pages) -> None:
    engine = Faulty(Fault("fail", every=1, after=3, times=4))
    settings = acrypto.Settings(quarantine_errors=0)
    with acrypto.open([engine], settings=settings) as layer, PageStore(layer, max_bytes=8 << 20) as store:
        for n in range(3):
            store[n] = page_of(n)
        failures = 0
        for _ in range(20):
            try:
                assert store[1] == page_of(1)
            except acrypto.EngineError:
                failures += 1
        assert failures == store.statistics()["decompress_fail"]
        assert 0 < failures < 20


def test_what_is_begun_later_wins(page_of: Pages) -> None:
    """Two puts of a key on their way at once, and an invalidation of one that is."""
    device = Simulated(priority=300, algorithms=["lz4-block"], latency_us=0, jitter=0.9, window=64)
    with acrypto.open([device]) as layer, PageStore(layer, max_bytes=8 << 20, batch=1) as store:
        device.tune("latency_us", 2000)
        for round in range(5):
            first = [store.put(n, page_of(n), mode="queued") for n in range(16)]
            later = [store.put(n, page_of(n + 100 + round), mode="queued") for n in range(8)]
            for n in range(8, 12):
                store.invalidate(n)
            for operation in first + later:
                operation.wait()
            for n in range(16):
                page = store.get(n).wait()
                want = page_of(n + 100 + round) if n < 8 else None if n < 12 else page_of(n)
                assert (page and bytes(page)) == want
        assert store.statistics()["superseded_pages"] >= 5


def test_a_layer_that_closes_ends_what_is_on_its_way(page_of: Pages) -> None:
    device = Simulated(priority=300, algorithms=["lz4-block"], latency_us=0)
    layer = acrypto.open([device])
    device.tune("latency_us", 1e6)
    store = PageStore(layer, max_bytes=8 << 20)
    put = store.put_many(range(64), [page_of(n) for n in range(64)], mode="queued")
    layer.close()
    with pytest.raises(acrypto.AcryptoError):
        put.wait(60)
    with pytest.raises(acrypto.ClosedError):
        store.put(1, page_of(1)).wait()
    store.close()


def test_a_cancelled_put_pins_nothing_for_long(page_of: Pages) -> None:
    device = Simulated(priority=300, algorithms=["lz4-block"], latency_us=0)
    with acrypto.open([device]) as layer, PageStore(layer, max_bytes=8 << 20) as store:
        device.tune("latency_us", 2000)
        page = bytearray(page_of(1))
        put = store.put(1, page, mode="queued")
        put.cancel()
        store.put(2, page_of(2), mode="queued").wait()
        store.put(3, page_of(3), mode="queued").wait()
        done = threading.Event()
        for _ in range(1000):
            try:
                page.append(0)  # refused while it is lent
                done.set()
                break
            except BufferError:
                store.put(2, page_of(2), mode="queued").wait()
        assert done.is_set()
