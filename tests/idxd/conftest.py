"""Buses to try rules on, and what stands where the core's model and a driver would."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from acrypto.idxd import Bus, BusError, WorkQueue
from acrypto.idxd.state import Device, Queue

IAX = "devices/iax1"
WQ = "devices/wq1.0"


@dataclass
class Recorder:
    """Stands behind a device and remembers what it was told."""

    told: list[str] = field(default_factory=list)
    halted: bool = False
    broken: Exception | None = None

    def enable(self, device: Device) -> None:
        if self.broken:
            raise self.broken
        self.halted = False
        self.told.append(f"enable {device.name}")

    def disable(self) -> None:
        self.told.append("disable")

    def enable_queue(self, _device: Device, queue: Queue) -> object:
        if self.broken:
            raise self.broken
        self.told.append(f"enable wq {queue.index} of {queue.size}")
        return f"portal {queue.index}"

    def disable_queue(self, queue: Queue) -> None:
        self.told.append(f"disable wq {queue.index}")


class Crypto:
    """The driver as the bus sees it: what it has, and attributes that are locked while it has something."""

    name = "crypto"

    def __init__(self) -> None:
        self.queues: list[WorkQueue] = []
        self.refusal: BusError | None = None
        self.verify = True
        self.mode = "sync"

    @property
    def attributes(self) -> Mapping[str, tuple[Callable[[], str], Callable[[str], None] | None]]:
        return {
            "verify_compress": (lambda: str(int(self.verify)), self.set_verify),
            "sync_mode": (lambda: self.mode, self.set_mode),
            "version": (lambda: "1", None),
        }

    def probe(self, queue: WorkQueue) -> None:
        if self.refusal:
            raise self.refusal
        assert queue.native is not None
        self.queues.append(queue)

    def remove(self, queue: WorkQueue) -> None:
        assert queue.native is not None
        self.queues.remove(queue)

    def set_verify(self, text: str) -> None:
        self.check_free()
        if text.strip() not in {"0", "1"}:
            raise BusError(errno.EINVAL, f"verify_compress is {text!r}; it is 0 or 1")
        self.verify = text.strip() == "1"

    def set_mode(self, text: str) -> None:
        self.check_free()
        if text.strip() not in {"sync", "async", "async_irq"}:
            raise BusError(errno.EINVAL, f"sync_mode is {text!r}; it is sync, async or async_irq")
        self.mode = text.strip()

    def check_free(self) -> None:
        if self.queues:
            raise BusError(errno.EBUSY, "the driver is enabled")


@pytest.fixture
def backing() -> Recorder:
    return Recorder()


@pytest.fixture
def bus(backing: Recorder) -> Bus:
    """A bus with one device, `iax1`, that nobody has configured."""
    made = Bus(lambda _device: backing)
    made.add_device("iax1")
    return made


@pytest.fixture
def crypto() -> Crypto:
    return Crypto()


def setup(bus: Bus, queue: str = "wq1.0", **settings: object) -> None:
    """Configures a queue that could be enabled, and an engine; a setting of None is left as it is."""
    given = {
        "mode": "dedicated",
        "type": "kernel",
        "size": 16,
        "group_id": 0,
        "priority": 10,
        "name": "test",
        "driver_name": "crypto",
    } | settings
    for name, value in given.items():
        if value is not None:
            bus.write(f"devices/{queue}/{name}", f"{value}\n")
    number = queue[2:].split(".", maxsplit=1)[0]
    bus.write(f"devices/engine{number}.0/group_id", "0")


def refused(number: int, call: Callable[..., object], *arguments: object, status: int = 0) -> BusError:
    """What a call is refused with, which is the error of that number and that command status."""
    with pytest.raises(BusError) as caught:
        call(*arguments)
    assert (caught.value.name, caught.value.command_status) == (errno.errorcode[number], status)
    assert caught.value.errno == number
    return caught.value


def enabled(bus: Bus, **settings: object) -> None:
    """A device that is enabled, with a queue that can be."""
    setup(bus, **settings)
    bus.enable("iax1")


def cmd_status(bus: Bus) -> int:
    return int(bus.read(f"{IAX}/cmd_status"), 16)
