"""What the analysis of the IAA driver says of its requests, one test for each feature.

Queues and their tables are in test_source_002_queues.py, queues that come and go under load in test_source_002_load.py,
configuration, priority, descriptors and records in tests/idxd, the page store with its consumer.
"""

from __future__ import annotations

import errno
import itertools
import math
import random
import struct
import threading
import zlib

import pytest
from tests.engines.iaa import NOISE, PAGE, TEXT, Bits, compressed, decompressed, engine, finish, rig, run, soft_bus

import acrypto
from acrypto._core import IaaDriver
from acrypto.engines.iaa import Iaa
from acrypto.idxd import BusError
from acrypto.model.errors import AcryptoError

FIXED = bytes.fromhex("f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100")
CANNED_HARDWARE = bytes.fromhex("6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb7101e53f")
CANNED_SOFTWARE = bytes.fromhex("6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb77f90f")
#: A stream whose references reach farther than the device's 4 KiB.
FAR_PLAIN = NOISE + random.Random(3).randbytes(9000) + NOISE


def far() -> bytes:
    """That stream, by zlib."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(FAR_PLAIN) + packer.flush()


# ---- enabling


def test_enable_on_first_wq_and_disable_on_the_last() -> None:
    """Algorithms come with the first queue; without any queue calls are -ENODEV; a queue makes them work again."""
    bus, _models = soft_bus()
    bus.write("devices/wq1.0/driver_name", "other")
    iaa = Iaa(bus=bus)
    assert iaa.probe() is not None
    assert iaa.native().offers() == []
    with pytest.raises(OSError, match="first work queue"):
        iaa.driver.tfm("deflate-iaa")
    bus.write("devices/wq1.0/driver_name", "crypto")
    for _turn in range(3):
        bus.enable("wq1.0")
        assert iaa.probe() is None
        tfm = iaa.driver.tfm("deflate-iaa")
        assert compressed(tfm, TEXT) == FIXED
        bus.disable("wq1.0")
        assert run(tfm, TEXT, 100) == (-errno.ENODEV, b"")
        assert run(tfm, FIXED, 100, compress=False) == (-errno.ENODEV, b"")
        for name, value in (("mode", "dedicated"), ("type", "kernel"), ("name", "x"), ("driver_name", "crypto")):
            bus.write(f"devices/wq1.0/{name}", value)
        bus.write("devices/wq1.0/priority", "10")
    iaa.close()


def test_unregister_only_with_module() -> None:
    """What is listed stays listed when the last queue has gone, until the engine goes."""
    with engine() as (iaa, bus, _models), acrypto.open([iaa, "software"]) as layer:
        before = {row.driver for row in layer.offers() if row.engine == "iaa"}
        bus.disable("wq1.0")
        assert not iaa.driver.enabled
        assert {row.driver for row in layer.offers() if row.engine == "iaa"} == before
        assert {"deflate-iaa", "deflate-iaa-dynamic", "deflate-iaa-canned"} <= before
        # The layer's own users are served by others meanwhile.
        packed = layer.transform("deflate").compress(PAGE).wait()
        assert zlib.decompress(packed, -15) == PAGE


# ---- how completions are learnt of


def test_sync_mode_sync() -> None:
    """The call returns the result."""
    with rig() as it:
        request = it.driver.tfm("deflate-iaa").request(TEXT, dst := bytearray(100), compress=True)
        assert request.submit() == 0
        assert dst[: request.dlen] == FIXED


def test_sync_mode_async() -> None:
    """The call returns -EINPROGRESS; whoever polls gets -EAGAIN until it is done."""
    with rig(sync_mode="async", threads=0) as it:
        request = it.driver.tfm("deflate-iaa").request(TEXT, dst := bytearray(100), compress=True)
        assert request.submit() == -errno.EINPROGRESS
        assert request.submit() == -errno.EBUSY
        assert it.driver.in_flight()[0][1] == 1
        assert request.poll() == -errno.EAGAIN
        assert finish(request, -errno.EINPROGRESS) == 0
        assert dst[: request.dlen] == FIXED
        assert request.poll() == 0


def test_sync_mode_async_irq() -> None:
    """Nobody polls: the device interrupts, and the callback runs on another thread."""
    told: list[str] = []
    done = threading.Event()

    def tell(_operation: object) -> None:
        told.append(threading.current_thread().name)
        done.set()

    with engine(sync_mode="async_irq") as (iaa, _bus, _models), acrypto.open([iaa]) as layer:
        operation = layer.transform("deflate-iaa").compress(TEXT, callback=tell)
        assert operation.wait(10) == FIXED
        assert done.wait(10)
    assert told != [threading.current_thread().name]


@pytest.mark.parametrize("mode", ["sync", "async", "async_irq"])
def test_sync_modes_give_the_same(mode: str) -> None:
    """Whatever tells of the end, single messages and batches come out the same."""
    pages = [PAGE[n:] + bytes(n) for n in range(40)]
    with engine(sync_mode=mode) as (iaa, _bus, _models), acrypto.open([iaa]) as layer:
        for name in ("deflate-iaa", "deflate-iaa-dynamic", "deflate-iaa-canned", "deflate-iaa-canned-by_8"):
            transform = layer.transform(name)
            many = list(transform.compress_many(pages).wait())
            assert [bytes(one) for one in many] == [bytes(transform.compress(page).wait()) for page in pages]
            assert [bytes(one) for one in transform.decompress_many(many).wait()] == pages


# ---- settings


def test_attribute_locking_while_enabled_and_for_bad_values() -> None:
    """-EBUSY while a queue is bound, whatever is written; -EINVAL for what they cannot be."""
    with engine() as (iaa, bus, _models):
        for name, values in (("verify_compress", ("0", "1", "x")), ("sync_mode", ("async", "sync", "x"))):
            before = bus.read(f"drivers/crypto/{name}")
            for value in values:
                with pytest.raises(BusError) as refused:
                    bus.write(f"drivers/crypto/{name}", value)
                assert refused.value.name in ({"EBUSY"} if value != "x" else {"EBUSY", "EINVAL"})
            assert bus.read(f"drivers/crypto/{name}") == before
        bus.disable("wq1.0")
        for name, good, bad in (("verify_compress", "0", "maybe"), ("sync_mode", "async_irq", "asynch")):
            with pytest.raises(BusError) as refused:
                bus.write(f"drivers/crypto/{name}", bad)
            assert refused.value.name == "EINVAL"
            bus.write(f"drivers/crypto/{name}", f"{good}\n")
            assert bus.read(f"drivers/crypto/{name}") == good
        assert (iaa.driver.verify_compress, iaa.driver.sync_mode) == (False, "async_irq")


def test_captured_settings() -> None:
    """A transform keeps the settings that it was made with."""
    with rig() as it:
        old = it.driver.tfm("deflate-iaa")
        it.unbind_all()
        it.driver.set_sync_mode("async")
        it.driver.set_verify_compress(False)
        it.bind(it.device, 1)
        new = it.driver.tfm("deflate-iaa")
        assert (old.sync_mode, old.verify_compress) == ("sync", True)
        assert (new.sync_mode, new.verify_compress) == ("async", False)
        assert old.request(TEXT, bytearray(100), compress=True).submit() == 0
        request = new.request(TEXT, bytearray(100), compress=True)
        assert request.submit() == -errno.EINPROGRESS
        assert finish(request, -errno.EINPROGRESS) == 0


# ---- modes


def test_separate_algorithm_per_mode() -> None:
    """Each mode is a driver of its own, with the kernel's names and bids."""
    with engine() as (iaa, _bus, _models):
        offers = {driver: (name, priority) for name, _kind, driver, priority, *_rest in iaa.native().offers()}
    assert offers["deflate-iaa"] == ("deflate", 300)
    assert offers["deflate-iaa-dynamic"] == ("deflate", 301)
    assert offers["deflate-iaa-canned"] == ("deflate-canned", 300)
    for num in (1, 2, 4, 8, 16, 32, 64):
        assert offers[f"deflate-iaa-canned-by_{num}"] == (f"deflate-canned-by_{num}", 300)


