"""Settings of a layer, with defaults and their reasons."""

from __future__ import annotations

import os

from acrypto.model.errors import UsageError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
#: Larger numbers mean nothing in any unit here.
MOST = 1 << 50
#: Settings that may have a fraction.
FRACTIONS = frozenset({"inline_us", "lost_after", "spin_us"})


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
        burst: most requests that a worker takes at once.
        lost_after: seconds after which an operation is given up (DeviceLost) on engines that can lose completions.
        allow_insecure: whether algorithms marked insecure (DES) may be used.

    Raises:
        UsageError: a value is out of its range.
    """

    __slots__ = (
        "allow_insecure",
        "burst",
        "inline_us",
        "lost_after",
        "max_output",
        "pool_bytes",
        "queue_bytes",
        "queue_operations",
        "spin_us",
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
        burst: int = 16,
        lost_after: float = 30.0,
        allow_insecure: bool = False,
    ) -> None:
        self.workers = cpus() if workers is None else workers
        self.inline_us = inline_us
        self.max_output = max_output
        self.queue_operations = queue_operations
        self.queue_bytes = queue_bytes
        self.pool_bytes = pool_bytes
        self.spin_us = spin_us
        self.burst = burst
        self.lost_after = lost_after
        self.allow_insecure = allow_insecure
        for name, least in (
            ("workers", 1),
            ("inline_us", 0),
            ("max_output", 0),
            ("queue_operations", 1),
            ("queue_bytes", 1),
            ("pool_bytes", 0),
            ("spin_us", 0),
            ("burst", 1),
            ("lost_after", 0.001),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UsageError(f"{name} is {value!r}; it must be a number")
            if not value >= least:
                raise UsageError(f"{name} is {value}; it must be at least {least}")
            if value > MOST:
                raise UsageError(f"{name} is {value}; it must be at most {MOST}")
            if isinstance(value, float) and name not in FRACTIONS:
                raise UsageError(f"{name} is {value}; it must be a whole number")

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__) + ")"
