"""Requests for compression: their sides, their life, batches, and the legacy form."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from tests.kernel.codecs import TEXT, acomp, comp, entries, inflate, run, scomp

import acrypto
from acrypto.kernel import (
    CRYPTO_ACOMP_ALLOC_OUTPUT,
    CRYPTO_ALG_ASYNC,
    CRYPTO_TFM_REQ_MAY_SLEEP,
    DECLARE_CRYPTO_WAIT,
    EFAULT,
    EINPROGRESS,
    EINVAL,
    EIO,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ERR_PTR,
    AcompReq,
    Kernel,
    Scatterlist,
    acomp_is_async,
    acomp_request_alloc,
    acomp_request_complete,
    acomp_request_free,
    acomp_request_isnondma,
    acomp_request_set_callback,
    acomp_request_set_dst_dma,
    acomp_request_set_dst_folio,
    acomp_request_set_dst_nondma,
    acomp_request_set_dst_sg,
    acomp_request_set_params,
    acomp_request_set_src_dma,
    acomp_request_set_src_folio,
    acomp_request_set_src_nondma,
    acomp_request_set_src_sg,
    acomp_request_set_unit_size,
    crypto_acomp_batch_size,
    crypto_acomp_compress,
    crypto_acomp_decompress,
    crypto_acomp_reqtfm,
    crypto_alloc_acomp,
    crypto_alloc_comp,
    crypto_comp_compress,
    crypto_comp_decompress,
    crypto_comp_name,
    crypto_free_acomp,
    crypto_free_comp,
    crypto_register_acomp,
    crypto_register_acomps,
    crypto_register_alg,
    crypto_register_scomp,
    crypto_req_done,
    crypto_wait_req,
    sgl_alloc,
)
from acrypto.kernel.scratch import Scratches

LENGTHS = [
    # slen, dlen, source bytes, destination bytes
    (0, 100, 70, 100),
    (70, 0, 70, 100),
    (71, 100, 70, 100),
    (70, 101, 70, 100),
    (-1, 100, 70, 100),
    (70, -1, 70, 100),
]


@pytest.mark.parametrize("name", ["deflate", "deflate-py", "deflate-async-py"])
@pytest.mark.parametrize("profile", ["kernel", "classic"])
def test_lengths_must_fit(request: pytest.FixtureRequest, profile: str, name: str) -> None:
    """Empty sides, and lengths beyond the lists, are -EINVAL; a read-only destination is -EFAULT."""
    request.getfixturevalue(profile)
    crypto_register_scomp(scomp())
    crypto_register_acomp(acomp())
    tfm = crypto_alloc_acomp(name)
    for slen, dlen, source, result in LENGTHS:
        assert run(tfm, TEXT[:source], bytearray(result), slen, dlen)[0] == -EINVAL, (slen, dlen)
    assert run(tfm, None, bytearray(10), 1, 10)[0] == -EINVAL
    assert run(tfm, TEXT, bytes(100), 70, 100)[0] == -EFAULT


@pytest.mark.parametrize("name", ["deflate", "deflate-py", "deflate-async-py"])
def test_damage_is_einval(kernel: Kernel, name: str) -> None:
    """Damaged data is -EINVAL, by whatever implementation."""
    crypto_register_scomp(scomp())
    crypto_register_acomp(acomp())
    assert run(crypto_alloc_acomp(name), b"\xff" * 20, bytearray(100), 20, 100, compress=False)[0] == -EINVAL


def test_sides_of_all_sorts(kernel: Kernel) -> None:
    """Lists, pointers, memory that hardware cannot reach and folios give the same bytes."""
    tfm, outs = crypto_alloc_acomp("deflate"), []
    setters: list[tuple[Any, Any]] = [
        (acomp_request_set_src_sg, acomp_request_set_dst_sg),
        (acomp_request_set_src_dma, acomp_request_set_dst_dma),
        (acomp_request_set_src_nondma, acomp_request_set_dst_nondma),
    ]
    for src, dst in setters:
        req, out = acomp_request_alloc(tfm), bytearray(100)
        src(req, TEXT, 70)
        dst(req, out, 100)
        assert acomp_request_isnondma(req) == (src is acomp_request_set_src_nondma)
        assert crypto_acomp_compress(req) == 0
        outs.append((req.dlen, bytes(out)))
    req, folio = acomp_request_alloc(tfm), bytearray(4096)
    acomp_request_set_src_folio(req, b"x" * 50 + TEXT, 50, 70)
    acomp_request_set_dst_folio(req, folio, 1000, 100)
    assert crypto_acomp_compress(req) == 0
    outs.append((req.dlen, bytes(folio[1000:1100])))
    assert not any(folio[:1000])
    assert len(set(outs)) == 1


def test_memory_out_of_reach_is_served_by_a_synchronous_fallback(kernel: Kernel) -> None:
    """An asynchronous implementation leaves such requests to a synchronous one; without one it takes them itself."""
    used: list[str] = []
    far = acomp("deflate", "deflate-far", 500, compress=lambda req: used.append("far") or -EIO, later=True)
    kernel_alg = acomp("zz", "zz-far")
    assert crypto_register_acomps([kernel_alg]) == 0
    good = acomp("deflate", "deflate-far", 500)
    assert crypto_register_acomp(good) == 0
    good.compress = far.compress
    tfm = crypto_alloc_acomp("deflate")
    assert tfm.driver == "deflate-far"
    req, out = acomp_request_alloc(tfm), bytearray(100)
    acomp_request_set_src_nondma(req, TEXT, 70)
    acomp_request_set_dst_dma(req, out, 100)
    assert crypto_acomp_compress(req) == 0
    assert req.dlen == 38
    assert used == []
    acomp_request_set_src_dma(req, TEXT, 70)
    acomp_request_set_dst_dma(req, out, 100)
    assert crypto_acomp_compress(req) == -EIO
    crypto_free_acomp(tfm)
    alone, wait = crypto_alloc_acomp("zz"), DECLARE_CRYPTO_WAIT()
    req = acomp_request_alloc(alone)
    acomp_request_set_src_nondma(req, TEXT, 70)
    acomp_request_set_dst_nondma(req, out, 100)
    acomp_request_set_callback(req, 0, crypto_req_done, wait)
    assert crypto_wait_req(crypto_acomp_compress(req), wait) == 0


def test_a_callback_keeps_the_sides_and_drops_the_units(kernel: Kernel) -> None:
    """Setting the callback leaves how the sides were given, and sets the unit size back to 0."""
    req = acomp_request_alloc(crypto_alloc_acomp("deflate"))
    acomp_request_set_src_nondma(req, TEXT, 70)
    acomp_request_set_unit_size(req, 7)
    acomp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_SLEEP, None, None)
    assert req.unit_size == 0
    assert acomp_request_isnondma(req)
    assert req.flags & CRYPTO_TFM_REQ_MAY_SLEEP
    acomp_request_set_params(req, TEXT, bytearray(9), 70, 9)
    assert not acomp_request_isnondma(req)


def test_a_freed_request_is_wiped(classic: Kernel) -> None:
    """Nothing of it is left, the destination that was allocated for it included, and it cannot be used."""
    tfm = crypto_alloc_acomp("deflate")
    req = acomp_request_alloc(tfm)
    acomp_request_set_params(req, TEXT, None, 70, 0)
    assert crypto_acomp_compress(req) == 0
    allocated = req.dst
    assert req.flags & CRYPTO_ACOMP_ALLOC_OUTPUT
    acomp_request_free(req)
    assert (req.src, req.dst, req.slen, req.dlen, req.flags, req.data) == (None, None, 0, 0, 0, None)
    assert sum(entry.length for entry in allocated) == 0
    acomp_request_free(None)
    for call in (
        lambda: crypto_acomp_compress(req),
        lambda: acomp_request_free(req),
        lambda: acomp_request_set_params(req, TEXT, None, 70, 0),
        lambda: acomp_request_set_callback(req, 0, None, None),
    ):
        with pytest.raises(acrypto.UsageError, match="freed"):
            call()
    crypto_free_acomp(tfm)
    for call in (lambda: acomp_request_alloc(tfm), lambda: crypto_free_acomp(tfm), lambda: acomp_is_async(tfm)):
        with pytest.raises(acrypto.UsageError, match="freed"):
            call()


def test_a_request_in_flight_is_left_alone(kernel: Kernel) -> None:
    """It cannot be run, changed or freed until it has ended; then it can be run again."""
    held: list[Any] = []
    alg = acomp("zz", "zz-py")
    assert crypto_register_acomp(alg) == 0
    alg.compress = lambda req: held.append(req) or -EINPROGRESS
    tfm, told = crypto_alloc_acomp("zz"), []
    req = acomp_request_alloc(tfm)
    acomp_request_set_params(req, TEXT, bytearray(100), 70, 100)
    acomp_request_set_callback(req, 0, lambda data, err: told.append(err), None)
    assert crypto_acomp_compress(req) == -EINPROGRESS
    for call in (
        lambda: crypto_acomp_compress(req),
        lambda: acomp_request_free(req),
        lambda: acomp_request_set_params(req, TEXT, None, 70, 0),
        lambda: acomp_request_set_callback(req, 0, None, None),
    ):
        with pytest.raises(acrypto.UsageError, match="in flight"):
            call()
    acomp_request_complete(req, 0)
    assert told == [0]
    assert crypto_acomp_compress(req) == -EINPROGRESS
    acomp_request_complete(req, -EIO)
    assert told == [0, -EIO]
    acomp_request_free(req)


def test_what_is_done_at_once_calls_nobody(kernel: Kernel) -> None:
    """A synchronous end is the call's own result; the completion function is not called."""
    crypto_register_scomp(scomp())
    crypto_register_acomp(acomp("zz", "zz-now", later=False))
    for name in ("deflate", "deflate-py", "zz"):
        tfm = crypto_alloc_acomp(name)
        told: list[int] = []
        req = acomp_request_alloc(tfm)
        acomp_request_set_params(req, TEXT, bytearray(100), 70, 100)
        acomp_request_set_callback(req, 0, lambda data, err: data.append(err), told)
        assert crypto_acomp_compress(req) == 0
        assert req.dlen == 38
        assert told == []


