"""Return codes and pointers that carry them."""

from __future__ import annotations

import errno as posix

import pytest

import acrypto
from acrypto.kernel import (
    EBADMSG,
    EINVAL,
    EIO,
    ENODEV,
    ENOENT,
    ENOKEY,
    ENOMEM,
    ENOSPC,
    ERR_PTR,
    ESHUTDOWN,
    ETIMEDOUT,
    IS_ERR,
    IS_ERR_OR_NULL,
    PTR_ERR,
    acomp_request_alloc,
    errname,
    errno,
)

CODES = [name for name, value in vars(errno).items() if name.startswith("E") and isinstance(value, int)]


@pytest.mark.parametrize("name", CODES)
def test_numbers_are_the_systems(name: str) -> None:
    """Each code has the number that the C library has for it."""
    assert getattr(errno, name) == getattr(posix, name, errno.ENOKEY)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (acrypto.OutputTooSmall("x"), -ENOSPC),
        (acrypto.LimitExceeded("x"), -ENOSPC),
        (acrypto.QueueFull("x"), -ENOSPC),
        (acrypto.CorruptInput("x"), -EINVAL),
        (acrypto.AuthenticationError("x"), -EBADMSG),
        (acrypto.UsageError("x"), -EINVAL),
        (acrypto.UnknownAlgorithm("x"), -ENOENT),
        (acrypto.NoEngine("x"), -ENOENT),
        (acrypto.DeviceLost("x"), -ENODEV),
        (acrypto.ClosedError("x"), -ESHUTDOWN),
        (acrypto.DeadlineExceeded("x"), -ETIMEDOUT),
        (acrypto.EngineError("x"), -EIO),
        (acrypto.InternalError("x"), -EIO),
        (MemoryError(), -ENOMEM),
    ],
)
def test_each_error_has_a_code(error: Exception, code: int) -> None:
    """Every error of ours is one number; the table has no hole."""
    assert errno.errno_of(error) == code


def test_errors_of_others_are_raised() -> None:
    """A bug is not disguised as a return code."""
    with pytest.raises(ZeroDivisionError):
        errno.errno_of(ZeroDivisionError())


def test_pointers() -> None:
    """An error pointer is known as one, carries its code, and cannot be taken for an object."""
    pointer = ERR_PTR(-ENOENT)
    assert IS_ERR(pointer)
    assert PTR_ERR(pointer) == -2
    assert not IS_ERR(None)
    assert IS_ERR_OR_NULL(None)
    assert IS_ERR_OR_NULL(pointer)
    assert pointer == ERR_PTR(-ENOENT) != ERR_PTR(-EINVAL)
    assert len({pointer, ERR_PTR(-ENOENT)}) == 1
    assert pointer
    with pytest.raises(acrypto.UsageError, match="ENOENT"):
        acomp_request_alloc(pointer)


def test_names() -> None:
    """Codes are printed by name."""
    assert [errname(err) for err in (-EINVAL, -ENOKEY, 0, 5, -9999)] == ["-EINVAL", "-ENOKEY", "0", "5", "-9999"]
