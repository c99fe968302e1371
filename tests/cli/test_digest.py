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
    assert told == peer(folder, b"-c", data=theirs).stdout


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


#: Lines of lists; @ stands for the digest of the file `plain`.
LISTS = {
    "blanks before": b" @  plain\n\t@  plain\n \t SHA256 (plain) = @\n",
    "one blank": b"@ plain\n@ plain\n",
    "one blank, then two": b"@ plain\n@  plain\n@ *plain\n",
    "two blanks, then one": b"@  plain\n@ plain\n@ *plain\n",
    "one blank, after another list's": b"@  \n@  plain\n",
    "a tab": b"@\tplain\n@\t plain\n",
    "three blanks": b"@   lead\n",
    "another algorithm": b"SHA1 (plain) = @\nMD5 (plain) = 00\n@  plain\n",
    "tags": b"SHA256(plain)=@\nSHA256 (plain)\t = @\nSHA256  (plain) = @\nsha256 (plain) = @\n",
    "parentheses": b"SHA256 (a) b) = @\nSHA256 () = @\n@  a) = b\n@ (plain) = 00\n",
    "wrong lengths": b"00  plain\nSHA256 (plain) = 00\n@0  plain\n@\n@ \n@  plain\n",
    "empty lines and comments": b"\n\r\n#@  plain\n # no\n   \n@  plain\n",
    "carriage returns": b"@  plain\r\n@  plain\r\r\n@  return\r\r\n@  a\rb\n",
    "escapes": b"\\@  back\\\\slash\n \\@  new\\nline\n@  back\\slash\n\\@  x\\y\n\\@  x\\\n\\ @  plain\n",
    "no end": b"@  plain",
    "nothing": b"",
    "wrong digest": b"0" * 64 + b"  plain\n",
}


@sha256sum
@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("options", [["-w"], ["--strict"], ["-w", "--strict", "--ignore-missing"]])
def test_lists_are_read_as_sha256sum_reads_them(acrypto: Run, folder: Path, case: str, options: list[str]) -> None:
    digest = hashlib.sha256(DATA).hexdigest().encode()
    (folder / "list").write_bytes(LISTS[case].replace(b"@", digest))
    theirs = peer(folder, b"-c", *map(os.fsencode, options), b"list")
    ours = acrypto("digest", "-c", *options, "-a", "sha256", "list", code=theirs.returncode)
    assert ours.stdout == theirs.stdout
    assert _about_lines(ours.stderr) == _about_lines(theirs.stderr)


def _about_lines(told: bytes) -> list[bytes]:
    """What is told of lines; how names are quoted in other messages is sha256sum's own."""
    kept = [line.partition(b": ")[2] for line in told.splitlines() if b"line" in line and b"No such" not in line]
    return [line.replace(b"SHA256", b"sha256") for line in kept]


def test_each_bad_line_is_told_if_asked(acrypto: Run, folder: Path) -> None:
    good = acrypto("digest", "plain").stdout
    lines = good + b"# comment\nno digest\n" + good
    for name, shown in (("list", "list"), ("-", "standard input")):
        (folder / "list").write_bytes(lines)
        told = acrypto("digest", "-c", "--warn", name, input=lines).stderr.decode()
        assert told.splitlines() == [
            f"acrypto: {shown}: 3: improperly formatted sha256 checksum line",
            "acrypto: WARNING: 1 line is improperly formatted",
        ]
    assert acrypto("digest", "-c", "-w", "--status", "list").stderr == b""


def test_the_tag_decides_unless_an_algorithm_is_given(acrypto: Run, folder: Path) -> None:
    lines = acrypto("digest", "--tag", "plain").stdout + acrypto("digest", "--tag", "-a", "sha1", "plain").stdout
    (folder / "list").write_bytes(lines)
    assert acrypto("digest", "-c", "--strict", "list").stdout == b"plain: OK\n" * 2
    for name in ("sha1", "sha256"):
        done = acrypto("digest", "-c", "--strict", "-a", name, "list", code=1)
        assert done.stdout == b"plain: OK\n"
        assert done.stderr == b"acrypto: WARNING: 1 line is improperly formatted\n"


@pytest.mark.skipif(shutil.which("b2sum") is None, reason="b2sum is not installed")
def test_blake2b_lists_are_those_of_b2sum(acrypto: Run, folder: Path) -> None:
    def b2sum(*words: str) -> bytes:
        return subprocess.run(["b2sum", *words, "plain"], cwd=folder, capture_output=True, check=True).stdout

    assert acrypto("digest", "-a", "blake2b", "--tag", "plain").stdout == b2sum("--tag")
    (folder / "list").write_bytes(b2sum("--tag") + b2sum("--tag", "-l", "256"))
    for words in ([], ["-a", "blake2b"]):
        assert acrypto("digest", "-c", "--strict", *words, "list").stdout == b"plain: OK\n" * 2
    (folder / "list").write_bytes(b2sum("--tag", "-l", "256").replace(b"-256", b"-384"))
    assert b"no properly formatted" in acrypto("digest", "-c", "list", code=1).stderr


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
        "device": None,
        "driver": "sha256-awslc",
        "lane": None,
    }


def test_a_directory_has_no_digest(acrypto: Run) -> None:
    assert acrypto("digest", ".", code=1).stderr == b"acrypto: .: Is a directory\n"


def test_memory_stays_small(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as out:
        out.truncate(100 << 20)
    code, _, kib = peak_memory("digest", tmp_path / "sparse")
    assert code == 0
    assert kib < 32 << 10
