"""What runs a soft device: the core's software model."""

from __future__ import annotations

from acrypto._core import IdxdDevice
from acrypto.idxd.state import IAA_CAP_AECS_FORMAT_2, IAA_CAP_HEADER_GEN, VERSION_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from acrypto._core import IdxdQueue
    from acrypto.idxd.state import Device, Queue

#: Far more than all entries of a device need, at 64 bytes each.
MAX_MAPPINGS = 1 << 13
#: Bytes of a decompression's state, in the first format and in the second.
STATE_LENGTHS = (1088, 1248)


class Model:
    """The software model of an IAX device, with the capabilities that its files tell.

    Attributes:
        native: the model itself: its knobs, faults, death and statistics.

    Args:
        device: what it is to be.
        acrypto: `threads`, that run it beside those who wait, one if not given; `knobs`, by their names.

    Raises:
        UsageError: a knob out of its limits.
    """

    def __init__(self, device: Device, acrypto: Mapping[str, Any] | None = None) -> None:
        given = acrypto or {}
        capabilities = device.capabilities
        tells = capabilities.iaa_cap if capabilities.version >= VERSION_2 else 0
        self.native = IdxdDevice(
            name=device.name,
            id=device.number,
            node=capabilities.numa_node,
            engines=capabilities.max_engines,
            groups=capabilities.max_groups,
            work_queues=capabilities.max_work_queues,
            max_work_queues_size=capabilities.max_work_queues_size,
            max_transfer=capabilities.max_transfer_size,
            configurable=capabilities.configurable,
            pasid_enabled=capabilities.pasid_enabled,
            header_gen=bool(tells & IAA_CAP_HEADER_GEN),
            state_len=STATE_LENGTHS[bool(tells & IAA_CAP_AECS_FORMAT_2)],
            block_on_fault=capabilities.block_on_fault,
            max_mappings=MAX_MAPPINGS,
            threads=given.get("threads", 1),
        )
        for knob, value in given.get("knobs", {}).items():
            self.native.tune(knob, value)

    @property
    def halted(self) -> bool:
        """Whether it has died, and says so."""
        return self.native.halted

    def enable(self, device: Device) -> None:
        """Starts it, with its engines in their groups."""
        for engine in device.engines:
            self.native.assign_engine(engine.index, engine.group_id if engine.group_id >= 0 else None)
        self.native.enable()

    def disable(self) -> None:
        """Stops it; what is in its queues is done first, unless it is dead."""
        if self.native.halted:
            self.native.reset()
        else:
            self.native.disable()

    def enable_queue(self, _device: Device, queue: Queue) -> IdxdQueue:
        """Enables a queue as it is configured."""
        return self.native.enable_queue(
            queue.index,
            mode=queue.mode,
            size=queue.size,
            group=queue.group_id,
            priority=queue.priority,
            threshold=queue.threshold,
            block_on_fault=queue.block_on_fault,
            name=queue.name,
            max_transfer=queue.max_transfer_size,
        )

    def disable_queue(self, queue: Queue) -> None:
        """Disables a queue; what is in it is done first, unless the device is dead."""
        self.native.disable_queue(queue.index)
