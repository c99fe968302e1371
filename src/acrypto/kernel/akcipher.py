"""Signatures with RSA (crypto/akcipher.c, crypto/rsa-pkcs1pad.c, as until Linux 6.12).

`pkcs1pad(rsa,sha256)` and its siblings sign and verify. One thing is not as in the kernel: libraries of signatures hash
for themselves, so the source of a signature is the *message*, where the kernel takes its digest. A message exactly as
long as a digest is refused with `-EINVAL`, so that code written for the kernel fails and does not sign the wrong thing.
Bare `rsa`, encryption and decryption are `-ENOSYS`: nothing here computes them.
"""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.context import current
from acrypto.kernel.errno import EFAULT, EINVAL, ENOKEY, ENOSYS, EOVERFLOW, ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.request import CryptoAsyncRequest, set_callback
from acrypto.kernel.scatterlist import Scatterlist, as_scatterlist
from acrypto.kernel.tfm import CryptoTfm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

    from acrypto.kernel.lookup import Found
    from acrypto.kernel.request import Completion
    from acrypto.kernel.scatterlist import Segments

DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
#: rsaEncryption without parameters (RFC 8017), and the version of PKCS #8.
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_VERSION = bytes.fromhex("020100")


class CryptoAkcipher(CryptoTfm):
    """A public-key algorithm (struct crypto_akcipher).

    Attributes:
        digestsize: bytes of the digest that it signs; 0 if it can do nothing here.
        maxsize: bytes of a signature; 0 before there is a key.
        private: whether the key can sign.
    """

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.digestsize = DIGEST_SIZES.get(str(found.params.get("hash", "")), 0)
        self.maxsize = 0
        self.private = False


class AkcipherRequest(CryptoAsyncRequest):
    """One signature, or the check of one (struct akcipher_request)."""

    __slots__ = ("dst", "dst_len", "src", "src_len", "tfm")

    def __init__(self, tfm: CryptoAkcipher) -> None:
        super().__init__()
        self.tfm = tfm
        self.src: Scatterlist | None = None
        self.dst: Scatterlist | None = None
        self.src_len = self.dst_len = 0


def crypto_alloc_akcipher(alg_name: str, type: int = 0, mask: int = 0) -> CryptoAkcipher | ErrPtr:
    """A public-key algorithm by name; on failure an `ErrPtr`."""
    found = find(current(), alg_name, ("signature",), type, mask)
    return ErrPtr(found) if isinstance(found, int) else CryptoAkcipher(found)


def crypto_free_akcipher(tfm: CryptoAkcipher | ErrPtr | None) -> None:
    """Frees it, and wipes its key. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_akcipher_maxsize(tfm: CryptoAkcipher) -> int:
    """Bytes of a signature under the key that was set; 0 without one."""
    tfm.check()
    return tfm.maxsize


def crypto_akcipher_set_pub_key(tfm: CryptoAkcipher, key: BytesLike, keylen: int | None = None) -> int:
    """Sets a public key, PKCS #1 DER: 0, `-EINVAL`, or `-ENOSYS` where nothing can be done with one."""
    return _set_key(tfm, bytes(memoryview(key).cast("B")[:keylen]), private=False)


def crypto_akcipher_set_priv_key(tfm: CryptoAkcipher, key: BytesLike, keylen: int | None = None) -> int:
    """Sets a private key, PKCS #1 DER: 0, `-EINVAL`, or `-ENOSYS` where nothing can be done with one."""
    return _set_key(tfm, bytes(memoryview(key).cast("B")[:keylen]), private=True)


def akcipher_request_alloc(tfm: CryptoAkcipher) -> AkcipherRequest:
    """A request for this algorithm."""
    tfm.check()
    return AkcipherRequest(tfm)


def akcipher_request_free(req: AkcipherRequest) -> None:
    """Frees a request, wiped."""
    req.free()
    req.src = req.dst = None
    req.src_len = req.dst_len = 0


def akcipher_request_set_callback(req: AkcipherRequest, flgs: int, cmpl: Completion | None, data: object) -> None:
    """The flags, and what is called when it ends: `cmpl(data, err)`."""
    set_callback(req, flgs, cmpl, data)


