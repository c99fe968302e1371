"""The CRC-32 of two messages put together, from theirs; nothing in the standard library does it.

A CRC is a polynomial over GF(2), held with its lowest power in the highest bit. Appending n bytes multiplies it by
x^(8n) modulo the CRC's polynomial (zlib's crc32_combine does the same).
"""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def _product(a: int, b: int) -> int:
    """The product of two polynomials, modulo the polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=16)
def _shift(nbytes: int) -> int:
    """x^(8n); nearly all parts of a stream have the same length."""
    power = _ONE >> 8
    shift = _ONE
    while nbytes:
        if nbytes & 1:
            shift = _product(power, shift)
        power = _product(power, power)
        nbytes >>= 1
    return shift


def combine(first: int, second: int, second_len: int) -> int:
    """The CRC-32 of two messages one after the other."""
    return _product(_shift(second_len), first) ^ second
