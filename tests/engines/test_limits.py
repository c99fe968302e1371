"""What an offer does not take, others do; and it passes its self-test all the same."""

from __future__ import annotations

import hashlib

import pytest
from tests.registry.twins import Twin

import acrypto
from acrypto.engines.simulated import Simulated
from acrypto.model.offers import DIRECTIONS, Limits, Offer


def ran(operation: acrypto.Operation) -> str:
    operation.wait(60)
    assert operation.completion is not None
    return operation.completion.device


@pytest.fixture
def settings() -> acrypto.Settings:
    return acrypto.Settings(balancer="failover")


@pytest.mark.parametrize("most", [0, 100, 1000])
def test_messages_that_are_too_large_go_elsewhere(settings: acrypto.Settings, most: int) -> None:
    twin = Twin(Offer("sha256", "sha256-twin", 300, limits=Limits(max_bytes=most)))
    with acrypto.open(["software", twin], settings=settings) as layer:
        assert layer.find("sha256-twin").selftest == "passed"
        assert ran(layer.digest("sha256", bytes(most))) == "twin0"
        assert ran(layer.digest("sha256", bytes(most + 1))) == "software0"
        with pytest.raises(acrypto.NoEngine, match=f"at most {most} bytes, not {most + 1}"):
            layer.digest("sha256", bytes(most + 1), device="twin0")


def test_one_direction_alone_is_an_offer(settings: acrypto.Settings) -> None:
    twin = Twin(Offer("zlib", "zlib-twin", 300, limits=Limits(directions=("compress",))))
    with acrypto.open(["software", twin], settings=settings) as layer:
        assert layer.find("zlib-twin").selftest == "passed"
        packed = layer.compress("zlib", b"text" * 99)
        assert ran(packed) == "twin0"
        assert ran(layer.decompress("zlib", packed.result())) == "software0"


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_bytes": -1}, "max_bytes is -1"),
        ({"max_bytes": 1.5}, "max_bytes is 1.5"),
        ({"queue": 0}, "queue is 0; it must be from 1"),
        ({"queue": 1 << 70}, "queue is"),
        ({"directions": "digest"}, "directions is 'digest'"),
        ({"directions": ("turn",)}, DIRECTIONS[0]),
    ],
    ids=str,
)
def test_limits_are_checked_where_they_are_made(limits: dict[str, object], told: str) -> None:
    with pytest.raises(acrypto.UsageError, match=told):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_device_that_is_busy_is_not_ill() -> None:
    """Waiting inside a deep device makes no outlier: only what a run takes by itself does."""
    deep = Simulated(name="deep", latency_us=25_000, rate=1e9, depth=256, priority=200, algorithms=["sha256"])
    settings = acrypto.Settings(balancer="failover", quarantine_factor=2.0)
    with acrypto.open([deep, "software"], settings=settings) as layer:
        data = bytes(1000)
        for _ in range(4):
            for operation in [layer.digest("sha256", data) for _ in range(200)]:
                assert operation.wait(60) == hashlib.sha256(data).digest()
        [row] = [row for row in layer.devices() if row.name == "deep0"]
        assert (row.state, row.why) == ("up", "")


@pytest.mark.parametrize("chain", [False, True])
def test_a_device_may_do_a_route_in_one_pass(chain: bool) -> None:
    """Then only the first stage goes through its queue."""
    names = ["zstd", "sha256", "crc32"]
    device = Simulated(name="line", chain=chain, algorithms=names)
    device.selftest = False
    with acrypto.open([device]) as layer:
        route = layer.route(*[layer.transform(name) for name in names])
        operation = route.run(b"text" * 100)
        packed = operation.wait(60)
        assert bytes(acrypto.decompress("zstd", packed)) == b"text" * 100
        assert [stage.device for stage in operation.completion.stages] == ["line0"] * 3
        assert dict(operation.completion.digests)["sha256"] == hashlib.sha256(packed).digest()
        [row] = layer.devices()
        assert (row.submitted, row.started, row.completed) == (1 if chain else 3, 3, 3)
