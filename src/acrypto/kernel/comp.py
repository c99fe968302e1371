"""Legacy compressors: flat buffers, done on return (crypto/compress.c, as until Linux 6.14).

The allocator serves what `crypto_register_alg` registered and the layer's own synchronous compressors, which the
kernel used to register in both forms; never what was registered as scomp or acomp.
"""

from __future__ import annotations

from acrypto.kernel import codec
from acrypto.kernel.algs import CRYPTO_ALG_ASYNC, CRYPTO_MAX_ALG_NAME, CompAlg
from acrypto.kernel.context import current
from acrypto.kernel.errno import EINVAL, EIO, ELIBBAD, ENAMETOOLONG, ENOENT, ENOSPC, ETIMEDOUT, ErrPtr
from acrypto.kernel.lookup import check_name, find
from acrypto.kernel.tfm import CryptoTfm
from acrypto.model.errors import AcryptoError, DeadlineExceeded, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

    from acrypto.kernel.context import Kernel


class LegacyComp:
    """A compressor of `crypto_register_alg`, allocated; `CryptoComp` for those of the layer."""

    def __init__(self, kernel: Kernel, alg: CompAlg) -> None:
        self.kernel, self.alg = kernel, alg
        self.name, self.driver = alg.cra_name, alg.cra_driver_name
        self.freed = False
        self.ctx: object = None
        with kernel.lock:
            alg.cra_refcnt += 1

    def check(self) -> None:
        """Raises a clear error if it was freed."""
        if self.freed:
            raise UsageError(f"CryptoComp {self.driver} was freed")

    def free(self) -> None:
        """Lets go of the implementation."""
        self.check()
        self.freed = True
        with self.kernel.lock:
            self.alg.cra_refcnt -= 1

    def flat(self, src: memoryview, dst: memoryview, compress: bool) -> int:
        """One run."""
        return codec.of_comp(self, self.alg, src, dst, compress=compress)


class CryptoComp(CryptoTfm):
    """A synchronous compressor of the layer (struct crypto_comp)."""

    def flat(self, src: memoryview, dst: memoryview, compress: bool) -> int:
        """One run."""
        return -EIO if self._transform is None else codec.of_layer(self._transform, src, dst, compress=compress)


def crypto_alloc_comp(alg_name: str, type: int = 0, mask: int = 0) -> LegacyComp | CryptoComp | ErrPtr:
    """A legacy compressor by the name of an algorithm or driver; on failure an `ErrPtr`, as `crypto_alloc_acomp`."""
    kernel = current()
    check_name(alg_name)
    if len(alg_name) > CRYPTO_MAX_ALG_NAME:
        return ErrPtr(-ENAMETOOLONG)
    if mask & type & CRYPTO_ALG_ASYNC:
        return ErrPtr(-ENOENT)
    with kernel.lock:
        named = [alg for alg in kernel.comps.values() if alg_name in {alg.cra_name, alg.cra_driver_name}]
    exact = [alg for alg in named if alg_name == alg.cra_driver_name]
    tested = _tested(kernel, exact or named)
    if isinstance(tested, int):
        return ErrPtr(tested)
    best = max(tested, key=lambda alg: alg.cra_priority, default=None)
    own = None if exact else find_own(kernel, alg_name)
    if best is not None and (own is None or own.priority <= best.cra_priority):
        return LegacyComp(kernel, best)
    return own or ErrPtr(-ELIBBAD if named else -ENOENT)


def _tested(kernel: Kernel, named: list[CompAlg]) -> list[CompAlg] | int:
    """Those that passed their self-test; if one of them has yet to end it and none has passed, waits for that one."""
    verdicts = {row.driver: row.selftest for row in kernel.legacy_rows()} if named else {}
    passed = [alg for alg in named if verdicts.get(alg.cra_driver_name) == "passed"]
    larval = [alg for alg in named if verdicts.get(alg.cra_driver_name, "unknown") == "unknown"]
    if passed or not larval:
        return passed
    for alg in larval:
        try:
            kernel.legacy.find(alg.cra_driver_name)
        except DeadlineExceeded:
            return -ETIMEDOUT
        except AcryptoError:
            continue  # it failed, or has gone
        passed.append(alg)
    return passed


def find_own(kernel: Kernel, name: str) -> CryptoComp | None:
    """The layer's own synchronous compressor of a name, allocated."""
    found = find(kernel, name, ("compression",), 0, CRYPTO_ALG_ASYNC)
    if not isinstance(found, int) and found.driver in kernel.algs and name != found.driver:
        # Registered here as scomp or acomp, and stronger: the ones behind it count.
        rows = [row for row in kernel.layer.offers() if row.algorithm == found.algorithm]
        own = [row for row in rows if not (row.asynchronous or row.selftest == "failed" or row.driver in kernel.algs)]
        best = max(own, key=lambda row: row.priority, default=None)
        found = find(kernel, best.driver, ("compression",), 0, CRYPTO_ALG_ASYNC) if best else -ENOENT
    if isinstance(found, int) or found.driver in kernel.algs:
        return None
    tfm = CryptoComp(found)
    return None if tfm.set() else tfm


def crypto_has_comp(alg_name: str, type: int = 0, mask: int = 0) -> int:
    """1 if `crypto_alloc_comp` would find this name, else 0."""
    tfm = crypto_alloc_comp(alg_name, type, mask)
    if isinstance(tfm, ErrPtr):
        return 0
    tfm.free()
    return 1


def crypto_free_comp(tfm: LegacyComp | CryptoComp | ErrPtr | None) -> None:
    """Frees a compressor; using it afterwards raises `UsageError`. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_comp_name(tfm: LegacyComp | CryptoComp) -> str:
    """The algorithm's name."""
    tfm.check()
    return tfm.name


def crypto_comp_compress(tfm: LegacyComp | CryptoComp, src: BytesLike, slen: int, dst: BytesLike, dlen: int) -> int:
    """Compresses `slen` bytes into at most `dlen`; gives how many bytes that made, or a negative errno."""
    return _flat(tfm, src, slen, dst, dlen, compress=True)


def crypto_comp_decompress(tfm: LegacyComp | CryptoComp, src: BytesLike, slen: int, dst: BytesLike, dlen: int) -> int:
    """Decompresses `slen` bytes into at most `dlen`; gives how many bytes that made, or a negative errno."""
    return _flat(tfm, src, slen, dst, dlen, compress=False)


def _flat(
    tfm: LegacyComp | CryptoComp, src: BytesLike, slen: int, dst: BytesLike, dlen: int, *, compress: bool
) -> int:  # fmt: skip
    tfm.check()
    source, result = memoryview(src).cast("B"), memoryview(dst).cast("B")
    if not 0 <= slen <= len(source) or not 0 <= dlen <= len(result) or result.readonly:
        return -EINVAL
    written = tfm.flat(source[:slen].toreadonly(), result[:dlen], compress)
    return written if written <= dlen else -ENOSPC
