"""Health: who is ill gets no work, is tried again ever more rarely, and let in when it is well. By a clock of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import acrypto
from acrypto.engines.base import Engine
from acrypto.engines.software import Software
from acrypto.layer.health import MOST_PAUSES, Health
from acrypto.model.errors import ClosedError, NoEngine


class World:
    """In the place of the core's layer and of time: waiting for an event takes as long as it says, at once."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[tuple[float, tuple[str, str, str]]] = []
        self.states = {"a0": "up", "b0": "up"}
        self.engines: dict[str, Engine] = {"a0": Patient(), "b0": Engine()}
        self.failed: list[str] = []
        self.trials: list[float] = []
        self.closed = False

    def clock(self) -> float:
        return self.now

    def happen(self, kind: str, device: str = "", reason: str = "", *, at: float = 0.0) -> None:
        self.events.append((at or self.now, (kind, device, reason)))
        self.events.sort()

    def wait_event(self, seconds: float) -> tuple[str, str, str] | None:
        if self.closed:
            raise ClosedError("closed")
        if self.events and self.events[0][0] <= self.now + seconds:
            at, event = self.events.pop(0)
            self.now = max(self.now, at)
            return event
        self.now += seconds
        return None

    def revive_device(self, name: str) -> bool:
        was_broken = self.states[name] == "broken"
        if was_broken:
            self.states[name] = "quarantined"
        return was_broken

    def devices(self) -> list[dict[str, str]]:
        return [{"name": name, "state": state} for name, state in self.states.items()]

    def quarantine_device(self, name: str, reason: str) -> None:
        if name not in self.states:
            raise NoEngine(f"no device is called {name}")
        self.states[name] = "quarantined"
        self.happen("quarantined", name, reason)

    def readmit_device(self, name: str) -> None:
        self.states[name] = "trickle"
        self.happen("back", name)

    def prove(self, name: str) -> list[str]:
        self.trials.append(self.now)
        return self.failed

    def fall_ill(self, name: str = "a0", state: str = "quarantined") -> None:
        self.states[name] = state
        self.happen({"quarantined": "quarantined", "broken": "broke"}[state], name, "a law was broken")


class Patient(Engine):
    """Is as well, and as alive, as it is told to be."""

    def __init__(self) -> None:
        self.wrong: str | None = None
        self.alive = True
        self.asked = 0
        self.revived = 0

    def health(self) -> str | None:
        self.asked += 1
        return self.wrong

    def revive(self) -> bool:
        self.revived += 1
        return self.alive


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def health(world: World) -> Health:
    return watch(world)


def watch(world: World, *, health_s: float = 0.0) -> Health:
    return Health(world, lambda: world.engines, world.prove, probation=1.0, health_s=health_s, clock=world.clock)


def until(health: Health, world: World, at: float) -> None:
    """Steps until that many seconds have passed."""
    end = world.now + at
    world.happen("tick", at=end)
    while world.now < end or world.events:
        assert health.step()


def test_what_is_quarantined_is_proven_and_let_in(health: Health, world: World) -> None:
    world.fall_ill()
    until(health, world, 2)
    assert world.trials == [101.0]
    assert world.states["a0"] == "trickle"
    assert health.patients() == {}


