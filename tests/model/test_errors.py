"""The exception tree: one root, honest bases, facts as attributes."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from acrypto.model import errors

TREE = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.AcryptoError)
}
every = pytest.mark.parametrize("name", TREE)
FACTS = {"CorruptInput": "offset", "OutputTooSmall": "capacity", "LimitExceeded": "limit"}
#: What helps when it is tried again; everything else fails the same way each time.
RETRYABLE = {"EngineError", "QueueFull", "DeviceLost"}


@every
def test_tells_whose_fault_it_is(name: str) -> None:
    """Each class says when it is raised, and whether trying again can help."""
    assert TREE[name].__doc__
    assert TREE[name].retryable == (name in RETRYABLE)


@every
def test_travels(name: str) -> None:
    """An error survives being copied and pickled, as it must between processes, and keeps its facts."""
    made = TREE[name]("what happened", 7) if name in FACTS else TREE[name]("what happened")
    for other in (copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert type(other) is TREE[name]
        assert str(other) == "what happened"
        if name in FACTS:
            assert getattr(other, FACTS[name]) == 7


def test_builtin_bases() -> None:
    """Where Python has the word already, ours is one of those too."""
    bases = {
        ValueError: {"UsageError", "CorruptInput", "OutputTooSmall"},
        LookupError: {"UnknownAlgorithm", "NoEngine"},
        TimeoutError: {"DeadlineExceeded"},
    }
    for base, names in bases.items():
        assert {name for name, error in TREE.items() if issubclass(error, base)} == names


def test_one_root() -> None:
    """One except clause catches all, and programs cannot take a cancellation for an error of ours."""
    assert all(issubclass(error, errors.AcryptoError) for error in TREE.values())
    assert not any(issubclass(error, OSError) and not issubclass(error, TimeoutError) for error in TREE.values())
