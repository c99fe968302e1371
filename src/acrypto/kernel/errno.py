"""Negative errno values, pointers that carry one, and which of our errors is which (include/linux/err.h).

Functions of the kernel's face return 0 or more when they succeed and `-EINVAL` and the like when not, as in C. An
allocation that fails gives an `ErrPtr`, which `IS_ERR` knows and `PTR_ERR` turns into the number.
"""

from __future__ import annotations

import errno as _posix

from acrypto.model import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from typing_extensions import TypeIs

# Linux's numbers on every architecture that we build for; the ones that POSIX lacks are not in every `errno` module.
ENOENT, EIO, E2BIG, EAGAIN, ENOMEM, EFAULT = 2, 5, 7, 11, 12, 14
EBUSY, EEXIST, ENODEV, EINVAL, ENOSPC = 16, 17, 19, 22, 28
ENAMETOOLONG, ENOSYS, EBADMSG, EOVERFLOW, ELIBBAD = 36, 38, 74, 75, 80
ESHUTDOWN, ETIMEDOUT, EINPROGRESS, ENOKEY = 108, 110, 115, 126

#: Which of our errors is which number; the first class that fits counts, so subclasses stand before their bases.
TABLE: tuple[tuple[type[BaseException], int], ...] = (
    (errors.OutputTooSmall, ENOSPC),
    (errors.LimitExceeded, ENOSPC),
    (errors.QueueFull, ENOSPC),
    (errors.AuthenticationError, EBADMSG),
    (errors.CorruptInput, EINVAL),
    (errors.UnknownAlgorithm, ENOENT),
    (errors.NoEngine, ENOENT),
    (errors.DeadlineExceeded, ETIMEDOUT),
    (errors.DeviceLost, ENODEV),
    (errors.ClosedError, ESHUTDOWN),
    (errors.UsageError, EINVAL),
    (errors.AcryptoError, EIO),
    (MemoryError, ENOMEM),
)


def errno_of(error: BaseException) -> int:
    """The negative errno of an error of the layer; an error that is not ours is raised again."""
    for kind, number in TABLE:
        if isinstance(error, kind):
            return -number
    raise error


def errname(err: int) -> str:
    """`-EINVAL` for -22: for logs and listings (lib/errname.c)."""
    name = {ENOKEY: "ENOKEY"}.get(-err) or _posix.errorcode.get(-err)
    return f"-{name}" if err < 0 and name else str(err)


class ErrPtr:
    """What an allocation gives instead of an object when it fails; using it as the object says so."""

    __slots__ = ("err",)

    def __init__(self, err: int) -> None:
        object.__setattr__(self, "err", err)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # Python's own question, not the caller's
        raise errors.UsageError(f"this is ERR_PTR({errname(self.err)}), not an object: check it with IS_ERR()")

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ErrPtr) and other.err == self.err

    def __hash__(self) -> int:
        return hash(self.err)

    def __repr__(self) -> str:
        return f"ERR_PTR({errname(self.err)})"


def ERR_PTR(err: int) -> ErrPtr:
    """The pointer that carries a negative errno."""
    return ErrPtr(err)


def IS_ERR(pointer: object) -> TypeIs[ErrPtr]:
    """Whether an allocation failed."""
    return isinstance(pointer, ErrPtr)


def IS_ERR_OR_NULL(pointer: object) -> TypeIs[ErrPtr | None]:
    """Whether an allocation failed, or gave nothing."""
    return pointer is None or isinstance(pointer, ErrPtr)


def PTR_ERR(pointer: ErrPtr) -> int:
    """The negative errno that a failed allocation carries."""
    return pointer.err
