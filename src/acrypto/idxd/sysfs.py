"""Real devices, as the system's own files show them. Reads only, and believes nothing that it reads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The device that compresses, as PCI knows it.
VENDOR, DEVICE = "0x8086", "0x0cfe"
#: No file of these trees is longer, in bytes; /proc/cpuinfo is, and its first processor is in this.
_MOST = 1 << 16
_IAX = re.compile(r"iax([0-9]{1,4})")
_PART = re.compile(r"(wq|engine|group)([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class System:
    """Where the system's files are; a test has others.

    Args:
        root: what stands before `/sys`, `/proc` and `/dev`; empty for the machine itself.
    """

    root: str = ""

    def path(self, path: str) -> str:
        """A path of the system, below the root."""
        return self.root + path


@dataclass(frozen=True, slots=True)
class RealQueue:
    """A work queue of a real device.

    Args:
        device: its device's name, `"iax1"`.
        dev: its name, `"wq1.0"`.
        index: the last number in it.
        path: its character device; opening it and mapping a page gives the portal.
        state: `"enabled"` or `"disabled"`.
        mode: `"dedicated"` or `"shared"`.
        size: entries.
        threshold: entries that one without privileges may fill, of a shared queue.
        group_id: its group; -1 if it is in none.
        priority: its share of the service of the group.
        type: `"none"`, `"kernel"` or `"user"`.
        name: for people.
        driver_name: the driver that it is for.
        driver: the driver that it is bound to; empty if to none.
        max_transfer_size: the largest source, in bytes.
        block_on_fault: whether descriptors may wait for pages.
        exists: whether the character device is there.
        accessible: whether this process may read and write it.
        numa_node: of the device; -1 if it is on none.
        version: of the device.
        iaa_cap: capability bits of the device; 0 if it tells none.
        pasid_enabled: whether the device works on a process's own addresses.
    """

    device: str
    dev: str
    index: int
    path: str
    state: str
    mode: str
    size: int
    threshold: int
    group_id: int
    priority: int
    type: str
    name: str
    driver_name: str
    driver: str
    max_transfer_size: int
    block_on_fault: bool
    exists: bool
    accessible: bool
    numa_node: int
    version: int
    iaa_cap: int
    pasid_enabled: bool

    @property
    def usable(self) -> bool:
        """Whether a program can submit to it now, but for what its CPU lacks."""
        return self.state == "enabled" and self.type == "user" and self.accessible and self.pasid_enabled


@dataclass(frozen=True, slots=True)
class RealDevice:
    """A real device that compresses.

    Args:
        name: `"iax1"`.
        state: `"enabled"`, `"disabled"` or `"halted"`.
        files: what its folder tells, by the names of the files.
        queues: its work queues.
        engines: the group of each of its engines; -1 for none.
    """

    name: str
    state: str
    files: Mapping[str, str]
    queues: tuple[RealQueue, ...]
    engines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What this machine has.

    Args:
        pci: addresses of the PCI functions that are such devices, with or without a driver.
        modules: of `idxd` and `iaa_crypto`, those that are loaded.
        devices: what the driver shows.
        cpu: of `enqcmd`, `movdir64b` and `waitpkg`, those that the CPU has.
    """

    pci: tuple[str, ...]
    modules: frozenset[str]
    devices: tuple[RealDevice, ...]
    cpu: frozenset[str]

    @property
    def queues(self) -> tuple[RealQueue, ...]:
        """All queues that a program on this machine can submit to now."""
        every = (queue for device in self.devices if device.state == "enabled" for queue in device.queues)
        return tuple(queue for queue in every if queue.usable and self.can_submit(queue))

    def can_submit(self, queue: RealQueue) -> bool:
        """Whether the CPU has the instruction that the queue's portal takes."""
        return ("movdir64b" if queue.mode == "dedicated" else "enqcmd") in self.cpu


def discover(system: System | None = None) -> Discovery:
    """Looks for devices. Changes nothing, and raises nothing: what cannot be read counts as not there."""
    system = system or System()
    modules = (name for name in ("idxd", "iaa_crypto") if os.path.isdir(system.path(f"/sys/module/{name}")))
    folder = system.path("/sys/bus/dsa/devices")
    found = sorted((name for name in _names(folder) if _IAX.fullmatch(name)), key=lambda name: int(name[3:]))
    devices = tuple(_device(system, folder, name) for name in found)
    return Discovery(_pci(system), frozenset(modules), devices, _cpu(system))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return ""
    try:
        return os.read(file, _MOST).decode("utf-8", "replace").removesuffix("\n")
    except OSError:
        return ""
    finally:
        os.close(file)


def _number(text: str, default: int) -> int:
    try:
        return int(text[:20], 0)
    except ValueError:
        return default


def _pci(system: System) -> tuple[str, ...]:
    folder = system.path("/sys/bus/pci/devices")
    functions = _names(folder)
    return tuple(
        name
        for name in functions
        if _text(f"{folder}/{name}/device") == DEVICE and _text(f"{folder}/{name}/vendor") == VENDOR
    )


def _cpu(system: System) -> frozenset[str]:
    for line in _text(system.path("/proc/cpuinfo")).split("\n"):
        if line.startswith("flags"):
            return frozenset(line.split()) & {"enqcmd", "movdir64b", "waitpkg"}
    return frozenset()


def _device(system: System, folder: str, name: str) -> RealDevice:
    base = f"{folder}/{name}"
    names = _names(base)
    files = {one: _text(f"{base}/{one}") for one in names if os.path.isfile(f"{base}/{one}")}
    parts = [found for one in names if (found := _PART.fullmatch(one)) and found[2] == name[3:]]
    parts.sort(key=lambda found: int(found[3]))
    queues = tuple(_queue(system, base, name, files, found) for found in parts if found[1] == "wq")
    engines = {found[0]: _number(_text(f"{base}/{found[0]}/group_id"), -1) for found in parts if found[1] == "engine"}
    return RealDevice(name, files.get("state", ""), files, queues, engines)


def _queue(system: System, base: str, device: str, files: Mapping[str, str], found: re.Match[str]) -> RealQueue:
    dev = found[0]

    def text(name: str) -> str:
        return _text(f"{base}/{dev}/{name}")

    def number(name: str, default: int = 0) -> int:
        return _number(text(name), default)

    path = system.path(f"/dev/iax/{dev}")
    try:
        driver = os.path.basename(os.readlink(f"{base}/{dev}/driver"))
    except OSError:
        driver = ""
    return RealQueue(
        device=device,
        dev=dev,
        index=int(found[3]),
        path=path,
        state=text("state"),
        mode=text("mode"),
        size=number("size"),
        threshold=number("threshold"),
        group_id=number("group_id", -1),
        priority=number("priority"),
        type=text("type"),
        name=text("name"),
        driver_name=text("driver_name"),
        driver=driver,
        max_transfer_size=number("max_transfer_size"),
        block_on_fault=text("block_on_fault") == "1",
        exists=os.path.exists(path),
        accessible=os.access(path, os.R_OK | os.W_OK),
        numa_node=_number(files.get("numa_node", ""), -1),
        version=_number(files.get("version", ""), 0),
        iaa_cap=_number(files.get("iaa_cap", ""), 0),
        pasid_enabled=files.get("pasid_enabled") == "1",
    )
