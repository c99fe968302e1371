"""Numbers and words as the kernel reads them from a file of its tree (lib/kstrtox.c, sysfs_streq)."""

from __future__ import annotations

import errno

from acrypto.idxd.errors import BusError

_TRUE = {"y", "t", "1", "on"}
_FALSE = {"n", "f", "0", "off"}
_DIGITS = {10: "0123456789", 16: "0123456789abcdef", 8: "01234567"}


def word(text: str) -> str:
    """A text without the newline that may end it."""
    return text.removesuffix("\n")


def integer(text: str, what: str, *, signed: bool = False, base: int = 10, most: int = (1 << 64) - 1) -> int:
    """A whole number, written as kstrtoul and its kin take it.

    Args:
        text: at most one newline may stand behind the digits; a sign before them.
        what: the file, for the message.
        signed: whether it may be negative.
        base: 10, or 0: a leading `0x` makes it hexadecimal, a leading `0` octal.
        most: the largest.

    Raises:
        BusError: EINVAL, it is not a number, or too large.
    """
    digits = word(text)
    negative = signed and digits.startswith("-")
    digits = digits[1:] if negative or digits.startswith("+") else digits
    lower = digits.lower()
    if base == 0:
        if lower.startswith("0x"):
            lower, base = lower[2:], 16
        else:
            base = 8 if len(lower) > 1 and lower.startswith("0") else 10
    if not lower or len(lower) > 64 or any(digit not in _DIGITS[base] for digit in lower):
        raise BusError(errno.EINVAL, f"{what} is {shown(text)}; it is a whole number")
    value = int(lower, base)
    if value > most:
        raise BusError(errno.EINVAL, f"{what} is {value}; it is at most {most}")
    return -value if negative else value


def boolean(text: str, what: str) -> bool:
    """Yes or no, as kstrtobool takes it: by its first letter, or `on` and `off`.

    Raises:
        BusError: EINVAL, it is neither.
    """
    told = word(text).lower()
    if told[:1] in _TRUE or told[:2] in _TRUE:
        return True
    if told[:1] in _FALSE or told[:3] in _FALSE:
        return False
    raise BusError(errno.EINVAL, f"{what} is {shown(text)}; it is 0 or 1")


def power_of_two(text: str, what: str) -> int:
    """A number above zero, rounded up to a power of two.

    Raises:
        BusError: EINVAL, it is not such a number.
    """
    value = integer(text, what, base=0)
    if value == 0:
        raise BusError(errno.EINVAL, f"{what} is 0; it is at least 1")
    return 1 << (value - 1).bit_length()


def bitmap(bits: int, nbits: int = 256) -> str:
    """A register as printk's `%*pb` shows it: groups of eight hexadecimal digits, the highest first."""
    words = [f"{bits >> at & 0xFFFFFFFF:08x}" for at in range(0, nbits, 32)]
    return ",".join(reversed(words))


def shown(text: str) -> str:
    """A text for a message: quoted, and not all of one that is long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
