"""The files of the tree: for each its name, what it shows, what writing to it does, and which devices have it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import partial

from acrypto.idxd import rules
from acrypto.idxd.errors import BusError
from acrypto.idxd.numbers import bitmap
from acrypto.idxd.state import VERSION_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from acrypto.idxd.state import Capabilities, Device, Group, Queue


def _always(_capabilities: Capabilities) -> bool:
    return True


def _dsa(capabilities: Capabilities) -> bool:
    return not capabilities.is_iax


def _tells_iaa_cap(capabilities: Capabilities) -> bool:
    return capabilities.is_iax and capabilities.version >= VERSION_2


@dataclass(frozen=True, slots=True)
class Attribute:
    """One file.

    Args:
        show: its text, from the device and the part that the file belongs to.
        store: what writing a text does; None if nobody may write.
        visible: whether a device with these capabilities has the file.
    """

    show: Callable[[Device, Any], str]
    store: Callable[[Device, Any, str], None] | None = None
    visible: Callable[[Capabilities], bool] = _always


def _field(name: str, store: Callable[[Device, Any, str], None] | None, **how: Any) -> Attribute:
    def show(_device: Device, part: object) -> str:
        value = getattr(part, name)
        return str(int(value) if isinstance(value, bool) else value)

    return Attribute(show, store, **how)


def _can(name: str, form: str = "d", **how: Any) -> Attribute:
    return Attribute(lambda device, _part: format(getattr(device.capabilities, name), form), **how)


# ---- work queues


def _queue_state(_device: Device, queue: Queue) -> str:
    return "enabled" if queue.enabled else "disabled"


def _retries(_device: Device, queue: Queue) -> str:
    if queue.dedicated:
        raise BusError(errno.EOPNOTSUPP, "enqcmds_retries is for shared queues; the mode is dedicated")
    return str(queue.enqcmds_retries)


def _minor(device: Device, queue: Queue) -> str:
    if not (queue.enabled and queue.type == "user"):
        raise BusError(errno.ENXIO, f"wq{device.number}.{queue.index} has no character device")
    return str(queue.index)


def _occupancy(device: Device, _queue: Queue) -> str:
    raise BusError(errno.EOPNOTSUPP, f"{device.name} does not count what is in its queues")


QUEUE: dict[str, Attribute] = {
    "clients": _field("clients", None),
    "state": Attribute(_queue_state),
    "group_id": _field("group_id", rules.queue_group_id),
    "mode": _field("mode", rules.queue_mode),
    "size": _field("size", rules.queue_size),
    "priority": _field("priority", rules.queue_priority),
    "block_on_fault": _field("block_on_fault", rules.queue_block_on_fault),
    "threshold": _field("threshold", rules.queue_threshold),
    "type": _field("type", rules.queue_type),
    "name": _field("name", rules.queue_name),
    "cdev_minor": Attribute(_minor),
    "max_transfer_size": _field("max_transfer_size", rules.queue_max_transfer_size),
    "max_batch_size": _field("max_batch_size", rules.queue_max_batch_size, visible=_dsa),
    "ats_disable": _field("ats_disable", rules.queue_ats_disable),
    "prs_disable": _field("prs_disable", rules.queue_prs_disable),
    "occupancy": Attribute(_occupancy),
    "enqcmds_retries": Attribute(_retries, rules.queue_enqcmds_retries),
    "driver_name": _field("driver_name", rules.queue_driver_name),
}

# ---- engines and groups

ENGINE: dict[str, Attribute] = {"group_id": _field("group_id", rules.engine_group_id)}


def _members(parts: str, prefix: str) -> Callable[[Device, Group], str]:
    def show(device: Device, group: Group) -> str:
        inside = (part.index for part in getattr(device, parts) if part.group_id == group.index)
        return " ".join(f"{prefix}{device.number}.{index}" for index in inside)

    return show


def _traffic_class(name: str) -> Attribute:
    return _field(name, partial(rules.group_traffic_class, which=name))


GROUP: dict[str, Attribute] = {
    "work_queues": Attribute(_members("queues", "wq")),
    "engines": Attribute(_members("engines", "engine")),
    "use_token_limit": _field("use_read_buffer_limit", rules.group_use_read_buffer_limit, visible=_dsa),
    "use_read_buffer_limit": _field("use_read_buffer_limit", rules.group_use_read_buffer_limit, visible=_dsa),
    "tokens_allowed": _field("read_buffers_allowed", rules.group_read_buffers_allowed, visible=_dsa),
    "read_buffers_allowed": _field("read_buffers_allowed", rules.group_read_buffers_allowed, visible=_dsa),
    "tokens_reserved": _field("read_buffers_reserved", rules.group_read_buffers_reserved, visible=_dsa),
    "read_buffers_reserved": _field("read_buffers_reserved", rules.group_read_buffers_reserved, visible=_dsa),
    "traffic_class_a": _traffic_class("traffic_class_a"),
    "traffic_class_b": _traffic_class("traffic_class_b"),
}

# ---- the device


def _read_buffer_limit(device: Device, _part: Device, text: str) -> None:
    rules.device_read_buffer_limit(device, text)


def _clear_status(device: Device, _part: Device, _text: str) -> None:
    device.command_status = 0


def _clients(device: Device, _part: Device) -> str:
    return str(sum(queue.clients for queue in device.queues))


DEVICE: dict[str, Attribute] = {
    "version": _can("version", "#x"),
    "max_groups": _can("max_groups"),
    "max_work_queues": _can("max_work_queues"),
    "max_work_queues_size": _can("max_work_queues_size"),
    "max_engines": _can("max_engines"),
    "numa_node": _can("numa_node"),
    "max_batch_size": _can("max_batch_size", visible=_dsa),
    "max_transfer_size": _can("max_transfer_size"),
    "op_cap": Attribute(lambda device, _part: bitmap(device.capabilities.op_cap)),
    "gen_cap": _can("gen_cap", "#x"),
    "configurable": _can("configurable"),
    "clients": Attribute(_clients),
    "pasid_enabled": _can("pasid_enabled"),
    "state": Attribute(lambda device, _part: device.state),
    "errors": Attribute(lambda _device, _part: bitmap(0)),
    "max_tokens": _can("max_read_buffers", visible=_dsa),
    "max_read_buffers": _can("max_read_buffers", visible=_dsa),
    "token_limit": _field("read_buffer_limit", _read_buffer_limit, visible=_dsa),
    "read_buffer_limit": _field("read_buffer_limit", _read_buffer_limit, visible=_dsa),
    # The character devices of the tree have no major number: they are opened through the bus.
    "cdev_major": Attribute(lambda _device, _part: "0"),
    "cmd_status": Attribute(lambda device, _part: f"{device.command_status:#x}", _clear_status),
    "iaa_cap": _can("iaa_cap", "#x", visible=_tells_iaa_cap),
}
