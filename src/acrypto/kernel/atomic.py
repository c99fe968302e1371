"""Finds implementations that sleep where they must not (kernel/sched/core.c, `__might_sleep`).

The kernel calls an scomp implementation with preemption off, so that it may not sleep; a sleeping one is reported when
it is caught. Here the calls that it makes to functions written in C are watched, by the profiler's hook of its thread,
for ones that can block. Seen though harmless: calls that were told not to wait, such as `lock.acquire(blocking=False)`;
the hook does not see arguments.

What the hook does not see (`with lock:`, C code that blocks within itself) shows by the clocks: a call that took long
and hardly used a CPU has slept, or was kept from running by the machine or by the interpreter's other threads. Which of
the two is not known, so that is a suspicion, counted and logged as such, only beyond `SUSPICIOUS_S`, and only if the
process' other threads did not use the CPU meanwhile, whom it may have waited for.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import logging
import os
import select
import sys
import threading
import time

from acrypto._core import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Protocol

    class Watched(Protocol):
        """Who is blamed: an implementation with a driver name and a counter."""

        cra_driver_name: str
        sleeps: int
        slept_in: str
        suspicions: int


log = logging.getLogger("acrypto.kernel")

_OF_OS = (
    "fdatasync", "fsync", "open", "pread", "preadv", "pwrite", "pwritev", "read", "readv", "sendfile", "splice",
    "sync", "system", "wait", "wait3", "wait4", "waitid", "waitpid", "write", "writev",
)  # fmt: skip
#: Functions that can block, whatever their arguments.
FUNCTIONS = frozenset(
    [builtins.input, io.open, select.select, time.sleep] + [getattr(os, name) for name in _OF_OS if hasattr(os, name)]
)
_SOCKET = ("accept", "_accept", "connect", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "send",
           "sendall", "sendmsg", "sendto")  # fmt: skip
_FILE = ("read", "readall", "readinto", "readline", "readlines", "write", "flush")


def _methods() -> dict[str, tuple[type, ...]]:
    import _queue
    import _socket
    import _thread

    table: dict[str, tuple[type, ...]] = {
        "acquire": (type(threading.Lock()), type(threading.RLock())),
        "poll": (select.epoll, type(select.poll())),
        "get": (_queue.SimpleQueue,),
        "wait": (Operation,),
        "join": (getattr(_thread, "_ThreadHandle", Operation),),  # since Python 3.13
    }
    table |= dict.fromkeys(_SOCKET, (_socket.socket,))
    table |= dict.fromkeys(_FILE, (io.FileIO, io.BufferedReader, io.BufferedWriter, io.TextIOWrapper))
    return table


#: Seconds without a CPU that count as sleep, if they are most of the call's time.
SUSPICIOUS_S = 0.05
#: The part of its time for which a call that does not sleep has a CPU, at the least.
BUSY = 0.2

#: Methods that can block, by name and the types of their objects.
METHODS = _methods()


def blocks(function: object) -> bool:
    """Whether this function written in C, bound or not, can block its thread."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, METHODS.get(getattr(function, "__name__", ""), ())):
        return True
    try:
        return function in FUNCTIONS
    except TypeError:  # bound to something that cannot be hashed, as a list's methods are
        return False


def name_of(function: object) -> str:
    """The function's name for people: `time.sleep`, `lock.acquire`."""
    owner = getattr(function, "__self__", None)
    where = getattr(function, "__module__", None) or type(owner).__name__
    return f"{where}.{getattr(function, '__name__', '?')}"


@contextlib.contextmanager
def atomic(implementation: Watched) -> Iterator[None]:
    """A block in which this thread runs an implementation that must not sleep.

    What is caught is counted in `sleeps` of the implementation, what is suspected in `suspicions`; the first of each is
    logged too.
    """
    before = sys.getprofile()

    def watch(frame: FrameType, event: str, arg: object) -> None:
        if event == "c_call" and blocks(arg):
            implementation.sleeps += 1
            if implementation.sleeps == 1:
                implementation.slept_in = name_of(arg)
                sys.setprofile(before)
                log.error(
                    "BUG: %s may sleep, but was called in the atomic section of %s (%s:%d)",
                    implementation.slept_in,
                    implementation.cra_driver_name,
                    frame.f_code.co_filename,
                    frame.f_lineno,
                )
                sys.setprofile(watch)

    counted, started, used = implementation.sleeps, time.perf_counter(), time.thread_time()
    everybody = time.process_time()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        lasted, used = time.perf_counter() - started, time.thread_time() - used
        others = time.process_time() - everybody - used
        is_idle = used < BUSY * lasted and others < (lasted - used) / 2
        if implementation.sleeps == counted and lasted - used > SUSPICIOUS_S and is_idle:
            implementation.suspicions += 1
            if implementation.suspicions == 1:
                log.warning(
                    "the atomic section of %s took %.0f ms and used a CPU for %.0f ms: it slept, or was kept waiting",
                    implementation.cra_driver_name,
                    lasted * 1e3,
                    used * 1e3,
                )
