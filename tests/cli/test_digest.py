"""`digest`: what sha256sum does, for every digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Run, peak_memory
from tests.streams.memory import mixed

pytestmark = pytest.mark.slow  # each test starts processes

DATA = mixed(700_000)
NAMES = (b"plain", b"two words", b"back\\slash", b"new\nline", b"return\r", b"n\xffo utf-8", b" lead")

sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for at, name in enumerate(NAMES):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as out:
            out.write(DATA[at:])
    return tmp_path


def peer(folder: Path, *arguments: bytes, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([b"sha256sum", *arguments], cwd=folder, input=data, capture_output=True, check=False)


@sha256sum
def test_lines_are_those_of_sha256sum(acrypto: Run, folder: Path) -> None:
    ours = acrypto("digest", *NAMES).stdout
    theirs = peer(folder, b"--", *NAMES).stdout
    assert _without_returns(ours) == _without_returns(theirs)
    tagged = acrypto("digest", "--tag", *NAMES).stdout
    assert _without_returns(tagged) == _without_returns(peer(folder, b"--tag", *NAMES).stdout)


def _without_returns(lines: bytes) -> list[bytes]:
    """Whether a carriage return is escaped differs between versions of sha256sum."""
    return [line for line in lines.split(b"\n") if b"return" not in line]


@sha256sum
@pytest.mark.parametrize("style", ["plain", "tag"])
def test_we_check_theirs_and_they_check_ours(acrypto: Run, folder: Path, style: str) -> None:
    tag = ["--tag"] if style == "tag" else []
    ours = acrypto("digest", *tag, *NAMES).stdout
    assert peer(folder, b"-c", b"--strict", data=ours).returncode == 0
    theirs = peer(folder, *map(os.fsencode, tag), *NAMES).stdout
    told = acrypto("digest", "--check", "--strict", input=theirs).stdout
    assert told.count(b": OK\n") == len(NAMES)
    assert b"\\back\\\\slash: OK\n" in told


def test_standard_input_is_a_file(acrypto: Run) -> None:
    wanted = hashlib.sha256(DATA).hexdigest().encode()
    assert acrypto("digest", input=DATA).stdout == wanted + b"  -\n"
    assert acrypto("digest", "-", input=DATA).stdout == wanted + b"  -\n"


@pytest.mark.parametrize("name", ["sha1", "sha512", "sha3-256", "blake2b"])
def test_other_digests_are_those_of_hashlib(acrypto: Run, name: str) -> None:
    wanted = hashlib.new(name.replace("sha3-", "sha3_"), DATA).hexdigest()
    assert acrypto("digest", "-a", name, input=DATA).stdout.split()[0].decode() == wanted


def test_failures_are_told_one_by_one_and_counted(acrypto: Run, folder: Path) -> None:
    lines = acrypto("digest", "plain", "two words").stdout
    (folder / "plain").write_bytes(b"changed")
    lines += b"0" * 64 + b"  lost\n" + b"this is no digest\n" + b"ab  plain\n"
    (folder / "list").write_bytes(lines)
    done = acrypto("digest", "--check", "list", code=1)
    assert done.stdout == b"plain: FAILED\ntwo words: OK\nlost: FAILED open or read\n"
    assert done.stderr.splitlines() == [
        b"acrypto: lost: No such file or directory",
        b"acrypto: WARNING: 2 lines are improperly formatted",
        b"acrypto: WARNING: 1 listed file could not be read",
        b"acrypto: WARNING: 1 computed checksum did NOT match",
    ]
    assert acrypto("digest", "--check", "--quiet", "list", code=1).stdout.count(b"OK") == 0
    done = acrypto("digest", "--check", "--status", "list", code=1)
    assert done.stdout == b""


def test_malformed_lines_fail_only_when_strict(acrypto: Run, folder: Path) -> None:
    (folder / "list").write_bytes(acrypto("digest", "plain").stdout + b"no digest\n")
    acrypto("digest", "--check", "list")
    acrypto("digest", "--check", "--strict", "list", code=1)
    (folder / "list").write_bytes(b"no digest\n")
    told = acrypto("digest", "--check", "list", code=1).stderr
    assert told == b"acrypto: list: no properly formatted checksum lines found\n"


def test_missing_files_may_be_passed_over(acrypto: Run, folder: Path) -> None:
    (folder / "list").write_bytes(b"0" * 64 + b"  lost\n")
    assert b"no file was verified" in acrypto("digest", "-c", "--ignore-missing", "list", code=1).stderr
    (folder / "list").write_bytes(acrypto("digest", "plain").stdout + b"0" * 64 + b"  lost\n")
    assert acrypto("digest", "-c", "--ignore-missing", "list").stdout == b"plain: OK\n"


def test_json_tells_every_fact(acrypto: Run, folder: Path) -> None:
    row = json.loads(acrypto("digest", "plain", "--json").stdout)
    assert row.pop("seconds") > 0
    assert row.pop("mb_per_s") > 0
    assert row == {
        "file": "plain",
        "algorithm": "sha256",
        "digest": hashlib.sha256(DATA).hexdigest(),
        "bytes": len(DATA),
        "device": "software0",
        "driver": "sha256-awslc",
        "lane": "queued",
    }


def test_a_directory_has_no_digest(acrypto: Run) -> None:
    assert acrypto("digest", ".", code=1).stderr == b"acrypto: .: Is a directory\n"


def test_memory_stays_small(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as out:
        out.truncate(100 << 20)
    code, _, kib = peak_memory("digest", tmp_path / "sparse")
    assert code == 0
    assert kib < 32 << 10
