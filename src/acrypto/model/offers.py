"""Offers: who can do what, and why somebody cannot."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    """

    __slots__ = ("algorithm", "asynchronous", "driver", "insecure", "kind", "priority", "shape")

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
    ) -> None:
        self.algorithm = algorithm
        self.driver = driver
        self.priority = priority
        self.kind = kind
        self.shape = shape
        self.insecure = insecure
        self.asynchronous = asynchronous

    def __repr__(self) -> str:
        return f"Offer({self.algorithm!r}, {self.driver!r}, {self.priority})"
