"""What the analysis of the kernel's comp, scomp and acomp says, one test for each feature."""

from __future__ import annotations

import random
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.codecs import TEXT, acomp, comp, cut, deflate, entries, inflate, round_trip, run, scomp

import acrypto
from acrypto.kernel import (
    CRYPTO_ALG_ASYNC,
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EBADMSG,
    EBUSY,
    EINPROGRESS,
    EINVAL,
    ELIBBAD,
    ENOENT,
    ENOSPC,
    ERR_PTR,
    ETIMEDOUT,
    IS_ERR,
    Kernel,
    Scatterlist,
    acomp_request_alloc,
    acomp_request_complete,
    acomp_request_free,
    acomp_request_set_callback,
    acomp_request_set_params,
    acomp_request_set_unit_size,
    boot,
    crypto_acomp_alg_name,
    crypto_acomp_batch_size,
    crypto_acomp_compress,
    crypto_acomp_decompress,
    crypto_acomp_driver_name,
    crypto_alloc_acomp,
    crypto_alloc_comp,
    crypto_comp_compress,
    crypto_comp_decompress,
    crypto_comp_name,
    crypto_free_acomp,
    crypto_free_comp,
    crypto_init_wait,
    crypto_register_acomp,
    crypto_register_acomps,
    crypto_register_alg,
    crypto_register_scomp,
    crypto_register_scomps,
    crypto_req_done,
    crypto_unregister_acomp,
    crypto_wait_req,
    sg_copy_to_buffer,
    sg_init_one,
    sg_nents,
)

VECTOR = bytes.fromhex("f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100")


def test_three_registration_families(kernel: Kernel) -> None:
    """Only the acomp allocator serves scomp and acomp; only the comp allocator serves comp."""
    assert crypto_register_alg(comp("zz-comp", "zz-comp-py")) == 0
    assert crypto_register_scomp(scomp("zz-scomp", "zz-scomp-py")) == 0
    assert crypto_register_acomp(acomp("zz-acomp", "zz-acomp-py")) == 0
    for name in ("zz-scomp", "zz-scomp-py", "zz-acomp", "zz-acomp-py"):
        assert crypto_alloc_comp(name) == ERR_PTR(-ENOENT)
        tfm = crypto_alloc_acomp(name)
        assert round_trip(tfm) == TEXT
        crypto_free_acomp(tfm)
    for name in ("zz-comp", "zz-comp-py"):
        assert crypto_alloc_acomp(name) == ERR_PTR(-ENOENT)
        legacy = crypto_alloc_comp(name)
        packed, back = bytearray(200), bytearray(len(TEXT))
        length = crypto_comp_compress(legacy, TEXT, len(TEXT), packed, len(packed))
        assert length == len(VECTOR)
        assert crypto_comp_decompress(legacy, packed, length, back, len(back)) == len(TEXT)
        assert back == TEXT
        crypto_free_comp(legacy)


def test_acomp_flow(kernel: Kernel) -> None:
    """Allocate, request, parameters, callback, wait, free: the documented sequence compresses."""
    tfm = crypto_alloc_acomp("deflate", 0, 0)
    assert not IS_ERR(tfm)
    req = acomp_request_alloc(tfm)
    source, result, wait = Scatterlist(1), Scatterlist(1), DECLARE_CRYPTO_WAIT()
    output = bytearray(512)
    sg_init_one(source, TEXT, len(TEXT))
    sg_init_one(result, output, len(output))
    crypto_init_wait(wait)
    acomp_request_set_params(req, source, result, len(TEXT), len(output))
    acomp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait)
    assert crypto_wait_req(crypto_acomp_compress(req), wait) == 0
    assert output[: req.dlen] == VECTOR
    acomp_request_free(req)
    crypto_free_acomp(tfm)
    with pytest.raises(acrypto.UsageError, match="freed"):
        crypto_acomp_compress(req)


