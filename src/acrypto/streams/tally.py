"""What a run through the layer has done so far: bytes, time, and who did the work."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto._core import Completion, Operation


class Tally:
    """The account of one run. Any thread may read it while it grows.

    Args:
        watch: called, from the driving thread, whenever bytes came in.

    Attributes:
        bytes_in: source bytes read.
        bytes_out: result bytes written.
    """

    def __init__(self, watch: Callable[[Tally], object] | None = None) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self._watch = watch
        self._started = time.perf_counter()
        self._ran: dict[tuple[str, str, str], int] = {}
        self._hashed: dict[tuple[str, str, str], int] = {}

    def took(self, nbytes: int) -> None:
        """Notes bytes that were read."""
        self.bytes_in += nbytes
        if self._watch is not None:
            self._watch(self)

    def ran(self, operation: Operation[object], *, beside: bool = False) -> None:
        """Notes who ran an operation that is done; `beside` says that the data only passed by there."""
        completion: Completion | None = operation.completion
        if completion is not None:
            who = (completion.device, completion.driver, completion.lane)
            account = self._hashed if beside else self._ran
            account[who] = account.get(who, 0) + completion.bytes_in + completion.bytes_out

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._started

    @property
    def runner(self) -> tuple[str, str, str] | None:
        """Device, driver and lane that had the most bytes; of what only hashed if that is all; None if nothing ran."""
        account = self._ran or self._hashed
        return max(account, key=account.__getitem__, default=None)
