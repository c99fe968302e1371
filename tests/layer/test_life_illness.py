"""Devices err, lie and slow down; they get no work until they are well, and then a little."""

from __future__ import annotations

import pytest
from tests.layer.conftest import Script
from tests.layer.load import busy, opened, right, states
from tests.layer.only import Only, device, until

import acrypto
from acrypto.engines.simulated import Simulated

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


PROVES_UNDER_LOAD = """
import threading, acrypto
from acrypto.engines.simulated import Simulated

narrow = Simulated(name="narrow", algorithms=["sha256"], priority=200, depth=1, accept=1, latency_us=500)
settings = acrypto.Settings(workers=1, inline_us=0, balancer="failover", probation=1000.0, health_s=0.0)
stopped = threading.Event()

def load(layer):
    while not stopped.is_set():
        for operation in [layer.digest("sha256", b"x") for _ in range(20)]:
            assert operation.wait(15) == acrypto.sha256(b"x")

import logging
logging.disable()
with acrypto.open([narrow, "software"], settings=settings) as layer:
    threads = [threading.Thread(target=load, args=[layer]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        layer.quarantine_device("narrow0", "again and again")
        assert layer.revive_device("narrow0") == []
    stopped.set()
    for thread in threads:
        thread.join()
print("fine")
"""


@pytest.mark.slow
def test_a_device_is_proven_while_others_work(script: Script) -> None:
    """What its proof queues there is not moved away, least of all to itself."""
    assert script(PROVES_UNDER_LOAD, timeout_s=60) == "fine\n"
