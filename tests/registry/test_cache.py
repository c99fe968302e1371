"""Small files in the cache directory: trusted only if nobody else could have written them, replaced in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from acrypto.registry.cache import KEY_DIGITS, build, read, short, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    place = str(tmp_path / "new")
    assert write(place, "file", ["one", "two"])
    assert read(place, "file", 100) == ["one", "two", ""]
    assert read(place, "file", 5) == ["one", "t"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    assert not write(None, "file", ["one"])
    assert read(None, "file", 100) is None
    assert read(str(tmp_path), "file", 100) is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    write(str(tmp_path), "file", ["one"])
    (tmp_path / "file").chmod(mode)
    assert read(str(tmp_path), "file", 100) is None


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    write(str(tmp_path), "file", ["one"])
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        assert read(str(tmp_path), name, 100) is None
    assert not write(str(tmp_path), "folder", ["one"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_a_key_is_short_and_of_this_build() -> None:
    assert len(short(build())) == KEY_DIGITS
    assert short("a") != short("b")
    assert build() == build()
