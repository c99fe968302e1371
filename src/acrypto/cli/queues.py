"""Rows about idxd devices and their work queues, soft and real, for the commands that show them."""

from __future__ import annotations

from acrypto.cli.report import table
from acrypto.idxd import sysfs
from acrypto.idxd.configuration import is_ready
from acrypto.idxd.queue import Nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from acrypto.idxd.accel_config import DevicePart
    from acrypto.idxd.bus import Bus
    from acrypto.idxd.state import Device

    Row = dict[str, str | int]

COLUMNS = ("kind", "device", "queue", "state", "mode", "size", "group", "priority", "type", "driver", "name")
_NUMBERS = (5, 6, 7)


def nothing(_device: Device, _part: DevicePart) -> Nothing:
    """Runs a device that is only looked at."""
    return Nothing()


def soft(bus: Bus) -> list[Row]:
    """A row for each queue of a bus that is configured; `ready` is one that waits for its driver to be opened."""
    rows: list[Row] = []
    for device in bus.devices():
        for queue in (name for name in bus.list(f"devices/{device}") if name.startswith("wq") and is_ready(bus, name)):
            base = f"devices/{queue}"
            state = bus.read(f"{base}/state")
            rows.append(
                {
                    "kind": "soft",
                    "device": device,
                    "queue": queue,
                    "state": "ready" if state == "disabled" else state,
                    "mode": bus.read(f"{base}/mode"),
                    "size": int(bus.read(f"{base}/size")),
                    "group": int(bus.read(f"{base}/group_id")),
                    "priority": int(bus.read(f"{base}/priority")),
                    "type": bus.read(f"{base}/type"),
                    "driver": bus.read(f"{base}/driver_name"),
                    "name": bus.read(f"{base}/name"),
                }
            )
    return rows


def real(found: sysfs.Discovery) -> list[Row]:
    """A row for each queue of a real device that has entries, and one for a device that has no such queue."""
    rows: list[Row] = []
    for device in found.devices:
        queues = [queue for queue in device.queues if queue.size]
        rows += [
            {
                "kind": "real",
                "device": device.name,
                "queue": queue.dev,
                "state": queue.state,
                "mode": queue.mode,
                "size": queue.size,
                "group": queue.group_id,
                "priority": queue.priority,
                "type": queue.type,
                "driver": queue.driver or queue.driver_name,
                "name": queue.name,
            }
            for queue in queues
        ]
        if not queues:
            empty: Row = dict.fromkeys(COLUMNS, "")
            rows.append(empty | {"kind": "real", "device": device.name, "state": device.state})
    return rows


def show(rows: Iterable[Row]) -> None:
    """Prints rows as a table."""
    table(COLUMNS, ([row[column] for column in COLUMNS] for row in rows), right=_NUMBERS)
