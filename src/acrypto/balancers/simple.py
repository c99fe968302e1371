"""Fewest requests wins; of equals the first. The file to copy for a policy of the core."""

from __future__ import annotations

from acrypto import _core
from acrypto.balancers.base import Balancer


class Simple(Balancer):
    """The device with the fewest requests in its hands, whatever they are and however fast it is."""

    name = "simple"

    def native(self) -> _core.Balancer:
        """The core's form."""
        return _core.Balancer.simple()
