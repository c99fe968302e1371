"""Compressors as somebody would register them, and the few lines that run a request."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from acrypto.kernel import (
    CRYPTO_ALG_ASYNC,
    CRYPTO_TFM_REQ_MAY_SLEEP,
    DECLARE_CRYPTO_WAIT,
    EINPROGRESS,
    EINVAL,
    ENOSPC,
    AcompAlg,
    AcompReq,
    CompAlg,
    CryptoAcomp,
    Entry,
    ErrPtr,
    Scatterlist,
    ScompAlg,
    acomp_request_alloc,
    acomp_request_complete,
    acomp_request_free,
    acomp_request_set_callback,
    acomp_request_set_params,
    crypto_acomp_compress,
    crypto_acomp_decompress,
    crypto_req_done,
    crypto_wait_req,
    sg_copy_from_buffer,
    sg_copy_to_buffer,
    sg_nents,
    sg_set_buf,
)

TEXT = b"Join us now and share the software " * 2


def _put(result: bytes, dst: memoryview) -> int:
    if len(result) > len(dst):
        return -ENOSPC
    dst[: len(result)] = result
    return len(result)


def deflate(src: memoryview, dst: memoryview) -> int:
    """Raw deflate by zlib, flat."""
    packer = zlib.compressobj(wbits=-11)
    return _put(packer.compress(src) + packer.flush(), dst)


def inflate(src: memoryview, dst: memoryview) -> int:
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        result = unpacker.decompress(src)
    except zlib.error:
        return -EINVAL
    return _put(result, dst) if unpacker.eof and not unpacker.unused_data else -EINVAL


def scomp(name: str = "deflate", driver: str = "deflate-py", priority: int = 0, **changed: Any) -> ScompAlg:
    functions = {
        "compress": lambda tfm, src, dst, ctx: deflate(src, dst),
        "decompress": lambda tfm, src, dst, ctx: inflate(src, dst),
    }
    return ScompAlg(name, driver, priority, **(functions | changed))


def comp(name: str = "deflate", driver: str = "deflate-comp-py", priority: int = 0, **changed: Any) -> CompAlg:
    functions = {
        "coa_compress": lambda tfm, src, dst: deflate(src, dst),
        "coa_decompress": lambda tfm, src, dst: inflate(src, dst),
    }
    return CompAlg(name, driver, priority, **(functions | changed))


def work(req: AcompReq, function: Callable[[memoryview, memoryview], int]) -> int:
    """Does a request with a flat function."""
    src, dst = bytearray(req.slen), memoryview(bytearray(req.dlen))
    assert req.src is not None
    assert req.dst is not None
    sg_copy_to_buffer(req.src, sg_nents(req.src), src, req.slen)
    written = function(memoryview(src), dst)
    if written >= 0:
        sg_copy_from_buffer(req.dst, sg_nents(req.dst), dst, written)
        req.dlen = written
    return min(written, 0)


def acomp(
    name: str = "deflate", driver: str = "deflate-async-py", priority: int = 0, *, later: bool = True, **changed: Any
) -> AcompAlg:
    """One that completes at once, or later in a thread of its own."""

    def run(req: AcompReq, function: Callable[[memoryview, memoryview], int]) -> int:
        if not later:
            return work(req, function)
        threading.Thread(target=lambda: acomp_request_complete(req, work(req, function))).start()
        return -EINPROGRESS

    functions = {"compress": lambda req: run(req, deflate), "decompress": lambda req: run(req, inflate)}
    return AcompAlg(name, driver, priority, cra_flags=CRYPTO_ALG_ASYNC * later, **(functions | changed))


def run(
    tfm: CryptoAcomp | ErrPtr, src: Any, dst: Any, slen: int, dlen: int, *, compress: bool = True
) -> tuple[int, int]:
    """One request, waited for; its return code and `dlen`."""
    assert not isinstance(tfm, ErrPtr), tfm
    req = acomp_request_alloc(tfm)
    assert req is not None
    wait = DECLARE_CRYPTO_WAIT()
    acomp_request_set_params(req, src, dst, slen, dlen)
    acomp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_SLEEP, crypto_req_done, wait)
    err = crypto_wait_req((crypto_acomp_compress if compress else crypto_acomp_decompress)(req), wait)
    length = req.dlen
    acomp_request_free(req)
    return err, length


def round_trip(tfm: CryptoAcomp | ErrPtr, data: bytes = TEXT) -> bytes:
    """The data, compressed and decompressed again."""
    packed, back = bytearray(2 * len(data) + 512), bytearray(len(data))
    err, length = run(tfm, data, packed, len(data), len(packed))
    assert err == 0
    assert run(tfm, packed[:length], back, length, len(back), compress=False) == (0, len(data))
    return bytes(back)


def cut(data: bytes | bytearray, places: Iterable[int]) -> Scatterlist:
    """A list over one buffer, cut at some places."""
    view, edges = memoryview(data), [0, *sorted(places), len(data)]
    sg = Scatterlist(len(edges) - 1)
    for entry, start, end in zip(sg, edges, edges[1:], strict=False):
        sg_set_buf(entry, view[start:end])
    return sg


def entries(*buffers: bytes | bytearray) -> Scatterlist:
    """A list with one entry for each buffer."""
    sg = Scatterlist(len(buffers))
    for entry, buffer in zip(sg, buffers, strict=True):
        assert isinstance(entry, Entry)
        sg_set_buf(entry, buffer)
    return sg
