"""The configuration that a user has stored, and the bus of soft devices that it makes.

It is the file that `$ACRYPTO_IDXD_CONFIG` names (empty: none), else `acrypto/idxd.json` under `$XDG_CONFIG_HOME` or
`~/.config`. `acrypto config load` writes it.
"""

from __future__ import annotations

import os

from acrypto.idxd import configuration as configuring
from acrypto.idxd.accel_config import MAX_BYTES, DevicePart, parse
from acrypto.idxd.backing import Model
from acrypto.idxd.bus import Bus, configure_defaults
from acrypto.idxd.errors import BusError
from acrypto.idxd.queue import Nothing
from acrypto.model.directories import user_directory
from acrypto.model.errors import CorruptInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.idxd.accel_config import Configuration
    from acrypto.idxd.queue import Backing
    from acrypto.idxd.state import Device

    #: Makes what runs a device, from the device and what stands under `acrypto` in its configuration.
    Maker = Callable[[Device, DevicePart], Backing]

#: The device that there is without any configuration.
DEFAULT_DEVICE = "iax1"


def path() -> str | None:
    """Where the stored configuration is, or would be; None if there is to be none."""
    chosen = os.environ.get("ACRYPTO_IDXD_CONFIG")
    if chosen is not None:
        return chosen or None
    base = user_directory("XDG_CONFIG_HOME", "~/.config")
    return None if base is None else os.path.join(base, "idxd.json")


def read(file: str | None = None) -> Configuration | None:
    """The stored configuration, or that of a file; None if nothing is stored.

    Raises:
        CorruptInput: it is not a configuration; the message begins with the file's name.
        OSError: it is there, and cannot be read; or the file that was asked for is not there.
    """
    place = file or path()
    if place is None:
        return None
    try:
        with open(place, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if file is None and "ACRYPTO_IDXD_CONFIG" not in os.environ:
            return None
        raise
    try:
        return parse(data)
    except CorruptInput as error:
        raise CorruptInput(f"{place}: {error}", error.offset) from None


def build(configuration: Configuration, maker: Maker | None = None) -> tuple[Bus, configuring.Loaded]:
    """A bus with the devices of a configuration, configured and enabled.

    Args:
        configuration: which devices, and how they are configured.
        maker: makes what runs a device; the core's software model if not given, but nothing for a DSA device.

    Raises:
        BusError: a rule refuses it.
        CorruptInput: a device cannot be as it says.
    """
    bus = Bus()
    for part in configuration:
        _add(bus, part, maker)
    return bus, configuring.load(bus, configuration)


def default(maker: Maker | None = None) -> Bus:
    """A bus with one device, enabled, with what the kernel would configure: see `configure_defaults`."""
    bus = Bus()
    _add(bus, DevicePart(DEFAULT_DEVICE), maker)
    configure_defaults(bus, DEFAULT_DEVICE)
    bus.enable(DEFAULT_DEVICE)
    return bus


def open_bus(maker: Maker | None = None) -> Bus:
    """The soft devices of the stored configuration; if nothing is stored, one with the defaults.

    Every device is enabled. Queues wait for the driver that they are for, and are bound when it registers.

    Args:
        maker: makes what runs a device; the core's software model if not given.

    Raises:
        CorruptInput: what is stored is not a configuration, or one that the rules refuse; the message begins with the
            file's name.
        OSError: it cannot be read.
    """
    stored = read()
    if stored is None:
        return default(maker)
    try:
        return build(stored, maker)[0]
    except (BusError, CorruptInput) as error:
        raise CorruptInput(f"{path()}: {error}") from error


def acrypto_of(configuration: Configuration) -> dict[str, dict[str, object]]:
    """What stands under the key `acrypto`, by the device's name."""
    return {part.dev: dict(part.acrypto) for part in configuration if part.acrypto}


def _add(bus: Bus, part: DevicePart, maker: Maker | None) -> None:
    def make(device: Device) -> Backing:
        if not device.capabilities.is_iax:
            return Nothing()
        return maker(device, part) if maker else Model(device, part.acrypto)

    bus.add_device(part.dev, part.capabilities(), make)
