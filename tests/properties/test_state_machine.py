"""Devices come, go, fail, die and come back while requests of every sort are under way: none is lost or told twice."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.properties.machine import (
    ALGORITHMS,
    CHARACTERS,
    LONG,
    MAX_BYTES,
    MAX_OPERATIONS,
    SIZES,
    WORKS,
    Asked,
    Calls,
    Strange,
    Works,
    Written,
)

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.engines.simulated import DEATHS, Simulated
from acrypto.engines.software import Software

#: Every fault that a schedule can have, each so often that several befall one run.
SCHEDULE = (
    Fault("refuse", every=5, times=50),
    Fault("duplicate", every=4),
    Fault("fail", every=3),
    Fault("drop", every=7),
    Fault("die", after=40, times=1),
)
MOST_DEVICES = 5
places = st.integers(0, 1 << 16)


class Machine(RuleBasedStateMachine):
    """See the head of this file. What it draws depends only on what it has done, never on what the threads do."""

    always_served: bool

    def __init__(self) -> None:
        super().__init__()
        values = acrypto.Settings(
            workers=2,
            inline_us=0,
            queue_operations=MAX_OPERATIONS,
            queue_bytes=MAX_BYTES,
            lost_after=0.02,
            attempts=16,
            probation=1e6,
            trickle=2,
            health_s=0,
            quarantine_factor=0,
            remember_costs=False,
        )
        self.engines: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.calls = Calls()
        self.counters: dict[str, dict[str, int]] = {}
        self.num_named = 0
        software = Software()
        self.layer = acrypto.open([software], settings=values)
        self.works = Works(self.layer)
        if not self.always_served:
            self.engines["software0"] = software
        self.layer.add_balancer(Strange())

    # ---- Devices

    def name(self, place: int) -> str:
        """One of the devices that may be harmed."""
        return sorted(self.engines)[place % len(self.engines)]

    @precondition(lambda self: len(self.engines) < MOST_DEVICES)
    @rule(character=st.sampled_from(sorted(CHARACTERS)))
    def add_simulated(self, character: str) -> None:
        made, turned = CHARACTERS[character]
        self.num_named += 1
        engine = Simulated(name=f"{character}-{self.num_named}x", **{"algorithms": ALGORITHMS, **made})
        name = self.layer.register(engine)
        for knob, value in turned.items():
            engine.tune(knob, value)
        self.engines[name] = engine

    @precondition(lambda self: len(self.engines) < MOST_DEVICES)
    @rule(manner=st.sampled_from(Written.manners))
    def add_written(self, manner: str) -> None:
        self.num_named += 1
        engine = Written(f"written{self.num_named}x")
        self.engines[self.layer.register(engine)] = engine
        engine.manner = manner

    @precondition(lambda self: not any(isinstance(engine, Faulty) for engine in self.engines.values()))
    @rule()
    def add_faulty(self) -> None:
        engine = Faulty(*SCHEDULE)
        self.engines[self.layer.register(engine)] = engine

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def remove(self, place: int) -> None:
        name = self.name(place)
        self.let_go(name)
        self.layer.remove_device(name, timeout=0.1)
        del self.engines[name]
        self.counters.pop(name, None)

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def drain(self, place: int) -> None:
        self.layer.drain_device(self.name(place), timeout=0.0)

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def break_down(self, place: int) -> None:
        self.layer.break_device(self.name(place))

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def quarantine(self, place: int) -> None:
        self.layer.quarantine_device(self.name(place), "the test says so")

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def revive(self, place: int) -> None:
        name = self.name(place)
        engine = self.engines[name]
        if isinstance(engine, Faulty):
            return  # what it keeps it lets go of only when it closes: its proof would wait behind that
        self.let_go(name)
        manner = self.well(engine)
        self.layer.revive_device(name)
        self.ill(engine, manner)

    def well(self, engine: Any) -> Any:
        """Makes it behave for its proof; what it was before."""
        if isinstance(engine, Written):
            manner, engine.manner = engine.manner, "good"
            return manner
        turned = CHARACTERS.get(engine.name.split("-")[0], ({}, {}))[1]
        for knob in turned:
            engine.tune(knob, 20.0 if knob == "latency_us" else 0.0)
        engine.revive()  # now it loses no more, and what it has lost it lets go of
        return turned

    def ill(self, engine: Any, manner: Any) -> None:
        """Undoes `well`."""
        if isinstance(engine, Written):
            engine.manner = manner
            return
        for knob, value in manner.items():
            engine.tune(knob, value)

    @precondition(lambda self: self.engines)
    @rule(place=places, how=st.sampled_from(DEATHS))
    def kill(self, place: int, how: str) -> None:
        engine = self.engines[self.name(place)]
        if isinstance(engine, Simulated):
            engine.kill(how)

    @precondition(lambda self: self.engines)
    @rule(place=places)
    def let_go_of_what_is_kept(self, place: int) -> None:
        self.let_go(self.name(place))

    def let_go(self, name: str) -> None:
        engine = self.engines[name]
        if isinstance(engine, Written):
            engine.let_go()

    @rule(name=st.sampled_from(["simple", "fastest", "round_robin", "failover", "by_size", "by_process", "strange"]))
    def balance(self, name: str) -> None:
        if name in {row.name for row in self.layer.balancers()}:
            self.layer.set_balancer(name)

    # ---- Requests

    @rule(
        work=st.sampled_from(WORKS),
        size=st.integers(0, len(SIZES) - 1),
        num=st.sampled_from([1, 2, 12]),
        mode=st.sampled_from(["queued", "queued", "poll", "direct", "inline"]),
        priority=st.integers(-2, 2),
        deadline=st.sampled_from([None, None, None, 0.0, 0.03, 60.0]),
        client=st.sampled_from([None, "heavy", "light"]),
        bound=st.one_of(st.none(), st.none(), places),
        into=st.booleans(),
        tries=st.booleans(),
    )
    def submit(self, num: int, into: bool, tries: bool, bound: int | None, **drawn: Any) -> None:
        for _ in range(num):
            self.one(into=into and drawn["work"] != "many", tries=tries, bound=bound, **drawn)

    def one(self, *, work: str, size: int, into: bool, tries: bool, bound: int | None, **wishes: Any) -> None:
        number = len(self.asked)
        asked = Asked(number, work, size, {key: value for key, value in wishes.items() if value is not None})
        if bound is not None and self.engines and work != "route":
            asked.wishes["device"] = self.name(bound)
            if asked.wishes["mode"] == "inline":  # a dead device would never let us go
                asked.wishes["mode"] = "queued"
        if not self.always_served and asked.wishes["mode"] == "inline":
            asked.wishes["mode"] = "queued"
        asked.wishes["callback"] = self.calls.of(number)
        asked.into = bytearray(200_000) if into else None
        try:
            self.works.submit(asked, tries=tries)
        except acrypto.QueueFull:
            assert tries, "QueueFull without try_"
        except acrypto.NoEngine:
            assert asked.is_bound or not self.always_served, "NoEngine beside a device that is always there"
        self.asked.append(asked)

    @precondition(lambda self: self.asked)
    @rule(place=places, num=st.integers(1, 5))
    def cancel(self, place: int, num: int) -> None:
        for offset in range(num):
            asked = self.asked[(place + offset) % len(self.asked)]
            if asked.operation is not None and asked.operation.cancel():
                asked.was_cancelled = True

    @precondition(lambda self: self.asked)
    @rule(place=places)
    def wait(self, place: int) -> None:
        asked = self.asked[place % len(self.asked)]
        # What is bound to a device that has died waits with it; and so does all if nobody else is there.
        if self.always_served and asked.operation is not None and not asked.is_bound and not asked.was_cancelled:
            try:
                asked.operation.wait(LONG)
            except TimeoutError as error:
                if not isinstance(error, acrypto.DeadlineExceeded):
                    raise AssertionError(f"{asked.work} {asked.wishes} does not end") from error
            except acrypto.AcryptoError:
                pass
            self.check(asked)

    @rule(most=st.sampled_from([1, 1000]))
    def poll(self, most: int) -> None:
        known = {id(asked.operation): asked for asked in self.under_way()}
        for operation in self.layer.poll(most):
            known[id(operation)].num_reaped += 1

    @precondition(lambda self: self.engines)
    @rule(
        place=places,
        what=st.sampled_from(["break", "kill", "remove", "quarantine", "drain"]),
        how=st.sampled_from(DEATHS),
        work=st.sampled_from(WORKS),
    )
    def submit_meanwhile(self, place: int, what: str, how: str, work: str) -> None:
        """Another thread harms a device while this one submits."""
        name = self.name(place)
        harm = {
            "break": lambda: self.break_down(place),
            "kill": lambda: self.kill(place, how),
            "remove": lambda: self.remove(place),
            "quarantine": lambda: self.quarantine(place),
            "drain": lambda: self.drain(place),
        }[what]
        errors: list[BaseException] = []

        def run() -> None:
            try:
                harm()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        for _ in range(20):
            number = len(self.asked)
            asked = Asked(number, work, 3, {"callback": self.calls.of(number)})
            try:
                self.works.submit(asked, tries=False)
            except acrypto.NoEngine:
                assert not self.always_served, "NoEngine beside a device that is always there"
            self.asked.append(asked)
        thread.join(LONG)
        assert not thread.is_alive(), f"{what} of {name} hangs"
        assert not errors, errors

    # ---- Laws

    def under_way(self) -> list[Asked]:
        """All that were not refused at once."""
        return [asked for asked in self.asked if asked.operation is not None]

    def check(self, asked: Asked) -> None:
        wrong = asked.judge(always_served=self.always_served)
        assert not wrong, f"{wrong}: {asked.work} of {SIZES[asked.size]}, {asked.wishes}, {asked.operation.completion}"

    @invariant()
    def what_has_ended_ended_well_and_once(self) -> None:
        for asked in self.under_way():
            if asked.operation.done():
                self.check(asked)
            assert self.calls.count(asked.number) <= 1
            assert asked.num_reaped <= (1 if asked.wishes.get("mode") == "poll" else 0)

    @invariant()
    def budgets_hold_and_counters_only_grow(self) -> None:
        for device in self.layer.devices():
            facts = device.as_dict()
            assert device.operations <= MAX_OPERATIONS or device.max_operations > MAX_OPERATIONS
            assert device.bytes <= MAX_BYTES or device.operations == 1, facts
            before = self.counters.get(device.name, {})
            after = {key: facts[key] for key in COUNTERS}
            assert all(after[key] >= before.get(key, 0) for key in COUNTERS), (before, after)
            self.counters[device.name] = after

    def teardown(self) -> None:
        taken = self.under_way()
        for asked in taken:
            asked.was_pending_at_close = not asked.operation.done()
        closer = threading.Thread(target=self.layer.close, daemon=True)
        closer.start()
        closer.join(LONG)
        assert not closer.is_alive(), "close() hangs"
        try:
            for asked in taken:
                assert asked.operation.done(), (asked.work, asked.wishes)
                self.check(asked)
            lost = self.calls.wait_for({asked.number for asked in taken})
            assert not lost, [self.asked[number].wishes for number in sorted(lost)]
            assert all(self.calls.count(asked.number) == 1 for asked in taken)
            assert self.layer.lingering() == 0
            for device in self.layer.devices():
                facts = device.as_dict()
                assert (device.operations, device.bytes, device.queued, device.waiting) == (0, 0, 0, 0), facts
                assert device.state == "closed"
        finally:
            for engine in self.engines.values():
                if isinstance(engine, Written):
                    engine.kept.clear()
        for asked in self.asked:
            asked.operation = None
        gc.collect()
        kept = [asked.work for asked in self.asked for source in asked.sources if source() is not None]
        assert not kept, kept


#: Counters of a device that never go back.
COUNTERS = (
    "submitted", "started", "completed", "failed", "finished", "cancelled", "refused", "duplicates", "redone",
    "spilled", "moved", "lost", "lied", "inline", "batch", "queued_units", "bytes_in", "bytes_out", "busy_ns",
)  # fmt: skip


class BesideSoftware(Machine):
    """One device never fails: no request that may be repeated and is bound to no device may fail."""

    always_served = True


class Alone(Machine):
    """Every device may fail, and all of them may be gone."""

    always_served = False


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The strange balancer's mistakes are told there, and are wanted; so is what the log says of sick devices."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _args: None)
    log = logging.getLogger("acrypto")
    before = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(before)


LIMITS = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


class TestBesideSoftware(BesideSoftware.TestCase):
    settings = LIMITS


class TestAlone(Alone.TestCase):
    settings = LIMITS
