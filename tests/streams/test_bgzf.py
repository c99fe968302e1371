"""BGZF: blocks as bgzip has them, its index, and what is not as it should be."""

from __future__ import annotations

import contextlib
import gzip
import random
import shutil
import subprocess
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import run
from tests.streams.memory import MIB, mixed, packed, unpacked

import acrypto
from acrypto.streams.bgzf import format
from acrypto.streams.bgzf.index import gzi
from acrypto.streams.place import FilePlace

SIZES = (0, 1, 65_279, 65_280, 65_281, 65_536, 2 * 65_280, 16 * 65_280, 16 * 65_280 + 1, 3 * MIB + 7)
DATA = {"mixed": mixed, "noise": lambda nbytes: random.Random(5).randbytes(nbytes)}


def blocks(data: bytes) -> list[tuple[int, int]]:
    return list(format.blocks(lambda at, nbytes: data[at : at + nbytes], 0))


@pytest.mark.parametrize("level", [0, 1, 6])
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("nbytes", SIZES)
def test_files_are_whole_blocks_and_an_empty_one(layer: acrypto.Layer, nbytes: int, kind: str, level: int) -> None:
    data = DATA[kind](nbytes)
    made = packed(layer, data, format="bgzf", level=level)
    assert made.endswith(format.END)
    lengths, sizes = zip(*blocks(made), strict=True)
    assert sum(lengths) == len(made)
    assert max(lengths) <= format.LARGEST
    assert sum(sizes) == nbytes
    assert set(sizes[:-2]) <= {format.CONTENT}
    assert unpacked(layer, made) == gzip.decompress(made) == data


def test_files_are_the_same_for_any_number_of_workers() -> None:
    data, made = mixed(5 * MIB), set()
    for workers in (1, 3):
        with acrypto.open(settings=acrypto.Settings(workers=workers)) as opened:
            made.add(packed(opened, data, format="bgzf", level=1))
    assert made == {bytes(acrypto.compress("bgzf", data, level=1))}


@pytest.mark.parametrize("command", ["bgzip -dc", "bgzip -t", "gzip -t", "gzip -dc", "igzip -dc", "pigz -dc"])
def test_others_read_every_size(layer: acrypto.Layer, command: str) -> None:
    for nbytes in SIZES:
        data = mixed(nbytes)
        given = run(command, packed(layer, data, format="bgzf", level=1))
        assert given == (data if "c" in command.split()[1] else b"")


def with_bgzip(folder: Path, name: str, data: bytes, *options: str) -> Path:
    if shutil.which("bgzip") is None:
        pytest.skip("bgzip is not installed")
    (folder / name).write_bytes(data)
    subprocess.run(["bgzip", "-f", *options, str(folder / name)], check=True)
    return folder / f"{name}.gz"


@pytest.mark.parametrize("nbytes", [1, 65_280, 65_281, 3 * MIB])
def test_the_index_is_the_one_that_bgzip_makes(tmp_path: Path, nbytes: int) -> None:
    file = with_bgzip(tmp_path, "data", mixed(nbytes), "-i")
    place = FilePlace.of_path(str(file))
    assert gzi(place) == file.with_name("data.gz.gzi").read_bytes()
    place.close()


def test_bgzip_reads_any_place_by_our_index(layer: acrypto.Layer, tmp_path: Path) -> None:
    data = mixed(3 * MIB)
    file = tmp_path / "data.gz"
    file.write_bytes(packed(layer, data, format="bgzf"))
    place = FilePlace.of_path(str(file))
    file.with_name("data.gz.gzi").write_bytes(gzi(place))
    place.close()
    for offset, nbytes in ((0, 10), (65_279, 3), (2_000_000, 100_000), (3 * MIB - 5, 5)):
        assert run(f"bgzip -b {offset} -s {nbytes} {file}", b"") == data[offset : offset + nbytes]


def test_members_of_gzip_stand_among_blocks(layer: acrypto.Layer) -> None:
    data = mixed(300_000)
    ours, member = packed(layer, data, format="bgzf"), gzip.compress(data, 1)
    assert unpacked(layer, ours + member + ours) == 3 * data
    assert unpacked(layer, member + ours + ours) == 3 * data
    assert unpacked(layer, ours[:-28] + member) == 2 * data


def test_a_cut_at_a_block_is_told_unless_it_is_read_as_gzip(layer: acrypto.Layer) -> None:
    data = mixed(300_000)
    cut = packed(layer, data, format="bgzf")[: -len(format.END)]
    with pytest.raises(acrypto.CorruptInput, match=f"truncated bgzf data at offset {len(cut)}"):
        unpacked(layer, cut)
    assert unpacked(layer, cut, format="gzip") == gzip.decompress(cut) == data


def test_damage_is_told_with_its_offset_in_the_file(layer: acrypto.Layer) -> None:
    made = packed(layer, mixed(3 * MIB), format="bgzf", level=1)
    at = len(made) // 2
    with pytest.raises(acrypto.CorruptInput) as caught:
        unpacked(layer, made[:at] + bytes([made[at] ^ 0x55]) + made[at + 1 :])
    assert at - format.LARGEST < caught.value.offset <= at + format.LARGEST
    with pytest.raises(acrypto.CorruptInput, match=f"trailing garbage at offset {len(made)}"):
        unpacked(layer, made + b"garbage")


def test_other_subfields_are_passed_over(layer: acrypto.Layer) -> None:
    block = packed(layer, b"data", format="bgzf")[: -len(format.END)]
    extra = b"XY\x03\0abc" + block[12:16] + (len(block) + 7 - 1).to_bytes(2, "little")
    odd = block[:10] + len(extra).to_bytes(2, "little") + extra + block[18:]
    assert blocks(odd + format.END) == [(len(odd), 4), (28, 0)]
    assert unpacked(layer, odd + format.END) == b"data"


pairs = st.lists(st.tuples(st.integers(28, 65_536), st.integers(0, 65_536)))


@given(pairs)
def test_an_index_is_read_as_it_was_written(steps: list[tuple[int, int]]) -> None:
    starts, offsets = array("Q", [0]), array("Q", [0])
    for length, size in steps:
        starts.append(starts[-1] + length)
        offsets.append(offsets[-1] + size)
    assert format.parse_index(format.index_to_bytes(starts, offsets)) == (starts, offsets)


@given(
    st.binary(max_size=200) | st.builds(lambda n, rest: n.to_bytes(8, "little") + rest, st.integers(0, 9), st.binary())
)
def test_any_bytes_are_an_index_or_refused(data: bytes) -> None:
    try:
        starts, offsets = format.parse_index(data)
    except acrypto.CorruptInput:
        return
    assert len(starts) == len(offsets)
    assert list(starts) == sorted(starts)


@given(st.binary(max_size=100), st.binary(max_size=300))
def test_any_bytes_are_blocks_or_none(extra: bytes, rest: bytes) -> None:
    """Whatever headers tell, going on from block to block comes to an end and stays inside."""
    header = b"\x1f\x8b\x08\x04" + bytes(6) + len(extra).to_bytes(2, "little") + extra
    for data in (rest, header + rest, format.END + header + rest):
        assert sum(length for length, _ in blocks(data)) <= len(data)


@given(st.data())
def test_any_change_of_a_file_is_told_or_harmless(layer: acrypto.Layer, data: st.DataObject) -> None:
    plain = mixed(70_000)
    made = bytearray(packed(layer, plain, format="bgzf", level=1))
    at = data.draw(st.integers(0, len(made) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(acrypto.CorruptInput, acrypto.LimitExceeded):
        assert unpacked(layer, bytes(made)) == plain
