"""Ends of streams in memory, and data to send through them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import acrypto
from acrypto.streams.compress import compress
from acrypto.streams.decompress import decompress

MIB = 1 << 20


class Trickle:
    """A source whose reads give a few bytes at a time, as a pipe's may."""

    def __init__(self, data: bytes, most: Callable[[], int]) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def readinto(self, space: memoryview) -> int:
        return self._data.readinto(space[: self._most()])


def mixed(nbytes: int, seed: int = 1) -> bytes:
    """Lines, noise and runs in turn."""
    chosen = random.Random(seed)
    lines = b"".join(b"%d bottles of beer, %d of wine\n" % (n, chosen.randrange(n + 1)) for n in range(5000))
    piece = lines + chosen.randbytes(60_000) + bytes(70_000)
    return (piece * (nbytes // len(piece) + 1))[:nbytes]


def packed(layer: acrypto.Layer, data: bytes, **how: object) -> bytes:
    sink = io.BytesIO()
    compress(layer, io.BytesIO(data), sink, **how)  # type: ignore[arg-type]
    return sink.getvalue()


def unpacked(layer: acrypto.Layer, data: bytes, **how: object) -> bytes:
    sink = io.BytesIO()
    decompress(layer, io.BytesIO(data), sink, **how)  # type: ignore[arg-type]
    return sink.getvalue()
