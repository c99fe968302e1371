"""What the bus hands to drivers, and what it asks of them and of what stands behind a device."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from acrypto.idxd.state import Capabilities, Device, Queue


class WorkQueue:
    """One work queue of a device, for as long as the device is there.

    Attributes:
        dev: its name, `"wq1.0"`.
        device: its device's name, `"iax1"`.
        device_number, index: the numbers in that name.
        capabilities: of the device.
        settings: how it was configured when it was enabled; None if it is not enabled. A copy: do not change it.
        native: what descriptors are stored to, an `IdxdQueue` of the core; None if it is not enabled.
        private: the driver's own; it may be set and cleared at any time. While it is set no driver is given the queue.
    """

    __slots__ = ("capabilities", "dev", "device", "device_number", "index", "native", "private", "settings")

    def __init__(self, device: Device, index: int) -> None:
        self.dev = f"wq{device.number}.{index}"
        self.device = device.name
        self.device_number = device.number
        self.index = index
        self.capabilities: Capabilities = device.capabilities
        self.settings: Queue | None = None
        self.native: Any = None
        self.private: object | None = None

    def __repr__(self) -> str:
        told = "disabled" if self.settings is None else f"{self.settings.mode}, {self.settings.size} entries"
        return f"<WorkQueue {self.device}/{self.dev}: {told}>"


class Driver(Protocol):
    """A driver of work queues.

    A driver may also have `kinds`, the kinds of device that it knows (`("iax",)` if it does not say), and `queue_type`,
    what a queue's `type` becomes when it is bound (`"kernel"`).
    """

    @property
    def name(self) -> str:
        """The folder under `drivers`, and what a queue's `driver_name` must say."""

    @property
    def attributes(self) -> Mapping[str, tuple[Callable[[], str], Callable[[str], None] | None]]:
        """The driver's own files: what reads one and, if it may be written, what writes it.

        Both are called without any lock, from whichever thread uses the file; they raise `BusError` to refuse.
        """

    def probe(self, queue: WorkQueue) -> None:
        """Takes a queue that was enabled for it; `BusError` refuses it, and it is disabled again.

        Called under the lock of the bus, as is `remove`: it may use the bus from this thread, and must not wait for
        another thread that does.
        """

    def remove(self, queue: WorkQueue) -> None:
        """Gives a queue back. When this returns the queue is disabled; what is in it ends as the device has it."""


class Backing(Protocol):
    """What runs a device: the core's software model, or nothing. Called under the lock of the bus."""

    @property
    def halted(self) -> bool:
        """Whether the device has died; enabling it anew revives it."""

    def enable(self, device: Device) -> None:
        """Starts the device as it is configured."""

    def disable(self) -> None:
        """Stops it; no queue is enabled any more."""

    def enable_queue(self, device: Device, queue: Queue) -> object:
        """Enables a queue; what descriptors are stored to. An error of ours, `OSError` or `ValueError` if it cannot."""

    def disable_queue(self, queue: Queue) -> None:
        """Disables a queue; what was in it is dropped."""


class Nothing:
    """Stands behind a device that only its tree matters of: every queue can be enabled, and none does anything."""

    halted = False

    def enable(self, device: Device) -> None:
        """Nothing to start."""

    def disable(self) -> None:
        """Nothing to stop."""

    def enable_queue(self, _device: Device, _queue: Queue) -> object:
        """A queue without anything behind it."""
        return None

    def disable_queue(self, queue: Queue) -> None:
        """Nothing to disable."""


class Plain:
    """A driver that only holds its queues: `user`, whose queues programs open, and the kernel's `dmaengine`."""

    kinds = ("iax", "dsa")
    attributes: Mapping[str, tuple[Callable[[], str], Callable[[str], None] | None]] = {}

    def __init__(self, name: str, queue_type: str) -> None:
        self.name = name
        self.queue_type = queue_type

    def probe(self, queue: WorkQueue) -> None:
        """Takes every queue."""

    def remove(self, queue: WorkQueue) -> None:
        """Gives it back."""
