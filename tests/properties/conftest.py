"""Layers for the laws: with what is insecure, and one per lane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import acrypto


@pytest.fixture(scope="module")
def layer() -> Iterator[acrypto.Layer]:
    """A layer that may do everything."""
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def inline() -> Iterator[acrypto.Layer]:
    """A layer that runs all work on the caller's thread."""
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True, inline_us=1e9)) as opened:
        yield opened


@pytest.fixture(scope="module")
def queued() -> Iterator[acrypto.Layer]:
    """A layer that queues all work."""
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True, inline_us=0)) as opened:
        yield opened
