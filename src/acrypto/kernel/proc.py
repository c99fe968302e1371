"""The text of /proc/crypto for the current kernel (crypto/proc.c)."""

from __future__ import annotations

from acrypto.kernel.context import current
from acrypto.registry.proc import proc_text


def proc_crypto() -> str:
    """What the file /proc/crypto would say: the layer's offers, and legacy compressors, which that does not list."""
    kernel = current()
    return proc_text(kernel.layer.offers(), legacy=kernel.legacy_rows())
