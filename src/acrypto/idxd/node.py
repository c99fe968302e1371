"""One device of the bus, with what runs it and who has its queues: enabling, binding, and back.

Nothing in here takes a lock: the bus holds its own.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import replace

from acrypto.idxd import rules, status
from acrypto.idxd.attributes import ENGINE, GROUP, QUEUE, Attribute
from acrypto.idxd.errors import BusError
from acrypto.idxd.queue import WorkQueue
from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.idxd.queue import Backing, Driver
    from acrypto.idxd.state import Device, Engine, Group, Queue

    Part = Device | Queue | Engine | Group

log = logging.getLogger("acrypto")


class Node:
    """One device of the tree, with what runs it and who has its queues."""

    def __init__(self, device: Device, backing: Backing) -> None:
        self.device = device
        self.backing = backing
        self.queues = [WorkQueue(device, queue.index) for queue in device.queues]
        self.drivers: dict[int, Driver] = {}

    def refresh(self) -> None:
        """Sees whether the device has died, or lives again."""
        if self.device.state != "disabled":
            self.device.state = "halted" if self.backing.halted else "enabled"

    def parts(self) -> Iterator[tuple[str, Part, dict[str, Attribute]]]:
        """Queues, engines and groups: their names, their settings, their files."""
        number = self.device.number
        for queue in self.device.queues:
            yield f"wq{number}.{queue.index}", queue, QUEUE
        for engine in self.device.engines:
            yield f"engine{number}.{engine.index}", engine, ENGINE
        for group in self.device.groups:
            yield f"group{number}.{group.index}", group, GROUP

    def enable(self) -> None:
        """Enables the device.

        Raises:
            BusError: EBUSY, it is; ENXIO, `rules.check_enable_device` refuses, or it does not start.
        """
        device = self.device
        if device.enabled:
            device.command_status = status.DEV_ENABLED
            raise BusError(errno.EBUSY, f"{device.name} is enabled already", status.DEV_ENABLED)
        rules.check_enable_device(device)
        try:
            self.backing.enable(device)
        except (AcryptoError, OSError, ValueError) as error:
            raise BusError(errno.ENXIO, f"{device.name} cannot be started: {error}") from error
        for group in device.groups:
            group.traffic_class_a = max(group.traffic_class_a, 0)
            group.traffic_class_b = 1 if group.traffic_class_b < 0 else group.traffic_class_b
        device.state = "enabled"
        device.command_status = 0

    def disable(self) -> None:
        """Disables the device, after its queues; a configurable one forgets how it was configured."""
        device = self.device
        for queue in device.queues:
            if queue.enabled:
                log.warning("Active wq %d on disable wq%d.%d.", queue.index, device.number, queue.index)
                self.unbind(queue)
        self.backing.disable()
        if device.capabilities.configurable:
            device.forget()
        device.state = "disabled"
        device.command_status = 0

    def bind(self, driver: Driver, queue: Queue) -> None:
        """Enables a queue for a driver, and hands it over.

        Raises:
            BusError: EBUSY, it is enabled; what `rules.check_probe`, `rules.check_enable_queue` or the driver refuse.
        """
        device, held = self.device, self.queues[queue.index]
        if queue.enabled:
            device.command_status = status.WQ_ENABLED
            raise BusError(errno.EBUSY, f"{held.dev} is enabled already", status.WQ_ENABLED)
        kinds = getattr(driver, "kinds", ("iax",))
        rules.check_probe(device, queue, driver.name, kinds, taken=held.private is not None)
        before, queue.type = queue.type, getattr(driver, "queue_type", "kernel")
        try:
            self._start(queue, exact=driver.name != "crypto")
        except BaseException:
            queue.type = before
            raise
        queue.enabled = True
        held.settings = replace(queue)
        try:
            driver.probe(held)
        except BaseException:
            self.backing.disable_queue(queue)
            queue.enabled, queue.type = False, before
            held.settings = held.native = None
            raise
        self.drivers[queue.index] = driver
        device.command_status = 0

    def _start(self, queue: Queue, *, exact: bool) -> None:
        try:
            rules.check_enable_queue(self.device, queue)
            try:
                self.queues[queue.index].native = self.backing.enable_queue(self.device, queue)
            except (AcryptoError, OSError, ValueError) as error:
                self.device.command_status = status.WQ_PORTAL_ERR
                message = f"wq{self.device.number}.{queue.index} cannot be enabled: {error}"
                raise BusError(errno.ENOMEM, message, status.WQ_PORTAL_ERR) from error
        except BusError as error:
            if exact:
                raise
            # The kernel's driver tells one number for whatever a queue lacks; the command status tells the rest.
            raise BusError(errno.ENXIO, error.message, error.command_status) from error

    def unbind(self, queue: Queue) -> None:
        """Takes a queue from its driver, and disables it."""
        driver, held = self.drivers.pop(queue.index), self.queues[queue.index]
        try:
            driver.remove(held)
        finally:
            self.backing.disable_queue(queue)
            queue.forget(self.device.capabilities)
            held.settings = held.native = None
