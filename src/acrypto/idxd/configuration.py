"""Bringing a configuration onto a bus, as `accel-config load-config` does, and reading one from it."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from acrypto.idxd.accel_config import GROUP_SETTINGS, QUEUE_SETTINGS, DevicePart, GroupPart, Part
from acrypto.idxd.errors import BusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from acrypto.idxd.accel_config import Configuration, Setting
    from acrypto.idxd.bus import Bus

#: What is saved of a queue; the tree has more, which says nothing about how it is configured.
_SAVED = tuple(name for name in QUEUE_SETTINGS if name not in {"op_config"})
_SAVED_GROUP = tuple(name for name in GROUP_SETTINGS if "token" not in name)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a configuration.

    Args:
        devices: those that were enabled.
        queues: those that were enabled.
        waiting: queues that will be when their driver comes.
        skipped: settings that a device has no file for, or that mean nothing there, by their place.
    """

    devices: tuple[str, ...]
    queues: tuple[str, ...]
    waiting: tuple[str, ...]
    skipped: tuple[str, ...]


def load(bus: Bus, configuration: Configuration, *, enable: bool = True, forced: bool = False) -> Loaded:
    """Configures devices that are on the bus, and enables them and the queues that are named.

    What the tool passes over is passed over here: settings of read buffers on an IAX device, the threshold of a
    dedicated queue, a traffic class of -1. If something is refused, what stands before it has been done.

    Args:
        bus: with the devices.
        configuration: what to set.
        enable: whether devices and queues are enabled; a queue whose driver is not on the bus waits for it.
        forced: whether a device that is enabled is disabled first.

    Raises:
        BusError: a rule refuses; the message begins with the place, and has the value. ENODEV, there is no such device.
    """
    skipped: list[str] = []
    for device in configuration:
        _load_device(bus, device, skipped, forced=forced)
    devices, queues, waiting = [], [], []
    for device in configuration if enable else ():
        _at(device.place, bus.enable, device.dev)
        devices.append(device.dev)
        for part in (queue for group in device.groups for queue in group.queues):
            driver = bus.read(f"devices/{part.dev}/driver_name")
            if driver and driver not in bus.list("drivers"):
                waiting.append(part.dev)
            else:
                _at(part.place, bus.enable, part.dev)
                queues.append(part.dev)
    return Loaded(tuple(devices), tuple(queues), tuple(waiting), tuple(skipped))


def save(bus: Bus, acrypto: Mapping[str, Mapping[str, object]] | None = None, *, idle: bool = False) -> Configuration:
    """Reads how the devices of a bus are configured, as `accel-config save-config` does.

    Args:
        bus: whose.
        acrypto: what stands under that key, by the device's name.
        idle: whether devices that are not enabled are read as well, and queues that lack something.
    """
    told = acrypto or {}
    return tuple(
        _save_device(bus, name, told.get(name, {}), idle=idle)
        for name in bus.devices()
        if idle or bus.read(f"devices/{name}/state") == "enabled"
    )


# ---- loading


def _at(place: str, call: object, *arguments: str) -> None:
    assert callable(call)
    try:
        call(*arguments)
    except BusError as error:
        raise error.at(place) from error


def _load_device(bus: Bus, device: DevicePart, skipped: list[str], *, forced: bool) -> None:
    if device.dev not in bus.devices():
        raise BusError(errno.ENODEV, f"{device.place}.dev is {device.dev}, which is not there")
    if bus.read(f"devices/{device.dev}/state") != "disabled":
        if not forced:
            raise BusError(errno.EBUSY, f"{device.place}.dev is {device.dev}, which is enabled; disable it first")
        bus.disable(device.dev)
    base = f"devices/{device.dev}"
    _write_all(bus, base, device, device.settings, skipped)
    for group in device.groups:
        _write_all(bus, f"{base}/{group.dev}", group, group.settings, skipped)
    for queue in (*(one for group in device.groups for one in group.queues), *device.queues):
        ordered = {name: queue.settings[name] for name in QUEUE_SETTINGS if name in queue.settings}
        _write_all(bus, f"{base}/{queue.dev}", queue, ordered, skipped)
    for engine in (*(one for group in device.groups for one in group.engines), *device.engines):
        _write_all(bus, f"{base}/{engine.dev}", engine, engine.settings, skipped)


def _write_all(bus: Bus, folder: str, part: Part, settings: Mapping[str, Setting], skipped: list[str]) -> None:
    try:
        files = set(bus.list(folder))
    except BusError as error:
        raise BusError(error.errno, f"{part.place}.dev is {part.dev}, which the device has not") from None
    for name, value in settings.items():
        if name not in files or _means_nothing(bus, folder, name, value):
            if not (name in files and bus.read(f"{folder}/{name}") == str(value)):
                skipped.append(f"{part.place}.{name}")
        else:
            told = repr(value) if isinstance(value, str) else value
            _at(f"{part.place}.{name} is {told}", bus.write, f"{folder}/{name}", str(value))


def _means_nothing(bus: Bus, folder: str, name: str, value: Setting) -> bool:
    """Whether the tool would not write this either, or what is there already cannot be written."""
    if name == "threshold":
        return bus.read(f"{folder}/mode") == "dedicated" or value == 0
    if name in {"use_read_buffer_limit", "use_token_limit"}:
        return value == 0
    if name.startswith("traffic_class"):
        return value == -1 or bus.read(f"{folder}/{name}") == str(value)
    return value == "" or (value == -1 and name != "group_id")


# ---- saving


def _read(bus: Bus, folder: str, names: tuple[str, ...]) -> dict[str, Setting]:
    files = set(bus.list(folder))
    texts = {name: bus.read(f"{folder}/{name}") for name in names if name in files}
    return {name: text if QUEUE_SETTINGS.get(name) is str else int(text) for name, text in texts.items()}


def _save_device(bus: Bus, name: str, acrypto: Mapping[str, object], *, idle: bool) -> DevicePart:
    base = f"devices/{name}"
    parts = [part for part in bus.list(base) if "." in part]
    queues: dict[int, list[Part]] = {}
    engines: dict[int, list[Part]] = {}
    for part in parts:
        if part.startswith("wq") and (idle or is_ready(bus, part)):
            _sort(queues, part, _read(bus, f"{base}/{part}", _SAVED))
        elif part.startswith("engine"):
            _sort(engines, part, _read(bus, f"{base}/{part}", ("group_id",)))
    groups = tuple(
        GroupPart(
            part,
            _read(bus, f"{base}/{part}", _SAVED_GROUP),
            "",
            tuple(queues.get(index, ())),
            tuple(engines.get(index, ())),
        )
        for index, part in enumerate(part for part in parts if part.startswith("group"))
    )
    settings = _read(bus, base, ("read_buffer_limit",))
    return DevicePart(name, settings, "", groups, tuple(queues.get(-1, ())), tuple(engines.get(-1, ())), dict(acrypto))


def is_ready(bus: Bus, queue: str) -> bool:
    """Whether a queue is enabled, or has all that it needs for that but a driver."""

    def read(name: str) -> str:
        return bus.read(f"devices/{queue}/{name}")

    ready = read("group_id") != "-1" and read("size") != "0" and read("name") != "" and read("type") != "none"
    return read("state") == "enabled" or ready


def _sort(into: dict[int, list[Part]], dev: str, settings: dict[str, Setting]) -> None:
    group = int(settings["group_id"])
    if group < 0:
        del settings["group_id"]
    into.setdefault(group, []).append(Part(dev, settings))
