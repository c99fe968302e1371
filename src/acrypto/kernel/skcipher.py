"""Ciphers over lists of buffers (crypto/skcipher.c, include/crypto/skcipher.h)."""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.context import current
from acrypto.kernel.errno import EFAULT, EINVAL, ENOKEY, ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.request import CryptoAsyncRequest, set_callback
from acrypto.kernel.scatterlist import Scatterlist, as_scatterlist
from acrypto.kernel.tfm import CryptoTfm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Operation
    from acrypto.kernel.request import Completion
    from acrypto.kernel.scatterlist import Segments


class CryptoSkcipher(CryptoTfm):
    """A cipher, allocated (struct crypto_skcipher)."""


class SkcipherRequest(CryptoAsyncRequest):
    """One encryption or decryption (struct skcipher_request).

    Attributes:
        tfm: on what it runs.
        src, dst, cryptlen: the data and its place; both may be the same list.
        iv: where the mode is CBC or CTR and the buffer is writable, what the next request goes on with is left here.
    """

    __slots__ = ("cryptlen", "dst", "iv", "src", "tfm")

    def __init__(self, tfm: CryptoSkcipher) -> None:
        super().__init__()
        self.tfm = tfm
        self.src: Scatterlist | None = None
        self.dst: Scatterlist | None = None
        self.cryptlen = 0
        self.iv: BytesLike | None = None


def crypto_alloc_skcipher(alg_name: str, type: int = 0, mask: int = 0) -> CryptoSkcipher | ErrPtr:
    """A cipher by the name of an algorithm or driver; on failure an `ErrPtr`."""
    found = find(current(), alg_name, ("cipher",), type, mask)
    return ErrPtr(found) if isinstance(found, int) else CryptoSkcipher(found)


def crypto_free_skcipher(tfm: CryptoSkcipher | ErrPtr | None) -> None:
    """Frees a cipher, and wipes its key. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_skcipher_driver_name(tfm: CryptoSkcipher) -> str:
    """The implementation's name."""
    tfm.check()
    return tfm.driver


def crypto_skcipher_ivsize(tfm: CryptoSkcipher) -> int:
    """Bytes of an IV."""
    tfm.check()
    return tfm.shape.nonce


def crypto_skcipher_blocksize(tfm: CryptoSkcipher) -> int:
    """Bytes of a block, 1 for stream modes."""
    tfm.check()
    return tfm.shape.block


def crypto_skcipher_min_keysize(tfm: CryptoSkcipher) -> int:
    """Bytes of the shortest key."""
    tfm.check()
    return tfm.shape.min_key


def crypto_skcipher_max_keysize(tfm: CryptoSkcipher) -> int:
    """Bytes of the longest key."""
    tfm.check()
    return tfm.shape.max_key


def crypto_skcipher_setkey(tfm: CryptoSkcipher, key: BytesLike, keylen: int | None = None) -> int:
    """Sets the key: 0, or `-EINVAL` for a key that the cipher does not take."""
    view = memoryview(key).cast("B")
    if keylen is not None and not 0 <= keylen <= len(view):
        return -EINVAL
    return tfm.set(key=view[:keylen])


def skcipher_request_alloc(tfm: CryptoSkcipher) -> SkcipherRequest:
    """A request for this cipher."""
    tfm.check()
    return SkcipherRequest(tfm)


def skcipher_request_free(req: SkcipherRequest) -> None:
    """Frees a request, wiped."""
    req.free()
    req.src = req.dst = req.iv = None
    req.cryptlen = 0


def skcipher_request_set_callback(req: SkcipherRequest, flags: int, compl: Completion | None, data: object) -> None:
    """The flags, and what is called when it ends: `compl(data, err)`."""
    set_callback(req, flags, compl, data)


def skcipher_request_set_crypt(
    req: SkcipherRequest, src: Segments, dst: Segments, cryptlen: int, iv: BytesLike | None
) -> None:  # fmt: skip
    """The data, where the result goes, how many bytes, and the IV."""
    req.src, req.dst, req.cryptlen, req.iv = as_scatterlist(src), as_scatterlist(dst), cryptlen, iv


def crypto_skcipher_encrypt(req: SkcipherRequest) -> int:
    """Encrypts. `-ENOKEY` without a key, `-EINVAL` for lengths that the mode does not take."""
    return _crypt(req, encrypt=True)


def crypto_skcipher_decrypt(req: SkcipherRequest) -> int:
    """Decrypts; returns as `crypto_skcipher_encrypt` does."""
    return _crypt(req, encrypt=False)


def _crypt(req: SkcipherRequest, *, encrypt: bool) -> int:
    tfm, src, dst, length = req.tfm, req.src, req.dst, req.cryptlen
    transform = tfm.transform
    if transform is None:
        return -ENOKEY
    if src is None or dst is None or not 0 <= length <= min(scatterlist.size(src), scatterlist.size(dst)):
        return -EINVAL
    if not scatterlist.writable(dst):
        return -EFAULT
    holder = memoryview(req.iv).cast("B") if req.iv is not None else memoryview(b"")
    iv = bytes(holder[: tfm.shape.nonce])
    if len(iv) != tfm.shape.nonce:
        return -EINVAL
    # The last block of ciphertext is what CBC goes on with; in place, it is gone after a decryption.
    last = b"" if encrypt or length < len(iv) else scatterlist.gather(src, len(iv), length - len(iv))

    def start() -> Operation[Any]:
        return (transform.encrypt if encrypt else transform.decrypt)(iv, scatterlist.windows(src, length))

    def finish(result: Any) -> int:
        scatterlist.scatter(dst, memoryview(result))
        if not holder.readonly:
            box = bytes(memoryview(result)[-len(iv) :]) if encrypt and length and iv else last
            holder[: len(iv)] = next_iv(tfm.algorithm, iv, box, length)
        return 0

    return tfm.run(req, start, finish)


def next_iv(algorithm: str, iv: bytes, box: bytes, length: int) -> bytes:
    """The IV that continues a message (crypto/cbc.c, crypto/ctr.c); the same one for modes that do not chain."""
    if algorithm.startswith("cbc(") and len(box) == len(iv) and length:
        return box
    if algorithm.startswith("ctr("):
        blocks = -(-length // len(iv))
        return ((int.from_bytes(iv, "big") + blocks) % (1 << 8 * len(iv))).to_bytes(len(iv), "big")
    return iv
