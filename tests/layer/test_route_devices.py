"""Routes over several devices: told stage by stage, done again at the stage that failed, ended at any stage."""

from __future__ import annotations

import contextlib
import threading

import pytest
from tests.layer.only import Only, device, until
from tests.layer.ways import KEY, THREE, Way, opened

import acrypto
from acrypto.engines.simulated import Simulated

# ---- Told, stage by stage


def test_each_stage_runs_on_its_device_and_is_told() -> None:
    engines = [
        Simulated(name=name, algorithms=[kind], priority=200)
        for name, kind in zip(("press", "lock", "seal"), THREE, strict=True)
    ]
    with opened(*engines) as layer:
        way = Way.of(layer, [*THREE, "sha256"])
        operation = way.run(b"text" * 1000)
        packed = operation.wait(60)
        stages = operation.completion.stages
        assert [stage.algorithm for stage in stages] == [*THREE, "sha256"]
        assert [stage.device for stage in stages] == ["press0", "lock0", "seal0", "software0"]
        assert [stage.driver for stage in stages][:3] == ["zstd-press", "gcm-aes-lock", "hmac-sha256-seal"]
        assert all(stage.attempts == 1 and stage.reason and stage.run_ns > 0 for stage in stages)
        assert (operation.completion.device, operation.completion.attempts) == ("software0", 1)
        back = way.back(packed)
        assert bytes(back.wait(60)) == b"text" * 1000
        assert [stage.device for stage in back.completion.stages] == ["software0", "seal0", "lock0", "press0"]
        assert layer.lingering() == 0


def test_stages_and_digests_are_of_routes_only(soft: acrypto.Layer) -> None:
    operation = soft.digest("sha256", b"x")
    operation.wait()
    assert (operation.completion.stages, operation.completion.digests) == ([], [])


@pytest.mark.parametrize("ill", range(3))
def test_a_failed_stage_is_done_again_alone(ill: int) -> None:
    engines = [Simulated(name=name, priority=priority) for name, priority in (("good", 200), ("spare", 150))]
    bad = Simulated(name="bad", algorithms=[THREE[ill]], priority=300)
    with opened(bad, *engines, quarantine_errors=0) as layer:
        bad.tune("error_rate", 1.0)
        before = {device.name: device for device in layer.devices()}
        way = Way.of(layer, THREE)
        operation = way.run(b"text" * 1000)
        result = bytes(operation.wait(60))
        assert way.undo_by_hand(result, []) == b"text" * 1000
        told = [(stage.device, stage.attempts) for stage in operation.completion.stages]
        assert told == [("good0", 2 if index == ill else 1) for index in range(3)]
        assert operation.completion.stages[ill].reason == "done again: its device failed"
        assert device(layer, "good0").completed - before["good0"].completed == 3
        assert device(layer, "bad0").failed - before["bad0"].failed == 1
        assert device(layer, "bad0").redone == 1


@pytest.mark.parametrize("into", [False, True], ids=["pooled", "into"])
@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
@pytest.mark.parametrize("ill", range(3))
def test_a_device_that_dies_with_a_stage_costs_only_that_stage(ill: int, how: str, into: bool) -> None:
    """But what may still be writing into the caller's own memory is not done twice."""
    mortal = Simulated(name="mortal", algorithms=[THREE[ill]], priority=300)
    with opened(mortal) as layer:
        mortal.tune("latency_us", 1e7)
        before = device(layer, "mortal0").started
        way = Way.of(layer, THREE)
        target = {"into": bytearray(9000)} if into else {}
        operation = way.run(b"text" * 1000, **target)
        until(lambda: device(layer, "mortal0").started > before)
        mortal.kill(how)
        layer.break_device("mortal0")
        try:
            result = operation.wait(60)
        except acrypto.DeviceLost:
            assert into
            assert how != "dropped"
            return
        packed = bytes(target["into"][:result]) if into else bytes(result)
        assert way.undo_by_hand(packed, []) == b"text" * 1000
        assert [stage.attempts for stage in operation.completion.stages] == [2 if at == ill else 1 for at in range(3)]


def test_a_stage_on_an_engine_that_is_silent_is_done_again() -> None:
    mortal = Simulated(name="mortal", algorithms=["gcm(aes)"], priority=300)
    with opened(mortal, lost_after=0.05) as layer:
        way = Way.of(layer, THREE)
        mortal.kill("silent")
        operation = way.run(b"text")
        assert way.undo_by_hand(bytes(operation.wait(60)), []) == b"text"
        assert [stage.device for stage in operation.completion.stages] == ["software0"] * 3
        assert operation.completion.stages[1].reason == "done again: no completion came in time"


