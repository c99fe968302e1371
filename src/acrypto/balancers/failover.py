"""The first that works."""

from __future__ import annotations

from acrypto import _core
from acrypto.balancers.base import Balancer
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Failover(Balancer):
    """The first device of a list that is there and has room; the next ones only instead of it.

    Args:
        order: names of devices, the preferred first. Those that are not named come after them, the strongest offer
            first; with an empty list all are, which is the kernel's rule.
        name: what it is called, so that a layer may have several.

    Raises:
        UsageError: a name is no text.
    """

    name = "failover"

    def __init__(self, order: Sequence[str] = (), *, name: str = name) -> None:
        if isinstance(order, str):
            raise UsageError(f"order is {order!r}; it must be a list of names of devices")
        self.name = name
        self.order = list(order)
        for device in self.order:
            if not isinstance(device, str):
                raise UsageError(f"order has {device!r}; it must be a list of names of devices")

    def native(self) -> _core.Balancer:
        """The core's form."""
        return _core.Balancer.failover(self.order)
