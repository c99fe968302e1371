"""Listings of algorithms: every name, whether it is here, by which driver on which device."""

from __future__ import annotations

from acrypto import _core


class AlgorithmRow:
    """One line of the listing: an algorithm and its best bid, or why it is absent."""

    __slots__ = ("absent", "device", "driver", "insecure", "kind", "library", "name", "priority")

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
        absent: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.driver = driver
        self.device = device
        self.priority = priority
        self.library = library
        self.insecure = insecure
        self.absent = absent

    def as_dict(self) -> dict[str, object]:
        """The row as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<{self.name}: {self.absent or f'{self.driver} on {self.device}'}>"


def rows(layer: _core.Layer) -> list[AlgorithmRow]:
    """Every algorithm known here, in the order of its family, the absent ones last."""
    listed = []
    for row in _core.algorithms():
        for device, driver, priority in layer.bids(row["name"]):
            facts = {"kind": row["kind"], "library": row["library"], "insecure": row["insecure"]}
            listed.append(AlgorithmRow(row["name"], driver=driver, device=device, priority=priority, **facts))
    listed.extend(AlgorithmRow(name, absent=reason) for name, reason in _core.absent())
    return listed
