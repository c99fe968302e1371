"""Explaining changes nothing, and tells what will be."""

from __future__ import annotations

import pytest

import acrypto
from acrypto.engines.simulated import Simulated

DATA = bytes(4096)


def opened(balancer: str) -> acrypto.Layer:
    settings = acrypto.Settings(balancer=balancer, inline_us=0.0)
    devices = [Simulated(name=name, algorithms=["sha256"]) for name in ("a", "b", "c")]
    return acrypto.open(devices, settings=settings)


@pytest.mark.parametrize("balancer", ["round_robin", "simple", "failover", "fastest"])
def test_what_is_explained_is_what_happens(balancer: str) -> None:
    """However often it was asked."""
    with opened(balancer) as layer:
        transform = layer.transform("sha256")
        agreed = 0
        for _ in range(30):
            [told, *_] = [layer.explain("sha256", nbytes=len(DATA))[0] for _ in range(3)]
            operation = transform.digest(DATA)
            operation.wait(60)
            assert operation.completion is not None
            agreed += told.device == operation.completion.device
        # `fastest` tries and explores now and then, which no explanation tells.
        assert agreed >= (15 if balancer == "fastest" else 30)


def test_explaining_counts_nothing() -> None:
    with opened("fastest") as layer:
        before = layer.statistics().as_dict()
        for _ in range(50):
            layer.explain("sha256", nbytes=len(DATA))
        after = layer.statistics().as_dict()
        assert after["fallbacks"] == before["fallbacks"]
        assert all(after["devices"][name]["spilled"] == row["spilled"] for name, row in before["devices"].items())


def test_a_transform_that_is_refused_leaves_no_table() -> None:
    with acrypto.open() as layer:
        layer.transform("zstd", level=3)
        before = len(layer.statistics().algorithms)
        for level in range(1000, 1050):
            with pytest.raises(acrypto.UsageError):
                layer.transform("zstd", level=level)
        assert len(layer.statistics().algorithms) == before
