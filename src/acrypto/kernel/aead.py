"""Authenticated encryption over lists of buffers, laid out as the kernel does (crypto/aead.c, include/crypto/aead.h).

Encryption reads associated data, text and writes associated data, ciphertext, tag; decryption the other way round.
`cryptlen` is the text's length for encryption, ciphertext and tag for decryption.

- The IPsec forms (rfc4106, rfc4309, rfc4543, rfc7539esp) have the 8-byte IV again at the end of the associated data
  (crypto/aead.c, `crypto_ipsec_check_assoclen`): `assoclen` is 16 or 20, but for rfc7539esp, which takes 8 or more.
- `seqiv` has room for the IV before the text, counted in `cryptlen`; it is written there by encryption.
- `ccm` takes 16 bytes: the length of its counter less one, the nonce, zeros (RFC 3610).
"""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.context import current
from acrypto.kernel.errno import EFAULT, EINVAL, ENOKEY, ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.request import CryptoAsyncRequest, set_callback
from acrypto.kernel.scatterlist import Scatterlist, as_scatterlist
from acrypto.kernel.tfm import CryptoTfm
from acrypto.model.names import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Operation
    from acrypto.kernel.lookup import Found
    from acrypto.kernel.request import Completion
    from acrypto.kernel.scatterlist import Segments

#: Bytes of the IV that the IPsec forms repeat, and that seqiv carries.
ESP_IV = 8
#: The IPsec forms, and whether each takes only the associated data of ESP, which is 16 or 20 bytes with the IV.
ESP_FORMS = {"rfc4106": True, "rfc4309": True, "rfc4543": True, "rfc7539esp": False}
ESP_ASSOC = (16, 20)
#: Tag sizes, where not every size is one.
TAGS: dict[str, tuple[int, ...]] = {
    "gcm": (4, 8, 12, 13, 14, 15, 16),
    "ccm": (4, 6, 8, 10, 12, 14, 16),
    "rfc4106": (8, 12, 16),
    "rfc4309": (8, 12, 16),
    "rfc4543": (16,),
    "rfc7539": (16,),
    "rfc7539esp": (16,),
}
CCM_IV = 16


class CryptoAead(CryptoTfm):
    """An AEAD, allocated (struct crypto_aead).

    Attributes:
        form, inner: the template's name, and with seqiv what it wraps.
        authsize: bytes of the tag.
    """

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        name = parse(self.algorithm)
        self.form = name.base
        self.inner = name.args[0].base if name.base == "seqiv" else name.base
        self.authsize = self.shape.tag
        self._key: bytearray | None = None

    @property
    def ivsize(self) -> int:
        """Bytes of an IV."""
        return CCM_IV if self.form == "ccm" else self.shape.nonce

    def setkey(self, key: memoryview) -> int:
        """Sets the key; kept, for tags of another size need another transform."""
        err = self.set(key=key, tag_len=self.authsize)
        if err == 0:
            self._wipe()
            self._key = bytearray(key)
        return err

    def setauthsize(self, authsize: int) -> int:
        """Sets the size of the tag."""
        self.check()
        sizes = TAGS.get(self.inner, range(1, self.shape.tag + 1))
        if authsize not in sizes or authsize > self.shape.tag:
            return -EINVAL
        err = self.set(key=self._key, tag_len=authsize) if self._key is not None else 0
        if err == 0:
            self.authsize = authsize
        return err

    def nonce(self, iv: memoryview) -> bytes | None:
        """The nonce in an IV; None if that is none."""
        if len(iv) < self.ivsize:
            return None
        if self.form == "ccm":
            counter = iv[0] + 1
            return bytes(iv[1 : CCM_IV - counter]) if 2 <= counter <= 8 else None
        return bytes(iv[: self.ivsize])

    def free(self) -> None:
        """Lets go of the implementation, and wipes the key."""
        super().free()
        self._wipe()

    def _wipe(self) -> None:
        if self._key is not None:
            self._key[:] = bytes(len(self._key))
            self._key = None


class AeadRequest(CryptoAsyncRequest):
    """One encryption or decryption (struct aead_request).

    Attributes:
        tfm: on what it runs.
        src, dst, assoclen, cryptlen, iv: see the head of the file; `src` and `dst` may be the same list.
    """

    __slots__ = ("assoclen", "cryptlen", "dst", "iv", "src", "tfm")

    def __init__(self, tfm: CryptoAead) -> None:
        super().__init__()
        self.tfm = tfm
        self.src: Scatterlist | None = None
        self.dst: Scatterlist | None = None
        self.assoclen = self.cryptlen = 0
        self.iv: BytesLike | None = None


def crypto_alloc_aead(alg_name: str, type: int = 0, mask: int = 0) -> CryptoAead | ErrPtr:
    """An AEAD by the name of an algorithm or driver; on failure an `ErrPtr`."""
    found = find(current(), alg_name, ("aead",), type, mask)
    return ErrPtr(found) if isinstance(found, int) else CryptoAead(found)


