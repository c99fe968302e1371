"""Listings: every offer with its verdict, and every algorithm with who offers it or why nobody does."""

from __future__ import annotations

from acrypto import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from acrypto.model.offers import Limits
    from acrypto.model.shapes import Shape


class OfferRow:
    """One offer of one device, at one moment.

    Attributes:
        algorithm, driver, kind, priority, insecure, asynchronous, shape, limits: what is offered; see `Offer`.
        device, engine, library: by whom.
        selftest: `passed`, `failed`, or `unknown` (not proven yet, or of an engine that is not to be proven).
        reason: why it failed; of one that passed in this process, what could not be asked of it.
        seconds: how long its last self-test took in this process; 0 if it was known to pass.
        users: transforms and compositions that hold it now.
        id: its number in the layer; later ones are larger.
    """

    __slots__ = (
        "algorithm",
        "asynchronous",
        "device",
        "driver",
        "engine",
        "id",
        "insecure",
        "kind",
        "library",
        "limits",
        "priority",
        "reason",
        "seconds",
        "selftest",
        "shape",
        "users",
    )

    algorithm: str
    driver: str
    device: str
    engine: str
    kind: str
    priority: int
    insecure: bool
    asynchronous: bool
    selftest: str
    reason: str
    seconds: float
    users: int
    shape: Shape
    limits: Limits
    library: str
    id: int

    def __init__(self, **facts: object) -> None:
        for name in self.__slots__:
            setattr(self, name, facts[name])

    def as_dict(self) -> dict[str, object]:
        """The row as plain values."""
        row = {name: getattr(self, name) for name in self.__slots__ if name not in {"limits", "shape"}}
        return row | {"limits": {name: getattr(self.limits, name) for name in self.limits.__slots__}}

    def __repr__(self) -> str:
        return f"<{self.driver} for {self.algorithm} on {self.device}: {self.selftest}>"


class AlgorithmRow:
    """One line of the listing: an algorithm and one bid for it, or why it is absent."""

    __slots__ = (
        "absent",
        "device",
        "driver",
        "insecure",
        "kind",
        "library",
        "name",
        "priority",
        "reason",
        "selftest",
    )

    def __init__(
        self,
        name: str,
        *,
        kind: str = "",
        driver: str = "",
        device: str = "",
        priority: int = 0,
        library: str = "",
        insecure: bool = False,
        selftest: str = "",
        reason: str = "",
        absent: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.driver = driver
        self.device = device
        self.priority = priority
        self.library = library
        self.insecure = insecure
        self.selftest = selftest
        self.reason = reason
        self.absent = absent

    def as_dict(self) -> dict[str, object]:
        """The row as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<{self.name}: {self.absent or f'{self.driver} on {self.device}'}>"


def rows(offers: Iterable[OfferRow]) -> list[AlgorithmRow]:
    """Every algorithm known here, in the order of its family and its best bid first; the absent ones last."""
    by_name: dict[str, list[OfferRow]] = {row["name"]: [] for row in _core.algorithms()}
    for offer in offers:
        by_name.setdefault(offer.algorithm, []).append(offer)
    listed = []
    for name, bids in by_name.items():
        for bid in sorted(bids, key=lambda bid: (-bid.priority, bid.id)):
            shared = ("kind", "driver", "device", "priority", "library", "insecure", "selftest", "reason")
            listed.append(AlgorithmRow(name, **{fact: getattr(bid, fact) for fact in shared}))
    listed.extend(AlgorithmRow(name, absent=reason) for name, reason in _core.absent())
    return listed
