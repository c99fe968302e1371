"""An engine of an installed package, on the command line: the example's compressor, published by an entry point."""

from __future__ import annotations

import functools
import json
import lzma
import os
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.engines.packages import install
from tests.house.places import ROOT

pytestmark = pytest.mark.slow  # each test starts processes

DATA = b"the same again, and " * 5000
EXAMPLE = (ROOT / "examples" / "compressor.py").read_text(encoding="utf-8")
#: Gives back what it was given, except for the last byte.
LIAR = """
    from acrypto.engines.base import Engine
    from acrypto.model.offers import Offer

    class Liar(Engine):
        name = "liar"
        needs = "somebody who believes it"
        by_default = True

        def offers(self):
            return [Offer("copy", "copy-liar", 1, kind="compression")]

        def submit(self, burst):
            for job in burst:
                job.complete([unit[0][:-1] for unit in job.units])
            return len(burst)
    """


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return tmp_path / "packages"


@pytest.fixture
def command(acrypto: Run, packages: Path) -> Run:
    """`acrypto` in an environment that has these packages."""
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")]))
    return functools.partial(acrypto, env=os.environ | {"PYTHONPATH": path, "ACRYPTO_CACHE": ""})


@pytest.fixture
def data(tmp_path: Path, packages: Path) -> Path:
    """A file to compress, where the example is installed."""
    install(packages, "compressor", EXAMPLE, xz="compressor:Xz")
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def test_a_published_compressor_serves_the_command_line(command: Run, data: Path) -> None:
    """There and back, in the format that it says, under the suffix of its name; and known to its doctor."""
    row = json.loads(command("compress", "--format", "xz", "--rm", "--json", "data").stdout)
    assert (row["output"], row["driver"], row["device"]) == ("data.xz", "xz-lzma", "xz0")
    assert lzma.decompress(data.with_name("data.xz").read_bytes()) == DATA
    command("decompress", "--format", "xz", "data.xz")
    assert data.read_bytes() == DATA
    rows = {row["name"]: row for row in json.loads(command("algorithms", "--json").stdout)}
    assert (rows["xz"]["driver"], rows["xz"]["selftest"]) == ("xz-lzma", "passed")
    engines = {row["engine"]: row["state"] for row in json.loads(command("doctor", "--json").stdout)["engines"]}
    assert engines["xz"] == "present"


def test_what_it_cannot_read_is_an_error_and_no_file(command: Run, data: Path) -> None:
    data.with_name("bad.xz").write_bytes(lzma.compress(DATA)[:-5])
    assert b"bad.xz: " in command("decompress", "--format", "xz", "bad.xz", code=1).stderr
    assert not data.with_name("bad").exists()
    packed = lzma.compress(DATA)
    told = command("decompress", "--format", "xz", "--max-output", "1K", input=packed, code=1).stderr
    assert b"1024 bytes" in told
    assert command("decompress", "--format", "xz", "--max-output", "none", input=packed).stdout == DATA
    assert command("compress", "--format", "xz", "--level", "77", "data", code=2).stderr


def test_without_the_package_its_format_is_a_mistake(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    told = acrypto("compress", "--format", "xz", "data", code=2).stderr
    assert b"'xz'" in told
    assert b"gzip" in told


def test_a_package_whose_engine_cannot_be_imported_is_told_by_the_doctor(command: Run, packages: Path) -> None:
    install(packages, "broken", "raise RuntimeError('no card')", broken="broken:Engine")
    done = command("doctor", "--json")
    (state,) = (row["state"] for row in json.loads(done.stdout)["engines"] if row["engine"] == "broken")
    assert state.startswith("absent: ")
    assert "RuntimeError: no card" in state
    assert b"broken" in done.stderr  # the log's last resort


def test_an_engine_that_lies_is_found_out(command: Run, packages: Path) -> None:
    """Hidden from those who would use it; listed with the reason; the doctor's verdict is a failure."""
    install(packages, "liar", LIAR, liar="liar:Liar")
    rows = {row["name"]: row for row in json.loads(command("algorithms", "--json").stdout)}
    assert rows["copy"]["selftest"] == "failed"
    assert rows["copy"]["reason"]
    assert rows["copy"]["reason"] in command("algorithms").stdout.decode()
    assert b"self-test" in command("compress", "--format", "copy", input=b"x", code=2).stderr
    told = json.loads(command("doctor", "--json", code=1).stdout)
    (check,) = (row for row in told["checks"] if row["verdict"] == "FAIL")
    assert "copy-liar on liar0" in check["detail"]
    proofs = {
        row["driver"]: row for row in json.loads(command("doctor", "--selftest", "--json", code=1).stdout)["selftests"]
    }
    assert (proofs["copy-liar"]["selftest"], proofs["sha256-awslc"]["selftest"]) == ("failed", "passed")
    assert proofs["copy-liar"]["reason"]
