"""Tink's format: what was sealed opens, and nothing else does, nor anything before it was verified."""

from __future__ import annotations

import random

import pytest
from tests.streams.age_runs import cut, outcome, run

import acrypto
from acrypto.streams import flow
from acrypto.streams.tally import Tally
from acrypto.streams.tink import TinkDecrypt, TinkEncrypt, stages
from acrypto.streams.tink.format import Header, Parameters, parse

KEY = bytes(range(32))
#: Segments so short that an operation has many of them.
SMALL = Parameters(4096)
ALL = random.Random(3).randbytes(3 << 20)
TWO = SMALL.first + 700 * SMALL.unit


def opened(layer: acrypto.Layer, data: bytes, ad: bytes = b"ad", key: bytes = KEY) -> tuple[bytes, object]:
    found = [
        outcome(layer, TinkDecrypt(key, ad, parameters=SMALL), pieces) for pieces in (data, cut(data, 70_001), [data])
    ]
    assert len({(given, type(error), str(error)) for given, error in found}) == 1
    return found[0]


def test_what_is_changed_anywhere_does_not_open(layer: acrypto.Layer) -> None:
    text = ALL[:TWO]
    box = run(layer, TinkEncrypt(KEY, b"ad", parameters=SMALL), text)
    assert opened(layer, box) == (text, None)
    for at in (1, 32, 33, 39, 40, 4000, 4096, len(box) // 2, len(box) - 1):
        forged = bytearray(box)
        forged[at] ^= 1
        given, error = opened(layer, bytes(forged))
        assert type(error) is acrypto.AuthenticationError
        assert text.startswith(given)
        assert len(given) <= max(at - 40, 0)
    for key, ad in ((KEY, b"other"), (bytes(32), b"ad"), (KEY, b"")):
        given, error = opened(layer, box, ad, key)
        assert given == b""
        assert type(error) is acrypto.AuthenticationError
    forged = b"\x18" + box[1:]
    assert type(opened(layer, forged)[1]) is acrypto.CorruptInput


def test_no_end_but_the_end(layer: acrypto.Layer) -> None:
    """Cut anywhere, at segments' ends too, doubled, or followed by anything."""
    box = run(layer, TinkEncrypt(KEY, b"ad", parameters=SMALL), ALL[:TWO])
    for size in (
        0,
        1,
        39,
        40,
        50,
        55,
        56,
        4095,
        4096,
        4097,
        8192,
        8200,
        8208,
        4096 * 257,
        len(box) - 4096,
        len(box) - 1,
    ):
        given, error = opened(layer, box[:size])
        assert isinstance(error, acrypto.AuthenticationError | acrypto.CorruptInput), size
        assert ALL.startswith(given)
        assert len(given) <= size
    for rest in (b"!", bytes(15), bytes(16), bytes(17), box[-4096:]):
        given, error = opened(layer, box + rest)
        assert isinstance(error, acrypto.AuthenticationError | acrypto.CorruptInput)
        assert len(given) < TWO


def test_it_can_be_fed(layer: acrypto.Layer) -> None:
    given: list[bytes] = []
    stage = TinkEncrypt(KEY)
    feed = flow.Feed(layer, [stage], lambda piece: given.append(bytes(piece)), Tally())
    for piece in cut(ALL, 300_000):
        feed.write(piece)
    feed.finish()
    assert run(layer, TinkDecrypt(KEY), b"".join(given)) == ALL


def test_what_tink_refuses_is_refused() -> None:
    for key, parameters, told in (
        (bytes(31), Parameters(), "key is 31 bytes; it must have at least 32"),
        (bytes(15), Parameters(4096, 16), "key is 15 bytes; it must have at least 16"),
        (KEY, Parameters(4096, 24), "key_len is 24"),
        (KEY, Parameters(4096, 32, "md5"), "hash is 'md5'"),
        (KEY, Parameters(56), "segment is 56 bytes; it must be 57 to 16777216"),
        (KEY, Parameters(1 << 25), "segment is 33554432 bytes"),
    ):
        for stage in (TinkEncrypt, TinkDecrypt):
            with pytest.raises(acrypto.UsageError, match=told):
                stage(key, parameters=parameters)


def test_segments_are_numbered_with_four_bytes(layer: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "MOST_SEGMENTS", 300)
    text = ALL[: SMALL.first + 299 * SMALL.unit]
    box = run(layer, TinkEncrypt(KEY, parameters=SMALL), text)
    assert run(layer, TinkDecrypt(KEY, parameters=SMALL), box) == text
    with pytest.raises(acrypto.LimitExceeded, match="more than 300 segments of 4096 bytes"):
        run(layer, TinkEncrypt(KEY, parameters=SMALL), text + b"!")


def test_a_header_goes_there_and_back() -> None:
    for key_len in (16, 32):
        parameters = Parameters(4096, key_len)
        header = Header(bytes(range(key_len)), b"1234567")
        assert parse(header.write() + b"more", parameters) == header
        assert len(header.write()) == parameters.header_len
        assert header.nonce(258, is_last=True) == b"1234567\0\0\1\2\1"
        with pytest.raises(acrypto.CorruptInput):
            parse(header.write()[:-1], parameters)
