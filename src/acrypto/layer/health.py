"""Watches over the devices of a layer: asks whether they are well, and lets those in again that are well once more.

What makes a device ill on its own (failures in a row, runs that take far too long, a wrong result, breaking) the core
notices while it works. This thread does what takes time: it asks engines that can tell, and after a probation has the
offers of a quarantined device proven anew, as on the first day. What passes is let in with a trickle of work; what
fails waits twice as long for the next trial, and so does one that relapses.
"""

from __future__ import annotations

import threading
import time

from acrypto.engines.base import Engine
from acrypto.model.errors import AcryptoError, ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acrypto import _core

#: States of devices that get work, and are therefore asked how they are.
WORKING = frozenset({"up", "suspect", "trickle"})
#: States of devices that wait to be let in again.
AWAY = frozenset({"quarantined", "broken"})
#: A pause grows up to so many probations.
MOST_PAUSES = 64
#: One that falls ill again within so many of its last pauses has relapsed.
RELAPSE = 2
#: Seconds that `stop` waits for an engine that is being asked or proven.
LET_GO = 10.0
#: Seconds of a wait when there is nothing to do but listen.
IDLE_S = 3600.0


class Patient:
    """A device that gets no work.

    Attributes:
        is_broken: whether its engine must be revived first.
        due: when it is tried again.
        pause: seconds from one trial to the next.
    """

    __slots__ = ("due", "is_broken", "pause")

    def __init__(self, due: float, pause: float, *, is_broken: bool) -> None:
        self.is_broken = is_broken
        self.due = due
        self.pause = pause


