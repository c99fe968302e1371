"""What the analysis of the IAA driver says of configuring work queues: the "config rules", one test for each."""

from __future__ import annotations

import errno
import logging
from dataclasses import replace

import pytest
from tests.idxd.conftest import IAX, WQ, Crypto, Recorder, cmd_status, enabled, refused, setup

from acrypto.idxd import Bus, Capabilities, rules, status
from acrypto.idxd.state import Device, dsa_capabilities

# ---- config rules: what may be written, and when

GOOD = {
    "group_id": ("3", "-1", "0\n"),
    "mode": ("dedicated", "shared\n"),
    "size": ("128", "0", "+7"),
    "priority": ("15", "0"),
    "block_on_fault": ("1", "0", "y", "off"),
    "type": ("kernel", "user", "none"),
    "name": ("x" * 1024, "a b"),
    "driver_name": ("x" * 128, "crypto\n"),
    "max_transfer_size": ("2147483648", "0x1000"),
    "ats_disable": ("1", "n"),
    "prs_disable": ("1", "0"),
    "enqcmds_retries": ("64", "0"),
}
BAD = {
    "group_id": ("4", "-2", "", "x", "1.5", "0x1", " 1", "99999999999999999999"),
    "mode": ("", "Shared", "both", "shared\n\n"),
    "size": ("129", "-1", "x", "18446744073709551616", ""),
    "priority": ("16", "-1", "x"),
    "block_on_fault": ("x", "2", ""),
    "threshold": ("0", "17", "-1", "x", "0x", "08"),
    "type": ("", "mdev", "KERNEL"),
    "name": ("x" * 1025, ""),
    "driver_name": ("x" * 129, ""),
    "max_transfer_size": ("0", "2147483649", "x", "-4096"),
    "ats_disable": ("x",),
    "prs_disable": ("x",),
    "enqcmds_retries": ("x", "-1", "4294967296"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_config_rules_take(bus: Bus, name: str, value: str) -> None:
    bus.write(f"{WQ}/{name}", value)
    assert bus.read(f"{IAX}/wq1.0/{name}") == bus.read(f"{WQ}/{name}")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_config_rules_refuse_with_einval(bus: Bus, name: str, value: str) -> None:
    bus.write(f"{WQ}/size", "16")
    before = bus.read(f"{WQ}/{name}")
    refused(errno.EINVAL, bus.write, f"{WQ}/{name}", value)
    assert bus.read(f"{WQ}/{name}") == before


@pytest.mark.parametrize("value", ["4", "-2", "x"])
def test_config_rules_refuse_groups_of_engines(bus: Bus, value: str) -> None:
    refused(errno.EINVAL, bus.write, "devices/engine1.7/group_id", value)
    bus.write("devices/engine1.7/group_id", "3")
    assert bus.read("devices/group1.3/engines") == "engine1.7"
    bus.write("devices/engine1.7/group_id", "-1")
    assert bus.read("devices/group1.3/engines") == ""


#: What a device that is not configurable does not let change; type and names it does, as the kernel has it.
FIXED = ("group_id", "mode", "size", "priority", "block_on_fault", "threshold", "max_transfer_size", "ats_disable")


@pytest.mark.parametrize("name", FIXED)
def test_config_rules_need_a_configurable_device(name: str) -> None:
    bus = Bus()
    bus.add_device("iax1", Capabilities(configurable=False))
    value = {"mode": "shared", "threshold": "4"}.get(name, "1")
    refused(errno.EPERM, bus.write, f"{WQ}/{name}", value)
    refused(errno.EPERM, bus.write, "devices/engine1.0/group_id", "1")
    bus.write(f"{WQ}/name", "a name")


@pytest.mark.parametrize("name", [*GOOD, "threshold"])
def test_config_rules_need_a_disabled_queue(bus: Bus, crypto: Crypto, name: str) -> None:
    enabled(bus, mode="shared", threshold=8)
    bus.register(crypto)
    value = GOOD.get(name, ("4",))[0]
    if name == "enqcmds_retries":
        bus.write(f"{WQ}/{name}", value)
        return
    number = errno.ENXIO if name in {"block_on_fault", "threshold"} else errno.EPERM
    refused(number, bus.write, f"{WQ}/{name}", value)


def test_config_rules_size_only_while_the_device_is_disabled(bus: Bus) -> None:
    enabled(bus)
    refused(errno.EPERM, bus.write, "devices/wq1.5/size", "1")
    bus.disable("iax1")
    bus.write("devices/wq1.5/size", "1")


def test_config_rules_sizes_add_up_to_what_the_device_has(bus: Bus) -> None:
    bus.write("devices/wq1.0/size", "100")
    bus.write("devices/wq1.1/size", "28")
    told = refused(errno.EINVAL, bus.write, "devices/wq1.2/size", "1")
    assert "size is 1; 0 of the 128" in str(told)
    bus.write("devices/wq1.0/size", "99")
    bus.write("devices/wq1.2/size", "1")


def test_config_rules_dedicated_has_no_threshold(bus: Bus) -> None:
    bus.write(f"{WQ}/size", "16")
    bus.write(f"{WQ}/threshold", "0x10")
    assert bus.read(f"{WQ}/threshold") == "16"
    bus.write(f"{WQ}/mode", "dedicated")
    assert bus.read(f"{WQ}/threshold") == "0"
    refused(errno.EINVAL, bus.write, f"{WQ}/threshold", "1")
    refused(errno.EOPNOTSUPP, bus.read, f"{WQ}/enqcmds_retries")
    refused(errno.EOPNOTSUPP, bus.write, f"{WQ}/enqcmds_retries", "1")


def test_config_rules_another_type_clears_the_name(bus: Bus) -> None:
    bus.write(f"{WQ}/type", "user")
    bus.write(f"{WQ}/name", "mine")
    bus.write(f"{WQ}/type", "user")
    assert bus.read(f"{WQ}/name") == "mine"
    bus.write(f"{WQ}/type", "kernel")
    assert bus.read(f"{WQ}/name") == ""


def test_config_rules_sizes_are_rounded_up_to_powers_of_two(bus: Bus) -> None:
    bus.write(f"{WQ}/max_transfer_size", "1000")
    assert bus.read(f"{WQ}/max_transfer_size") == "1024"
    dsa = Bus()
    dsa.add_device("dsa0", dsa_capabilities())
    dsa.write("devices/wq0.0/max_batch_size", "17")
    assert dsa.read("devices/wq0.0/max_batch_size") == "32"
    refused(errno.EINVAL, dsa.write, "devices/wq0.0/max_batch_size", "1025")
    refused(errno.ENOENT, bus.write, f"{WQ}/max_batch_size", "1")


def test_config_rules_retries_are_64_at_most(bus: Bus) -> None:
    assert bus.read(f"{WQ}/enqcmds_retries") == "32"
    bus.write(f"{WQ}/enqcmds_retries", "1000")
    assert bus.read(f"{WQ}/enqcmds_retries") == "64"


def test_config_rules_blocking_on_faults_needs_page_requests(bus: Bus) -> None:
    bus.write(f"{WQ}/block_on_fault", "1")
    bus.write(f"{WQ}/prs_disable", "1")
    assert bus.read(f"{WQ}/block_on_fault") == "0"
    refused(errno.EOPNOTSUPP, bus.write, f"{WQ}/block_on_fault", "1")
    bus.write(f"{WQ}/prs_disable", "0")
    bus.write(f"{WQ}/block_on_fault", "1")


def test_config_rules_a_device_that_cannot_block_on_faults() -> None:
    bus = Bus()
    bus.add_device("iax1", Capabilities(block_on_fault=False))
    refused(errno.EOPNOTSUPP, bus.write, f"{WQ}/block_on_fault", "0")


def test_config_rules_traffic_classes_stand_as_they_are(bus: Bus) -> None:
    for name in ("traffic_class_a", "traffic_class_b"):
        assert bus.read(f"devices/group1.0/{name}") == "1"
        refused(errno.EPERM, bus.write, f"devices/group1.0/{name}", "1")


def test_config_rules_traffic_classes_of_later_devices() -> None:
    bus = Bus()
    bus.add_device("iax1", Capabilities(version=0x300))
    for name, left in (("traffic_class_a", "0"), ("traffic_class_b", "1")):
        path = f"devices/group1.0/{name}"
        assert bus.read(path) == "-1"
        for value in ("0", "7"):
            bus.write(path, value)
            assert bus.read(path) == value
        for value in ("8", "-1", "x"):
            refused(errno.EINVAL, bus.write, path, value)
        setup(bus)
        bus.enable("iax1")
        refused(errno.EPERM, bus.write, path, "1")
        assert (bus.read(path), bus.read(f"devices/group1.1/{name}")) == ("7", left)
        bus.disable("iax1")


@pytest.mark.parametrize(
    "path",
    [
        "group0.0/read_buffers_reserved",
        "group0.0/read_buffers_allowed",
        "group0.0/use_read_buffer_limit",
        "dsa0/read_buffer_limit",
        "wq0.0/max_batch_size",
    ],
)
def test_config_rules_of_a_dsa_device_need_it_configurable_and_disabled(path: str) -> None:
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities(configurable=False))
    refused(errno.EPERM, bus.write, f"devices/{path}", "0" if "batch" not in path else "1")
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities())
    bus.write("devices/dsa0/read_buffer_limit", "96")
    setup(bus, "wq0.0", driver_name="dmaengine")
    bus.enable("dsa0")
    bus.enable("wq0.0")
    refused(errno.EPERM, bus.write, f"devices/{path}", "8")


