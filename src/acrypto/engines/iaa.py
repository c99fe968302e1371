"""Intel's In-Memory Analytics Accelerator: deflate by descriptors through work queues, as Linux's iaa_crypto does it.

The queues are real ones (character devices that the idxd kernel driver gives to programs) or those of soft devices on a
bus of `acrypto.idxd`: the driver cannot tell. It is the bus's driver `crypto`; queues are bound to it by name, and come
and go while requests are under way. docs/engines/iaa.md has the modes, the settings, and what differs from the kernel.
"""

from __future__ import annotations

import os

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.errors import AcryptoError, UsageError
from acrypto.model.offers import Absent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acrypto.idxd import Bus, RealQueue, WorkQueue

#: Where the kernel puts the queues that programs may open.
DEVICES = "/dev/iax"
MODES = ("sync", "async", "async_irq")


class Iaa(Engine):
    """The driver, as an engine. Its methods may be called from any thread.

    Algorithms: `deflate` by the drivers `deflate-iaa` (fixed codes) and `deflate-iaa-dynamic`, `deflate-canned` by
    `deflate-iaa-canned`, and `deflate-canned-by_N` for N = 1, 2, 4 ... 64. Levels other than 1 are left to others.

    Args:
        bus: a bus of soft devices, whose driver `crypto` this becomes when it is opened. None: the real queues of this
            machine if it has any; else the soft devices of the stored configuration (`acrypto config`), or one with the
            kernel's defaults.
        sync_mode: `sync`: the caller's thread waits for the device. `async`: completions are polled for. `async_irq`:
            the device interrupts.
        verify_compress: whether each compression is read back by the device, and its checksum compared.
        packages: None: CPUs are spread over devices by counting through the nodes. `(n, c, d)`: by package, where the
            last n queues of each device only compress (0: all do both), and c and d say whether a CPU uses all devices
            of its package to compress and to decompress, or only its own.

    Raises:
        UsageError: no such mode.
    """

    name = "iaa"
    needs = "a work queue: of a real device, or of a soft one (acrypto config)"
    library = "iaa"
    by_default = os.path.isdir(DEVICES)

    def __init__(
        self,
        *,
        bus: Bus | None = None,
        sync_mode: str = "sync",
        verify_compress: bool = True,
        packages: tuple[int, bool, bool] | None = None,
    ) -> None:
        if sync_mode not in MODES:
            raise UsageError(f"sync_mode is {sync_mode!r}; it must be one of {', '.join(MODES)}")
        self._bus = bus
        self._owns_bus = False
        self._is_closed = False
        self._driver = _core.IaaDriver(packages=packages)
        self._driver.set_sync_mode(sync_mode)
        self._driver.set_verify_compress(bool(verify_compress))
        self._crypto = Crypto(self._driver)
        self._native: _core.Engine | None = None
        self._why = ""

    @property
    def bus(self) -> Bus | None:
        """The bus whose driver this is; None over real queues, or before it was opened."""
        return self._bus

    @property
    def driver(self) -> _core.IaaDriver:
        """The driver itself: tables, statistics, single requests with the kernel's numbers."""
        return self._driver

    def probe(self) -> Absent | None:
        """Binds the queues that there are; absent until the first one is bound, and once it was closed."""
        if self._is_closed:
            return Absent("this instance was closed; make another")
        if not self._driver.registered:
            try:
                self._bind()
            except (AcryptoError, OSError) as error:
                return Absent(f"the work queues cannot be set up: {error}")
        if not self._driver.registered:
            return Absent(self._why or "no work queue is bound to the driver crypto")
        return None

    def native(self) -> _core.Engine:
        """The core's form: the same one each time."""
        self.probe()
        if self._native is None:
            self._native = _core.Engine.iaa(self._driver)
        return self._native

    def global_stats(self) -> str:
        """The kernel's `global_stats`, with its names."""
        return self._driver.global_stats()

    def wq_stats(self) -> str:
        """The kernel's `wq_stats`: each device and its queues."""
        return self._driver.wq_stats()

    def reset_stats(self) -> None:
        """Sets all statistics to 0."""
        self._driver.reset_stats()

    def tune(self, knob: str, value: float) -> None:
        """Turns a knob: after how many looks in vain (`poll_limit`), and milliseconds (`poll_ms`), a device is stuck.

        Raises:
            UsageError: there is no such knob, or the value is outside its limits, which are told.
        """
        self.native().tune(knob, value)

    def health(self) -> str | None:
        """Why nothing can be done now: no queue is enabled, or a device is stuck."""
        if self._driver.revive():
            return None
        return self._driver.trouble or "no work queue is enabled"

    def revive(self) -> bool:
        """Takes up the queues whose devices answer again; whether there are any."""
        return self._driver.revive()

    def close(self) -> None:
        """Gives the queues back. This instance binds none any more."""
        self._is_closed = True
        if self._bus is None:
            for (device, queue), *_counts in self._driver.in_flight():
                self._driver.unbind(device, queue)
            return
        self._bus.unregister(self._crypto)
        if self._owns_bus:
            self._bus.close()

    def _bind(self) -> None:
        if self._bus is None and os.path.isdir(DEVICES):
            self._bind_real()
            return
        from acrypto.idxd import open_bus

        if self._bus is None:
            self._bus, self._owns_bus = open_bus(), True
        if "crypto" not in self._bus.list("drivers"):
            self._bus.register(self._crypto)

    def _bind_real(self) -> None:
        from acrypto.idxd import discover

        found = discover()
        refused = []
        for queue in found.queues:
            try:
                self._driver.bind(open_queue(queue))
            except OSError as error:
                refused.append(f"{queue.dev} ({error.strerror})")
        told = f"refused: {', '.join(refused)}" if refused else "none is enabled, of type user, and ours to open"
        self._why = f"no work queue can be used ({told}); `acrypto doctor` tells why"


