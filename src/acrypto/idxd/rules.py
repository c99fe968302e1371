"""What may be written to the files of a device, and when: each rule with the kernel's error number.

From drivers/dma/idxd/sysfs.c and device.c of Linux. Every function takes the device as a value, checks, and changes
that value; none does anything else. Which of several broken rules is told first is the kernel's order as well.
"""

from __future__ import annotations

import errno

from acrypto.idxd import status
from acrypto.idxd.errors import BusError
from acrypto.idxd.numbers import boolean, integer, power_of_two, shown, word
from acrypto.idxd.state import MAX_DRIVER_NAME, MAX_NAME, MAX_PRIORITY, MAX_RETRIES, VERSION_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.idxd.state import Device, Engine, Group, Queue

TYPES = ("none", "kernel", "user")


def _check_configurable(device: Device) -> None:
    if not device.capabilities.configurable:
        raise BusError(errno.EPERM, f"{device.name} is not configurable")


def _check_queue_disabled(device: Device, queue: Queue, number: int = errno.EPERM) -> None:
    if queue.enabled:
        raise BusError(number, f"wq{device.number}.{queue.index} is enabled; disable it first")


def _check_device_disabled(device: Device) -> None:
    if device.enabled:
        raise BusError(errno.EPERM, f"{device.name} is enabled; disable it first")


def _group(device: Device, text: str) -> int:
    most = device.capabilities.max_groups - 1
    group = integer(text, "group_id", signed=True)
    if not -1 <= group <= most:
        raise BusError(errno.EINVAL, f"group_id is {group}; {device.name} has 0 to {most}, and -1 for none")
    return group


def _name(text: str, what: str, most: int) -> str:
    if not text:
        raise BusError(errno.EINVAL, f"{what} is empty")
    if (nbytes := len(text.encode("utf-8", "surrogateescape"))) > most:
        raise BusError(errno.EINVAL, f"{what} is {nbytes} bytes; it is at most {most}")
    return text.strip()


# ---- work queues


def queue_group_id(device: Device, queue: Queue, text: str) -> None:
    """Puts a queue into a group, or with -1 into none."""
    integer(text, "group_id", signed=True)
    _check_configurable(device)
    _check_queue_disabled(device, queue)
    queue.group_id = _group(device, text)


def queue_mode(device: Device, queue: Queue, text: str) -> None:
    """Makes a queue dedicated, which has no threshold, or shared."""
    _check_configurable(device)
    _check_queue_disabled(device, queue)
    mode = word(text)
    if mode not in {"dedicated", "shared"}:
        raise BusError(errno.EINVAL, f"mode is {shown(text)}; it is dedicated or shared")
    queue.dedicated = mode == "dedicated"
    if queue.dedicated:
        queue.threshold = 0


def queue_size(device: Device, queue: Queue, text: str) -> None:
    """Gives a queue entries; all queues of a device share what it has."""
    size = integer(text, "size")
    _check_configurable(device)
    _check_device_disabled(device)
    others = sum(other.size for other in device.queues if other is not queue)
    most = device.capabilities.max_work_queues_size
    if size + others > most:
        raise BusError(errno.EINVAL, f"size is {size}; {most - others} of the {most} entries are free")
    queue.size = size


def queue_priority(device: Device, queue: Queue, text: str) -> None:
    """Sets a queue's share of the service of its group."""
    priority = integer(text, "priority")
    _check_configurable(device)
    _check_queue_disabled(device, queue)
    if priority > MAX_PRIORITY:
        raise BusError(errno.EINVAL, f"priority is {priority}; it is at most {MAX_PRIORITY}")
    queue.priority = priority


def queue_block_on_fault(device: Device, queue: Queue, text: str) -> None:
    """Lets a queue's descriptors wait for pages; not with page requests switched off."""
    if not device.capabilities.block_on_fault:
        raise BusError(errno.EOPNOTSUPP, f"{device.name} cannot block on faults")
    _check_configurable(device)
    _check_queue_disabled(device, queue, errno.ENXIO)
    wanted = boolean(text, "block_on_fault")
    if wanted and queue.prs_disable:
        raise BusError(errno.EOPNOTSUPP, "block_on_fault is 1, and prs_disable is 1; one of them is 0")
    queue.block_on_fault = wanted


