"""The face as a whole: what it exports, and what the documentation says of that."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import acrypto
from acrypto import kernel

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "kernel.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", kernel.__all__)
def test_exports(name: str) -> None:
    """What is exported exists, is documented, and says what it does."""
    value = getattr(kernel, name)
    assert f"`{name}`" in MANUAL or f"`{name}(" in MANUAL
    if isinstance(value, (type, types.FunctionType)):
        assert inspect.getdoc(value), f"{name} has no docstring"


def test_exports_are_listed_once() -> None:
    """Public is exactly what `__all__` lists, each name once."""
    public = {
        name
        for name, value in vars(kernel).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public - {"annotations"} == set(kernel.__all__)
    assert len(set(kernel.__all__)) == len(kernel.__all__)


@pytest.mark.parametrize("block", re.findall(r"^```python\n(.*?)^```", MANUAL, re.DOTALL | re.MULTILINE))
def test_the_manual_runs(block: str) -> None:
    """Its Python runs as it stands, in an interpreter of its own, and leaves nothing open."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", block + "assert err == 0"], check=False)
    assert done.returncode == 0


def test_importing_acrypto_does_not_bring_the_kernel() -> None:
    """Nobody pays for this face who does not ask for it."""
    code = "import sys, acrypto; assert 'acrypto.kernel' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [name for name in kernel.__all__ if re.match("crypto_free_", name)])
def test_there_is_nothing_to_free_of_nothing(name: str) -> None:
    """As in the kernel, which asks IS_ERR_OR_NULL."""
    for nothing in (None, kernel.ERR_PTR(-kernel.ENOENT)):
        getattr(kernel, name)(nothing)


@pytest.mark.parametrize("name", [name for name in kernel.__all__ if re.match("crypto_alloc_", name)])
def test_a_name_is_text(name: str) -> None:
    for odd in (b"deflate", None, 5):
        with pytest.raises(acrypto.UsageError, match="a name is text"):
            getattr(kernel, name)(odd)