def open_queue(queue: RealQueue) -> _core.IdxdQueue:
    """Opens a real queue that was found.

    Raises:
        OSError: the kernel refuses, or the CPU has no instruction to submit to it.
    """
    from acrypto.idxd.backing import STATE_LENGTHS
    from acrypto.idxd.state import IAA_CAP_AECS_FORMAT_2, IAA_CAP_HEADER_GEN

    return _core.IdxdQueue.open(
        queue.path,
        device=queue.device,
        device_id=int(queue.device.removeprefix("iax") or 0),
        queue=queue.dev,
        queue_id=queue.index,
        name=queue.name,
        shared=queue.mode == "shared",
        size=queue.size,
        node=queue.numa_node,
        max_transfer=queue.max_transfer_size,
        header_gen=bool(queue.iaa_cap & IAA_CAP_HEADER_GEN),
        state_len=STATE_LENGTHS[bool(queue.iaa_cap & IAA_CAP_AECS_FORMAT_2)],
    )


class Crypto:
    """The driver `crypto` as the bus sees it."""

    name = "crypto"

    def __init__(self, driver: _core.IaaDriver) -> None:
        self._driver = driver

    @property
    def attributes(self) -> Mapping[str, tuple[Callable[[], str], Callable[[str], None] | None]]:
        """`verify_compress` and `sync_mode`: -EBUSY while a queue is bound, -EINVAL for what they cannot be."""
        return {
            "verify_compress": (lambda: str(int(self._driver.verify_compress)), self._set_verify),
            "sync_mode": (lambda: self._driver.sync_mode, self._set_mode),
        }

    def probe(self, queue: WorkQueue) -> None:
        """Takes a queue; the first enables the driver."""
        was_enabled = self._driver.enabled
        _refusing(self._driver.bind, queue.native)
        queue.private = self
        if not was_enabled:
            _log("iaa_crypto now ENABLED")

    def remove(self, queue: WorkQueue) -> None:
        """Gives a queue back; without the last one the driver is disabled."""
        queue.private = None
        _refusing(self._driver.unbind, queue.device_number, queue.index)
        if not self._driver.enabled:
            _log("iaa_crypto now DISABLED")

    def _set_verify(self, text: str) -> None:
        from acrypto.idxd.numbers import boolean

        _refusing(self._driver.set_verify_compress, boolean(text, "verify_compress"))

    def _set_mode(self, text: str) -> None:
        _refusing(self._driver.set_sync_mode, text.strip())


def _refusing(call: Callable[..., None], *arguments: object) -> None:
    """Calls the core, whose refusals are the bus's."""
    try:
        call(*arguments)
    except OSError as error:
        from acrypto.idxd import BusError

        raise BusError(error.errno or 0, error.strerror or str(error)) from None


def _log(message: str) -> None:
    import logging

    logging.getLogger("acrypto").info(message)
