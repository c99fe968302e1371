"""Devices come, fill up, err, lie, slow down, break, recover and leave, and nobody loses a request."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.layer.only import STRONGEST, Only, device, until
from tests.registry.twins import Silent

import acrypto
from acrypto.engines.base import Engine
from acrypto.engines.simulated import Simulated
from acrypto.engines.software import Software
from acrypto.model.offers import Limits, Offer
from acrypto.testing.gate import Gate


@contextmanager
def opened(*engines: Engine | str, **settings: Any) -> Iterator[acrypto.Layer]:
    """The strongest serves, nothing runs inline; gates are opened before the layer closes."""
    with ExitStack() as stack:
        settings = {"workers": 1, "inline_us": 0, **STRONGEST, **settings}
        layer = stack.enter_context(acrypto.open(engines, settings=acrypto.Settings(**settings)))
        for engine in engines:
            if isinstance(engine, Gate):
                stack.callback(engine.open)
        yield layer


def right(operation: acrypto.Operation[bytes], data: bytes) -> str:
    """Checks the digest; who made it."""
    assert operation.wait(60) == hashlib.sha256(data).digest()
    assert operation.completion is not None
    return operation.completion.device


def digests(layer: acrypto.Layer, number: int, **wishes: Any) -> list[tuple[acrypto.Operation[bytes], bytes]]:
    messages = [b"message %d" % at for at in range(number)]
    return [(layer.digest("sha256", message, **wishes), message) for message in messages]


def busy(layer: acrypto.Layer, gate: Gate, number: int, **wishes: Any) -> list[tuple[acrypto.Operation[bytes], bytes]]:
    """One in the gate's hands, and so many behind it."""
    blocker = layer.digest("sha256", b"blocker", **wishes)
    assert gate.arrived.wait(60)
    return [(blocker, b"blocker"), *digests(layer, number, **wishes)]


def states(layer: acrypto.Layer) -> dict[str, str]:
    return {found.name: found.state for found in layer.devices()}


class Load:
    """Threads that submit and check until they are told to stop."""

    def __init__(self, layer: acrypto.Layer, threads: int = 3) -> None:
        self.layer = layer
        self.wrong: list[BaseException] = []
        self.done = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for operation, message in digests(self.layer, 20):
                    right(operation, message)
                    self.done += 1
            except BaseException as error:
                self.wrong.append(error)
                return

    def more(self, number: int = 200) -> None:
        """Goes on once so many more are done."""
        goal = self.done + number
        until(lambda: self.done >= goal or self.wrong)
        assert self.wrong == []


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


# ---- Falling ill


def test_errors_in_a_row_lead_to_quarantine_and_cost_nobody_anything() -> None:
    flaky = Simulated(name="flaky", algorithms=["sha256"], priority=200)
    with opened(flaky, "software", quarantine_errors=4) as layer:
        flaky.tune("error_rate", 1.0)
        for number in range(1, 7):
            assert right(layer.digest("sha256", b"x"), b"x") == "software0"
            assert states(layer)["flaky0"] == ("quarantined" if number >= 4 else "up")
        found = device(layer, "flaky0")
        assert (found.redone, "failed too often" in found.why) == (4, True)
        assert layer.statistics().fallbacks == {"done again: its device failed": 4}
        with pytest.raises(acrypto.NoEngine, match="flaky0 is quarantined"):
            layer.digest("sha256", b"x", device="flaky0")


def test_a_success_in_between_starts_the_count_anew() -> None:
    flaky = Simulated(name="flaky", algorithms=["sha256"], priority=200)
    with opened(flaky, "software", quarantine_errors=2) as layer:
        for _ in range(5):
            for rate, expected in ((1.0, "software0"), (0.0, "flaky0")):
                flaky.tune("error_rate", rate)
                assert right(layer.digest("sha256", b"x"), b"x") == expected
        assert states(layer)["flaky0"] == "up"


def test_the_callers_mistakes_are_not_the_devices() -> None:
    with opened(Simulated(name="good", priority=200), "software", quarantine_errors=2) as layer:
        aead = layer.transform("gcm(aes)", key=bytes(16))
        for _ in range(5):
            with pytest.raises(acrypto.AuthenticationError):
                aead.decrypt(bytes(12), bytes(40)).wait(60)
            with pytest.raises(acrypto.CorruptInput):
                layer.decompress("zlib", b"nonsense").wait(60)
            with pytest.raises(acrypto.LimitExceeded):
                layer.decompress("zlib", acrypto.compress("zlib", bytes(9000)), max_output=10).wait(60)
        assert states(layer)["good0"] == "up"
        assert layer.statistics().fallbacks == {}


