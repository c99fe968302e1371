"""A tree of soft devices, with the names, rules and refusals of the kernel's /sys/bus/dsa."""

from __future__ import annotations

import errno
import logging
import threading

from acrypto.idxd import rules
from acrypto.idxd.attributes import DEVICE, Attribute
from acrypto.idxd.backing import Model
from acrypto.idxd.errors import BusError
from acrypto.idxd.node import Node
from acrypto.idxd.numbers import shown, word
from acrypto.idxd.queue import Nothing, Plain, WorkQueue
from acrypto.idxd.state import Capabilities, Device, Queue
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.idxd.queue import Backing, Driver
    from acrypto.idxd.state import Engine, Group

    Part = Device | Queue | Engine | Group
    Names = list[str]

log = logging.getLogger("acrypto")

ROOT = "/sys/bus/dsa/"
#: The driver of devices, and what it has besides `bind` and `unbind`.
IDXD = "idxd"


class Bus:
    """Soft devices, their work queues, engines and groups, and the drivers that use the queues.

    Everything is done through files, as with the kernel: `read`, `write` and `list` take a path below `/sys/bus/dsa`,
    with or without that in front. `devices/iax1/wq1.0/size` and `devices/wq1.0/size` are the same file. A text that is
    written may end with a newline; one that is read has none.

    Safe to use from many threads; one lock covers the devices. Drivers are called under it (see `Driver`), their own
    files are read and written without it.

    Args:
        backing: makes what runs a device when the device is added. If not given that is the core's software model
            (`Model`), and nothing for a DSA device.
    """

    def __init__(self, backing: Callable[[Device], Backing] | None = None) -> None:
        self._make = backing or _run
        self._lock = threading.RLock()
        self._nodes: dict[str, Node] = {}
        self._drivers: dict[str, Driver] = {
            "user": Plain("user", "user"),
            "dmaengine": Plain("dmaengine", "kernel"),
        }

    # ---- devices and drivers come and go

    def add_device(
        self,
        name: str,
        capabilities: Capabilities | None = None,
        backing: Callable[[Device], Backing] | None = None,
    ) -> None:
        """Adds a device, disabled and, if it is configurable, not configured.

        Args:
            name: `iaxN` or `dsaN`; no two devices may have the same N.
            capabilities: what it can do; those of an IAX device if not given.
            backing: makes what runs it; what the bus has for that if not given.

        Raises:
            UsageError: no such name, it is taken, or it does not go with the capabilities.
        """
        capabilities = capabilities or Capabilities()
        number = name.removeprefix(capabilities.kind)
        if number == name or not (number.isascii() and number.isdigit()) or len(number) > 4:
            raise UsageError(f"{name!r} is no name for a device of kind {capabilities.kind!r}: {capabilities.kind}1")
        device = Device(name, int(number), capabilities)
        if not capabilities.configurable:
            rules.load_fixed(device)
        with self._lock:
            if taken := next((node for node in self._nodes.values() if node.device.number == device.number), None):
                raise UsageError(f"{name} cannot be added beside {taken.device.name}")
            self._nodes[name] = Node(device, (backing or self._make)(device))

    def remove_device(self, name: str) -> None:
        """Takes a device away, disabling it first.

        Raises:
            BusError: ENODEV, there is none of that name.
        """
        with self._lock:
            node = self._node(name)
            if node.device.state != "disabled":
                node.disable()
            del self._nodes[name]

    def register(self, driver: Driver) -> None:
        """Adds a driver, and offers it every queue that has its name and is not taken, as the kernel does.

        A refusal of one of them is logged, and changes nothing for the others.

        Raises:
            BusError: EBUSY, there is a driver of that name.
        """
        with self._lock:
            if driver.name in self._drivers or driver.name == IDXD:
                raise BusError(errno.EBUSY, f"there is a driver called {driver.name}")
            self._drivers[driver.name] = driver
            for node in list(self._nodes.values()):
                node.refresh()
                for queue in node.device.queues if node.device.enabled else ():
                    if queue.driver_name == driver.name and not queue.enabled:
                        try:
                            node.bind(driver, queue)
                        except BusError as error:
                            log.warning("%s is not bound to %s: %s", node.queues[queue.index].dev, driver.name, error)

    def unregister(self, driver: Driver) -> None:
        """Takes a driver away, after its queues."""
        with self._lock:
            if self._drivers.get(driver.name) is not driver:
                return
            for node in list(self._nodes.values()):
                for index in [index for index, bound in node.drivers.items() if bound is driver]:
                    node.unbind(node.device.queues[index])
            del self._drivers[driver.name]

    def close(self) -> None:
        """Disables everything."""
        with self._lock:
            for node in self._nodes.values():
                # Queues first: who disables a device with active ones is warned.
                for index in list(node.drivers):
                    node.unbind(node.device.queues[index])
                if node.device.state != "disabled":
                    node.disable()

    # ---- the tree

    def list(self, path: str = "") -> Names:
        """The names in a folder.

        Raises:
            BusError: ENOENT, there is no such folder; ENOTDIR, it is a file.
        """
        with self._lock:
            found = self._folder(_steps(path))
        if found is None:
            raise BusError(errno.ENOTDIR, f"{path} is a file")
        return found

    def read(self, path: str) -> str:
        """The text of a file, without the newline.

        Raises:
            BusError: ENOENT, EISDIR, EACCES (it can only be written), or what the file itself refuses.
        """
        steps = _steps(path)
        if steps[:1] == ["drivers"]:
            return self._driver_file(path, steps)[0]()
        with self._lock:
            node, part, attribute = self._file(path, steps)
            return attribute.show(node.device, part)

    def write(self, path: str, text: str) -> None:
        """Writes a text to a file.

        Raises:
            BusError: ENOENT, EISDIR, EACCES (it can only be read), or what the rules refuse; `devices/DEV/cmd_status`
                tells more after some of them.
        """
        steps = _steps(path)
        if steps[:1] == ["drivers"]:
            store = self._driver_file(path, steps)[1]
            if store is None:
                raise BusError(errno.EACCES, f"{path} can only be read")
            store(text)
            return
        with self._lock:
            node, part, attribute = self._file(path, steps)
            if attribute.store is None:
                raise BusError(errno.EACCES, f"{path} can only be read")
            attribute.store(node.device, part, text)

    # ---- for people and programs

    def devices(self) -> Names:
        """The names of all devices."""
        with self._lock:
            return list(self._nodes)

    def enable(self, dev: str) -> None:
        """Enables a device, or a queue for the driver of its `driver_name`, else of its type, as accel-config does.

        Raises:
            BusError: what binding refuses; ENXIO, the queue has no type; ENODEV, there is no such driver or device.
        """
        with self._lock:
            if dev in self._nodes:
                self.write(f"drivers/{IDXD}/bind", dev)
                return
            _node, queue = self._queue(dev)
            if queue.type == "none":
                raise BusError(errno.ENXIO, f"{dev} has no type")
            driver = queue.driver_name or ("user" if queue.type == "user" else "dmaengine")
            if driver not in self._drivers:
                raise BusError(errno.ENODEV, f"{dev} is for the driver {shown(driver)}, which is not there")
            self.write(f"drivers/{driver}/bind", dev)

    def disable(self, dev: str) -> None:
        """Disables a device with its queues, or a queue.

        Raises:
            BusError: ENODEV, there is none of that name, or it is not enabled.
        """
        with self._lock:
            driver = self.driver(dev)
            if driver is None:
                raise BusError(errno.ENODEV, f"{dev} is not enabled")
            self.write(f"drivers/{driver}/unbind", dev)

    def driver(self, dev: str) -> str | None:
        """The driver that a device or a queue is bound to.

        Raises:
            BusError: ENODEV, there is none of that name.
        """
        with self._lock:
            if dev in self._nodes:
                return None if self._nodes[dev].device.state == "disabled" else IDXD
            node, queue = self._queue(dev)
            bound = node.drivers.get(queue.index)
            return None if bound is None else bound.name

    def queue(self, dev: str) -> WorkQueue:
        """A queue by its name, whoever has it.

        Raises:
            BusError: ENODEV, there is none of that name.
        """
        with self._lock:
            node, queue = self._queue(dev)
            return node.queues[queue.index]

    def backing(self, name: str) -> Backing:
        """What runs a device: a `Model`, for its knobs, faults and statistics, unless the bus was given something else.

        Raises:
            BusError: ENODEV, there is none of that name.
        """
        with self._lock:
            return self._node(name).backing

    def configure_defaults(self, name: str) -> bool:
        """See `acrypto.idxd.configure_defaults`."""
        with self._lock:
            return rules.load_defaults(self._node(name).device)

    # ---- finding things

    def _node(self, name: str) -> Node:
        node = self._nodes.get(name)
        if node is None:
            raise BusError(errno.ENODEV, f"there is no device called {shown(name)}")
        node.refresh()
        return node

    def _queue(self, dev: str) -> tuple[Node, Queue]:
        for node in self._nodes.values():
            for name, part, _files in node.parts():
                if name == dev and isinstance(part, Queue):
                    node.refresh()
                    return node, part
        raise BusError(errno.ENODEV, f"there is no work queue called {shown(dev)}")

    def _place(self, steps: Names) -> tuple[Node, Part, dict[str, Attribute], Names] | None:
        """The device or part that the path behind `devices/` leads to, its files, and the steps that are left."""
        first, rest = steps[0], steps[1:]
        for node in self._nodes.values():
            if node.device.name == first:
                if rest:
                    for name, part, files in node.parts():
                        if name == rest[0]:
                            return node, part, files, rest[1:]
                return node, node.device, DEVICE, rest
            for name, part, files in node.parts():
                if name == first:
                    return node, part, files, rest
        return None

    def _folder(self, steps: Names) -> Names | None:
        if not steps:
            return ["devices", "drivers"]
        if steps == ["devices"]:
            parts = [name for node in self._nodes.values() for name, _part, _files in node.parts()]
            return [*self._nodes, *parts]
        if steps[0] == "drivers":
            names = [IDXD, *self._drivers]
            if len(steps) == 1:
                return names
            if steps[1] in names:
                own = [] if steps[1] == IDXD else list(self._drivers[steps[1]].attributes)
                folder = [*own, "bind", "unbind", *self._bound(steps[1])]
                if len(steps) == 2:
                    return folder
                if len(steps) == 3 and steps[2] in folder:
                    return None
        elif steps[0] == "devices" and (place := self._place(steps[1:])):
            node, part, files, rest = place
            seen = [name for name, attribute in files.items() if attribute.visible(node.device.capabilities)]
            if not rest:
                return [*seen, *(name for name, _part, _files in node.parts() if part is node.device)]
            if len(rest) == 1 and rest[0] in seen:
                return None
        raise BusError(errno.ENOENT, f"there is no {'/'.join(steps)}")

    def _bound(self, driver: str) -> Names:
        if driver == IDXD:
            return [name for name, node in self._nodes.items() if node.device.state != "disabled"]
        return [
            node.queues[index].dev
            for node in self._nodes.values()
            for index, bound in node.drivers.items()
            if bound.name == driver
        ]

    def _file(self, path: str, steps: Names) -> tuple[Node, Part, Attribute]:
        if self._folder(steps) is not None:
            raise BusError(errno.EISDIR, f"{path} is a folder")
        place = self._place(steps[1:])
        if place is None:
            raise BusError(errno.ENOENT, f"there is no {path}")
        node, part, files, rest = place
        node.refresh()
        return node, part, files[rest[0]]

    def _driver_file(self, path: str, steps: Names) -> tuple[Callable[[], str], Callable[[str], None] | None]:
        with self._lock:
            if self._folder(steps) is not None:
                raise BusError(errno.EISDIR, f"{path} is a folder")
            driver = self._drivers.get(steps[1])

        def refuse() -> str:
            raise BusError(errno.EACCES, f"{path} can only be written")

        if steps[2] == "bind":
            return refuse, lambda text: self._bind(driver, word(text))
        if steps[2] == "unbind":
            return refuse, lambda text: self._unbind(driver, word(text))
        if driver is not None and steps[2] in driver.attributes:
            return driver.attributes[steps[2]]
        raise BusError(errno.EISDIR, f"{path} is a folder")  # what is bound: a link to it

    # ---- binding

    def _bind(self, driver: Driver | None, dev: str) -> None:
        with self._lock:
            if driver is None:
                self._node(dev).enable()
            else:
                node, queue = self._queue(dev)
                node.bind(driver, queue)

    def _unbind(self, driver: Driver | None, dev: str) -> None:
        with self._lock:
            name = IDXD if driver is None else driver.name
            if self.driver(dev) != name:
                raise BusError(errno.ENODEV, f"{dev} is not bound to {name}")
            if driver is None:
                self._node(dev).disable()
            else:
                node, queue = self._queue(dev)
                node.unbind(queue)


def _run(device: Device) -> Backing:
    return Model(device) if device.capabilities.is_iax else Nothing()


def _steps(path: str) -> Names:
    return [step for step in path.removeprefix(ROOT).split("/") if step]


def configure_defaults(bus: Bus, device: str) -> bool:
    """Configures a device as the kernel does when it finds it: one dedicated queue with all entries, one engine.

    The queue is `wqN.0`: type kernel, priority 10, group 0, name `iaa_crypto`, driver_name `crypto`; the engine is
    `engineN.0`. Neither is enabled by this.

    Args:
        bus: where the device is.
        device: its name.

    Returns:
        Whether that was done: a device that is not configurable is left as it is.

    Raises:
        BusError: EPERM, the queue is enabled; EINVAL, other queues have entries; ENODEV, there is no such device.
    """
    return bus.configure_defaults(device)