def test_compression_modes_are_named_tables() -> None:
    """286 and 30 code lengths under a name, three modes at most; they change only while no queue is bound."""
    driver = IaaDriver()
    literals, distances = canned_lengths()
    with pytest.raises(OSError, match=r".") as refused:
        driver.add_compression_mode("mine", literals, distances)
    assert refused.value.errno == errno.EINVAL, "there are three"
    driver.remove_compression_mode("dynamic")
    for name, bad in (("fixed", literals), ("mine", literals[:-1]), ("mine", [1] * 286), ("", literals)):
        with pytest.raises((OSError, ValueError)):
            driver.add_compression_mode(name, bad, distances)
    driver.add_compression_mode("mine", literals, distances)
    with rig(driver=driver) as it:
        with pytest.raises(OSError, match=r".") as refused:
            driver.remove_compression_mode("mine")
        assert refused.value.errno == errno.EBUSY
        with pytest.raises(OSError, match=r".") as refused:
            driver.add_compression_mode("another", literals, distances)
        assert refused.value.errno == errno.EBUSY
        tfm = driver.tfm("deflate-iaa-mine")
        packed = compressed(tfm, PAGE)
        assert zlib.decompress(packed, -15) == PAGE
        assert decompressed(tfm, packed, 4096) == PAGE
        with pytest.raises(OSError, match="no driver"):
            driver.tfm("deflate-iaa-dynamic")
        it.unbind_all()
        driver.remove_compression_mode("mine")


