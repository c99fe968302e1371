"""The public face: what it exports exists, is explained, matches the boundary's stub, and costs little to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import acrypto
from acrypto import _core
from acrypto._core import _native

STUB = ast.parse((Path(_core.__file__).parent / "_native.pyi").read_text(encoding="utf-8"))
#: What `import acrypto` must not bring along: it would cost more than all of ours.
HEAVY = {"asyncio", "click", "rich", "numpy", "cryptography", "dataclasses", "inspect", "threading", "typing", "ctypes"}


@pytest.mark.parametrize("name", acrypto.__all__)
def test_exports(name: str) -> None:
    """What is exported exists and says what it is."""
    value = getattr(acrypto, name)
    if name != "__version__":
        assert inspect.getdoc(value), f"acrypto.{name} has no docstring"


def test_exports_are_listed() -> None:
    """Public is exactly what `__all__` lists, each name once."""
    public = {
        name
        for name in dir(acrypto)
        if not name.startswith("_")
        and (name in acrypto._LATER or not isinstance(getattr(acrypto, name), types.ModuleType))
    }
    assert public == set(acrypto.__all__) - {"__version__"}
    assert len(set(acrypto.__all__)) == len(acrypto.__all__)
    assert set(_core.__all__) <= set(dir(_core))


@pytest.mark.parametrize("kind", [acrypto.Layer, acrypto.Transform, acrypto.Operation, acrypto.Buffer], ids=str)
def test_methods_are_explained(kind: type) -> None:
    """Every public method of what users hold has a docstring."""
    for name, value in vars(kind).items():
        if not name.startswith("_") and callable(value):
            assert inspect.getdoc(value), f"{kind.__name__}.{name} has no docstring"


def stubbed() -> dict[str, set[str] | None]:
    """Top-level names of the stub; for a class also its members."""
    names: dict[str, set[str] | None] = {}
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = None
        elif isinstance(node, ast.ClassDef):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            members |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
            names[node.name] = members
    return names


def test_stub_is_the_built_module() -> None:
    """The boundary on one page names what is built, no more and no less, down to the methods."""
    built = {name for name in dir(_native) if not name.startswith("_")}
    assert stubbed().keys() == built
    for name, members in stubbed().items():
        if members is not None:
            kind = getattr(_native, name)
            public = {member for member in vars(kind) if not member.startswith("_")}
            assert {member for member in members if not member.startswith("_")} == public, name
            # Python has a name for the buffer protocol only from 3.12 on.
            assert all(hasattr(kind, member) for member in members - {"__buffer__"}), name


def imported(statement: str) -> set[str]:
    """The modules that a fresh, isolated interpreter has loaded after a statement, without those it had before."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_is_light() -> None:
    """Importing acrypto loads nothing that is slow or optional."""
    assert "acrypto" in imported("import acrypto")
    assert not imported("import acrypto") & HEAVY


@pytest.mark.parametrize("name", sorted(acrypto._LATER))
def test_what_is_loaded_later_is_the_same_ever_after(name: str) -> None:
    """What is loaded on demand is listed, found by `from acrypto import`, and is no other object the next time."""
    assert name in acrypto.__all__
    assert getattr(acrypto, name) is getattr(acrypto, name)
    found = getattr(acrypto, name)
    assert acrypto._LATER[name] == (found.__name__ if isinstance(found, types.ModuleType) else found.__module__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        acrypto.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_opening_is_light() -> None:
    """Neither does working with threads alone: asyncio is for those who await."""
    loaded = imported("import acrypto; layer = acrypto.open(); layer.digest('sha256', b'').wait(); layer.close()")
    assert not loaded & (HEAVY - {"threading"})


def test_import_warns_of_nothing() -> None:
    """An optimised build is silent, even where warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", "import acrypto"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_version() -> None:
    """The version has one source, and looks like one."""
    assert acrypto.__version__ == acrypto.build_info()["version"]
    assert all(part.isdigit() for part in acrypto.__version__.split(".")[:2])