def crypto_free_aead(tfm: CryptoAead | ErrPtr | None) -> None:
    """Frees an AEAD, and wipes its key. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_aead_driver_name(tfm: CryptoAead) -> str:
    """The implementation's name."""
    tfm.check()
    return tfm.driver


def crypto_aead_ivsize(tfm: CryptoAead) -> int:
    """Bytes of an IV."""
    tfm.check()
    return tfm.ivsize


def crypto_aead_authsize(tfm: CryptoAead) -> int:
    """Bytes of the tag."""
    tfm.check()
    return tfm.authsize


def crypto_aead_maxauthsize(tfm: CryptoAead) -> int:
    """Bytes of the longest tag, which is also the one to begin with."""
    tfm.check()
    return tfm.shape.tag


def crypto_aead_blocksize(tfm: CryptoAead) -> int:
    """Bytes of a block, 1 for stream modes."""
    tfm.check()
    return tfm.shape.block


def crypto_aead_setkey(tfm: CryptoAead, key: BytesLike, keylen: int | None = None) -> int:
    """Sets the key: 0, or `-EINVAL` for one that the algorithm does not take."""
    view = memoryview(key).cast("B")
    if keylen is not None and not 0 <= keylen <= len(view):
        return -EINVAL
    return tfm.setkey(view[:keylen])


def crypto_aead_setauthsize(tfm: CryptoAead, authsize: int) -> int:
    """Sets the size of the tag: 0, or `-EINVAL` for one that the algorithm does not have."""
    return tfm.setauthsize(authsize)


def aead_request_alloc(tfm: CryptoAead) -> AeadRequest:
    """A request for this AEAD."""
    tfm.check()
    return AeadRequest(tfm)


def aead_request_free(req: AeadRequest) -> None:
    """Frees a request, wiped."""
    req.free()
    req.src = req.dst = req.iv = None
    req.assoclen = req.cryptlen = 0


def aead_request_set_callback(req: AeadRequest, flags: int, compl: Completion | None, data: object) -> None:
    """The flags, and what is called when it ends: `compl(data, err)`."""
    set_callback(req, flags, compl, data)


def aead_request_set_crypt(
    req: AeadRequest, src: Segments, dst: Segments, cryptlen: int, iv: BytesLike
) -> None:  # fmt: skip
    """The data, where the result goes, the bytes behind the associated data, and the IV."""
    req.src, req.dst, req.cryptlen, req.iv = as_scatterlist(src), as_scatterlist(dst), cryptlen, iv


def aead_request_set_ad(req: AeadRequest, assoclen: int) -> None:
    """How many bytes at the front are associated data."""
    req.assoclen = assoclen


def crypto_aead_encrypt(req: AeadRequest) -> int:
    """Encrypts and authenticates. `-ENOKEY` without a key, `-EINVAL` for lengths that do not fit."""
    return _crypt(req, encrypt=True)


def crypto_aead_decrypt(req: AeadRequest) -> int:
    """Checks and decrypts; `-EBADMSG` if the tag is wrong, and then nothing is written."""
    return _crypt(req, encrypt=False)


def _crypt(req: AeadRequest, *, encrypt: bool) -> int:
    tfm, src, dst = req.tfm, req.src, req.dst
    transform = tfm.transform
    if transform is None:
        return -ENOKEY
    # What comes before the text and belongs to it: seqiv's IV.
    lead = ESP_IV if tfm.form == "seqiv" else 0
    if src is None or dst is None or req.assoclen < 0 or req.cryptlen < lead + (0 if encrypt else tfm.authsize):
        return -EINVAL
    made = req.cryptlen + (tfm.authsize if encrypt else -tfm.authsize)
    if scatterlist.size(src) < req.assoclen + req.cryptlen or scatterlist.size(dst) < req.assoclen + made:
        return -EINVAL
    is_esp = tfm.form in ESP_FORMS
    if is_esp and (req.assoclen not in ESP_ASSOC if ESP_FORMS[tfm.form] else req.assoclen < ESP_IV):
        return -EINVAL
    if not scatterlist.writable(dst):
        return -EFAULT
    nonce = tfm.nonce(memoryview(req.iv).cast("B") if req.iv is not None else memoryview(b""))
    if nonce is None:
        return -EINVAL
    assoc = scatterlist.gather(src, req.assoclen)
    ad = assoc[:-ESP_IV] if is_esp else assoc
    skip = req.assoclen + (lead if encrypt else 0)
    data = scatterlist.windows(src, req.cryptlen - (lead if encrypt else 0), skip)
    iv = scatterlist.gather(src, lead, req.assoclen)

    def start() -> Operation[Any]:
        if encrypt:
            return transform.encrypt(nonce, data, ad)
        return transform.decrypt(b"" if lead else nonce, data, ad)

    def finish(result: Any) -> int:
        if dst is not src:
            scatterlist.scatter(dst, memoryview(assoc))
        at = req.assoclen
        if lead and not encrypt:
            at += scatterlist.scatter(dst, memoryview(iv), at)
        scatterlist.scatter(dst, memoryview(result), at)
        return 0

    return tfm.run(req, start, finish)
