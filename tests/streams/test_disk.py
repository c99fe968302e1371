"""Native disk I/O: whatever the pieces, the bytes are those of the file, on pages of the pool; copies are counted."""

from __future__ import annotations

import itertools
import mmap
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.disk import DATA, PAGE, VIAS, address, native, pieces, read, write

import acrypto
from acrypto import _core

via = pytest.mark.parametrize("via", VIAS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "source"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def direct(source: Path) -> None:
    try:
        os.close(os.open(source, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        pytest.skip("this file system has no direct I/O")


@via
@given(
    pages=st.integers(1, 70),
    ahead=st.integers(1, 9),
    offset=st.one_of(st.none(), st.integers(0, len(DATA) + 5000), st.integers(0, 300).map(PAGE.__mul__)),
    length=st.one_of(st.none(), st.integers(0, len(DATA) + 5000)),
    direct=st.booleans(),
)
def test_any_pieces_give_the_bytes_of_the_range(
    layer: acrypto.Layer,
    source: Path,
    via: str,
    pages: int,
    ahead: int,
    offset: int | None,
    length: int | None,
    direct: bool,
) -> None:
    piece = pages * PAGE
    found = read(layer, source, piece=piece, ahead=ahead, offset=offset, length=length, direct=direct, via=via)
    begin = offset or 0
    assert b"".join(found) == DATA[begin : None if length is None else begin + length]
    assert {len(part) for part in found[:-1]} <= {piece}


@via
@given(
    sizes=st.lists(st.one_of(st.integers(0, 3 * PAGE), st.sampled_from([PAGE, 16 * PAGE, 300_000])), max_size=30),
    flushes=st.sets(st.integers(0, 30)),
    behind=st.sampled_from([0, 1, 100_000, 1 << 30]),
    offset=st.sampled_from([None, 0, PAGE, 77]),
    direct=st.booleans(),
)
def test_any_pieces_make_the_same_file(
    layer: acrypto.Layer,
    source: Path,
    via: str,
    sizes: list[int],
    flushes: set[int],
    behind: int,
    offset: int | None,
    direct: bool,
) -> None:
    much = DATA * 7
    ends = list(itertools.accumulate(sizes))
    with open(source.with_name("target"), "w+b", buffering=0) as file:
        how = {"behind": behind, "offset": offset, "direct": direct, "via": via}
        writer = _core.Writer(native(layer), file.fileno(), **how)  # type: ignore[arg-type]
        for number, (end, size) in enumerate(zip(ends, sizes, strict=True)):
            writer.write(much[end - size : end])
            if number in flushes:
                writer.flush()
        writer.flush()
        writer.close()
        total = sum(sizes)
        assert writer.position == total
        assert file.tell() == (total if offset is None else 0)
        file.seek(0)
        assert file.read() == (bytes(offset or 0) + much[:total] if total else b"")


@via
def test_pieces_begin_on_pages_and_go_back_to_the_pool(layer: acrypto.Layer, source: Path, via: str) -> None:
    for _ in range(2):
        seen = set()
        with open(source, "rb", buffering=0) as file:
            reader = _core.Reader(native(layer), file.fileno(), piece=64 << 10, ahead=3, via=via)
            while (part := reader.next()) is not None:
                seen.add(address(part))
            assert (reader.via, reader.position, reader.direct) == (via, len(DATA), False)
            reader.close()
            assert file.tell() == len(DATA)  # whoever reads on finds the end
        assert all(place % PAGE == 0 for place in seen)
        assert len(seen) <= 3 + 2


@pytest.mark.slow
@via
@pytest.mark.parametrize("piece", [64 << 20, 3 << 20])
def test_a_file_beyond_4_gib_does_not_drift(layer: acrypto.Layer, tmp_path: Path, via: str, piece: int) -> None:
    """One call moves at most 2 GiB less a page; whoever counts on 2 GiB less a byte is off by 4095 from then on."""
    size = (4 << 30) + 5
    with open(tmp_path / "sparse", "w+b", buffering=0) as file:
        file.truncate(size)
        for at in range(0, size, piece):
            os.pwrite(file.fileno(), at.to_bytes(5, "little"), at)
        # Past the page cache holes cost nothing.
        reader = _core.Reader(native(layer), file.fileno(), piece=piece, ahead=1, direct=True, via=via)
        while (part := reader.next()) is not None:
            begin = reader.position - len(part)
            assert begin % PAGE == 0
            assert address(part) % PAGE == 0
            assert int.from_bytes(memoryview(part)[:5], "little") == begin
            assert len(part) == min(piece, size - begin)
        assert reader.position == size
        reader.close()


def test_one_piece_may_be_larger_than_a_call_can_move(layer: acrypto.Layer) -> None:
    size = (2 << 30) + 12345
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE) as piece, open("/dev/null", "wb") as null:
        writer = _core.Writer(native(layer), null.fileno(), behind=0)
        before = _core.copies()["write"]
        writer.write(piece)
        writer.flush()
        writer.close()
        assert (writer.position, _core.copies()["write"] - before) == (size, size)


@pytest.mark.usefixtures("direct")
@via
def test_direct_io_copies_nothing_on_its_way(layer: acrypto.Layer, source: Path, via: str) -> None:
    whole = len(DATA) - len(DATA) % PAGE
    with open(source, "rb", buffering=0) as file, open(source.with_name("direct"), "wb", buffering=0) as target:
        flags = [os.get_blocking(file.fileno()), file.fileno()]
        before = _core.copies()
        reader = _core.Reader(native(layer), file.fileno(), piece=64 << 10, ahead=2, length=whole, direct=True, via=via)
        writer = _core.Writer(native(layer), target.fileno(), behind=1 << 20, direct=True, via=via)
        assert (reader.direct, writer.direct) == (True, True)
        while (part := reader.next()) is not None:
            writer.write(part)
        writer.flush()
        assert _core.copies() == before
        writer.write(DATA[whole:])  # the tail goes aside, and through the page cache
        writer.flush()
        tail = len(DATA) - whole
        assert (_core.copies()["write"] - before["write"], writer.direct) == (tail, True)
        reader.close()
        writer.close()
        assert flags == [os.get_blocking(file.fileno()), file.fileno()]
        # The flag belongs to the open file, which is the caller's.
        assert (
            pieces(_core.Reader(native(layer), file.fileno(), piece=PAGE, ahead=1, offset=1))[0] == DATA[1 : PAGE + 1]
        )
    assert source.with_name("direct").read_bytes() == DATA


def test_small_reads_of_a_pipe_make_whole_pieces(layer: acrypto.Layer) -> None:
    out, into = os.pipe()
    reader = _core.Reader(native(layer), out, piece=16 * PAGE, ahead=2)
    writer = _core.Writer(native(layer), into, behind=5 * PAGE)
    os.close(into)
    os.close(out)

    def send() -> None:
        for at in range(0, len(DATA), 1009):
            writer.write(DATA[at : at + 1009])
        writer.flush()
        writer.close()

    thread = threading.Thread(target=send)
    thread.start()
    found = pieces(reader)
    thread.join()
    assert b"".join(found) == DATA
    assert {len(part) for part in found[:-1]} == {16 * PAGE}
    assert (reader.via, writer.via) == ("threads", "threads")


def test_a_slow_reader_holds_the_writer_back(layer: acrypto.Layer) -> None:
    out, into = os.pipe()
    writer = _core.Writer(native(layer), into, behind=4 * PAGE)
    thread = threading.Thread(target=lambda: [writer.write(DATA[:PAGE]) for _ in range(300)])
    thread.start()
    read = 0
    while read < 300 * PAGE:
        read += len(os.read(out, 1000))
        # A pipe holds 16 pages; beyond those and what may wait, one piece was taken at most.
        assert writer.position <= read + (16 + 4 + 1) * PAGE
    thread.join()
    writer.close()
    os.close(out)
    os.close(into)


def test_files_opened_for_appending_are_appended_to(layer: acrypto.Layer, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before")
    with open(path, "ab", buffering=0) as file:
        writer = _core.Writer(native(layer), file.fileno(), behind=1 << 20)
        for part in (b"one", DATA, b"two"):
            writer.write(part)
        writer.flush()
        writer.close()
    assert path.read_bytes() == b"beforeone" + DATA + b"two"


@via
def test_who_writes_on_goes_on_behind(layer: acrypto.Layer, tmp_path: Path, via: str) -> None:
    with open(tmp_path / "two", "wb", buffering=0) as file:
        file.write(b"head")
        writer = _core.Writer(native(layer), file.fileno(), behind=1 << 20, via=via)
        writer.write(DATA)
        writer.flush()
        file.write(b"foot")
        writer.close()
    assert (tmp_path / "two").read_bytes() == b"head" + DATA + b"foot"


@via
def test_threads_that_come_and_go_read_one_file(layer: acrypto.Layer, source: Path, via: str) -> None:
    """What a thread has asked the kernel for is withdrawn when the thread ends; it is asked for again."""
    found: list[_core.Buffer | None] = []
    with open(source, "rb") as file:
        reader = _core.Reader(native(layer), file.fileno(), piece=16 * PAGE, ahead=4, direct=True, via=via)
        while not found or found[-1] is not None:
            thread = threading.Thread(target=lambda: found.append(reader.next()))
            thread.start()
            thread.join()
        reader.close()
    assert b"".join(part for part in found if part is not None) == DATA


def test_files_without_a_size_are_read_to_their_end(layer: acrypto.Layer) -> None:
    assert b"".join(read(layer, "/proc/self/maps", piece=PAGE, ahead=3)).count(b"\n") > 10
    assert read(layer, "/dev/null", piece=PAGE, ahead=3) == []
    zero = read(layer, "/dev/zero", piece=PAGE, ahead=3, length=PAGE + 1)
    assert b"".join(zero) == bytes(PAGE + 1)


def test_space_is_writable_memory_of_the_pool(layer: acrypto.Layer, source: Path) -> None:
    space = _core.Space(native(layer), 1 << 20)
    begin = address(space)
    assert (begin % PAGE, len(space), memoryview(space).readonly) == (0, 1 << 20, False)
    with open(source, "rb", buffering=0) as file:
        assert file.readinto(space) == 1 << 20
    view = memoryview(space)
    del space
    assert view == DATA[: 1 << 20]  # a view keeps it
    view.release()
    del view
    assert address(_core.Space(native(layer), 1 << 20)) == begin
    assert memoryview(_core.Space(native(layer), 0)) == b""


@via
def test_copies_are_counted_by_place(layer: acrypto.Layer, source: Path, tmp_path: Path, via: str) -> None:
    def grown(before: dict[str, int]) -> dict[str, int]:
        return {place: now - before[place] for place, now in _core.copies().items() if now != before[place]}

    before = _core.copies()
    found = read(layer, source, piece=1 << 20, ahead=2, via=via)
    assert grown(before) == {"read": len(DATA)}
    before = _core.copies()
    write(layer, tmp_path / "out", [bytes(0), DATA, b"x"], behind=1 << 20, via=via)
    assert grown(before) == {"write": len(DATA) + 1}
    before = _core.copies()
    assert bytes(found[0]) == DATA[: 1 << 20]
    assert found[0][:5] == DATA[:5]
    assert found[0][1:3:2] == DATA[1:3:2]
    assert grown(before) == {"bytes": 2 << 20}  # a slice is a copy of itself, unless it steps
    before = _core.copies()
    _core.sha256([DATA, DATA])
    memoryview(found[0])
    assert grown(before) == {}  # segments are hashed where they lie
    _core.compress("deflate", [DATA, DATA])
    assert grown(before)["gather"] == 2 * len(DATA)
    before = _core.copies()
    _core.count_copy("python", 3)
    assert grown(before) == {"python": 3}
    with pytest.raises(acrypto.UsageError, match='place is "moon"'):
        _core.count_copy("moon", 3)
