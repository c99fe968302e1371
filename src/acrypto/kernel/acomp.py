"""Compression with requests: the front of all compressors (crypto/acompress.c, include/crypto/acompress.h)."""

from __future__ import annotations

from acrypto.kernel import batch, codec, scatterlist, scomp
from acrypto.kernel.acomp_request import CRYPTO_ACOMP_ALLOC_OUTPUT, AcompReq, acomp_request_isnondma
from acrypto.kernel.algs import AcompAlg, ScompAlg
from acrypto.kernel.errno import EAGAIN, EINVAL, EIO, ENOSPC, ErrPtr
from acrypto.kernel.request import CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_request_complete
from acrypto.kernel.wait import CryptoWait, crypto_req_done, crypto_wait_req

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from acrypto._core import Operation
    from acrypto.kernel.acomp_tfm import CryptoAcomp
    from acrypto.kernel.scratch import Worker


def acomp_request_alloc(tfm: CryptoAcomp) -> AcompReq | None:
    """A request for this compressor; None if its implementation has no context to give."""
    tfm.check()
    req = AcompReq(tfm)
    if isinstance(tfm.alg, ScompAlg) and tfm.kernel.classic:
        req.scomp_ctx = codec.new_context(tfm.alg)
        if isinstance(req.scomp_ctx, ErrPtr):
            return None
    return req


def acomp_request_free(req: AcompReq | None) -> None:
    """Frees a request, wiped, and with it a destination that was allocated for it."""
    if req is None:
        return
    ctx, dst = req.scomp_ctx, req.dst if req.flags & CRYPTO_ACOMP_ALLOC_OUTPUT else None
    req.free()
    if isinstance(req.tfm.alg, ScompAlg):
        codec.free_context(req.tfm.alg, ctx)
    if dst is not None:
        scatterlist.sgl_free(dst)


def crypto_acomp_reqtfm(req: AcompReq) -> CryptoAcomp:
    """The compressor of a request."""
    return req.tfm


def acomp_request_complete(req: AcompReq, err: int) -> None:
    """For implementations: ends a request that returned `-EINPROGRESS`; `-EINPROGRESS` if it has left a backlog."""
    crypto_request_complete(req, err)


def crypto_acomp_compress(req: AcompReq) -> int:
    """Compresses.

    Returns 0 when done at once, `-EINPROGRESS` or `-EBUSY` when the completion function will be called (see
    `crypto_wait_req`), and else what is wrong: `-EINVAL` for lengths that do not fit, `-ENOSPC` for a result that does
    not fit or a full queue, and what the implementation says. On errors the destination may have been written to, but
    never past its end.
    """
    return _do(req, compress=True)


def crypto_acomp_decompress(req: AcompReq) -> int:
    """Decompresses; returns as `crypto_acomp_compress` does, and `-EINVAL` for damaged data."""
    return _do(req, compress=False)


def crypto_acomp_poll(req: AcompReq) -> int:
    """How a request ended that returned `-EINPROGRESS`: `-EAGAIN` while it has not (covers of the iaa_crypto series).

    For requests without a completion function, and for others as well. Never blocks.
    """
    req.tfm.check()
    return -EAGAIN if req.busy else req.err


def _do(req: AcompReq, *, compress: bool) -> int:
    tfm = req.tfm
    tfm.check()
    if req.freed or req.busy:
        req.begin()  # says which
    if not tfm.kernel.classic and acomp_request_isnondma(req) and tfm.asynchronous and tfm.fallback is not None:
        return _by(tfm.fallback, req, compress)
    if req.unit_size:
        return _batch(req, compress)
    if tfm.scomp:
        return _scomp(req, compress)
    err = scomp.wrong(req.src, req.slen, req.dst, req.dlen)
    if err:
        return err
    if req.dst is None:
        # Hardware is told where to write before it knows how much that is; asked again if it was too little.
        return _allocating(req, compress) if tfm.kernel.classic else -EINVAL
    if isinstance(tfm.alg, AcompAlg):
        return implemented(req, tfm.alg, compress)
    return _queued(req, compress)


