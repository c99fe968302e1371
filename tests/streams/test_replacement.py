"""Files appear whole under their name, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from acrypto.streams.replacement import Replacement


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_has_the_name_before_the_commit(tmp_path: Path) -> None:
    with Replacement(str(tmp_path / "new")) as result:
        result.file.write(b"data")
        assert "new" not in names(tmp_path)
        result.commit()
    assert names(tmp_path) == ["new"]
    assert (tmp_path / "new").read_bytes() == b"data"


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Replacement(str(tmp_path / "new")):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError, match="--force"):
        Replacement(str(tmp_path / "old"))
    with Replacement(str(tmp_path / "old"), force=True) as result:
        result.file.write(b"new")
        assert (tmp_path / "old").read_bytes() == b"old"
        result.commit()
    assert (tmp_path / "old").read_bytes() == b"new"


def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with Replacement(str(tmp_path / "new")) as result:
        (tmp_path / "new").write_bytes(b"theirs")
        with pytest.raises(FileExistsError):
            result.commit()
    assert names(tmp_path) == ["new"]
    assert (tmp_path / "new").read_bytes() == b"theirs"


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
    with pytest.raises(FileExistsError, match="block device; --force"):
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


def test_directories_and_lost_places_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        Replacement(str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        Replacement(str(tmp_path / "no" / "new"))
    assert caught.value.filename == str(tmp_path / "no" / "new")
