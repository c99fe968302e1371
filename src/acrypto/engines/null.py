"""Completes at once and touches nothing: measures what acrypto itself costs. The file to copy for a new engine.

It protects and compresses nothing, so it is opened only by name. `Null()` is native: the core runs it without Python.
`Null(python=True)` does the same through the Python half of the contract; a new engine needs only one of the two.
"""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Null(Engine):
    """Every operation succeeds with an empty result.

    Args:
        inline: whether short work may run on the caller's thread; without it everything goes through the queue.
        python: whether to run as an engine written in Python does.
    """

    name = "null"
    needs = "to be opened by name; it does nothing"
    selftest = False

    def __init__(self, *, inline: bool = True, python: bool = False) -> None:
        self._inline = inline
        self._python = python

    def native(self) -> _core.Engine | None:
        """The core's form, unless the Python one was asked for."""
        return None if self._python else _core.Engine.null(inline=self._inline)

    def offers(self) -> Sequence[Offer]:
        """Everything that the core has a name for, at the lowest priority."""
        return [Offer(row["name"], f"{row['name']}-null", -1) for row in _core.algorithms()]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        """Takes the whole burst and completes each job with empty results."""
        for job in burst:
            job.complete([b"" for _ in job.units])
        return len(burst)
