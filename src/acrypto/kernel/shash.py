"""Digests and MACs over flat memory, done on return (crypto/shash.c, include/crypto/hash.h)."""

from __future__ import annotations

from acrypto.kernel import dispatch, hashing
from acrypto.kernel.algs import CRYPTO_ALG_ASYNC
from acrypto.kernel.errno import EINVAL, ENOKEY, ErrPtr
from acrypto.kernel.hashing import STATE_SIZE, CryptoHash, HashState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike


class CryptoShash(CryptoHash):
    """A synchronous digest or MAC (struct crypto_shash)."""


class ShashDesc:
    """A message on its way through a digest (struct shash_desc).

    Args:
        tfm: the digest.
    """

    __slots__ = ("state", "tfm")

    def __init__(self, tfm: CryptoShash) -> None:
        tfm.check()
        self.tfm = tfm
        self.state = HashState()


def crypto_alloc_shash(alg_name: str, type: int = 0, mask: int = 0) -> CryptoShash | ErrPtr:
    """A synchronous digest or MAC by the name of an algorithm or driver; on failure an `ErrPtr`."""
    return hashing.allocate(CryptoShash, alg_name, type & ~CRYPTO_ALG_ASYNC, mask | CRYPTO_ALG_ASYNC)


def crypto_free_shash(tfm: CryptoShash | ErrPtr | None) -> None:
    """Frees a digest, and wipes its key. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_shash_alg_name(tfm: CryptoShash) -> str:
    """The algorithm's name."""
    tfm.check()
    return tfm.name


def crypto_shash_driver_name(tfm: CryptoShash) -> str:
    """The implementation's name."""
    tfm.check()
    return tfm.driver


def crypto_shash_digestsize(tfm: CryptoShash) -> int:
    """Bytes of a result."""
    tfm.check()
    return tfm.digestsize


def crypto_shash_blocksize(tfm: CryptoShash) -> int:
    """Bytes of a block."""
    tfm.check()
    return tfm.shape.block


def crypto_shash_statesize(tfm: CryptoShash) -> int:
    """Bytes that `crypto_shash_export` writes."""
    tfm.check()
    return STATE_SIZE


def crypto_shash_setkey(tfm: CryptoShash, key: BytesLike, keylen: int | None = None) -> int:
    """Sets a MAC's key: 0, `-EINVAL` for a bad length, `-ENOSYS` for a digest."""
    return tfm.setkey(key, keylen)


def crypto_shash_init(desc: ShashDesc) -> int:
    """Starts a message: 0, or `-ENOKEY`."""
    return desc.state.begin(desc.tfm)


def crypto_shash_update(desc: ShashDesc, data: BytesLike, length: int | None = None) -> int:
    """Adds to the message."""
    view = _view(data, length)
    return -EINVAL if view is None else desc.state.put(view)


def crypto_shash_final(desc: ShashDesc, out: BytesLike) -> int:
    """Ends the message and writes the result."""
    return crypto_shash_finup(desc, b"", 0, out)


def crypto_shash_finup(desc: ShashDesc, data: BytesLike, length: int | None, out: BytesLike) -> int:
    """Adds the last of the message, ends it and writes the result."""
    tfm, view, result = desc.tfm, _view(data, length), memoryview(out).cast("B")
    transform = tfm.transform
    if transform is None:
        return -ENOKEY
    if view is None or result.readonly or len(result) < tfm.digestsize or not desc.state.ready:
        return -EINVAL
    message = [*desc.state.take(), view]

    def finish(value: bytes) -> int:
        result[: len(value)] = tfm.result(value)
        return 0

    return dispatch.run(lambda: hashing.start(tfm, transform, message), finish)


def crypto_shash_digest(desc: ShashDesc, data: BytesLike, length: int | None, out: BytesLike) -> int:
    """The result of a whole message."""
    return crypto_shash_init(desc) or crypto_shash_finup(desc, data, length, out)


def crypto_shash_tfm_digest(tfm: CryptoShash, data: BytesLike, length: int | None, out: BytesLike) -> int:
    """The result of a whole message, without a descriptor."""
    return crypto_shash_digest(ShashDesc(tfm), data, length, out)


def crypto_shash_export(desc: ShashDesc, out: BytesLike) -> int:
    """Writes what `crypto_shash_import` needs to go on from here, with any descriptor of the algorithm."""
    return desc.state.export(desc.tfm, out)


def crypto_shash_import(desc: ShashDesc, data: BytesLike) -> int:
    """Goes on from an exported state; `-EINVAL` if there is none of this algorithm, or it was too long ago."""
    return desc.state.restore(desc.tfm, data)


def _view(data: BytesLike, length: int | None) -> memoryview | None:
    view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
    return view[:length] if length is None or 0 <= length <= len(view) else None
