"""The budget holds, the least recently used pages go to the file, and the file is never believed."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import acrypto
from acrypto.consumers.pagestore import PageStore

Pages = Callable[[int], bytes]

BUDGET = 1 << 20


def fill(store: PageStore, page: Pages) -> None:
    """Stores pages until one is refused."""
    for number in range(1000):
        store[number] = page(number)


def test_the_budget_is_never_exceeded(layer: acrypto.Layer, page_of: Pages, noise_of: Pages, tmp_path: Path) -> None:
    with PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "pages") as store:
        for number in range(1500):
            store[number] = noise_of(number) if number % 3 == 0 else page_of(number)
            assert store.statistics()["mem_used_total"] <= BUDGET
        found = store.statistics()
        assert found["mem_used_max"] <= BUDGET
        assert found["written_back_pages"] == found["bd_count"] > 500
        for number in range(1500):
            assert store[number] == (noise_of(number) if number % 3 == 0 else page_of(number))
        assert store.statistics()["bd_reads"] == found["bd_count"]


def test_who_was_used_least_recently_goes_first(layer: acrypto.Layer, page_of: Pages, tmp_path: Path) -> None:
    with PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "pages") as store:
        store.put_many(range(50), [page_of(n) for n in range(50)]).wait()
        store.get_many([3, 1]).wait()
        store[7] = page_of(70)
        order = [offset for _, offset in store.oldest(100)]
        assert order == [n for n in range(50) if n not in {1, 3, 7}] + [3, 1, 7]
        for step in range(50):
            assert store.write_back(1) == 1
            assert [offset for _, offset in store.oldest(100)] == order[step + 1 :]
        assert store.write_back(5) == 0
        assert store.statistics()["bd_count"] == 50
        assert store[7] == page_of(70)


def test_without_a_file_a_full_store_refuses_and_loses_nothing(layer: acrypto.Layer, noise_of: Pages) -> None:
    with PageStore(layer, max_bytes=BUDGET) as store:
        with pytest.raises(acrypto.QueueFull, match=r"full \(1048576 bytes\)"):
            fill(store, noise_of)
        stored = len(store)
        assert stored > 100
        # In place of another of its size a page has room.
        store[0] = noise_of(5000)
        assert store[0] == noise_of(5000)
        assert all(store[number] == noise_of(number) for number in range(1, stored))
        found = store.statistics()
        assert found["pool_limit_hit"] == found["reject_reclaim_fail"] == 1


def test_a_full_file_refuses_and_loses_nothing(layer: acrypto.Layer, noise_of: Pages, tmp_path: Path) -> None:
    most = 1 << 19
    with PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "pages", writeback_bytes=most) as store:
        with pytest.raises(acrypto.QueueFull):
            fill(store, noise_of)
        stored = len(store)
        assert (tmp_path / "pages").stat().st_size <= most
        assert store.statistics()["bd_count"] == most // 4096
        assert all(store[number] == noise_of(number) for number in range(stored))
        # What is forgotten leaves room, in the file too.
        store.invalidate_many(range(stored // 2))
        store.put_many(range(2000, 2050), [noise_of(n) for n in range(50)]).wait()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes; the signal for that is ignored by Python."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fails_loses_no_page(layer: acrypto.Layer, noise_of: Pages, tmp_path: Path) -> None:
    with PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "pages") as store:
        with files_of_at_most(1 << 16), pytest.raises(acrypto.QueueFull, match="File too large"):
            fill(store, noise_of)
        stored = len(store)
        assert all(store[number] == noise_of(number) for number in range(stored))
        assert store.statistics()["writeback_failures"] > 0


@pytest.mark.parametrize("damage", ["bit", "cut", "zeros", "swapped"])
def test_a_damaged_copy_is_told_and_never_given(
    layer: acrypto.Layer, page_of: Pages, noise_of: Pages, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "pages"
    with PageStore(layer, max_bytes=BUDGET, writeback=path) as store:
        # Pages of one size lie one after the other; those that compress are found out as well.
        store.put_many(range(8), [noise_of(n) for n in range(8)]).wait()
        store[8] = page_of(8)
        store.write_back(9)
        content = bytearray(path.read_bytes())
        if damage == "bit":
            content = bytearray(byte ^ 1 for byte in content)
        elif damage == "zeros":
            content = bytearray(len(content))
        elif damage == "swapped":
            content[:4096], content[4096:8192] = content[4096:8192], content[:4096]
        else:
            content = bytearray()
        path.write_bytes(content)
        intact = [2, 3, 4, 5, 6, 7, 8] if damage == "swapped" else []
        into = bytearray(b"\xee" * 4096)
        for number in range(9):
            if number in intact:
                assert store.get(number).wait() is not None
                continue
            with pytest.raises(acrypto.CorruptInput):
                store.get(number, into=into).wait()
            assert into == b"\xee" * 4096
        assert store.statistics()["damaged_pages"] == 9 - len(intact)
        store[0] = page_of(1)  # a new page takes the damaged one's place
        assert store[0] == page_of(1)


def test_the_file_is_private_locked_and_removed(layer: acrypto.Layer, tmp_path: Path) -> None:
    path = tmp_path / "pages"
    with PageStore(layer, max_bytes=BUDGET, writeback=path):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(acrypto.UsageError, match="another store"):
            PageStore(layer, max_bytes=BUDGET, writeback=path)
    assert not path.exists()
    with pytest.raises(acrypto.EngineError, match="No such file"):
        PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "none" / "pages")


def test_a_file_that_was_there_becomes_private(layer: acrypto.Layer, tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_bytes(b"of a store that was killed")
    path.chmod(0o644)
    with PageStore(layer, max_bytes=BUDGET, writeback=path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_size == 0
    assert not path.exists()


def test_the_file_is_found_wherever_the_process_goes(
    layer: acrypto.Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (there / "pages").write_bytes(b"another's")
    monkeypatch.chdir(here)
    with PageStore(layer, max_bytes=BUDGET, writeback="pages"):
        monkeypatch.chdir(there)
    assert not (here / "pages").exists()
    assert (there / "pages").read_bytes() == b"another's"


@pytest.mark.parametrize("is_link", [False, True])
def test_what_took_the_files_place_stays(layer: acrypto.Layer, page_of: Pages, tmp_path: Path, is_link: bool) -> None:
    path, moved = tmp_path / "pages", tmp_path / "moved"
    with PageStore(layer, max_bytes=BUDGET, writeback=path) as store:
        path.rename(moved)
        if is_link:
            path.symlink_to(moved)
        else:
            path.write_bytes(b"another's")
        store[1] = page_of(1)
        assert store.write_back(1) == 1
        assert store[1] == page_of(1)
    assert path.is_symlink() if is_link else path.read_bytes() == b"another's"


@pytest.mark.parametrize("what", ["link", "dangling", "names", "pipe", "directory", "device"])
def test_only_a_file_of_ones_own_is_taken(layer: acrypto.Layer, tmp_path: Path, what: str) -> None:
    path, target = tmp_path / "pages", tmp_path / "target"
    target.write_bytes(b"precious")
    if what == "link":
        path.symlink_to(target)
    elif what == "dangling":
        path.symlink_to(tmp_path / "none")
    elif what == "names":
        path.hardlink_to(target)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    else:
        path = Path("/dev/full")
    told = {"link": "is a symbolic link", "dangling": "is a symbolic link", "names": "has 2 names"}
    with pytest.raises(acrypto.UsageError, match=told.get(what, "is no regular file")):
        PageStore(layer, max_bytes=BUDGET, writeback=path)
    assert os.path.lexists(path)
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_file_is_refused(layer: acrypto.Layer, tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_bytes(b"precious")
    os.chown(path, 12345, -1)
    with pytest.raises(acrypto.UsageError, match=r"belongs to user 12345; .* caller, 0$"):
        PageStore(layer, max_bytes=BUDGET, writeback=path)
    assert path.read_bytes() == b"precious"


def test_an_event_loop_reads_pages_back(layer: acrypto.Layer, page_of: Pages, tmp_path: Path) -> None:
    async def main() -> None:
        with PageStore(layer, max_bytes=BUDGET, writeback=tmp_path / "pages") as store:
            await asyncio.gather(*(store.put(n, page_of(n)) for n in range(1500)))
            assert store.statistics()["bd_count"] > 500
            found = await asyncio.gather(*(store.get(n) for n in range(1500)))
            assert [bytes(page or b"") for page in found] == [page_of(n) for n in range(1500)]
            many = await store.get_many([0, 1400, 9999])
            assert [page and bytes(page) for page in many] == [page_of(0), page_of(1400), None]

    asyncio.run(main())