def test_all_stages_of_a_bound_route_run_where_it_was_bound() -> None:
    with acrypto.open(
        [Simulated(name="a"), Simulated(name="b")], settings=acrypto.Settings(balancer="round_robin")
    ) as layer:
        way = Way.of(layer, THREE)
        for name in ("a0", "b0"):
            operation = way.run(b"text", device=name)
            operation.wait(60)
            assert [stage.device for stage in operation.completion.stages] == [name] * 3


def test_a_route_bound_to_a_device_that_lacks_a_stage_is_refused() -> None:
    with opened(Simulated(name="press", algorithms=["zstd"])) as layer:
        way = Way.of(layer, THREE)
        with pytest.raises(acrypto.NoEngine, match="press0"):
            way.run(b"text", device="press0").wait(60)
        with pytest.raises(acrypto.NoEngine, match="nosuch"):
            way.run(b"text", device="nosuch")


# ---- Ends in the middle


def gates(names: list[str]) -> list[Only]:
    return [Only(f"gate{index}.", name) for index, name in enumerate(names)]


@pytest.mark.parametrize("at", range(3))
def test_cancelled_at_any_stage_it_ends_and_lets_go(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        source = bytearray(b"text" * 1000)
        operation = Way.of(layer, THREE).run(source)
        assert devices[at].arrived.wait(60)
        assert operation.cancel()
        assert operation.cancelled()
        assert layer.lingering() == 1
        with pytest.raises(BufferError):
            source.append(1)
        for gate in devices:
            gate.open()
        until(lambda: not layer.lingering())
        source.append(1)
        assert [gate.order for gate in devices[at + 1 :]] == [[]] * (2 - at)


@pytest.mark.parametrize("at", range(3))
def test_a_deadline_in_the_middle_ends_it_in_time(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        operation = Way.of(layer, THREE).run(b"text", deadline=0.2)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        devices[at].open()
        until(lambda: not layer.lingering())
        assert [gate.order for gate in devices[at + 1 :]] == [[]] * (2 - at)


def test_priorities_hold_at_every_stage() -> None:
    first, second = Only("first", "sha256"), Only("second", "crc32")
    with opened(first, second) as layer:
        blocked = [layer.digest("sha256", b"blocker"), layer.digest("crc32", b"blocker")]
        assert first.arrived.wait(60)
        assert second.arrived.wait(60)
        route = layer.route(layer.transform("sha256"), layer.transform("crc32"))
        wanted = [0, 5, -3, 5, 0, 9]
        operations = [route.run(b"%d %d" % (priority, at), priority=priority) for at, priority in enumerate(wanted)]
        first.open()
        until(lambda: len(first.order) == 1 + len(wanted) and device(layer, "second0").queued == len(wanted))
        second.open()
        for operation in [*blocked, *operations]:
            operation.wait(60)
    expected = [b"%d %d" % (priority, at) for at, priority in sorted(enumerate(wanted), key=lambda each: -each[1])]
    assert first.order == second.order == [b"blocker", *expected]


def test_try_run_finds_no_room() -> None:
    gate = Only("gate", "zstd")
    with opened(gate, queue_operations=1, balancer="simple") as layer:
        way = Way.of(layer, ["zstd"])
        first = way.run(b"text", device="gate0")
        assert gate.arrived.wait(60)
        source = bytearray(b"text")
        with pytest.raises(acrypto.QueueFull, match="gate0"):
            way.route.try_run(source, **way.extras, device="gate0")
        source.append(1)
        gate.open()
        first.wait(60)


@pytest.mark.parametrize("at", range(3))
def test_a_layer_that_closes_ends_its_routes(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        way = Way.of(layer, THREE)
        operations = [way.run(b"text") for _ in range(3)]
        assert devices[at].arrived.wait(60)
        closer = threading.Thread(target=layer.close)
        closer.start()
        until(lambda: not layer.is_open)
        for gate in devices:
            gate.open()
        closer.join()
        for operation in operations:
            with contextlib.suppress(acrypto.ClosedError):
                assert way.undo_by_hand(bytes(operation.wait(60)), []) == b"text"
        assert layer.lingering() == 0


def test_a_closed_layer_makes_no_routes() -> None:
    with opened() as layer:
        transform = layer.transform("hmac(sha256)", key=KEY)
        route = layer.route(transform)
    with pytest.raises(acrypto.ClosedError):
        route.run(b"text")
    with pytest.raises(acrypto.ClosedError):
        layer.route(transform)
