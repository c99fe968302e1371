"""Devices come, leave and break, and nobody loses a request."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from tests.layer.load import Load, busy, digests, opened, right, states
from tests.layer.only import Only, device, until
from tests.registry.twins import Silent

import acrypto
from acrypto.engines.simulated import Simulated
from acrypto.engines.software import Software
from acrypto.model.offers import Limits, Offer
from acrypto.testing.gate import Gate

# ---- Coming


def test_what_is_queued_goes_to_a_newcomer() -> None:
    """But what is bound stays, and what runs goes on."""
    gate = Gate()
    with opened(gate, balancer="fastest") as layer:
        (blocker, data), *queued = busy(layer, gate, 9)
        bound = layer.digest("sha256", b"bound", device="gate0")
        layer.register(Software())
        assert {right(operation, message) for operation, message in queued} == {"software0"}
        assert not blocker.done()
        assert not bound.done()
        assert device(layer, "gate0").moved == 9
        assert layer.statistics().fallbacks == {"moved: another device has come": 9}
        assert {operation.completion.attempts for operation, _ in queued if operation.completion} == {1}
        gate.open()
        assert right(blocker, data) == right(bound, b"bound") == "gate0"
        assert gate.order == [data, b"bound"]


def test_what_waits_behind_the_budget_goes_to_a_newcomer_as_well() -> None:
    gate = Gate()
    with opened(gate, balancer="fastest", queue_operations=1) as layer:
        (blocker, data), *waiting = busy(layer, gate, 4)
        assert device(layer, "gate0").waiting == 4
        layer.register(Software())
        assert {right(operation, message) for operation, message in waiting} == {"software0"}
        gate.open()
        assert right(blocker, data) == "gate0"


def test_a_newcomer_is_used_by_transforms_that_exist() -> None:
    with opened("software") as layer:
        transform = layer.transform("sha256")
        assert right(transform.digest(b"x"), b"x") == "software0"
        engine = Only("gate", "sha256")
        engine.open()
        layer.register(engine)
        assert right(transform.digest(b"x"), b"x") == "gate0"


# ---- Leaving


def test_draining_lets_nothing_in_and_moves_what_is_queued() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, "software") as layer:
        (blocker, data), *queued = busy(layer, gate, 9)
        assert layer.drain_device("gate0", timeout=0.0) is False
        assert {right(operation, message) for operation, message in queued} == {"software0"}
        assert device(layer, "gate0").state == "draining"
        assert right(layer.digest("sha256", b"new"), b"new") == "software0"
        with pytest.raises(acrypto.NoEngine, match="gate0 is draining"):
            layer.digest("sha256", b"new", device="gate0")
        gate.open()
        assert right(blocker, data) == "gate0"
        assert layer.drain_device("gate0", timeout=60) is True


def test_a_device_may_leave_under_load() -> None:
    engines = [Simulated(name=name, latency_us=50.0, priority=200) for name in ("one", "two", "three")]
    with opened(*engines, "software", balancer="round_robin") as layer, Load(layer) as load:
        for name in ("two0", "one0", "three0"):
            load.more()
            layer.remove_device(name, timeout=60)
            assert name not in states(layer)
            load.more(50)
        assert list(states(layer)) == ["software0"]
    assert load.wrong == []


def test_devices_may_come_and_go_under_load() -> None:
    with opened("software", balancer="round_robin") as layer, Load(layer) as load:
        for _ in range(10):
            name = layer.register(Simulated(algorithms=["sha256"], latency_us=50.0))
            load.more(50)
            layer.remove_device(name, timeout=60)
    assert load.wrong == []


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_removal_ends_though_its_engine_keeps_what_it_has(timeout: float) -> None:
    silent = Silent(Offer("sha256", "sha256-silent", 200))
    silent.selftest = False
    with opened(silent, "software") as layer:
        held = digests(layer, 5)
        until(lambda: len(silent.kept) == 5)
        bound = layer.digest("sha256", b"bound", device="silent0")
        layer.remove_device("silent0", timeout=timeout)
        assert {right(operation, message) for operation, message in held} == {"software0"}
        with pytest.raises(acrypto.DeviceLost, match="silent0"):
            bound.wait(60)
        assert list(states(layer)) == ["software0"]


def test_what_left_cannot_be_named_and_may_come_again() -> None:
    with opened("software") as layer:
        layer.register(Software())
        layer.remove_device("software1")
        with pytest.raises(acrypto.NoEngine, match="software1"):
            layer.digest("sha256", b"x", device="software1")
        for call in (layer.remove_device, layer.drain_device, layer.break_device, layer.revive_device):
            with pytest.raises(acrypto.NoEngine, match="nosuch"):
                call("nosuch")
        name = layer.register(Software())
        assert right(layer.digest("sha256", b"x", device=name), b"x") == name


def test_the_last_one_may_leave() -> None:
    with opened("software") as layer:
        transform = layer.transform("sha256")
        layer.remove_device("software0")
        with pytest.raises(acrypto.NoEngine, match="sha256"):
            transform.digest(b"x")
        layer.register(Software())
        assert right(layer.digest("sha256", b"x"), b"x").startswith("software")


# ---- Breaking


def test_what_a_broken_device_had_is_done_elsewhere() -> None:
    """What was in its hands, what was queued, and what waited behind the budget."""
    gate = Only("gate", "sha256")
    with opened(gate, "software", balancer="simple", queue_operations=4) as layer:
        layer.remove_device("software0")
        operations = busy(layer, gate, 9)
        late = layer.digest("sha256", b"bound", device="gate0")
        name = layer.register(Simulated(algorithms=["crc32"]))  # no help
        layer.register(Only("useless", "crc32"))
        layer.quarantine_device(name, "not needed")
        layer.break_device("gate0")
        with pytest.raises(acrypto.DeviceLost):
            late.wait(60)
        for operation, _ in operations:
            with pytest.raises(acrypto.DeviceLost, match="gate0"):
                operation.wait(60)


@pytest.mark.parametrize("budget", [1024, 4])
def test_a_break_costs_nobody_who_may_go_elsewhere(budget: int) -> None:
    gate = Only("gate", "sha256")
    with opened(gate, "software") as layer:
        layer.quarantine_device("software0", "so that all goes to the gate")
        operations = busy(layer, gate, 9)
        assert layer.revive_device("software0") == []
        bound = layer.digest("sha256", b"bound", device="gate0")
        layer.break_device("gate0")
        assert {right(operation, message) for operation, message in operations} == {"software0"}
        attempts = [operation.completion.attempts for operation, _ in operations if operation.completion]
        assert attempts == [2] + [1] * 9
        with pytest.raises(acrypto.DeviceLost, match="gate0"):
            bound.wait(60)
        assert device(layer, "gate0").state == "broken"
        gate.open()
        until(lambda: not layer.lingering())


def test_what_may_not_be_repeated_ends_once_with_device_lost() -> None:
    gate = Only("gate", "sha256", limits=Limits(repeatable=False))
    with opened(gate, "software") as layer:
        called: list[object] = []
        (running, _), *queued = busy(layer, gate, 4, callback=called.append)
        layer.break_device("gate0")
        with pytest.raises(acrypto.DeviceLost, match="gate0"):
            running.wait(60)
        assert {right(operation, message) for operation, message in queued} == {"software0"}
        gate.open()
        until(lambda: not layer.lingering() and len(called) == 5)
        assert {id(each) for each in called} == {id(running), *(id(operation) for operation, _ in queued)}


def test_a_late_answer_of_a_broken_device_is_ignored() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, "software") as layer:
        operation = layer.digest("sha256", b"x")
        assert gate.arrived.wait(60)
        layer.break_device("gate0")
        assert right(operation, b"x") == "software0"
        gate.open()
        until(lambda: gate.order and not layer.lingering())
        assert right(operation, b"x") == "software0"


@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
def test_devices_may_die_under_load(how: str) -> None:
    mortal = Simulated(name="mortal", latency_us=50.0, priority=200, algorithms=["sha256"])
    with opened(mortal, "software", balancer="round_robin") as layer, Load(layer) as load:
        for _ in range(5):
            load.more(50)
            mortal.kill(how)
            layer.break_device("mortal0")
            load.more(50)
            mortal.revive()
            assert layer.revive_device("mortal0") == []
        load.more(50)
    assert load.wrong == []
    assert layer.lingering() == 0


def test_coroutines_lose_nothing_either() -> None:
    mortal = Simulated(name="mortal", latency_us=200.0, priority=200, algorithms=["sha256"])

    async def main() -> None:
        with opened(mortal, "software") as layer:
            messages = [b"%d" % number for number in range(300)]
            waiting = asyncio.gather(*(layer.digest("sha256", message) for message in messages))
            await asyncio.sleep(0)
            mortal.kill()
            layer.break_device("mortal0")
            assert await waiting == [hashlib.sha256(message).digest() for message in messages]

    asyncio.run(main())
