"""The tree with the core's software model behind it: a queue that is enabled takes descriptors."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator

import pytest
from tests.idxd.conftest import Crypto, refused, setup
from tests.idxd.test_accel_config import IAX

from acrypto._core import IdxdQueue
from acrypto.idxd import Bus, BusError, Capabilities, Model, open_bus, status
from acrypto.idxd.accel_config import parse
from acrypto.idxd.state import Device, dsa_capabilities
from acrypto.idxd.stored import build, default


@pytest.fixture
def models() -> dict[str, Model]:
    return {}


@pytest.fixture
def bus(models: dict[str, Model]) -> Iterator[Bus]:
    def make(device: Device) -> Model:
        models[device.name] = Model(device)
        return models[device.name]

    made = Bus(make)
    made.add_device("iax1")
    yield made
    made.close()


def test_an_enabled_queue_is_one_of_the_model(bus: Bus, models: dict[str, Model], crypto: Crypto) -> None:
    setup(bus, size=32, max_transfer_size=65536)
    bus.enable("iax1")
    assert models["iax1"].native.enabled
    assert bus.backing("iax1") is models["iax1"]
    refused(errno.ENODEV, bus.backing, "iax3")
    bus.register(crypto)
    native = crypto.queues[0].native
    assert isinstance(native, IdxdQueue)
    told = {name: native.info[name] for name in ("device", "queue", "name", "mode", "size", "max_transfer")}
    assert told == {
        "device": "iax1",
        "queue": "wq1.0",
        "name": "test",
        "mode": "dedicated",
        "size": 32,
        "max_transfer": 65536,
    }
    assert native.alive
    bus.disable("wq1.0")
    assert not native.alive
    bus.disable("iax1")
    assert not models["iax1"].native.enabled


def test_a_model_that_dies_is_halted_and_lives_again_when_it_is_enabled(
    bus: Bus, models: dict[str, Model], crypto: Crypto
) -> None:
    setup(bus)
    bus.enable("iax1")
    bus.register(crypto)
    models["iax1"].native.kill()
    assert bus.read("devices/iax1/state") == "halted"
    refused(errno.ENXIO, bus.enable, "iax1", status=status.DEV_ENABLED)
    bus.disable("iax1")
    assert not crypto.queues
    setup(bus)
    bus.enable("iax1")
    bus.enable("wq1.0")
    assert bus.read("devices/iax1/state") == "enabled"
    assert crypto.queues[0].native.alive


def test_a_group_without_engines_has_no_portals(bus: Bus, crypto: Crypto) -> None:
    setup(bus, group_id=3)
    bus.enable("iax1")
    bus.register(crypto)
    told = refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_PORTAL_ERR)
    assert "no engine in group 3" in str(told)


def test_the_capabilities_are_those_of_the_files(crypto: Crypto) -> None:
    for version, cap, header, length in (
        (0x200, 0x101, True, 1248),
        (0x200, 0, False, 1088),
        (0x100, 0x101, False, 1088),
    ):
        bus = Bus()
        bus.add_device("iax7", Capabilities(version=version, iaa_cap=cap, numa_node=3))
        setup(bus, "wq7.0")
        bus.enable("iax7")
        driver = Crypto()
        bus.register(driver)
        info = driver.queues[0].native.info
        assert (info["header_gen"], info["state_len"], info["node"], info["device_id"]) == (header, length, 3, 7)
        bus.close()


def test_knobs_and_threads_come_from_the_configuration(crypto: Crypto) -> None:
    rows = [IAX[0] | {"acrypto": {"threads": 0, "knobs": {"compress_ns": 3200}}}]
    bus, _loaded = build(parse(json.dumps(rows)))
    bus.register(crypto)
    assert [queue.dev for queue in crypto.queues] == ["wq1.0"]
    bus.close()


def test_the_default_bus_gives_its_queue_to_the_driver(crypto: Crypto) -> None:
    for bus in (default(), open_bus()):
        bus.register(crypto)
        assert crypto.queues[0].native.info["size"] == 128
        bus.close()
        assert not crypto.queues


def test_a_dsa_device_has_nothing_behind_it() -> None:
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities())
    setup(bus, "wq0.0", driver_name="dmaengine")
    bus.enable("dsa0")
    bus.enable("wq0.0")
    assert bus.queue("wq0.0").native is None
    bus.close()


def test_a_driver_that_refuses_leaves_the_model_without_the_queue(
    bus: Bus, models: dict[str, Model], crypto: Crypto
) -> None:
    setup(bus)
    bus.enable("iax1")
    crypto.refusal = BusError(errno.ENOMEM, "no memory")
    bus.register(crypto)
    assert models["iax1"].native.statistics()["queues"] == []
    crypto.refusal = None
    bus.write("drivers/crypto/bind", "wq1.0")
    assert len(models["iax1"].native.statistics()["queues"]) == 1
