"""What goes in comes out, whatever it is like, and what is counted is so."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import acrypto
from acrypto.consumers.pagestore import PageStore

Pages = Callable[[int], bytes]


@pytest.mark.parametrize("compressor", ["lz4", "deflate", "zstd", "deflate-libdeflate", "deflate-canned", "gzip"])
@pytest.mark.parametrize("size", [512, 4096, 65536])
def test_every_compressor_gives_back_what_it_was_given(
    layer: acrypto.Layer, page_of: Pages, compressor: str, size: int
) -> None:
    known = layer.offers()
    if compressor not in {offer.algorithm for offer in known} | {offer.driver for offer in known}:
        pytest.skip(f"nothing here is called {compressor}")
    with PageStore(layer, compressor=compressor, page_size=size, max_bytes=16 << 20) as store:
        pages = [(page_of(number) * 16)[:size] for number in range(20)]
        store.put_many(range(20), b"".join(pages)).wait()
        assert [bytes(page) for page in store.get_many(range(20)).wait() if page is not None] == pages
        assert all(store[number] == page for number, page in enumerate(pages))


@pytest.mark.parametrize("mode", ["inline", "queued", None])
def test_one_and_many_in_every_mode(layer: acrypto.Layer, page_of: Pages, mode: str | None) -> None:
    with PageStore(layer, max_bytes=16 << 20, batch=3) as store:
        store.put((7, 1), page_of(0), mode=mode).wait()
        store.put_many([(7, n) for n in range(2, 12)], [page_of(n) for n in range(2, 12)], mode=mode).wait()
        assert (7, 1) in store
        assert 1 not in store
        assert len(store) == 11
        into = bytearray(b"\xff" * 3 * 4096)
        assert store.get_many([(7, 1), (7, 99), (7, 5)], into=into, mode=mode).wait() == [True, False, True]
        assert into == page_of(0) + b"\xff" * 4096 + page_of(5)
        assert store.get((7, 99), mode=mode).wait() is None
        assert store.get((7, 1), into=into, mode=mode).wait() is True
        assert sorted(store) == [(7, n) for n in range(1, 12)]
        assert store.clear(6) == 0
        assert store.clear(7) == 11


def test_pages_of_one_word_cost_no_pool(layer: acrypto.Layer) -> None:
    with PageStore(layer, max_bytes=1 << 20) as store:
        words = [bytes([n] * 8) if n else b"\x01\x02\x03\x04\x05\x06\x07\x08" for n in range(200)]
        store.put_many(range(200), b"".join(word * 512 for word in words)).wait()
        found = store.statistics()
        assert found["same_filled_pages"] == found["same_pages"] == found["stored_pages"] == 200
        assert found["pool_total_size"] == found["compr_data_size"] == 0
        assert store.oldest(1) == []
        assert [bytes(page or b"") for page in store.get_many(range(200)).wait()] == [word * 512 for word in words]


def test_pages_that_do_not_compress_are_kept_as_they_are(layer: acrypto.Layer, noise_of: Pages) -> None:
    with PageStore(layer, max_bytes=4 << 20) as store:
        for number in range(64):
            store[number] = noise_of(number)
        found = store.statistics()
        assert found["huge_pages"] == found["stored_incompressible_pages"] == 64
        assert found["compr_data_size"] == 64 * 4096 == found["pool_total_size"]
        assert all(store[number] == noise_of(number) for number in range(64))


def test_a_page_may_come_in_pieces(layer: acrypto.Layer, page_of: Pages, noise_of: Pages) -> None:
    with PageStore(layer, max_bytes=4 << 20) as store:
        for number, page in enumerate((page_of(1), noise_of(1), b"ABCDEFGH" * 512)):
            store.put(number, [page[:1000], memoryview(page)[1000:]]).wait()
            assert store[number] == page
        assert store.statistics()["same_filled_pages"] == 1


def test_a_later_page_takes_the_place_of_an_earlier_one(layer: acrypto.Layer, page_of: Pages, noise_of: Pages) -> None:
    with PageStore(layer, max_bytes=4 << 20) as store:
        for page in (page_of(1), noise_of(1), bytes(4096), page_of(2), b"\x07" * 4096, noise_of(2)):
            store[5] = page
            assert store[5] == page
            assert len(store) == store.statistics()["stored_pages"] == 1
        del store[5]
        found = store.statistics()
        levels = ("stored_pages", "same_pages", "huge_pages", "compr_data_size", "pool_total_size", "pool_free_size")
        assert [found[name] for name in levels] == [0] * 6


def test_what_is_not_there_is_told(layer: acrypto.Layer) -> None:
    with PageStore(layer, max_bytes=1 << 20) as store:
        assert store.get(1).wait() is None
        assert store.invalidate(1) is False
        with pytest.raises(KeyError):
            store[1]
        with pytest.raises(KeyError):
            del store[1]
        assert store.get_many([]).wait() == []
        store.put_many([], b"").wait()


@pytest.mark.parametrize(
    ("keys", "pages", "told"),
    [
        ([1, 2], bytes(4096), "2 keys for 1 pages"),
        ([1], bytes(4095), "a page of 4095 bytes; the store's have 4096"),
        ([-1], bytes(4096), "a key is -1; it must be in 0 to 2^64 - 1"),
        ([(1 << 32, 0)], bytes(4096), "the area of a key is 4294967296; it must be in 0 to 2^32 - 1"),
        ([1 << 80_000], bytes(4096), "a key is too long a number to write; it must be in"),
        ([(1, 2, 3)], bytes(4096), "a key of 3 parts; it must be an offset, or an area and an offset"),
        ([()], bytes(4096), "a key of 0 parts"),
        ([True], bytes(4096), "a key is True; it must be a number in 0 to 2^64 - 1"),
        ([(False, 1)], bytes(4096), "the area of a key is False"),
        ([(1, True)], bytes(4096), "the offset of a key is True"),
    ],
)
def test_wrong_arguments_are_refused_with_value_and_limit(
    layer: acrypto.Layer, keys: list[Any], pages: bytes, told: str
) -> None:
    with PageStore(layer, max_bytes=1 << 20) as store, pytest.raises(acrypto.UsageError, match=re.escape(told)):
        store.put_many(keys, pages)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("page_size", [3000, 256, 1 << 21, 0, -1, 1 << 70]),
        ("batch", [0, -1, 1025, 1 << 40, 1 << 70]),
        ("max_bytes", [1000, 0, -1, (1 << 44) + 1, 1 << 70]),
        ("writeback_bytes", [0, -1, (1 << 44) + 1, 1 << 70]),
    ],
)
def test_wrong_settings_are_refused_with_value_and_limit(
    layer: acrypto.Layer, tmp_path: Path, name: str, values: list[int]
) -> None:
    for value in values:
        settings: dict[str, Any] = {name: value}
        with pytest.raises(acrypto.UsageError, match=rf"^{name} is {value}\b.* must be .* to \d+$"):
            PageStore(layer, writeback=tmp_path / "pages", **settings)
    assert not (tmp_path / "pages").exists()


def test_wrong_counts_and_areas_are_refused(layer: acrypto.Layer) -> None:
    with PageStore(layer, max_bytes=1 << 20) as store:
        for call in (store.write_back, store.oldest, store.clear):
            for value in (-1, 1 << 70):
                with pytest.raises(acrypto.UsageError, match=f"is {value}; it must be in 0 to 2"):
                    call(value)


def test_only_compressions_will_do(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UsageError):
        PageStore(layer, compressor="sha256")
    with pytest.raises(acrypto.UnknownAlgorithm):
        PageStore(layer, compressor="squeeze")


def test_a_closed_store_refuses_and_holds_nothing(layer: acrypto.Layer) -> None:
    store = PageStore(layer, max_bytes=1 << 20)
    store[1] = bytes(4096)
    store.close()
    store.close()
    assert len(store) == 0
    with pytest.raises(acrypto.ClosedError):
        store[1] = bytes(4096)
    with pytest.raises(acrypto.ClosedError):
        store.get(1)


def test_a_get_into_memory_that_is_too_small_writes_nothing(layer: acrypto.Layer, page_of: Pages) -> None:
    with PageStore(layer, max_bytes=1 << 20) as store:
        store[1] = page_of(1)
        into = bytearray(b"\xee" * 4095)
        with pytest.raises(acrypto.OutputTooSmall):
            store.get(1, into=into)
        assert into == b"\xee" * 4095


def test_a_put_that_nobody_awaits_is_done(layer: acrypto.Layer, page_of: Pages) -> None:
    """Its result is stored by the thread that brings it."""

    async def main() -> None:
        with PageStore(layer, max_bytes=8 << 20) as store:
            operations = [store.put(n, page_of(n), mode="queued") for n in range(50)]
            for operation in operations:
                operation.wait()
            assert len(store) == 50
            pages = await store.get_many(range(50))
            assert [bytes(page or b"") for page in pages] == [page_of(n) for n in range(50)]

    asyncio.run(main())


def test_memory_is_counted_with_all_that_it_needs(layer: acrypto.Layer, page_of: Pages) -> None:
    """A page costs a few hundred bytes at most beside what is kept of it."""
    with PageStore(layer, max_bytes=64 << 20) as store:
        store.put_many(range(4000), [page_of(n) for n in range(4000)]).wait()
        found = store.statistics()
        assert found["mem_used_total"] == found["pool_total_size"] + found["table_size"]
        assert found["table_size"] < 128 * 4000 + 65536
        assert found["compr_data_size"] + found["pool_free_size"] <= found["pool_total_size"]
        assert found["mem_used_total"] < 1.1 * found["compr_data_size"] + 128 * 4000 + (4 << 20)
        assert store.ratio > 1.3


def test_freed_places_are_brought_together(layer: acrypto.Layer, page_of: Pages) -> None:
    with PageStore(layer, max_bytes=64 << 20) as store:
        store.put_many(range(4000), [page_of(n) for n in range(4000)]).wait()
        for number in range(4000):
            if number % 4:
                store.invalidate(number)
        before = store.statistics()
        assert store.compact() > 0
        after = store.statistics()
        assert after["pool_total_size"] < before["pool_total_size"] // 2
        assert after["pages_compacted"] > 0
        assert all(store[number] == page_of(number) for number in range(0, 4000, 4))


@pytest.mark.parametrize("mode", ["inline", "queued"])
def test_of_two_pages_for_one_key_the_last_one_stays(layer: acrypto.Layer, page_of: Pages, mode: str) -> None:
    """Whatever they are like: what needs no compressor is not stored before what comes first."""
    with PageStore(layer, max_bytes=4 << 20, batch=1) as store:
        for pages in ([page_of(1), bytes(4096)], [bytes(4096), page_of(1)], [page_of(1), page_of(2), page_of(3)]):
            store.put_many([9] * len(pages), pages, mode=mode).wait()
            assert store[9] == pages[-1]
            assert len(store) == 1


def test_pages_that_are_not_there_show_no_other_memory(layer: acrypto.Layer, page_of: Pages) -> None:
    with PageStore(layer, max_bytes=4 << 20) as store:
        store.put_many(range(64), [page_of(n) for n in range(64)]).wait()
        for _ in range(3):
            views = store.get_many(range(60, 124)).wait()
            whole = bytes(next(view for view in views if view is not None).obj)
            assert whole[4 * 4096 :] == bytes(60 * 4096)
            del views


def test_a_forked_child_is_refused_and_takes_nothing_away(page_of: Pages, tmp_path: Path) -> None:
    with acrypto.open() as layer:
        store = PageStore(layer, max_bytes=4 << 20, writeback=tmp_path / "pages")
        store[1] = page_of(1)
        child = os.fork()
        if child == 0:
            refused = 0
            for call in (lambda: store[1], lambda: len(store), store.statistics, lambda: store.put(2, page_of(2))):
                try:
                    call()
                except acrypto.ClosedError:
                    refused += 1
            store.close()
            os._exit(0 if refused == 4 and (tmp_path / "pages").exists() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store[1] == page_of(1)
        store.close()
        assert not (tmp_path / "pages").exists()
