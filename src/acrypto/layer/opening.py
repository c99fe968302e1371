"""Opens engines as devices of a layer, and closes them again."""

from __future__ import annotations

import contextlib
import threading

from acrypto import _core
from acrypto.model.errors import NoEngine, UsageError
from acrypto.model.offers import Limits, Offer
from acrypto.registry.admission import check_word
from acrypto.registry.templates import CRYPTD, HOSTS, PCRYPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.engines.base import Engine
    from acrypto.layer.pump import Pump
    from acrypto.model.settings import Settings

#: Most requests that a cryptd holds (the kernel's cryptd_max_cpu_qlen).
CRYPTD_QUEUE = 1000


class Devices:
    """The devices of one layer: their names, and the threads that feed those whose engine is written in Python."""

    def __init__(self, layer: _core.Layer, settings: Settings) -> None:
        self._native = layer
        self._settings = settings
        self._pumps: dict[str, Pump] = {}
        self._engines: dict[str, Engine] = {}
        self._opened: dict[str, int] = {}
        self._hosts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._hosting = threading.Lock()

    def open(self, engine: Engine) -> tuple[str, list[Offer], bool]:
        """Opens an engine: the device's name, what it offers (nothing is registered yet), whether it runs inline."""
        self._check(engine)
        native = engine.native()
        if native is not None:
            offers = [_offer(row, asynchronous=not native.runs_inline) for row in native.offers()]
            name = self._add(engine.name, native)
            self._engines[name] = engine
            return name, offers, native.runs_inline
        offers = list(engine.offers())
        name = self._add(engine.name, _core.Engine.external(engine.name))
        self._engines[name] = engine
        from acrypto.layer.pump import Pump

        self._pumps[name] = Pump(self._native, name, engine)
        self._pumps[name].start()
        return name, offers, False

    def _check(self, engine: Engine) -> None:
        check_word("engine", engine.name)
        if engine.name in HOSTS:
            raise UsageError(f"engine name {engine.name!r}: it is that of a host of compositions")
        if any(pump.engine is engine for pump in self._pumps.values()):
            raise UsageError(f"this instance of the engine {engine.name} is open already")

    def host(self, sort: str) -> str:
        """The device that runs compositions of a sort, opened when the first one needs it."""
        with self._hosting:
            name = self._hosts.get(sort)
            states = {device["name"]: device["state"] for device in self._native.devices()}
            if name is None or states.get(name) not in {"up", "suspect"}:
                operations = CRYPTD_QUEUE if sort == CRYPTD else None
                workers = 1 if sort == PCRYPT else None
                name = self._add(sort, _core.Engine.host(sort, self._settings.workers), operations, workers)
                self._hosts[sort] = name
            return name

    def _add(self, engine: str, native: _core.Engine, operations: int | None = None, workers: int | None = None) -> str:
        settings = self._settings
        with self._lock:
            number = self._opened.get(engine, 0)
            self._opened[engine] = number + 1
        name = f"{engine}{number}"
        self._native.add_device(
            name,
            native,
            workers=workers or settings.workers,
            operations=operations or settings.queue_operations,
            queue_bytes=settings.queue_bytes,
            spin_ns=int(settings.spin_us * 1000),
            burst=settings.burst,
            lost_after=settings.lost_after,
            aging_ns=int(settings.aging_ms * 1e6),
        )
        return name

    def engines(self) -> dict[str, Engine]:
        """The engines by the names of their devices; hosts of compositions have none of their own."""
        return dict(self._engines)

    def close(self, name: str) -> None:
        """Closes a device whose offers have left, and forgets it."""
        engine = self._engines.pop(name, None)
        with contextlib.suppress(NoEngine):  # somebody else has waited for it, too, and was first
            self._native.remove_device(name)
        pump = self._pumps.pop(name, None)
        if pump is not None:
            pump.stop()  # it closes its engine
        elif engine is not None:
            _close(engine)

    def stop(self) -> None:
        """Ends the threads and closes the engines, after the core has closed the devices."""
        while self._engines:
            with contextlib.suppress(KeyError):  # closed from several threads at once
                name, engine = self._engines.popitem()
                if name not in self._pumps:
                    _close(engine)
        while self._pumps:
            self._pumps.popitem()[1].stop()


def _close(engine: Engine) -> None:
    try:
        engine.close()
    except Exception:  # of an installed package, perhaps: the layer closes all the same
        import logging

        logging.getLogger("acrypto").exception("closing the engine %s failed", engine.name)


def _offer(row: tuple[str, str, str, int, bool, object, tuple[int, int, int, bool]], *, asynchronous: bool) -> Offer:
    algorithm, kind, driver, priority, insecure, _, limits = row
    limited = Limits.of_row(limits)
    return Offer(algorithm, driver, priority, kind=kind, insecure=insecure, asynchronous=asynchronous, limits=limited)
