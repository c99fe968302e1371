"""Files appear whole under their name, or not at all."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from acrypto.streams import leftovers
from acrypto.streams.replacement import Replacement

LEFT = ".acrypto-0123456789abcdef"


@pytest.fixture(autouse=True)
def _seen_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a process that has not looked into any directory yet."""
    monkeypatch.setattr(leftovers, "_seen", set())


@pytest.fixture(params=["nameless", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both sorts of file systems: with files that have no name, and without."""
    if request.param == "named":
        monkeypatch.setattr(Replacement, "_open_nameless", lambda _self: None)
    return str(request.param)


both_kinds = pytest.mark.usefixtures("kind")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@both_kinds
def test_nothing_has_the_name_before_the_commit(tmp_path: Path) -> None:
    with Replacement(str(tmp_path / "new")) as result:
        result.file.write(b"data")
        assert "new" not in names(tmp_path)
        result.commit()
    assert names(tmp_path) == ["new"]
    assert (tmp_path / "new").read_bytes() == b"data"


@both_kinds
def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Replacement(str(tmp_path / "new")):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@both_kinds
def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError, match="exists already"):
        Replacement(str(tmp_path / "old"))
    with Replacement(str(tmp_path / "old"), force=True) as result:
        result.file.write(b"new")
        assert (tmp_path / "old").read_bytes() == b"old"
        result.commit()
    assert (tmp_path / "old").read_bytes() == b"new"


@both_kinds
def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with Replacement(str(tmp_path / "new")) as result:
        (tmp_path / "new").write_bytes(b"theirs")
        with pytest.raises(FileExistsError):
            result.commit()
    assert names(tmp_path) == ["new"]
    assert (tmp_path / "new").read_bytes() == b"theirs"


@both_kinds
def test_mode_and_times_are_those_of_the_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    source.chmod(0o640)
    os.utime(source, ns=(1_111_111_111_222_333_444, 1_222_222_222_333_444_555))
    with Replacement(str(tmp_path / "new")) as result:
        result.commit(source.stat())
    made = (tmp_path / "new").stat()
    assert stat.S_IMODE(made.st_mode) == 0o640
    assert (made.st_atime_ns, made.st_mtime_ns) == (1_111_111_111_222_333_444, 1_222_222_222_333_444_555)


@both_kinds
def test_a_new_file_has_the_mode_that_the_mask_leaves(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with Replacement(str(tmp_path / "new")) as result:
            result.commit()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_devices_are_written_to_directly() -> None:
    with Replacement("/dev/null") as result:
        result.file.write(b"data")
        result.commit()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_block_devices_are_not_overwritten_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").write_bytes(b"a filesystem")
    monkeypatch.setattr(stat, "S_ISREG", lambda _mode: False)
    monkeypatch.setattr(stat, "S_ISBLK", lambda _mode: True)
    with pytest.raises(FileExistsError, match="is a block device"):
        Replacement(str(tmp_path / "disk"))
    assert (tmp_path / "disk").read_bytes() == b"a filesystem"
    with Replacement(str(tmp_path / "disk"), force=True) as result:
        result.file.write(b"data")
        assert not result.is_temporary
        result.commit()
    assert (tmp_path / "disk").read_bytes() == b"data"


def test_a_failed_write_names_the_result() -> None:
    with Replacement("/dev/full") as result, pytest.raises(OSError, match="No space") as caught:
        result.file.write(b"data")
    assert caught.value.filename == "/dev/full"


@both_kinds
def test_directories_and_lost_places_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        Replacement(str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        Replacement(str(tmp_path / "no" / "new"))
    assert caught.value.filename == str(tmp_path / "no" / "new")


@both_kinds
@pytest.mark.parametrize("force", [False, True])
def test_a_directory_that_vanishes_is_told_by_the_name_of_the_result(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "folder" / "new"
    path.parent.mkdir()
    with Replacement(str(path), force=force) as result:
        for left in path.parent.iterdir():
            left.unlink()
        path.parent.rmdir()
        with pytest.raises(FileNotFoundError) as caught:
            result.commit()
    assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    assert names(tmp_path) == []


@both_kinds
@pytest.mark.parametrize("old", ["link", "dangling"])
def test_a_symbolic_link_is_replaced_and_not_what_it_points_to(tmp_path: Path, old: str) -> None:
    (tmp_path / "data").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("data" if old == "link" else "nowhere")
    with pytest.raises(FileExistsError):
        Replacement(str(tmp_path / "link"))
    with Replacement(str(tmp_path / "link"), force=True) as result:
        result.file.write(b"new")
        result.commit()
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "data").read_bytes() == b"theirs"


def test_a_name_without_a_directory_is_one_here(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for force in (False, True):
        with Replacement("new", force=force) as result:
            assert len(names(tmp_path)) == (kind == "named") + force
            result.commit()
        assert names(tmp_path) == ["new"]


def test_a_file_system_without_links_gets_a_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_names: str, **_how: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Replacement, "_open_nameless", lambda _self: None)
    monkeypatch.setattr(os, "link", no_links)
    with Replacement(str(tmp_path / "new")) as result:
        result.commit()
    assert names(tmp_path) == ["new"]


def test_without_proc_it_has_a_temporary_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith("/proc/") and exists(path))
    with Replacement(str(tmp_path / "new")) as result:
        assert len(names(tmp_path)) == 1
        result.commit()
    assert names(tmp_path) == ["new"]


# ---- What a killed process leaves

KILLED = """
import os, signal, sys
from acrypto.streams.replacement import Replacement
kind, path, when = sys.argv[1:]
if kind == "named":
    Replacement._open_nameless = lambda self: None
def die(*_arguments, **_how):
    os.kill(os.getpid(), signal.SIGKILL)
if when == "in the rename":
    os.replace = die
result = Replacement(path, force=True)
result.file.write(b"half")
if when == "before":
    die()
result.commit()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "when", "left"), [("nameless", "before", 0), ("nameless", "in the rename", 1), ("named", "before", 1)]
)
def test_a_killed_process_leaves_nothing_or_what_the_next_one_removes(
    tmp_path: Path, kind: str, when: str, left: int
) -> None:
    """Without a name there is nothing; else there is a temporary file until somebody writes there again."""
    done = subprocess.run([sys.executable, "-c", KILLED, kind, str(tmp_path / "new"), when], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == left
    assert all(map(leftovers.is_name, names(tmp_path)))
    with Replacement(str(tmp_path / "other")) as result:
        result.commit()
    assert names(tmp_path) == ["other"]


def test_what_is_in_use_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replacement, "_open_nameless", lambda _self: None)
    with Replacement(str(tmp_path / "one")) as first:
        first.file.write(b"first")
        leftovers._seen.clear()
        with Replacement(str(tmp_path / "two")) as second:
            assert len(names(tmp_path)) == 2
            second.commit()
        first.commit()
    assert names(tmp_path) == ["one", "two"]
    assert (tmp_path / "one").read_bytes() == b"first"


