"""`random`, and the commands that tell what is here."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from jc.parsers import proc_crypto
from tests.cli.conftest import Run

from acrypto.cli.doctor import COMPOSED
from acrypto.model.names import parse
from acrypto.registry.templates import TEMPLATES

pytestmark = pytest.mark.slow  # each test starts processes


def test_random_gives_as_many_bytes_as_asked(acrypto: Run, tmp_path: Path) -> None:
    for asked, nbytes in (("0", 0), ("1", 1), ("3M", 3 << 20), ("1048577", 1048577)):
        assert len(acrypto("random", asked).stdout) == nbytes
    assert len(bytes.fromhex(acrypto("random", "33", "--hex").stdout.decode())) == 33
    assert acrypto("random", "32").stdout != acrypto("random", "32").stdout
    acrypto("random", "32", "-o", "key")
    assert (tmp_path / "key").stat().st_size == 32
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    acrypto("random", "32", "-o", "key", code=1)


def test_random_tells_as_json(acrypto: Run, tmp_path: Path) -> None:
    row = json.loads(acrypto("random", "33", "--json").stdout)
    assert len(bytes.fromhex(row.pop("hex"))) == 33
    assert row == {"operation": "random", "bytes": 33}
    assert json.loads(acrypto("random", "0", "--json").stdout)["hex"] == ""
    assert len(json.loads(acrypto("random", "1M", "--json").stdout)["hex"]) == 2 << 20
    assert b"at most 1M" in acrypto("random", "1048577", "--json", code=2).stderr
    row = json.loads(acrypto("random", "2M", "--json", "-o", "noise").stdout)
    assert row == {"operation": "random", "bytes": 2 << 20, "output": "noise"}
    assert (tmp_path / "noise").stat().st_size == 2 << 20


def test_algorithms_tell_who_offers_them_or_why_nobody_does(acrypto: Run) -> None:
    listed = json.loads(acrypto("algorithms", "--json").stdout)
    rows = {row["name"]: row for row in reversed(listed)}  # the best bid of each, which stands first
    assert rows["gcm(aes)"]["device"] == "software0"
    assert rows["cbc(des3_ede)"]["insecure"]
    assert rows["lzo"]["absent"]
    told = acrypto("algorithms").stdout.decode()
    assert all(name in told for name in rows)


def test_algorithms_tell_the_verdict_of_each_self_test(acrypto: Run) -> None:
    rows = json.loads(acrypto("algorithms", "--json").stdout)
    assert {row["selftest"] for row in rows if not row["absent"]} == {"passed"}
    assert b"selftest" in acrypto("algorithms").stdout.splitlines()[0]


def test_algorithms_print_the_kernels_form(acrypto: Run) -> None:
    """What an existing parser of /proc/crypto reads: the same offers, the newest first."""
    blocks = proc_crypto.parse(acrypto("algorithms", "--proc").stdout.decode(), quiet=True)
    rows = json.loads(acrypto("algorithms", "--json").stdout)
    assert sorted(block["driver"] for block in blocks) == sorted(row["driver"] for row in rows if not row["absent"])
    assert {block["selftest"] for block in blocks} == {"passed"}
    assert b"--proc and --json" in acrypto("algorithms", "--proc", "--json", code=2).stderr


def test_devices_tell_their_state(acrypto: Run) -> None:
    devices = json.loads(acrypto("devices", "--json").stdout)["devices"]
    assert devices[0]["name"] == "software0"
    assert {device["name"] for device in devices} <= {"software0", "multibuffer0"}
    assert {device["state"] for device in devices} == {"up"}
    told = acrypto("devices").stdout.decode()
    assert all(device["name"] in told for device in devices)


def test_devices_tell_what_work_costs(acrypto: Run) -> None:
    """What this process has measured, and what earlier ones did."""
    first = json.loads(acrypto("devices", "--costs", "--json").stdout)["costs"]
    assert {cost["direction"] for cost in first} >= {"compress", "decompress", "digest"}
    assert first[0].keys() == {"device", "algorithm", "direction", "from_bytes", "ns", "gap_ns", "samples"}

    def cells(costs: list[dict[str, object]]) -> set[tuple[object, ...]]:
        return {(cost["algorithm"], cost["direction"], cost["from_bytes"]) for cost in costs if cost["samples"] >= 4}

    later = json.loads(acrypto("devices", "--costs", "--json").stdout)["costs"]
    assert cells(first) <= cells(later)
    told = acrypto("devices", "--costs").stdout.decode()
    assert "gap ns" in told
    assert "-2147483648" not in told


def test_devices_print_the_tree(acrypto: Run) -> None:
    told = acrypto("devices", "--tree").stdout.decode().splitlines()
    assert told[0] == "devices/"
    assert "  software0/" in told
    files = json.loads(acrypto("devices", "--tree", "--json").stdout)["tree"]
    assert files["devices/software0/state"] == "up"
    assert files["lbs"].startswith("[(fastest)]")
    assert b"--tree" in acrypto("devices", "--tree", "--costs", code=2).stderr


def test_devices_list_and_switch_balancers(acrypto: Run) -> None:
    listed = acrypto("devices", "--balancer", "?").stdout.decode().splitlines()
    assert listed[0] == "[(fastest)]"
    rows = json.loads(acrypto("devices", "--balancer", "?", "--json").stdout)["balancers"]
    assert [row["name"] for row in rows if row["is_current"]] == ["fastest"]
    assert {row["name"] for row in rows} >= {"simple", "round_robin", "by_size", "failover", "by_process"}
    assert "balancer: (fastest) [simple]" in acrypto("devices", "--balancer", "simple").stdout.decode()
    told = json.loads(acrypto("devices", "--balancer", "simple", "--json").stdout)
    assert [row["name"] for row in told["balancers"] if row["is_current"]] == ["simple"]
    files = json.loads(acrypto("devices", "--balancer", "simple", "--tree", "--json").stdout)["tree"]
    assert files["balancers/simple/current"] == "1"
    assert (
        b"no balancer is called 'slowest'; known: fastest" in acrypto("devices", "--balancer", "slowest", code=2).stderr
    )


def test_doctor_finds_this_machine_well(acrypto: Run) -> None:
    told = json.loads(acrypto("doctor", "--json").stdout)
    assert {row["engine"] for row in told["engines"]} >= {"software", "null", "faulty"}
    assert {row["verdict"] for row in told["checks"]} == {"PASS"}
    assert b"PASS" in acrypto("doctor").stdout


def test_the_doctor_knows_every_template() -> None:
    assert {parse(name).base for name in COMPOSED} == set(TEMPLATES)


def test_doctor_proves_everything_again(acrypto: Run) -> None:
    """Each driver with its verdict and time, and one composition at least of each template."""
    told = json.loads(acrypto("doctor", "--selftest", "--json").stdout)
    assert {row["verdict"] for row in told["checks"]} == {"PASS"}
    assert {row["selftest"] for row in told["selftests"]} == {"passed"}
    assert all(row["ms"] > 0 for row in told["selftests"])
    assert {row["reason"] for row in told["selftests"]} <= {"", "no published answers: laws only"}
    drivers = {row["driver"] for row in told["selftests"]}
    assert {row["driver"] for row in json.loads(acrypto("algorithms", "--json").stdout) if not row["absent"]} <= drivers
    assert {driver.partition("(")[0] for driver in drivers if "(" in driver} == set(TEMPLATES)
    assert b"xts-aes-awslc" in acrypto("doctor", "--selftest").stdout
    assert "selftests" not in json.loads(acrypto("doctor", "--json").stdout)


def test_bench_measures_what_is_named(acrypto: Run) -> None:
    told = json.loads(acrypto("bench", "own", "table1", "crypto", "--json").stdout)
    assert all(us > 0 for us in told["own_cost_us"].values())
    assert all(row["ns"] > 0 and row["ratio"] > 1 for row in told["table1_ns_per_page"])
    assert {row["mode"] for row in told["table1_ns_per_page"]} == {"inline", "batch", "poll", "queued"}
    assert all(row[way] > 0 for row in told["crypto_mb_per_s"] for way in ("one", "awaited", "many"))
    assert "mb_per_s" not in told
    assert b"worst gap, ms" in acrypto("bench", "stall").stdout
    assert b"'nothing'" in acrypto("bench", "nothing", code=2).stderr


def test_bench_measures_everything(acrypto: Run) -> None:
    told = json.loads(acrypto("bench", "--json").stdout)
    keys = {"own_cost_us", "mb_per_s", "table1_ns_per_page", "crypto_mb_per_s", "scaling_mb_per_s", "stall_ms"}
    assert set(told) == keys | {"pagestore"}
    assert all(row["one"] > 0 and row["queued"] > 0 for row in told["mb_per_s"])
    assert all(row["mb_per_s"] > 0 for row in told["scaling_mb_per_s"])
