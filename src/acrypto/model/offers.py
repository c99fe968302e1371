"""Offers: who can do what, and why somebody cannot."""

from __future__ import annotations


class Absent:
    """Why an engine, or an algorithm, is not here. Absence is never an error."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"Absent({self.reason!r})"


class Offer:
    """One engine's bid for one algorithm: the larger priority wins the plain name."""

    __slots__ = ("algorithm", "driver", "priority")

    def __init__(self, algorithm: str, driver: str, priority: int) -> None:
        self.algorithm = algorithm
        self.driver = driver
        self.priority = priority

    def __repr__(self) -> str:
        return f"Offer({self.algorithm!r}, {self.driver!r}, {self.priority})"