def test_who_is_alone_is_never_quarantined() -> None:
    flaky = Simulated(name="flaky", algorithms=["sha256"])
    with opened(flaky, quarantine_errors=1) as layer:
        flaky.tune("error_rate", 1.0)
        for _ in range(5):
            with pytest.raises(acrypto.EngineError):
                layer.digest("sha256", b"x").wait(60)
        assert states(layer)["flaky0"] in {"up", "suspect"}
        flaky.tune("error_rate", 0.0)
        assert right(layer.digest("sha256", b"x"), b"x") == "flaky0"


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_no_more_attempts_than_allowed(attempts: int) -> None:
    engines = [Simulated(name=name, algorithms=["sha256"]) for name in ("a", "b", "c", "d")]
    with opened(*engines, attempts=attempts, quarantine_errors=0) as layer:
        for engine in engines:
            engine.tune("error_rate", 1.0)
        operation = layer.digest("sha256", b"x")
        with pytest.raises(acrypto.EngineError):
            operation.wait(60)
        assert operation.completion is not None
        assert operation.completion.attempts == attempts
        assert sum(found.redone for found in layer.devices()) == attempts - 1


@pytest.mark.slow
def test_one_that_becomes_far_slower_is_quarantined() -> None:
    tired = Simulated(name="tired", algorithms=["sha256"], latency_us=100.0, priority=200)
    with opened(tired, "software", quarantine_factor=20.0) as layer:
        for _ in range(50):
            assert right(layer.digest("sha256", b"x"), b"x") == "tired0"
        tired.slow(1000)
        for _ in range(10):
            right(layer.digest("sha256", b"x"), b"x")
            if states(layer)["tired0"] == "quarantined":
                break
        assert "slower" in device(layer, "tired0").why
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"


def test_quarantine_moves_what_is_queued_and_what_runs_goes_on() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, "software") as layer:
        (running, data), *queued = busy(layer, gate, 5)
        assert layer.quarantine_device("gate0", "a test wants it") is True
        assert layer.quarantine_device("gate0", "again") is False
        assert {right(operation, message) for operation, message in queued} == {"software0"}
        assert device(layer, "gate0").why == "a test wants it"
        gate.open()
        assert right(running, data) == "gate0"


# ---- Coming back


def test_who_is_let_in_gets_a_trickle_and_then_all() -> None:
    patient = Only("gate", "sha256")
    patient.open()
    with opened(patient, "software", trickle=5) as layer:
        layer.quarantine_device("gate0", "a test wants it")
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"
        assert layer.revive_device("gate0") == []
        assert states(layer)["gate0"] == "trickle"
        patient.shut()
        first = layer.digest("sha256", b"first")
        assert patient.arrived.wait(60)
        rest = [layer.digest("sha256", b"x") for _ in range(5)]
        assert {right(operation, b"x") for operation in rest} == {"software0"}  # one at a time
        patient.open()
        assert right(first, b"first") == "gate0"
        for number in range(2, 6):
            assert states(layer)["gate0"] == "trickle"
            assert right(layer.digest("sha256", b"%d" % number), b"%d" % number) == "gate0"
        assert states(layer)["gate0"] == "up"


def test_the_first_failure_in_a_trickle_sends_it_back() -> None:
    flaky = Simulated(name="flaky", algorithms=["sha256"], priority=200)
    with opened(flaky, "software") as layer:
        layer.quarantine_device("flaky0", "a test wants it")
        assert layer.revive_device("flaky0") == []
        flaky.tune("error_rate", 1.0)
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"
        assert states(layer)["flaky0"] == "quarantined"


def test_a_liar_is_not_let_in() -> None:
    liar = Simulated(name="liar", algorithms=["sha256"], priority=200)
    with opened(liar, "software") as layer:
        layer.quarantine_device("liar0", "a test wants it")
        liar.tune("corrupt_rate", 1.0)
        reasons = layer.revive_device("liar0")
        assert reasons
        assert "sha256-liar" in reasons[0]
        assert states(layer)["liar0"] == "quarantined"
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"
        liar.tune("corrupt_rate", 0.0)
        assert layer.revive_device("liar0") == []
        assert right(layer.digest("sha256", b"x"), b"x") == "liar0"


@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
def test_a_broken_one_is_revived(how: str) -> None:
    mortal = Simulated(name="mortal", algorithms=["sha256"], priority=200)
    with opened(mortal, "software", trickle=2) as layer:
        mortal.kill(how)
        layer.break_device("mortal0")
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"
        assert layer.revive_device("mortal0") == []
        assert [right(layer.digest("sha256", b"x"), b"x") for _ in range(3)] == ["mortal0"] * 3
        assert states(layer)["mortal0"] == "up"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["dropped", "silent"])
def test_probes_find_the_dead_and_bring_them_back(how: str) -> None:
    mortal = Simulated(name="mortal", algorithms=["sha256"], priority=200, latency_us=1.0)
    with opened(mortal, "software", probation=0.01, health_s=0.01, trickle=1) as layer:
        mortal.kill(how)
        until(lambda: states(layer)["mortal0"] in {"quarantined", "broken"})
        assert right(layer.digest("sha256", b"x"), b"x") == "software0"
        mortal.revive()
        until(lambda: right(layer.digest("sha256", b"x"), b"x") == "mortal0")


