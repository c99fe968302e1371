"""Files that are read at any place: every read gives what the content has there."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import os
import random
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import run
from tests.streams.memory import MIB, mixed, packed

import acrypto
from acrypto.streams.bgzf import format as bgzf
from acrypto.streams.frames import format as frames
from acrypto.streams.frames import seekable_format
from acrypto.streams.gzip import format as own
from acrypto.streams.seekable import SeekableReader
from acrypto.streams.units import LIKED

PLAIN = mixed(5 * MIB + 12_345)
SKIPPABLE = struct.pack("<II", 0x184D2A53, 5) + b"hello"


@functools.cache
def made(kind: str) -> bytes:
    with acrypto.open() as layer:
        ours = {"gzip": 1, "bgzf": 1, "zstd": 1, "lz4": 1}
        if kind in ours:
            return packed(layer, PLAIN, format=kind, level=1)
        two = functools.partial(packed, layer, format="gzip", level=1)
        makers = {
            "two gzip members": lambda: two(PLAIN[: 3 * MIB]) + two(PLAIN[3 * MIB :]),
            "bgzip": lambda: run("bgzip -c", PLAIN),
            "zstd, no table": lambda: without_table(packed(layer, PLAIN, format="zstd")),
            "zstd, skippable frames": lambda: SKIPPABLE + packed(layer, PLAIN, format="zstd") + SKIPPABLE,
            "zstd, little frames": lambda: table_of(
                [bytes(acrypto.compress("zstd", PLAIN[at : at + 5000])) for at in range(0, len(PLAIN), 5000)]
            ),
            "zstd, two tables": lambda: b"".join(
                packed(layer, half, format="zstd") for half in (PLAIN[: 4 * MIB], PLAIN[4 * MIB :])
            ),
        }
        return makers[kind]()


KINDS = [
    "gzip", "bgzf", "zstd", "lz4", "two gzip members", "bgzip", "zstd, no table", "zstd, skippable frames",
    "zstd, little frames", "zstd, two tables",
]  # fmt: skip


def without_table(data: bytes) -> bytes:
    length = seekable_format.table_len(data[-seekable_format.FOOTER_LEN :])
    assert length is not None
    return data[:-length]


def sizes_of(frame: bytes) -> tuple[int, int]:
    return len(frame), len(acrypto.decompress("zstd", frame))


def table_of(parts: list[bytes], *, checksums: bool = True) -> bytes:
    table = seekable_format.SeekTable()
    for part in parts:
        table.add(*sizes_of(part), frames.zstd_checksum(part) if checksums else None)
    return b"".join(parts) + table.to_bytes()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(0, len(PLAIN) + 1000), st.just(0)),
        st.tuples(st.just("seek"), st.integers(-len(PLAIN), 1000), st.just(2)),
        st.tuples(st.just("seek"), st.integers(-100_000, 100_000), st.just(1)),
        st.tuples(st.just("read"), st.integers(0, 2 * MIB)),
        st.tuples(st.just("readinto"), st.integers(0, LIKED + 1)),
        st.tuples(st.just("pread"), st.integers(0, len(PLAIN) + 10), st.integers(0, 2 * MIB)),
        st.tuples(st.just("tell")),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=steps, cache=st.sampled_from([1, MIB, 64 * MIB]))
def test_reads_give_what_a_file_of_the_content_gives(
    layer: acrypto.Layer, kind: str, steps: list[tuple[str, int, int]], cache: int
) -> None:
    """With whatever cache, also one that holds nothing."""
    with SeekableReader(io.BytesIO(made(kind)), layer=layer, cache=cache) as file, io.BytesIO(PLAIN) as plain:
        for name, *arguments in steps:
            if name == "pread":
                offset, nbytes = arguments
                assert file.pread(offset, nbytes) == PLAIN[offset : offset + nbytes]
            elif name == "readinto":
                space, wanted = bytearray(arguments[0]), bytearray(arguments[0])
                assert file.readinto(space) == plain.readinto(wanted)
                assert space == wanted
            elif name == "seek" and arguments[1] and (plain.tell(), len(PLAIN))[arguments[1] - 1] + arguments[0] < 0:
                with pytest.raises(ValueError, match="negative"):
                    file.seek(*arguments)
            else:
                assert getattr(file, name)(*arguments) == getattr(plain, name)(*arguments)
        assert file.size == len(PLAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_file_is_read_from_a_path_or_a_descriptor(layer: acrypto.Layer, kind: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"before" + made(kind))
    (tmp_path / "only").write_bytes(made(kind))
    with SeekableReader(tmp_path / "only", layer=layer) as file:
        assert file.readall() == PLAIN
    with (tmp_path / "data").open("rb") as opened:
        opened.seek(6)
        with SeekableReader(opened, layer=layer) as file:
            assert file.pread(0, len(PLAIN) + 5) == PLAIN
        assert opened.read(3) == made(kind)[:3]


def test_many_threads_read_at_once(layer: acrypto.Layer) -> None:
    with SeekableReader(io.BytesIO(made("zstd")), layer=layer, cache=3 * MIB) as file:

        def read(seed: int) -> bool:
            chosen = random.Random(seed)
            places = [(chosen.randrange(len(PLAIN)), chosen.randrange(300_000)) for _ in range(30)]
            return all(file.pread(at, nbytes) == PLAIN[at : at + nbytes] for at, nbytes in places)

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(read, range(6)))


def test_what_is_closed_reads_nothing_and_ends_those_who_read(layer: acrypto.Layer) -> None:
    file = SeekableReader(io.BytesIO(made("gzip")), layer=layer)
    started, ended = threading.Event(), []

    def read() -> None:
        try:
            while True:
                file.pread(0, len(PLAIN))
                started.set()
        except (ValueError, acrypto.ClosedError) as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    started.wait()
    file.close()
    thread.join(60)
    assert len(ended) == 1
    for call in (lambda: file.read(1), lambda: file.pread(0, 1), lambda: file.seek(0), file.tell, lambda: file.size):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_an_index_beside_the_file_is_used_unless_it_is_older(layer: acrypto.Layer, tmp_path: Path) -> None:
    file = tmp_path / "data.gz"
    file.write_bytes(made("bgzf"))
    beside = tmp_path / "data.gz.gzi"
    # One that lies: it would be told if it were used.
    beside.write_bytes(struct.pack("<QQQ", 1, 30_000, 65_280))
    with SeekableReader(file, layer=layer) as opened, pytest.raises(acrypto.CorruptInput):
        opened.pread(100_000, 1)
    os.utime(beside, (1, 1))
    with SeekableReader(file, layer=layer) as opened:
        assert opened.pread(100_000, 1) == PLAIN[100_000:100_001]
        with SeekableReader(file, layer=layer, index=beside) as other, pytest.raises(acrypto.CorruptInput):
            other.pread(100_000, 1)


def table_bytes(entries: list[tuple[int, ...]], *, checksums: bool = False) -> bytes:
    body = b"".join(struct.pack(f"<{len(entry)}I", *entry) for entry in entries)
    footer = struct.pack("<IBI", len(entries), 0x80 * checksums, 0x8F92EAB1)
    return struct.pack("<II", 0x184D2A5E, len(body) + 9) + body + footer


FRAMES = [
    bytes(acrypto.compress("zstd", piece)) for piece in (PLAIN[:MIB], PLAIN[MIB : 2 * MIB], PLAIN[2 * MIB : 3 * MIB])
]
LENGTHS = [len(frame) for frame in FRAMES]
THREE = b"".join(FRAMES)
LIES = {
    "other sizes": [(LENGTHS[0], MIB), (LENGTHS[1], MIB + 1), (LENGTHS[2], MIB - 1)],
    "less": [(LENGTHS[0], MIB), (LENGTHS[1], 100), (LENGTHS[2], MIB)],
    "other lengths": [(LENGTHS[0] + 3, MIB), (LENGTHS[1] - 3, MIB), (LENGTHS[2], MIB)],
    "a frame hidden": [(LENGTHS[0], MIB), (LENGTHS[1], 0), (LENGTHS[2], MIB)],
    "the last frame hidden": [(LENGTHS[0], MIB), (LENGTHS[1], MIB), (LENGTHS[2], 0)],
    "all frames hidden": [(length, 0) for length in LENGTHS],
    "another number": [(LENGTHS[0], MIB)],
    "a whole file more": [*((length, MIB) for length in LENGTHS), (1000, 1000)],
    "gigabytes": [(LENGTHS[0], 0xFFFFFFFF), *((length, MIB) for length in LENGTHS[1:])],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_table_that_lies_gives_an_error_or_the_right_bytes(layer: acrypto.Layer, lie: str) -> None:
    """Never others than those that zstd gives."""
    try:
        with SeekableReader(io.BytesIO(THREE + table_bytes(LIES[lie])), layer=layer) as file:
            assert file.readall() == PLAIN[: 3 * MIB]
    except (acrypto.CorruptInput, io.UnsupportedOperation):
        assert lie not in {"another number", "a whole file more", "all frames hidden"}


@pytest.mark.parametrize("head", [(0x184D2A4F, 17), (0x184D2A5E, 18)], ids=["not skippable", "another length"])
def test_what_only_ends_as_a_table_is_none(head: tuple[int, int]) -> None:
    """Other decoders would not pass over it."""
    table = table_bytes([(5, 5)])
    assert seekable_format.parse(table) is not None
    assert seekable_format.parse(struct.pack("<II", *head) + table[8:]) is None


def test_a_large_frame_that_a_table_hides_is_found(layer: acrypto.Layer) -> None:
    """By going through the frames: so much without content makes a table odd."""
    hidden = random.Random(6).randbytes(100_000)
    parts = [FRAMES[0], bytes(acrypto.compress("zstd", hidden)), FRAMES[1]]
    table = table_bytes([(len(part), MIB * (at != 1)) for at, part in enumerate(parts)])
    with SeekableReader(io.BytesIO(b"".join(parts) + table), layer=layer) as file:
        assert file.readall() == PLAIN[:MIB] + hidden + PLAIN[MIB : 2 * MIB]


@pytest.mark.parametrize("own", [True, False])
def test_checksums_of_the_table_are_checked(layer: acrypto.Layer, own: bool) -> None:
    """Whether the frames have checksums of their own or not."""
    sums = [frames.zstd_checksum(frame) for frame in FRAMES]
    parts = FRAMES if own else [run("zstd -cq --no-check", PLAIN[at * MIB : (at + 1) * MIB]) for at in range(3)]
    for wrong in (False, True):
        entries = [(len(part), MIB, (sums[at] or 0) ^ (wrong and at == 1)) for at, part in enumerate(parts)]
        file = SeekableReader(io.BytesIO(b"".join(parts) + table_bytes(entries, checksums=True)), layer=layer)
        assert file.pread(100, 1000) == PLAIN[100:1100]
        if wrong:
            with pytest.raises(acrypto.CorruptInput, match="checksum"):
                file.pread(MIB, 1)
        else:
            assert file.readall() == PLAIN[: 3 * MIB]


def test_others_read_files_with_a_table(layer: acrypto.Layer) -> None:
    assert run("zstd -dcq", made("zstd")) == PLAIN
    assert run("zstd -dcq", made("zstd, little frames")) == PLAIN
    zstandard = pytest.importorskip("zstandard")
    reader = zstandard.ZstdDecompressor().stream_reader(made("zstd"), read_across_frames=True)
    assert reader.read() == PLAIN


def test_one_frame_has_no_table(layer: acrypto.Layer) -> None:
    for data in (b"", b"data", PLAIN[:MIB]):
        one = packed(layer, data, format="zstd")
        assert frames.zstd_frame_len(lambda at, nbytes, one=one: one[at : at + nbytes], len(one)) == len(one)
        with SeekableReader(io.BytesIO(one), layer=layer) as file:
            assert file.readall() == data


numbers = st.integers(0, (1 << 32) - 1)


@given(st.lists(st.tuples(numbers, numbers, numbers)), st.booleans())
def test_a_table_is_read_as_it_was_written(entries: list[tuple[int, int, int]], checksums: bool) -> None:
    table = seekable_format.SeekTable()
    for length, size, checksum in entries:
        table.add(length, size, checksum if checksums else None)
    data = table.to_bytes()
    assert seekable_format.table_len(data[-9:]) == len(data)
    found = seekable_format.parse(data)
    assert found is not None
    assert list(zip(found.lengths, found.sizes, strict=True)) == [entry[:2] for entry in entries]
    if checksums:
        assert list(found.checksums or ()) == [entry[2] for entry in entries]


def test_frames_too_large_for_a_table_get_none() -> None:
    table = seekable_format.SeekTable()
    table.add(1 << 32, 5)
    assert table.to_bytes() == b""


@pytest.mark.parametrize("command", ["gzip -c", "pigz -c", "zstd -cq --no-content-size", "lz4 -cq"])
def test_data_in_one_piece_have_no_index(layer: acrypto.Layer, command: str) -> None:
    with pytest.raises(io.UnsupportedOperation, match="cannot be read at any place"):
        SeekableReader(io.BytesIO(run(command, PLAIN)), layer=layer)


def test_what_is_no_such_data_is_refused(layer: acrypto.Layer) -> None:
    for data in (b"", b"plain text", bz2.compress(b"data")):
        with pytest.raises(acrypto.CorruptInput, match="not in a known format"):
            SeekableReader(io.BytesIO(data), layer=layer)
    with pytest.raises(acrypto.UsageError, match="known: gzip"):
        SeekableReader(io.BytesIO(b""), layer=layer, format="tar")
    reading, writing = os.pipe()
    with pytest.raises(io.UnsupportedOperation, match="pipe"):
        SeekableReader(reading, layer=layer)
    os.close(reading)
    os.close(writing)


def test_a_member_whose_parts_are_not_those_of_its_checksum_is_told(layer: acrypto.Layer) -> None:
    """The parts of a member have no checksums; when all were read, that of the whole is known."""
    data = bytearray(made("gzip"))
    data[-5] ^= 1
    with SeekableReader(io.BytesIO(bytes(data)), layer=layer, cache=1) as file:
        assert file.pread(MIB, 1000) == PLAIN[MIB : MIB + 1000]
        with pytest.raises(acrypto.CorruptInput, match="wrong gzip CRC-32"):
            file.readall()
    data[-1] ^= 1
    with pytest.raises(acrypto.CorruptInput, match="wrong gzip length"):
        SeekableReader(io.BytesIO(bytes(data)), layer=layer)


HEADS = [
    b"", gzip.compress(b"")[:10], bgzf.END, FRAMES[0][:12], b"\x04\x22\x4d\x18\x6c\x40", SKIPPABLE,
    own.header(block=MIB), own.header(block=MIB) + own.prelude(50),
]  # fmt: skip


@given(st.sampled_from(HEADS), st.binary(max_size=400), st.sampled_from([b"", table_bytes([(50, 70)]), bgzf.END]))
def test_any_bytes_are_read_or_refused(layer: acrypto.Layer, head: bytes, body: bytes, tail: bytes) -> None:
    try:
        with SeekableReader(io.BytesIO(head + body + tail), layer=layer) as file:
            file.pread(10, 10)
            file.readall()
    except (acrypto.CorruptInput, acrypto.LimitExceeded, io.UnsupportedOperation):
        pass


@pytest.mark.parametrize("kind", ["gzip", "bgzf", "zstd", "lz4"])
@given(st.data())
def test_any_change_is_told_or_harmless(layer: acrypto.Layer, kind: str, data: st.DataObject) -> None:
    """A file that is read whole gives its content, or an error."""
    plain = PLAIN[: 100_000 if kind != "gzip" else 2 * MIB]
    changed = bytearray(small(layer, kind, plain))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        with SeekableReader(io.BytesIO(bytes(changed)), layer=layer) as file:
            assert file.readall() == plain
    except (acrypto.CorruptInput, acrypto.LimitExceeded, io.UnsupportedOperation):
        pass


@functools.cache
def small(layer: acrypto.Layer, kind: str, plain: bytes) -> bytes:
    if kind != "zstd":
        return packed(layer, plain, format=kind, level=1)
    return table_of([bytes(acrypto.compress("zstd", plain[at : at + 30_000])) for at in range(0, len(plain), 30_000)])
