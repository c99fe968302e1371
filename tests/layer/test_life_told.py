"""What is told before is what happens, what is told after is what happened, and the counters add up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.layer.load import digests, opened, right
from tests.layer.only import Only, device, until

import acrypto
from acrypto.engines.simulated import Simulated

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
