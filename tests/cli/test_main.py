"""The command itself: help, version, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.conftest import Run

import acrypto as acrypto_package
from acrypto.cli import options
from acrypto.cli.commands import COMMANDS
from acrypto.cli.report import Interrupted

pytestmark = pytest.mark.slow  # each test starts processes


def test_help_lists_every_command(acrypto: Run) -> None:
    told = acrypto("--help").stdout.decode()
    assert all(f"  {name} " in told for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_refuses_what_it_does_not_know(acrypto: Run, name: str) -> None:
    told = acrypto(name, "--help").stdout.decode()
    assert told.startswith(f"Usage: acrypto {name} ")
    assert len(told.splitlines()) > 6
    assert b"No such option" in acrypto(name, "--no-such-option", code=2).stderr


def test_the_version_is_told(acrypto: Run) -> None:
    assert acrypto("--version").stdout.startswith(b"acrypto ")


def test_wrong_usage_is_2(acrypto: Run) -> None:
    assert b"No such command" in acrypto("frobnicate", code=2).stderr
    assert b"takes 0 to 9" in acrypto("compress", "-l", "10", "-c", code=2).stderr
    acrypto("compress", "-f", "arj", code=2)
    acrypto("random", "12Q", code=2)
    acrypto("digest", "-a", "sha257", code=2)
    acrypto("digest", "-a", "gzip", code=2)


def test_a_failed_operation_is_1_and_names_the_file(acrypto: Run) -> None:
    for name in ("compress", "decompress", "digest"):
        assert acrypto(name, "lost", code=1).stderr == b"acrypto: lost: No such file or directory\n"


def test_a_command_loads_only_what_it_needs() -> None:
    script = (
        "import sys; from acrypto.cli.main import run; code = run(['digest', '/dev/null']);"
        "heavy = {'rich', 'asyncio', 'json', 'acrypto.cli.bench', 'acrypto.streams.gzip'} & set(sys.modules);"
        "print(heavy or '', file=sys.stderr, end=''); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_signal_waits_for_no_worker() -> None:
    """The process ends: closing the layer would wait for steps that may take half a minute."""
    with pytest.raises(Interrupted), options.layer(1) as layer:
        raise Interrupted(2)
    layer.compress("gzip", b"").wait()
    layer.close()
    with pytest.raises(ValueError, match="closes"), options.layer(1) as layer:
        raise ValueError("closes")
    with pytest.raises(acrypto_package.ClosedError):
        layer.compress("gzip", b"")
