"""Laws of `acrypto.zlib` against the standard library's `zlib`, which CPython's own tests do not state."""

from __future__ import annotations

import asyncio
import itertools
import threading
import zlib
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.memory import mixed

import acrypto
from acrypto import zlib as ours

WBITS = [9, 12, 15, -9, -15, 25, 31]
PLAIN = mixed(70_000)


def plains() -> st.SearchStrategy[bytes]:
    """Data with something to find in them."""
    return st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([b"a" * 5000, PLAIN[:9000]])), max_size=6).map(
        b"".join
    )


def cuts(data: bytes, draw: st.DrawFn) -> list[bytes]:
    at = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=8))})
    return [data[a:b] for a, b in itertools.pairwise(at)] or [b""]


def deflated(module: object, data: bytes, *options: int, zdict: bytes | None = None) -> bytes:
    stream = module.compressobj(*options) if zdict is None else module.compressobj(*options, zdict=zdict)
    return stream.compress(data) + stream.flush()


# ---- Both read each other


@pytest.mark.parametrize("wbits", WBITS)
def test_each_reads_what_the_other_writes_whatever_the_options(wbits: int) -> None:
    data = PLAIN[:20_000]
    for level, strategy, memory in itertools.product(range(-1, 10), range(5), (1, 8, 9)):
        for writer, reader in ((zlib, ours), (ours, zlib)):
            packed = deflated(writer, data, level, 8, wbits, memory, strategy)
            assert reader.decompress(packed, wbits) == data
            stream = reader.decompressobj(wbits)
            assert stream.decompress(packed + b"tail") == data
            assert (stream.eof, stream.unused_data) == (True, b"tail")


@pytest.mark.parametrize("wbits", [*WBITS, 8, 24, -12])
def test_whole_messages_go_both_ways_at_every_level(wbits: int) -> None:
    for level, size in itertools.product(range(-1, 10), (0, 1, 100, 70_000)):
        try:
            theirs = zlib.compress(PLAIN[:size], level, wbits)
        except zlib.error:
            with pytest.raises(ours.error):
                ours.compress(PLAIN[:size], level, wbits)
            continue
        packed = ours.compress(PLAIN[:size], level, wbits)
        read = max(wbits, 9) if wbits > 0 else wbits  # zlib makes a window of 9 out of 8
        assert zlib.decompress(packed, read) == ours.decompress(theirs, read) == PLAIN[:size]


def test_the_same_options_are_refused() -> None:
    def outcome(make: object, *options: int) -> object:
        try:
            make(*options)
        except ValueError:
            return ValueError

    for level, wbits, memory, strategy in itertools.product(
        (-2, -1, 0, 9, 10), (0, 7, 8, 9, 15, 16, 24, 31, 32, -7, -8, -9, -15, -16), (0, 1, 9, 10), (-1, 0, 4, 5)
    ):
        options = (level, 8, wbits, memory, strategy)
        assert outcome(ours.compressobj, *options) == outcome(zlib.compressobj, *options), options
    for wbits in range(-20, 60):
        assert outcome(ours.decompressobj, wbits) == outcome(zlib.decompressobj, wbits), wbits


@pytest.mark.parametrize("name", [name for name in dir(zlib) if name.isupper() and not name.startswith("_")])
def test_constants_are_those_of_the_standard_library(name: str) -> None:
    if "VERSION" in name:
        assert hasattr(ours, name) or name == "ZLIBNG_VERSION"
    else:
        assert getattr(ours, name) == getattr(zlib, name)


# ---- Any split, any limit


@given(plains(), st.integers(-1, 9), st.sampled_from(WBITS), st.data())
def test_any_split_of_the_plain_data_is_read_by_the_standard_library(
    plain: bytes, level: int, wbits: int, data: st.DataObject
) -> None:
    stream = ours.compressobj(level, 8, wbits)
    packed = b""
    for piece in cuts(plain, data.draw):
        packed += stream.compress(piece)
        packed += stream.flush(data.draw(st.sampled_from([0, 1, 2, 3, 5])))
        stream = data.draw(st.sampled_from([stream, stream.copy()]))
    packed += stream.flush()
    assert zlib.decompress(packed, wbits) == plain


