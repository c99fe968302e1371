"""Views of a layer's state, as plain values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Device:
    """A device at one moment: its name, its state, its queue, its counters since it was opened.

    Attributes:
        name, number, engine: who it is; the number is its own, and never used again in this layer.
        state, why: up, suspect, trickle, quarantined, broken, draining or closed; and why, if there is more to say.
        workers: threads of ours that feed it.
        ready_ns: nanoseconds of work ahead of a newcomer, as far as that is known.
        queued, waiting: requests in its queue; and behind the queue's budget.
        operations, bytes, peak_bytes: what the budget holds now, running work included, and the most it ever held.
        max_operations, max_bytes, priorities: the budget; priorities that have a list of their own.
        submitted, started, completed, failed, finished, cancelled: units of work: given to it, begun, done and failed
            by its engine, ended here (their caller was told), and ended after their caller had gone.
        refused, bounced, duplicates: times the engine took less than offered; requests that might not wait and found no
            room; completions beyond the first, ignored.
        redone, spilled, moved: requests that went on elsewhere after failing here; that came since another was full;
            that left its queue for another's.
        lost, lied, lingering: completions that did not come; results found wrong; operations whose callers have gone
            and whose memory the engine has not let go of, now.
        inline, batch, queued_units: units by lane.
        bytes_in, bytes_out, busy_ns: what went through it and how long it worked.
        queue_ns, run_ns: how long requests waited and ran: [(from nanoseconds, how many)].
    """

    name: str
    number: int
    engine: str
    state: str
    why: str
    workers: int
    ready_ns: int
    queued: int
    waiting: int
    operations: int
    bytes: int
    peak_bytes: int
    priorities: int
    max_operations: int
    max_bytes: int
    submitted: int
    started: int
    completed: int
    failed: int
    finished: int
    cancelled: int
    refused: int
    bounced: int
    duplicates: int
    redone: int
    spilled: int
    moved: int
    lost: int
    lied: int
    lingering: int
    inline: int
    batch: int
    queued_units: int
    bytes_in: int
    bytes_out: int
    busy_ns: int
    queue_ns: list[tuple[int, int]]
    run_ns: list[tuple[int, int]]

    def __init__(self, facts: dict[str, Any]) -> None:
        self.__dict__.update(facts)

    def as_dict(self) -> dict[str, Any]:
        """The view as plain values."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        return f"<Device {self.name}: {self.state}, {self.operations} operations, {self.completed} completed>"


class RequestRow:
    """A request that is queued, at one moment.

    Attributes:
        number: its own as long as it is in flight.
        device, algorithm, direction: where it waits, and for what.
        priority, client: as it was submitted; the client as a number, 0 for nobody's in particular.
        is_waiting: whether it waits behind the queue's budget.
        bytes: what it takes of that budget.
    """

    __slots__ = ("algorithm", "bytes", "client", "device", "direction", "is_waiting", "number", "priority")

    def __init__(
        self,
        number: int,
        device: str,
        algorithm: str,
        direction: str,
        priority: int,
        client: int,
        is_waiting: bool,
        bytes: int,
    ) -> None:
        self.number = number
        self.device = device
        self.algorithm = algorithm
        self.direction = direction
        self.priority = priority
        self.client = client
        self.is_waiting = is_waiting
        self.bytes = bytes

    def __repr__(self) -> str:
        return f"<request {self.number}: {self.direction} {self.algorithm} on {self.device}, priority {self.priority}>"


class Statistics:
    """What a layer has done.

    Attributes:
        devices: by name, the counters and histograms that `Device` has.
        algorithms: one row for each device and algorithm: completed, failed, bytes_in, bytes_out, busy_ns.
        fallbacks: how often a request went where it would not have gone, by the reason.
        pool: idle_bytes, misses (times it had no memory to give), lingering (operations whose memory is pinned).
    """

    __slots__ = ("algorithms", "devices", "fallbacks", "pool")

    def __init__(
        self,
        devices: list[dict[str, Any]],
        algorithms: list[dict[str, Any]],
        fallbacks: dict[str, int],
        pool: dict[str, int],
    ) -> None:
        self.devices = {row["name"]: row for row in devices}
        self.algorithms = algorithms
        self.fallbacks = fallbacks
        self.pool = pool

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Explanation:
    """Where an operation would run, and why: told before, by the same rules that decide.

    Attributes:
        direction: `compress`, `decrypt` ...
        device, driver, lane: who would run it, and how.
        predicted_ns: the predicted run time; measured if this size was seen before, else scaled or a cautious guess.
        reason: why this device and this lane.
    """

    __slots__ = ("device", "direction", "driver", "lane", "predicted_ns", "reason")

    def __init__(self, direction: str, device: str, driver: str, lane: str, predicted_ns: int, reason: str) -> None:
        self.direction = direction
        self.device = device
        self.driver = driver
        self.lane = lane
        self.predicted_ns = predicted_ns
        self.reason = reason

    def __repr__(self) -> str:
        return f"<{self.direction}: {self.driver} on {self.device}, {self.lane} ({self.reason})>"
