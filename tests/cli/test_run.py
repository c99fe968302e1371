"""`acrypto run`, `--digest` and what is told on the way."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, Run
from tests.streams.memory import mixed

DATA = mixed(3_000_000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def test_stages_run_in_one_pass_and_back(acrypto: Run, data: Path) -> None:
    """What zstd and age make of it one after the other, the peers read."""
    acrypto("keygen", "-o", "key")
    public = acrypto("keygen", "-y", "key").stdout.decode().strip()
    acrypto("run", f"zstd:3 | age:-r {public}", "data", "out")
    plain = subprocess.run(
        "age -d -i key out | zstd -dc", shell=True, cwd=data.parent, capture_output=True, check=True
    ).stdout
    assert plain == DATA
    acrypto("run", "decrypt:-i key|decompress", "out", "back")
    assert (data.parent / "back").read_bytes() == DATA
    made = (data.parent / "out").read_bytes()
    assert acrypto("run", "decrypt:-i key | decompress:zstd", input=made).stdout == DATA


def test_digests_of_both_sides_and_in_between(acrypto: Run, data: Path) -> None:
    """Lines that `digest --check` and sha256sum read; one object with --json."""
    told = acrypto("run", "digest:sha256 | gzip:1", "data", "data.gz", "--digest", "sha256").stdout
    assert acrypto("digest", "--check", input=told).stdout == b"data: OK\ndata.gz: OK\n"
    checked = subprocess.run(["sha256sum", "-c", "-"], input=told, cwd=data.parent, capture_output=True, check=True)
    assert checked.stdout == b"data: OK\ndata.gz: OK\n"
    row = json.loads(acrypto("compress", "data", "-c", "--json", "--digest", "crc32", "--digest", "sha256").stderr)
    packed = acrypto("compress", "data", "-c").stdout
    assert row["digests"]["in"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert row["digests"]["out"]["sha256"] == hashlib.sha256(packed).hexdigest()
    assert list(row["digests"]["in"]) == ["crc32", "sha256"]


def test_a_digest_stage_is_told_as_what_it_is_of(acrypto: Run, data: Path) -> None:
    """Of the file that is read, of the one that is written, or of what was between two stages."""
    stages = "digest:sha256 | gzip:1 | digest:sha256 | zstd | digest:sha256,crc32"
    told = acrypto("run", stages, "data", "out").stdout.decode()
    between = hashlib.sha256(acrypto("run", "gzip:1", "data").stdout).hexdigest()
    sums = [hashlib.sha256(data.with_name(name).read_bytes()).hexdigest() for name in ("data", "out")]
    assert told.splitlines()[:3] == [
        f"SHA256 (data) = {sums[0]}",
        f"SHA256 (data | compress gzip) = {between}",
        f"SHA256 (out) = {sums[1]}",
    ]
    row = json.loads(acrypto("run", stages, "data", "out", "--force", "--json").stdout)
    assert list(row["digests"]) == ["in", "compress gzip", "out"]
    assert row["digests"]["compress gzip"] == {"sha256": between}
    assert row["digests"]["out"].keys() == {"sha256", "crc32"}


def test_the_help_keeps_the_table_of_stages(acrypto: Run) -> None:
    told = acrypto("run", "--help").stdout.decode()
    assert "\\b" not in told
    assert sum(line.strip().startswith(("decompress[", "age:", "digest:")) for line in told.splitlines()) == 3


def test_discarding_checks_and_writes_nothing(acrypto: Run, data: Path) -> None:
    data.with_name("data.gz").write_bytes(gzip.compress(DATA))
    done = acrypto("run", "--discard", "decompress | digest:sha256", "data.gz", "--json")
    assert json.loads(done.stdout)["bytes_out"] == len(DATA)
    assert json.loads(done.stdout)["digests"] == {"out": {"sha256": hashlib.sha256(DATA).hexdigest()}}
    assert sorted(os.listdir(data.parent)) == ["data", "data.gz"]


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ("", "empty stage"),
        ("gzip |", "empty stage"),
        ("nonsense", "'nonsense'"),
        ("gzip:fast", "level is 'fast'"),
        ("gzip:99", "99"),
        ("digest", "digest:sha256"),
        ("digest:nonsense", "nonsense"),
        ("decompress:nonsense", "nonsense"),
        ("age", "no recipient"),
        ("age:-r nonsense", "-r"),
        ("decrypt:--nonsense", "--nonsense"),
    ],
)
def test_wrong_stages_are_told_and_no_file_is_made(acrypto: Run, data: Path, stages: str, told: str) -> None:
    assert told in acrypto("run", stages, "data", "out", code=2).stderr.decode()
    assert os.listdir(data.parent) == ["data"]


def test_a_secret_in_the_wrong_place_is_not_repeated(acrypto: Run, data: Path) -> None:
    secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"
    for stages in (f"age:{secret}", f"age:-r {secret}", f"decrypt:{secret}"):
        assert secret not in acrypto("run", stages, "data", "out", code=2).stderr.decode()


def test_progress_events_for_machines(acrypto: Run, data: Path) -> None:
    """One object a line on standard error, the account on standard output; never more bytes than there are."""
    large = data.with_name("large")
    with large.open("wb") as file:
        file.truncate(1 << 30)
    done = acrypto("run", "gzip:6 | digest:sha1", "large", "out", "--json", "-T", "1")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert json.loads(done.stdout)["bytes_in"] == 1 << 30
    for event in events:
        assert event["event"] == "progress"
        assert 0 < event["bytes_in"] <= event["total"] == 1 << 30
        assert event["seconds_left"] >= 0


def test_progress_is_drawn_on_a_terminal(data: Path) -> None:
    large = data.with_name("large")
    with large.open("wb") as file:
        file.truncate(2 << 30)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "run", "gzip:6|digest:sha1", "large", "out", "-T", "1"], cwd=data.parent, stderr=theirs
    ) as done:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the terminal is gone with the process
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert done.returncode == 0
    assert b"large" in shown
    assert b"MB/s" in shown
