"""The order of the house: short files, good names, complete lists, nothing of one machine."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
from tests.house.places import ROOT, files

import acrypto.engines
from acrypto.engines.base import Engine
from acrypto.engines.catalogue import ENGINES

MOST_LINES = 600
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
CODE = {".py", ".pyi", ".rs", ".sh"}
#: Places of one machine, in two halves so that this file passes its own test.
PLACES = [first + second for first, second in (("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/"))]


def too_long() -> set[str]:
    """The files of code that are over the limit; the stub of the boundary is a table, and exempt."""
    code = [path for path in files() if path.suffix in CODE and path.name != "_native.pyi"]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    return {name for name, count in lines.items() if count > MOST_LINES}


def test_no_file_is_too_long() -> None:
    """Nobody reads a file of more than 600 lines."""
    assert not too_long()


def test_no_file_is_called_anything() -> None:
    """A name that could hold everything says nothing."""
    vague = [str(path.relative_to(ROOT)) for path in files() if path.suffix in CODE and path.stem in VAGUE]
    assert not vague


def test_no_place_of_one_machine() -> None:
    """What is committed works elsewhere: no absolute path of a developer's machine in it."""
    found = []
    pattern = re.compile("|".join(rf"(?<![\w.$}}*-]){re.escape(place)}" for place in PLACES))
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found


def engine_files() -> list[str]:
    folder = Path(acrypto.engines.__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in {"__init__", "base", "catalogue"})


@pytest.mark.parametrize("name", engine_files())
def test_the_catalogue_is_complete(name: str) -> None:
    """Every file of an engine has its line in the catalogue, under the engine's own name, and explains itself."""
    module = importlib.import_module(f"acrypto.engines.{name}")
    listed = [kind for kind in ENGINES.values() if kind.__module__ == module.__name__]
    assert listed, f"engines/{name}.py has no line in engines/catalogue.py"
    for kind in listed:
        assert issubclass(kind, Engine)
        assert ENGINES[kind.name] is kind
        assert kind.needs
        assert inspect.getdoc(kind)
        assert module.__doc__


def test_the_catalogue_lists_nothing_else() -> None:
    """Each line of the catalogue is an engine of a file of its own."""
    assert {kind.__module__.rpartition(".")[2] for kind in ENGINES.values()} == set(engine_files())
