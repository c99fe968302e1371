"""Members in parts: what the hint promises, and what becomes of one that lies."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.memory import MIB, mixed, packed, unpacked

import acrypto
from acrypto import _core
from acrypto.streams.gzip import format

BLOCK = MIB


def member(body: bytes, plain: bytes, block: int = BLOCK) -> bytes:
    """A member that says it came in parts, whatever its body is."""
    return format.header(block=block) + body + format.trailer(zlib.crc32(plain), len(plain))


def flushed(plain: bytes, mode: int, final: bool = False) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(plain) + deflater.flush(zlib.Z_FINISH if final else mode)


@given(st.binary(), st.binary())
def test_checksums_combine_as_messages_do(first: bytes, second: bytes) -> None:
    assert _core.zlib_crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.integers(0, (1 << 25) - 1))
def test_a_prelude_tells_a_length_and_is_nothing_to_others(length: int) -> None:
    prelude = format.prelude(length)
    assert format.part_len(memoryview(prelude)) == length
    assert zlib.decompressobj(-15).decompress(prelude + format.FINAL) == b""


def test_what_is_no_prelude_tells_no_length() -> None:
    prelude = format.prelude(1000)
    assert format.part_len(memoryview(prelude[:-1])) is None
    for at in range(25):
        changed = bytearray(prelude)
        changed[at] ^= 1
        assert format.part_len(memoryview(changed)) is None


@pytest.mark.parametrize("level", range(10))
def test_every_level_makes_a_member_for_all(layer: acrypto.Layer, level: int) -> None:
    data = mixed(MIB + 70_000)
    whole = packed(layer, data, level=level)
    assert zlib.decompress(whole, 31) == data
    assert unpacked(layer, whole) == data


def test_fixed_codes_make_a_member_for_all(layer: acrypto.Layer) -> None:
    data = mixed(MIB + 70_000)
    assert gzip.decompress(packed(layer, data, strategy="fixed")) == data


def test_the_header_holds_name_and_time(layer: acrypto.Layer) -> None:
    whole = packed(layer, b"data", name=b"\xff name\0hidden", mtime=1_234_567_890)
    assert int.from_bytes(whole[4:8], "little") == 1_234_567_890
    length, block = format.hinted(memoryview(whole)) or (0, 0)
    assert whole[:length].endswith(b"\xff name\0")
    assert block == BLOCK
    for mtime in (-1, 1 << 32):
        assert packed(layer, b"data", mtime=mtime)[4:8] == bytes(4)


def test_only_a_whole_header_of_ours_is_taken_for_a_hint() -> None:
    header = format.header(block=BLOCK, name=b"name")
    assert format.hinted(memoryview(header)) == (len(header), BLOCK)
    assert format.hinted(memoryview(header[:-1])) is None
    for block in (0, 4095, (4 << 20) + 1, (1 << 32) - 1):
        assert format.hinted(memoryview(format.header(block=block))) is None
    for at in (0, 1, 2, 10, 12, 13, 14, 16):
        changed = bytearray(header)
        changed[at] ^= 0x40
        assert format.hinted(memoryview(changed)) is None


PLAIN = mixed(3 * BLOCK + 5)
LIES = {
    "no parts at all": flushed(PLAIN, zlib.Z_FINISH, final=True),
    "one part, too large": format.prelude(1000) + flushed(PLAIN, zlib.Z_FULL_FLUSH) + format.FINAL,
    "a length of nothing": format.prelude(0) + flushed(PLAIN, zlib.Z_FULL_FLUSH) + format.FINAL,
    "a length beyond the end": format.prelude((1 << 25) - 1) + flushed(PLAIN, zlib.Z_FULL_FLUSH) + format.FINAL,
    "no final block but inside": format.prelude(99) + flushed(PLAIN, zlib.Z_FINISH, final=True),
}


@pytest.mark.parametrize("body", LIES.values(), ids=LIES)
def test_a_hint_that_lies_changes_no_byte(layer: acrypto.Layer, body: bytes) -> None:
    whole = member(body, PLAIN)
    assert gzip.decompress(whole) == PLAIN
    assert unpacked(layer, whole) == PLAIN
    assert unpacked(layer, whole + packed(layer, b"next") + gzip.compress(b"last")) == PLAIN + b"nextlast"


def test_parts_that_need_what_came_before_them_are_read_in_order(layer: acrypto.Layer) -> None:
    pieces = [PLAIN[at : at + 200_000] for at in range(0, len(PLAIN), 200_000)]
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = b""
    for piece in pieces:
        part = deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH)
        body += format.prelude(len(part)) + part
    whole = member(body + format.FINAL, PLAIN)
    assert gzip.decompress(whole) == PLAIN
    assert unpacked(layer, whole) == PLAIN


def test_parts_may_be_smaller_than_told(layer: acrypto.Layer) -> None:
    body = b""
    for at in range(0, len(PLAIN), 40_000):
        part = flushed(PLAIN[at : at + 40_000], zlib.Z_FULL_FLUSH)
        body += format.prelude(len(part)) + part
    assert unpacked(layer, member(body + format.FINAL, PLAIN)) == PLAIN


def test_wrong_trailers_are_told_behind_them(layer: acrypto.Layer) -> None:
    whole = packed(layer, PLAIN, level=1)
    for at, what in ((-8, "CRC-32"), (-1, "length")):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        with pytest.raises(acrypto.CorruptInput, match=what) as caught:
            unpacked(layer, bytes(damaged) + gzip.compress(b"next"))
        assert caught.value.offset == len(whole)
