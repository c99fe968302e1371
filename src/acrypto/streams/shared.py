"""The layer of those who open files without one: made when it is first needed, closed when the interpreter ends."""

from __future__ import annotations

import atexit
import os
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acrypto.layer.layer import Layer

_lock = Lock()
_layer: Layer | None = None


def shared_layer() -> Layer:
    """A layer on the engines that are opened by default, the same for all callers of this process."""
    global _layer  # noqa: PLW0603 - this module is what holds it
    with _lock:
        if _layer is None:
            from acrypto.layer.layer import open

            _layer = open()
            atexit.register(_layer.close)
        return _layer


def _forget() -> None:
    """A child of fork has none of its parent's threads; it makes a layer of its own."""
    global _layer, _lock
    _layer, _lock = None, Lock()


os.register_at_fork(after_in_child=_forget)
