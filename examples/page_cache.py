"""A page store with a small budget and a file behind it, used by threads and by an event loop at once."""

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import acrypto
from acrypto.consumers.pagestore import PageStore

PAGE, COUNT = 4096, 600


def page(number: int) -> bytes:
    text = b"page %d of somebody's memory. " % number * 60
    return (text + os.urandom(1200) + bytes(PAGE))[:PAGE]


async def main() -> None:
    pages = [page(number) for number in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        async with (
            acrypto.open() as layer,
            PageStore(layer, max_bytes=1 << 20, writeback=Path(folder, "pages"), writeback_bytes=8 << 20) as store,
        ):
            # Threads, as a block device would have them: one page after the other.
            def thread(first: int) -> None:
                for number in range(first, COUNT // 2, 2):
                    store[number] = pages[number]

            with ThreadPoolExecutor() as pool:
                await asyncio.gather(*(asyncio.to_thread(pool.submit(thread, first).result) for first in (0, 1)))

            # A loop: many at once, eight of them in a batch for the compressor.
            await store.put_many(range(COUNT // 2, COUNT), pages[COUNT // 2 :])

            into = bytearray(COUNT * PAGE)
            assert all(await store.get_many(range(COUNT), into=into))
            assert into == b"".join(pages)
            found = store.statistics()
            print(store)
            print(f"{found['orig_data_size']} bytes of pages, {found['compr_data_size']} compressed,", end=" ")
            print(f"{found['mem_used_total']} of memory; {found['bd_count']} pages lie in the file")


asyncio.run(main())
