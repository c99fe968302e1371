"""Intel's idxd devices: their bus, configuration and discovery."""

from acrypto.idxd.backing import Model
from acrypto.idxd.bus import Bus, configure_defaults
from acrypto.idxd.errors import BusError
from acrypto.idxd.queue import Driver, WorkQueue
from acrypto.idxd.state import Capabilities
from acrypto.idxd.stored import open_bus
from acrypto.idxd.sysfs import RealQueue, discover

__all__ = [
    "Bus",
    "BusError",
    "Capabilities",
    "Driver",
    "Model",
    "RealQueue",
    "WorkQueue",
    "configure_defaults",
    "discover",
    "open_bus",
]
