"""`digest` of many files: folders, several threads, lists of b3sum, names that need care, progress."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, Run, peak_memory
from tests.streams.memory import MIB, mixed

pytestmark = pytest.mark.slow  # each test starts processes

NAMES = (
    b"a",
    b"a-b",
    b"a.d/x",
    b"a.d/deep/er/y",
    b"ab",
    b"new\nline/back\\slash",
    b"new\nline/ lead",
    b"n\xffo utf-8/two words",
    b"-dash",
    b"\xc3\xa4",
    b"empty",
)

b3sum = pytest.mark.skipif(shutil.which("b3sum") is None, reason="b3sum is not installed")
sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files with odd names in odd folders, and much between them that is no file."""
    root = tmp_path / "tree"
    for at, name in enumerate(NAMES):
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(mixed(at * 70_001, seed=at) if name != b"empty" else b"")
    (root / "loop").symlink_to(root)
    (root / "a.d" / "up").symlink_to("..")
    (root / "link").symlink_to("a")
    (root / "dangling").symlink_to("nowhere")
    (root / "nothing in it").mkdir()
    os.mkfifo(root / "fifo")
    return root


def found(tree: Path, start: str) -> bytes:
    """What sha256sum says of what `find | sort` finds."""
    script = 'find "$0" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum --'
    return subprocess.run(["sh", "-c", script, start], cwd=tree, capture_output=True, check=True).stdout


@sha256sum
@pytest.mark.parametrize("start", ["tree", "tree/", "./tree/a.d", "."])
def test_a_folder_has_the_lines_of_find_and_sort(acrypto: Run, tree: Path, start: str) -> None:
    assert acrypto("digest", "-r", start).stdout == found(tree.parent, start)


@sha256sum
def test_folders_and_files_may_be_named_together(acrypto: Run, tree: Path) -> None:
    """In the order of the arguments; what is named is followed if it is a link; without one, it is the folder here."""
    done = acrypto("digest", "-r", "-T3", "tree/link", "tree/a.d", "tree/a")
    names = [line.split(b"  ")[1] for line in done.stdout.splitlines()]
    assert names == [b"tree/link", b"tree/a.d/deep/er/y", b"tree/a.d/x", b"tree/a"]
    assert acrypto("digest", "-r", "tree/a.d/up").stdout.count(b"\n") == len(NAMES)
    assert acrypto("digest", "--recursive").stdout == found(tree.parent, ".")


