"""Implementations written in Python, as the structures that the kernel's drivers fill in.

See include/linux/crypto.h, include/crypto/internal/scompress.h and include/crypto/internal/acompress.h.
Sizes travel as Python has them: a function is given views of exactly the bytes that it may read and write, and returns
how many it wrote, or a negative errno. `-ENOSPC` means that the result does not fit.
"""

from __future__ import annotations

from acrypto.kernel.errno import EINVAL, ENAMETOOLONG
from acrypto.model.errors import UsageError
from acrypto.model.names import MAX_NAME, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    #: `(tfm, src, dst) -> bytes written, or a negative errno`.
    Flat: TypeAlias = Callable[[Any, memoryview, memoryview], int]
    #: The same, and the context that `alloc_ctx` made.
    FlatWithContext: TypeAlias = Callable[[Any, memoryview, memoryview, Any], int]
    #: `(req) -> 0, -EINPROGRESS (completed later with acomp_request_complete) or another negative errno`.
    ByRequest: TypeAlias = Callable[[Any], int]

#: Type and attribute bits of `cra_flags`, and of the `type` and `mask` of allocations.
CRYPTO_ALG_TYPE_MASK, CRYPTO_ALG_TYPE_COMPRESS, CRYPTO_ALG_TYPE_AEAD, CRYPTO_ALG_TYPE_SKCIPHER = 0xF, 0x2, 0x3, 0x5
CRYPTO_ALG_TYPE_ACOMPRESS, CRYPTO_ALG_TYPE_SCOMPRESS, CRYPTO_ALG_TYPE_RNG = 0xA, 0xB, 0xC
CRYPTO_ALG_TYPE_AKCIPHER, CRYPTO_ALG_TYPE_SHASH, CRYPTO_ALG_TYPE_AHASH = 0xD, 0xE, 0xF
CRYPTO_ALG_ASYNC = 0x80

#: Longest name of an algorithm or driver.
CRYPTO_MAX_ALG_NAME = MAX_NAME
#: Largest block and alignment that an algorithm may ask for (crypto/algapi.c).
MAX_ALGAPI_BLOCKSIZE, MAX_ALGAPI_ALIGNMASK = 160, 127
#: A priority is a C int.
INT_MAX = (1 << 31) - 1


class CryptoAlg:
    """What every implementation tells (struct crypto_alg).

    Args:
        cra_name: the algorithm: `deflate`.
        cra_driver_name: the implementation; `<cra_name>-generic` if not given.
        cra_priority: the largest one wins the algorithm's name.
        cra_flags: `CRYPTO_ALG_ASYNC` for one that completes later.
        cra_blocksize, cra_alignmask: checked as the kernel does; nothing here depends on them.
        cra_module: who brings it.

    Attributes:
        cra_refcnt: transforms that use it.
        sleeps, slept_in: calls that can block, made where it must not, and the first of them.
        suspicions: calls of it that took long and hardly used a CPU, with nothing seen that can block.
        raised: times that it raised instead of returning a code.
    """

    def __init__(
        self,
        cra_name: str,
        cra_driver_name: str = "",
        cra_priority: int = 0,
        *,
        cra_flags: int = 0,
        cra_blocksize: int = 1,
        cra_alignmask: int = 0,
        cra_module: str = "kernel",
    ) -> None:
        self.cra_name = cra_name
        self.cra_driver_name = cra_driver_name or f"{cra_name}-generic"
        self.cra_priority = cra_priority
        self.cra_flags = cra_flags
        self.cra_blocksize = cra_blocksize
        self.cra_alignmask = cra_alignmask
        self.cra_module = cra_module
        self.cra_refcnt = 0
        self.sleeps = 0
        self.slept_in = ""
        self.suspicions = 0
        self.raised = 0

    def check(self) -> int:
        """0, or what is wrong with it: `-EINVAL` or `-ENAMETOOLONG`."""
        if max(len(self.cra_name), len(self.cra_driver_name)) > CRYPTO_MAX_ALG_NAME:
            return -ENAMETOOLONG
        if not 0 <= self.cra_priority <= INT_MAX or not 0 <= self.cra_blocksize <= MAX_ALGAPI_BLOCKSIZE:
            return -EINVAL
        mask = self.cra_alignmask
        if not 0 <= mask <= MAX_ALGAPI_ALIGNMASK or mask & (mask + 1):
            return -EINVAL
        try:
            parse(self.cra_name)
            parse(self.cra_driver_name)
        except UsageError:
            return -EINVAL
        return 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.cra_name} by {self.cra_driver_name}, priority {self.cra_priority}>"


class CompAlg(CryptoAlg):
    """A legacy compressor (struct crypto_alg with compress_alg), for `crypto_alloc_comp` alone.

    Args:
        cra_name: and the other arguments of `CryptoAlg`.
        coa_compress, coa_decompress: `(tfm, src, dst) -> int`.
    """

    def __init__(self, cra_name: str, *args: Any, coa_compress: Flat, coa_decompress: Flat, **kwargs: Any) -> None:
        super().__init__(cra_name, *args, **kwargs)
        self.coa_compress = coa_compress
        self.coa_decompress = coa_decompress


class ScompAlg(CryptoAlg):
    """A synchronous compressor (struct scomp_alg). Its functions must not sleep.

    Args:
        cra_name: and the other arguments of `CryptoAlg`.
        compress, decompress: `(tfm, src, dst, ctx) -> int`.
        alloc_ctx, free_ctx: make and unmake what the functions need to work, for one run at a time.
    """

    def __init__(
        self,
        cra_name: str,
        *args: Any,
        compress: FlatWithContext,
        decompress: FlatWithContext,
        alloc_ctx: Callable[[], Any] | None = None,
        free_ctx: Callable[[Any], object] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cra_name, *args, **kwargs)
        self.compress = compress
        self.decompress = decompress
        self.alloc_ctx = alloc_ctx
        self.free_ctx = free_ctx


class AcompAlg(CryptoAlg):
    """A compressor that works on requests (struct acomp_alg), at once or, with `CRYPTO_ALG_ASYNC`, later.

    Args:
        cra_name: and the other arguments of `CryptoAlg`.
        compress, decompress: `(req) -> int`. After `-EINPROGRESS` (or `-EBUSY`, for a backlog) they own the request
            until they call `acomp_request_complete(req, err)`, once, from any thread; they set `req.dlen`.
        init, exit: are called with each transform that is made and freed; `init` returns 0 or a negative errno.
        batch_size: units that one request may have; above 1 the functions are given batches as they are.
    """

    def __init__(
        self,
        cra_name: str,
        *args: Any,
        compress: ByRequest,
        decompress: ByRequest,
        init: Callable[[Any], int] | None = None,
        exit: Callable[[Any], object] | None = None,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(cra_name, *args, **kwargs)
        self.compress = compress
        self.decompress = decompress
        self.init = init
        self.exit = exit
        self.batch_size = batch_size
