"""Small work here, large work there."""

from __future__ import annotations

from acrypto import _core
from acrypto.balancers.base import Balancer
from acrypto.model.errors import UsageError

#: Below this a hand-over to a distant device costs about as much as the work itself on the CPU.
THRESHOLD = 64 << 10


class BySize(Balancer):
    """Requests below a threshold go to one device, all others to another.

    Each steps in for the other when that is full or not there. Where neither is there, as without names, the strongest
    offer is taken.

    Args:
        threshold: bytes; a request of exactly so many is a large one.
        small: the name of the device for small requests.
        large: that of the device for large ones.
        name: what it is called, so that a layer may have several.

    Raises:
        UsageError: the threshold is no whole number of at least 0, or a name is no text.
    """

    name = "by_size"

    def __init__(self, threshold: int = THRESHOLD, small: str = "", large: str = "", *, name: str = name) -> None:
        if type(threshold) is not int or threshold < 0:
            raise UsageError(f"threshold is {threshold!r}; it must be a whole number of at least 0")
        for what, device in (("small", small), ("large", large)):
            if not isinstance(device, str):
                raise UsageError(f"{what} is {device!r}; it must be the name of a device")
        self.name = name
        self.threshold = threshold
        self.small = small
        self.large = large

    def native(self) -> _core.Balancer:
        """The core's form."""
        return _core.Balancer.by_size(self.threshold, self.small, self.large)
