"""Each calling process has its device. The file to copy for a policy in Python."""

from __future__ import annotations

import os

from acrypto.balancers.base import Balancer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto.balancers.base import DeviceView, RequestView


class ByProcess(Balancer):
    """Places all that one process submits on one device: its number modulo how many devices there are.

    Processes that each open a layer over the same devices share them evenly without knowing of one another. The choice
    changes only when a device comes or goes.
    """

    name = "by_process"

    def find_device(self, request: RequestView, devices: Sequence[DeviceView]) -> str:
        """The device of this process. Asked anew each time: after a fork the number is another one."""
        # By number and not as they are shown: that order depends on the algorithm.
        ordered = sorted(devices, key=lambda device: device.number)
        return ordered[os.getpid() % len(ordered)].name
