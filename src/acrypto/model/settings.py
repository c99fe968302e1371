"""Settings of a layer, with defaults and their reasons."""

from __future__ import annotations

import os

from acrypto.model.errors import UsageError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
#: Larger numbers mean nothing in any unit here.
MOST = 1 << 50
#: Settings that may have a fraction.
FRACTIONS = frozenset(
    {"aging_ms", "gather_us", "health_s", "inline_us", "lost_after", "probation", "quarantine_factor", "spin_us"}
)
#: Settings that are numbers, and the least that each may be.
NUMBERS = {
    "workers": 1,
    "inline_us": 0,
    "max_output": 0,
    "queue_operations": 1,
    "queue_bytes": 1,
    "pool_bytes": 0,
    "spin_us": 0,
    "gather_us": 0,
    "burst": 1,
    "lost_after": 0.001,
    "aging_ms": 0,
    "attempts": 1,
    "crosscheck": 0,
    "quarantine_errors": 0,
    "quarantine_factor": 0,
    "probation": 0.001,
    "trickle": 0,
    "health_s": 0,
}
#: Settings where zero means none, and what is above it begins later.
LEAST_IF_ANY = {"quarantine_factor": 1}


def cpus() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


class Settings:
    """How a layer is opened. Immutable by convention; every value is checked once, here.

    Args:
        workers: threads per device; by default as many as this process has CPUs.
        inline_us: work predicted below this many microseconds runs on the caller's thread: waking a sleeping thread
            costs about 20 us, and the way back through an event loop about 10 us more.
        max_output: the most bytes that one decompression may give, unless the call says otherwise.
        queue_operations: most operations that a device holds, queued and running; more wait their turn.
        queue_bytes: most bytes (sources and expected results) that those may have.
        pool_bytes: most bytes of unused result memory that are kept for reuse.
        spin_us: how long a worker without work looks for more before it sleeps.
        gather_us: short operations that an event loop's tasks start one after the other are put off, where a device
            does many for little more than one, until one of them is awaited, or the loop's next turn; no longer than so
            many microseconds if more keep coming. 0 for never.
        burst: most requests that a worker takes at once.
        lost_after: seconds after which an operation is given up (DeviceLost) on engines that can lose completions.
        allow_insecure: whether algorithms marked insecure (DES) may be used.
        balancer: the name of the policy that picks devices; "fastest" picks who will finish first.
        aging_ms: for each such span that the first of a priority has waited it counts one priority more, so that
            nothing starves; 0 for none. A second is long beside any single operation, and short for who waits.
        attempts: how often a request may be started at most, when devices fail under it and it is safe to repeat.
        crosscheck: one in so many results is computed on a second device as well, and compared; 0 for none, since it
            costs that work again.
        quarantine_errors: after so many failures of its own in a row a device gets no new work; 0 for never. One or two
            befall a healthy device, when a request is odd.
        quarantine_factor: a device that takes so many times longer than it used to, again and again, gets no new work;
            0 for never, else at least 1. Load alone makes one slower by ten, hardly by fifty.
        probation: seconds until a quarantined or broken device is tried again; doubled, up to 64 times that, each time
            that it fails again.
        trickle: after so many good completions a device that was let in again counts as up; until then it gets little.
        health_s: seconds between two questions to an engine whether it is well, where it has an answer; 0 for none.
        remember_costs: whether measured costs are kept in the user's cache directory and used by the next process; by
            default only if the layer opens the default engines, since costs of others may be of anything.

    Raises:
        UsageError: a value is out of its range.
    """

    __slots__ = (
        "aging_ms",
        "allow_insecure",
        "attempts",
        "balancer",
        "burst",
        "crosscheck",
        "gather_us",
        "health_s",
        "inline_us",
        "lost_after",
        "max_output",
        "pool_bytes",
        "probation",
        "quarantine_errors",
        "quarantine_factor",
        "queue_bytes",
        "queue_operations",
        "remember_costs",
        "spin_us",
        "trickle",
        "workers",
    )

    def __init__(
        self,
        *,
        workers: int | None = None,
        inline_us: float = 30.0,
        max_output: int = 1 * GIB,
        queue_operations: int = 1024,
        queue_bytes: int = 256 * MIB,
        pool_bytes: int = 64 * MIB,
        spin_us: float = 20.0,
        gather_us: float = 50.0,
        burst: int = 16,
        lost_after: float = 30.0,
        allow_insecure: bool = False,
        balancer: str = "fastest",
        aging_ms: float = 1000.0,
        attempts: int = 3,
        crosscheck: int = 0,
        quarantine_errors: int = 4,
        quarantine_factor: float = 50.0,
        probation: float = 1.0,
        trickle: int = 16,
        health_s: float = 1.0,
        remember_costs: bool | None = None,
    ) -> None:
        self.workers = cpus() if workers is None else workers
        self.inline_us = inline_us
        self.max_output = max_output
        self.queue_operations = queue_operations
        self.queue_bytes = queue_bytes
        self.pool_bytes = pool_bytes
        self.spin_us = spin_us
        self.gather_us = gather_us
        self.burst = burst
        self.lost_after = lost_after
        self.allow_insecure = allow_insecure
        self.balancer = balancer
        self.aging_ms = aging_ms
        self.attempts = attempts
        self.crosscheck = crosscheck
        self.quarantine_errors = quarantine_errors
        self.quarantine_factor = quarantine_factor
        self.probation = probation
        self.trickle = trickle
        self.health_s = health_s
        self.remember_costs = remember_costs
        for name, least in NUMBERS.items():
            self._check_number(name, least)
        if type(balancer) is not str or not balancer:
            raise UsageError(f"balancer is {balancer!r}; it must be the name of one")
        if remember_costs is not None and not isinstance(remember_costs, bool):
            raise UsageError(f"remember_costs is {remember_costs!r}; it must be True, False or None")

    def _check_number(self, name: str, least: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{name} is {value!r}; it must be a number")
        if not value >= least:
            raise UsageError(f"{name} is {value}; it must be at least {least}")
        if 0 < value < LEAST_IF_ANY.get(name, 0):
            raise UsageError(f"{name} is {value}; it must be 0, or at least {LEAST_IF_ANY[name]}")
        if value > MOST:
            raise UsageError(f"{name} is {value}; it must be at most {MOST}")
        if isinstance(value, float) and name not in FRACTIONS:
            raise UsageError(f"{name} is {value}; it must be a whole number")

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__) + ")"
