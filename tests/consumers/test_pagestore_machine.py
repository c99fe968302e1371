"""The store against a dict, whatever is done to it in whatever order."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import acrypto
from acrypto.consumers.pagestore import PageStore

PAGE, BUDGET, FILE = 512, 96 << 10, 64 << 10
KEYS = st.integers(0, 400)


def _page(kind: str, seed: int) -> bytes:
    source = random.Random(seed)
    if kind == "same":
        return source.randbytes(8) * (PAGE // 8)
    if kind == "noise":
        return source.randbytes(PAGE)
    return (source.randbytes(source.randrange(1, 256)) * PAGE)[: PAGE - 4] + seed.to_bytes(4, "little")


PAGES = st.builds(_page, st.sampled_from(["same", "noise", "text", "text"]), st.integers(0, 1 << 20))


class Machine(RuleBasedStateMachine):
    """What is refused changes nothing; what is stored is given back, or told to be damaged."""

    layer: acrypto.Layer

    @initialize(compressor=st.sampled_from(["lz4", "zstd", "deflate"]), mode=st.sampled_from(["inline", "queued"]))
    def open(self, compressor: str, mode: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "pages")
        self.store = PageStore(
            self.layer,
            compressor=compressor,
            page_size=PAGE,
            max_bytes=BUDGET,
            writeback=self.path,
            writeback_bytes=FILE,
            batch=3,
        )
        self.mode = mode
        self.model: dict[int, bytes] = {}
        self.is_damaged = False

    @rule(key=KEYS, page=PAGES)
    def put(self, key: int, page: bytes) -> None:
        try:
            self.store.put(key, page, mode=self.mode).wait()
        except acrypto.QueueFull:
            return
        self.model[key] = page

    @rule(first=KEYS, pages=st.lists(PAGES, min_size=1, max_size=12))
    def put_many(self, first: int, pages: list[bytes]) -> None:
        try:
            self.store.put_many(range(first, first + len(pages)), pages, mode=self.mode).wait()
        except acrypto.QueueFull:
            for key, page in enumerate(pages, first):  # each was stored or not; which, a get tells
                if key in self.store and self._get(key) == page:
                    self.model[key] = page
            return
        self.model.update(enumerate(pages, first))

    @rule(first=KEYS, seed=st.integers(0, 1 << 20), count=st.integers(20, 120))
    def fill(self, first: int, seed: int, count: int) -> None:
        self.put_many(first, [_page("noise" if n % 2 else "text", seed + n) for n in range(count)])

    def _get(self, key: int) -> bytes | None:
        try:
            page = self.store.get(key, mode=self.mode).wait()
        except acrypto.CorruptInput:
            assert self.is_damaged
            return self.model.get(key)
        return None if page is None else bytes(page)

    @rule(key=KEYS)
    def get(self, key: int) -> None:
        assert self._get(key) == self.model.get(key)

    @rule(first=KEYS, count=st.integers(1, 60))
    def get_many(self, first: int, count: int) -> None:
        keys = range(first, first + count)
        try:
            pages = self.store.get_many(keys, mode=self.mode).wait()
        except acrypto.CorruptInput:
            assert self.is_damaged
            return
        assert [None if page is None else bytes(page) for page in pages] == [self.model.get(key) for key in keys]

    @rule(first=KEYS, count=st.integers(1, 200))
    def invalidate(self, first: int, count: int) -> None:
        there = sum(self.model.pop(key, None) is not None for key in range(first, first + count))
        assert self.store.invalidate_many(range(first, first + count)) == there

    @rule(count=st.integers(1, 50))
    def write_back(self, count: int) -> None:
        oldest = self.store.oldest(count)
        try:
            assert self.store.write_back(count) == len(oldest)
        except acrypto.QueueFull:
            return
        assert not set(oldest) & set(self.store.oldest(1000))

    @rule()
    def compact(self) -> None:
        self.store.compact()

    @rule(seed=st.integers(0, 1 << 20))
    def damage(self, seed: int) -> None:
        content = bytearray(self.path.read_bytes())
        if content:
            content[seed % len(content)] ^= 1 + seed % 255
            with open(self.path, "r+b") as file:
                file.write(content)
            self.is_damaged = True

    @invariant()
    def levels_are_right(self) -> None:
        if not hasattr(self, "store"):
            return
        found = self.store.statistics()
        assert len(self.store) == found["stored_pages"] == len(self.model)
        assert found["orig_data_size"] == len(self.model) * PAGE
        assert found["mem_used_total"] <= BUDGET
        assert found["bd_size"] <= FILE
        assert self.path.stat().st_size <= FILE
        in_memory = found["stored_pages"] - found["same_pages"] - found["bd_count"]
        assert len(self.store.oldest(1000)) == in_memory

    def teardown(self) -> None:
        if hasattr(self, "store"):
            if not self.is_damaged:
                for key, page in self.model.items():
                    assert self.store[key] == page
            self.store.close()
            self.folder.cleanup()


@pytest.mark.slow
def test_the_store_is_a_dict(layer: acrypto.Layer) -> None:
    Machine.layer = layer
    case = Machine.TestCase
    case.settings = settings(stateful_step_count=40)
    case().runTest()
