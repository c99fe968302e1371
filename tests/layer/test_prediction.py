"""What a prediction may and may not be led to by the data it is made for."""

from __future__ import annotations

import os

import pytest

import acrypto
from acrypto.engines.faulty import Fault, Faulty

MIB = 1 << 20


def test_a_dense_message_does_not_run_on_the_loop(layer: acrypto.Layer) -> None:
    """Small messages teach that their size is quick; one that grows to megabytes is queued all the same."""
    zstd = layer.transform("zstd", level=1)
    plain = os.urandom(2000) + bytes(2000)
    small = acrypto.compress("zstd", plain)
    for _ in range(200):
        assert zstd.decompress(small).wait() == plain
    bomb = acrypto.compress("zstd", bytes(64 * MIB))
    assert len(bomb) < 2 * len(small)
    operation = zstd.decompress(bomb)
    assert len(operation.wait()) == 64 * MIB
    assert operation.completion is not None
    assert operation.completion.lane == "queued"
    usual = zstd.decompress(small)
    assert usual.wait() == plain


def test_the_cut_of_the_inline_lane_is_not_the_callers_limit(layer: acrypto.Layer) -> None:
    """A limit above the inline lane's own cut is the one that is told."""
    zstd = layer.transform("zstd", level=1)
    small = acrypto.compress("zstd", bytes(100))
    for _ in range(50):
        zstd.decompress(small).wait()
    bomb = acrypto.compress("zstd", bytes(8 * MIB))
    with pytest.raises(acrypto.LimitExceeded) as caught:
        zstd.decompress(bomb, max_output=MIB).wait()
    assert caught.value.limit == MIB


def test_failures_teach_nothing() -> None:
    """Corrupt messages end early, which says nothing of what a sound one costs."""
    with acrypto.open() as layer:
        gzip = layer.transform("gzip")
        sound = acrypto.compress("gzip", os.urandom(MIB), level=1)
        gzip.decompress(sound).wait()
        corrupt = bytes(len(sound))
        for _ in range(100):
            with pytest.raises(acrypto.CorruptInput):
                gzip.decompress(corrupt).wait()
        lanes = {row.direction: row.lane for row in layer.explain("gzip", nbytes=len(sound))}
        assert lanes["decompress"] == "queued"


def test_additional_data_counts(layer: acrypto.Layer) -> None:
    """An empty message with megabytes of additional data is no small one."""
    aead = layer.transform("gcm(aes)", key=bytes(16))
    for _ in range(50):
        aead.encrypt(bytes(12), b"").wait()
    operation = aead.encrypt(bytes(12), b"", bytes(32 * MIB))
    operation.wait()
    assert operation.completion is not None
    assert operation.completion.lane == "queued"


def test_a_split_batch_counts_all_its_bytes() -> None:
    """What several workers shared is told as one: the bytes of all parts."""
    with acrypto.open(settings=acrypto.Settings(workers=2, inline_us=0)) as layer:
        operation = layer.transform("sha256").digest_many([bytes(1000)] * 9)
        operation.wait()
        assert operation.completion is not None
        assert operation.completion.bytes_in == 9000


def test_a_lost_batch_fails_for_each_message() -> None:
    """One loss is every message's: the list is as long as the messages."""
    engine = Faulty(Fault("drop"))
    with acrypto.open([engine], settings=acrypto.Settings(lost_after=0.05)) as layer:
        results = layer.transform("sha256").digest_many([b"1", b"2", b"3"], return_exceptions=True).wait()
        assert [type(result) for result in results] == [acrypto.DeviceLost] * 3


def test_a_failed_open_touches_no_more_than_the_message(layer: acrypto.Layer) -> None:
    """Of a larger buffer only the bytes of the message are wiped; one too small is left as it was."""
    aead = layer.transform("gcm(aes)", key=bytes(16))
    room = bytearray(b"z" * 100)
    with pytest.raises(acrypto.AuthenticationError):
        aead.decrypt(bytes(12), bytes(26), into=room).wait()
    assert room == bytes(10) + b"z" * 90
    room = bytearray(b"z" * 20)
    with pytest.raises(acrypto.OutputTooSmall):
        aead.encrypt(bytes(12), bytes(10), into=room).wait()
    assert room == b"z" * 20


def test_a_closed_layer_explains_nothing() -> None:
    """Asking a closed layer's transform is ClosedError, whatever is asked."""
    with acrypto.open() as layer:
        transform = layer.transform("ed25519", key=acrypto.generate_key("ed25519"))
    for ask in (lambda: transform.explain(1), transform.public_key, lambda: transform.sign(b"")):
        with pytest.raises(acrypto.ClosedError):
            ask()
