"""What the benches share: statistics, rows, stored results, counted instructions, their scheduling group."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import alone
import instructions
import measure
import pytest
from tests.house.places import ROOT


def test_quartiles_are_what_a_quarter_is_below_and_above() -> None:
    assert measure.quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 4.0)
    assert measure.quartiles([7.0]) == (7.0, 7.0)


def test_samples_are_taken_in_turns() -> None:
    """So that drift hits all alike."""
    order: list[str] = []

    def sampler(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = measure.in_turns({"ours": lambda: sampler("ours"), "peer": lambda: sampler("peer")}, 2)
    assert order == ["ours", "peer"] * 2
    assert samples == {"ours": [1.0, 3.0], "peer": [2.0, 4.0]}


def test_a_mark_is_met_from_its_ratio_on() -> None:
    report = measure.Report("none")
    report.times("just", [1e-6, 2e-6, 3e-6], "us", peer=[4e-6], least=2.0, scale=1e6)
    report.times("not quite", [2e-6], "us", peer=[3.9e-6], least=2.0, scale=1e6)
    report.times("no peer", [2e-6], "us", least=2.0, scale=1e6)
    just, less, alone = report.rows
    assert (just["ours"], just["peer"], just["ratio"], just["met"]) == pytest.approx((2.0, 4.0, 2.0, True))
    assert just["spread"] == pytest.approx([1.5, 2.5])
    assert less["met"] is False
    assert alone["met"] is None
    assert report.raw["just"] == {"ours": [1e-6, 2e-6, 3e-6], "peer": [4e-6]}


def test_lists_of_numbers_are_stored_on_one_line() -> None:
    stored = {"samples": [1, -2.5, 3e-07, 1.5e300], "words": ["[ 1, 2 ]", "a"], "nested": [[1, 2], [3]], "none": []}
    text = measure.packed(stored)
    assert json.loads(text) == stored
    assert '"samples": [1, -2.5, 3e-07, 1.5e+300]' in text


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ("12345,,instructions:u,1000,100.00,,\n", 12345),
        ("<not supported>,,instructions:u,0,100.00,,\n", "<not supported>"),
        ("Error: no permission\n", "no permission"),
    ],
)
def test_instructions_are_a_number_or_the_reason_why_not(told: str, count: int | str) -> None:
    parsed = instructions.parsed(told)
    assert parsed == count if isinstance(count, int) else count in str(parsed)


def test_without_a_counter_a_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    instructions.absent.cache_clear()
    try:
        assert instructions.absent() == "not available: perf is not installed"
        assert instructions.per_round("", "pass") == "not available: perf is not installed"
    finally:
        instructions.absent.cache_clear()


def test_a_bench_leads_a_session_of_its_own(tmp_path: Path) -> None:
    """It is told what was done, and its exit status is handed on."""
    told = tmp_path / "told"
    script = tmp_path / "bench.py"
    script.write_text(
        "import os, sys\n"
        f"with open({str(told)!r}, 'w') as told:\n"
        "    print(os.getsid(0) == os.getpid(), os.environ['ACRYPTO_BENCH_GROUP'], file=told)\n"
        "sys.exit(len(sys.argv))\n"
    )
    argv = [sys.executable, str(ROOT / "benches" / "alone.py"), str(script), "--quick"]
    done = subprocess.run(argv, check=False, timeout=60, env={**os.environ, alone.GROUP: ""})
    assert done.returncode == 2
    is_leader, how = told.read_text().split(" ", 1)
    assert is_leader == "True"
    assert how.startswith("own ")


@pytest.mark.parametrize(
    ("lines", "is_root"),
    [
        ("0::/\n", True),
        ("0::/user.slice/a\n", False),
        ("4:memory:/jail\n3:cpuset:/jail\n1:cpu:/\n0::/\n", True),
        ("2:cpu,cpuacct:/jail\n0::/\n", False),
    ],
)
def test_autogroups_count_only_outside_of_cgroups_of_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, is_root: bool
) -> None:
    path = tmp_path / "cgroup"
    path.write_text(lines)
    monkeypatch.setattr(alone, "CGROUPS", str(path))
    assert alone.in_root_group() is is_root
