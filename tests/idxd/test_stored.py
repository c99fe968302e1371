"""What a user has stored, and the bus that it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.idxd.test_accel_config import IAX, nothing

from acrypto.idxd import configuration as configuring
from acrypto.idxd import open_bus, stored
from acrypto.idxd.accel_config import MAX_BYTES, render
from acrypto.model.errors import CorruptInput


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "idxd.json"
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", str(file))
    return file


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", "here.json")
    assert stored.path() == "here.json"
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", "")
    assert stored.path() is None
    monkeypatch.delenv("ACRYPTO_IDXD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert stored.path() == "/somewhere/acrypto/idxd.json"
    for other in ("relative", ""):
        monkeypatch.setenv("XDG_CONFIG_HOME", other)
        monkeypatch.setenv("HOME", "/house")
        assert stored.path() == "/house/.config/acrypto/idxd.json"


def test_without_it_there_is_one_device_as_the_kernel_configures_it() -> None:
    bus = open_bus(nothing)
    assert bus.devices() == ["iax1"]
    assert bus.read("devices/iax1/state") == "enabled"
    told = {
        name: bus.read(f"devices/iax1/{name}") for name in ("max_engines", "max_work_queues", "max_work_queues_size")
    }
    assert told == {"max_engines": "8", "max_work_queues": "8", "max_work_queues_size": "128"}
    assert bus.read("devices/wq1.0/size") == "128"
    assert bus.read("devices/wq1.0/state") == "disabled"


def test_what_is_stored_is_what_there_is(place: Path) -> None:
    rows = [*IAX, {"dev": "dsa0", "groups": [{"dev": "group0.0", "grouped_engines": [{"dev": "engine0.0"}]}]}]
    queue = {"dev": "wq0.0", "mode": "dedicated", "size": 8, "type": "user", "name": "a", "driver_name": "user"}
    rows[1]["groups"][0]["grouped_workqueues"] = [queue]
    place.write_text(json.dumps(rows), encoding="utf-8")
    bus = open_bus(nothing)
    assert bus.devices() == ["iax1", "dsa0"]
    assert json.loads(render(configuring.save(bus)))[0] == IAX[0]
    assert bus.read("devices/wq0.0/state") == "enabled"


def test_a_file_that_was_named_is_there(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_bus(nothing)
    assert not place.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ('[{"dev":"iax1"}]', r"\[0\]; no queue of iax1 is in a group"),
        ('[{"dev":"iax1","acrypto":{"max_engines":0}}]', r"\[0\].acrypto.max_engines is 0"),
        (" " * (MAX_BYTES + 9), "at most"),
    ],
)
def test_what_cannot_be_taken_is_told_with_the_files_name(place: Path, text: str, message: str) -> None:
    place.write_text(text, encoding="utf-8")
    with pytest.raises(CorruptInput, match=message) as caught:
        open_bus(nothing)
    assert str(place) in str(caught.value)


def test_nothing_stored_is_a_list_of_nothing(place: Path) -> None:
    place.write_text("[]", encoding="utf-8")
    assert open_bus(nothing).devices() == []