@given(plains(), st.integers(0, 9), st.sampled_from(WBITS), st.binary(max_size=40), st.data())
def test_any_split_and_any_limit_give_the_same_bytes(
    plain: bytes, level: int, wbits: int, tail: bytes, data: st.DataObject
) -> None:
    packed = deflated(zlib, plain, level, 8, wbits) + tail
    stream, file_like = ours.decompressobj(wbits), ours._ZlibDecompressor(wbits)
    out, other = b"", b""
    for piece in cuts(packed, data.draw):
        limit = data.draw(st.sampled_from([0, 1, 7, 1000, 40_000]))
        got = stream.decompress(stream.unconsumed_tail + piece, limit)
        assert not limit or len(got) <= limit
        out += got
        if not file_like.eof:
            got = file_like.decompress(piece, limit or -1)
            assert not limit or len(got) <= limit
            other += got
        if data.draw(st.booleans()):
            stream = stream.copy()
    while stream.unconsumed_tail:
        out += stream.decompress(stream.unconsumed_tail, 3000)
    out += stream.flush()
    while not file_like.eof:
        other += file_like.decompress(b"")
    assert out == other == plain
    assert stream.eof
    assert tail.startswith(file_like.unused_data)  # what came later was never given to it
    assert stream.unused_data == tail
    with pytest.raises(EOFError):
        file_like.decompress(b"")


@given(plains(), plains(), st.sampled_from([15, -15, 12]))
def test_dictionaries_go_both_ways(plain: bytes, zdict: bytes, wbits: int) -> None:
    for writer, reader in ((zlib, ours), (ours, zlib)):
        packed = deflated(writer, plain, 6, 8, wbits, zdict=zdict)
        assert reader.decompressobj(wbits, zdict=zdict).decompress(packed) == plain
    if zdict and wbits > 0:
        with pytest.raises(ours.error, match="Error 2 while decompressing data"):
            ours.decompressobj(wbits).decompress(packed)


# ---- Damage


def outcome(call: object, *args: object) -> object:
    """What a call gives, or what it says is wrong."""
    try:
        return call(*args)
    except zlib.error as error:
        return str(error)


def told(call: object, *args: object) -> object:
    """What a call gives, or zlib's code and what was being done; zlib-rs does not always say what was wrong."""
    found = outcome(call, *args)
    return found.partition(":")[0] if isinstance(found, str) else found


@pytest.mark.parametrize("wbits", [15, 31, 47])
def test_damage_is_told_with_the_same_code(wbits: int) -> None:
    packed = zlib.compress(PLAIN[:300], 6, min(wbits, 31))
    for at, bit in itertools.product(range(len(packed)), (0, 3, 7)):
        damaged = packed[:at] + bytes([packed[at] ^ 1 << bit]) + packed[at + 1 :]
        assert told(ours.decompress, damaged, wbits) == told(zlib.decompress, damaged, wbits), (at, bit)
        ours_says = told(ours.decompressobj(wbits).decompress, damaged)
        assert ours_says == told(zlib.decompressobj(wbits).decompress, damaged), (at, bit)
    for cut in range(len(packed)):
        assert outcome(ours.decompress, packed[:cut], wbits) == outcome(zlib.decompress, packed[:cut], wbits)


def test_errors_are_caught_under_every_name() -> None:
    for kind in (ours.error, zlib.error, acrypto.CorruptInput, acrypto.AcryptoError):
        with pytest.raises(kind):
            ours.decompress(b"not zlib data")
    stream = ours.decompressobj(-15)
    stream.decompress(b"\x01\x05\x00\xfa\xff12345"[:7])
    damaged = ours.decompressobj()
    damaged.decompress(b"x\x9c")
    with pytest.raises(ours.error) as caught:
        damaged.decompress(b"\xff\xff")
    assert 2 <= caught.value.offset <= 4


