"""Devices die under a saturating load, of every death in turn: nobody notices but by the time it takes."""

from __future__ import annotations

import pytest
from tests.faults.storm import Storm

from acrypto.engines.simulated import DEATHS


@pytest.mark.slow
def test_under_load_deaths_lose_nothing_and_change_no_byte() -> None:
    tally = Storm(seconds=3.0, every=0.2).run()
    assert (dict(tally.failures), tally.wrong) == ({}, 0)
    assert tally.done == tally.submitted > 0
    assert set(tally.deaths) == set(DEATHS)
    assert tally.again > 0
