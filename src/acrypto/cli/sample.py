"""Data to measure with: the same bytes each time, about as compressible as text and program code are."""

from __future__ import annotations

import random


def text(nbytes: int) -> bytes:
    """Words drawn with a few favourites, and now and then some noise."""
    chosen = random.Random(1)
    words = [chosen.randbytes(chosen.randint(2, 9)).hex().encode()[: chosen.randint(2, 9)] for _ in range(2000)]
    piece = bytearray()
    while len(piece) < min(nbytes, 1 << 18):
        piece += words[int(chosen.paretovariate(0.7)) % len(words)]
        piece += b" " if chosen.random() < 0.95 else chosen.randbytes(16)
    return bytes(piece * (nbytes // len(piece) + 1))[:nbytes]
