"""`config`, and what `devices` and `doctor` tell of soft devices."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.idxd.test_accel_config import IAX

pytestmark = pytest.mark.slow  # each test starts processes


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a configuration is stored, in a folder that is not there yet."""
    file = tmp_path / "own" / "acrypto" / "idxd.json"
    monkeypatch.delenv("ACRYPTO_IDXD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    return file


def test_config_stores_a_file_and_gives_it_back(acrypto: Run, place: Path, tmp_path: Path) -> None:
    rows = [IAX[0] | {"acrypto": {"threads": 0, "knobs": {"compress_ns": 3200}}}]
    (tmp_path / "mine.json").write_text(json.dumps(rows), encoding="utf-8")
    assert b"wq1.1, wq1.0: checked" in acrypto("config", "load", "--check", "mine.json").stdout
    assert not place.exists()
    told = json.loads(acrypto("config", "load", "mine.json", "--json").stdout)
    assert told == {
        "operation": "load",
        "stored": str(place),
        "devices": ["iax1"],
        "queues": ["wq1.1", "wq1.0"],
        "skipped": [],
    }
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert json.loads(acrypto("config", "save").stdout) == rows
    acrypto("config", "save", "-o", "copy.json")
    acrypto("config", "save", "-o", "copy.json", code=1)
    assert json.loads((tmp_path / "copy.json").read_bytes()) == rows
    shown = json.loads(acrypto("config", "show", "--json").stdout)
    assert (shown["configuration"], shown["devices"]) == (str(place), ["iax1"])
    assert shown["acrypto"] == {"iax1": rows[0]["acrypto"]}
    assert [(queue["queue"], queue["state"]) for queue in shown["queues"]] == [("wq1.0", "ready"), ("wq1.1", "enabled")]
    assert str(place).encode() in acrypto("config", "show").stdout


def test_config_reads_standard_input(acrypto: Run, place: Path) -> None:
    acrypto("config", "load", "-", input=json.dumps(IAX).encode())
    assert json.loads(place.read_bytes()) == IAX


def test_config_shows_what_there_is_without_a_file(acrypto: Run, place: Path) -> None:
    assert b"nothing is stored" in acrypto("config", "show").stdout
    saved = json.loads(acrypto("config", "save").stdout)
    assert saved[0]["groups"][0]["grouped_workqueues"][0]["name"] == "iaa_crypto"
    assert "acrypto" not in saved[0]


def test_config_refuses_with_the_place_and_stores_nothing(
    acrypto: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = json.loads(json.dumps(IAX))
    rows[0]["groups"][0]["grouped_workqueues"][1]["size"] = 300
    (tmp_path / "bad.json").write_text(json.dumps(rows), encoding="utf-8")
    told = acrypto("config", "load", "bad.json", code=1).stderr.decode()
    assert "bad.json: [0].groups[0].grouped_workqueues[1].size is 300; " in told
    (tmp_path / "bad.json").write_text('[{"dev":"iax1","colour":1}]', encoding="utf-8")
    assert b"bad.json: [0] has unknown keys: 'colour'" in acrypto("config", "load", "bad.json", code=1).stderr
    (tmp_path / "bad.json").write_bytes(b"")
    assert b"empty" in acrypto("config", "load", "bad.json", code=1).stderr
    assert b"No such file" in acrypto("config", "load", "none.json", code=1).stderr
    assert not place.exists()
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", "")
    (tmp_path / "good.json").write_text(json.dumps(IAX), encoding="utf-8")
    assert b"--check" in acrypto("config", "load", "good.json", code=2).stderr


def test_config_tells_what_it_passes_over(acrypto: Run, place: Path, tmp_path: Path) -> None:
    rows = json.loads(json.dumps(IAX))
    rows[0]["groups"][0]["grouped_workqueues"][0]["max_batch_size"] = 32
    (tmp_path / "mine.json").write_text(json.dumps(rows), encoding="utf-8")
    told = acrypto("config", "load", "mine.json").stderr
    assert b"[0].groups[0].grouped_workqueues[0].max_batch_size is passed over" in told
    assert place.exists()


def test_devices_tell_of_work_queues(acrypto: Run, place: Path) -> None:
    rows = json.loads(acrypto("devices", "--json").stdout)["queues"]
    assert [(row["kind"], row["device"], row["queue"], row["size"]) for row in rows] == [("soft", "iax1", "wq1.0", 128)]
    assert b"iaa_crypto" in acrypto("devices").stdout
    place.parent.mkdir(parents=True)
    place.write_text("{", encoding="utf-8")
    done = acrypto("devices", "--json")
    assert json.loads(done.stdout)["queues"] == []
    assert b"not JSON" in done.stderr


def test_doctor_tells_of_devices_and_of_what_is_stored(acrypto: Run, place: Path) -> None:
    told = json.loads(acrypto("doctor", "--json").stdout)
    assert told["idxd"][0].keys() == {"subject", "state", "mend"}
    assert "stored idxd configuration" not in {check["check"] for check in told["checks"]}
    place.parent.mkdir(parents=True)
    place.write_text("{", encoding="utf-8")
    told = json.loads(acrypto("doctor", "--json", code=1).stdout)
    assert {check["check"]: check["verdict"] for check in told["checks"]}["stored idxd configuration"] == "FAIL"