def test_fixed_mode_known_answer() -> None:
    """70 bytes to 38: one final block of fixed codes, as zlib makes it with that strategy."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12, 9, zlib.Z_FIXED)
    assert packer.compress(TEXT) + packer.flush() == FIXED
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa")
        assert compressed(tfm, TEXT) == FIXED
        assert decompressed(tfm, FIXED, 70) == TEXT


def test_fixed_mode_refers_to_4_kib_at_most() -> None:
    """Zlib reads it with a window of 4 KiB; what repeats farther away is not found again."""
    data = NOISE + random.Random(1).randbytes(100) + NOISE + PAGE * 3
    with rig() as it:
        packed = compressed(it.driver.tfm("deflate-iaa"), data)
    assert packed[0] & 7 == 0b011, "final, fixed"
    reader = zlib.decompressobj(-12)
    out, left = b"", packed
    while not reader.eof:
        out += reader.decompress(left, 64)  # a little at a time: what is out is only in the window
        left = reader.unconsumed_tail
    assert out == data
    assert len(packed) > 2 * len(NOISE)
    assert reader.unused_data == b""


def canned_lengths() -> tuple[list[int], list[int]]:
    """The code lengths that both sides of a canned stream know."""
    shorter = {
        4: [257], 5: [0, 258, 260, 261, 262, 272], 6: [259, 267],
        7: [1, 32, 48, 49, 56, 63, 64, 97, 99, 100, 101, 265, 266, 269, 270],
        8: [2, 3, 4, 6, 8, 10, 16, 24, 40, 46, *range(50, 56), 57, 58, 60, 61, 62, 65, 68, 70, 72, 80, 88, 96, 98, 102,
            104, 105, *range(108, 113), *range(114, 118), 120, 128, 136, 144, 152, 160, 176, 184, 191, 192, 200, 208,
            224, 240, 255, 263, 264, 268, 271],
        10: [256], 11: [251], 14: [273, 274, 285], 15: [*range(275, 285)],
    }  # fmt: skip
    literals = [9] * 256 + [0] * 30
    for length, symbols in shorter.items():
        for symbol in symbols:
            literals[symbol] = length
    distances = [7, 4, 9, 3, 8, 3, 6, 4, 4, 5, 4, 5, 4, 5, 5, 4, 4, 5, 5, 5, 5, 6, 6, 9, 0, 0, 0, 0, 0, 0]
    return literals, distances


def canned_prefix() -> bytes:
    """171 bytes that make a canned body ordinary deflate: three empty blocks, and a header that ends on a byte."""
    bits = Bits()
    for _block in range(3):
        bits.put(0b010, 3)
        bits.put(0, 7)
    literals, distances = canned_lengths()
    bits.put(0b101, 3)
    bits.put(286 - 257, 5)
    bits.put(30 - 1, 5)
    bits.put(19 - 4, 4)
    for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15):
        bits.put(4 if symbol < 16 else 0, 3)
    for length in literals + distances:
        bits.put_code(length, 4)
    assert bits.count == 1368
    return bits.value.to_bytes(171, "little")


def test_canned_mode_known_answers() -> None:
    """Both bodies of 70 bytes decompress, and become plain deflate behind the header that they leave out."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa-canned")
        for body in (CANNED_HARDWARE, CANNED_SOFTWARE):
            assert decompressed(tfm, body, 70) == TEXT
            assert zlib.decompress(canned_prefix() + body, -15) == TEXT
        assert len(compressed(tfm, TEXT)) in {36, 37}
        for data in (b"x", TEXT, PAGE, NOISE, bytes(4096)):
            body = compressed(tfm, data)
            assert zlib.decompress(canned_prefix() + body, -12) == data
            assert decompressed(tfm, body, len(data)) == data
        assert it.total("sw_decomp_calls") == it.total("sw_comp_calls") == 0