def queue_threshold(device: Device, queue: Queue, text: str) -> None:
    """Sets how many entries of a shared queue those without privileges may fill."""
    threshold = integer(text, "threshold", base=0, most=(1 << 32) - 1)
    if not 1 <= threshold <= queue.size:
        raise BusError(errno.EINVAL, f"threshold is {threshold}; it is 1 to the queue's size, {queue.size}")
    _check_configurable(device)
    _check_queue_disabled(device, queue, errno.ENXIO)
    if queue.dedicated:
        raise BusError(errno.EINVAL, "threshold is for shared queues; the mode is dedicated")
    queue.threshold = threshold


def queue_type(device: Device, queue: Queue, text: str) -> None:
    """Says who uses a queue; a change takes the name away."""
    _check_queue_disabled(device, queue)
    kind = word(text)
    if kind not in TYPES:
        raise BusError(errno.EINVAL, f"type is {shown(text)}; it is none, kernel or user")
    if kind != queue.type:
        queue.name = ""
    queue.type = kind


def queue_name(device: Device, queue: Queue, text: str) -> None:
    """Names a queue, for people."""
    _check_queue_disabled(device, queue)
    queue.name = _name(text, "name", MAX_NAME)


def queue_driver_name(device: Device, queue: Queue, text: str) -> None:
    """Says which driver may have a queue."""
    _check_queue_disabled(device, queue)
    queue.driver_name = _name(text, "driver_name", MAX_DRIVER_NAME)


def queue_max_transfer_size(device: Device, queue: Queue, text: str) -> None:
    """Bounds a source in bytes, rounded up to a power of two."""
    most = device.capabilities.max_transfer_size
    queue.max_transfer_size = _rounded_size(device, queue, text, "max_transfer_size", most)


def queue_max_batch_size(device: Device, queue: Queue, text: str) -> None:
    """Bounds a DSA queue's batches, rounded up to a power of two."""
    queue.max_batch_size = _rounded_size(device, queue, text, "max_batch_size", device.capabilities.max_batch_size)


def _rounded_size(device: Device, queue: Queue, text: str, name: str, most: int) -> int:
    _check_configurable(device)
    _check_queue_disabled(device, queue)
    size = power_of_two(text, name)
    if size > most:
        raise BusError(errno.EINVAL, f"{name} is {size}; {device.name} allows {most}")
    return size


def queue_ats_disable(device: Device, queue: Queue, text: str) -> None:
    """Switches the cache of address translations off."""
    _check_queue_disabled(device, queue)
    _check_configurable(device)
    queue.ats_disable = boolean(text, "ats_disable")


def queue_prs_disable(device: Device, queue: Queue, text: str) -> None:
    """Switches page requests off, and blocking on faults with them."""
    _check_queue_disabled(device, queue)
    queue.prs_disable = boolean(text, "prs_disable")
    if queue.prs_disable:
        queue.block_on_fault = False


def queue_enqcmds_retries(_device: Device, queue: Queue, text: str) -> None:
    """Sets how often a full shared queue is asked again; more than 64 is 64."""
    if queue.dedicated:
        raise BusError(errno.EOPNOTSUPP, "enqcmds_retries is for shared queues; the mode is dedicated")
    queue.enqcmds_retries = min(integer(text, "enqcmds_retries", most=(1 << 32) - 1), MAX_RETRIES)


# ---- engines, groups, the device


def engine_group_id(device: Device, engine: Engine, text: str) -> None:
    """Puts an engine into a group, or with -1 into none."""
    integer(text, "group_id", signed=True)
    _check_configurable(device)
    engine.group_id = _group(device, text)


def _check_group(device: Device) -> None:
    _check_configurable(device)
    _check_device_disabled(device)


def group_traffic_class(device: Device, group: Group, text: str, which: str) -> None:
    """Sets a traffic class; up to version 2 they stand as they are."""
    value = integer(text, which, signed=True)
    _check_group(device)
    if device.capabilities.version <= VERSION_2:
        raise BusError(errno.EPERM, f"{which} cannot be changed on a device of version 2 or below")
    if not 0 <= value <= 7:
        raise BusError(errno.EINVAL, f"{which} is {value}; it is 0 to 7")
    setattr(group, which, value)


