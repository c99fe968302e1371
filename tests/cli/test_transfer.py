"""`compress` and `decompress`: files that are right, safe, and told about."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import subprocess
import zlib
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, Run, peak_memory
from tests.interop.peers import run
from tests.streams.memory import MIB, mixed

pytestmark = pytest.mark.slow  # each test starts processes

DATA = mixed(1_500_000)
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "lz4": ".lz4"}
FACTS = {
    "operation", "file", "output", "format", "bytes_in", "bytes_out", "ratio", "seconds", "mb_per_s", "device",
    "driver", "lane",
}  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize(("name", "suffix"), SUFFIXES.items())
def test_a_file_goes_there_and_back(acrypto: Run, source: Path, name: str, suffix: str) -> None:
    acrypto("compress", "-f", name, "data")
    acrypto("decompress", f"data{suffix}", "-o", "back")
    assert names(source.parent) == sorted(["back", "data", f"data{suffix}"])
    assert (source.parent / "back").read_bytes() == DATA


@pytest.mark.parametrize("name", ["zlib", "deflate", "lz4-block", "zlib-libdeflate"])
def test_any_algorithm_that_compresses_is_a_format(acrypto: Run, source: Path, name: str) -> None:
    """By its name or a driver's, which is also the suffix; the result keeps mode and times, as any other."""
    source.chmod(0o604)
    row = json.loads(acrypto("compress", "--format", name, "--json", "data").stdout)
    assert row.keys() == FACTS
    assert (row["format"], row["output"], row["bytes_in"]) == (name, f"data.{name}", len(DATA))
    acrypto("decompress", "-f", name, "--force", "--rm", f"data.{name}")
    assert names(source.parent) == ["data"]
    assert source.read_bytes() == DATA
    assert stat.S_IMODE(source.stat().st_mode) == 0o604
    packed = acrypto("compress", "-f", name, input=DATA).stdout
    assert acrypto("decompress", "-f", name, input=packed).stdout == DATA


def test_what_does_not_compress_is_no_format(acrypto: Run, source: Path) -> None:
    for wrong in ("nosuch", "sha256", "lzo", "deflate(", "", "de flate"):
        for command in ("compress", "decompress"):
            told = acrypto(command, "--format", wrong, "data", code=2).stderr
            assert b"lz4-block" in told, wrong
    assert names(source.parent) == ["data"]


@pytest.mark.parametrize("name", SUFFIXES)
def test_pipes_go_there_and_back(acrypto: Run, name: str) -> None:
    packed = acrypto("compress", "-f", name, input=DATA).stdout
    assert acrypto("decompress", input=packed).stdout == DATA
    assert acrypto("decompress", "-c", "-", input=packed).stdout == DATA


