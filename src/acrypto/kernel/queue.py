"""A queue of bounded length with a backlog behind it (crypto/algapi.c)."""

from __future__ import annotations

from collections import deque

from acrypto.kernel.errno import EBUSY, EINPROGRESS, ENOSPC
from acrypto.kernel.request import CRYPTO_TFM_REQ_MAY_BACKLOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.kernel.request import CryptoAsyncRequest


class CryptoQueue:
    """Requests in order of arrival (struct crypto_queue). Takes no lock: whoever owns it does.

    Args:
        max_qlen: requests that it holds before it refuses more, or parks them in the backlog if they may be.
    """

    __slots__ = ("_backlog", "_live", "max_qlen")

    def __init__(self, max_qlen: int = 0) -> None:
        self._live: deque[CryptoAsyncRequest] = deque()
        self._backlog: deque[CryptoAsyncRequest] = deque()
        self.max_qlen = max_qlen


def crypto_init_queue(queue: CryptoQueue, max_qlen: int) -> None:
    """Empties a queue and sets its limit."""
    queue._live.clear()
    queue._backlog.clear()
    queue.max_qlen = max_qlen


def crypto_queue_len(queue: CryptoQueue) -> int:
    """How many requests it holds, the backlog included."""
    return len(queue._live) + len(queue._backlog)


def crypto_enqueue_request(queue: CryptoQueue, req: CryptoAsyncRequest) -> int:
    """Puts a request at the end.

    Returns `-EINPROGRESS` if there was room, `-ENOSPC` if there was none, and `-EBUSY` if there was none but the
    request may wait in the backlog (`CRYPTO_TFM_REQ_MAY_BACKLOG`), where it is now.
    """
    if crypto_queue_len(queue) < queue.max_qlen:
        queue._live.append(req)
        return -EINPROGRESS
    if not req.flags & CRYPTO_TFM_REQ_MAY_BACKLOG:
        return -ENOSPC
    queue._backlog.append(req)
    return -EBUSY


def crypto_enqueue_request_head(queue: CryptoQueue, req: CryptoAsyncRequest) -> None:
    """Puts a request back to the front; if there is no room, the last one of the queue is in the backlog again."""
    if queue._live and len(queue._live) >= queue.max_qlen:
        queue._backlog.appendleft(queue._live.pop())
    queue._live.appendleft(req)


def crypto_get_backlog(queue: CryptoQueue) -> CryptoAsyncRequest | None:
    """The request that leaves the backlog with the next dequeue: its owner is to be told `-EINPROGRESS` then."""
    return queue._backlog[0] if queue._backlog else None


def crypto_dequeue_request(queue: CryptoQueue) -> CryptoAsyncRequest | None:
    """Takes the first request; the backlog moves up by one."""
    if queue._backlog:
        queue._live.append(queue._backlog.popleft())
    return queue._live.popleft() if queue._live else None
