"""What `acrypto doctor` tries on work queues; soft ones stand for real ones."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.conftest import Run
from tests.idxd.test_accel_config import IAX
from tests.idxd.test_doctor import Machine

import acrypto
from acrypto import idxd
from acrypto._core import IdxdDevice, IdxdQueue
from acrypto.cli import first_light
from acrypto.cli.doctor import command
from acrypto.idxd import RealQueue, sysfs


@pytest.fixture
def device() -> Iterator[IdxdDevice]:
    made = IdxdDevice()
    made.enable()
    yield made
    made.reset()


@pytest.fixture
def queues(tmp_path: Path) -> tuple[RealQueue, ...]:
    return Machine(tmp_path).discover().queues


@pytest.mark.parametrize("mode", ["dedicated", "shared"])
def test_a_queue_that_works_has_nothing_to_tell(device: IdxdDevice, queues: tuple[RealQueue, ...], mode: str) -> None:
    soft = device.enable_queue(0, mode=mode, threshold=8 if mode == "shared" else 0)
    assert list(first_light.real(queues, lambda _queue: soft)) == [("iax1/wq1.0", "", "")]


def test_what_a_queue_gets_wrong_is_told(device: IdxdDevice, queues: tuple[RealQueue, ...]) -> None:
    """At the first step that goes wrong: a NOOP here, then the page."""
    soft = device.enable_queue(0)
    device.inject("fail", count=1, status=0x20)
    (verdict,) = first_light.real(queues, lambda _queue: soft)
    assert verdict == ("iax1/wq1.0", "a NOOP ended with status 0x20, error 0", "")
    device.calm()
    assert list(first_light.real(queues, lambda _queue: soft)) == [("iax1/wq1.0", "", "")]


def refusing(number: int) -> IdxdQueue:
    raise OSError(number, "no")


def test_a_queue_of_another_program_is_not_tried(queues: tuple[RealQueue, ...]) -> None:
    told = list(first_light.real(queues, lambda _queue: refusing(errno.EBUSY)))
    assert told == [("iax1/wq1.0", "", "another program has it")]
    assert list(first_light.real(queues, lambda _queue: refusing(errno.EPERM))) == [("iax1/wq1.0", "no", "")]


def test_all_soft_queues_that_are_bound_are_tried() -> None:
    """And given back."""
    bus = idxd.Bus()
    bus.add_device("iax1")
    idxd.configure_defaults(bus, "iax1")
    assert first_light.trial(bus) == []
    bus.enable("iax1")
    assert first_light.trial(bus) == [("iax1/wq1.0", "", "")]
    assert "crypto" not in bus.list("drivers")
    bus.close()


def test_the_stored_configuration_is_what_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "idxd.json").write_text(json.dumps(IAX), encoding="utf-8")
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", str(tmp_path / "idxd.json"))
    assert {queue for queue, wrong, _why in first_light.soft() if not wrong} == {"iax1/wq1.0", "iax1/wq1.1"}
    (tmp_path / "idxd.json").write_text("{", encoding="utf-8")
    with pytest.raises(acrypto.CorruptInput):
        first_light.soft()


@pytest.mark.slow
@pytest.mark.parametrize(("harm", "verdict"), [(0, "PASS"), (9, "FAIL")])
def test_the_doctor_fails_if_a_real_queue_does(
    tmp_path: Path, device: IdxdDevice, monkeypatch: pytest.MonkeyPatch, harm: int, verdict: str
) -> None:
    found = Machine(tmp_path).discover()
    soft = device.enable_queue(0)
    device.inject("fail", count=harm, status=0x20)
    monkeypatch.setattr(sysfs, "discover", lambda: found)
    monkeypatch.setattr(first_light, "real", lambda queues: list(_real(queues, lambda _queue: soft)))
    ended = CliRunner().invoke(command, ["--json"], standalone_mode=False)
    told = {row["check"]: row for row in json.loads(ended.stdout)["checks"]}
    assert told["first light of iax1/wq1.0"]["verdict"] == verdict
    assert ended.return_value == int(verdict == "FAIL")


_real = first_light.real


@pytest.mark.slow
def test_the_doctor_tries_soft_queues_if_asked(acrypto: Run) -> None:
    asked = {
        row["check"]: row["verdict"] for row in json.loads(acrypto("doctor", "--selftest", "--json").stdout)["checks"]
    }
    assert asked["first light of soft iax1/wq1.0"] == "PASS"
    unasked = json.loads(acrypto("doctor", "--json").stdout)["checks"]
    assert not [row for row in unasked if row["check"].startswith("first light")]
