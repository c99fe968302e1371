"""Feeds an engine written in Python from its device's queue, in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque

from acrypto.model.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.engines.base import Engine

#: Most jobs that are offered to an engine at once.
BURST = 64
#: Seconds that an engine has to return when its device closes.
LET_GO = 10.0
#: Seconds until jobs that an engine refused are offered again.
RETRY = 0.001


class Pump(threading.Thread):
    """Takes jobs from the device, offers them to the engine in order, and fails what the engine chokes on."""

    def __init__(self, layer: _core.Layer, device: str, engine: Engine) -> None:
        super().__init__(name=f"{device}/pump", daemon=True)
        self._layer = layer
        self._device = device
        self.engine = engine
        self._closing = threading.Event()

    def run(self) -> None:
        """Pumps until the device is closed."""
        try:
            while self._pump():
                pass
        finally:
            self.engine.close()

    def _pump(self) -> bool:
        # A call of its own, so that no reference to a job outlives its turn: an engine that drops one must be noticed.
        jobs = self._layer.take_jobs(self._device, BURST)
        waiting = deque(job for job in jobs if job.is_open)
        going_on = bool(jobs)
        while waiting:
            accepted = self._offer(list(waiting))
            for _ in range(min(accepted, len(waiting))):
                waiting.popleft()
            waiting = deque(job for job in waiting if job.is_open)  # some may have gone elsewhere meanwhile
            if waiting and self._closing.wait(RETRY):
                return False  # what is dropped here ends with DeviceLost
        return going_on

    def _offer(self, burst: list[_core.Job]) -> int:
        try:
            accepted = self.engine.submit(burst)
            if accepted < 0:
                raise ValueError(f"submit returned {accepted}")
        except BaseException as error:
            broken = InternalError(f"engine {self.engine.name} raised {type(error).__name__}")
            for job in burst:
                job.complete([broken] * len(job.units))
            return len(burst)
        return accepted

    def stop(self) -> None:
        """Waits for the engine to let go, for a while; after the device was closed."""
        self._closing.set()
        if threading.current_thread() is self:
            return  # an engine may take itself out of its layer
        self.join(LET_GO)
        if self.is_alive():
            import logging

            name = self.engine.name
            logging.getLogger("acrypto").warning(
                f"the engine {name} has not returned from submit() {LET_GO:g} s after closing: its thread is left"
            )
