"""Devices die under a saturating load, of every death in turn: nobody notices but by the time it takes."""

from __future__ import annotations

import pytest
from tests.faults.storm import Storm
from tests.faults.victims import SoftVictim


@pytest.mark.slow
def test_under_load_deaths_lose_nothing_and_change_no_byte() -> None:
    tally = Storm(seconds=4.0, every=0.15).run()
    assert (dict(tally.failures), tally.wrong) == ({}, 0)
    assert tally.done == tally.submitted > 0
    assert set(tally.deaths) == set(SoftVictim.deaths)
    assert tally.again > 0
