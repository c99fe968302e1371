"""The IAA driver through the kernel's face: what the analysis of source 002 says of requests, and of batches."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.engines.iaa import NOISE, PAGE, engine
from tests.kernel.codecs import TEXT, entries, run

import acrypto
from acrypto.engines.iaa import Iaa
from acrypto.idxd.backing import Model
from acrypto.kernel import (
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EAGAIN,
    EINPROGRESS,
    EINVAL,
    EIO,
    ENODEV,
    ENOSPC,
    CryptoAcomp,
    Kernel,
    Scatterlist,
    acomp_request_alloc,
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
    crypto_acomp_poll,
    crypto_alloc_acomp,
    crypto_free_acomp,
    crypto_req_done,
    crypto_wait_req,
)

FIXED = bytes.fromhex("f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100")
MODES = ("sync", "async", "async_irq")


@contextmanager
def booted(mode: str, profile: str = "2025") -> Iterator[tuple[Kernel, Iaa, Model]]:
    """A kernel over a layer with the driver in that mode, and software."""
    with (
        engine(sync_mode=mode) as (iaa, _bus, models),
        acrypto.open([iaa, "software"]) as layer,
        boot(layer, profile=profile) as kernel,
    ):
        yield kernel, iaa, models["iax1"]


def allocated(name: str = "deflate-iaa") -> CryptoAcomp:
    tfm = crypto_alloc_acomp(name)
    assert isinstance(tfm, CryptoAcomp)
    return tfm


@pytest.mark.parametrize("mode", MODES)
def test_known_answer_in_every_mode(mode: str) -> None:
    """By the driver's name; and the plain name is the strongest's."""
    with booted(mode):
        tfm = allocated()
        assert (crypto_acomp_alg_name(tfm), crypto_acomp_driver_name(tfm)) == ("deflate", "deflate-iaa")
        packed, plain = bytearray(100), bytearray(70)
        assert run(tfm, TEXT, packed, 70, 100) == (0, 38)
        assert packed[:38] == FIXED
        assert run(tfm, packed[:38], plain, 38, 70, compress=False) == (0, 70)
        assert plain == TEXT
        assert crypto_acomp_driver_name(allocated("deflate")) == "deflate-iaa-dynamic"
        crypto_free_acomp(tfm)


def test_async_requests_are_polled_until_they_are_done() -> None:
    """-EINPROGRESS from the call, -EAGAIN until it is done, then how it ended."""
    with booted("async") as (_kernel, _iaa, model):
        model.native.tune("compress_ns", 5e6)
        tfm = allocated()
        req = acomp_request_alloc(tfm)
        assert req is not None
        acomp_request_set_params(req, TEXT, packed := bytearray(100), 70, 100)
        assert crypto_acomp_compress(req) == -EINPROGRESS
        seen = [crypto_acomp_poll(req)]
        while seen[-1] == -EAGAIN:
            seen.append(crypto_acomp_poll(req))
        assert seen[0] == -EAGAIN
        assert seen[-1] == 0
        assert packed[: req.dlen] == FIXED
        acomp_request_free(req)
        crypto_free_acomp(tfm)


@pytest.mark.parametrize("mode", ["async", "async_irq"])
def test_the_callback_comes_once_and_on_another_thread(mode: str) -> None:
    """The completion function is called once, with the result, after -EINPROGRESS."""
    with booted(mode):
        tfm = allocated()
        told: list[tuple[int, str]] = []
        wait = DECLARE_CRYPTO_WAIT()

        def done(data: object, err: int) -> None:
            told.append((err, threading.current_thread().name))
            crypto_req_done(wait, err)

        req = acomp_request_alloc(tfm)
        assert req is not None
        acomp_request_set_params(req, TEXT, bytearray(100), 70, 100)
        acomp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, done, None)
        err = crypto_acomp_compress(req)
        assert err == -EINPROGRESS
        assert crypto_wait_req(err, wait) == 0
        assert [number for number, _thread in told] == [0]
        assert told[0][1] != threading.current_thread().name
        acomp_request_free(req)


@pytest.mark.parametrize("mode", ["async", "async_irq"])
def test_errors_of_completions_are_eio_to_the_callback(mode: str) -> None:
    """What the device fails at is -EIO to whoever waits for a callback."""
    with booted(mode) as (_kernel, _iaa, model):
        tfm = allocated()
        model.native.inject("fail", chance=1.0, count=None, status=0x20, delay_ns=0)
        err, _dlen = run(tfm, TEXT, bytearray(100), 70, 100)
        assert err == -EIO


def test_without_a_queue_requests_are_refused() -> None:
    """-ENODEV, or -EIO through the layer; the algorithm stays listed, and works again with a queue."""
    with engine() as (iaa, bus, _models), acrypto.open([iaa]) as layer, boot(layer):
        tfm = allocated()
        bus.disable("wq1.0")
        assert run(tfm, TEXT, bytearray(100), 70, 100)[0] in {-ENODEV, -EIO}
        assert isinstance(crypto_alloc_acomp("deflate-iaa"), CryptoAcomp)


@pytest.mark.parametrize("mode", MODES)
def test_null_dst_brings_memory_in_the_older_profile(mode: str) -> None:
    """Twice the source to compress, four times and more to decompress; run to its end in the call."""
    with booted(mode, "v9-2023"):
        tfm = allocated()
        req = acomp_request_alloc(tfm)
        assert req is not None
        acomp_request_set_params(req, TEXT, None, 70, 0)
        assert crypto_acomp_compress(req) == 0
        assert req.dst is not None
        assert bytes(req.dst[0].memory[: req.dlen]) == FIXED
        acomp_request_free(req)
        packer = zlib.compressobj(9, zlib.DEFLATED, -12)
        tight = packer.compress(bytes(100_000)) + packer.flush()
        req = acomp_request_alloc(tfm)
        assert req is not None
        acomp_request_set_params(req, tight, None, len(tight), 0)
        assert crypto_acomp_decompress(req) == 0
        assert req.dlen == 100_000
        acomp_request_free(req)


def batch(tfm: CryptoAcomp, src: Any, dst: Scatterlist, slen: int, unit: int, *, compress: bool = True) -> int:
    """One request of several units, waited for."""
    req = acomp_request_alloc(tfm)
    assert req is not None
    wait = DECLARE_CRYPTO_WAIT()
    acomp_request_set_params(req, src, dst, slen, sum(entry.length for entry in dst))
    acomp_request_set_callback(req, 0, crypto_req_done, wait)
    acomp_request_set_unit_size(req, unit)
    err = crypto_wait_req((crypto_acomp_compress if compress else crypto_acomp_decompress)(req), wait)
    if err == 0:
        assert req.dlen == dst[0].length
    acomp_request_free(req)
    return err


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["deflate-iaa", "deflate-iaa-dynamic", "deflate-iaa-canned"])
def test_batching_mixed_good_and_bad_units(mode: str, name: str) -> None:
    """8 units at once, each with its length or its error; the request as a whole is 0."""
    with booted(mode) as (_kernel, iaa, _model):
        tfm = allocated(name)
        assert crypto_acomp_batch_size(tfm) == 8
        units = [PAGE[n:] + bytes(n) for n in range(8)]
        units[3] = NOISE
        results = [bytearray(3000) for _ in units]
        packed = entries(*results)
        assert batch(tfm, b"".join(units), packed, 8 * 4096, 4096) == 0
        lengths = [entry.length for entry in packed]
        assert lengths[3] < 0, "a page of noise does not fit"
        assert all(0 < length < 3000 for n, length in enumerate(lengths) if n != 3)
        good = [n for n in range(8) if n != 3]
        streams = [bytes(results[n][: lengths[n]]) for n in good]
        streams[2] = b"\xff" * 40
        backs = [bytearray(4096 if n != 5 else 4000) for n in range(7)]
        opened = entries(*backs)
        assert batch(tfm, entries(*streams), opened, sum(map(len, streams)), 4096, compress=False) == 0
        ends = [entry.length for entry in opened]
        assert ends[2] == -EINVAL
        assert ends[5] == -ENOSPC
        for place, n in enumerate(good):
            if place not in {2, 5}:
                assert (ends[place], bytes(backs[place])) == (4096, units[n])
        assert dict(iaa.driver.totals())["total_comp_calls"] >= 8


def test_batching_refuses_what_cannot_be_cut() -> None:
    """Too many units, a rest, or another number of places is -EINVAL as a whole, and nothing is submitted."""
    with booted("sync") as (_kernel, iaa, _model):
        tfm = allocated()
        before = dict(iaa.driver.totals())["total_comp_calls"]
        for count, size in ((9, 9 * 70), (2, 141), (3, 140)):
            assert batch(tfm, bytes(size), entries(*(bytearray(100) for _ in range(count))), size, 70) == -EINVAL
        assert dict(iaa.driver.totals())["total_comp_calls"] == before
