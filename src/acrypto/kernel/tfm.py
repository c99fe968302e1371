"""What all transforms share: which implementation, and running a request on it (include/linux/crypto.h)."""

from __future__ import annotations

import contextlib

from acrypto.kernel import dispatch
from acrypto.kernel.context import current
from acrypto.kernel.errno import EIO, ESHUTDOWN, errno_of
from acrypto.model.errors import AcryptoError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from acrypto._core import Transform
    from acrypto.kernel.context import Kernel
    from acrypto.kernel.dispatch import Finish, Start
    from acrypto.kernel.lookup import Found
    from acrypto.kernel.request import CryptoAsyncRequest


class CryptoTfm:
    """An algorithm's implementation, allocated (struct crypto_tfm).

    Attributes:
        kernel: where it was allocated.
        name, driver, priority: `crypto_tfm_alg_name` and the like.
        algorithm, kind, device: what the layer calls it, and where it runs.
        asynchronous: whether calls return `-EINPROGRESS` and complete later.
        shape: sizes in bytes.
        freed: whether it was freed.
        ctx: for the implementation.
    """

    def __init__(self, found: Found, kernel: Kernel | None = None) -> None:
        self.kernel = kernel or current()
        self.name = found.name
        self.driver = found.driver
        self.device = found.device
        self.algorithm = found.algorithm
        self.kind = found.kind
        self.priority = found.priority
        self.asynchronous = found.asynchronous
        self.shape = found.shape
        self.freed = False
        self.ctx: object = None
        self._params = found.params
        self._wishes = found.wishes
        self._transform: Transform | None = None

    def check(self) -> None:
        """Raises a clear error if it was freed."""
        if self.freed:
            raise UsageError(f"{type(self).__name__} {self.driver} was freed")

    def free(self) -> None:
        """Lets go of the implementation and of the key."""
        self.check()
        self.freed = True
        self._transform = None

    def make(self, **params: Any) -> Transform:
        """A transform of the layer, pinned to the implementation."""
        self.check()
        layer, settled = self.kernel.layer, self._params | params
        if self._wishes:
            with contextlib.suppress(UsageError):
                return layer.transform(self.driver, **(self._wishes | settled))
        return layer.transform(self.driver, **settled)

    def set(self, **params: Any) -> int:
        """Makes the transform that requests run on; 0, or what is wrong with the key or the parameters."""
        self.check()
        try:
            self._transform = self.make(**params)
        except AcryptoError as error:
            return errno_of(error)
        return 0

    @property
    def transform(self) -> Transform | None:
        """What requests run on; None before there is a key."""
        self.check()
        return self._transform

    def run(self, req: CryptoAsyncRequest, start: Start, finish: Finish) -> int:
        """Runs a request: in this call, or through the driver's queue; what the call returns."""
        self.check()
        req.begin()
        err = -EIO
        try:
            if not self.kernel.layer.is_open:
                # Also in a forked child, where the queue's threads are not.
                err = -ESHUTDOWN
            elif self.asynchronous:
                err = self.kernel.queue(self.driver).submit(req, start, finish)
            else:
                err = dispatch.run(start, finish)
        finally:
            req.returned(err)
        return err

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} by {self.driver}{', freed' if self.freed else ''}>"