def test_dynamic_is_ordinary_deflate_and_more_than_a_page_is_for_software() -> None:
    """Zlib reads it; a page goes to the device, a byte more to software, which is counted."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa-dynamic")
        packed = compressed(tfm, PAGE)
        assert packed[0] & 7 == 0b101, "final, dynamic"
        assert zlib.decompress(packed, -15) == PAGE
        assert (it.total("comp_calls"), it.total("sw_comp_calls")) == (1, 0)
        assert zlib.decompress(compressed(tfm, PAGE + b"!"), -15) == PAGE + b"!"
        assert (it.total("comp_calls"), it.total("sw_comp_calls")) == (1, 1)
        fixed = compressed(it.driver.tfm("deflate-iaa"), PAGE)
        assert len(packed) < len(fixed)


@pytest.mark.parametrize("size", [4, 128])
def test_by_n_round_trips_for_every_n(size: int) -> None:
    """Any N of 1 to 64, whatever N divides, and with fewer entries of a queue than parts."""
    data = PAGE * 4 + b"tail"
    with rig(size=size, verify=False) as it:
        for num in range(1, 65):
            tfm = it.driver.tfm(f"deflate-iaa-canned-by_{num}")
            for plain in (data, data[: num + 3], data[:4096]):
                packed = compressed(tfm, plain, 2 * len(plain) + 4096)
                parts = struct.unpack_from("=I", packed)[0]
                assert parts == num
                edges = [4 * num, *struct.unpack_from(f"={num - 1}I", packed, 4), len(packed)]
                bodies = [packed[start:end] for start, end in itertools.pairwise(edges)]
                assert b"".join(zlib.decompress(canned_prefix() + body, -12) for body in bodies) == plain
                assert decompressed(tfm, packed, len(plain)) == plain
        assert all(in_flight == 0 and free == size for _queue, in_flight, free in it.driver.in_flight())
    with rig() as it:
        for num in ("0", "65", "1000", "+3", "-3", "03", "007", "3 ", "", "٣"):
            with pytest.raises(OSError, match="no driver"):
                it.driver.tfm(f"deflate-iaa-canned-by_{num}")


def test_by_n_refuses_malformed_headers() -> None:
    """N of 0 or above 64, offsets that do not ascend or leave the data: refused before anything is divided or cut."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa-canned-by_4")
        good = compressed(tfm, PAGE)
        numbers = struct.unpack_from("=4I", good)
        bad = [b"", good[:3], good[:4], good[:16], good[: numbers[3]]]
        for index, value in (
            (0, 0), (0, 65), (0, 2**32 - 1), (1, 0), (1, 16), (1, numbers[2]), (2, numbers[1]), (3, len(good)),
            (3, 2**32 - 1), (1, 2**31),
        ):  # fmt: skip
            changed = list(numbers)
            changed[index] = value
            bad.append(struct.pack("=4I", *changed) + good[16:])
        for data in bad:
            assert run(tfm, data, 8192, compress=False)[0] == -errno.EINVAL, data[:16].hex()
        assert decompressed(tfm, good, 4096) == PAGE
        assert it.driver.in_flight()[0][1] == 0


