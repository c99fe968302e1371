"""What the analysis of the IAA driver says of who has a work queue, and of how a fresh device is configured."""

from __future__ import annotations

import errno

import pytest
from tests.idxd.conftest import IAX, WQ, Crypto, Recorder, cmd_status, enabled, refused, setup

from acrypto.idxd import Bus, BusError, Capabilities, configure_defaults, status
from acrypto.idxd.state import dsa_capabilities

# ---- sub-driver ownership


def test_sub_driver_ownership_binds_by_driver_name(bus: Bus, crypto: Crypto, backing: Recorder) -> None:
    enabled(bus)
    bus.register(crypto)
    assert [queue.dev for queue in crypto.queues] == ["wq1.0"]
    assert crypto.queues[0].native == "portal 0"
    assert bus.read(f"{WQ}/state") == "enabled"
    assert "wq1.0" in bus.list("drivers/crypto")
    bus.write("drivers/crypto/unbind", "wq1.0\n")
    assert not crypto.queues
    assert backing.told == ["enable iax1", "enable wq 0 of 16", "disable wq 0"]
    refused(errno.ENODEV, bus.write, "drivers/crypto/unbind", "wq1.0")


@pytest.mark.parametrize("name", ["user", "dmaengine", "Crypto", "crypt", "iaa"])
def test_sub_driver_ownership_refuses_another_driver_name(bus: Bus, crypto: Crypto, name: str) -> None:
    enabled(bus, driver_name=name)
    bus.register(crypto)
    assert not crypto.queues
    refused(errno.ENODEV, bus.write, "drivers/crypto/bind", "wq1.0", status=0x80200000)
    assert cmd_status(bus) == 0x80200000
    bus.write(f"{IAX}/cmd_status", "anything")
    assert cmd_status(bus) == 0


def test_sub_driver_ownership_without_a_driver_name(bus: Bus, crypto: Crypto) -> None:
    enabled(bus, driver_name=None)
    bus.register(crypto)
    refused(errno.ENODEV, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_NO_DRV_NAME)


def test_sub_driver_ownership_compares_as_far_as_the_drivers_name_goes(bus: Bus, crypto: Crypto) -> None:
    enabled(bus, driver_name="crypto2")
    bus.register(crypto)
    assert not crypto.queues
    bus.write("drivers/crypto/bind", "wq1.0")
    assert crypto.queues


def test_sub_driver_ownership_needs_an_enabled_device(bus: Bus, crypto: Crypto) -> None:
    setup(bus)
    bus.register(crypto)
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.DEV_NOT_ENABLED)
    assert cmd_status(bus) == 0x80000020


def test_sub_driver_ownership_is_for_devices_that_compress(crypto: Crypto) -> None:
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities())
    setup(bus, "wq0.0")
    bus.enable("dsa0")
    bus.register(crypto)
    assert not crypto.queues
    refused(errno.ENODEV, bus.write, "drivers/crypto/bind", "wq0.0")


