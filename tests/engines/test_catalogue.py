"""The one list of engines, and how a layer is opened on some of them."""

from __future__ import annotations

import pytest

import acrypto
from acrypto.engines.base import Engine
from acrypto.engines.catalogue import ENGINES
from acrypto.engines.multibuffer import Multibuffer


def test_names_agree_and_needs_are_told() -> None:
    for name, kind in ENGINES.items():
        assert kind.name == name
        assert issubclass(kind, Engine)
        assert kind.needs


def test_by_default_only_what_does_real_work_is_opened() -> None:
    with acrypto.open() as layer:
        present = ["software"] + ["multibuffer"] * (Multibuffer().probe() is None)
        assert [device.engine for device in layer.devices()] == present


def test_engines_are_opened_by_name_in_order() -> None:
    with acrypto.open(["null", "software", "null"]) as layer:
        assert [device.name for device in layer.devices()] == ["null0", "software0", "null1"]
        assert layer.digest("sha256", b"x").wait() == acrypto.sha256(b"x")


def test_an_unknown_engine_is_a_mistake() -> None:
    with pytest.raises(acrypto.UsageError, match="software"):
        acrypto.open(["nosuch"])


def test_a_layer_without_engines_offers_nothing() -> None:
    with acrypto.open([]) as layer:
        assert layer.devices() == []
        assert "no device" in repr(layer)
        with pytest.raises(acrypto.NoEngine):
            layer.digest("sha256", b"x")


def test_an_engine_needs_one_of_the_two_forms() -> None:
    with pytest.raises(NotImplementedError, match="Engine"):
        Engine().submit([])
    assert Engine().probe() is None
    assert list(Engine().offers()) == []
    Engine().close()
