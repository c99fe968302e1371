"""The rolling view of a source."""

from __future__ import annotations

import random

from tests.streams.memory import Trickle, mixed

from acrypto.streams.source import Rolling, Source
from acrypto.streams.tally import Tally


def test_views_stay_valid_while_the_data_roll_on() -> None:
    data, chosen, tally = mixed(100_000), random.Random(4), Tally()
    rolling = Rolling(Source(Trickle(data, lambda: chosen.randint(1, 999)), tally), piece=1000)
    taken: list[tuple[int, memoryview]] = []
    while rolling.need(1):
        wanted = chosen.randint(1, 5000)
        rolling.need(wanted)
        taken.append((rolling.offset, rolling.take(min(wanted, len(rolling.view)))))
        while len(taken) > 4:
            offset, view = taken.pop(0)
            assert view == data[offset : offset + len(view)]
            rolling.done(view)
    assert all(view == data[offset : offset + len(view)] for offset, view in taken)
    assert rolling.offset == tally.bytes_in == len(data)


def test_what_is_put_back_comes_again() -> None:
    data = mixed(10_000)
    rolling = Rolling(Source(Trickle(data, lambda: 700), Tally()), piece=1000)
    rolling.need(3000)
    rolling.skip(100)
    parts = [rolling.take(500), rolling.take(700)]
    rolling.put_back(parts)
    assert rolling.offset == 100
    assert rolling.need(9900)
    assert rolling.view == data[100:]
    assert not rolling.need(9901)


def test_a_watch_sees_the_bytes_come_in() -> None:
    seen: list[int] = []
    source = Source(Trickle(bytes(1000), lambda: 7), Tally(lambda tally: seen.append(tally.bytes_in)))
    space = memoryview(bytearray(600))
    assert source.fill(space) == 600
    assert source.fill(space) == 400
    assert seen == [600, 1000]
