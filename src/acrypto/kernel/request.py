"""What all requests share: flags, a completion function, and the promise of one final call (include/linux/crypto.h)."""

from __future__ import annotations

import logging
import threading

from acrypto.kernel.errno import EBUSY, EINPROGRESS, errname
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    #: `complete(data, err)`, as since Linux 6.3.
    Completion: TypeAlias = Callable[[Any, int], object]

log = logging.getLogger("acrypto.kernel")

#: Flags of a request: the implementation may sleep; a full queue may park the request in its backlog.
CRYPTO_TFM_REQ_FORBID_WEAK_KEYS = 0x100
CRYPTO_TFM_REQ_MAY_SLEEP = 0x200
CRYPTO_TFM_REQ_MAY_BACKLOG = 0x400


class CryptoAsyncRequest:
    """One request (struct crypto_async_request); each family adds its own fields.

    Attributes:
        flags: the `CRYPTO_TFM_REQ_` bits, by the family's `..._set_callback`.
        complete, data: what is called at the end, and its first argument.
        freed: whether it was freed; it takes no more work then.
        ctx: for the implementation (`acomp_request_ctx` and the like).
        err: how it ended last, once it has.
    """

    __slots__ = ("_busy", "_lock", "complete", "ctx", "data", "err", "flags", "freed")

    def __init__(self) -> None:
        self.flags = 0
        self.complete: Completion | None = None
        self.data: object = None
        self.ctx: object = None
        self.freed = False
        self.err = 0
        self._busy = False
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether it is in flight."""
        return self._busy

    def begin(self) -> None:
        """Takes the request for one run; one at a time."""
        with self._lock:
            if self.freed:
                raise UsageError(f"{type(self).__name__} was freed")
            if self._busy:
                raise UsageError(f"{type(self).__name__} is still in flight")
            self._busy = True

    def returned(self, err: int) -> int:
        """What the call that began it returns: with a final result, no completion will come."""
        if err not in {-EINPROGRESS, -EBUSY}:
            with self._lock:
                self.err = err
                self._busy = False
        return err

    def free(self) -> None:
        """Takes no more work, and forgets what it was about."""
        with self._lock:
            if self._busy:
                raise UsageError(f"{type(self).__name__} is freed while in flight")
            if self.freed:
                raise UsageError(f"{type(self).__name__} is freed twice")
            self.freed = True
        self.flags, self.complete, self.data, self.ctx = 0, None, None, None


def set_callback(req: CryptoAsyncRequest, flags: int, compl: Completion | None, data: object) -> None:
    """The flags of a request, and what is called when it ends."""
    if req.freed or req.busy:
        raise UsageError(f"{type(req).__name__} {'was freed' if req.freed else 'is in flight'}")
    req.flags, req.complete, req.data = flags, compl, data


def crypto_request_complete(req: CryptoAsyncRequest, err: int) -> None:
    """Tells the owner of a request: `-EINPROGRESS` when it has left the backlog, then once how it ended.

    A second end is a bug of the implementation: it is logged and goes no further.
    """
    with req._lock:
        if not req._busy:
            log.error("%s was completed twice, now with %s", type(req).__name__, errname(err))
            return
        if err != -EINPROGRESS:
            req.err = err
            req._busy = False
        complete, data = req.complete, req.data
    if complete is not None:
        try:
            complete(data, err)
        except Exception:
            # Nobody above could do anything about it: this is often a thread of ours.
            log.exception("the completion function of a %s failed", type(req).__name__)
