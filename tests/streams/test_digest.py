"""Digests and MACs of streams."""

from __future__ import annotations

import hashlib
import hmac
import io
import random

import pytest
from tests.streams.memory import Trickle, mixed

import acrypto
from acrypto.streams.digest import PIECE, digest


@pytest.mark.parametrize("nbytes", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_a_stream_has_the_digest_of_its_bytes(layer: acrypto.Layer, nbytes: int) -> None:
    data, chosen = mixed(nbytes), random.Random(nbytes)
    trickle = Trickle(data, lambda: chosen.randint(1, 200_000))
    assert digest(layer, trickle, "sha256") == hashlib.sha256(data).digest()
    assert digest(layer, io.BytesIO(data), "crc32") == acrypto.crc32(data)
    assert digest(layer, io.BytesIO(data), "hmac(sha256)", key=b"key") == hmac.digest(b"key", data, "sha256")


def test_unknown_digests_and_missing_keys_are_refused(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UnknownAlgorithm):
        digest(layer, io.BytesIO(b""), "sha257")
    with pytest.raises(acrypto.UsageError):
        digest(layer, io.BytesIO(b""), "hmac(sha256)")