def _scomp(req: AcompReq, compress: bool) -> int:
    tfm, kernel = req.tfm, req.tfm.kernel
    alg = tfm.alg

    def work(src: memoryview, dst: memoryview, worker: Worker | None) -> int:
        if isinstance(alg, ScompAlg):
            ctx = req.scomp_ctx if kernel.classic or worker is None else tfm.context(worker.index)
            if isinstance(ctx, ErrPtr):
                return ctx.err
            return codec.of_scomp(kernel, tfm, alg, src, dst, ctx, compress=compress)
        transform = tfm.transform
        return -EIO if transform is None else codec.of_layer(transform, src, dst, compress=compress)

    req.begin()
    err = -EIO
    try:
        if kernel.classic:
            outcome = scomp.classic(kernel.scratches, work, req.src, req.slen, req.dst, req.dlen, compress)
        else:
            owned = isinstance(alg, ScompAlg)
            outcome = scomp.modern(kernel.scratches, work, req.src, req.slen, req.dst, req.dlen, owned=owned)
        err, req.dlen, req.dst = outcome
    finally:
        req.returned(err)
    return err


def implemented(req: AcompReq, alg: AcompAlg, compress: bool) -> int:
    """Hands a request to an implementation that works on requests."""
    req.begin()
    err = codec.guarded(alg, lambda: (alg.compress if compress else alg.decompress)(req))
    return req.returned(err)


def _queued(req: AcompReq, compress: bool) -> int:
    tfm, src, dst, slen, dlen = req.tfm, req.src, req.dst, req.slen, req.dlen
    transform = tfm.transform
    if src is None or dst is None or transform is None:
        return -EINVAL
    views, results = scatterlist.windows(src, slen), scatterlist.windows(dst, dlen)

    def start() -> Operation[Any]:
        if len(results) == 1:
            return (transform.compress if compress else transform.decompress)(views, into=results[0])
        return transform.compress(views) if compress else transform.decompress(views, max_output=dlen)

    def finish(result: Any) -> int:
        if not isinstance(result, int):
            if len(result) > dlen:
                return -ENOSPC
            scatterlist.scatter(dst, memoryview(result))
            result = len(result)
        req.dlen = result
        return 0

    return tfm.run(req, start, finish)


def _batch(req: AcompReq, compress: bool) -> int:
    """A request of several units (drivers/crypto/intel/iaa)."""
    tfm = req.tfm
    units = None if tfm.kernel.classic else batch.units(req, compress)
    if units is None:
        return -EINVAL
    transform = tfm.transform
    if isinstance(tfm.alg, AcompAlg) and len(units) <= tfm.batch_size:
        return implemented(req, tfm.alg, compress)
    if tfm.alg is None and transform is not None:
        return tfm.run(req, lambda: batch.start(transform, units, compress), lambda out: batch.finish(req, units, out))
    # One that knows no batches is given one unit at a time.
    for unit in units:
        inner = acomp_request_alloc(tfm)
        if inner is None:
            return -EINVAL
        inner.src, inner.slen, inner.dst, inner.dlen = unit.src, unit.slen, unit.dst, unit.dlen
        err = _waited(inner, compress)
        unit.entry.length = inner.dlen if err == 0 else err
        acomp_request_free(inner)
    return batch.settled(req)


def _waited(req: AcompReq, compress: bool) -> int:
    wait = CryptoWait()
    # A full queue must not be taken for a destination that is too small: both are -ENOSPC.
    req.flags |= CRYPTO_TFM_REQ_MAY_BACKLOG
    req.complete, req.data = crypto_req_done, wait
    return crypto_wait_req(_do(req, compress=compress), wait)


def _allocating(req: AcompReq, compress: bool) -> int:
    inner = AcompReq(req.tfm)
    err = -ENOSPC
    for room in scomp.rooms(req.slen, req.dlen, compress):
        dst = scatterlist.sgl_alloc(room)
        inner.src, inner.slen, inner.dst, inner.dlen = req.src, req.slen, dst, room
        err = _waited(inner, compress)
        if err not in scomp.TOO_SMALL:
            break
    if err == 0:
        req.dst, req.dlen = inner.dst, inner.dlen
    return err


def _by(tfm: CryptoAcomp, req: AcompReq, compress: bool) -> int:
    inner = AcompReq(tfm)
    inner.src, inner.slen, inner.dst, inner.dlen = req.src, req.slen, req.dst, req.dlen
    inner.unit_size = req.unit_size
    err = _waited(inner, compress)
    req.dlen = inner.dlen
    return err
