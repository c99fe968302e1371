"""The listing of algorithms: who offers each on which device, and why nobody offers the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

import acrypto
from acrypto import _core
from acrypto.registry.listing import AlgorithmRow, rows

KNOWN = {row["name"]: row for row in _core.algorithms()}


@pytest.fixture(scope="module")
def several() -> Iterator[acrypto.Layer]:
    """A layer on three devices, two of them of one engine."""
    with acrypto.open(["software", "faulty", "software"]) as opened:
        yield opened


def split(listed: list[AlgorithmRow]) -> tuple[list[AlgorithmRow], list[AlgorithmRow]]:
    """Those that are here, and those that are absent."""
    return [row for row in listed if not row.absent], [row for row in listed if row.absent]


def test_each_is_listed_once_for_each_device_that_offers_it(several: acrypto.Layer) -> None:
    here, _ = split(rows(several.offers()))
    listed = Counter((row.name, row.device) for row in here)
    assert set(listed) == {(offer.algorithm, offer.device) for offer in several.offers()}
    assert set(listed.values()) == {1}
    assert {device for _, device in listed} == {device.name for device in several.devices()}


def test_the_core_offers_all_that_it_knows(layer: acrypto.Layer) -> None:
    here, _ = split(rows(layer.offers()))
    assert [row.name for row in here if row.device == "software0"] == list(KNOWN)


def test_a_row_tells_the_facts_of_its_algorithm_and_its_bid(several: acrypto.Layer) -> None:
    here, _ = split(rows(several.offers()))
    bids = {(offer.algorithm, offer.device, offer.driver, offer.priority) for offer in several.offers()}
    for row in here:
        fact = KNOWN[row.name]
        library = fact["library"] if row.device.startswith("software") else ""
        assert (row.kind, row.library, row.insecure) == (fact["kind"], library, fact["insecure"])
        assert (row.name, row.device, row.driver, row.priority) in bids
        assert row.selftest == ("passed" if row.device.startswith("software") else "unknown")


def test_rows_of_one_algorithm_stand_together_and_the_best_bid_first(several: acrypto.Layer) -> None:
    """The plain name goes to the first of them."""
    here, _ = split(rows(several.offers()))
    assert list(dict.fromkeys(row.name for row in here)) == list(KNOWN)
    assert [KNOWN[row.name] for row in here] == sorted(
        (KNOWN[row.name] for row in here), key=list(KNOWN.values()).index
    )
    for name in KNOWN:
        priorities = [row.priority for row in here if row.name == name]
        assert priorities == sorted(priorities, reverse=True), name


def test_the_absent_come_last_with_their_reason(several: acrypto.Layer) -> None:
    listed = rows(several.offers())
    here, absent = split(listed)
    assert listed == here + absent
    assert [row.name for row in absent] == ["lzo", "lzo-rle", "842"]
    assert not KNOWN.keys() & {row.name for row in absent}
    for row in absent:
        assert (row.kind, row.driver, row.device, row.priority, row.library) == ("", "", "", 0, "")
        with pytest.raises(acrypto.NoEngine) as caught:
            several.transform(row.name)
        assert row.absent in str(caught.value)


def test_without_a_device_only_the_absent_are_listed() -> None:
    with acrypto.open([]) as layer:
        here, absent = split(rows(layer.offers()))
    assert not here
    assert absent


def test_as_dict_holds_plain_values(several: acrypto.Layer) -> None:
    """Every field of the row, and nothing that JSON could not carry."""
    for row in rows(several.offers()):
        plain = row.as_dict()
        assert {name: type(value) for name, value in plain.items()} == {
            "name": str,
            "kind": str,
            "driver": str,
            "device": str,
            "priority": int,
            "library": str,
            "insecure": bool,
            "selftest": str,
            "reason": str,
            "absent": str,
        }
        assert all(getattr(row, name) == value for name, value in plain.items())
        assert json.loads(json.dumps(plain)) == plain


def test_repr_shows_the_driver_or_the_reason(several: acrypto.Layer) -> None:
    for row in rows(several.offers()):
        assert repr(row) == f"<{row.name}: {row.absent or f'{row.driver} on {row.device}'}>"
    assert repr(AlgorithmRow("gzip", driver="gzip-iaa", device="iaa0")) == "<gzip: gzip-iaa on iaa0>"
    assert repr(AlgorithmRow("842", absent="nobody has it")) == "<842: nobody has it>"


def test_the_layer_lists_the_same(several: acrypto.Layer) -> None:
    listed = [row.as_dict() for row in several.algorithms()]
    assert listed == [row.as_dict() for row in rows(several.offers())]
