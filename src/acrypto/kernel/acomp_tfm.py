"""Allocating compressors: the one allocator for synchronous and asynchronous ones (crypto/acompress.c)."""

from __future__ import annotations

import contextlib

from acrypto.kernel import codec
from acrypto.kernel.algs import CRYPTO_ALG_ASYNC, AcompAlg, ScompAlg
from acrypto.kernel.context import current
from acrypto.kernel.errno import ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.tfm import CryptoTfm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.kernel.context import Kernel
    from acrypto.kernel.lookup import Found

#: Units that one request may have at most (drivers/crypto/intel/iaa).
MAX_BATCH_SIZE = 8


class CryptoAcomp(CryptoTfm):
    """A compressor (struct crypto_acomp).

    Args:
        found: the implementation.
        kernel: where; the current one by default.
        counted: whether it counts as a user of the implementation and of the scratch memory.

    Attributes:
        alg: the implementation that was registered here; None for the layer's own.
        scomp: whether it is synchronous and uses the workers' scratch memory.
    """

    def __init__(self, found: Found, kernel: Kernel | None = None, *, counted: bool = True) -> None:
        super().__init__(found, kernel)
        registered = self.kernel.algs.get(self.driver)
        self.alg = registered if isinstance(registered, (ScompAlg, AcompAlg)) else None
        self.scomp = isinstance(self.alg, ScompAlg) or (self.alg is None and not self.asynchronous)
        self._fallback: CryptoAcomp | None = None
        self._counted = counted
        if self.alg is not None:
            self.name = self.alg.cra_name
        if self.alg is not None and counted:
            with self.kernel.lock:
                self.alg.cra_refcnt += 1
        if self.scomp and counted:
            self.kernel.scratches.get()

    @property
    def batch_size(self) -> int:
        """Units that one request may have."""
        if self.kernel.classic:
            return 1
        if isinstance(self.alg, AcompAlg):
            return min(self.alg.batch_size, MAX_BATCH_SIZE)
        return 1 if isinstance(self.alg, ScompAlg) else MAX_BATCH_SIZE

    @property
    def fallback(self) -> CryptoAcomp | None:
        """A synchronous implementation of the same algorithm, for memory that hardware cannot reach."""
        if self._fallback is None:
            found = find(self.kernel, self.name, ("compression",), 0, CRYPTO_ALG_ASYNC)
            if not isinstance(found, int):
                self._fallback = CryptoAcomp(found, self.kernel)
                if self._fallback.alg is None:
                    self._fallback.set()
        return self._fallback

    def context(self, worker: int) -> object:
        """A worker's context of an scomp implementation; an `ErrPtr` if there is none."""
        if not isinstance(self.alg, ScompAlg) or self.alg.alloc_ctx is None:
            return None
        alg = self.alg
        ctx = self.kernel.stream(self.driver, worker, lambda: codec.new_context(alg))
        if isinstance(ctx, ErrPtr):
            self.kernel.drop_stream(self.driver, worker)
        return ctx

    def free(self) -> None:
        """Lets go of the implementation."""
        super().free()
        if self._fallback is not None:
            self._fallback.free()
        if isinstance(self.alg, AcompAlg) and self.alg.exit is not None:
            self.alg.exit(self)
        if not self._counted:
            return
        if self.scomp:
            self.kernel.scratches.put()
        if self.alg is not None:
            with self.kernel.lock:
                self.alg.cra_refcnt -= 1
                unused = self.alg.cra_refcnt == 0
            if unused and isinstance(self.alg, ScompAlg):
                for ctx in self.kernel.drop_streams(self.driver):
                    codec.free_context(self.alg, ctx)


def crypto_alloc_acomp(alg_name: str, type: int = 0, mask: int = 0) -> CryptoAcomp | ErrPtr:
    """A compressor by the name of an algorithm or a driver: scomp and acomp implementations alike, no legacy ones.

    With `CRYPTO_ALG_ASYNC` in `mask` and not in `type` it is a synchronous one. On failure an `ErrPtr`: `-ENOENT` for
    a name that nothing serves, `-ELIBBAD` if what would serve it failed its self-test, and others of `lookup.find`.
    """
    found = find(current(), alg_name, ("compression",), type, mask)
    if isinstance(found, int):
        return ErrPtr(found)
    tfm = CryptoAcomp(found)
    err = 0
    if isinstance(tfm.alg, AcompAlg) and tfm.alg.init is not None:
        err = tfm.alg.init(tfm)
    elif isinstance(tfm.alg, ScompAlg) and tfm.alg.alloc_ctx is not None and not tfm.kernel.classic:
        # The first worker's context must be there before the first request (crypto/acompress.c).
        with tfm.kernel.scratches.borrowed() as worker:
            ctx = tfm.context(worker.index)
        err = ctx.err if isinstance(ctx, ErrPtr) else 0
    elif tfm.alg is None:
        err = tfm.set()
    if err:
        with contextlib.suppress(Exception):
            tfm.free()
        return ErrPtr(err)
    return tfm


def crypto_free_acomp(tfm: CryptoAcomp | ErrPtr | None) -> None:
    """Frees a compressor; using it afterwards raises `UsageError`. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_acomp_alg_name(tfm: CryptoAcomp) -> str:
    """The algorithm's name."""
    tfm.check()
    return tfm.name


def crypto_acomp_driver_name(tfm: CryptoAcomp) -> str:
    """The implementation's name."""
    tfm.check()
    return tfm.driver


def acomp_is_async(tfm: CryptoAcomp) -> bool:
    """Whether requests may complete later."""
    tfm.check()
    return tfm.asynchronous


def crypto_acomp_batch_size(tfm: CryptoAcomp) -> int:
    """Units that one request may have (`acomp_request_set_unit_size`): 8 where a batch is one submission, else 1."""
    tfm.check()
    return tfm.batch_size
