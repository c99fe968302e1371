"""A layer of each test's own: what it registers, nobody else sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import acrypto


@pytest.fixture
def layer() -> Iterator[acrypto.Layer]:
    with acrypto.open(settings=acrypto.Settings(workers=2)) as opened:
        yield opened
