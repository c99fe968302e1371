"""The state of a layer as folders and files; see `tree`."""

from __future__ import annotations

from acrypto.layer.files import File, Folder, as_name, as_text, value
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from acrypto.layer.files import Content, Node
    from acrypto.layer.shown import Shown

#: Facts of a device that are no counters.
QUEUE = ("queued", "waiting", "operations", "max_operations", "bytes", "max_bytes", "peak_bytes", "ready_ns")
NO_COUNTERS = {*QUEUE, "number", "workers"}
HISTOGRAMS = ("queue_ns", "run_ns")
#: What may be written to a device's `state`.
COMMANDS = ("drain", "quarantine", "readmit", "break")


class State:
    """What a tree shows of a layer. Each folder and file asks the layer when it is listed or read.

    Args:
        layer: whose state it is.
    """

    def __init__(self, layer: Shown) -> None:
        self._layer = layer
        self._native = layer._native

    def entries(self) -> dict[str, Node]:
        """What is at the top."""
        return {
            "devices": Folder(self._devices),
            "lbs": File(self._lbs, self._set_balancer),
            "balancers": Folder(self._balancers),
            "algorithms": Folder(self._algorithms),
            "requests": File(self._requests),
            "pool": Folder(lambda: {name: value(count) for name, count in self._native.pool().items()}),
            "fallbacks": File(self._fallbacks),
            "costs": File(lambda: _lines(self._native.costs())),
        }

    # ---- Devices

    def _devices(self) -> Mapping[str, Node]:
        rows = self._native.devices()
        index = "\n".join(row["name"] for row in rows) or "No devices registered yet."
        folders = {row["name"]: Folder(lambda row=row: self._device(row)) for row in rows}  # type: ignore[misc]
        return {"index": value(index), **folders}

    def _device(self, row: dict[str, Any]) -> Mapping[str, Node]:
        name = row["name"]
        counters = {
            fact: number
            for fact, number in row.items()
            if isinstance(number, int) and not isinstance(number, bool) and fact not in NO_COUNTERS
        }
        return {
            "name": value(name),
            "number": value(row["number"]),
            "engine": value(row["engine"]),
            "state": File(lambda: str(row["state"]), lambda content: self._command(name, content)),
            "why": value(row["why"]),
            "workers": value(row["workers"]),
            # The old layer's own files.
            "sessions": value(row["operations"]),
            "sstarted": value(row["started"]),
            "scompleted": value(row["completed"] + row["failed"]),
            "sfinished": value(row["finished"]),
            "kmem_failed": value(0),
            "pool_failed": File(lambda: str(self._native.pool()["misses"])),
            "queue": Folder(lambda: {fact: value(row[fact]) for fact in QUEUE}),
            "statistics": Folder(lambda: {fact: value(number) for fact, number in counters.items()}),
            "latency": Folder(lambda: {fact: File(lambda fact=fact: _lines(row[fact])) for fact in HISTOGRAMS}),  # type: ignore[misc]
        }

    def _command(self, device: str, content: Content) -> None:
        command, _, reason = as_text(content).partition(" ")
        match command:
            case "drain":
                self._layer.drain_device(device)
            case "quarantine":
                self._layer.quarantine_device(device, reason.strip() or "asked for")
            case "readmit":
                wrong = self._layer.revive_device(device)
                if wrong:
                    raise UsageError(f"{device} is not let in again: {'; '.join(wrong)}")
            case "break":
                self._layer.break_device(device)
            case _:
                raise UsageError(f"{command!r} is nothing that a device can be told; known: {', '.join(COMMANDS)}")

    # ---- Balancers

    def _lbs(self) -> str:
        return " ".join(map(str, self._layer.balancers()))

    def _set_balancer(self, content: Content) -> None:
        self._layer.set_balancer(as_text(content))

    def _balancers(self) -> Mapping[str, Node]:
        return {
            as_name(row.name): Folder(
                lambda row=row: {  # type: ignore[misc]
                    "name": value(row.name),
                    "current": value(int(row.is_current)),
                    "default": value(int(row.is_default)),
                }
            )
            for row in self._layer.balancers()
        }

    # ---- Algorithms

    def _algorithms(self) -> Mapping[str, Node]:
        names = {row.algorithm: None for row in self._layer.offers()}
        return {as_name(name): Folder(lambda name=name: self._algorithm(name)) for name in names}  # type: ignore[misc]

    def _algorithm(self, name: str) -> Mapping[str, Node]:
        offers = [row for row in self._layer.offers() if row.algorithm == name]
        entries: dict[str, Node] = {
            "name": value(name),
            "kind": value(offers[0].kind if offers else ""),
            "offers": value(_lines((row.driver, row.device, row.priority, row.selftest) for row in offers)),
        }
        sums: dict[str, dict[str, int]] = {}
        for run in self._native.algorithms_run():
            # One algorithm has a row for each set of parameters.
            if str(run["algorithm"]).partition(":")[0] == name:
                counts = sums.setdefault(run["device"], {})
                for fact, number in run.items():
                    if fact not in {"device", "algorithm"}:
                        counts[fact] = counts.get(fact, 0) + number
        for device, counts in sums.items():
            entries[device] = Folder(lambda counts=counts: {fact: value(count) for fact, count in counts.items()})  # type: ignore[misc]
        return entries

    # ---- All devices together

    def _requests(self) -> str:
        return _lines(
            (number, device, algorithm, direction, priority, client, "waiting" if is_waiting else "queued", nbytes)
            for number, device, algorithm, direction, priority, client, is_waiting, nbytes in self._native.requests()
        )

    def _fallbacks(self) -> str:
        return _lines((count, reason) for reason, count in self._native.fallbacks().items())


def _lines(rows: Iterable[Iterable[object]]) -> str:
    return "\n".join(" ".join(map(str, row)) for row in rows)
