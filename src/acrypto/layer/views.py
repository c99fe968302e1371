"""Views of a layer's state, as plain values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Device:
    """A device at one moment: its name, its state, its queue, its counters since it was opened.

    Attributes:
        name, engine, state: who it is; `state` is up, suspect, broken or closed.
        workers: threads of ours that feed it.
        queued, waiting: requests in its queue; and behind the queue's budget.
        operations, bytes, peak_bytes: what the budget holds now, running work included, and the most it ever held.
        max_operations, max_bytes: the budget.
        submitted, completed, failed, cancelled: units of work by how they ended.
        refused, duplicates: times the engine took less than offered; completions beyond the first, ignored.
        inline, batch, queued_units: units by lane.
        bytes_in, bytes_out, busy_ns: what went through it and how long it worked.
    """

    name: str
    engine: str
    state: str
    workers: int
    queued: int
    waiting: int
    operations: int
    bytes: int
    peak_bytes: int
    max_operations: int
    max_bytes: int
    submitted: int
    completed: int
    failed: int
    cancelled: int
    refused: int
    duplicates: int
    inline: int
    batch: int
    queued_units: int
    bytes_in: int
    bytes_out: int
    busy_ns: int

    def __init__(self, facts: dict[str, Any]) -> None:
        self.__dict__.update(facts)

    def as_dict(self) -> dict[str, Any]:
        """The view as plain values."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        return f"<Device {self.name}: {self.state}, {self.operations} operations, {self.completed} completed>"


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