def test_config_rules_limits_are_the_last_that_is_taken() -> None:
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities())
    for path, value in (
        ("wq0.0/max_batch_size", "1024"),
        ("dsa0/read_buffer_limit", "96"),
        ("group0.0/read_buffers_reserved", "96"),
        ("group0.0/read_buffers_allowed", "96"),
        ("group0.0/read_buffers_allowed", "0"),
        ("wq0.0/size", "16"),
        ("wq0.0/threshold", "1"),
        ("wq0.0/threshold", "16"),
    ):
        bus.write(f"devices/{path}", value)
        assert bus.read(f"devices/{path}") == value
    refused(errno.EINVAL, bus.write, "devices/group0.0/read_buffers_reserved", "97")
    for index in range(2):
        bus.write(f"devices/engine0.{index}/group_id", "0")
    refused(errno.EINVAL, bus.write, "devices/group0.0/read_buffers_allowed", "7")
    bus.write("devices/group0.0/read_buffers_allowed", "8")


def test_config_rules_read_buffers_of_a_dsa_device() -> None:
    bus = Bus()
    bus.add_device("dsa0", dsa_capabilities())
    group = "devices/group0.0"
    bus.write(f"{group}/read_buffers_reserved", "90")
    refused(errno.EINVAL, bus.write, "devices/group0.1/read_buffers_reserved", "7")
    bus.write("devices/engine0.0/group_id", "0")
    refused(errno.EINVAL, bus.write, f"{group}/read_buffers_allowed", "3")
    refused(errno.EINVAL, bus.write, f"{group}/read_buffers_allowed", "97")
    bus.write(f"{group}/tokens_allowed", "96")
    refused(errno.EPERM, bus.write, f"{group}/use_read_buffer_limit", "1")
    refused(errno.EINVAL, bus.write, "devices/dsa0/read_buffer_limit", "97")
    bus.write("devices/dsa0/token_limit", "8")
    bus.write(f"{group}/use_read_buffer_limit", "2")
    assert bus.read(f"{group}/use_token_limit") == "1"