@pytest.mark.parametrize(
    "name",
    ["acrypto-0123456789abcdef", ".acrypto-0123456789abcde", f"{LEFT}0", ".acrypto-0123456789ABCDEF", f"{LEFT}.gz",
     ".acrypto-0123456789abcde\u0663", ".acrypto-", LEFT.upper()],
)  # fmt: skip
def test_only_the_exact_name_is_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"theirs")
    (tmp_path / LEFT).write_bytes(b"ours")
    leftovers.clean(str(tmp_path))
    assert names(tmp_path) == [name]


def test_only_regular_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"theirs")
    (tmp_path / LEFT).symlink_to("data")
    os.mkfifo(tmp_path / LEFT.replace("0", "1"))
    (tmp_path / LEFT.replace("0", "2")).mkdir()
    before = names(tmp_path)
    leftovers.clean(str(tmp_path))
    assert names(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_files_of_others_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / LEFT).write_bytes(b"theirs")
    os.chown(tmp_path / LEFT, 12345, -1)
    leftovers.clean(str(tmp_path))
    assert names(tmp_path) == [LEFT]


def test_a_file_that_was_removed_before_it_was_claimed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its lock it looks like nobody's."""
    monkeypatch.setattr(Replacement, "_open_nameless", lambda _self: None)
    claim, turns = leftovers.claim, iter((True, False))

    def late(made: int) -> bool:
        if next(turns):
            leftovers._seen.clear()
            leftovers.clean(str(tmp_path))
            assert names(tmp_path) == []
        return claim(made)

    monkeypatch.setattr(leftovers, "claim", late)
    with Replacement(str(tmp_path / "new")) as result:
        assert len(names(tmp_path)) == 1
        result.commit()
    assert names(tmp_path) == ["new"]


def test_where_there_are_no_locks_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_descriptor: int, _how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(Replacement, "_open_nameless", lambda _self: None)
    (tmp_path / LEFT).write_bytes(b"perhaps in use")
    with Replacement(str(tmp_path / "new")) as result:
        result.commit()
    assert names(tmp_path) == [LEFT, "new"]


def test_a_directory_is_looked_through_once(tmp_path: Path) -> None:
    leftovers.clean(str(tmp_path))
    (tmp_path / LEFT).write_bytes(b"later")
    leftovers.clean(str(tmp_path))
    assert names(tmp_path) == [LEFT]
    leftovers._seen.clear()
    leftovers.clean(str(tmp_path))
    assert names(tmp_path) == []
