"""Wraps another engine and misbehaves on a schedule: for tests of everything above it."""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.engines.software import Software
from acrypto.model.errors import UsageError


class Fault:
    """One line of a schedule.

    Args:
        kind: `refuse` (takes no more now), `delay` (by `seconds`), `fail`, `corrupt` (flips a bit of each result),
            `drop` (the completion never comes), `duplicate` (it comes twice) or `die` (in mid-burst, for good).
        every: befalls each n-th request ...
        after: ... after this many went well ...
        times: ... and at most so often.
        seconds: how long a `delay` is.
    """

    __slots__ = ("after", "every", "kind", "seconds", "times")

    def __init__(
        self, kind: str, *, every: int = 1, after: int = 0, times: int = 1 << 62, seconds: float = 0.0
    ) -> None:
        self.kind = kind
        self.every = every
        self.after = after
        self.times = times
        self.seconds = seconds


class Faulty(Engine):
    """Another engine (software, unless told otherwise), with faults. Opened only by name or as an instance.

    Args:
        *schedule: the faults; the first one that is due befalls a request.
        inner: the engine that does the work; it must have a native form.

    Raises:
        UsageError: the inner engine is written in Python.
    """

    name = "faulty"
    needs = "to be opened by name; it misbehaves on purpose"
    selftest = False

    def __init__(self, *schedule: Fault, inner: Engine | None = None) -> None:
        native = (inner or Software()).native()
        if native is None:
            raise UsageError("faulty wraps native engines only")
        self._inner = native
        self._schedule = schedule

    def native(self) -> _core.Engine:
        """The core's form."""
        rows = [(f.kind, f.every, f.after, f.times, f.seconds) for f in self._schedule]
        return _core.Engine.faulty(self._inner, rows)