def test_trials_come_ever_more_rarely(health: Health, world: World) -> None:
    """Twice the pause each time, up to 64 times the probation."""
    world.failed = ["sha256-b: digests are right"]
    world.fall_ill("b0")
    until(health, world, 350)
    pauses = [after - before for before, after in zip([100.0, *world.trials], world.trials, strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 32, MOST_PAUSES, MOST_PAUSES, MOST_PAUSES, MOST_PAUSES]
    assert world.states["b0"] == "quarantined"
    world.failed = []
    until(health, world, MOST_PAUSES)
    assert world.states["b0"] == "trickle"


def test_a_relapse_waits_longer_and_a_new_illness_does_not(health: Health, world: World) -> None:
    world.fall_ill()
    until(health, world, 1.5)
    world.fall_ill()
    until(health, world, 10)
    world.fall_ill()
    until(health, world, 10)
    assert world.trials == [101.0, 103.5, 112.5]


def test_an_engine_that_says_it_is_ill_is_not_proven(health: Health, world: World) -> None:
    world.engines["a0"].wrong = "too hot"
    world.fall_ill()
    until(health, world, 2.5)
    assert world.trials == []
    world.engines["a0"].wrong = None
    until(health, world, 10)
    assert world.trials == [103.0]


def test_a_broken_one_is_revived_first(health: Health, world: World) -> None:
    world.engines["a0"].alive = False
    world.fall_ill(state="broken")
    until(health, world, 2)
    assert (world.engines["a0"].revived, world.trials) == (1, [])
    world.engines["a0"].alive = True
    until(health, world, 2)
    assert (world.engines["a0"].revived, world.trials) == (2, [103.0])
    assert world.states["a0"] == "trickle"


def test_it_is_revived_once_and_proven_until_it_passes(health: Health, world: World) -> None:
    world.failed = ["wrong"]
    world.fall_ill(state="broken")
    until(health, world, 5)
    assert (world.engines["a0"].revived, len(world.trials)) == (1, 2)
    world.happen("broke", "a0", "again")
    until(health, world, 5)
    assert world.engines["a0"].revived == 2


def test_what_cannot_be_revived_is_left_alone(health: Health, world: World) -> None:
    world.fall_ill("b0", "broken")
    until(health, world, 2)
    assert health.patients() == {}
    assert (world.trials, world.states["b0"]) == ([], "broken")


@pytest.mark.parametrize("method", ["health", "revive"])
def test_an_engine_that_raises_is_ill(
    health: Health, world: World, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Engine) -> str:
        raise RuntimeError("secret detail")

    caplog.set_level(logging.INFO, "acrypto")
    world.engines["a0"] = type("Raising", (Patient,), {method: fail})()
    world.fall_ill(state="broken")
    until(health, world, 2)
    assert world.trials == []
    assert f"{method}() raised RuntimeError; next trial in 2 s" in caplog.text


def test_one_that_left_is_forgotten(health: Health, world: World) -> None:
    world.fall_ill()
    world.happen("left", "a0", at=100.5)
    until(health, world, 5)
    assert (world.trials, health.patients()) == ([], {})
    world.fall_ill("b0")
    del world.engines["b0"]
    until(health, world, 5)
    assert (world.trials, health.patients()) == ([], {})


def test_one_that_somebody_else_let_in_is_not_tried(health: Health, world: World) -> None:
    world.fall_ill()
    world.happen("back", "a0", at=100.5)
    until(health, world, 5)
    assert world.trials == []
    world.fall_ill("b0")
    world.states["b0"] = "up"
    until(health, world, 5)
    assert world.trials == []


def test_a_device_that_goes_in_the_middle_of_a_trial_is_tried_again(health: Health, world: World) -> None:
    def prove(name: str) -> list[str]:
        raise NoEngine(f"{name} is not there")

    health._prove = prove
    world.fall_ill()
    until(health, world, 2)
    assert health.patients() == {"a0": 103.0}


def test_those_that_are_well_are_asked_at_intervals(world: World) -> None:
    health = watch(world, health_s=2.0)
    until(health, world, 9)
    assert world.engines["a0"].asked == 4
    world.engines["a0"].wrong = "too hot"
    until(health, world, 2)
    assert world.states == {"a0": "quarantined", "b0": "up"}
    world.engines["a0"].wrong = None
    until(health, world, 10)
    assert world.states["a0"] == "trickle"


def test_nobody_is_asked_who_has_no_answer(world: World) -> None:
    """Then nothing wakes the thread up but an event."""
    del world.engines["a0"]
    health = watch(world, health_s=2.0)
    health.step()
    assert world.now == 100.0 + 3600.0


def test_none_is_asked_if_the_settings_say_so(health: Health, world: World) -> None:
    until(health, world, 100)
    assert world.engines["a0"].asked == 0


def test_those_that_are_out_of_work_are_not_asked(world: World) -> None:
    world.states.update(a0="draining")
    health = watch(world, health_s=1.0)
    until(health, world, 5)
    assert world.engines["a0"].asked == 0


def test_one_that_left_while_it_was_asked_is_no_error(world: World) -> None:
    health = watch(world, health_s=1.0)
    world.engines["a0"].wrong = "too hot"
    rows = world.devices()
    world.devices = lambda: rows
    del world.states["a0"]
    until(health, world, 3)
    assert world.engines["a0"].asked > 1


def test_changes_are_logged(health: Health, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "acrypto")
    world.happen("arrived", "c0")
    world.fall_ill("b0", "broken")
    world.fall_ill()
    until(health, world, 2)
    world.happen("left", "c0")
    until(health, world, 1)
    told = [(record.levelname, record.message) for record in caplog.records]
    assert told == [
        ("INFO", "device c0 arrived"),
        ("WARNING", "device b0 broke: a law was broken"),
        ("WARNING", "device a0 is quarantined: a law was broken"),
        ("INFO", "device a0 is back"),
        ("INFO", "device c0 left"),
    ]


def test_the_thread_takes_up_those_that_are_ill_already_and_ends_with_the_layer(world: World) -> None:
    world.states.update(a0="broken", b0="quarantined")
    health = watch(world)
    world.happen("closed", at=105.0)
    health.start()
    health.stop()
    assert not health.is_alive()
    assert world.states == {"a0": "trickle", "b0": "trickle"}


def test_closing_in_the_middle_of_something_ends_it(world: World) -> None:
    health = watch(world)
    world.closed = True
    health.start()
    health.stop()
    assert not health.is_alive()


def test_stopping_what_was_never_started_is_nothing(health: Health) -> None:
    health.stop()


class Moody(Software):
    """The software engine, as well as it is told to be."""

    wrong: str | None = None

    def health(self) -> str | None:
        return self.wrong


@pytest.fixture
def two() -> Iterator[tuple[acrypto.Layer, Moody]]:
    engine = Moody()
    settings = acrypto.Settings(workers=1, inline_us=0, probation=0.01, health_s=0.01, trickle=1)
    with acrypto.open(["software"], settings=settings) as layer:
        layer.register(engine)
        yield layer, engine


def state(layer: acrypto.Layer, name: str) -> str:
    return next(device.state for device in layer.devices() if device.name == name)


def wait_for(layer: acrypto.Layer, name: str, *states: str) -> None:
    """Passes work until the device has come into one of these states; the test's time limit ends it else."""
    while state(layer, name) not in states:
        layer.digest("sha256", bytes(1 << 16)).wait()


@pytest.mark.slow
def test_a_layer_asks_and_lets_in_again(two: tuple[acrypto.Layer, Moody]) -> None:
    """An engine that says it is ill gets no new work; once it is well it comes back, proven."""
    layer, engine = two
    assert state(layer, "software1") == "up"
    engine.wrong = "too hot"
    wait_for(layer, "software1", "quarantined")
    operation = layer.digest("sha256", bytes(1 << 16))
    operation.wait()
    assert operation.completion.device == "software0"
    engine.wrong = None
    wait_for(layer, "software1", "trickle", "up")


@pytest.mark.slow
def test_what_is_quarantined_by_hand_comes_back(two: tuple[acrypto.Layer, Moody]) -> None:
    layer, _ = two
    layer.quarantine_device("software1", "a test wants it")
    assert state(layer, "software1") == "quarantined"
    wait_for(layer, "software1", "trickle", "up")