def test_sub_driver_ownership_waits_until_private_data_are_gone(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    queue = bus.queue("wq1.0")
    queue.private = "references are live"
    bus.register(crypto)
    refused(errno.EBUSY, bus.write, "drivers/crypto/bind", "wq1.0")
    queue.private = None
    bus.write("drivers/crypto/bind", "wq1.0")
    assert crypto.queues == [queue]


def test_sub_driver_ownership_a_refusal_of_the_driver_leaves_the_queue_disabled(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    crypto.refusal = BusError(errno.ENOMEM, "no memory")
    bus.register(crypto)
    refused(errno.ENOMEM, bus.write, "drivers/crypto/bind", "wq1.0")
    assert bus.read(f"{WQ}/state") == "disabled"
    assert bus.read(f"{WQ}/type") == "kernel"
    assert bus.queue("wq1.0").native is None
    crypto.refusal = None
    bus.write("drivers/crypto/bind", "wq1.0")


@pytest.mark.parametrize(
    ("driver", "thing", "number"),
    [
        ("crypto", "wq1.9", errno.ENODEV),
        ("crypto", "iax1", errno.ENODEV),
        ("crypto", "engine1.0", errno.ENODEV),
        ("crypto", "", errno.ENODEV),
        ("idxd", "iax3", errno.ENODEV),
        ("idxd", "wq1.0", errno.ENODEV),
        ("idxd", "iax1", errno.EBUSY),
        ("user", "wq1.1", errno.ENODEV),
    ],
)
def test_sub_driver_ownership_bind_matrix(bus: Bus, crypto: Crypto, driver: str, thing: str, number: int) -> None:
    enabled(bus)
    bus.register(crypto)
    code = {errno.EBUSY: status.DEV_ENABLED, errno.ENODEV: status.WQ_NO_DRV_NAME}[number]
    told = code if number == errno.EBUSY or thing == "wq1.1" else 0
    refused(number, bus.write, f"drivers/{driver}/bind", thing, status=told)
    if number == errno.ENODEV:
        refused(number, bus.write, f"drivers/{driver}/unbind", thing)


def test_sub_driver_ownership_a_driver_that_is_not_there_has_no_files(bus: Bus) -> None:
    enabled(bus)
    refused(errno.ENOENT, bus.write, "drivers/crypto/bind", "wq1.0")
    refused(errno.ENODEV, bus.enable, "wq1.0")


def test_sub_driver_ownership_ends_with_the_driver(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    bus.register(crypto)
    refused(errno.EBUSY, bus.register, Crypto())
    bus.unregister(Crypto())
    assert crypto.queues
    bus.unregister(crypto)
    assert not crypto.queues
    assert "crypto" not in bus.list("drivers")
    assert bus.read(f"{WQ}/state") == "disabled"


# ---- attribute locking


def test_attribute_locking_while_the_driver_is_enabled(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    bus.register(crypto)
    for name, value in (("verify_compress", "0"), ("sync_mode", "async")):
        refused(errno.EBUSY, bus.write, f"drivers/crypto/{name}", value)
    bus.disable("wq1.0")
    for name, value in (("verify_compress", "0"), ("sync_mode", "async_irq")):
        bus.write(f"drivers/crypto/{name}", value + "\n")
        assert bus.read(f"drivers/crypto/{name}") == value
        refused(errno.EINVAL, bus.write, f"drivers/crypto/{name}", "sometimes")
    refused(errno.EACCES, bus.write, "drivers/crypto/version", "2")
    refused(errno.EACCES, bus.read, "drivers/crypto/bind")


# ---- default configuration


def test_default_configuration_of_a_fresh_device(bus: Bus, crypto: Crypto) -> None:
    assert configure_defaults(bus, "iax1")
    told = {name: bus.read(f"{WQ}/{name}") for name in ("mode", "threshold", "size", "priority", "type", "group_id")}
    assert told == {
        "mode": "dedicated",
        "threshold": "0",
        "size": "128",
        "priority": "10",
        "type": "kernel",
        "group_id": "0",
    }
    assert (bus.read(f"{WQ}/name"), bus.read(f"{WQ}/driver_name")) == ("iaa_crypto", "crypto")
    assert bus.read("devices/group1.0/work_queues") == "wq1.0"
    assert bus.read("devices/group1.0/engines") == "engine1.0"
    assert bus.read(f"{WQ}/state") == bus.read(f"{IAX}/state") == "disabled"
    bus.register(crypto)
    bus.enable("iax1")
    bus.enable("wq1.0")
    assert crypto.queues


def test_default_configuration_skips_a_device_that_is_not_configurable(backing: Recorder) -> None:
    bus = Bus(lambda _device: backing)
    bus.add_device("iax3", Capabilities(configurable=False))
    before = {name: bus.read(f"devices/wq3.0/{name}") for name in ("size", "name", "type", "priority")}
    assert not configure_defaults(bus, "iax3")
    assert {name: bus.read(f"devices/wq3.0/{name}") for name in before} == before


def test_default_configuration_refuses_a_queue_that_is_enabled(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    bus.register(crypto)
    refused(errno.EPERM, configure_defaults, bus, "iax1")
    bus.disable("wq1.0")
    assert configure_defaults(bus, "iax1")
    bus.enable("wq1.0")
    refused(errno.ENODEV, configure_defaults, bus, "iax5")


def test_default_configuration_refuses_entries_that_others_have(bus: Bus) -> None:
    bus.write("devices/wq1.3/size", "8")
    refused(errno.EINVAL, configure_defaults, bus, "iax1")