@pytest.mark.parametrize("name", ["deflate", "deflate-py"])
def test_per_cpu_scratch(classic: Kernel, name: str) -> None:
    """131072 bytes are taken and 131073 are not; the buffers are there from the first transform to the last."""
    crypto_register_scomp(scomp())
    assert classic.scratches.allocated == 0
    tfm, other = crypto_alloc_acomp(name), crypto_alloc_acomp(name)
    assert classic.scratches.allocated == len(classic.scratches.workers) * 2 * 131072
    data, packed = bytes(131073), bytearray(131073)
    err, length = run(tfm, data, packed, 131072, len(packed))
    assert err == 0
    assert run(tfm, data, packed, 131073, len(packed))[0] == -EINVAL
    back = bytearray(131073)
    assert run(tfm, packed, back, length, len(back), compress=False) == (0, 131072)
    # What is larger than the buffer does not fit, whatever room the caller has.
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(131073)) + packer.flush()
    assert run(tfm, bomb, back, len(bomb), len(back), compress=False)[0] == -ENOSPC
    crypto_free_acomp(tfm)
    assert classic.scratches.allocated > 0
    crypto_free_acomp(other)
    assert classic.scratches.allocated == 0


def test_scomp_cannot_sleep(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    """An implementation that blocks is caught and reported once, with its name and what it called."""

    def sleeps(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        time.sleep(0)
        return deflate(src, dst)

    alg, honest = scomp("zz", "zz-sleepy", compress=sleeps), scomp("zy", "zy-awake")
    assert crypto_register_scomps([alg, honest]) == 0
    for name in ("zz", "zy"):
        assert round_trip(crypto_alloc_acomp(name)) == TEXT
    assert alg.sleeps > 0
    assert alg.slept_in == "time.sleep"
    assert honest.sleeps == 0
    [report] = [record.getMessage() for record in caplog.records if "BUG" in record.getMessage()]
    assert "time.sleep" in report
    assert "zz-sleepy" in report


def test_callback_by_implementation(kernel: Kernel) -> None:
    """After -EINPROGRESS the implementation calls back once, from its own thread, with the result."""
    crypto_register_acomp(acomp("zz", "zz-async"))
    tfm, called, done = crypto_alloc_acomp("zz"), [], threading.Event()

    def told(data: Any, err: int) -> None:
        called.append((data, err, threading.current_thread()))
        done.set()

    for function, source, code in (
        (crypto_acomp_compress, TEXT, 0),
        (crypto_acomp_decompress, b"\xff" * 20, -EINVAL),
    ):
        req = acomp_request_alloc(tfm)
        acomp_request_set_params(req, source, bytearray(200), len(source), 200)
        acomp_request_set_callback(req, 0, told, "mine")
        assert function(req) == -EINPROGRESS
        assert done.wait(10)
        done.clear()
        [(data, err, thread)] = called
        assert (data, err) == ("mine", code)
        assert thread is not threading.current_thread()
        acomp_request_complete(req, 0)  # a second one goes no further
        assert len(called) == 1
        called.clear()


def test_wait_helper() -> None:
    """It sleeps for -EINPROGRESS and -EBUSY, ignores the notice of a left backlog, and passes everything else on."""
    for err in (-EINPROGRESS, -EBUSY):
        wait = DECLARE_CRYPTO_WAIT()
        crypto_req_done(wait, -EINPROGRESS)
        assert wait.err == 0  # no result, and nobody is woken: with that as its result it would be the end
        finisher = threading.Thread(target=crypto_req_done, args=(wait, -EBADMSG))
        finisher.start()
        assert crypto_wait_req(err, wait) == -EBADMSG
        finisher.join()
    for err in (0, -EINVAL, -ENOSPC, 17):
        assert crypto_wait_req(err, DECLARE_CRYPTO_WAIT()) == err


PLACES = st.lists(st.integers(0, 3000), max_size=12)


@pytest.mark.parametrize("profile", ["2025", "v9-2023"])
@given(data=st.binary(min_size=1, max_size=3000), cuts=PLACES, into=PLACES, back=PLACES)
def test_sg_lists(
    layer: acrypto.Layer, profile: str, data: bytes, cuts: list[int], into: list[int], back: list[int]
) -> None:
    """However source and result are cut, into single bytes and empty entries too, the bytes are the same."""
    with boot(layer, profile=profile):
        tfm = crypto_alloc_acomp("deflate")
        flat, pieces, whole = bytearray(4096), bytearray(4096), bytearray(len(data))
        err, length = run(tfm, data, flat, len(data), len(flat))
        assert err == 0
        source = cut(data, [min(place, len(data)) for place in cuts])
        assert run(tfm, source, cut(pieces, into), len(data), len(pieces)) == (0, length)
        assert pieces == flat
        result = cut(whole, [min(place, len(data)) for place in back])
        packed = cut(pieces, [1, 2, 3, *into])
        assert run(tfm, packed, result, length, len(data), compress=False) == (0, len(data))
        assert whole == data
        crypto_free_acomp(tfm)


@pytest.mark.parametrize("profile", ["2025", "v9-2023"])
@pytest.mark.parametrize("name", ["deflate", "zz-scomp", "zz-acomp", "zz-at-once", "zz-liar", "lz4", "zstd"])
def test_dst_too_small(layer: acrypto.Layer, profile: str, name: str) -> None:
    """What does not fit is -ENOSPC, and no byte past the end is written, in one piece or several."""
    noise = random.Random(1).randbytes(1000)
    liar = scomp("zz-liar", "zz-liar-py")
    with boot(layer, profile=profile):
        crypto_register_scomps([scomp("zz-scomp", "zz-scomp-py"), liar])
        crypto_register_acomps([acomp("zz-acomp", "zz-acomp-py"), acomp("zz-at-once", "zz-now", later=False)])
        # It says it wrote more than there was room for.
        liar.compress = lambda tfm, src, dst, ctx: 100_000
        tfm = crypto_alloc_acomp(name)
        for places in ([], [1, 2, 3], [250]):
            memory = bytearray(b"\xa5" * 564)
            result = cut(memoryview(memory)[:500], places)
            assert run(tfm, noise, result, len(noise), 500)[0] == -ENOSPC
            assert memory[500:] == b"\xa5" * 64
        crypto_free_acomp(tfm)


@pytest.mark.parametrize("name", ["deflate", "deflate-py", "deflate-async-py"])
def test_null_dst(layer: acrypto.Layer, name: str) -> None:
    """Without a destination one is allocated, up to 131072 bytes, in the older profile; -EINVAL in the newer one."""
    data = b"".join(b"%d is even, %d is odd; " % (2 * n % 100, n) for n in range(2_000))
    with boot(layer, profile="v9-2023"):
        crypto_register_scomp(scomp())
        crypto_register_acomp(acomp())
        tfm = crypto_alloc_acomp(name)
        req, wait = acomp_request_alloc(tfm), DECLARE_CRYPTO_WAIT()
        acomp_request_set_params(req, data, None, len(data), 0)
        acomp_request_set_callback(req, 0, crypto_req_done, wait)
        assert crypto_wait_req(crypto_acomp_compress(req), wait) == 0
        assert req.dst is not None
        packed = bytearray(req.dlen)
        assert sg_copy_to_buffer(req.dst, sg_nents(req.dst), packed, req.dlen) == req.dlen
        acomp_request_free(req)
        # 4 times the source is too little for this: it is doubled.
        assert len(packed) * 4 < len(data)
        req = acomp_request_alloc(tfm)
        acomp_request_set_params(req, packed, None, len(packed), 0)
        acomp_request_set_callback(req, 0, crypto_req_done, wait)
        assert crypto_wait_req(crypto_acomp_decompress(req), wait) == 0
        back = bytearray(req.dlen)
        sg_copy_to_buffer(req.dst, sg_nents(req.dst), back, req.dlen)
        assert back == data
        acomp_request_free(req)
        packer = zlib.compressobj(wbits=-11)
        bomb = packer.compress(bytes(131073)) + packer.flush()
        assert run(tfm, bomb, None, len(bomb), 0, compress=False)[0] == -ENOSPC
        crypto_free_acomp(tfm)
    with boot(layer, profile="2025"):
        crypto_register_scomp(scomp())
        crypto_register_acomp(acomp())
        tfm = crypto_alloc_acomp(name)
        assert run(tfm, data, None, len(data), 0)[0] == -EINVAL
        assert run(tfm, data, None, len(data), 100)[0] == -EINVAL
        crypto_free_acomp(tfm)


def broken_end(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
    """Inflates, but for the last byte."""
    length = inflate(src, dst)
    if length > 0:
        dst[length - 1] ^= 1
    return length


def test_self_test_at_registration(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    """A codec that corrupts is registered, but nobody can have it; the stronger name stays with one that works."""
    assert crypto_register_scomp(scomp("zz", "zz-corrupt", decompress=broken_end)) == 0
    assert crypto_alloc_acomp("zz-corrupt") == ERR_PTR(-ELIBBAD)
    assert crypto_alloc_acomp("zz") == ERR_PTR(-ELIBBAD)
    assert crypto_register_scomp(scomp("deflate", "deflate-corrupt", 1000, decompress=broken_end)) == 0
    assert crypto_acomp_driver_name(crypto_alloc_acomp("deflate")) != "deflate-corrupt"
    foreign = {"compress": lambda t, s, d, c: _xor(s, d), "decompress": lambda t, s, d, c: _xor(s, d)}
    # Its round trips are right, but it is no deflate: the known answer catches it.
    assert crypto_register_scomp(scomp("deflate", "deflate-foreign", 1000, **foreign)) == 0
    assert crypto_alloc_acomp("deflate-foreign") == ERR_PTR(-ELIBBAD)
    broken = comp("zz", "zz-comp-corrupt", coa_decompress=lambda tfm, src, dst: broken_end(tfm, src, dst, None))
    assert crypto_register_alg(broken) == 0
    assert crypto_alloc_comp("zz-comp-corrupt") == ERR_PTR(-ELIBBAD)
    # A legacy one that is none of its name, too.
    legacy = comp("deflate", "deflate-legacy-foreign", 1000, coa_compress=lambda t, s, d: _xor(s, d),
                  coa_decompress=lambda t, s, d: _xor(s, d))  # fmt: skip
    assert crypto_register_alg(legacy) == 0
    assert crypto_alloc_comp("deflate-legacy-foreign") == ERR_PTR(-ELIBBAD)
    assert crypto_comp_name(crypto_alloc_comp("deflate")) == "deflate"
    assert {row.driver: row.selftest for row in kernel.legacy_rows()} == {
        "zz-comp-corrupt": "failed", "deflate-legacy-foreign": "failed",
    }  # fmt: skip
    failed = [row for row in kernel.layer.offers() if row.selftest == "failed"]
    assert {row.driver for row in failed} == {"zz-corrupt", "deflate-corrupt", "deflate-foreign"}
    assert "zz-corrupt" in caplog.text


def _xor(src: memoryview, dst: memoryview) -> int:
    if len(src) > len(dst):
        return -ENOSPC
    dst[: len(src)] = bytes(byte ^ 0x55 for byte in src)
    return len(src)


def test_selection_by_name_and_driver(kernel: Kernel) -> None:
    """The highest priority wins a name; a driver's name is exact."""
    generic = crypto_acomp_driver_name(crypto_alloc_acomp("deflate"))
    hardware = acomp("deflate", "deflate-iaa-like", 300)
    assert crypto_register_scomp(scomp("deflate", "deflate-weak", 0)) == 0
    assert crypto_acomp_driver_name(crypto_alloc_acomp("deflate")) == generic
    assert crypto_register_acomp(hardware) == 0
    assert crypto_acomp_driver_name(crypto_alloc_acomp("deflate")) == "deflate-iaa-like"
    for driver in (generic, "deflate-weak", "deflate-iaa-like"):
        assert crypto_acomp_driver_name(crypto_alloc_acomp(driver)) == driver
    assert crypto_acomp_driver_name(crypto_alloc_acomp("deflate", 0, CRYPTO_ALG_ASYNC)) == generic
    chosen = crypto_alloc_acomp("deflate", CRYPTO_ALG_ASYNC, CRYPTO_ALG_ASYNC)
    assert crypto_acomp_driver_name(chosen) == "deflate-iaa-like"
    crypto_free_acomp(chosen)
    crypto_unregister_acomp(hardware)
    assert crypto_acomp_driver_name(crypto_alloc_acomp("deflate")) == generic


def test_larval_first_use(layer: acrypto.Layer) -> None:
    """Many who ask for a name while it is tested wait, get it, and there is one test."""
    testing, go = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def slow(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        testing.set()
        assert go.wait(30)
        seen.append(bytes(src))
        return deflate(src, dst)

    found: list[Any] = []
    with boot(layer, sleep_check=False):
        registers = threading.Thread(target=crypto_register_scomp, args=(scomp("zz", "zz-slow", compress=slow),))
        registers.start()
        assert testing.wait(10)
        asking = [threading.Thread(target=lambda: found.append(crypto_alloc_acomp("zz"))) for _ in range(8)]
        for thread in asking:
            thread.start()
        assert found == []
        go.set()
        for thread in [registers, *asking]:
            thread.join(30)
        assert [tfm.driver for tfm in found] == ["zz-slow"] * 8
        once = len(seen)
        assert round_trip(found[0]) == TEXT
        assert len(seen) == once + 1


def test_larval_patience(layer: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for a test to end, which is 60 seconds, is told -ETIMEDOUT."""
    assert layer._registry.patience == 60
    monkeypatch.setattr(layer._registry, "patience", 0.01)
    testing, go = threading.Event(), threading.Event()

    def stuck(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        testing.set()
        assert go.wait(30)
        return deflate(src, dst)

    with boot(layer, sleep_check=False):
        registers = threading.Thread(target=crypto_register_scomp, args=(scomp("zz", "zz-stuck", compress=stuck),))
        registers.start()
        assert testing.wait(10)
        assert crypto_alloc_acomp("zz") == ERR_PTR(-ETIMEDOUT)
        go.set()
        registers.join(30)


def test_compression_set(kernel: Kernel) -> None:
    """deflate, zlib-deflate, lz4, lz4hc and zstd do their vectors; lzo, lzo-rle and 842 are reported absent."""
    for name in ("deflate", "zlib-deflate", "lz4", "lz4hc", "zstd"):
        tfm = crypto_alloc_acomp(name)
        assert crypto_acomp_alg_name(tfm) == name
        assert round_trip(tfm) == TEXT
        packed = bytearray(512)
        err, length = run(tfm, TEXT, packed, len(TEXT), len(packed))
        assert err == 0
        if name == "deflate":
            assert packed[:length] == VECTOR
        if name == "zlib-deflate":
            assert zlib.decompress(packed[:length]) == TEXT
    absent = {row.name: row.absent for row in kernel.layer.algorithms() if row.absent}
    for name in ("lzo", "lzo-rle", "842"):
        assert crypto_alloc_acomp(name) == ERR_PTR(-ENOENT)
        assert absent[name]


def test_batches_of_units(kernel: Kernel) -> None:
    """Eight units in one request: each has its length or its error, and the request as a whole succeeds."""
    unit, noise = b"unit " * 800, random.Random(2).randbytes(4000)
    source = b"".join(noise if number == 3 else unit for number in range(8))
    results = [bytearray(100) for _ in range(8)]
    tfm = crypto_alloc_acomp("deflate")
    assert crypto_acomp_batch_size(tfm) == 8
    req, result = acomp_request_alloc(tfm), entries(*results)
    acomp_request_set_params(req, source, result, len(source), 800)
    acomp_request_set_callback(req, 0, None, None)
    acomp_request_set_unit_size(req, 4000)
    assert crypto_acomp_compress(req) == 0
    lengths = [entry.length for entry in result]
    assert [length for length in lengths if length < 0] == [lengths[3]] == [-ENOSPC]
    assert req.dlen == lengths[0]
    for number, length in enumerate(lengths):
        if number != 3:
            assert zlib.decompress(results[number][:length], -15) == unit


def test_example_runs_as_written() -> None:
    """The documented sequence stands in examples/ with every call in its order."""
    text = (Path(__file__).parents[2] / "examples" / "kernel_acomp.py").read_text(encoding="utf-8")
    calls = [
        "crypto_alloc_acomp(", "acomp_request_alloc(", "acomp_request_set_params(", "acomp_request_set_callback(",
        "crypto_init_wait(", "crypto_wait_req(", "acomp_request_free(", "crypto_free_acomp(",
    ]  # fmt: skip
    places = [text.index(call) for call in calls]
    assert places == sorted(places)
