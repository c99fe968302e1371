"""The whole exception tree. Each class says when you get it, whose fault it is, and whether trying again can help."""

from __future__ import annotations

from acrypto._core import set_errors


class AcryptoError(Exception):
    """The root; never raised itself."""

    #: Whether the same call may succeed later or elsewhere.
    retryable = False


class UsageError(AcryptoError, ValueError):
    """You called us wrongly; reading your own code is enough to fix it. Never caused by untrusted data."""


class UnknownAlgorithm(AcryptoError, LookupError):
    """No algorithm has this name."""


class NoEngine(AcryptoError, LookupError):
    """The name is known, but no device here offers it; the message says who declined and why."""


class EngineError(AcryptoError):
    """An engine failed in a way of its own. Trying again, perhaps on another device, can help."""

    retryable = True


class AuthenticationError(AcryptoError):
    """A tag, MAC or signature did not match. Carries no detail; nothing was released."""


class CorruptInput(AcryptoError, ValueError):
    """Compressed or formatted data is damaged, truncated, or followed by something else.

    Attributes:
        offset: source bytes up to where that showed.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class OutputTooSmall(AcryptoError, ValueError):
    """The result does not fit the buffer given as `into`; nothing past its end was touched.

    Attributes:
        capacity: the size of that buffer in bytes.
    """

    def __init__(self, message: str, capacity: int = 0) -> None:
        super().__init__(message)
        self.capacity = capacity


class LimitExceeded(AcryptoError):
    """The result would be larger than allowed, as a decompression bomb's is.

    Attributes:
        limit: the limit in bytes.
    """

    def __init__(self, message: str, limit: int = 0) -> None:
        super().__init__(message)
        self.limit = limit


class QueueFull(AcryptoError):
    """A `try_*` call found no room in the queue. The same call without `try_` waits for room instead."""

    retryable = True


class DeadlineExceeded(AcryptoError, TimeoutError):
    """The deadline passed before the operation was started; nothing was done."""


class DeviceLost(AcryptoError):
    """The device went away with the operation in its hands."""

    retryable = True


class ClosedError(AcryptoError):
    """The layer was closed by you, or belongs to the parent of this forked process."""


class InternalError(AcryptoError):
    """Our bug; please report it."""


set_errors(
    {
        error.__name__: error
        for error in (
            UsageError,
            UnknownAlgorithm,
            NoEngine,
            EngineError,
            AuthenticationError,
            CorruptInput,
            OutputTooSmall,
            LimitExceeded,
            QueueFull,
            DeadlineExceeded,
            DeviceLost,
            ClosedError,
            InternalError,
        )
    }
)
