"""What the tests of disk I/O share: data, readers and writers on open files, addresses, and who sleeps."""

from __future__ import annotations

import ctypes
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import acrypto
from acrypto import _core

PAGE = os.sysconf("SC_PAGESIZE")
DATA = random.Random(5).randbytes(1_300_007)
VIAS = ("uring", "threads")


def native(layer: acrypto.Layer) -> _core.Layer:
    return layer._native


def pieces(reader: _core.Reader) -> list[_core.Buffer]:
    """All that is left, and the reader closed."""
    found = []
    while (piece := reader.next()) is not None:
        found.append(piece)
    reader.close()
    return found


def read(layer: acrypto.Layer, path: Path | str, **how: Any) -> list[_core.Buffer]:
    with open(path, "rb", buffering=0) as file:
        return pieces(_core.Reader(native(layer), file.fileno(), **how))


def write(layer: acrypto.Layer, path: Path | str, parts: list[bytes], **how: Any) -> _core.Writer:
    with open(path, "wb", buffering=0) as file:
        writer = _core.Writer(native(layer), file.fileno(), **how)
        for part in parts:
            writer.write(part)
        writer.flush()
        writer.close()
    return writer


class _View(ctypes.Structure):
    """The beginning of a `Py_buffer`; the rest is room."""

    _fields_ = (("buf", ctypes.c_void_p), ("rest", ctypes.c_byte * 256))


def address(buffer: Any) -> int:
    """Where its memory lies."""
    view = _View()
    api = ctypes.pythonapi
    api.PyObject_GetBuffer(ctypes.py_object(buffer), ctypes.byref(view), 0)
    api.PyBuffer_Release(ctypes.byref(view))
    return view.buf or 0


def asleep(thread: threading.Thread) -> None:
    """Returns when the thread waits in the kernel, or has ended."""
    while thread.is_alive():
        with open(f"/proc/self/task/{thread.native_id}/stat", "rb") as file:
            if file.read().rsplit(b")", 1)[1].split()[0] == b"S":
                return
        os.sched_yield()


def outcome(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException | object]]:
    """Runs a call in a thread; the list will hold its result or its exception."""
    found: list[BaseException | object] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found