# ---- config rules: what enabling needs

#: What is wrong with a queue; the command status that tells it.
LACKING = {
    "group": ({"group_id": -1}, status.WQ_NO_GRP),
    "name": ({"name": None}, status.WQ_NO_NAME),
    "size": ({"size": None}, status.WQ_NO_SIZE),
    "threshold": ({"mode": "shared"}, status.WQ_NO_THRESH),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_config_rules_enabling_a_queue_needs(bus: Bus, crypto: Crypto, lacking: str) -> None:
    settings, code = LACKING[lacking]
    setup(bus, "wq1.1")
    setup(bus, **settings)
    bus.enable("iax1")
    bus.register(crypto)
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=code)
    assert cmd_status(bus) == code
    assert bus.read(f"{WQ}/state") == "disabled"


def device(**capabilities: bool) -> Device:
    """A device with a queue that could be enabled, as a value."""
    made = Device("iax1", 1, Capabilities(**capabilities))
    assert rules.load_defaults(made)
    made.state = "enabled"
    return made


@pytest.mark.parametrize(
    ("change", "number", "code"),
    [
        ({"group_id": -1}, errno.ENXIO, status.WQ_NO_GRP),
        ({"name": ""}, errno.ENXIO, status.WQ_NO_NAME),
        ({"size": 0}, errno.ENXIO, status.WQ_NO_SIZE),
        ({"dedicated": False}, errno.ENXIO, status.WQ_NO_THRESH),
        ({"enabled": True}, errno.EBUSY, status.WQ_ENABLED),
    ],
)
def test_config_rules_enabling_answers_with_these_numbers(change: dict[str, object], number: int, code: int) -> None:
    """What drivers other than `crypto` pass on as it is."""
    made = device()
    rules.check_enable_queue(made, made.queues[0])
    for name, value in change.items():
        setattr(made.queues[0], name, value)
    refused(number, rules.check_enable_queue, made, made.queues[0], status=code)
    assert made.command_status == code


