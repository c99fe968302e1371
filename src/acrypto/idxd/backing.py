"""What runs a soft device: the core's software model."""

from __future__ import annotations

from acrypto.idxd.queue import Nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.idxd.accel_config import DevicePart
    from acrypto.idxd.queue import Backing
    from acrypto.idxd.state import Device


def model(_device: Device, _part: DevicePart) -> Backing:
    """The model for a device, with the threads and knobs of its configuration."""
    return Nothing()