# ---- Told before, told after, and counted


@pytest.mark.parametrize("nbytes", [0, 1, 100, 4096, 100_000, 3_000_000])
@pytest.mark.parametrize("balancer", ["failover", "simple", "by_size"])
def test_what_is_explained_before_is_what_happens(balancer: str, nbytes: int) -> None:
    engines = [Simulated(name="near", priority=200), "software"]
    with acrypto.open(engines, settings=acrypto.Settings(balancer=balancer, health_s=0.0)) as layer:
        for name, key in (("sha256", None), ("gcm(aes)", bytes(16)), ("zlib", None)):
            for told in layer.explain(name, nbytes=nbytes, key=key):
                transform = layer.transform(name, key=key)
                data = bytes(nbytes)
                match told.direction:
                    case "digest":
                        operation: acrypto.Operation[Any] = transform.digest(data)
                    case "encrypt":
                        operation = transform.encrypt(bytes(12), data)
                    case "compress":
                        operation = transform.compress(data)
                    case _:
                        continue
                operation.wait(60)
                done = operation.completion
                assert done is not None
                assert (done.device, done.driver, done.lane) == (told.device, told.driver, told.lane)
                assert told.reason.startswith(done.reason)


def test_an_explanation_follows_what_happens_to_devices() -> None:
    with opened(Simulated(name="near", priority=200), "software") as layer:
        assert {told.device for told in layer.explain("gcm(aes)", nbytes=10, key=bytes(16))} == {"near0"}
        layer.quarantine_device("near0", "a test wants it")
        [told] = layer.explain("sha256", nbytes=10)
        assert (told.device, told.reason.split(";")[0]) == ("software0", "the devices before it are not usable")


def test_statistics_add_up() -> None:
    flaky = Simulated(name="flaky", algorithms=["sha256", "crc32"], priority=200)
    with opened(flaky, "software", quarantine_errors=0) as layer:
        before = layer.statistics()
        flaky.tune("error_rate", 0.3)
        operations = digests(layer, 200)
        batch = layer.transform("crc32").digest_many([b"%d" % at for at in range(10)])
        nbytes = sum(len(message) for _, message in operations) + 10
        for operation, message in operations:
            right(operation, message)
        batch.wait(60)
        until(lambda: not layer.lingering())
        after = layer.statistics()

        def grown(name: str, of: str | None = None) -> int:
            return sum(
                after.devices[each][name] - before.devices[each][name] for each in after.devices if of in {None, each}
            )

        redone = sum(operation.completion.attempts - 1 for operation, _ in operations if operation.completion)
        redone_batch = grown("redone") - redone
        assert redone > 0
        assert redone_batch >= 0
        assert grown("finished") == 210
        assert grown("started") == grown("completed") + grown("failed") == grown("submitted")
        assert grown("completed") == 210
        assert grown("failed", "software0") == 0
        assert grown("bytes_in") >= nbytes
        assert after.fallbacks == {"done again: its device failed": grown("redone")}
        for name in ("flaky0", "software0"):
            rows = [row for row in after.algorithms if row["device"] == name]
            for counter in ("completed", "failed", "bytes_in", "bytes_out", "busy_ns"):
                assert sum(row[counter] for row in rows) == after.devices[name][counter], counter
            for histogram in ("queue_ns", "run_ns"):
                edges = [edge for edge, _ in after.devices[name][histogram]]
                assert edges == sorted(edges)
        requests = sum(count for each in after.devices.values() for _, count in each["run_ns"])
        requests -= sum(count for each in before.devices.values() for _, count in each["run_ns"])
        assert 200 + redone < requests <= 200 + redone + 10 + redone_batch
        assert after.pool["lingering"] == 0
        assert set(after.as_dict()) == {"devices", "algorithms", "fallbacks", "pool"}


def test_counters_only_grow_and_idle_devices_hold_nothing() -> None:
    with opened(Simulated(name="near", priority=200), "software") as layer:
        last = layer.statistics().devices
        for _ in range(5):
            for operation, message in digests(layer, 20):
                right(operation, message)
            now = layer.statistics().devices
            for name, row in now.items():
                for counter in ("submitted", "started", "completed", "failed", "finished", "bytes_in", "busy_ns"):
                    assert row[counter] >= last[name][counter]
            last = now
        until(lambda: all(row["operations"] == row["bytes"] == 0 for row in layer.statistics().devices.values()))
        assert layer.statistics().devices["near0"]["ready_ns"] == 0


def test_lingering_is_counted_while_a_device_keeps_memory() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, "software") as layer:
        operation = layer.digest("sha256", b"x")
        assert gate.arrived.wait(60)
        operation.cancel()
        assert layer.statistics().pool["lingering"] == layer.lingering() == device(layer, "gate0").lingering == 1
        gate.open()
        until(lambda: not layer.lingering())
        assert device(layer, "gate0").cancelled == 1
