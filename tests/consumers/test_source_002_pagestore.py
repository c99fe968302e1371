"""The IAA driver's users, as its cover letter has them: zswap, and a test program whose pages are swapped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

import acrypto
from acrypto.cli.bench import command
from acrypto.cli.benches import memory, pagestore
from acrypto.consumers.pagestore import PageStore
from acrypto.engines.simulated import Simulated

Pages = Callable[[int], bytes]

COMPRESSORS = ("lz4", "deflate", "deflate-libdeflate", "deflate-iaa", "deflate-iaa-dynamic", "deflate-canned", "zstd")


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_zswap_like_user(page_of: Pages, compressor: str) -> None:
    """A pool's compressor is a parameter; pages go through it, one by one and in folios of eight, and come back."""
    engines = ["iaa", "software"] if "iaa" in compressor else ["software"]
    try:
        layer = acrypto.open(engines)
    except (acrypto.UsageError, acrypto.NoEngine) as error:
        pytest.skip(f"no {compressor}: {error}")
    with layer:
        try:
            store = PageStore(layer, compressor=compressor, max_bytes=8 << 20, batch=8)
        except (acrypto.UnknownAlgorithm, acrypto.NoEngine) as error:
            pytest.skip(f"no {compressor}: {error}")
        with store:
            pages = [page_of(n) for n in range(64)]
            for n in range(8):
                store[n] = pages[n]
            store.put_many(range(8, 64), b"".join(pages[8:])).wait()
            assert [bytes(page or b"") for page in store.get_many(range(64)).wait()] == pages
            found = store.statistics()
            assert found["stored_pages"] == 64
            assert found["compr_data_size"] < found["orig_data_size"]
            assert store.invalidate(3)
            assert store.get(3).wait() is None


def test_zswap_like_user_waits_on_a_callback(page_of: Pages) -> None:
    """crypto_wait_req: submit, sleep until the device tells, go on; here a task of an event loop does."""

    async def use() -> None:
        engine = Simulated(priority=300, algorithms=["deflate"], latency_us=100)
        async with acrypto.open([engine]) as layer, PageStore(layer, compressor="deflate", max_bytes=8 << 20) as store:
            operation = store.put(1, page_of(1))
            assert not operation.done()
            await operation
            assert operation.completion is not None
            assert operation.completion.device == "simulated0"
            page = await store.get(1)
            assert page == page_of(1)

    asyncio.run(use())


def test_madvise_like_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 1's shape: a row for each mode, nanoseconds to compress and to decompress, beside software's."""
    monkeypatch.setattr(pagestore, "PAGES", 16)
    monkeypatch.setattr(pagestore, "ROUNDS", 1)
    done = CliRunner().invoke(command, ["pagestore", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.output)["pagestore"]}
    assert rows["published: iaa sync"]["compress_ns"] == 3177
    for name in ("iaa sync", "iaa async_irq", "iaa async, polled"):
        assert "skipped" in rows[name] or rows[name]["ratio"] > 1
    for name in ("simulated, interrupt", "simulated, polled", "software deflate", "software lz4"):
        row = rows[name]
        assert row["compress_ns"] > 0
        assert row["decompress_ns"] > 0
        assert row["put_per_s"] > 0
        assert row["get_per_s"] > 0
        assert row["ratio"] > 1
        assert row["compress_ns"] >= row["compress_run_ns"]
    told = CliRunner().invoke(command, ["pagestore"])
    assert "compress ns" in told.output


def test_pages_are_the_programs_own() -> None:
    mark = bytearray(b"a page that is found again. " * 50_000)
    found = memory.pages(1 << 20)
    assert found
    assert all(len(page) == memory.PAGE for page in found)
    assert sum(b"a page that is found again. " * 10 in page for page in found) > len(mark) // memory.PAGE // 2


def test_memory_that_may_not_be_read_is_told() -> None:
    with pytest.raises(acrypto.UsageError, match="cannot be read"):
        memory.pages(1, 1 << 22)
