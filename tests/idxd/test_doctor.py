"""Real devices, as a tree of files shows them, and the words for what keeps a program from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrypto.idxd.doctor import NO_DEVICE, examine
from acrypto.idxd.sysfs import Discovery, System, discover

FLAGS = "fpu aes movdir64b enqcmd waitpkg"


class Machine:
    """A machine with one device, whose one queue is ready for programs; tests take away what they like."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.device = "sys/bus/dsa/devices/iax1"
        self.queue = f"{self.device}/wq1.0"
        self.write("sys/bus/pci/devices/0000:6c:02.0/vendor", "0x8086")
        self.write("sys/bus/pci/devices/0000:6c:02.0/device", "0x0cfe")
        self.write("sys/bus/pci/devices/0000:6c:01.0/vendor", "0x8086")
        self.write("sys/bus/pci/devices/0000:6c:01.0/device", "0x0b25")
        self.folder("sys/module/idxd")
        self.folder("sys/module/iaa_crypto")
        self.cpu(FLAGS)
        files = {"state": "enabled", "pasid_enabled": "1", "numa_node": "1", "version": "0x200", "iaa_cap": "0x101"}
        for name, text in files.items():
            self.write(f"{self.device}/{name}", text)
        settings = {
            "state": "enabled",
            "mode": "dedicated",
            "size": "16",
            "threshold": "0",
            "group_id": "0",
            "priority": "10",
            "type": "user",
            "name": "mine",
            "driver_name": "user",
            "max_transfer_size": "2097152",
            "block_on_fault": "0",
        }
        self.set(**settings)
        self.driver("user")
        for index in range(2):
            self.write(f"{self.device}/wq1.{index + 1}/size", "0")
            self.write(f"{self.device}/engine1.{index}/group_id", "-1" if index else "0")
        self.write(f"{self.device}/group1.0/engines", "engine1.0")
        self.write("sys/bus/dsa/devices/dsa0/state", "enabled")
        self.write("dev/iax/wq1.0", "")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", encoding="utf-8")

    def folder(self, path: str) -> None:
        (self.root / path).mkdir(parents=True)

    def remove(self, path: str) -> None:
        target = self.root / path
        if target.is_dir():
            for below in sorted(target.rglob("*"), reverse=True):
                below.rmdir() if below.is_dir() and not below.is_symlink() else below.unlink()
            target.rmdir()
        else:
            target.unlink()

    def set(self, **settings: str) -> None:
        for name, text in settings.items():
            self.write(f"{self.queue}/{name}", text)

    def driver(self, name: str) -> None:
        link = self.root / self.queue / "driver"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../../drivers/{name}")

    def cpu(self, flags: str) -> None:
        self.write("proc/cpuinfo", f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1")

    def discover(self) -> Discovery:
        return discover(System(str(self.root)))

    def told(self) -> dict[str, tuple[str, str]]:
        return {finding.subject: (finding.state, finding.mend) for finding in examine(self.discover())}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_queue_that_is_ready_is_found_with_what_a_driver_needs(machine: Machine) -> None:
    found = machine.discover()
    assert found.pci == ("0000:6c:02.0",)
    assert found.modules == {"idxd", "iaa_crypto"}
    assert found.cpu == {"enqcmd", "movdir64b", "waitpkg"}
    assert [device.name for device in found.devices] == ["iax1"]
    (queue,) = found.queues
    assert (queue.device, queue.dev, queue.index, queue.path) == ("iax1", "wq1.0", 0, f"{machine.root}/dev/iax/wq1.0")
    assert (queue.mode, queue.size, queue.group_id, queue.priority, queue.driver) == ("dedicated", 16, 0, 10, "user")
    assert (queue.max_transfer_size, queue.numa_node, queue.version, queue.iaa_cap) == (2 << 20, 1, 0x200, 0x101)
    assert queue.usable
    assert machine.told() == {"iaa": ("usable: iax1/wq1.0", "")}


def test_a_machine_without_a_device_asks_for_nothing(tmp_path: Path) -> None:
    found = discover(System(str(tmp_path)))
    assert found == Discovery((), frozenset(), (), frozenset())
    (finding,) = examine(found)
    assert finding.as_dict() == {"subject": "iaa", "state": NO_DEVICE, "mend": ""}


def test_this_machine_can_be_examined() -> None:
    assert examine(discover())


def lacking(machine: Machine, subject: str) -> tuple[str, str]:
    told = machine.told()
    assert "iaa" not in told, told
    assert not machine.discover().queues
    return told[subject]


def test_a_module_that_is_not_loaded(machine: Machine) -> None:
    machine.remove("sys/module/idxd")
    machine.remove("sys/bus/dsa")
    assert lacking(machine, "module idxd") == ("not loaded", "modprobe idxd")


def test_the_kernels_module_is_not_needed_for_programs(machine: Machine) -> None:
    machine.remove("sys/module/iaa_crypto")
    state, mend = machine.told()["module iaa_crypto"]
    assert "only the kernel's own users" in state
    assert mend == "modprobe iaa_crypto"
    assert machine.discover().queues


def test_a_driver_that_found_nothing(machine: Machine) -> None:
    machine.remove("sys/bus/dsa")
    assert machine.told()["iaa"] == ("1 on the PCI bus, and none under /sys/bus/dsa", "look why: dmesg | grep idxd")


@pytest.mark.parametrize(("state", "word"), [("disabled", "disabled"), ("halted", "halted"), ("unknown", "disabled")])
def test_a_device_that_is_not_enabled(machine: Machine, state: str, word: str) -> None:
    machine.write(f"{machine.device}/state", state)
    told, mend = lacking(machine, "iax1")
    assert told == word
    assert mend.endswith("accel-config enable-device iax1")


def test_pasid_that_is_off(machine: Machine) -> None:
    machine.write(f"{machine.device}/pasid_enabled", "0")
    told, mend = lacking(machine, "iax1")
    assert "PASID is off" in told
    assert "intel_iommu=on,sm_on" in mend


def test_a_queue_that_is_not_enabled(machine: Machine) -> None:
    machine.set(state="disabled")
    assert lacking(machine, "iax1/wq1.0") == ("not enabled", "accel-config enable-wq iax1/wq1.0")


def test_a_device_without_a_configured_queue(machine: Machine) -> None:
    machine.set(size="0", state="disabled")
    told, mend = lacking(machine, "iax1")
    assert told == "no queue is configured"
    assert "accel-config config-wq iax1/wq1.0 --group-id=0" in mend


def test_a_queue_that_the_kernel_owns(machine: Machine) -> None:
    machine.set(type="kernel", driver_name="crypto")
    machine.driver("crypto")
    told, mend = lacking(machine, "iax1/wq1.0")
    assert told == "owned by the kernel's driver crypto"
    assert mend.startswith("accel-config disable-wq iax1/wq1.0; accel-config config-wq iax1/wq1.0 ")
    assert "--type=user" in mend
    assert mend.endswith("accel-config enable-wq iax1/wq1.0")


def test_a_shared_queue_and_a_cpu_without_enqcmd(machine: Machine) -> None:
    machine.set(mode="shared", threshold="8")
    assert machine.discover().queues
    machine.cpu("fpu movdir64b")
    told, mend = lacking(machine, "iax1/wq1.0")
    assert told == "shared, and the CPU has no ENQCMD"
    assert "--mode=dedicated" in mend


def test_a_dedicated_queue_and_a_cpu_without_movdir64b(machine: Machine) -> None:
    machine.cpu("fpu enqcmd")
    assert "MOVDIR64B" in lacking(machine, "iax1/wq1.0")[0]


def test_engines_that_are_in_no_group(machine: Machine) -> None:
    machine.write(f"{machine.device}/engine1.0/group_id", "-1")
    told, mend = machine.told()["iax1"]
    assert told == "every engine is in no group"
    assert mend == "accel-config config-engine iax1/engine1.0 --group-id=0"


def test_a_group_without_an_engine(machine: Machine) -> None:
    machine.set(group_id="2")
    told = [finding for finding in examine(machine.discover()) if finding.subject == "iax1/wq1.0"]
    assert told[0].state == "group 2 has no engine"
    assert told[0].mend == "accel-config config-engine iax1/engine1.1 --group-id=2"


def test_a_character_device_that_is_not_there(machine: Machine) -> None:
    machine.remove("dev/iax/wq1.0")
    told, mend = lacking(machine, "iax1/wq1.0")
    assert told.endswith("/dev/iax/wq1.0 is not there")
    assert "udevadm" in mend


def test_no_permission(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    told, mend = lacking(machine, "iax1/wq1.0")
    assert told == f"no permission on {machine.root}/dev/iax/wq1.0"
    assert mend.startswith("setfacl -m u:$USER:rw ")


def test_discovery_changes_nothing(machine: Machine) -> None:
    def state() -> list[tuple[str, int]]:
        return [(str(path), path.lstat().st_mtime_ns) for path in sorted(machine.root.rglob("*"))]

    before = state()
    examine(machine.discover())
    assert state() == before


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(["size", "group_id", "priority", "mode", "state", "driver"]), st.binary(max_size=40)
    )
)
def test_whatever_the_files_say_there_is_an_answer(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for name, text in files.items():
        target = machine.root / machine.queue / name
        target.unlink(missing_ok=True)
        target.write_bytes(text)
    for name in ("iaxx", "iax99999", "iax7"):
        machine.folder(f"sys/bus/dsa/devices/{name}")
    assert examine(machine.discover())
    assert [device.name for device in machine.discover().devices] == ["iax1", "iax7"]