def group_read_buffers_reserved(device: Device, group: Group, text: str) -> None:
    """Reserves read buffers for a group's engines."""
    value = integer(text, "read_buffers_reserved")
    _check_group(device)
    most = device.capabilities.max_read_buffers
    free = most - sum(other.read_buffers_reserved for other in device.groups if other is not group)
    if value > min(most, free):
        raise BusError(errno.EINVAL, f"read_buffers_reserved is {value}; {free} of the {most} are free")
    group.read_buffers_reserved = value


def group_read_buffers_allowed(device: Device, group: Group, text: str) -> None:
    """Bounds the read buffers that a group's engines use at once; each needs four."""
    value = integer(text, "read_buffers_allowed")
    _check_group(device)
    least = 4 * sum(engine.group_id == group.index for engine in device.engines)
    reserved = sum(other.read_buffers_reserved for other in device.groups if other is not group)
    most = device.capabilities.max_read_buffers - reserved
    if not least <= value <= most:
        raise BusError(errno.EINVAL, f"read_buffers_allowed is {value}; it is {least} to {most}")
    group.read_buffers_allowed = value


def group_use_read_buffer_limit(device: Device, group: Group, text: str) -> None:
    """Makes a group heed the device's limit, if the device has one."""
    value = integer(text, "use_read_buffer_limit")
    _check_group(device)
    if not device.read_buffer_limit:
        raise BusError(errno.EPERM, f"{device.name} has no read_buffer_limit")
    group.use_read_buffer_limit = int(bool(value))


def device_read_buffer_limit(device: Device, text: str) -> None:
    """Bounds the read buffers for slow memory, of the whole device."""
    value = integer(text, "read_buffer_limit")
    _check_device_disabled(device)
    _check_configurable(device)
    most = device.capabilities.max_read_buffers
    if value > most:
        raise BusError(errno.EINVAL, f"read_buffer_limit is {value}; {device.name} has {most}")
    device.read_buffer_limit = value


# ---- enabling


def _refuse(device: Device, number: int, message: str, code: int) -> BusError:
    device.command_status = code
    return BusError(number, message, code)


def check_setup(device: Device) -> None:
    """Sees to it that a device as it is configured could be run: some queue and some engine are in a group.

    Raises:
        BusError: EINVAL.
    """
    if not device.capabilities.configurable:
        return
    grouped = [queue for queue in device.queues if queue.group_id >= 0]
    if not device.capabilities.pasid_enabled and any(not queue.dedicated for queue in grouped):
        message = f"a queue of {device.name} is shared, and the device has no PASID"
        raise _refuse(device, errno.EINVAL, message, status.WQ_NO_SWQ_SUPPORT)
    if not grouped:
        raise _refuse(device, errno.EINVAL, f"no queue of {device.name} is in a group", status.WQ_NONE_CONFIGURED)
    if all(engine.group_id < 0 for engine in device.engines):
        raise BusError(errno.EINVAL, f"no engine of {device.name} is in a group")


def check_enable_device(device: Device) -> None:
    """Sees to it that a device may be enabled.

    Raises:
        BusError: ENXIO.
    """
    if device.state != "disabled":
        raise _refuse(device, errno.ENXIO, f"{device.name} is {device.state}", status.DEV_ENABLED)
    try:
        check_setup(device)
    except BusError as error:
        raise BusError(errno.ENXIO, error.message, error.command_status) from None


