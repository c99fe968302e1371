"""The layer of those who open files without one of their own."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acrypto.layer.layer import Layer

_lock = threading.Lock()
_layer: Layer | None = None


def shared_layer() -> Layer:
    """A layer on the engines that are opened by default: opened on first use, and closed when the process ends.

    A forked child, in which the parent's layer is closed, gets one of its own. Any thread may ask.
    """
    global _layer  # noqa: PLW0603 - this module is what holds it
    found = _layer
    if found is not None and found.is_open:
        return found
    from acrypto.layer.layer import open

    with _lock:
        if _layer is None or not _layer.is_open:
            _layer = open()
            atexit.register(_layer.close)
        return _layer


def _forked() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # a thread of the parent may have held the other


os.register_at_fork(after_in_child=_forked)
