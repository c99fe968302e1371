"""Catching implementations that sleep."""

from __future__ import annotations

import builtins
import io
import os
import queue
import select
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kernel.codecs import scomp

import acrypto
from acrypto.kernel.atomic import atomic


def _socket_recv() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
        other.recv(1)


def _pipe_read() -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, b"x")
        os.read(reads, 1)
    finally:
        os.close(reads)
        os.close(writes)


def _thread_join() -> None:
    thread = threading.Thread(target=time.monotonic)
    thread.start()
    thread.join()


def _empty(get: Callable[..., object]) -> None:
    with pytest.raises(queue.Empty):
        get(timeout=0.001)


def _operation_wait() -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
        layer.digest("sha256", b"x").wait()


BLOCKING: dict[str, Callable[[], object]] = {
    "sleep": lambda: time.sleep(0),
    "lock": lambda: threading.Lock().acquire(),
    "rlock": lambda: threading.RLock().acquire(timeout=0),
    "event": lambda: threading.Event().wait(0.001),
    "queue": lambda: _empty(queue.Queue().get),
    "simple queue": lambda: _empty(queue.SimpleQueue().get),
    "select": lambda: select.select([], [], [], 0),
    "poll": lambda: select.poll().poll(0),
    "socket": _socket_recv,
    "pipe": _pipe_read,
    "file": lambda: Path(__file__).read_bytes(),
    "process": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "join": _thread_join,
    "operation": _operation_wait,
}
HARMLESS: dict[str, Callable[[], object]] = {
    "arithmetic": lambda: sum(range(100)),
    "memory": lambda: bytearray(10).extend(b"x"),
    "memory file": lambda: io.BytesIO(b"abc").read(),
    "clock": time.monotonic,
    "print": lambda: builtins.print("", end="", file=io.StringIO()),
    "one-shot": lambda: acrypto.compress("deflate", b"x" * 1000),
    "sort": lambda: sorted([3, 2, 1], key=lambda number: -number),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_blocking_calls_are_caught(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever can block its thread is counted each time and reported once."""
    alg = scomp("zz", "zz-sleepy")
    for _ in range(2):
        with atomic(alg):
            BLOCKING[name]()
    assert alg.sleeps >= 2
    assert alg.slept_in
    reports = [record for record in caplog.records if "BUG" in record.getMessage()]
    assert len(reports) == 1
    assert reports[0].name == "acrypto.kernel"
    assert "zz-sleepy" in reports[0].getMessage()


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_calls_are_not(name: str) -> None:
    """What only computes passes."""
    alg = scomp("zz", "zz-awake")
    with atomic(alg):
        HARMLESS[name]()
    assert alg.sleeps == 0


def test_the_profiler_is_given_back() -> None:
    """After the section whoever profiled before does so again, even if the section fails."""
    seen: list[str] = []

    def mine(frame: object, event: str, arg: object) -> None:
        seen.append(event)

    before = sys.getprofile()
    sys.setprofile(mine)
    try:
        with pytest.raises(KeyError), atomic(scomp()):
            raise KeyError
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(before)
    assert seen


def test_what_the_hook_does_not_see_shows_by_the_clocks(caplog: pytest.LogCaptureFixture) -> None:
    """`with lock:` makes no call that the profiler is told of; who holds the lock decides how long that takes."""
    alg, lock = scomp("zz", "zz-locks"), threading.Lock()
    entered: list[bool] = []
    lock.acquire()

    def release() -> None:
        while not entered:
            select.select([], [], [], 0.001)
        lasts = time.monotonic() + 0.2
        while time.monotonic() < lasts:
            select.select([], [], [], 0.01)  # being long is what is tested
        lock.release()

    holder = threading.Thread(target=release)
    holder.start()
    with atomic(alg):
        entered.append(True)  # an event would take a lock itself
        with lock:
            pass
    holder.join()
    assert (alg.sleeps, alg.suspicions) == (0, 1)
    assert "zz-locks" in caplog.text


def test_waiting_for_the_interpreter_is_no_sleep() -> None:
    """Busy threads keep an honest implementation from running, and get no blame on it."""
    alg, ends = scomp("zz", "zz-crowded"), threading.Event()
    crowd = [threading.Thread(target=lambda: [None for _ in iter(ends.is_set, True)]) for _ in range(6)]
    for thread in crowd:
        thread.start()
    try:
        for _ in range(5):
            with atomic(alg):
                zlib.compress(bytes(range(256)) * 40)
    finally:
        ends.set()
        for thread in crowd:
            thread.join()
    assert (alg.sleeps, alg.suspicions) == (0, 0)


def test_long_work_is_no_sleep() -> None:
    alg = scomp("zz", "zz-works")
    with atomic(alg):
        ends = time.thread_time() + 0.05
        while time.thread_time() < ends:
            pass
    assert (alg.sleeps, alg.suspicions) == (0, 0)