def test_mode_and_times_are_kept(acrypto: Run, source: Path) -> None:
    source.chmod(0o604)
    os.utime(source, ns=(1_111_111_111_000_000_001, 1_222_222_222_000_000_002))
    acrypto("compress", "data", "--rm")
    acrypto("decompress", "data.gz")
    for path in (source, source.with_name("data.gz")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
        assert path.stat().st_mtime_ns == 1_222_222_222_000_000_002


def test_nothing_is_removed_without_rm(acrypto: Run, source: Path) -> None:
    acrypto("compress", "data", "--rm")
    assert names(source.parent) == ["data.gz"]
    acrypto("decompress", "data.gz")
    assert names(source.parent) == ["data", "data.gz"]
    acrypto("decompress", "--rm", "--force", "data.gz")
    assert names(source.parent) == ["data"]
    acrypto("compress", "-c", "--rm", "data", code=2)


def test_nothing_is_overwritten_without_force(acrypto: Run, source: Path) -> None:
    (source.parent / "data.gz").write_bytes(b"old")
    assert b"data.gz: exists already" in acrypto("compress", "data", code=1).stderr
    assert (source.parent / "data.gz").read_bytes() == b"old"
    acrypto("compress", "data", "--force")
    assert gzip.decompress((source.parent / "data.gz").read_bytes()) == DATA


def test_one_bad_file_does_not_stop_the_others(acrypto: Run, source: Path) -> None:
    done = acrypto("compress", "lost", "data", code=1)
    assert done.stderr == b"acrypto: lost: No such file or directory\n"
    assert names(source.parent) == ["data", "data.gz"]


@pytest.mark.parametrize("name", [b"-dash", b"two words", b"n\xffo utf-8", b"new\nline", "\u00fcml\u00e4ut".encode()])
def test_odd_names_work(acrypto: Run, tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(DATA)
    row = json.loads(acrypto("compress", "--rm", "--json", "--", name).stdout)
    assert os.fsencode(row["file"]) == name
    assert os.listdir(folder) == [name + b".gz"]
    acrypto("decompress", "--rm", "--", name + b".gz")
    with open(os.path.join(folder, name), "rb") as back:
        assert back.read() == DATA


def test_what_is_no_regular_file_is_refused_by_name(acrypto: Run, source: Path) -> None:
    os.symlink("data", source.with_name("link"))
    source.with_name("folder").mkdir()
    assert b"link: is a symbolic link" in acrypto("compress", "link", code=1).stderr
    assert acrypto("compress", "folder", code=1).stderr == b"acrypto: folder: Is a directory\n"
    assert b"/dev/null: is not a regular file" in acrypto("compress", "/dev/null", code=1).stderr
    assert gzip.decompress(acrypto("compress", "-c", "link").stdout) == DATA
    assert gzip.decompress(acrypto("compress", "-c", "/dev/null").stdout) == b""
    assert names(source.parent) == ["data", "folder", "link"]


def test_a_name_without_a_suffix_needs_another(acrypto: Run, source: Path) -> None:
    source.write_bytes(gzip.compress(b"plain"))
    assert b"no known suffix" in acrypto("decompress", "data", code=1).stderr
    acrypto("decompress", "data", "-o", "plain")
    assert (source.parent / "plain").read_bytes() == b"plain"


def test_a_tar_keeps_its_name(acrypto: Run, source: Path) -> None:
    source.rename(source.with_name("some.tgz")).write_bytes(gzip.compress(b"plain"))
    acrypto("decompress", "some.tgz")
    assert (source.parent / "some.tar").read_bytes() == b"plain"


def test_testing_writes_nothing(acrypto: Run, source: Path) -> None:
    acrypto("compress", "data")
    assert acrypto("decompress", "-t", "data.gz").stdout == b""
    assert names(source.parent) == ["data", "data.gz"]


def test_json_tells_every_fact(acrypto: Run, source: Path) -> None:
    row = json.loads(acrypto("compress", "data", "--json").stdout)
    assert row.keys() == FACTS
    packed = (source.parent / "data.gz").stat().st_size
    assert (row["operation"], row["file"], row["output"]) == ("compress", "data", "data.gz")
    assert (row["bytes_in"], row["bytes_out"], row["format"]) == (len(DATA), packed, "gzip")
    assert row["ratio"] == round(len(DATA) / packed, 4)
    assert row["device"] == "software0"
    assert row["driver"].startswith("deflate-")
    row = json.loads(acrypto("decompress", "data.gz", "-o", "back", "--json").stdout)
    assert row.keys() == FACTS
    assert (row["bytes_in"], row["bytes_out"]) == (packed, len(DATA))


def test_json_stays_out_of_the_data(acrypto: Run) -> None:
    done = acrypto("compress", "--json", input=DATA)
    assert gzip.decompress(done.stdout) == DATA
    assert json.loads(done.stderr)["output"] == "-"


def test_threads_change_no_byte(acrypto: Run) -> None:
    assert acrypto("compress", "-T", "1", input=DATA).stdout == acrypto("compress", "-T", "3", input=DATA).stdout


def test_a_terminal_is_told_what_was_done(tmp_path: Path, source: Path) -> None:
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        subprocess.run([*COMMAND, "compress", "data"], cwd=tmp_path, stderr=theirs, check=True)
        os.close(theirs)
        told = terminal.read(4096)
    assert told.startswith(b"data -> data.gz: 1,500,000 -> ")
    assert b" on software0 (deflate-" in told


def test_a_terminal_gets_no_binary_data(tmp_path: Path, source: Path) -> None:
    ours, theirs = os.openpty()
    for words in (["compress", "-c", "data"], ["compress"], ["decompress", "-c", "data"], ["random", "3"]):
        done = subprocess.run([*COMMAND, *words], cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2
        assert b"terminal" in done.stderr
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize(("closed", "told"), [("<&-", "standard input: closed"), (">&-", "standard output is closed")])
def test_a_closed_stream_is_told(tmp_path: Path, closed: str, told: str) -> None:
    script = f'"$0" -m acrypto compress {closed}'
    done = subprocess.run(["sh", "-c", script, COMMAND[0]], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"acrypto: {told}\n")


def test_a_device_is_no_result_to_remove_the_source_for(acrypto: Run, source: Path) -> None:
    acrypto("compress", "data", "-o", "/dev/null", "--rm")
    assert names(source.parent) == ["data"]


@pytest.mark.parametrize("other", ["data", "./data", "hard", "link"])
@pytest.mark.parametrize("operation", ["compress", "decompress"])
def test_the_source_is_no_place_for_its_result(acrypto: Run, source: Path, operation: str, other: str) -> None:
    plain = gzip.compress(DATA)
    source.write_bytes(plain)
    os.link(source, source.with_name("hard"))
    os.symlink("data", source.with_name("link"))
    before = names(source.parent)
    for words in (["--force", "--rm"], ["--force"], []):
        told = acrypto(operation, "data", "-o", other, *words, code=1).stderr
        assert told == b"acrypto: data: input and output are the same file\n"
        told = acrypto(operation, other, "-o", "data", *words, code=1).stderr
        assert told == f"acrypto: {other}: input and output are the same file\n".encode()
    assert names(source.parent) == before
    assert source.read_bytes() == plain
    acrypto(operation, "data", "-o", "new", "--force", "--rm")
    assert names(source.parent) == ["hard", "link", "new"]


# ---- Damage


@pytest.mark.parametrize(("name", "suffix"), SUFFIXES.items())
@pytest.mark.parametrize("foreign", [False, True])
def test_damage_leaves_no_file_and_tells_where(
    acrypto: Run, source: Path, name: str, suffix: str, foreign: bool
) -> None:
    acrypto("compress", "-f", name, "data")
    bad = source.with_name(f"bad{suffix}")
    whole = run(f"{name} -cq", DATA) if foreign else source.with_name(f"data{suffix}").read_bytes()
    before = sorted([*names(source.parent), bad.name])
    for damaged, what in ((whole[:-3], b"truncated"), (whole + b"garbage", b"trailing garbage")):
        bad.write_bytes(damaged)
        told = acrypto("decompress", bad.name, code=1).stderr
        assert told.startswith(f"acrypto: bad{suffix}: ".encode())
        assert what in told
        assert b" at offset " in told
        assert names(source.parent) == before
        assert acrypto("decompress", "-t", bad.name, code=1).stderr == told


def test_a_pipe_closed_by_its_reader_ends_quietly(source: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "compress", "-l", "0", "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as going:
        assert going.stdout is not None
        assert going.stderr is not None
        going.stdout.read(10)
        going.stdout.close()
        assert going.stderr.read() == b""
    assert going.returncode == -signal.SIGPIPE


def test_a_full_disk_is_told(acrypto: Run, source: Path) -> None:
    told = acrypto("compress", "data", "-o", "/dev/full", code=1).stderr
    assert told == b"acrypto: /dev/full: No space left on device at offset 0\n"
    packed = gzip.compress(DATA)
    with open("/dev/full", "wb") as full:
        for words, data in ((["compress"], DATA), (["decompress"], packed), (["compress", "-c", "data"], b"")):
            told = acrypto(*words, input=data, stdout=full, code=1).stderr
            assert told == b"acrypto: standard output: No space left on device at offset 0\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "compress", "-o", "out.gz"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as going:
        assert going.stdin is not None
        assert going.stderr is not None
        # More than a pipe holds, so when this returns the command is in the middle of its work.
        going.stdin.write(DATA + DATA)
        going.stdin.flush()
        assert "out.gz" not in names(tmp_path)
        going.send_signal(number)
        assert going.stderr.read() == b""
    assert going.returncode == -number
    assert names(tmp_path) == []


# ---- Bombs


def repeated(times: int) -> bytes:
    """A gzip member of so many MiB of zeros, one KiB each."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + block * times


def test_a_limit_stops_a_bomb_before_it_writes_more(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(repeated(200))
    told = acrypto("decompress", "bomb.gz", "--max-output", "100M", code=1).stderr
    assert told == b"acrypto: bomb.gz: the output would exceed 104857600 bytes\n"
    assert names(tmp_path) == ["bomb.gz"]


@pytest.mark.parametrize("form", ["foreign", "parts", "zstd", "lz4"])
def test_a_bomb_of_ten_gigabytes_stops_in_bounded_memory(tmp_path: Path, form: str) -> None:
    if form == "foreign":
        bomb = repeated(10_240)
    else:
        name = "gzip" if form == "parts" else form
        one = subprocess.run(
            [*COMMAND, "compress", "-f", name, "-c"], input=bytes(64 * MIB), capture_output=True, check=True
        )
        bomb = one.stdout * 160
    (tmp_path / "bomb").write_bytes(bomb)
    # lz4 cannot reach the ratio that the default limit allows.
    limit = ("--max-output", "2G") if form == "lz4" else ()
    code, told, kib = peak_memory("decompress", "-c", *limit, tmp_path / "bomb")
    assert code == 1
    assert b"the output would exceed" in told
    assert told.endswith(b"; --max-output raises the limit\n") == (not limit)
    assert kib < 128 << 10
