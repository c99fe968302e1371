"""What dies in a storm: simulated devices as a whole, and soft analytics devices one by one under their driver."""

from __future__ import annotations

from typing import Any

import acrypto
from acrypto.engines.iaa import Iaa
from acrypto.engines.simulated import DEATHS, Simulated
from acrypto.idxd import Bus
from acrypto.idxd.bus import configure_defaults

#: A soft device's: its deaths, and the loss of its queue alone.
UNBOUND = "unbound"
#: What a queue that lost its driver has forgotten.
SETTINGS = {"type": "kernel", "mode": "dedicated", "priority": "10", "name": "iaa_crypto", "driver_name": "crypto"}


class Mortal(Simulated):
    """Comes back at once: proving it anew is not what is looked at here, and takes longer than it lives."""

    selftest = False


class Analytics(Iaa):
    """The same for the driver of several soft devices."""

    selftest = False

    def __init__(self, devices: tuple[str, ...], **settings: Any) -> None:
        bus = Bus()
        for device in devices:
            bus.add_device(device)
            configure_defaults(bus, device)
            bus.enable(device)
        super().__init__(bus=bus, **settings)


class Victim:
    """A device of a layer that dies as a whole.

    Args:
        name: the layer's name of the device.
        engine: what kills it.
    """

    deaths = DEATHS

    def __init__(self, name: str, engine: Simulated) -> None:
        self.name = name
        self._engine = engine

    def die(self, how: str) -> None:
        """Dies like that."""
        self._engine.kill(how)

    def revive(self, layer: acrypto.Layer) -> list[str]:
        """Comes back; why not, in words."""
        self._engine.revive()
        return list(layer.revive_device(self.name))


class SoftVictim:
    """A soft device under a driver that may have others.

    Args:
        name: the layer's name of the driver's device.
        engine: the driver.
        device: its name on the driver's bus.
    """

    deaths = (*DEATHS, UNBOUND)

    def __init__(self, name: str, engine: Analytics, device: str) -> None:
        self.name = name
        self._engine = engine
        assert engine.bus is not None
        self._bus = engine.bus
        self._queue = f"wq{device.removeprefix('iax')}.0"
        backing: Any = self._bus.backing(device)
        self._native = backing.native

    def die(self, how: str) -> None:
        """Dies like that, or loses its queue."""
        if how == UNBOUND:
            self._bus.write("drivers/crypto/unbind", self._queue)
        else:
            self._native.kill(how)

    def revive(self, layer: acrypto.Layer) -> list[str]:
        """Comes back, whichever it was; why not, in words."""
        self._native.revive()
        if self._bus.driver(self._queue) is None:
            for name, value in SETTINGS.items():
                self._bus.write(f"devices/{self._queue}/{name}", value)
            self._bus.write("drivers/crypto/bind", self._queue)
        self._engine.revive()
        return list(layer.revive_device(self.name))
