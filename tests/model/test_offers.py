"""Offers and absences are plain values that show what they hold."""

from __future__ import annotations

from acrypto.model.offers import Absent, Offer


def test_repr() -> None:
    """Both print as they are made."""
    assert repr(Absent("no such device")) == "Absent('no such device')"
    assert repr(Offer("gzip", "gzip-iaa", 300)) == "Offer('gzip', 'gzip-iaa', 300)"


def test_fields() -> None:
    """An offer is an algorithm, a driver and a priority."""
    offer = Offer("gzip", "gzip-iaa", 300)
    assert (offer.algorithm, offer.driver, offer.priority) == ("gzip", "gzip-iaa", 300)
    assert Absent("why").reason == "why"