# ---- Checksums


@given(plains(), st.one_of(st.integers(), st.integers(0, 2**32 - 1), st.just(2**32 - 1)))
def test_checksums_go_on_from_any_number(data: bytes, value: int) -> None:
    assert ours.crc32(data, value) == zlib.crc32(data, value)
    assert ours.adler32(data, value) == zlib.adler32(data, value)


@given(plains(), plains())
def test_checksums_of_parts_combine(first: bytes, second: bytes) -> None:
    for checksum, combine in ((zlib.crc32, ours.crc32_combine), (zlib.adler32, ours.adler32_combine)):
        assert combine(checksum(first), checksum(second), len(second)) == checksum(first + second)


# ---- Threads and event loops


def test_threads_share_a_stream() -> None:
    """Each call is whole, whatever the order in which the threads come."""
    piece = PLAIN[:30_000]
    compressor, packed = ours.compressobj(1), []
    inflater = ours.decompressobj()
    lock = threading.Lock()

    def run(count: int) -> None:
        for _ in range(count):
            with lock:  # the order of the output is the caller's affair
                packed.append(compressor.compress(piece))
            inflater.unused_data  # noqa: B018  waits for a call that runs

    def read() -> None:
        for _ in range(50):
            compressor.copy()
            assert inflater.eof is False

    threads = [threading.Thread(target=run, args=(20,)) for _ in range(2)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    packed.append(compressor.flush())
    assert zlib.decompress(b"".join(packed)) == piece * 40


def test_threads_that_do_not_order_their_calls_harm_nothing() -> None:
    packed = zlib.compress(b"a" * 3_000_000)
    stream, got = ours.decompressobj(), []

    def run() -> None:
        got.append(outcome(stream.decompress, packed))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, got)) == [0, 0, 0, 3_000_000]
    assert stream.unused_data == packed * 3


def test_streams_are_awaited() -> None:
    asyncio.run(_awaits())


async def _awaits() -> None:
    for size in (10, 1_000_000):
        data = (PLAIN * 20)[:size]
        compressor, inflater = ours.compressobj(), ours.decompressobj()
        packed = await compressor.acompress(data) + await compressor.aflush()
        assert zlib.decompress(packed) == data
        out = await inflater.adecompress(packed, 5)
        assert out == data[:5]
        while inflater.unconsumed_tail:
            out += await inflater.adecompress(inflater.unconsumed_tail, 100_000)
        assert out == data
    with pytest.raises(ours.error):
        await compressor.acompress(b"behind the end")


def test_nothing_is_awaited_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        ours.compressobj().acompress(b"")


def test_a_web_framework_can_use_the_module_as_its_backend() -> None:
    """As aiohttp does with `set_zlib_backend`: constants, both factories by keyword, and calls in an executor."""
    asyncio.run(_serves(ours))


async def _serves(backend: ModuleType) -> None:
    assert backend.__name__ == "acrypto.zlib"
    compressor = backend.compressobj(level=backend.Z_BEST_SPEED, wbits=16 + backend.MAX_WBITS, strategy=0)
    run = asyncio.get_running_loop().run_in_executor
    body = await run(None, compressor.compress, PLAIN) + compressor.flush(backend.Z_FINISH)
    inflater = backend.decompressobj(wbits=16 + backend.MAX_WBITS)
    out = b""
    while not inflater.eof:
        out += await run(None, inflater.decompress, inflater.unconsumed_tail or body, 4096)
    assert out + inflater.flush() == PLAIN
    frames = backend.compressobj(wbits=-15)
    frame = frames.compress(b"message") + frames.flush(backend.Z_SYNC_FLUSH)
    assert frame.endswith(b"\x00\x00\xff\xff")
    assert backend.decompressobj(wbits=-15).decompress(frame, max_length=100) == b"message"