def test_config_rules_what_the_device_lacks_has_numbers_as_well() -> None:
    made = device()
    made.state = "disabled"
    refused(errno.ENXIO, rules.check_enable_queue, made, made.queues[0], status=status.DEV_NOT_ENABLED)
    made = device()
    made.engines[0].group_id = -1
    refused(errno.EINVAL, rules.check_setup, made)
    made.queues[0].group_id = -1
    refused(errno.EINVAL, rules.check_setup, made, status=status.WQ_NONE_CONFIGURED)
    made = device(pasid_enabled=False)
    rules.check_enable_queue(made, made.queues[0])
    made.queues[0].dedicated = False
    refused(errno.EINVAL, rules.check_setup, made, status=status.WQ_NO_SWQ_SUPPORT)
    refused(errno.ENXIO, rules.check_enable_queue, made, made.queues[0], status=status.WQ_NO_SVM)


def test_config_rules_the_codes_are_those_of_the_header() -> None:
    """<linux/idxd.h>, and the code that later kernels have for the name of the driver."""
    assert [code for _settings, code in LACKING.values()] == [0x80030000, 0x80040000, 0x800E0000, 0x80060000]
    assert (status.DEV_ENABLED, status.DEV_NOT_ENABLED, status.WQ_ENABLED) == (0x80000010, 0x80000020, 0x80000021)
    assert (status.WQ_NO_SVM, status.WQ_PORTAL_ERR, status.WQ_NO_SWQ_SUPPORT) == (0x80050000, 0x80070000, 0x800C0000)
    assert (status.WQ_NONE_CONFIGURED, status.WQ_NO_PRIV) == (0x800D0000, 0x800F0000)
    assert (status.WQ_USER_NO_IOMMU, status.WQ_NO_DRV_NAME) == (0x80110000, 0x80200000)
    assert all(status.text(code) for code in status.TEXTS)
    assert (status.text(0), status.text(5)) == ("success", "0x5")


def test_config_rules_enabling_a_queue_needs_a_type_to_know_its_driver(bus: Bus) -> None:
    enabled(bus, type="none", driver_name=None)
    refused(errno.ENXIO, bus.enable, "wq1.0")
    bus.write(f"{WQ}/type", "user")
    bus.write(f"{WQ}/name", "mine")
    bus.write(f"{WQ}/driver_name", "user")
    bus.enable("wq1.0")
    assert bus.driver("wq1.0") == "user"


def test_config_rules_a_queue_is_enabled_once(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    bus.register(crypto)
    refused(errno.EBUSY, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_ENABLED)
    assert cmd_status(bus) == status.WQ_ENABLED


def test_config_rules_enabling_a_device_needs_a_queue_in_a_group(bus: Bus) -> None:
    setup(bus, group_id=-1)
    refused(errno.ENXIO, bus.enable, "iax1", status=status.WQ_NONE_CONFIGURED)
    assert cmd_status(bus) == 0x800D0000


def test_config_rules_enabling_a_device_needs_an_engine_in_a_group(bus: Bus) -> None:
    setup(bus)
    bus.write("devices/engine1.0/group_id", "-1")
    refused(errno.ENXIO, bus.enable, "iax1")
    bus.write("devices/engine1.3/group_id", "2")
    bus.enable("iax1")


def without_pasid(**more: bool) -> Bus:
    bus = Bus()
    bus.add_device("iax1", replace(Capabilities(pasid_enabled=False), **more))
    return bus


def test_config_rules_shared_queues_need_pasid(crypto: Crypto) -> None:
    bus = without_pasid()
    setup(bus, mode="shared", threshold=4)
    refused(errno.ENXIO, bus.enable, "iax1", status=status.WQ_NO_SWQ_SUPPORT)
    assert cmd_status(bus) == 0x800C0000
    bus.write(f"{WQ}/mode", "dedicated")
    bus.enable("iax1")
    bus.write(f"{WQ}/mode", "shared")
    bus.register(crypto)
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_NO_SVM)
    assert cmd_status(bus) == 0x80050000


def test_config_rules_a_users_queue_needs_an_iommu() -> None:
    bus = without_pasid()
    setup(bus, type="user", driver_name="user")
    bus.enable("iax1")
    refused(errno.EOPNOTSUPP, bus.enable, "wq1.0", status=status.WQ_USER_NO_IOMMU)
    assert cmd_status(bus) == 0x80110000


