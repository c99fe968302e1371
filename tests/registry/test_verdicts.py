"""Verdicts: passes are remembered for one build and engine; whatever happens to the file, the worst is a new test."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from acrypto.engines.base import Engine
from acrypto.engines.faulty import Faulty
from acrypto.engines.null import Null
from acrypto.engines.software import Software
from acrypto.registry import verdicts
from acrypto.registry.verdicts import KEY_DIGITS, MOST, Verdicts, identity


class Versioned(Engine):
    """Says what it is."""

    name = "versioned"
    version = "1.0"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    monkeypatch.setenv("ACRYPTO_CACHE", str(place))
    return place


def remembered(*names: str) -> Verdicts:
    """A pass for each of these drivers, written down."""
    known = Verdicts()
    for name in names:
        known.add(known.key("engine", name, "sha256"))
    known.save()
    return known


def knows(name: str, engine: str = "engine", algorithm: str = "sha256") -> bool:
    """Whether somebody who comes later knows of it."""
    fresh = Verdicts()
    return fresh.has(fresh.key(engine, name, algorithm))


def test_a_pass_is_remembered() -> None:
    remembered("one", "two")
    assert knows("one")
    assert knows("two")
    assert not knows("three")


def test_a_verdict_is_for_one_driver_algorithm_and_engine() -> None:
    remembered("one")
    assert not knows("one", engine="another")
    assert not knows("one", algorithm="sha512")


def test_nothing_is_remembered_before_it_is_saved() -> None:
    known = Verdicts()
    known.add(known.key("engine", "one", "sha256"))
    assert not knows("one")


def test_what_is_forgotten_is_gone_for_all() -> None:
    known = remembered("one", "two")
    known.forget(known.key("engine", "one", "sha256"))
    known.save()
    assert not knows("one")
    assert knows("two")


def test_two_who_save_keep_each_others() -> None:
    one, two = Verdicts(), Verdicts()
    for known, name in ((one, "one"), (two, "two")):
        assert not known.has(known.key("engine", name, "sha256"))
        known.add(known.key("engine", name, "sha256"))
    one.save()
    two.save()
    assert knows("one")
    assert knows("two")


def test_another_build_tests_again_and_drops_what_was(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered("one")
    with monkeypatch.context() as patched:
        patched.setattr(verdicts, "TESTS", verdicts.TESTS + 1)
        assert not knows("one")
        remembered("two")
        assert knows("two")
    assert not knows("one")
    assert len((cache / "verdicts").read_text().splitlines()) == 2


def test_the_file_is_this_users_alone(cache: Path) -> None:
    remembered("one")
    assert stat.S_IMODE((cache / "verdicts").stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert [path.name for path in cache.iterdir()] == ["verdicts"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_believed(cache: Path, mode: int) -> None:
    remembered("one")
    (cache / "verdicts").chmod(mode)
    assert not knows("one")
    remembered("two")
    assert not knows("one")
    assert knows("two")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_not_believed(cache: Path) -> None:
    remembered("one")
    os.chown(cache / "verdicts", 65534, 65534)
    assert not knows("one")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"garbage", b"\0" * 5000, b"\xff\xfe\n" * 900, b"x" * (1 << 20), b"acrypto verdicts, build 0\n"],
)
def test_garbage_is_ignored_and_replaced(cache: Path, content: bytes) -> None:
    cache.mkdir()
    (cache / "verdicts").write_bytes(content)
    assert not knows("one")
    remembered("one")
    assert knows("one")


def test_a_link_is_not_followed(cache: Path, tmp_path: Path) -> None:
    remembered("one")
    real = tmp_path / "real"
    (cache / "verdicts").rename(real)
    (cache / "verdicts").symlink_to(real)
    assert not knows("one")
    remembered("two")
    assert not (cache / "verdicts").is_symlink()


def test_what_is_no_file_is_no_error(cache: Path) -> None:
    (cache / "verdicts").mkdir(parents=True)
    remembered("one")
    assert not knows("one")
    assert [path.name for path in cache.iterdir()] == ["verdicts"]


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/cache", "relative\0name"])
def test_a_place_that_cannot_be_is_no_error(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "directory", lambda: place)
    remembered("one")
    assert not knows("one")


def test_the_file_is_bounded(cache: Path) -> None:
    remembered(*(str(number) for number in range(MOST + 10)))
    assert (cache / "verdicts").stat().st_size <= verdicts.MOST_BYTES
    assert not knows("9")
    assert knows("10")
    assert knows(str(MOST + 9))


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"ACRYPTO_CACHE": "/here", "XDG_CACHE_HOME": "/there"}, "/here"),
        ({"ACRYPTO_CACHE": ""}, None),
        ({"XDG_CACHE_HOME": "/there"}, "/there/acrypto"),
        ({"XDG_CACHE_HOME": "not/absolute", "HOME": "/nowhere/me"}, "/nowhere/me/.cache/acrypto"),
        ({"HOME": "/nowhere/me"}, "/nowhere/me/.cache/acrypto"),
    ],
)
def test_where_it_is(environment: dict[str, str], place: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACRYPTO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert verdicts.directory() == place


def test_without_a_cache_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACRYPTO_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    known = remembered("one")
    assert known.key("engine", "one", "sha256") is None
    assert not knows("one")
    assert not list(tmp_path.iterdir())


def test_who_has_an_identity() -> None:
    """The default native engine is what the build is; one in Python must state a version; all else is tested anew."""

    class Local(Versioned):
        pass

    assert identity(Software()) == identity(Software()) is not None
    assert "1.0" in (identity(Versioned()) or "")
    for engine in (Faulty(), Null(), Null(python=True), Local(), Engine()):
        assert identity(engine) is None


def test_another_file_or_version_is_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("its_module")
    path = tmp_path / "its_module.py"
    path.write_text("one")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "its_module", module)
    kind = type("Theirs", (Engine,), {"version": "1", "__module__": "its_module"})
    before = identity(kind())
    assert before is not None
    path.write_text("longer")
    changed = identity(kind())
    assert changed not in {None, before}
    kind.version = "2"
    assert identity(kind()) not in {None, before, changed}
    path.unlink()
    assert identity(kind()) is None


def test_no_identity_is_never_remembered() -> None:
    known = Verdicts()
    key = known.key(None, "one", "sha256")
    known.add(key)
    known.save()
    assert key is None
    assert not known.has(key)


def test_a_warm_layer_tests_nothing(cache: Path) -> None:
    """With every verdict remembered a layer opens without so much as loading the self-tests."""
    program = (
        "import sys, acrypto\n"
        "with acrypto.open() as layer:\n"
        "    assert {row.selftest for row in layer.offers()} == {'passed'}\n"
        "print(*(name for name in sys.modules if 'selftest' in name or 'known_answers' in name))\n"
    )

    def loaded() -> str:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert "acrypto.registry.selftest" in loaded()
    assert {len(line) for line in (cache / "verdicts").read_text().splitlines()[1:]} == {KEY_DIGITS}
    assert loaded() == ""
