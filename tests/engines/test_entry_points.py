"""Engines of installed packages: found by their entry points, and harmless when those are broken."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tests.engines.packages import install

import acrypto
from acrypto.engines.catalogue import ENGINES, catalogue, default_engines, engines
from acrypto.engines.multibuffer import Multibuffer

#: What opens here without any package.
USUAL = ["software"] if Multibuffer().probe() else ["software", "multibuffer"]

ENGINE = """
    from acrypto.engines.base import Engine
    from acrypto.model.offers import Absent, Offer

    class Sum(Engine):
        name = "sum"
        needs = "nothing"
        by_default = True

        def offers(self):
            return [Offer("sum8", "sum8-python", 100, kind="digest")]

        def submit(self, burst):
            for job in burst:
                job.complete([bytes([sum(unit[0]) & 255]) for unit in job.units])
            return len(burst)

    class Gone(Engine):
        name = "gone"
        by_default = True

        def probe(self):
            return Absent("no such card here")

    class Raises(Engine):
        name = "raises"
        by_default = True

        def probe(self):
            raise RuntimeError("a probe must not")

    class Misnamed(Engine):
        name = "other"

    class Taken(Engine):
        name = "software"

    def function():
        return Sum()
    """


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that no other test's package had; its folder is on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"published_{uuid.uuid4().hex}"


def test_an_engine_is_found_by_its_entry_point(package: str, tmp_path: Path) -> None:
    install(tmp_path, package, ENGINE, sum=f"{package}:Sum")
    found = engines()
    assert list(found) == [*ENGINES, "sum"]
    assert found["sum"].__module__ == package
    assert not catalogue().broken
    assert [engine.name for engine in default_engines()] == [*USUAL, "sum"]


def test_nothing_is_imported_for_packages_of_other_groups(package: str, tmp_path: Path) -> None:
    install(tmp_path, package, "raise SystemError")
    metadata = tmp_path / f"{package}-1.0.dist-info"
    (metadata / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n", encoding="utf-8")
    assert list(engines()) == list(ENGINES)
    assert package not in sys.modules


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sum", "nowhere_at_all:Sum", "cannot be imported: ModuleNotFoundError"),
        ("sum", "{}:Nothing", "cannot be imported: AttributeError"),
        ("sum", "{}:function", "no subclass"),
        ("sum", "{}", "no subclass"),
        ("sum", "{}:Misnamed", "its name is 'other'"),
        ("software", "{}:Taken", "the name is taken"),
        ("two words", "{}:Sum", "letters, digits"),
    ],
)
def test_a_broken_entry_point_is_left_out_and_told(
    package: str, tmp_path: Path, name: str, value: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The layer opens; the log has name and reason, once; so has the list for `acrypto doctor`."""
    install(tmp_path, package, ENGINE, **{name: value.format(package)})
    with caplog.at_level(logging.WARNING, "acrypto"):
        with acrypto.open() as layer:
            assert [device.engine for device in layer.devices()] == USUAL
        assert list(engines()) == list(ENGINES)
    ((told, why),) = catalogue().broken
    assert told == name
    assert reason in why
    assert package in why
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("acrypto", "WARNING")
    assert name in record.message
    assert reason in record.message


@pytest.mark.parametrize("source", ["raise RuntimeError('at import')", "import sys; sys.exit(3)", "def ("])
def test_a_module_that_cannot_be_imported_harms_nobody(package: str, tmp_path: Path, source: str) -> None:
    install(tmp_path, package, source, sum=f"{package}:Sum")
    assert list(engines()) == list(ENGINES)
    ((name, why),) = catalogue().broken
    assert name == "sum"
    assert "cannot be imported" in why


def test_a_file_of_entry_points_that_cannot_be_read_harms_nobody(package: str, tmp_path: Path) -> None:
    install(tmp_path, package, ENGINE)
    metadata = tmp_path / f"{package}-1.0.dist-info"
    (metadata / "entry_points.txt").write_bytes(b"\xff\xfe[acrypto.engines\n=\n")
    assert list(engines()) == list(ENGINES)
    ((name, why),) = catalogue().broken
    assert name == metadata.name
    assert "cannot be read" in why


def test_the_second_of_two_engines_with_one_name_is_left_out(package: str, tmp_path: Path) -> None:
    install(tmp_path, package, ENGINE, sum=f"{package}:Sum")
    install(tmp_path, f"z{package}", ENGINE, sum=f"z{package}:Sum")
    assert engines()["sum"].__module__ == package
    ((name, why),) = catalogue().broken
    assert (name, "taken" in why) == ("sum", True)


def test_the_first_on_the_path_hides_another_version(package: str, tmp_path: Path) -> None:
    """As it hides its modules."""
    later = tmp_path / "later"
    install(tmp_path, package, ENGINE, sum=f"{package}:Sum")
    install(later, package, ENGINE, other=f"{package}:Misnamed")
    sys.path.append(str(later))
    try:
        assert list(engines()) == [*ENGINES, "sum"]
    finally:
        sys.path.remove(str(later))


def test_an_engine_that_is_absent_or_fails_its_probe_is_not_opened(
    package: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, package, ENGINE, gone=f"{package}:Gone", raises=f"{package}:Raises")
    with caplog.at_level(logging.WARNING, "acrypto"):
        assert [engine.name for engine in default_engines()] == USUAL
    (record,) = caplog.records
    assert "raises" in record.message
    assert "RuntimeError: a probe must not" in record.message


def test_what_was_found_is_kept_until_the_path_changes(package: str, tmp_path: Path) -> None:
    """A package that is installed, or taken away, while the process runs is seen by the next layer."""
    before = catalogue()
    assert catalogue() is before
    install(tmp_path, package, ENGINE, sum=f"{package}:Sum")
    os.utime(tmp_path, ns=(1, 1))  # two changes within the file system's clock tick would look like one
    after = catalogue()
    assert after is not before
    assert "sum" in after.engines
    sys.path.remove(str(tmp_path))
    assert "sum" not in engines()


def test_a_layer_opens_what_is_published(package: str, tmp_path: Path) -> None:
    install(tmp_path, package, ENGINE, sum=f"{package}:Sum")
    with acrypto.open() as layer:
        assert [device.engine for device in layer.devices()] == [*USUAL, "sum"]
        assert layer.digest("sum8", b"\xff\x02").wait() == b"\x01"
    with acrypto.open(["sum"]) as layer:
        assert [device.name for device in layer.devices()] == ["sum0"]
    with pytest.raises(acrypto.UsageError, match="sum"):
        acrypto.open(["nosuch"])


def test_import_looks_for_nothing(package: str, tmp_path: Path) -> None:
    """Nor does a layer import the machinery of packages where none publishes an engine."""
    code = (
        "import acrypto, sys, acrypto.engines.catalogue as c; assert c._last is None; acrypto.open().close();"
        "assert c._last and 'importlib.metadata' not in sys.modules, sys.path"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
