"""Sleeping until a request is done (include/linux/crypto.h, crypto/api.c)."""

from __future__ import annotations

import threading

from acrypto.kernel.errno import EBUSY, EINPROGRESS


class CryptoWait:
    """Where `crypto_req_done` leaves the result that `crypto_wait_req` sleeps for (struct crypto_wait)."""

    __slots__ = ("_done", "err")

    def __init__(self) -> None:
        self._done = threading.Event()
        self.err = 0


def crypto_init_wait(wait: CryptoWait) -> None:
    """Makes it ready for a request."""
    wait._done.clear()
    wait.err = 0


def DECLARE_CRYPTO_WAIT() -> CryptoWait:
    """A new one, ready."""
    return CryptoWait()


def crypto_req_done(wait: CryptoWait, err: int) -> None:
    """The completion function for use with `crypto_wait_req`; ignores the notice that a backlog was left."""
    if err == -EINPROGRESS:
        return
    wait.err = err
    wait._done.set()


def crypto_wait_req(err: int, wait: CryptoWait) -> int:
    """Sleeps if the call returned `-EINPROGRESS` or `-EBUSY` and gives the final result; else gives `err` as it is.

    Blocks its thread: not for event loops.
    """
    if err in {-EINPROGRESS, -EBUSY}:
        wait._done.wait()
        wait._done.clear()
        err = wait.err
    return err
