"""Who will finish it first: the default."""

from __future__ import annotations

from acrypto import _core
from acrypto.balancers.base import Balancer


class Fastest(Balancer):
    """The device that is predicted to finish first, by its backlog and by what such work has cost there so far.

    Now and then it tries another one, so that what has become faster is noticed; and it changes its favourite only for
    a gain that is worth it.
    """

    name = "fastest"

    def native(self) -> _core.Balancer:
        """The core's form."""
        return _core.Balancer.fastest()
