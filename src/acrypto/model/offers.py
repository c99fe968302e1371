"""Offers: who can do what, and why somebody cannot."""

from __future__ import annotations

from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto.model.shapes import Shape

#: What sorts of algorithms there are; the sort decides which operations a transform has.
KINDS = ("compression", "digest", "mac", "cipher", "aead", "signature", "agreement", "random")


class Absent:
    """Why an engine, or an algorithm, is not here. Absence is never an error."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"Absent({self.reason!r})"


#: What can be asked of an algorithm, in the core's order.
DIRECTIONS = (
    "compress", "decompress", "encrypt", "decrypt", "digest", "mac", "verify", "sign", "agree", "random",
)  # fmt: skip
#: Larger limits are none.
NO_LIMIT = (1 << 64) - 1


class Limits:
    """What an offer can be asked for.

    Args:
        max_bytes: most bytes of one message; larger ones go elsewhere. None for no limit.
        queue: most requests in the device's hands at which it takes one more of these. None for the device's own limit.
        directions: some of `DIRECTIONS`; None for all that the algorithm's kind has.
        repeatable: whether doing it twice does no harm, so that it may be done again when the device fails.

    Raises:
        UsageError: a value is of the wrong sort or out of its range.

    A self-test asks the software engine for what is beyond the limits.
    """

    __slots__ = ("directions", "max_bytes", "queue", "repeatable")

    def __init__(
        self,
        *,
        max_bytes: int | None = None,
        queue: int | None = None,
        directions: Sequence[str] | None = None,
        repeatable: bool = True,
    ) -> None:
        for name, value, least in (("max_bytes", max_bytes, 0), ("queue", queue, 1)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise UsageError(f"{name} is {value!r}; it must be a whole number or None")
            if not least <= value < NO_LIMIT:
                raise UsageError(f"{name} is {value}; it must be from {least} to {NO_LIMIT - 1}")
        if isinstance(directions, str) or not set(directions or ()) <= set(DIRECTIONS):
            raise UsageError(f"directions is {directions!r}; it must be a tuple of some of {', '.join(DIRECTIONS)}")
        self.max_bytes = max_bytes
        self.queue = queue
        self.directions = None if directions is None else tuple(directions)
        self.repeatable = repeatable

    def as_row(self) -> tuple[int, int, int, bool]:
        """As the core takes it: bytes, requests, directions as bits, repeatable."""
        bits = 0xFFFF if self.directions is None else sum(1 << DIRECTIONS.index(word) for word in self.directions)
        most = NO_LIMIT if self.max_bytes is None else self.max_bytes
        return most, NO_LIMIT if self.queue is None else self.queue, bits, self.repeatable

    @classmethod
    def of_row(cls, row: tuple[int, int, int, bool]) -> Limits:
        """The core's own, as a value."""
        most, queue, bits, repeatable = row
        return cls(
            max_bytes=None if most == NO_LIMIT else most,
            queue=None if queue == NO_LIMIT else queue,
            directions=None if bits == 0xFFFF else tuple(w for i, w in enumerate(DIRECTIONS) if bits >> i & 1),
            repeatable=repeatable,
        )


class Offer:
    """One engine's bid for one algorithm: the larger priority wins the plain name, the driver's name is exact.

    Args:
        algorithm: in the kernel's grammar: `deflate`, `hmac(sha256)`; a name of your own for an algorithm of your own.
        driver: what this implementation is called: `deflate-isal`. No other engine of a layer may use it.
        priority: the software engine bids 100.
        kind: one of `KINDS`; may be left out where the core knows the algorithm.
        shape: its sizes in bytes; may be left out likewise.
        insecure: broken or outdated: refused unless the layer's settings allow it.
        asynchronous: whether it completes later, on another thread; listings tell it, and allocations may ask for it.
        limits: what it can be asked for; everything, unless told otherwise.
    """

    __slots__ = ("algorithm", "asynchronous", "driver", "insecure", "kind", "limits", "priority", "shape")

    def __init__(
        self,
        algorithm: str,
        driver: str,
        priority: int,
        *,
        kind: str = "",
        shape: Shape | None = None,
        insecure: bool = False,
        asynchronous: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.driver = driver
        self.priority = priority
        self.kind = kind
        self.shape = shape
        self.insecure = insecure
        self.asynchronous = asynchronous
        self.limits = limits or Limits()

    def __repr__(self) -> str:
        return f"Offer({self.algorithm!r}, {self.driver!r}, {self.priority})"
