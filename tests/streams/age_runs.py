"""Stages run in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import acrypto
from acrypto.streams import flow
from acrypto.streams.stage import Stage
from acrypto.streams.tally import Tally


class Outcome(NamedTuple):
    """What was given before the end, and the error that ended it, if any."""

    data: bytes
    error: acrypto.AcryptoError | None


def outcome(layer: acrypto.Layer, stage: Stage, data: bytes | Iterable[bytes]) -> Outcome:
    given, error = [], None
    try:
        for piece in pieces(layer, stage, data):
            given.append(bytes(piece))
    except acrypto.AcryptoError as caught:
        error = caught
    return Outcome(b"".join(given), error)


def run(layer: acrypto.Layer, stage: Stage, data: bytes | Iterable[bytes]) -> bytes:
    return b"".join(map(bytes, pieces(layer, stage, data)))


def pieces(layer: acrypto.Layer, stage: Stage, data: bytes | Iterable[bytes]) -> Iterator[bytes]:
    source = [data] if isinstance(data, bytes) else data
    made, close = flow.flow([stage], flow.works(layer, Tally(), [stage]), source)
    try:
        for piece in made:
            assert piece is not None
            yield bytes(piece)
    finally:
        close()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
