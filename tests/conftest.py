"""What every test may use: an open layer, and Hypothesis settled for this machine or for CI."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import acrypto

# No deadline: a busy machine is not a bug. The layer is shared by all examples on purpose.
settings.register_profile(
    "here", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

#: Verdicts of the tests' own, also for the processes that they start: nothing is known when a run begins.
_cache = tempfile.mkdtemp(prefix="acrypto-tests-")
os.environ["ACRYPTO_CACHE"] = _cache
#: Soft devices are those that there are without any configuration, whatever the user has stored.
os.environ["ACRYPTO_IDXD_CONFIG"] = ""


def pytest_unconfigure() -> None:
    shutil.rmtree(_cache, ignore_errors=True)


@pytest.fixture(autouse=True)
def _fresh_costs() -> None:
    """No test finds what another one has measured."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(_cache, "costs"))


@pytest.fixture(scope="module")
def layer() -> Iterator[acrypto.Layer]:
    """A layer on every engine that is opened by default."""
    with acrypto.open() as opened:
        yield opened
