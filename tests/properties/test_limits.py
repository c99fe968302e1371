"""`max_output` is a wall: exactly that much passes, one byte more does not, and no bomb gets memory first."""

from __future__ import annotations

import subprocess
import sys
import zlib

import pytest
from tests.properties.cases import COMPRESSORS, MATERIAL, Case, name_of

import acrypto

compressors = pytest.mark.parametrize("case", COMPRESSORS, ids=name_of)
MIB = 1 << 20


@compressors
@pytest.mark.parametrize("size", [0, 1, 100, 4096, 65_536, 70_000])
def test_exactly(case: Case, size: int, layer: acrypto.Layer, queued: acrypto.Layer) -> None:
    """A message of n bytes passes with the limit n and fails with n - 1, by every door and in every lane."""
    message = MATERIAL[:size]
    packed = bytes(layer.compress(case.name, message).wait())
    doors = (
        lambda limit: layer.decompress(case.name, packed, max_output=limit).wait(),
        lambda limit: queued.decompress(case.name, packed, max_output=limit).wait(),
        lambda limit: layer.transform(case.name).decompress([packed[:3], packed[3:]], max_output=limit).wait(),
        lambda limit: layer.transform(case.name).decompress_many([packed], max_output=limit).wait()[0],
        lambda limit: acrypto.decompress(case.name, packed, max_output=limit),
    )
    for door in doors:
        assert door(size) == door(size + 1) == message
        if size:
            for limit in {size - 1, size // 2, 0}:
                with pytest.raises(acrypto.LimitExceeded) as caught:
                    door(limit)
                assert caught.value.limit == limit
                assert str(limit) in str(caught.value)


@compressors
def test_limit_and_into(case: Case, layer: acrypto.Layer) -> None:
    """Of the limit and the memory given, the smaller counts."""
    transform = case.transform(layer)
    packed = transform.compress(MATERIAL[:1000]).wait()
    with pytest.raises(acrypto.LimitExceeded):
        transform.decompress(packed, into=bytearray(2000), max_output=999).wait()
    with pytest.raises(acrypto.OutputTooSmall):
        transform.decompress(packed, into=bytearray(999), max_output=2000).wait()
    assert transform.decompress(packed, into=bytearray(1000), max_output=1000).wait() == 1000


@compressors
def test_limit_of_the_layer(case: Case, layer: acrypto.Layer) -> None:
    """Without a word from the caller the layer's setting holds; a word overrides it."""
    packed = layer.compress(case.name, MATERIAL[:1000]).wait()
    with acrypto.open(settings=acrypto.Settings(max_output=999)) as small:
        with pytest.raises(acrypto.LimitExceeded):
            small.decompress(case.name, packed).wait()
        with pytest.raises(acrypto.LimitExceeded):
            small.transform(case.name).decompress_many([packed]).wait()
        assert small.decompress(case.name, packed, max_output=1000).wait() == MATERIAL[:1000]


def test_limit_is_per_message_of_a_batch(layer: acrypto.Layer) -> None:
    """In a batch each message has the limit to itself."""
    transform = layer.transform("zstd")
    packed = transform.compress_many([MATERIAL[:1000], MATERIAL[:1001], b""]).wait()
    results = transform.decompress_many(packed, max_output=1000, return_exceptions=True).wait()
    assert [results[0], results[2]] == [MATERIAL[:1000], b""]
    assert isinstance(results[1], acrypto.LimitExceeded)


def deflate_bomb() -> bytes:
    """About 10 MB that would grow to about 10 GB: the same ten million zeros, over and over."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(10 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (10 * MIB // len(piece)) + packer.flush()


def bomb(name: str) -> bytes:
    if name == "zstd":
        # A frame with an 8 MiB window and no size; then blocks that repeat one byte 128 Ki times (RFC 8878 3.1.1.2).
        repeat = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
        last = bytes([repeat[0] | 1]) + repeat[1:]
        return bytes.fromhex("28b52ffd0068") + repeat * (10 * MIB // len(repeat)) + last
    if name == "lz4":
        # Independent blocks of 4 MiB, none checked; then one such block, over and over.
        block = acrypto.compress("lz4-block", bytes(4 * MIB)).tobytes()
        block = len(block).to_bytes(4, "little") + block
        return bytes.fromhex("04224d18607073") + block * (10 * MIB // len(block)) + bytes(4)
    if name == "bgzf":
        blocks = acrypto.compress("bgzf", bytes(100 * 65_280)).tobytes()[:-28]
        return blocks * (10 * MIB // len(blocks)) + acrypto.compress("bgzf", b"").tobytes()
    if name == "deflate-canned":
        # Zeros become 21 bytes over and over: eight times the longest match, in 21 bits.
        packed = acrypto.compress(name, bytes(MIB)).tobytes()
        return packed[:2100] + packed[2100:2121] * (10 * MIB // 21) + packed[2100:]
    if name == "lz4-block":
        return b"\x1f\0\1\0" + b"\xff" * (10 * MIB) + b"\0" + b"\x50last."
    return {"deflate": b"", "zlib": b"\x78\xda", "gzip": bytes.fromhex("1f8b0800000000000003")}[name] + deflate_bomb()


DEFUSE = """
import resource, sys
import acrypto
name, limit = sys.argv[1], int(sys.argv[2])
packed = sys.stdin.buffer.read()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
with acrypto.open() as layer:
    layer.decompress(name, layer.compress(name, bytes(100_000)).wait()).wait()
    before = peak()
    for defuse in (
        lambda: layer.decompress(name, packed, max_output=limit).wait(),
        lambda: acrypto.decompress(name, packed, max_output=limit),
        lambda: layer.transform(name).decompress([packed[:1000], packed[1000:]], max_output=limit).wait(),
        lambda: layer.transform(name).decompress(packed, into=bytearray(limit), max_output=limit).wait(),
    ):
        try:
            defuse()
        except acrypto.LimitExceeded as error:
            assert error.limit == limit
        except acrypto.OutputTooSmall as error:
            assert error.capacity == limit
        else:
            sys.exit("it went off")
print(peak() - before)
"""


@compressors
def test_bomb(case: Case) -> None:
    """10 MB that would grow to gigabytes end in LimitExceeded, with little more memory than the limit."""
    limit = 16 * MIB
    packed = bomb(case.name)
    assert 9 * MIB < len(packed) <= 11 * MIB
    done = subprocess.run(
        [sys.executable, "-c", DEFUSE, case.name, str(limit)], input=packed, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    # The result so far, the caller's own buffer, the segments joined, and what the allocator keeps.
    assert int(done.stdout) < 5 * limit