@pytest.mark.parametrize("size", [4096, 4097, 20_000, 70_000])
def test_pieces_larger_than_the_scratch(kernel: Kernel, size: int) -> None:
    """A source in pieces may be of any size; a destination in pieces holds 65400 bytes, in one piece more."""
    data, tfm = random.Random(size).randbytes(size), crypto_alloc_acomp("deflate")
    packed = bytearray(size + 1000)
    source = [memoryview(data)[:1], memoryview(data)[1:]]
    err, length = run(tfm, source, packed, size, len(packed))
    assert err == 0
    back = bytearray(size)
    assert inflate(memoryview(packed)[:length], memoryview(back)) == size
    assert back == data
    pieces = [memoryview(bytearray(1)), memoryview(bytearray(size + 999))]
    assert run(tfm, data, pieces, size, size + 1000)[0] == (-ENOSPC if size > 65400 else 0)


@pytest.mark.parametrize(("profile", "seen"), [("classic", bytes(100)), ("kernel", b"junk" + bytes(96))])
def test_where_an_scomp_implementation_writes(request: pytest.FixtureRequest, profile: str, seen: bytes) -> None:
    """The older profile has it write to scratch memory, the newer one straight to where the result goes."""
    request.getfixturevalue(profile)
    alg = scomp("zz", "zz-py")
    assert crypto_register_scomp(alg) == 0

    def scribble(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        dst[:4] = b"junk"
        return -EIO

    alg.compress = scribble
    out = bytearray(100)
    assert run(crypto_alloc_acomp("zz"), TEXT, out, 70, 100)[0] == -EIO
    assert out == seen


def test_a_null_destination_is_bounded_by_the_caller(classic: Kernel) -> None:
    """A size that comes with it is the most that is allocated; beyond 131072 it is taken for that."""
    tfm, noise = crypto_alloc_acomp("deflate"), random.Random(1).randbytes(1000)
    assert run(tfm, noise, None, 1000, 900)[0] == -ENOSPC
    err, length = run(tfm, noise, None, 1000, 1 << 20)
    assert err == 0
    assert length > 1000
    assert crypto_acomp_reqtfm(acomp_request_alloc(tfm)) is tfm


def test_many_threads_share_the_workers(classic: Kernel) -> None:
    """More threads than workers: each gets its own bytes."""
    crypto_register_scomp(scomp())
    tfm, wrong = crypto_alloc_acomp("deflate-py"), []

    def go(seed: int) -> None:
        for turn in range(20):
            data = random.Random(seed * 100 + turn).randbytes(5000)
            packed, back = bytearray(6000), bytearray(5000)
            _, length = run(tfm, data, packed, 5000, 6000)
            if run(tfm, packed, back, length, 5000, compress=False) != (0, 5000) or back != data:
                wrong.append(seed)

    threads = [threading.Thread(target=go, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_scratch_is_for_one_at_a_time() -> None:
    """Whoever finds all workers busy waits."""
    scratches = Scratches(10, 10)
    scratches.get()
    inside = []
    for worker in scratches.workers:
        worker.lock.acquire()

    def borrow() -> None:
        with scratches.borrowed() as worker:
            inside.append(worker)

    waits = threading.Thread(target=borrow)
    waits.start()
    assert inside == []
    for worker in scratches.workers:
        worker.lock.release()
    waits.join(10)
    assert len(inside) == 1
    scratches.put()
    assert scratches.allocated == 0


# ---- Batches


def batch(tfm: Any, source: Any, result: Scatterlist, slen: int, unit: int, *, compress: bool = True) -> int:
    req, wait = acomp_request_alloc(tfm), DECLARE_CRYPTO_WAIT()
    acomp_request_set_params(req, source, result, slen, 1)
    acomp_request_set_callback(req, 0, crypto_req_done, wait)
    acomp_request_set_unit_size(req, unit)
    err = crypto_wait_req((crypto_acomp_compress if compress else crypto_acomp_decompress)(req), wait)
    assert err or req.dlen == result[0].length
    return err


@pytest.mark.parametrize("name", ["deflate", "deflate-py", "deflate-async-py", "zz-batches"])
def test_units_come_back(kernel: Kernel, name: str) -> None:
    """Every implementation does batches, whether it knows them or not; a damaged unit costs only itself."""

    def in_batches(req: AcompReq) -> int:
        if req.unit_size:
            for entry in req.dst:
                entry.length = 7
            req.dlen = 7
        return 0 if req.unit_size else -EIO

    crypto_register_scomp(scomp())
    crypto_register_acomp(acomp())
    alg = acomp("zz-batches", "zz-batches-py", later=False, batch_size=8)
    crypto_register_acomp(alg)
    tfm = crypto_alloc_acomp(name)
    assert crypto_acomp_batch_size(tfm) == (8 if name in {"deflate", "zz-batches"} else 1)
    if name == "zz-batches":
        alg.compress = in_batches
        assert batch(tfm, TEXT * 2, sgl_alloc(8192), 140, 70) == 0
        return
    units = [bytes([n]) * 50 + TEXT[:20] for n in range(8)]
    results = [bytearray(100) for _ in units]
    packed = entries(*results)
    assert batch(tfm, b"".join(units), packed, 560, 70) == 0
    lengths = [entry.length for entry in packed]
    results[5][0] = 0xFF
    backs = [bytearray(70) for _ in units]
    backs[2] = bytearray(69)
    opened = entries(*backs)
    sources = entries(*(result[:length] for result, length in zip(results, lengths, strict=True)))
    assert batch(tfm, sources, opened, sum(lengths), 70, compress=False) == 0
    expected = [70, 70, -ENOSPC, 70, 70, -EINVAL, 70, 70]
    assert [entry.length for entry in opened] == expected
    for number, length in enumerate(expected):
        assert length != 70 or backs[number] == units[number]


def test_batches_that_cannot_be_cut(kernel: Kernel) -> None:
    """A rest, too many units, or another number of entries than units is -EINVAL, as a whole."""
    tfm = crypto_alloc_acomp("deflate")
    for size, unit, count in ((141, 70, 2), (140, 70, 3), (140, 70, 1), (90, 10, 9), (140, -70, 2), (200, 70, 2)):
        assert batch(tfm, bytes(180), entries(*[bytearray(50)] * count), size, unit) == -EINVAL, (size, unit, count)
    assert batch(tfm, bytes(140), entries(bytearray(50), b"read only"), 140, 70) == -EINVAL
    assert batch(tfm, entries(b"x"), entries(bytearray(9)), 2, 70, compress=False) == -EINVAL


def test_the_older_profile_knows_no_batches(classic: Kernel) -> None:
    """A unit size is -EINVAL there."""
    tfm = crypto_alloc_acomp("deflate")
    assert crypto_acomp_batch_size(tfm) == 1
    assert batch(tfm, bytes(140), sgl_alloc(8192), 140, 70) == -EINVAL


# ---- The legacy form


def test_legacy_compressors(kernel: Kernel) -> None:
    """The layer's own and registered ones serve by priority; lengths and room are checked; freed is freed."""
    for alg in (comp("deflate", "deflate-weak-comp", 5), comp("zz", "zz-low", 1), comp("zz", "zz-high", 2)):
        assert crypto_register_alg(alg) == 0
    crypto_register_scomp(scomp("deflate", "deflate-strong", 1000))
    own = crypto_alloc_comp("deflate")
    assert own.driver == kernel.layer.find("deflate-libdeflate").driver
    assert [crypto_alloc_comp(name).driver for name in ("zz", "zz-low", "deflate-weak-comp")] == [
        "zz-high", "zz-low", "deflate-weak-comp",
    ]  # fmt: skip
    assert crypto_comp_name(own) == "deflate"
    assert crypto_alloc_comp("deflate-strong") == ERR_PTR(-ENOENT)
    assert crypto_alloc_comp("z" * 129) == ERR_PTR(-ENAMETOOLONG)
    assert crypto_alloc_comp("zz", CRYPTO_ALG_ASYNC, CRYPTO_ALG_ASYNC) == ERR_PTR(-ENOENT)
    for tfm in (own, crypto_alloc_comp("zz")):
        out = bytearray(100)
        assert crypto_comp_compress(tfm, TEXT, 70, out, 100) == 38
        assert crypto_comp_compress(tfm, TEXT, 70, out, 37) == -ENOSPC
        assert crypto_comp_compress(tfm, TEXT, 71, out, 100) == -EINVAL
        assert crypto_comp_compress(tfm, TEXT, 70, out, 101) == -EINVAL
        assert crypto_comp_compress(tfm, TEXT, 70, bytes(100), 100) == -EINVAL
        assert crypto_comp_decompress(tfm, b"\xff" * 9, 9, out, 100) == -EINVAL
        crypto_free_comp(tfm)
        with pytest.raises(acrypto.UsageError, match="freed"):
            crypto_comp_compress(tfm, TEXT, 70, out, 100)
