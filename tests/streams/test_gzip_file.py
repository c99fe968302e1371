"""Laws of `acrypto.gzip` that CPython's own tests do not state: large files, flushes, damage, other people's code."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.streams.memory import MIB, mixed
from tests.streams.memory import packed as made_by_stages

import acrypto
from acrypto import gzip as ours
from acrypto.streams.shared import shared_layer

LARGE = mixed(5 * MIB + 4321)
NOISE = random.Random(2).randbytes(3 * MIB)
#: Large in gzip, too, so that the layer reads it.
assert len(zlib.compress(LARGE, 1)) > MIB


def written(data: bytes, level: int = 1, pieces: int = 70_001, flush_at: frozenset[int] = frozenset()) -> bytes:
    out = io.BytesIO()
    with ours.GzipFile(fileobj=out, mode="wb", compresslevel=level, mtime=7) as file:
        for at in range(0, len(data), pieces):
            assert file.write(data[at : at + pieces]) == len(data[at : at + pieces])
            if at // pieces in flush_at:
                file.flush()
        assert file.tell() == len(data)
    return out.getvalue()


def one_member(packed: bytes) -> bytes:
    """What a reader of a single member gets; it must be all there is."""
    stream = zlib.decompressobj(31)
    read = stream.decompress(packed)
    assert stream.eof
    assert stream.unused_data == b""
    return read


# ---- Both read each other


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB, len(LARGE)])
@pytest.mark.parametrize("level", [0, 1, 6])
def test_one_ordinary_member_whatever_the_size(size: int, level: int, tmp_path: Path) -> None:
    data = LARGE[:size]
    for pieces in (70_001, 3 * MIB, 16 << 10):
        packed = written(data, level, pieces)
        assert one_member(packed) == data
    path = tmp_path / "file.gz"
    path.write_bytes(packed)
    assert subprocess.run(["gzip", "-dc", path], check=True, capture_output=True).stdout == data
    with gzip.open(path) as theirs, ours.open(path) as file:
        assert theirs.read() == file.read() == data
        assert file.mtime == 7
    path.write_bytes(gzip.compress(data, level))
    with ours.open(path) as file:
        assert file.read() == data
    assert ours.decompress(packed + gzip.compress(data, 1) + bytes(99)) == 2 * data


def test_the_bytes_do_not_depend_on_the_writes() -> None:
    packed = {written(LARGE, 3, pieces) for pieces in (1000, MIB, MIB + 1, len(LARGE))}
    assert len(packed) == 1


@pytest.mark.slow
@settings(max_examples=15)
@given(
    st.integers(0, len(LARGE)),
    st.sampled_from([3000, 500_000, 2 * MIB]),
    st.frozensets(st.integers(0, 20), max_size=4),
    st.integers(-1, 9).filter(lambda level: level != 9),
)
def test_flushes_stay_within_the_member(size: int, pieces: int, flush_at: frozenset[int], level: int) -> None:
    assert one_member(written(LARGE[:size], level, pieces, flush_at)) == LARGE[:size]


def test_what_was_flushed_can_be_read() -> None:
    out, data = io.BytesIO(), b""
    with ours.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        for size in (10, 0, 1000, 3 * MIB, 5, 2 * MIB, 100):
            piece = LARGE[:size]
            file.write(piece)
            data += piece
            file.flush()
            reader = zlib.decompressobj(31)
            assert reader.decompress(out.getvalue()) == data
            assert not reader.eof
    assert one_member(out.getvalue()) == data


def test_memory_is_the_callers_again_after_a_write() -> None:
    out, space = io.BytesIO(), bytearray(2 * MIB)
    with ours.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        for value in range(4):
            space[:] = bytes([value]) * len(space)
            file.write(space if value % 2 else memoryview(space))
    assert one_member(out.getvalue()) == b"".join(bytes([value]) * len(space) for value in range(4))


# ---- Reading


@pytest.mark.slow
@pytest.mark.parametrize("make", [gzip.compress, written])
def test_any_reads_and_seeks_of_a_large_file(make: object, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(make(NOISE, 1) + gzip.compress(LARGE, 1) + make(b"the end", 1))
    whole = NOISE + LARGE + b"the end"
    chosen = random.Random(3)
    with ours.open(path) as file:
        for _ in range(12):
            at = chosen.randrange(len(whole))
            assert file.seek(at) == at
            size = chosen.choice([1, 100, 70_000, 2 * MIB])
            assert file.read(size) == whole[at : at + size]
            assert file.tell() == min(at + size, len(whole))
        assert file.seek(-7, io.SEEK_END) == len(whole) - 7
        assert file.peek(3)[:3] == b"the"
        assert file.read() == b"the end"
        assert file.read() == b""
        file.rewind()
        assert b"".join(file) == whole
        space = bytearray(len(whole))
        file.seek(0)
        assert file.readinto(space) == len(whole)
        assert space == whole


def test_a_file_is_read_from_where_it_stands() -> None:
    for data in (b"short", LARGE):
        inner = io.BytesIO(b"before" + gzip.compress(data, 1))
        inner.seek(6)
        with ours.GzipFile(fileobj=inner) as file:
            assert file.read() == data
            file.seek(0)
            assert file.read(5) == data[:5]


def test_large_files_of_blocks_are_read(layer: acrypto.Layer) -> None:
    packed = made_by_stages(layer, NOISE, format="bgzf")
    with ours.GzipFile(fileobj=io.BytesIO(packed + bytes(5))) as file:
        assert file.read() == NOISE
        file.seek(MIB)
        assert file.read(10) == NOISE[MIB : MIB + 10]


def test_pipes_are_read_as_they_come() -> None:
    reading, writing = os.pipe()
    packed = gzip.compress(LARGE, 1)

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(packed)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reading, "rb") as pipe, ours.open(pipe) as file:
        assert file.read(10) == LARGE[:10]
        assert file.read() == LARGE[10:]
    thread.join()


# ---- Damage


def outcome(module: object, packed: bytes, size: int) -> tuple[bytes, object]:
    """What is read in pieces before an error, and its class and words."""
    read = b""
    try:
        with module.GzipFile(fileobj=io.BytesIO(packed)) as file:
            while piece := file.read(size):
                read += piece
    except (OSError, EOFError, zlib.error) as error:
        standard = next(kind for kind in (gzip.BadGzipFile, EOFError, zlib.error) if isinstance(error, kind))
        return read, (standard, str(error).partition(":")[0])
    return read, None


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"little", NOISE], ids=["small", "large"])
def test_damage_is_told_as_the_standard_library_tells_it(data: bytes) -> None:
    for made in (gzip.compress(data, 1, mtime=1), written(data)):
        for tail in (
            bytes(3),
            bytes(200_000),
            b"garbage",
            b"\0\0garbage",
            b"\x1f",
            b"\x1f\x8b\x08",
            made,
            bytes(9) + made,
        ):
            assert outcome(ours, made + tail, 65536) == outcome(gzip, made + tail, 65536), tail[:20]
        for cut in (len(made) - 1, len(made) - 8, len(made) - 9, len(made) // 2, 15, 5, 1):
            assert outcome(ours, made[:cut], 65536) == outcome(gzip, made[:cut], 65536), cut
        for at in (-1, -5, 0, 2, 3):
            bad = bytearray(made)
            bad[at] ^= 0x80 if at == 3 else 1
            assert outcome(ours, bytes(bad), 65536) == outcome(gzip, bytes(bad), 65536), at


def test_damage_in_the_middle_gives_what_came_before_it() -> None:
    bad = bytearray(gzip.compress(LARGE, 1))
    bad[len(bad) // 2 : len(bad) // 2 + 64] = bytes(64)
    read, error = outcome(ours, bytes(bad), 65536)
    assert error is not None
    theirs, _ = outcome(gzip, bytes(bad), 65536)
    common = min(len(read), len(theirs))
    assert read[:common] == theirs[:common]
    assert abs(len(read) - len(theirs)) < MIB


def test_errors_are_caught_under_every_name() -> None:
    for kind in (ours.BadGzipFile, gzip.BadGzipFile, OSError, acrypto.CorruptInput):
        with pytest.raises(kind, match="Not a gzipped file"):
            ours.decompress(b"no gzip file")


# ---- The life of a process


def test_a_file_that_was_never_closed_is_whole_after_the_process(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    code = f"from acrypto import gzip; file = gzip.open({str(path)!r}, 'wb', 1); file.write(bytes({3 * MIB + 5}))"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert gzip.decompress(path.read_bytes()) == bytes(3 * MIB + 5)


def test_a_layer_that_is_closed_meanwhile_harms_no_file(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    with ours.open(path, "wb", 1) as file:
        file.write(LARGE[: 3 * MIB])
        shared_layer().close()
        file.write(LARGE[3 * MIB :])
    with ours.open(path) as file:
        start = file.read(MIB)
        shared_layer().close()
        assert start + file.read() == LARGE


def test_a_forked_child_reads_and_writes(tmp_path: Path) -> None:
    shared_layer()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            with ours.open(tmp_path / "child.gz", "wb", 1) as file:
                file.write(LARGE)
            with ours.open(tmp_path / "child.gz") as file:
                os._exit(0 if file.read() == LARGE else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert gzip.decompress((tmp_path / "child.gz").read_bytes()) == LARGE


def test_a_broken_file_beneath_is_told(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: bytes) -> int:
            if self.tell() > MIB:
                raise OSError(28, "No space left on device")
            return super().write(data)

    file = ours.GzipFile(fileobj=Full(), mode="wb", compresslevel=0)
    with pytest.raises(OSError, match="No space left"):
        file.write(NOISE * 14)
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed
    with pytest.raises(ValueError, match="initialization"):
        ours.open(tmp_path / "x.gz", "wb", 10)


# ---- Other people's code


def test_tar_files_are_written_and_read(tmp_path: Path) -> None:
    with ours.open(tmp_path / "x.tar.gz", "wb", 1) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in (("large", LARGE), ("small", b"small")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with ours.open(tmp_path / "x.tar.gz") as file, tarfile.open(fileobj=file) as tar:
        assert [member.name for member in tar] == ["large", "small"]
        assert tar.extractfile("large").read() == LARGE
    with tarfile.open(tmp_path / "x.tar.gz") as tar:
        assert tar.extractfile("small").read() == b"small"


def test_files_are_copied_through_it(tmp_path: Path) -> None:
    with ours.open(tmp_path / "x.gz", "wb") as file:
        shutil.copyfileobj(io.BytesIO(NOISE), file)
    with ours.open(tmp_path / "x.gz") as file:
        out = io.BytesIO()
        shutil.copyfileobj(file, out)
    assert out.getvalue() == NOISE


@pytest.mark.slow
def test_tables_are_written_and_read_as_text(tmp_path: Path) -> None:
    rows = [[str(n), f"größe {n}", "a,b"] for n in range(60_000)]
    with ours.open(tmp_path / "x.csv.gz", "wt", 1, encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with ours.open(tmp_path / "x.csv.gz", "rt", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
    with gzip.open(tmp_path / "x.csv.gz", "rt", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