def akcipher_request_set_crypt(
    req: AkcipherRequest, src: Segments, dst: Segments | None, src_len: int, dst_len: int
) -> None:  # fmt: skip
    """What is signed and where the signature goes; to verify, the signature with the message behind it, and None.

    Args:
        req: the request.
        src: the message; to verify, signature and message.
        dst: where a signature goes.
        src_len: bytes of the message; to verify, of the signature.
        dst_len: bytes of `dst`; to verify, of the message.
    """
    req.src, req.dst, req.src_len, req.dst_len = as_scatterlist(src), as_scatterlist(dst), src_len, dst_len


def crypto_akcipher_encrypt(req: AkcipherRequest) -> int:
    """`-ENOSYS`: nothing here does that."""
    req.tfm.check()
    return -ENOSYS


def crypto_akcipher_decrypt(req: AkcipherRequest) -> int:
    """`-ENOSYS`: nothing here does that."""
    req.tfm.check()
    return -ENOSYS


def crypto_akcipher_sign(req: AkcipherRequest) -> int:
    """Signs; `dst_len` becomes the signature's size. `-EOVERFLOW` if it does not fit: `dst_len` tells the size then."""
    tfm, src, dst = req.tfm, req.src, req.dst
    transform = tfm.transform
    if not tfm.digestsize:
        return -ENOSYS
    if transform is None or not tfm.private:
        return -ENOKEY
    if src is None or dst is None or not 0 <= req.src_len <= scatterlist.size(src) or req.src_len == tfm.digestsize:
        return -EINVAL
    if req.dst_len < tfm.maxsize or scatterlist.size(dst) < tfm.maxsize:
        req.dst_len = tfm.maxsize
        return -EOVERFLOW
    if not scatterlist.writable(dst):
        return -EFAULT
    message = scatterlist.windows(src, req.src_len)

    def finish(signature: bytes) -> int:
        req.dst_len = scatterlist.scatter(dst, memoryview(signature))
        return 0

    return tfm.run(req, lambda: transform.sign(message), finish)


def crypto_akcipher_verify(req: AkcipherRequest) -> int:
    """Checks a signature: 0, or `-EBADMSG` if it is not one of this message under this key."""
    tfm, src = req.tfm, req.src
    transform = tfm.transform
    if not tfm.digestsize:
        return -ENOSYS
    if transform is None:
        return -ENOKEY
    if src is None or min(req.src_len, req.dst_len) < 0 or req.src_len + req.dst_len > scatterlist.size(src):
        return -EINVAL
    if req.dst is not None or req.src_len != tfm.maxsize or req.dst_len == tfm.digestsize:
        return -EINVAL
    signature = scatterlist.gather(src, req.src_len)
    message: list[Any] = scatterlist.windows(src, req.dst_len, req.src_len)
    return tfm.run(req, lambda: transform.verify(signature, message), lambda _: 0)


def _set_key(tfm: CryptoAkcipher, key: bytes, *, private: bool) -> int:
    tfm.check()
    if not tfm.digestsize:
        return -ENOSYS
    # The same key in the envelope that our own transforms take: PKCS #8, or SubjectPublicKeyInfo.
    body = _VERSION + _RSA + _der(0x04, key) if private else _RSA + _der(0x03, b"\0" + key)
    size = _modulus_size(key, skipped=1 if private else 0)
    err = tfm.set(key=_der(0x30, body)) if size else -EINVAL
    if err == 0:
        tfm.maxsize, tfm.private = size, private
    return err


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    head = bytes([size]) if size < 128 else bytes([0x80 | -(-size.bit_length() // 8)]) + _big(size)
    return bytes([tag]) + head + content


def _big(number: int) -> bytes:
    return number.to_bytes(-(-number.bit_length() // 8), "big")


def _modulus_size(key: bytes, skipped: int) -> int:
    """Bytes of the modulus in a PKCS #1 key, behind some other integers; 0 if there is none to be found."""
    try:
        at, _ = _element(key, 0, 0x30)
        for _ in range(skipped):
            at = sum(_element(key, at, 0x02))
        at, size = _element(key, at, 0x02)
    except (IndexError, ValueError):
        return 0
    return len(key[at : at + size].lstrip(b"\0"))


def _element(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where an element's content begins, and its size."""
    if data[at] != tag:
        raise ValueError(f"tag {data[at]:#x}, wanted {tag:#x}")
    size, at = data[at + 1], at + 2
    if size >= 128:
        count = size - 128
        size, at = int.from_bytes(data[at : at + count], "big"), at + count
    return at, size
