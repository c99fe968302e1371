"""Disks that are full, files that cannot be read, readers that leave, signals: no half file, and the reason is told.

Each command runs in a process of its own; what is in the middle of its work is known by what it has read from a pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.conftest import COMMAND
from tests.streams.memory import MIB

import acrypto
from acrypto.streams import Compress, Encrypt, Pipeline, X25519Identity, leftovers

pytestmark = pytest.mark.slow  # each test starts processes

#: Noise: what goes in comes out as long, so neither side of anything is small.
DATA = random.Random(7).randbytes(6 * MIB)
#: Of a small disk.
ROOM = 2 * MIB


class Case(NamedTuple):
    """A command that makes a file of what it reads: its words, and what it is to read."""

    words: list[str]
    data: bytes

    def argv(self, *more: str) -> list[str]:
        return [*COMMAND, *self.words, *more]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    key = tmp_path_factory.mktemp("keys") / "key.txt"
    identity = X25519Identity.generate()
    key.write_text(identity.export() + "\n")
    to = str(identity.recipient)
    with acrypto.open() as layer:
        packed: dict[str, bytes] = {}
        for name, stages in {
            "gzip": [Compress("gzip", 1)], "bgzf": [Compress("bgzf", 1)], "zstd": [Compress("zstd", 1)],
            "lz4": [Compress("lz4")], "age": [Encrypt([to])], "both": [Compress("lz4"), Encrypt([to])],
        }.items():  # fmt: skip
            path = key.with_name(name)
            Pipeline(layer, DATA, stages, path).drive()
            packed[name] = path.read_bytes()
    made = {f"compress {name}": Case(["compress", "-f", name], DATA) for name in ("gzip", "bgzf", "zstd", "lz4")}
    made |= {f"decompress {name}": Case(["decompress"], packed[name]) for name in ("gzip", "bgzf", "zstd", "lz4")}
    made["encrypt"] = Case(["encrypt", "-r", to], DATA)
    made["decrypt"] = Case(["decrypt", "-i", str(key)], packed["age"])
    made["run"] = Case(["run", f"lz4 | digest:sha256 | age:-r {to}"], DATA)
    made["run back"] = Case(["run", f"decrypt:-i {key} | decompress"], packed["both"])
    return made


NAMES = [
    *(f"{way} {name}" for way in ("compress", "decompress") for name in ("gzip", "bgzf", "zstd", "lz4")),
    "encrypt", "decrypt", "run", "run back",
]  # fmt: skip
each = pytest.mark.parametrize("name", NAMES)
#: One of each kind, where the format makes no difference.
some = pytest.mark.parametrize("name", ["compress gzip", "decompress zstd", "encrypt", "decrypt", "run"])


def to_file(case: Case, source: str, target: str) -> list[str]:
    """Its command line, from a file to a file."""
    return case.argv(source, target) if case.words[0] == "run" else case.argv(source, "-o", target)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def offset_told(told: bytes, path: object, what: str) -> int:
    """The offset in the one line that was said: `acrypto: PATH: WHAT at offset N`."""
    match = re.fullmatch(rf"acrypto: {re.escape(str(path))}: {what} at offset (\d+)\n", told.decode())
    assert match is not None, told
    return int(match[1])


@pytest.fixture
def source(tmp_path: Path, cases: dict[str, Case], name: str) -> Path:
    path = tmp_path / "source"
    path.write_bytes(cases[name].data)
    return path


# ---- Disk full


def _can_mount() -> bool:
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        return False
    words = [unshare, "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs the right to mount")
@each
def test_a_full_disk_keeps_no_part_of_a_file(cases: dict[str, Case], source: Path, name: str) -> None:
    """A real one, of little memory, which only the command sees."""
    disk = source.with_name("disk")
    disk.mkdir()
    script = f'mount -t tmpfs -o size={ROOM} none "$0" || exit 99; "$@"; code=$?; ls -A "$0"; exit $code'
    words = to_file(cases[name], str(source), str(disk / "out"))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, disk, *words], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert offset_told(done.stderr, disk / "out", "No space left on device") == ROOM


@each
def test_a_file_that_may_not_grow_keeps_no_part(cases: dict[str, Case], source: Path, name: str) -> None:
    done = subprocess.run(
        to_file(cases[name], str(source), str(source.with_name("out"))),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert offset_told(done.stderr, source.with_name("out"), "File too large") == ROOM
    assert names(source.parent) == ["source"]


@some
def test_a_device_without_room_is_told_by_name(cases: dict[str, Case], source: Path, name: str) -> None:
    done = subprocess.run(to_file(cases[name], str(source), "/dev/full"), capture_output=True, check=False)
    assert done.returncode == 1
    assert offset_told(done.stderr, "/dev/full", "No space left on device") == 0


def test_a_digest_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    with open("/dev/full", "wb") as full:
        words = [*COMMAND, "digest", "data"]
        done = subprocess.run(words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


# ---- Files that cannot be read


@contextlib.contextmanager
def unreadable(data: bytes, folder: Path) -> Iterator[tuple[int, int]]:
    """A descriptor that gives whole pages of `data` and then EIO, and the offset where it does.

    It is our own memory, of which a part belongs to a file that has become shorter.
    """
    pages = len(data) // mmap.PAGESIZE * mmap.PAGESIZE
    with open(folder / "backing", "w+b") as backing:
        backing.write(data[:pages] + bytes(64 * mmap.PAGESIZE))
        backing.flush()
        # No other memory may move in behind it, so it is mapped as long as it was.
        with mmap.mmap(backing.fileno(), pages + 64 * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ) as area:
            backing.truncate(pages)
            start = _address(area)
            descriptor = os.open("/proc/self/mem", os.O_RDONLY)
            try:
                os.lseek(descriptor, start, os.SEEK_SET)
                yield descriptor, start + pages
            finally:
                os.close(descriptor)
    (folder / "backing").unlink()


def _address(area: mmap.mmap) -> int:
    from tests.streams.disk import address

    return address(area)


@each
def test_a_read_error_in_the_middle_leaves_no_file(cases: dict[str, Case], tmp_path: Path, name: str) -> None:
    case = cases[name]
    with unreadable(case.data[: 5 * MIB], tmp_path) as (descriptor, end):
        words = to_file(case, "-", str(tmp_path / "out"))
        done = subprocess.run(words, stdin=descriptor, capture_output=True, check=False)
    assert done.returncode == 1
    assert offset_told(done.stderr, "standard input", "Input/output error") == end
    assert names(tmp_path) == []


@pytest.mark.parametrize("words", [["digest"], ["digest", "-a", "blake3"], ["mac"]])
def test_a_read_error_gives_no_digest(tmp_path: Path, words: list[str]) -> None:
    """Its offset counts from where the reading began, or from the beginning of the file."""
    if words[0] == "mac":
        (tmp_path / "key").write_bytes(bytes(32))
        words = [*words, "--key-file", str(tmp_path / "key")]
    with unreadable(DATA, tmp_path) as (descriptor, end):
        done = subprocess.run([*COMMAND, *words], stdin=descriptor, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert offset_told(done.stderr, "standard input", "Input/output error") in {end, len(DATA)}


@some
def test_the_name_of_what_cannot_be_read_is_told(cases: dict[str, Case], tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        to_file(cases[name], "/proc/self/mem", str(tmp_path / "out")), capture_output=True, check=False
    )
    assert done.returncode == 1
    assert offset_told(done.stderr, "/proc/self/mem", "Input/output error") == 0
    assert names(tmp_path) == []


# ---- Readers that leave, and signals


@each
def test_a_reader_that_leaves_ends_the_command_quietly(cases: dict[str, Case], source: Path, name: str) -> None:
    case = cases[name]
    words = case.argv(str(source)) if case.words[0] == "run" else case.argv("-c", str(source))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as going:
        assert going.stdout is not None
        assert going.stderr is not None
        assert len(going.stdout.read(70_000)) == 70_000
        going.stdout.close()
        assert going.stderr.read() == b""
    assert going.returncode == -signal.SIGPIPE


def in_the_middle(words: list[str], data: bytes) -> subprocess.Popen[bytes]:
    """A command that has read nearly all of `data` and waits for more."""
    going = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert going.stdin is not None
    # A pipe holds far less, so when this returns it has been read.
    going.stdin.write(data)
    going.stdin.flush()
    return going


@each
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_old_file(cases: dict[str, Case], tmp_path: Path, name: str, number: int) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    words = [*to_file(cases[name], "-", str(out)), "--force"]
    with in_the_middle(words, cases[name].data[: 5 * MIB]) as going:
        going.send_signal(number)
        _, told = going.communicate()
    assert told == b""
    assert going.returncode == -number
    assert names(tmp_path) == ["out"]
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_digest(number: int) -> None:
    with in_the_middle([*COMMAND, "digest"], DATA) as going:
        going.send_signal(number)
        assert going.communicate() == (b"", b"")
    assert going.returncode == -number


def unclaimed(folder: Path) -> None:
    """Waits until nobody holds temporary files.

    The kernel ends a killed process's io_uring, which holds them too, a moment after the process.
    """
    for name in filter(leftovers.is_name, names(folder)):
        with open(folder / name, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


#: The command as on a file system that knows no files without a name.
NAMED = """
from acrypto.streams.replacement import Replacement
Replacement._open_nameless = lambda self: None
from acrypto.cli.main import main
main()
"""


@some
@pytest.mark.parametrize("kind", ["nameless", "named"])
def test_a_killed_command_leaves_no_half_file(cases: dict[str, Case], tmp_path: Path, name: str, kind: str) -> None:
    """Nor anything else, where files need no name; else the next run removes it."""
    case, out = cases[name], tmp_path / "out"
    words = to_file(case, "-", str(out))
    if kind == "named":
        words[: len(COMMAND)] = [sys.executable, "-c", NAMED]
    with in_the_middle(words, case.data[: 5 * MIB]) as going:
        going.kill()
        going.communicate()
    assert going.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == (kind == "named")
    assert all(map(leftovers.is_name, names(tmp_path)))
    unclaimed(tmp_path)
    subprocess.run(to_file(case, "-", str(out)), input=case.data, check=True)
    assert names(tmp_path) == ["out"]


WRITER = """
import os, signal, sys
import acrypto
from acrypto.streams.replacement import Replacement
path, kind, format = sys.argv[1:]
if kind == "named":
    Replacement._open_nameless = lambda self: None
file = acrypto.open_file(path, "wb", format=format)
for _ in range(40):
    file.write(os.urandom(1 << 18))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["nameless", "named"])
@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path, kind: str, format: str) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", WRITER, str(out), kind, format], check=False)
    assert done.returncode == -signal.SIGKILL
    assert out.read_bytes() == b"old"
    assert len(names(tmp_path)) == 1 + (kind == "named")
    unclaimed(tmp_path)
    leftovers._seen.clear()
    with acrypto.open_file(out, "wb", format=format) as file:
        file.write(b"new")
    assert names(tmp_path) == ["out"]
    assert acrypto.open_file(out).read() == b"new"
