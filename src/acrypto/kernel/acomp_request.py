"""Requests for compression: what goes in, where the result goes, who is told (include/crypto/acompress.h)."""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.request import CryptoAsyncRequest, set_callback
from acrypto.kernel.scatterlist import Scatterlist, as_scatterlist
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

    from acrypto.kernel.acomp_tfm import CryptoAcomp
    from acrypto.kernel.request import Completion
    from acrypto.kernel.scatterlist import Segments

#: The destination was allocated for the request, and goes with it (until Linux 6.14).
CRYPTO_ACOMP_ALLOC_OUTPUT = 0x1
#: How each side was given: a pointer, memory that hardware cannot reach, a folio.
CRYPTO_ACOMP_REQ_SRC_VIRT, CRYPTO_ACOMP_REQ_SRC_NONDMA = 0x2, 0x4
CRYPTO_ACOMP_REQ_DST_VIRT, CRYPTO_ACOMP_REQ_DST_NONDMA = 0x8, 0x10
CRYPTO_ACOMP_REQ_SRC_FOLIO, CRYPTO_ACOMP_REQ_DST_FOLIO = 0x20, 0x40
_SRC = CRYPTO_ACOMP_REQ_SRC_VIRT | CRYPTO_ACOMP_REQ_SRC_NONDMA | CRYPTO_ACOMP_REQ_SRC_FOLIO
_DST = CRYPTO_ACOMP_REQ_DST_VIRT | CRYPTO_ACOMP_REQ_DST_NONDMA | CRYPTO_ACOMP_REQ_DST_FOLIO
NONDMA = CRYPTO_ACOMP_REQ_SRC_NONDMA | CRYPTO_ACOMP_REQ_DST_NONDMA
_PRIVATE = CRYPTO_ACOMP_ALLOC_OUTPUT | _SRC | _DST


class AcompReq(CryptoAsyncRequest):
    """One compression or decompression (struct acomp_req).

    Attributes:
        tfm: on what it runs.
        src, dst: the lists of buffers; `dst` may be None in the profile v9-2023 and is then allocated.
        slen, dlen: their bytes; when the request is done, `dlen` is the size of the result.
        unit_size: bytes of each unit if the source is several, which are worked on by themselves; else 0.
    """

    __slots__ = ("dlen", "dst", "scomp_ctx", "slen", "src", "tfm", "unit_size")

    def __init__(self, tfm: CryptoAcomp) -> None:
        super().__init__()
        self.tfm = tfm
        self.src: Scatterlist | None = None
        self.dst: Scatterlist | None = None
        self.slen = self.dlen = self.unit_size = 0
        self.scomp_ctx: object = None

    def free(self) -> None:
        """Takes no more work, and forgets what it was about."""
        super().free()
        self.src = self.dst = self.scomp_ctx = None
        self.slen = self.dlen = self.unit_size = 0


def acomp_request_set_callback(req: AcompReq, flgs: int, cmpl: Completion | None, data: object) -> None:
    """The flags `CRYPTO_TFM_REQ_MAY_BACKLOG` and `_MAY_SLEEP`, and what is called when it ends: `cmpl(data, err)`.

    Sets `unit_size` back to 0.
    """
    kept = req.flags & _PRIVATE
    set_callback(req, flgs & ~_PRIVATE | kept, cmpl, data)
    req.unit_size = 0


def acomp_request_set_params(
    req: AcompReq, src: Segments | None, dst: Segments | None, slen: int, dlen: int
) -> None:  # fmt: skip
    """Source and destination, and how many bytes each has. `dst` may be None in the profile v9-2023 only."""
    _set_src(req, as_scatterlist(src), slen, 0)
    _set_dst(req, as_scatterlist(dst), dlen, 0)
    req.flags = req.flags & ~CRYPTO_ACOMP_ALLOC_OUTPUT | (CRYPTO_ACOMP_ALLOC_OUTPUT if req.dst is None else 0)


def acomp_request_set_src_sg(req: AcompReq, src: Segments, slen: int) -> None:
    """The source as a list of buffers."""
    _set_src(req, as_scatterlist(src), slen, 0)


def acomp_request_set_src_dma(req: AcompReq, src: BytesLike, slen: int) -> None:
    """The source as one piece of memory."""
    _set_src(req, as_scatterlist(src), slen, CRYPTO_ACOMP_REQ_SRC_VIRT)


def acomp_request_set_src_nondma(req: AcompReq, src: BytesLike, slen: int) -> None:
    """The source as memory that hardware cannot reach: a synchronous implementation takes it then."""
    _set_src(req, as_scatterlist(src), slen, CRYPTO_ACOMP_REQ_SRC_VIRT | CRYPTO_ACOMP_REQ_SRC_NONDMA)


def acomp_request_set_src_folio(req: AcompReq, folio: BytesLike, off: int, len: int) -> None:
    """The source as part of a folio."""
    _set_src(req, _part(folio, off, len), len, CRYPTO_ACOMP_REQ_SRC_FOLIO)


def acomp_request_set_dst_sg(req: AcompReq, dst: Segments, dlen: int) -> None:
    """The destination as a list of buffers."""
    _set_dst(req, as_scatterlist(dst), dlen, 0)


def acomp_request_set_dst_dma(req: AcompReq, dst: BytesLike, dlen: int) -> None:
    """The destination as one piece of memory."""
    _set_dst(req, as_scatterlist(dst), dlen, CRYPTO_ACOMP_REQ_DST_VIRT)


def acomp_request_set_dst_nondma(req: AcompReq, dst: BytesLike, dlen: int) -> None:
    """The destination as memory that hardware cannot reach."""
    _set_dst(req, as_scatterlist(dst), dlen, CRYPTO_ACOMP_REQ_DST_VIRT | CRYPTO_ACOMP_REQ_DST_NONDMA)


def acomp_request_set_dst_folio(req: AcompReq, folio: BytesLike, off: int, len: int) -> None:
    """The destination as part of a folio."""
    _set_dst(req, _part(folio, off, len), len, CRYPTO_ACOMP_REQ_DST_FOLIO)


def acomp_request_set_unit_size(req: AcompReq, unit_size: int) -> None:
    """Cuts the source into units of this many bytes, at most 8, each with an entry of the destination of its own.

    Call it after `acomp_request_set_callback`. Each entry's `length` becomes the size of its result, or a negative
    errno; the request as a whole succeeds.
    """
    _idle(req)
    req.unit_size = unit_size


def acomp_request_isnondma(req: AcompReq) -> bool:
    """Whether hardware cannot reach one of the sides."""
    return bool(req.flags & NONDMA)


def _idle(req: AcompReq) -> None:
    if req.freed or req.busy:
        raise UsageError(f"AcompReq is changed {'after it was freed' if req.freed else 'while in flight'}")


def _set_src(req: AcompReq, src: Scatterlist | None, slen: int, how: int) -> None:
    _idle(req)
    req.src, req.slen, req.flags = src, slen, req.flags & ~_SRC | how


def _set_dst(req: AcompReq, dst: Scatterlist | None, dlen: int, how: int) -> None:
    _idle(req)
    req.dst, req.dlen, req.flags = dst, dlen, req.flags & ~_DST | how


def _part(folio: BytesLike, off: int, length: int) -> Scatterlist:
    sg = Scatterlist(1)
    scatterlist.sg_set_buf(sg[0], memoryview(folio).cast("B")[off : off + length])
    return sg
