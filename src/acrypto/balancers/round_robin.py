"""One after the other."""

from __future__ import annotations

from acrypto import _core
from acrypto.balancers.base import Balancer


class RoundRobin(Balancer):
    """Each request to the next device, whatever it costs there: fair among equals, poor among others."""

    name = "round_robin"

    def native(self) -> _core.Balancer:
        """The core's form."""
        return _core.Balancer.round_robin()
