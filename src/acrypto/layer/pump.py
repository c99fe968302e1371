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
#: Seconds until jobs that an engine refused are offered again.
RETRY = 0.001


class Pump(threading.Thread):
    """Takes jobs from the device, offers them to the engine in order, and fails what the engine chokes on."""

    def __init__(self, layer: _core.Layer, device: str, engine: Engine) -> None:
        super().__init__(name=f"{device}/pump", daemon=True)
        self._layer = layer
        self._device = device
        self._engine = engine
        self._closing = threading.Event()

    def run(self) -> None:
        """Pumps until the device is closed."""
        while jobs := self._layer.take_jobs(self._device, BURST):
            waiting = deque(job for job in jobs if job.is_open)
            while waiting:
                try:
                    accepted = self._engine.submit(list(waiting))
                except Exception as error:  # noqa: BLE001 - the queue may catch everything: no job is left unsettled
                    broken = InternalError(f"engine {self._engine.name} raised {type(error).__name__}")
                    for job in waiting:
                        job.complete([broken] * len(job.units))
                    break
                for _ in range(min(accepted, len(waiting))):
                    waiting.popleft()
                if waiting and self._closing.wait(RETRY):
                    return  # what is dropped here ends with DeviceLost
        self._engine.close()

    def stop(self) -> None:
        """Waits for the engine to let go; after the device was closed."""
        self._closing.set()
        self.join()
