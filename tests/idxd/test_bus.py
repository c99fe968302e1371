"""The tree itself: its folders and files, and many threads on it."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.idxd.conftest import Crypto, Recorder, refused, setup

from acrypto.idxd import Bus, BusError, Capabilities, WorkQueue, numbers
from acrypto.idxd.state import dsa_capabilities
from acrypto.model.errors import AcryptoError, UsageError

#: What the kernel shows for an IAX device of version 2, but for the read-only folders that every kernel object has.
IAX_FILES = {
    "version": "0x200",
    "max_groups": "4",
    "max_work_queues": "8",
    "max_work_queues_size": "128",
    "max_engines": "8",
    "numa_node": "0",
    "max_transfer_size": "2147483648",
    "op_cap": "00000000,00000000,00000000,00000000,00000000,0000001c,00000000,0000000d",
    "gen_cap": "0x801f0005",
    "configurable": "1",
    "clients": "0",
    "pasid_enabled": "1",
    "state": "disabled",
    "errors": ",".join(["00000000"] * 8),
    "cdev_major": "0",
    "cmd_status": "0x0",
    "iaa_cap": "0x101",
}
QUEUE_FILES = {
    "clients",
    "state",
    "group_id",
    "mode",
    "size",
    "priority",
    "block_on_fault",
    "threshold",
    "type",
    "name",
    "cdev_minor",
    "max_transfer_size",
    "ats_disable",
    "prs_disable",
    "occupancy",
    "enqcmds_retries",
    "driver_name",
}


def test_a_device_has_the_kernels_files(bus: Bus) -> None:
    names = bus.list("devices/iax1")
    assert {name: bus.read(f"devices/iax1/{name}") for name in names if "." not in name} == IAX_FILES
    parts = [name for name in names if "." in name]
    assert len(parts) == 8 + 8 + 4
    assert set(bus.list("devices/wq1.7")) == QUEUE_FILES
    assert bus.list("devices/engine1.0") == ["group_id"]
    assert bus.list("devices/group1.0") == ["work_queues", "engines", "traffic_class_a", "traffic_class_b"]
    assert set(bus.list("devices")) == {"iax1", *parts}


def test_a_path_may_begin_with_that_of_the_system(bus: Bus) -> None:
    assert bus.read("/sys/bus/dsa/devices/iax1/wq1.0/mode") == bus.read("devices/wq1.0/mode") == "shared"
    assert bus.list("/sys/bus/dsa/") == bus.list() == ["devices", "drivers"]
    assert bus.list("drivers") == ["idxd", "user", "dmaengine"]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("devices", errno.EISDIR),
        ("devices/iax1", errno.EISDIR),
        ("devices/wq1.0", errno.EISDIR),
        ("drivers/idxd", errno.EISDIR),
        ("devices/iax2/state", errno.ENOENT),
        ("devices/iax1/states", errno.ENOENT),
        ("devices/iax1/wq1.8/size", errno.ENOENT),
        ("devices/iax1/wq1.0/size/x", errno.ENOENT),
        ("devices/iax1/state/x", errno.ENOENT),
        ("devices/iax1/max_read_buffers", errno.ENOENT),
        ("devices/wq1.0/wq1.0/size", errno.ENOENT),
        ("drivers/none/bind", errno.ENOENT),
        ("drivers/idxd/bind/x", errno.ENOENT),
        ("nothing", errno.ENOENT),
        ("", errno.EISDIR),
    ],
)
def test_what_is_no_file_is_refused(bus: Bus, path: str, number: int) -> None:
    refused(number, bus.read, path)
    refused(number, bus.write, path, "1")


def test_a_file_is_no_folder(bus: Bus) -> None:
    for path in ("devices/iax1/state", "devices/wq1.0/size", "drivers/idxd/bind"):
        refused(errno.ENOTDIR, bus.list, path)


def test_read_only_files_are_not_written(bus: Bus) -> None:
    for name in IAX_FILES.keys() - {"cmd_status"}:
        refused(errno.EACCES, bus.write, f"devices/iax1/{name}", "1")
    for path in ("devices/wq1.0/state", "devices/wq1.0/clients", "devices/group1.0/engines"):
        refused(errno.EACCES, bus.write, path, "1")


def test_files_that_have_nothing_to_tell(bus: Bus) -> None:
    refused(errno.ENXIO, bus.read, "devices/wq1.0/cdev_minor")
    refused(errno.EOPNOTSUPP, bus.read, "devices/wq1.0/occupancy")


def test_old_devices_tell_no_iaa_cap_and_dsa_devices_tell_of_batches() -> None:
    bus = Bus()
    bus.add_device("iax3", Capabilities(version=0x100))
    bus.add_device("dsa0", dsa_capabilities())
    refused(errno.ENOENT, bus.read, "devices/iax3/iaa_cap")
    assert bus.read("devices/dsa0/max_batch_size") == "1024"
    assert "read_buffers_allowed" in bus.list("devices/group0.0")


@pytest.mark.parametrize("name", ["iax", "iaxx", "dsa1", "wq1.0", "", "iax1", "iax01", "iax-1", "iax12345", "iax1/"])
def test_devices_have_names_and_numbers_of_their_own(bus: Bus, name: str) -> None:
    with pytest.raises(UsageError):
        bus.add_device(name)
    with pytest.raises(UsageError, match="beside iax1"):
        bus.add_device("dsa1", dsa_capabilities())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_groups": 0},
        {"max_engines": 65},
        {"max_work_queues_size": 1 << 17},
        {"max_transfer_size": 3000},
        {"numa_node": -2},
        {"version": 0x301},
        {"kind": "gpu"},
    ],
)
def test_capabilities_are_bounded(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Capabilities(**wrong)  # type: ignore[arg-type]


def test_a_device_that_is_taken_away_is_disabled_first(bus: Bus, crypto: Crypto, backing: Recorder) -> None:
    setup(bus)
    bus.enable("iax1")
    bus.register(crypto)
    bus.remove_device("iax1")
    assert not crypto.queues
    assert backing.told[-1] == "disable"
    assert bus.list("devices") == []
    refused(errno.ENODEV, bus.remove_device, "iax1")
    bus.add_device("iax1")


def test_closing_disables_everything(bus: Bus, crypto: Crypto, backing: Recorder) -> None:
    bus.add_device("iax3")
    setup(bus)
    bus.enable("iax1")
    bus.register(crypto)
    bus.close()
    assert not crypto.queues
    assert backing.told.count("disable") == 1
    bus.close()


def test_a_queue_tells_what_it_is_while_it_is_enabled(bus: Bus, crypto: Crypto) -> None:
    setup(bus, priority=7)
    bus.enable("iax1")
    queue = bus.queue("wq1.0")
    assert (queue.dev, queue.device, queue.index, queue.device_number) == ("wq1.0", "iax1", 0, 1)
    assert (queue.settings, queue.native) == (None, None)
    bus.register(crypto)
    assert queue.settings is not None
    assert (queue.settings.mode, queue.settings.size, queue.settings.priority) == ("dedicated", 16, 7)
    assert repr(queue) == "<WorkQueue iax1/wq1.0: dedicated, 16 entries>"
    bus.disable("wq1.0")
    assert repr(queue) == "<WorkQueue iax1/wq1.0: disabled>"


def test_a_queue_that_a_driver_fails_to_give_back_is_disabled_all_the_same(bus: Bus) -> None:
    class Failing(Crypto):
        def remove(self, queue: WorkQueue) -> None:
            raise RuntimeError("no")

    setup(bus)
    bus.enable("iax1")
    bus.register(Failing())
    with pytest.raises(RuntimeError):
        bus.disable("wq1.0")
    assert bus.read("devices/wq1.0/state") == "disabled"
    assert bus.driver("wq1.0") is None


def test_a_driver_may_use_the_bus_while_it_is_asked(bus: Bus) -> None:
    seen = []

    class Curious(Crypto):
        def probe(self, queue: WorkQueue) -> None:
            seen.append((bus.read(f"devices/{queue.dev}/state"), bus.driver(queue.dev)))

        def remove(self, queue: WorkQueue) -> None:
            seen.append((bus.read(f"devices/{queue.dev}/state"), bus.driver(queue.dev)))

    setup(bus)
    bus.enable("iax1")
    bus.register(Curious())
    bus.disable("wq1.0")
    assert seen == [("enabled", None), ("enabled", None)]


def test_a_users_queue_has_a_character_device_while_it_is_enabled(bus: Bus) -> None:
    setup(bus, type="user", driver_name="user")
    bus.enable("iax1")
    bus.enable("wq1.0")
    assert bus.read("devices/wq1.0/cdev_minor") == "0"
    refused(errno.EISDIR, bus.read, "drivers/user/wq1.0")
    assert "iax1" in bus.list("drivers/idxd")


def test_errors_are_ours_and_tell_their_number() -> None:
    error = BusError(errno.EPERM, "no", 0x80000010)
    assert isinstance(error, AcryptoError)
    assert str(error) == "no: EPERM (command status 0x80000010)"
    assert str(error.at("[0].size is 3")) == "[0].size is 3; no: EPERM (command status 0x80000010)"


def test_many_threads_leave_a_tree_that_keeps_its_rules(bus: Bus) -> None:
    """Whoever wins, the sizes never add up to more than the device has, and every refusal is one of the tree's."""
    strange: list[BaseException] = []
    totals: list[int] = []
    start = threading.Barrier(4)

    def play(seed: int) -> None:
        driver = Crypto()
        driver.name = f"crypto{seed}"
        start.wait()
        for turn in range(60):
            dev = f"wq1.{(seed + turn) % 3}"
            for step in (
                lambda dev=dev: setup(bus, dev, size=48, driver_name=driver.name),
                lambda: bus.enable("iax1"),
                lambda: bus.register(driver),
                lambda: totals.append(sum(int(bus.read(f"devices/wq1.{index}/size")) for index in range(1))),
                lambda dev=dev: bus.disable(dev),
                lambda: bus.unregister(driver),
                lambda: bus.disable("iax1"),
            ):
                try:
                    step()
                except BusError:
                    pass
                except BaseException as error:
                    strange.append(error)

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not strange
    bus.close()
    assert bus.read("devices/iax1/state") == "disabled"
    assert max(totals) <= 48


def taken(read: Callable[[], int]) -> int | None:
    """What is read; None if it is refused, as it may only be with EINVAL."""
    try:
        return read()
    except BusError as error:
        if error.name != "EINVAL":
            raise
        return None


@given(st.text(max_size=70))
def test_numbers_are_read_or_refused(text: str) -> None:
    """What is taken is what Python reads there as well."""
    for base in (10, 0):
        value = taken(lambda base=base: numbers.integer(text, "x", signed=True, base=base))
        if value is not None:
            bare = text.removesuffix("\n").lstrip("+-")
            octal = base == 0 and bare.startswith("0") and bare.isdigit()
            assert abs(value) == int(bare, 8 if octal else base or 0)
    assert taken(lambda: numbers.boolean(text, "x")) in {True, False, None}


@given(st.integers(0, (1 << 256) - 1))
def test_a_bitmap_is_eight_words(bits: int) -> None:
    words = numbers.bitmap(bits).split(",")
    assert [len(word) for word in words] == [8] * 8
    assert int("".join(words), 16) == bits
