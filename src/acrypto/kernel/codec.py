"""Synchronous compressors as functions on flat memory, whoever implements them."""

from __future__ import annotations

import contextlib
import logging

from acrypto.kernel.algs import CompAlg, CryptoAlg, ScompAlg
from acrypto.kernel.atomic import atomic
from acrypto.kernel.errno import EIO, ENOMEM, ErrPtr, errno_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto import _core
    from acrypto.kernel.context import Kernel

log = logging.getLogger("acrypto.kernel")


def guarded(alg: CryptoAlg, call: Callable[[], int]) -> int:
    """What an implementation returns; `-EIO`, and the first time a line in the log, if it raises instead."""
    try:
        return call()
    except Exception as error:  # somebody's code, on a thread that others need: it costs this request only
        try:
            return errno_of(error)
        except Exception:
            alg.raised += 1
            if alg.raised == 1:
                log.exception("%s raised", alg.cra_driver_name)
            return -EIO


def of_layer(transform: _core.Transform, src: memoryview, dst: memoryview, *, compress: bool) -> int:
    """One run on the layer, into the caller's memory."""
    try:
        operation = (transform.compress if compress else transform.decompress)(src, into=dst)
        return operation.wait()
    except Exception as error:
        return errno_of(error)


def of_comp(tfm: object, alg: CompAlg, src: memoryview, dst: memoryview, *, compress: bool) -> int:
    """One run of a legacy compressor."""
    function = alg.coa_compress if compress else alg.coa_decompress
    return guarded(alg, lambda: function(tfm, src, dst))


def of_scomp(
    kernel: Kernel, tfm: object, alg: ScompAlg, src: memoryview, dst: memoryview, ctx: object, *, compress: bool
) -> int:
    """One run of a synchronous compressor, where it must not sleep."""
    function = alg.compress if compress else alg.decompress

    def call() -> int:
        with atomic(alg) if kernel.sleep_check else contextlib.nullcontext():
            return function(tfm, src, dst, ctx)

    return guarded(alg, call)


def new_context(alg: ScompAlg) -> object | ErrPtr:
    """A context for one run at a time; an `ErrPtr` if there is none to be had."""
    if alg.alloc_ctx is None:
        return None
    try:
        ctx: object = alg.alloc_ctx()
    except Exception:  # somebody's code, as above
        log.exception("%s has no context to give", alg.cra_driver_name)
        return ErrPtr(-ENOMEM)
    return ctx


def free_context(alg: ScompAlg, ctx: object) -> None:
    """Gives a context back."""
    if alg.free_ctx is not None and ctx is not None:
        alg.free_ctx(ctx)
