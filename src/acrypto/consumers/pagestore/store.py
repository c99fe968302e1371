"""`PageStore`: pages of one size by key, compressed in memory up to a budget, then in a file."""

from __future__ import annotations

from typing import overload

from acrypto._core import PageStore as Native
from acrypto.consumers.pagestore.names import compressor as by_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from types import TracebackType
    from typing import Literal, Self, TypeAlias

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation
    from acrypto.layer.layer import Layer
    from acrypto.model.sources import Source

    #: An offset, or an area and an offset as swap entries have: 32 and 64 bits. An int is the offset in area 0.
    Key: TypeAlias = int | tuple[int, int]
    Mode: TypeAlias = Literal["inline", "queued"] | None


class PageStore:
    """A compressed page store, as zswap and zram are: put, get and invalidate by key.

    Every method that compresses or decompresses gives an `Operation`: await it in the event loop that called, or
    `wait()` for it in a thread. A put is done whether or not anybody waits for it. In a thread without an event loop
    short engines run on the thread itself; in a loop only what is short does. `store[key]`, `store[key] = page`,
    `del store[key]` and `in` are the face for threads. Safe from any number of threads and loops.

    - A page of one 8-byte word again and again is kept as that word.
    - Batches of `batch` pages go to the compressor together, through the layer: its balancer, second tries and
      statistics take part. A page whose compressor failed, everywhere, is kept as it is; so is one that would lie in
      memory where an uncompressed page lies (zram's rule, from 4/5 to 8/9 of a page; zswap's is a whole page).
    - Compressed pages lie in slabs. Pages, slabs and tables together take at most `max_bytes`. Beyond, the page used
      least recently is written to `writeback`, compressed as it is, with a CRC-64 kept in memory; without a file, or
      when it is full or fails, the put is refused and nothing that was stored is lost.
    - A get of a page that was written back reads it, and leaves it there.
    - When two puts of one key are on their way, the one begun later wins.

    Args:
        layer: where compression runs; stays open for as long as the store is used.
        compressor: an algorithm or one driver by name: `lz4`, `zstd`, `deflate`, `deflate-iaa`, `deflate-canned`.
            `lz4` is the block format, as in the kernel.
        page_size: bytes; a power of two from 512 to 2^20.
        max_bytes: of memory; at least 32 pages and 64 KiB, at most 2^44.
        batch: pages that go to the compressor together; 1 to 1024.
        writeback: a path for a file that only this store may use; emptied and made 0600 now, removed by `close` unless
            another file is there by then. If it exists it is a regular file of this user's, with no other name and no
            symbolic link.
        writeback_bytes: the most that the file may hold; 1 to 2^44.
        level: of the compressor.
        strategy: "fixed" for fixed Huffman codes (deflate family).
        verify: whether each page is decompressed again before it is kept.

    Raises:
        UsageError: a setting is out of its range, or the file is another store's or user's, or none.
        UnknownAlgorithm, NoEngine: of the compressor.
        EngineError: the file cannot be opened.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        compressor: str = "lz4",
        page_size: int = 4096,
        max_bytes: int = 256 << 20,
        batch: int = 8,
        writeback: str | PathLike[str] | None = None,
        writeback_bytes: int = 1 << 30,
        level: int | None = None,
        strategy: str | None = None,
        verify: bool = False,
    ) -> None:
        transform = by_name(layer, compressor, level=level, strategy=strategy, verify=verify)
        self.compressor = compressor
        self.page_size = page_size
        self.max_bytes = max_bytes
        self._native = Native(
            transform,
            page_size=page_size,
            max_bytes=max_bytes,
            batch=batch,
            path=writeback,
            file_bytes=writeback_bytes,
        )

    # ---- Pages

    def put(self, key: Key, page: Source, *, mode: Mode = None) -> Operation[None]:
        """Stores a page under a key, in place of what was there.

        Args:
            key: see the class.
            page: exactly `page_size` bytes; borrowed until the operation ends.
            mode: "inline" for this thread, "queued" for a device's queue; see the class for what None means.

        Raises:
            UsageError: the page has another size, or the key is out of range.
            QueueFull: (of the operation) the budget is used up, and nothing can be written back; what was stored under
                the key before still is.
            ClosedError: the store or its layer is closed.
        """
        return self._native.put(key, page, mode=mode)

    def put_many(
        self, keys: Iterable[Key], pages: BytesLike | Iterable[Source], *, mode: Mode = None
    ) -> Operation[None]:
        """Stores many pages: one buffer with one page after the other, or something that gives them one by one.

        Raises what `put` does. Where one page fails, the others are stored all the same.
        """
        return self._native.put_many(keys, pages, mode=mode)

    @overload
    def get(self, key: Key, *, into: None = None, mode: Mode = None) -> Operation[Buffer | None]: ...
    @overload
    def get(self, key: Key, *, into: BytesLike, mode: Mode = None) -> Operation[bool]: ...
    def get(
        self, key: Key, *, into: BytesLike | None = None, mode: Mode = None
    ) -> Operation[Buffer | None] | Operation[bool]:
        """A page, or None if there is none; with `into`, which is written to, whether there is one.

        Raises:
            CorruptInput: (of the operation) the copy in the file is damaged.
            EngineError: (of the operation) the file cannot be read, or every device failed; the page is still there.
            OutputTooSmall: `into` has not the room of a page.
            ClosedError: the store or its layer is closed.
        """
        if into is None:
            return self._native.get(key, mode=mode)
        return self._native.get(key, into=into, mode=mode)

    @overload
    def get_many(
        self, keys: Iterable[Key], *, into: None = None, mode: Mode = None
    ) -> Operation[list[memoryview | None]]: ...
    @overload
    def get_many(self, keys: Iterable[Key], *, into: BytesLike, mode: Mode = None) -> Operation[list[bool]]: ...
    def get_many(
        self, keys: Iterable[Key], *, into: BytesLike | None = None, mode: Mode = None
    ) -> Operation[list[memoryview | None]] | Operation[list[bool]]:
        """Many pages: views of one buffer, None for each that is not there.

        With `into` the page of the n-th key is written to its n-th page, the rest is left alone, and the result tells
        of each key whether it was there. Raises what `get` does, for the first page that failed.
        """
        if into is None:
            return self._native.get_many(keys, mode=mode)
        return self._native.get_many(keys, into=into, mode=mode)

    def invalidate(self, key: Key) -> bool:
        """Forgets a page, and what is on its way for that key; False if there was none."""
        return self._native.invalidate((key,)) == 1

    def invalidate_many(self, keys: Iterable[Key]) -> int:
        """Forgets pages; how many there were."""
        return self._native.invalidate(keys)

    def clear(self, area: int | None = None) -> int:
        """Forgets all pages, or those of one area, as swapoff does; how many there were."""
        return self._native.clear(area)

    # ---- The face for threads

    def __getitem__(self, key: Key) -> Buffer:
        page = self._native.get(key).wait()
        if page is None:
            raise KeyError(key)
        return page

    def __setitem__(self, key: Key, page: Source) -> None:
        self._native.put(key, page).wait()

    def __delitem__(self, key: Key) -> None:
        if not self.invalidate(key):
            raise KeyError(key)

    def __contains__(self, key: Key) -> bool:
        return key in self._native

    def __len__(self) -> int:
        return len(self._native)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Every key as an area and an offset, in no order, as they are now."""
        return iter(self._native.keys())

    # ---- Memory

    def write_back(self, pages: int) -> int:
        """Writes back the pages that were not used for longest; how many were, if there are fewer.

        Raises:
            QueueFull: one could not be written; it stays where it was.
        """
        return self._native.write_back(pages)

    def compact(self) -> int:
        """Moves pages together, as a full store does by itself; how many slabs that has freed."""
        return self._native.compact()

    def oldest(self, most: int = 1) -> list[tuple[int, int]]:
        """Keys of pages in memory that would be written back next, as areas and offsets, the first one first."""
        return self._native.oldest(most)

    def statistics(self) -> dict[str, int]:
        """Counters and levels, with the names that zswap and zram have for them; docs/pagestore.md tells of each."""
        return self._native.statistics()

    @property
    def ratio(self) -> float:
        """Bytes of all pages for each byte of memory that they take, tables and all; 0 if there are none."""
        found = self.statistics()
        return found["orig_data_size"] / found["mem_used_total"] if found["mem_used_total"] else 0.0

    # ---- Life

    def close(self) -> None:
        """Forgets every page and removes the file; later work is refused with ClosedError. Idempotent."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        found = self.statistics()
        pages, used, out = found["stored_pages"], found["mem_used_total"], found["bd_count"]
        return f"<PageStore {self.compressor}: {pages} pages in {used} of {self.max_bytes} bytes, {out} written back>"
