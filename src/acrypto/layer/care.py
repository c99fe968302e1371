"""Looks after a layer's devices and its knowledge of them: costs that are remembered, health, letting in again."""

from __future__ import annotations

import threading

from acrypto.model.errors import ClosedError, NoEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.layer.costs import SavedCosts
    from acrypto.layer.health import Health
    from acrypto.layer.opening import Devices
    from acrypto.model.settings import Settings
    from acrypto.registry.registry import Registry


class Care:
    """See the head of this file. Its thread is started with the second device: one that is alone is never quarantined.

    Args:
        layer: the core's layer.
        devices: its devices' engines.
        registry: proves a device's offers.
        settings: the layer's.
        remembers: whether costs are read and saved.
    """

    def __init__(
        self, layer: _core.Layer, devices: Devices, registry: Registry, settings: Settings, *, remembers: bool
    ) -> None:
        self._native = layer
        self._devices = devices
        self._registry = registry
        self._settings = settings
        self._lock = threading.Lock()
        self._health: Health | None = None
        self._costs: SavedCosts | None = None
        if remembers:
            from acrypto.layer.costs import SavedCosts

            self._costs = SavedCosts()

    def welcome(self, device: str) -> None:
        """A device's offers are proven: what is known of its costs is told, and queued work of others may go there."""
        if self._costs is not None:
            self._costs.load(self._native, device)
        self._native.welcome(device)
        engines = self._devices.engines()
        with self._lock:
            if self._health is None and (len(engines) > 1 or any(_is_watched(engine) for engine in engines.values())):
                from acrypto.layer.health import Health

                self._health = Health(
                    self._native,
                    self._devices.engines,
                    self._registry.prove_device,
                    probation=self._settings.probation,
                    health_s=self._settings.health_s,
                )
                self._health.start()

    def revive(self, name: str) -> list[str]:
        """Brings a device back; what keeps it out, in words."""
        engine = self._devices.engines().get(name)
        state = next((row["state"] for row in self._native.devices() if row["name"] == name), None)
        if state is None:
            raise NoEngine(f"no device is called {name!r}")
        if state == "broken":
            if engine is not None:
                engine.revive()
            self._native.revive_device(name)
        elif state == "draining":
            self._native.readmit_device(name)  # it was never ill
            return []
        elif state != "quarantined":
            return []
        failed = self._registry.prove_device(name)
        if not failed:
            self._native.readmit_device(name)
        return failed

    def save(self) -> None:
        """Writes what was learnt of costs; before the layer closes."""
        if self._costs is not None and self._native.is_open:
            try:
                self._costs.save(self._native.costs())
            except ClosedError:
                return

    def stop(self) -> None:
        """Waits for the thread; after the core's layer was closed."""
        with self._lock:
            health = self._health
        if health is not None:
            health.stop()


def _is_watched(engine: object) -> bool:
    from acrypto.engines.base import Engine

    return getattr(type(engine), "health", None) is not Engine.health
