"""Makes an implementation that was registered here an engine of a layer, so that `layer.compress` uses it too.

Legacy ones become engines of a layer of their own, which proves and lists them: no other allocator may find them.
"""

from __future__ import annotations

from acrypto.engines.base import Engine
from acrypto.kernel import codec
from acrypto.kernel.acomp import implemented
from acrypto.kernel.acomp_request import AcompReq
from acrypto.kernel.acomp_tfm import CryptoAcomp
from acrypto.kernel.algs import CRYPTO_ALG_ASYNC, AcompAlg, CompAlg, ScompAlg
from acrypto.kernel.errno import EBUSY, EINPROGRESS, ENODEV, ErrPtr, errname
from acrypto.kernel.lookup import Found, ours
from acrypto.kernel.request import CRYPTO_TFM_REQ_MAY_BACKLOG
from acrypto.kernel.scatterlist import as_scatterlist
from acrypto.kernel.scomp import TOO_SMALL
from acrypto.kernel.wait import CryptoWait, crypto_req_done, crypto_wait_req
from acrypto.model.errors import CorruptInput, DeviceLost, EngineError, LimitExceeded, OutputTooSmall
from acrypto.model.offers import Offer
from acrypto.model.settings import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto import _core
    from acrypto.kernel.context import Kernel

#: Room for what a compressor adds to data that it cannot compress, and the least room for any result.
SLACK = 1024
#: Room for the first attempt at a decompression; it is doubled up to the operation's own limit.
FIRST = 4 * MIB


class Adapter(Engine):
    """A registered implementation as an engine with one offer."""

    needs = "to be registered through acrypto.kernel"

    def __init__(self, kernel: Kernel, alg: CompAlg | ScompAlg | AcompAlg) -> None:
        # The device is called that with a number behind: "x" and "x1" must not both make an "x11".
        self.driver = alg.cra_driver_name
        self.name = f"{self.driver}-" if self.driver[-1:].isdigit() else self.driver
        self._kernel = kernel
        self._alg = alg
        self._tfm: CryptoAcomp | None = None

    def offers(self) -> Sequence[Offer]:
        """The one algorithm."""
        alg = self._alg
        flags = bool(alg.cra_flags & CRYPTO_ALG_ASYNC)
        return [Offer(ours(alg.cra_name), self.driver, alg.cra_priority, kind="compression", asynchronous=flags)]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        """Takes the whole burst, and works on one unit after the other."""
        for job in burst:
            job.complete([self._one(job, source) for source, *_ in job.units])
        return len(burst)

    def _one(self, job: _core.Job, source: bytes) -> bytes | Exception:
        compress = job.operation == "compress"
        most = 2 * len(source) + SLACK if compress else max(job.max_output, 1)
        room = most if compress else min(most, max(4 * len(source) + SLACK, SLACK), FIRST)
        while True:
            result = memoryview(bytearray(room))
            written = self._run(memoryview(source), result, compress)
            if written not in TOO_SMALL or room >= most:
                break
            room = min(2 * room, most)
        if written > room or (written in TOO_SMALL and compress):
            return OutputTooSmall(f"{self.driver} made more than {room} bytes", room)
        if written in TOO_SMALL:
            return LimitExceeded(f"the result is larger than {most} bytes", most)
        if written >= 0:
            return bytes(result[:written])
        if written == -ENODEV:
            return DeviceLost(f"{self.driver} says {errname(written)}")
        if not compress:
            return CorruptInput(f"{self.driver} says {errname(written)}")
        return EngineError(f"{self.driver} says {errname(written)}")

    def _run(self, src: memoryview, dst: memoryview, compress: bool) -> int:
        alg = self._alg
        if isinstance(alg, CompAlg):
            return codec.of_comp(None, alg, src, dst, compress=compress)
        if self._tfm is None:
            self._tfm = self._transform()
        if isinstance(alg, ScompAlg):
            ctx = codec.new_context(alg)
            if isinstance(ctx, ErrPtr):
                return ctx.err
            try:
                return codec.of_scomp(self._kernel, self._tfm, alg, src, dst, ctx, compress=compress)
            finally:
                codec.free_context(alg, ctx)
        req, wait = AcompReq(self._tfm), CryptoWait()
        req.src, req.slen = as_scatterlist(src), len(src)
        req.dst, req.dlen = as_scatterlist(dst), len(dst)
        # A full queue must not be taken for a destination that is too small: both are -ENOSPC.
        req.flags, req.complete, req.data = CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait
        err = implemented(req, alg, compress)
        if err in {-EINPROGRESS, -EBUSY}:
            err = crypto_wait_req(err, wait)
        return err if err < 0 else req.dlen

    def _transform(self) -> CryptoAcomp:
        """A transform that is not allocated through lookup: the self-test runs before anybody may find it."""
        alg = self._alg
        found = Found(
            alg.cra_name, ours(alg.cra_name), self.driver, kind="compression", priority=alg.cra_priority,
            asynchronous=bool(alg.cra_flags & CRYPTO_ALG_ASYNC),
        )  # fmt: skip
        tfm = CryptoAcomp(found, self._kernel, counted=False)
        if isinstance(alg, AcompAlg) and alg.init is not None:
            err = alg.init(tfm)
            if err:
                raise EngineError(f"{self.driver} says {errname(err)} to a new transform")
        return tfm

    def close(self) -> None:
        """Frees the transform that it worked with."""
        tfm, self._tfm = self._tfm, None
        if tfm is not None:
            tfm.free()
