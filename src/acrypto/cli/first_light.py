"""Whether work queues work at all: what `acrypto doctor` tries on every real one, and on soft ones if asked."""

from __future__ import annotations

import errno

from acrypto.engines.iaa import open_queue
from acrypto.idxd import open_bus
from acrypto.idxd.queue import Plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from acrypto._core import IdxdQueue
    from acrypto.idxd import Bus, RealQueue

    #: Which queue, what went wrong (empty: nothing), and why it was not tried (empty: it was).
    Verdict = tuple[str, str, str]


def real(queues: Iterable[RealQueue], opened: Callable[[RealQueue], IdxdQueue] = open_queue) -> Iterator[Verdict]:
    """Submits a NOOP, and a page there and back, to each queue, and gives it back at once.

    Args:
        queues: those that programs may open.
        opened: opens one; raises OSError if it cannot be.
    """
    for queue in queues:
        name = f"{queue.device}/{queue.dev}"
        try:
            yield name, opened(queue).first_light() or "", ""
        except OSError as error:
            why = error.strerror or str(error)
            # A dedicated queue has one owner: that another program has it is no fault of its own.
            yield (name, "", "another program has it") if error.errno == errno.EBUSY else (name, why, "")


def soft() -> list[Verdict]:
    """The same with every queue that is configured of the soft devices: the stored ones, or the default one.

    Raises:
        CorruptInput: the stored configuration would not be taken.
        OSError: it cannot be read.
    """
    bus = open_bus()
    try:
        return trial(bus)
    finally:
        bus.close()


def trial(bus: Bus) -> list[Verdict]:
    """Has the queues of a bus that wait for the driver `crypto` bound for a moment, and tries all that are bound.

    Raises:
        BusError: EBUSY, there is such a driver on the bus.
    """
    driver = Plain("crypto", "kernel")
    bus.register(driver)
    try:
        queues = [bus.queue(name) for name in bus.list("devices") if name.startswith("wq")]
        bound = [queue for queue in queues if queue.native is not None]
        return [(f"{queue.device}/{queue.dev}", queue.native.first_light() or "", "") for queue in bound]
    finally:
        bus.unregister(driver)