# ---- verification, fallback, errors


@pytest.mark.parametrize("name", ["deflate-iaa", "deflate-iaa-canned"])
def test_verify_finds_what_was_corrupted(name: str) -> None:
    """The checksum of what was decompressed again is that of what was compressed, or the request is -EINVAL."""
    with rig() as it:
        tfm = it.driver.tfm(name)
        for _turn in range(20):
            it.device.inject("corrupt", count=1)
            assert run(tfm, PAGE, 8192)[0] == -errno.EINVAL
            assert decompressed(tfm, compressed(tfm, PAGE), 4096) == PAGE
    with rig(verify=False) as it:
        it.device.inject("corrupt", count=1)
        err, packed = run(it.driver.tfm(name), PAGE, 8192)
        assert err == 0, "nobody looks"
        assert packed != compressed(it.driver.tfm(name), PAGE)


def test_software_decompress_fallback() -> None:
    """What refers farther back than the device remembers is decompressed right, in software, and counted."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa")
        packed = far()
        for turn in range(1, 4):
            assert decompressed(tfm, packed, len(FAR_PLAIN)) == FAR_PLAIN
            assert it.total("sw_decomp_calls") == turn
            assert it.total("decomp_calls") == turn
            assert it.total("decomp_bytes_in") == turn * len(packed)
        assert decompressed(tfm, compressed(tfm, PAGE), 4096) == PAGE
        assert it.total("sw_decomp_calls") == 3, "what it can read it reads"
        assert run(tfm, b"\xff" * 50, 100, compress=False)[0] == -errno.EINVAL, "software has its own word"


def test_no_fallback_on_compress() -> None:
    """What does not fit is an error, and nothing is tried in software."""
    with rig() as it:
        for name in ("deflate-iaa", "deflate-iaa-canned", "deflate-iaa-dynamic"):
            guard = bytearray(b"\xaa" * 4096)
            request = it.driver.tfm(name).request(NOISE, memoryview(guard)[:2000], compress=True)
            assert request.submit() == -errno.E2BIG
            assert guard[2000:] == b"\xaa" * 2096
        assert it.total("sw_comp_calls") == 0
        assert it.total("completion_comp_buf_overflow_errors") == 3


@pytest.mark.parametrize(
    ("status", "number", "counter"),
    [
        (0x24, errno.ETIMEDOUT, "completion_timeout_errors"),
        (0x10, errno.EINVAL, "completion_einval_errors"),
        (0x11, errno.EINVAL, "completion_einval_errors"),
        (0x1F, errno.EINVAL, "completion_einval_errors"),
        (0x20, errno.EINVAL, "completion_einval_errors"),
        (0x7F, errno.EINVAL, "completion_einval_errors"),
    ],
)
@pytest.mark.parametrize("compress", [True, False])
def test_errors_of_completions(status: int, number: int, counter: str, compress: bool) -> None:
    """Each status has its number, and its counter; the next request is not concerned."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa")
        it.device.inject("fail", status=status, count=1)
        assert run(tfm, TEXT if compress else FIXED, 100, compress=compress)[0] == -number
        assert it.total(counter) == 1
        assert it.driver.enabled
        assert compressed(tfm, TEXT) == FIXED


def test_errors_of_sizes() -> None:
    """-EINVAL for nothing, -E2BIG and -EOVERFLOW for what does not fit, -ENODEV without a queue."""
    with rig() as it:
        tfm = it.driver.tfm("deflate-iaa")
        assert run(tfm, b"", 10)[0] == -errno.EINVAL
        assert run(tfm, TEXT, 20)[0] == -errno.E2BIG
        for room in (1, 69):
            assert run(tfm, FIXED, room, compress=False)[0] == -errno.EOVERFLOW
        it.unbind_all()
        assert run(tfm, TEXT, 100)[0] == -errno.ENODEV


