"""A layer of each test's own: what it registers, nobody else sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import acrypto


@pytest.fixture
def layer() -> Iterator[acrypto.Layer]:
    # The kernel's rule, that the strongest offer serves: who is faster is not the registry's affair.
    with acrypto.open(settings=acrypto.Settings(workers=2, balancer="failover")) as opened:
        yield opened
