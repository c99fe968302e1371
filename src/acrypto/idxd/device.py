"""A device that does not exist: Intel's analytics accelerator (IAA) in software, for machines without one.

It takes the same 64-byte descriptors through the same kind of queues and answers with the same records as the hardware,
so that a driver can be written, tested and measured against it, its failures included.
"""

from __future__ import annotations

from acrypto._core import IdxdDevice
from acrypto.idxd.descriptor import SIZE, CompletionRecord, Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from acrypto._core import IdxdMapping, IdxdQueue


class SoftDevice:
    """A soft device and its queues. A context manager that resets it at the end; any thread may use it.

    Made disabled; `enable` starts it and `enable_queue` gives what descriptors are stored to. Nothing of what a queue
    was asked for is written any more once `disable_queue`, `disable` or `reset` has returned.

    Args:
        name: as the system would call it.
        id: the number in that name, and in its queues' names.
        **capabilities: as of `acrypto._core.IdxdDevice`: `engines`, `groups`, `work_queues`, `max_work_queues_size`,
            `max_transfer`, `node`, `header_gen`, `state_len`, `pasid_enabled`, `block_on_fault`, `max_mappings`,
            `threads`.

    Raises:
        UsageError: a value is out of its limits.

    Example:
        with SoftDevice() as device:
            device.enable()
            queue = device.enable_queue(0, size=16)
    """

    __slots__ = ("native",)

    #: What can be tuned.
    KNOBS = IdxdDevice.KNOBS

    def __init__(self, name: str = "iax1", id: int = 1, **capabilities: Any) -> None:
        self.native = IdxdDevice(name=name, id=id, **capabilities)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.reset()

    def __repr__(self) -> str:
        state = "halted" if self.halted else "enabled" if self.enabled else "disabled"
        return f"<SoftDevice {self.name}: {state}>"

    @property
    def name(self) -> str:
        """As the system would call it."""
        return self.native.name

    @property
    def enabled(self) -> bool:
        """Whether it was started."""
        return self.native.enabled

    @property
    def halted(self) -> bool:
        """Whether it died and says so."""
        return self.native.halted

    def assign_engine(self, engine: int, group: int | None) -> None:
        """Puts an engine into a group or into none, while the device is disabled; all begin in group 0."""
        self.native.assign_engine(engine, group)

    def enable(self) -> None:
        """Starts it, with no queues yet. `UsageError` if it is enabled."""
        self.native.enable()

    def disable(self) -> None:
        """Lets its queues finish, disables them and stops."""
        self.native.disable()

    def reset(self) -> None:
        """Drops what is in flight, disables the queues and stops; the way back from whatever has happened to it."""
        self.native.reset()

    def enable_queue(self, index: int, **settings: Any) -> IdxdQueue:
        """Makes a queue of a disabled one.

        Args:
            index: which; its name will be `wq<id>.<index>`.
            **settings: `mode` ("dedicated" or "shared"), `size` in entries, `group`, `priority` (1 to 15: the share of
                service), `threshold` (entries at which a shared queue says "retry"), `block_on_fault`, `name`,
                `max_transfer` in bytes, `pasid`.

        Raises:
            UsageError: the device is not enabled, the queue is, or a value is out of its limits.
        """
        return self.native.enable_queue(index, **settings)

    def disable_queue(self, index: int, *, abort: bool = False) -> None:
        """Lets a queue finish, or drops what it has, and disables it. What is stuck or dead is dropped in any case."""
        self.native.disable_queue(index, abort=abort)

    def tune(self, **knobs: float) -> None:
        """Turns knobs while it runs.

        Args:
            **knobs: `compress_ns`, `decompress_ns` and `other_ns` (latencies), `bytes_per_second` (of each engine),
                `watchdog_ns` (what takes longer is given up), `fault_ns` (how long a missing page takes to come),
                `fault_timeout_ns` (how long it is waited for), `faults_stay` (1: it never comes). 0 turns each off:
                then everything is done as fast as this machine can.

        Raises:
            UsageError: an unknown knob, or a value below 0 or above 1e15.
        """
        for knob, value in knobs.items():
            self.native.tune(knob, value)

    def inject(
        self,
        kind: Literal["fail", "corrupt", "lose", "delay", "stick"],
        *,
        chance: float = 1.0,
        count: int | None = None,
        status: int = 0x20,
        delay_ns: int = 0,
    ) -> None:
        """Harms descriptors, beside what was injected before.

        Args:
            kind: `fail` ends them with `status`; `corrupt` flips a bit of what was made; `lose` does them and tells
                nobody; `delay` takes `delay_ns` longer; `stick` keeps an engine busy until a reset.
            chance: of each descriptor, 0 to 1, drawn by the seed of `calm`.
            count: how often at most; None for no limit.
            status: for `fail`; not 0.
            delay_ns: for `delay`.
        """
        self.native.inject(kind, chance=chance, count=count, status=status, delay_ns=delay_ns)

    def calm(self, seed: int = 0) -> None:
        """Ends all harm, and begins the lots of what is injected next at a seed."""
        self.native.calm(seed)

    def kill(self, how: Literal["dropped", "silent", "held"] = "dropped") -> None:
        """Dies. Stores go nowhere, nothing completes, until `revive` or `reset` and `enable`.

        Args:
            how: `dropped` forgets what is in flight; `held` does it after its revival; `silent` is held, too, and does
                not say that it is dead.
        """
        self.native.kill(how)

    def revive(self) -> None:
        """Lives again, its queues as they were."""
        self.native.revive()

    def set_present(self, mapping: IdxdMapping, present: bool) -> None:
        """Makes mapped memory fault as a missing page does, or no longer."""
        self.native.set_present(mapping.address, present)

    def take_error(self) -> dict[str, Any] | None:
        """The first error since the last call that no record could tell; None if there was none.

        Its `code` (as a status), `queue`, `opcode`, `address`, and whether others came after it, `overflowed`.
        """
        return self.native.take_error()

    def statistics(self) -> dict[str, list[dict[str, Any]]]:
        """Counts of the `queues` that are enabled and of the `engines`, since they were."""
        return self.native.statistics()


def run(queue: IdxdQueue, descriptor: Descriptor, record: memoryview) -> CompletionRecord:
    """Submits one descriptor and polls for its record, lending this thread to the model: for tests and first steps.

    Args:
        queue: dedicated, with an entry free, or shared.
        descriptor: with `Flag.CRAV | Flag.RCR` and the address of `record`.
        record: 64 bytes that are mapped writable, aligned to 32.

    Returns:
        The record. For ever, if the device never completes it.
    """
    record[0] = 0
    packed = descriptor.pack()
    if queue.info["mode"] == "dedicated":
        queue.store(packed)
    else:
        while not queue.enqueue(packed):
            queue.help()
    while record[0] == 0:
        queue.help()
    return CompletionRecord.unpack(record[:SIZE])
