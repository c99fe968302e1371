"""Intel's idxd devices: their bus, configuration and discovery."""

from acrypto.idxd.bus import Bus, configure_defaults
from acrypto.idxd.errors import BusError
from acrypto.idxd.queue import Driver, WorkQueue
from acrypto.idxd.state import Capabilities

__all__ = ["Bus", "BusError", "Capabilities", "Driver", "WorkQueue", "configure_defaults"]