def test_config_rules_the_kernels_queue_needs_privileges(crypto: Crypto) -> None:
    bus = Bus()
    bus.add_device("iax1", Capabilities(privileged=False))
    enabled(bus)
    bus.register(crypto)
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_NO_PRIV)
    bus.write(f"{WQ}/driver_name", "dmaengine")
    refused(errno.EOPNOTSUPP, bus.enable, "wq1.0", status=status.WQ_NO_PRIV)


def test_config_rules_a_portal_that_cannot_be_mapped(bus: Bus, backing: Recorder) -> None:
    enabled(bus, driver_name="dmaengine")
    backing.broken = OSError(errno.ENOMEM, "no pages")
    refused(errno.ENOMEM, bus.enable, "wq1.0", status=status.WQ_PORTAL_ERR)
    assert cmd_status(bus) == 0x80070000
    backing.broken = None
    bus.enable("wq1.0")
    assert cmd_status(bus) == 0


def test_config_rules_a_device_that_does_not_start(bus: Bus, backing: Recorder) -> None:
    setup(bus)
    backing.broken = ValueError("no threads")
    refused(errno.ENXIO, bus.enable, "iax1")
    assert bus.read(f"{IAX}/state") == "disabled"


def test_config_rules_a_halted_device_is_neither_enabled_nor_bound(bus: Bus, crypto: Crypto, backing: Recorder) -> None:
    enabled(bus)
    backing.halted = True
    assert bus.read(f"{IAX}/state") == "halted"
    bus.register(crypto)
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.DEV_NOT_ENABLED)
    refused(errno.ENXIO, bus.enable, "iax1", status=status.DEV_ENABLED)
    backing.halted = False
    assert bus.read(f"{IAX}/state") == "enabled"
    backing.halted = True
    bus.disable("iax1")
    assert bus.read(f"{IAX}/state") == "disabled"
    enabled(bus)
    assert bus.read(f"{IAX}/state") == "enabled"


# ---- config rules: disabling


def test_config_rules_disabling_a_device_releases_its_queues_with_warnings(
    bus: Bus, crypto: Crypto, backing: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    setup(bus, "wq1.2")
    enabled(bus)
    bus.register(crypto)
    assert len(crypto.queues) == 2
    with caplog.at_level(logging.WARNING, "acrypto"):
        bus.disable("iax1")
    assert not crypto.queues
    assert caplog.messages == ["Active wq 0 on disable wq1.0.", "Active wq 2 on disable wq1.2."]
    assert backing.told[-3:] == ["disable wq 0", "disable wq 2", "disable"]
    refused(errno.ENODEV, bus.disable, "iax1")


def test_config_rules_a_disabled_device_forgets_all_but_driver_names(bus: Bus) -> None:
    enabled(bus)
    bus.disable("iax1")
    told = {name: bus.read(f"{WQ}/{name}") for name in ("size", "group_id", "mode", "type", "name", "priority")}
    assert told == {"size": "0", "group_id": "-1", "mode": "shared", "type": "none", "name": "", "priority": "0"}
    assert bus.read(f"{WQ}/driver_name") == "crypto"
    assert bus.read("devices/engine1.0/group_id") == "-1"


def test_config_rules_a_disabled_queue_keeps_size_and_group(bus: Bus, crypto: Crypto) -> None:
    enabled(bus)
    bus.register(crypto)
    bus.disable("wq1.0")
    assert (bus.read(f"{WQ}/size"), bus.read(f"{WQ}/group_id"), bus.read(f"{WQ}/name")) == ("16", "0", "")
    refused(errno.ENXIO, bus.write, "drivers/crypto/bind", "wq1.0", status=status.WQ_NO_NAME)
    setup(bus, size=None)
    bus.write("drivers/crypto/bind", "wq1.0")


def test_config_rules_a_device_that_is_not_configurable_keeps_its_configuration(crypto: Crypto) -> None:
    bus = Bus()
    bus.add_device("iax1", Capabilities(configurable=False))
    bus.write(f"{WQ}/name", "fixed")
    bus.write(f"{WQ}/driver_name", "dmaengine")
    bus.enable("iax1")
    bus.disable("iax1")
    assert bus.read(f"{WQ}/size") == "128"
    bus.enable("iax1")
    bus.write(f"{WQ}/type", "kernel")
    bus.write(f"{WQ}/name", "fixed")
    bus.enable("wq1.0")
