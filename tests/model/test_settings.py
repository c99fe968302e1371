"""Settings: sane defaults, and every value checked once, where it is given."""

from __future__ import annotations

import inspect
import math
import os

import pytest

from acrypto.balancers.catalogue import DEFAULT
from acrypto.model.errors import UsageError
from acrypto.model.settings import Settings, cpus

NUMBERS = [name for name in Settings.__slots__ if name not in {"allow_insecure", "balancer", "remember_costs"}]
LEAST = {
    "workers": 1,
    "queue_operations": 1,
    "queue_bytes": 1,
    "burst": 1,
    "lost_after": 0.001,
    "attempts": 1,
    "probation": 0.001,
}


def test_defaults() -> None:
    """Without a word: every CPU, nothing insecure, and a wall against decompression bombs."""
    settings = Settings()
    assert settings.workers == cpus() == len(os.sched_getaffinity(0))
    assert settings.allow_insecure is False
    assert settings.max_output == 1 << 30
    assert settings.inline_us == 30
    assert settings.balancer == DEFAULT
    assert settings.remember_costs is None


@pytest.mark.parametrize("name", NUMBERS)
def test_ranges(name: str) -> None:
    """Each number may be as small as it has a meaning, and no smaller; the message names it and the limit."""
    least = LEAST.get(name, 0)
    assert getattr(Settings(**{name: least}), name) == least
    for wrong in (least - 1, -1, -(1 << 60), math.nan):
        with pytest.raises(UsageError, match=f"{name} is .*at least {least}"):
            Settings(**{name: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 1.5},
        {"workers": "2"},
        {"inline_us": math.inf},
        {"burst": True},
        {"attempts": 1.5},
        {"trickle": 0.5},
        {"quarantine_factor": 0.5},
        {"balancer": ""},
        {"balancer": None},
        {"remember_costs": "yes"},
        {"remember_costs": []},
    ],
    ids=str,
)
def test_kinds(wrong: dict[str, object]) -> None:
    """What is no number, no whole one where that is meant, or no finite one, is refused where it is given."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Settings(**wrong)


def test_every_setting_is_documented() -> None:
    """The class's text tells of every argument, and repr shows every value."""
    names = set(inspect.signature(Settings).parameters)
    assert names == set(Settings.__slots__)
    for name in names:
        assert f"\n        {name}: " in inspect.cleandoc(Settings.__doc__).replace("\n    ", "\n        ")
        assert f"{name}={getattr(Settings(), name)!r}" in repr(Settings())


def test_misspelt() -> None:
    """A setting that does not exist is a TypeError, not silence."""
    with pytest.raises(TypeError):
        Settings(inline_ms=1)
    with pytest.raises(AttributeError):
        Settings().inline_ms = 1