def check_probe(device: Device, queue: Queue, driver: str, kinds: tuple[str, ...], *, taken: bool) -> None:
    """Sees to it that a driver may have a queue, before the queue is enabled for it.

    Args:
        device: the device.
        queue: its queue.
        driver: the driver's name.
        kinds: of device that the driver knows.
        taken: whether the queue has some driver's data already.

    Raises:
        BusError: ENXIO, the device is not enabled; ENODEV, a device of another kind, or the queue is for another
            driver; EBUSY, it is taken.
    """
    dev = f"wq{device.number}.{queue.index}"
    if not device.enabled:
        raise _refuse(device, errno.ENXIO, f"{device.name} is {device.state}; enable it first", status.DEV_NOT_ENABLED)
    if device.capabilities.kind not in kinds:
        raise BusError(errno.ENODEV, f"{device.name} is no device for the driver {driver}")
    if driver == "user" and not device.capabilities.pasid_enabled:
        message = f"{dev} is a user's, and {device.name} has no PASID"
        raise _refuse(device, errno.EOPNOTSUPP, message, status.WQ_USER_NO_IOMMU)
    if taken:
        raise BusError(errno.EBUSY, f"{dev} has a driver's data already")
    # The kernel compares as far as the driver's name goes, so that a queue for "crypto2" is one for "crypto" as well.
    if not queue.driver_name.startswith(driver):
        message = f"the driver_name of {dev} is {shown(queue.driver_name)}; the driver is {driver}"
        raise _refuse(device, errno.ENODEV, message, status.WQ_NO_DRV_NAME)


def check_enable_queue(device: Device, queue: Queue) -> None:
    """Sees to it that a queue as it is configured may be enabled.

    Raises:
        BusError: ENXIO, something is missing; EBUSY, it is enabled; EOPNOTSUPP, privileges; EINVAL, `check_setup`.
    """
    dev = f"wq{device.number}.{queue.index}"
    shared = not queue.dedicated
    if not device.enabled:
        raise _refuse(device, errno.ENXIO, f"{device.name} is {device.state}; enable it first", status.DEV_NOT_ENABLED)
    if queue.enabled:
        raise _refuse(device, errno.EBUSY, f"{dev} is enabled already", status.WQ_ENABLED)
    if queue.group_id < 0:
        raise _refuse(device, errno.ENXIO, f"{dev} is in no group", status.WQ_NO_GRP)
    if not queue.name:
        raise _refuse(device, errno.ENXIO, f"{dev} has no name", status.WQ_NO_NAME)
    if queue.size == 0:
        raise _refuse(device, errno.ENXIO, f"{dev} has no size", status.WQ_NO_SIZE)
    if shared and not device.capabilities.pasid_enabled:
        raise _refuse(device, errno.ENXIO, f"{dev} is shared, and {device.name} has no PASID", status.WQ_NO_SVM)
    if shared and queue.threshold == 0:
        raise _refuse(device, errno.ENXIO, f"{dev} is shared, and has no threshold", status.WQ_NO_THRESH)
    privileged = device.capabilities.privileged or not device.capabilities.pasid_enabled
    if queue.type == "kernel" and queue.dedicated and not privileged:
        message = f"{dev} is the kernel's, and {device.name} has a PASID without privileges"
        raise _refuse(device, errno.EOPNOTSUPP, message, status.WQ_NO_PRIV)
    check_setup(device)


# ---- what a fresh device is given


def load_defaults(device: Device) -> bool:
    """Configures one queue that has everything, for the driver `crypto`, and one engine (the kernel's defaults.c).

    Returns:
        Whether that was done: a device that is not configurable is left as it is.

    Raises:
        BusError: EPERM, the first queue is enabled; EINVAL, other queues have entries.
    """
    if not device.capabilities.configurable:
        return False
    queue = device.queues[0]
    _check_queue_disabled(device, queue)
    if others := sum(other.size for other in device.queues[1:]):
        raise BusError(errno.EINVAL, f"other queues of {device.name} have {others} entries; the first one gets all")
    queue.dedicated, queue.threshold = True, 0
    queue.size = device.capabilities.max_work_queues_size
    queue.priority = 10
    queue.type = "kernel"
    queue.group_id = 0
    queue.name, queue.driver_name = "iaa_crypto", "crypto"
    device.engines[0].group_id = 0
    return True


def load_fixed(device: Device) -> None:
    """What a device that is not configurable comes with: one dedicated queue of all entries, for all engines."""
    queue = device.queues[0]
    queue.dedicated, queue.priority, queue.group_id = True, 10, 0
    queue.size = device.capabilities.max_work_queues_size
    for engine in device.engines:
        engine.group_id = 0