class Health(threading.Thread):
    """See the head of this file. Start it with `start()`; it ends when the core's layer is closed.

    It must hold no layer of Python's, or one that is forgotten open would never be collected.

    Args:
        native: the core's layer.
        engines: the engines of its devices, by the device's name, at the moment of asking.
        prove: runs the self-tests of a device; what failed, in words.
        probation: seconds until a device is tried again for the first time.
        health_s: seconds from asking one engine whether it is well to asking it again; 0 asks none.
        clock: the time in seconds; `native.wait_event` must wait by the same one.
    """

    def __init__(
        self,
        native: _core.Layer,
        engines: Callable[[], Mapping[str, Engine]],
        prove: Callable[[str], list[str]],
        *,
        probation: float,
        health_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="acrypto/health", daemon=True)
        self._native = native
        self._engines = engines
        self._prove = prove
        self._probation = probation
        self._health_s = health_s
        self._clock = clock
        self._patients: dict[str, Patient] = {}
        #: Those let in again: when, and how long their last pause was.
        self._released: dict[str, tuple[float, float]] = {}
        self._next_round = clock() + health_s

    def run(self) -> None:
        """Watches until the layer is closed."""
        try:
            # Some may have fallen ill before anybody listened.
            for row in self._native.devices():
                if row["state"] in AWAY:
                    self._admit(row["name"], is_broken=row["state"] == "broken")
            while self.step():
                pass
        except ClosedError:
            pass

    def step(self) -> bool:
        """Waits for the next event or trial and does what it asks for; False once the layer is closed.

        Raises:
            ClosedError: it was closed in the middle of something.
        """
        event = self._native.wait_event(self._until_next())
        if event is not None:
            kind, device, reason = event
            if kind == "closed":
                return False
            self._hear(kind, device, reason)
        now = self._clock()
        for name in [name for name, patient in self._patients.items() if patient.due <= now]:
            self._try_again(name)
        if self._asks() and self._next_round <= self._clock():
            self._ask_all()
            self._next_round = self._clock() + self._health_s
        return True

    def stop(self) -> None:
        """Waits for the end of the thread, for a while; after the core's layer was closed."""
        if threading.current_thread() is self or self.ident is None:
            return  # an engine may close its layer; and one that was never started has ended
        self.join(LET_GO)
        if self.is_alive():
            _log(f"an engine has not answered {LET_GO:g} s after closing: its thread is left", is_warning=True)

    def patients(self) -> dict[str, float]:
        """The devices that wait for a trial, and when theirs is, by the clock."""
        return {name: patient.due for name, patient in list(self._patients.items())}

    # ---- What is heard

    def _until_next(self) -> float:
        due = [patient.due for patient in self._patients.values()]
        if self._asks():
            due.append(self._next_round)
        return max(0.0, min(min(due) - self._clock(), IDLE_S)) if due else IDLE_S

    def _hear(self, kind: str, device: str, reason: str) -> None:
        because = f": {reason}" if reason else ""
        match kind:
            case "quarantined":
                _log(f"device {device} is quarantined{because}", is_warning=True)
                self._admit(device, is_broken=False)
            case "broke":
                _log(f"device {device} broke{because}", is_warning=True)
                self._admit(device, is_broken=True)
            case "back":
                _log(f"device {device} is back{because}")
                if self._patients.pop(device, None) is not None:
                    self._released[device] = (self._clock(), self._probation)  # by somebody else
            case "arrived":
                _log(f"device {device} arrived{because}")
            case "left":
                _log(f"device {device} left{because}")
                self._patients.pop(device, None)
                self._released.pop(device, None)

    def _admit(self, name: str, *, is_broken: bool) -> None:
        patient = self._patients.get(name)
        if patient is not None:  # it waits already; it may have broken while it was quarantined
            patient.is_broken = patient.is_broken or is_broken
            return
        now = self._clock()
        pause = self._probation
        released = self._released.pop(name, None)
        if released is not None and now - released[0] <= RELAPSE * released[1]:
            pause = self._longer(released[1])
        self._patients[name] = Patient(now + pause, pause, is_broken=is_broken)

    def _longer(self, pause: float) -> float:
        return min(2 * pause, MOST_PAUSES * self._probation)

    # ---- What is done

    def _try_again(self, name: str) -> None:
        patient = self._patients[name]
        engine = self._engines().get(name)
        ill = any(row["name"] == name and row["state"] in AWAY for row in self._native.devices())
        if engine is None or not ill or (patient.is_broken and not _has(engine, "revive")):
            # It is gone, back already, or nothing can bring it back: whoever does so by hand is heard of.
            del self._patients[name]
            return
        wrong = self._trial(name, engine, patient)
        if not wrong:
            self._patients.pop(name, None)
            self._released[name] = (self._clock(), patient.pause)
            return
        patient.pause = self._longer(patient.pause)
        patient.due = self._clock() + patient.pause
        _log(f"device {name} is not let in again yet: {wrong}; next trial in {patient.pause:g} s")

    def _trial(self, name: str, engine: Engine, patient: Patient) -> str:
        """What still keeps a device from being let in; empty if it was."""
        wrong = _ill(engine)
        if wrong:
            return wrong
        if patient.is_broken:
            try:
                if not engine.revive():
                    return "it cannot be revived"
            except Exception as error:  # anybody's code
                return f"revive() raised {type(error).__name__}"
            patient.is_broken = False
        try:
            self._native.revive_device(name)
            failed = self._prove(name)
            if failed:
                return "; ".join(failed)
            self._native.readmit_device(name)
        except ClosedError:
            raise
        except AcryptoError as error:  # it left, or broke again, meanwhile
            return str(error)
        return ""

    def _asks(self) -> bool:
        return self._health_s > 0 and any(_has(engine, "health") for engine in self._engines().values())

    def _ask_all(self) -> None:
        engines = self._engines()
        for row in self._native.devices():
            engine = engines.get(row["name"])
            if engine is None or row["state"] not in WORKING or not _has(engine, "health"):
                continue
            wrong = _ill(engine)
            if wrong:
                try:
                    self._native.quarantine_device(row["name"], wrong)
                except ClosedError:
                    raise
                except AcryptoError as error:  # it left meanwhile
                    _log(f"device {row['name']} is ill, and cannot be quarantined: {error}")


def _has(engine: Engine, method: str) -> bool:
    """Whether an engine has such a method of its own."""
    return getattr(type(engine), method, None) not in {None, getattr(Engine, method)}


def _ill(engine: Engine) -> str:
    try:
        return engine.health() or ""
    except Exception as error:  # anybody's code
        return f"health() raised {type(error).__name__}"


def _log(message: str, *, is_warning: bool = False) -> None:
    import logging

    log = logging.getLogger("acrypto")
    (log.warning if is_warning else log.info)(message)