def test_poll_limit() -> None:
    """A device that never answers is disabled with -ETIMEDOUT; what follows is -ENODEV and does not hang."""
    with rig() as it:
        it.driver.set_patience(1000, 1)
        tfm = it.driver.tfm("deflate-iaa")
        it.device.inject("stick", count=1)
        assert run(tfm, TEXT, 100)[0] == -errno.ETIMEDOUT
        assert not it.driver.enabled
        assert it.driver.trouble
        assert it.total("completion_timeout_errors") == 0, "that is the watchdog's"
        for _turn in range(3):
            assert run(tfm, TEXT, 100)[0] == -errno.ENODEV
            assert run(tfm, FIXED, 100, compress=False)[0] == -errno.ENODEV


def test_patience_has_bounds() -> None:
    driver = IaaDriver()
    for polls in (0, -1, 1 << 32):
        with pytest.raises(acrypto.UsageError, match=f"^polls is {polls}; it must be in 1 to 4294967295$"):
            driver.set_patience(polls, 1)
    for ms in (math.nan, -0.001, 600_000.5, 1e300, math.inf, -math.inf):
        with pytest.raises(acrypto.UsageError, match=r"^ms is .*; it must be in 0 to 600000$"):
            driver.set_patience(1, ms)
    driver.set_patience(1, 0)
    driver.set_patience((1 << 32) - 1, 600_000)


# ---- statistics, null destinations


def test_stats_are_counted_when_the_kernel_counts() -> None:
    """Calls at submission, bytes at completion, totals, devices and queues; all zero after a reset."""
    with rig(sync_mode="async", verify=False, threads=0) as it:
        tfm = it.driver.tfm("deflate-iaa")
        request = tfm.request(TEXT, bytearray(100), compress=True)
        assert request.submit() == -errno.EINPROGRESS
        assert (it.total("comp_calls"), it.total("comp_bytes_out")) == (1, 0)
        assert finish(request, -errno.EINPROGRESS) == 0
        assert (it.total("comp_calls"), it.total("comp_bytes_out")) == (1, 38)
        assert decompressed(tfm, FIXED, 70) == TEXT
        assert run(tfm, NOISE, 100)[0] == -errno.E2BIG
        assert it.driver.global_stats() == (
            "global stats:\n  total_comp_calls: 2\n  total_decomp_calls: 1\n  total_sw_comp_calls: 0\n"
            "  total_sw_decomp_calls: 0\n  total_comp_bytes_out: 38\n  total_decomp_bytes_in: 38\n"
            "  total_completion_einval_errors: 0\n  total_completion_timeout_errors: 0\n"
            "  total_completion_comp_buf_overflow_errors: 1\n\n"
        )
        four = "comp_calls: 2\n{0}comp_bytes: 38\n{0}decomp_calls: 1\n{0}decomp_bytes: 38\n"
        name = it.driver.wq_stats().split("name: ")[1].split("\n")[0]
        assert it.driver.wq_stats() == (
            f"iaa device:\n  id: 1\n  n_wqs: 1\n  {four.format('  ')}  wqs:\n    name: {name}\n"
            f"    {four.format('    ')}\n"
        )
        it.driver.reset_stats()
        assert all(value == 0 for _name, value in it.driver.totals())
        assert " 38" not in it.driver.wq_stats()


@pytest.mark.parametrize("mode", ["sync", "async", "async_irq"])
def test_null_dst_forces_sync(mode: str) -> None:
    """Without a destination the request is run to its end in the call, and brings its own memory, 128 KiB at most."""
    with rig(sync_mode=mode) as it:
        tfm = it.driver.tfm("deflate-iaa")
        request = tfm.request(TEXT, compress=True)
        assert request.submit() == 0
        assert bytes(request.result()) == FIXED
        grown = compressed(tfm, bytes(131072), 200_000)
        request = tfm.request(grown, compress=False)
        assert request.submit() == 0
        assert bytes(request.result()) == bytes(131072)
        larger = tfm.request(compressed(tfm, bytes(131073), 200_000), compress=False)
        assert larger.submit() < 0
        with pytest.raises(AcryptoError):
            larger.result()
