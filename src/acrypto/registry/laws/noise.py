"""What messages are made of: random bytes that differ in each process, and text."""

from __future__ import annotations

import functools
import os
import random

#: Bytes of the common stock. Messages are slices of it at random places, since making them anew would cost more than
#: most of what they test.
STOCK = 1 << 18


@functools.cache
def _stock(seed: int) -> bytes:
    return random.Random(seed).randbytes(STOCK)


@functools.cache
def _seed() -> int:
    return int.from_bytes(os.urandom(6), "big")


@functools.cache
def text(size: int) -> bytes:
    """Compressible, and nowhere the same over a whole window."""
    lines = (
        b"line %d of a text, whose square is %d and which goes on\n" % (at, at * at) for at in range(size // 40 + 1)
    )
    return b"".join(lines)[:size]


class Noise:
    """A source of random bytes.

    Args:
        seed: repeats a run; by default each process has its own.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._stock = _stock(_seed() if seed is None else seed)
        self._random = random.Random(os.urandom(8) if seed is None else seed)

    def draw(self, size: int) -> bytes:
        """So many random bytes."""
        if size > len(self._stock):
            return self._random.randbytes(size)
        # Many a thousand draws for one self-test; the quick way to a place is even enough.
        at = int(self._random.random() * (len(self._stock) - size + 1))
        return self._stock[at : at + size]

    def sizes(self, number: int, most: int) -> list[int]:
        """Sizes of messages that no rule would have chosen."""
        return [self._random.randrange(most) for _ in range(number)]

    def cuts(self, message: bytes) -> list[bytes]:
        """A message in segments of odd sizes: one byte, none, a few, the rest."""
        half = len(message) // 2 + 1
        return [message[:1], b"", message[1:2], message[2:9], b"", message[9:half], message[max(half, 9) :], b""]


def flipped(data: bytes, at: int) -> bytes:
    """The data with one bit changed; not the lowest, which DES ignores in its keys."""
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
