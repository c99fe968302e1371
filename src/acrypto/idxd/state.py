"""What a device can do, and how it is configured: the values that the rules read and change.

Limits and defaults are those of the kernel's drivers/dma/idxd (idxd.h, device.c); the shape of a device is that of the
IAX device of PCI id 8086:0cfe.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["dsa", "iax"]

#: Longest `name` and `driver_name` of a work queue, in bytes.
MAX_NAME = 1024
MAX_DRIVER_NAME = 128
#: The highest priority.
MAX_PRIORITY = 15
#: How often a full shared work queue is asked again, unless told otherwise, and at most.
DEFAULT_RETRIES = 32
MAX_RETRIES = 64
#: The largest transfer of a work queue unless told otherwise, in bytes.
DEFAULT_MAX_TRANSFER = 2 << 20
#: The largest batch of a DSA work queue unless told otherwise.
DEFAULT_MAX_BATCH = 32
#: The first version whose devices tell `iaa_cap`.
VERSION_2 = 0x200

#: Bits of `iaa_cap`.
IAA_CAP_AECS_FORMAT_2 = 1 << 0
IAA_CAP_HEADER_GEN = 1 << 8
#: Opcodes of the soft device: NOOP, DRAIN, MEMMOVE, DECOMPRESS, COMPRESS, CRC64.
IAX_OPERATIONS = frozenset((0x00, 0x02, 0x03, 0x42, 0x43, 0x44))
DSA_OPERATIONS = frozenset((*range(10), *range(0x10, 0x16), 0x20))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a device can do; its read-only files tell it.

    Args:
        kind: `"iax"` compresses; `"dsa"` moves data, and stands in the tree without anything behind it.
        max_groups, max_engines, max_work_queues: how many there are of each, 1 to 64.
        max_work_queues_size: entries that all work queues share, 1 to 65536.
        max_transfer_size: the largest source, in bytes; a power of two.
        max_batch_size: descriptors of a batch; 0 on an IAX device, which has none.
        max_read_buffers: read buffers of a DSA device.
        numa_node: the node the device is on; -1 if it is on none.
        version: 0x100 to 0x300; from 0x200 on there is `iaa_cap`, and above that traffic classes can be set.
        configurable: whether anything may be changed.
        pasid_enabled: whether addresses are those of processes; shared queues and user queues need it.
        privileged: whether the kernel's queues may have a PASID.
        block_on_fault: whether a queue may wait for a page that is not there.
        iaa_cap: bits of that file.
        operations: opcodes that the device knows.

    Raises:
        UsageError: a value out of its bounds.
    """

    kind: Kind = "iax"
    max_groups: int = 4
    max_engines: int = 8
    max_work_queues: int = 8
    max_work_queues_size: int = 128
    max_transfer_size: int = 1 << 31
    max_batch_size: int = 0
    max_read_buffers: int = 0
    numa_node: int = 0
    version: int = VERSION_2
    configurable: bool = True
    pasid_enabled: bool = True
    privileged: bool = True
    block_on_fault: bool = True
    iaa_cap: int = IAA_CAP_HEADER_GEN | IAA_CAP_AECS_FORMAT_2
    operations: frozenset[int] = IAX_OPERATIONS

    def __post_init__(self) -> None:
        bounds = {
            "max_groups": (1, 64),
            "max_engines": (1, 64),
            "max_work_queues": (1, 64),
            "max_work_queues_size": (1, 1 << 16),
            "max_transfer_size": (1, 1 << 31),
            "max_batch_size": (0, 1 << 16),
            "max_read_buffers": (0, 1 << 16),
            "numa_node": (-1, 1023),
            "version": (0x100, 0x300),
            "iaa_cap": (0, (1 << 64) - 1),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageError(f"{name} is {value}; it is {least} to {most}")
        if self.max_transfer_size & (self.max_transfer_size - 1):
            raise UsageError(f"max_transfer_size is {self.max_transfer_size}; it is a power of two")
        if self.kind not in {"iax", "dsa"}:
            raise UsageError(f"kind is {self.kind!r}; it is 'iax' or 'dsa'")

    @property
    def is_iax(self) -> bool:
        """Whether this is a device that compresses."""
        return self.kind == "iax"

    @property
    def gen_cap(self) -> int:
        """The general capability register: block on fault, cache control, the largest transfer, configurable."""
        shift = self.max_transfer_size.bit_length() - 1
        batch = max(self.max_batch_size.bit_length() - 1, 0)
        return self.block_on_fault | 1 << 2 | shift << 16 | batch << 21 | self.configurable << 31

    @property
    def op_cap(self) -> int:
        """The operation capability register: a bit for each opcode."""
        return sum(1 << operation for operation in self.operations)


def dsa_capabilities(**given: int | bool) -> Capabilities:
    """A DSA device's: four engines, batches, read buffers."""
    shape: dict[str, int | bool] = {
        "max_engines": 4,
        "max_batch_size": 1024,
        "max_read_buffers": 96,
        "iaa_cap": 0,
        "version": 0x100,
    }
    return Capabilities(kind="dsa", operations=DSA_OPERATIONS, **(shape | given))  # type: ignore[arg-type]


@dataclass(slots=True)
class Queue:
    """One work queue's configuration, and whether it is enabled.

    `size` and `group_id` outlive the disabling of the queue, and `driver_name` that of the device; everything else is
    forgotten when the queue is disabled, as the kernel has it.
    """

    index: int
    size: int = 0
    group_id: int = -1
    driver_name: str = ""
    dedicated: bool = False
    priority: int = 0
    threshold: int = 0
    type: str = "none"
    name: str = ""
    block_on_fault: bool = False
    ats_disable: bool = False
    prs_disable: bool = False
    max_transfer_size: int = DEFAULT_MAX_TRANSFER
    max_batch_size: int = 0
    enqcmds_retries: int = DEFAULT_RETRIES
    enabled: bool = False
    clients: int = 0

    @property
    def mode(self) -> str:
        """How it is entered: `"dedicated"` or `"shared"`."""
        return "dedicated" if self.dedicated else "shared"

    def forget(self, capabilities: Capabilities) -> None:
        """What the kernel does to a queue that is disabled."""
        fresh = Queue(self.index, self.size, self.group_id, self.driver_name)
        fresh.max_transfer_size = min(DEFAULT_MAX_TRANSFER, capabilities.max_transfer_size)
        fresh.max_batch_size = min(DEFAULT_MAX_BATCH, capabilities.max_batch_size)
        for one in fields(fresh):
            setattr(self, one.name, getattr(fresh, one.name))


@dataclass(slots=True)
class Group:
    """One group's configuration: traffic classes, and the read buffers that a DSA device has."""

    index: int
    traffic_class_a: int = -1
    traffic_class_b: int = -1
    read_buffers_reserved: int = 0
    read_buffers_allowed: int = 0
    use_read_buffer_limit: int = 0


@dataclass(slots=True)
class Engine:
    """One engine's configuration: its group; -1 if it is in none."""

    index: int
    group_id: int = -1


@dataclass(slots=True)
class Device:
    """One device: what it can do, how it is configured, and its state."""

    name: str
    number: int
    capabilities: Capabilities
    queues: list[Queue] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    state: str = "disabled"
    command_status: int = 0
    read_buffer_limit: int = 0

    def __post_init__(self) -> None:
        self.queues = [Queue(index) for index in range(self.capabilities.max_work_queues)]
        self.groups = [Group(index) for index in range(self.capabilities.max_groups)]
        self.engines = [Engine(index) for index in range(self.capabilities.max_engines)]
        self.forget()

    @property
    def enabled(self) -> bool:
        """Whether it takes work."""
        return self.state == "enabled"

    def forget(self) -> None:
        """What the kernel does to a configurable device that is disabled: all but the driver names is forgotten."""
        for queue in self.queues:
            queue.size, queue.group_id = 0, -1
            queue.forget(self.capabilities)
        # Up to version 2 the traffic classes stand as they are, for nothing else is known to work.
        fixed = 1 if self.capabilities.version <= VERSION_2 else -1
        for group in self.groups:
            self.groups[group.index] = Group(group.index, fixed, fixed)
        for engine in self.engines:
            engine.group_id = -1
