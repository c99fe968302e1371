"""CPython's own tests of a module, taken from the running interpreter and run against ours."""

from __future__ import annotations

import importlib.util
import unittest
from types import ModuleType

import pytest


def suite(name: str, ours: dict[str, ModuleType], excluded: dict[str, str]) -> dict[str, type[unittest.TestCase]]:
    """The test cases of `test.<name>`, with the names of modules replaced; by name, for a test module's globals.

    Args:
        name: of CPython's test module.
        ours: what its global names shall stand for.
        excluded: `Class.test`, or `Class` for all of its tests, and why it does not apply.
    """
    found = importlib.util.find_spec("test")
    spec = importlib.util.find_spec(f"test.{name}") if found is not None else None
    if spec is None or spec.loader is None:
        pytest.skip(f"this Python has no test.{name}", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)  # a copy of our own
    spec.loader.exec_module(module)
    vars(module).update(ours)
    cases = {}
    skipped = 0
    for case_name, case in list(vars(module).items()):
        if not (isinstance(case, type) and issubclass(case, unittest.TestCase)):
            continue
        body = {"__module__": __name__, "__doc__": case.__doc__}
        for test in (test for test in dir(case) if test.startswith("test")):
            why = excluded.get(f"{case_name}.{test}", excluded.get(case_name))
            if why is not None:
                body[test] = _skipped(why)
                skipped += 1
        cases[case_name] = type(case_name, (case,), body)
    print(f"test.{name}: {skipped} of CPython's tests are excluded")
    return cases


def _skipped(why: str) -> object:
    @unittest.skip(why)
    def test(self: unittest.TestCase) -> None:
        """Does not apply."""

    return test
