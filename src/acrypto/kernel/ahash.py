"""Digests and MACs over lists of buffers, with requests (crypto/ahash.c, include/crypto/hash.h)."""

from __future__ import annotations

from acrypto.kernel import hashing, scatterlist
from acrypto.kernel.errno import EINVAL, ENOKEY, ErrPtr
from acrypto.kernel.hashing import STATE_SIZE, CryptoHash, HashState
from acrypto.kernel.request import CryptoAsyncRequest, set_callback
from acrypto.kernel.scatterlist import Scatterlist, as_scatterlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

    from acrypto.kernel.request import Completion
    from acrypto.kernel.scatterlist import Segments


class CryptoAhash(CryptoHash):
    """A digest or MAC, perhaps asynchronous (struct crypto_ahash)."""


class AhashRequest(CryptoAsyncRequest):
    """One message, or a part of one (struct ahash_request).

    Attributes:
        tfm: on what it runs.
        src, nbytes: the data.
        result: where the digest goes.
        state: what was put in so far.
    """

    __slots__ = ("nbytes", "result", "src", "state", "tfm")

    def __init__(self, tfm: CryptoAhash) -> None:
        super().__init__()
        self.tfm = tfm
        self.src: Scatterlist | None = None
        self.nbytes = 0
        self.result: BytesLike | None = None
        self.state = HashState()


def crypto_alloc_ahash(alg_name: str, type: int = 0, mask: int = 0) -> CryptoAhash | ErrPtr:
    """A digest or MAC by the name of an algorithm or driver; on failure an `ErrPtr`."""
    return hashing.allocate(CryptoAhash, alg_name, type, mask)


def crypto_free_ahash(tfm: CryptoAhash | ErrPtr | None) -> None:
    """Frees a digest, and wipes its key. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_ahash_alg_name(tfm: CryptoAhash) -> str:
    """The algorithm's name."""
    tfm.check()
    return tfm.name


def crypto_ahash_driver_name(tfm: CryptoAhash) -> str:
    """The implementation's name."""
    tfm.check()
    return tfm.driver


def crypto_ahash_digestsize(tfm: CryptoAhash) -> int:
    """Bytes of a result."""
    tfm.check()
    return tfm.digestsize


def crypto_ahash_blocksize(tfm: CryptoAhash) -> int:
    """Bytes of a block."""
    tfm.check()
    return tfm.shape.block


def crypto_ahash_statesize(tfm: CryptoAhash) -> int:
    """Bytes that `crypto_ahash_export` writes."""
    tfm.check()
    return STATE_SIZE


def crypto_ahash_setkey(tfm: CryptoAhash, key: BytesLike, keylen: int | None = None) -> int:
    """Sets a MAC's key: 0, `-EINVAL` for a bad length, `-ENOSYS` for a digest."""
    return tfm.setkey(key, keylen)


def ahash_request_alloc(tfm: CryptoAhash) -> AhashRequest:
    """A request for this digest."""
    tfm.check()
    return AhashRequest(tfm)


def ahash_request_free(req: AhashRequest) -> None:
    """Frees a request, wiped."""
    req.free()
    req.src = req.result = None
    req.state = HashState()


def ahash_request_set_callback(req: AhashRequest, flags: int, compl: Completion | None, data: object) -> None:
    """The flags, and what is called when it ends: `compl(data, err)`."""
    set_callback(req, flags, compl, data)


def ahash_request_set_crypt(req: AhashRequest, src: Segments | None, result: BytesLike | None, nbytes: int) -> None:
    """The data, and where the digest goes (for `final`, `finup` and `digest`)."""
    req.src, req.result, req.nbytes = as_scatterlist(src), result, nbytes


def crypto_ahash_init(req: AhashRequest) -> int:
    """Starts a message: 0, or `-ENOKEY`."""
    return req.state.begin(req.tfm)


def crypto_ahash_update(req: AhashRequest) -> int:
    """Adds the data to the message."""
    data = _data(req)
    return -EINVAL if data is None else req.state.put(b"".join(data))


def crypto_ahash_final(req: AhashRequest) -> int:
    """Ends the message and writes the result."""
    return _end(req, [])


def crypto_ahash_finup(req: AhashRequest) -> int:
    """Adds the data, ends the message and writes the result."""
    data = _data(req)
    return -EINVAL if data is None else _end(req, data)


def crypto_ahash_digest(req: AhashRequest) -> int:
    """The result of the data as a whole message."""
    return crypto_ahash_init(req) or crypto_ahash_finup(req)


def crypto_ahash_export(req: AhashRequest, out: BytesLike) -> int:
    """Writes what `crypto_ahash_import` needs to go on from here."""
    return req.state.export(req.tfm, out)


def crypto_ahash_import(req: AhashRequest, data: BytesLike) -> int:
    """Goes on from an exported state; `-EINVAL` if there is none of this algorithm, or it was too long ago."""
    return req.state.restore(req.tfm, data)


def _data(req: AhashRequest) -> list[memoryview] | None:
    if req.nbytes == 0:
        return []
    if req.src is None or not 0 < req.nbytes <= scatterlist.size(req.src):
        return None
    return scatterlist.windows(req.src, req.nbytes)


def _end(req: AhashRequest, data: list[memoryview]) -> int:
    tfm = req.tfm
    transform = tfm.transform
    if transform is None:
        return -ENOKEY
    result = memoryview(req.result).cast("B") if req.result is not None else memoryview(b"")
    if result.readonly or len(result) < tfm.digestsize or not req.state.ready:
        return -EINVAL
    message: list[Any] = [*req.state.take(), *data]

    def finish(value: bytes) -> int:
        result[: len(value)] = tfm.result(value)
        return 0

    return tfm.run(req, lambda: hashing.start(tfm, transform, message), finish)