def test_what_cannot_be_read_is_told_and_the_rest_is_done(acrypto: Run, tree: Path) -> None:
    """A folder whose path is longer than the system takes, which not even root can open; a link to nothing."""
    here = os.getcwd()
    os.chdir(tree)
    try:
        for _ in range(20):
            os.mkdir("x" * 250)
            os.chdir("x" * 250)
        Path("far").write_bytes(b"far away")
    finally:
        os.chdir(here)
    done = acrypto("digest", "-r", "tree", "tree/dangling", code=1)
    assert done.stdout.count(b"\n") == len(NAMES)
    first, second = done.stderr.splitlines()
    assert first.endswith(b": File name too long")
    assert second == b"acrypto: tree/dangling: No such file or directory"
    shutil.rmtree(tree / ("x" * 250), ignore_errors=True)
    subprocess.run(["rm", "-rf", str(tree)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_files_and_folders_are_told(acrypto: Run, tree: Path) -> None:
    (tree / "a").chmod(0)
    (tree / "a.d").chmod(0)
    done = acrypto("digest", "-r", "tree", code=1)
    (tree / "a.d").chmod(0o755)
    assert {line.split(b": ")[1] for line in done.stderr.splitlines()} == {b"tree/a", b"tree/a.d"}


def test_order_is_that_of_the_arguments_whatever_is_done_first(acrypto: Run, tmp_path: Path) -> None:
    sizes = [3 * MIB, 0, 5, 2 * MIB + 1, 1, 70_000] * 20
    for size in set(sizes):
        (tmp_path / str(size)).write_bytes(mixed(size))
    wanted = "".join(f"{hashlib.sha256(mixed(size)).hexdigest()}  {size}\n" for size in sizes)
    for words in (["-T1"], ["-T4"], ["-T4", "--mmap"], ["--threads", "2", "--no-mmap"]):
        assert acrypto("digest", *words, *map(str, sizes)).stdout.decode() == wanted


@b3sum
def test_b3sum_reads_ours_and_we_read_its(acrypto: Run, tree: Path) -> None:
    files = [os.path.join(b"tree", name) for name in NAMES]
    ours = acrypto("digest", "-a", "blake3", *files).stdout
    # It refuses names that are no UTF-8 in lists, and writes them with replacements.
    kept = b"".join(line + b"\n" for line in ours.splitlines() if b"\xff" not in line)
    done = subprocess.run(["b3sum", "--check"], cwd=tree.parent, input=kept, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b": OK\n")) == (0, len(NAMES) - 1)
    theirs = subprocess.run([b"b3sum", *files], cwd=tree.parent, capture_output=True, check=True).stdout
    mine = b"".join(line + b"\n" for line in theirs.splitlines() if "\ufffd".encode() not in line)
    told = acrypto("digest", "-a", "blake3", "--check", "--strict", input=mine).stdout
    assert told.count(b": OK\n") == len(NAMES) - 1
    long = ["b3sum", "--length", "131", "tree/ab"]
    assert subprocess.run(long, cwd=tree.parent, capture_output=True, check=True).stdout.split()[0][:64] in ours


@sha256sum
def test_lists_of_folders_are_checked_by_both(acrypto: Run, tree: Path) -> None:
    ours = acrypto("digest", "-r", "tree").stdout
    check = ["sha256sum", "-c", "--strict"]
    theirs = subprocess.run(check, cwd=tree.parent, input=ours, capture_output=True, check=True).stdout
    assert acrypto("digest", "-c", "--strict", "-T3", input=ours).stdout == theirs
    (tree / "ab").write_bytes(b"changed")
    (tree / "a.d" / "x").unlink()
    theirs = subprocess.run(check, cwd=tree.parent, input=ours, capture_output=True, check=False).stdout
    assert acrypto("digest", "-c", "--strict", "-T3", input=ours, code=1).stdout == theirs


def test_checking_does_not_go_with_folders(acrypto: Run) -> None:
    assert b"--recursive" in acrypto("digest", "-c", "-r", ".", code=2).stderr


def test_rows_for_machines_come_for_each_file(acrypto: Run, tree: Path) -> None:
    rows = [json.loads(line) for line in acrypto("digest", "-r", "--json", "tree").stdout.splitlines()]
    assert [row["bytes"] for row in rows] == [path.stat().st_size for path in map(Path, _paths(rows, tree))]
    assert {row["driver"] for row in rows} == {"sha256-awslc"}
    lines = acrypto("digest", "tree/a", "tree/ab").stdout
    checked = [json.loads(line) for line in acrypto("digest", "-c", "--json", input=lines).stdout.splitlines()]
    assert [(row["file"], row["outcome"]) for row in checked] == [("tree/a", "OK"), ("tree/ab", "OK")]


def _paths(rows: list[dict[str, object]], tree: Path) -> list[str]:
    return [os.path.join(tree.parent, str(row["file"])) for row in rows]


def test_standard_input_is_read_once(acrypto: Run, tmp_path: Path) -> None:
    """From where it stands, if it is a file; whoever names it again gets what is left of it, nothing."""
    (tmp_path / "data").write_bytes(mixed(3 * MIB))
    with open(tmp_path / "data", "rb") as source:
        source.seek(1000)
        done = acrypto("digest", "-a", "blake3", "-", "data", "-", stdin=source)
        assert source.seek(0, os.SEEK_CUR) == 3 * MIB
    (tmp_path / "rest").write_bytes(mixed(3 * MIB)[1000:])
    lines = acrypto("digest", "-a", "blake3", "rest", "data", "/dev/null").stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == [line.split()[0] for line in lines.splitlines()]


def test_a_closed_standard_input_is_an_error(tmp_path: Path) -> None:
    words = ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "digest"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"acrypto: standard input: Bad file descriptor\n"


def test_macs_of_many_files_under_one_key(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 100)
    done = acrypto("mac", "--key-file", "key", "-T2", "a", "lost", "b", "c", code=1)
    assert [line.split()[1] for line in done.stdout.splitlines()] == [b"a", b"b", b"c"]
    assert done.stderr == b"acrypto: lost: No such file or directory\n"


def test_interrupting_ends_it_at_once() -> None:
    for word in ("-T1", "-T3"):
        child = subprocess.Popen([*COMMAND, "digest", word, "/dev/zero", "/dev/zero"], stderr=subprocess.PIPE)
        task = Path(f"/proc/{child.pid}/task")
        while len(list(task.iterdir())) < 2:  # until it hashes
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, told = child.communicate()
        assert child.returncode == -signal.SIGINT
        assert told == b""


def test_a_terminal_is_shown_how_far_it_is(tmp_path: Path) -> None:
    """Files and bytes while it works, on standard error only; what is drawn is taken away at the end."""
    ours, theirs = pty.openpty()
    words = [*COMMAND, "digest", "/dev/zero", os.devnull]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"COLUMNS": "100"})
    os.close(theirs)
    shown = b""
    while b"1 files" not in shown or b"/s" not in shown:
        shown += os.read(ours, 4096)
    child.send_signal(signal.SIGTERM)
    assert child.communicate()[0] == b""
    os.close(ours)


@pytest.mark.parametrize("words", [["-a", "blake3"], ["-a", "blake3", "--mmap"], ["--mmap"]])
def test_memory_stays_small(tmp_path: Path, words: list[str]) -> None:
    with open(tmp_path / "sparse", "wb") as out:
        out.truncate(512 * MIB)
    code, _, kib = peak_memory("digest", *words, tmp_path / "sparse")
    assert code == 0
    assert kib < 96 << 10
