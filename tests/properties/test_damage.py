"""Damaged input ends in CorruptInput or AuthenticationError: never in a crash, never in bytes that nobody meant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.cases import AEADS, BY_NAME, CHECKABLE, COMPRESSORS, MATERIAL, Case, name_of

import acrypto

MESSAGE = b"A message with a repeat, a repeat, and an end. " * 4
#: Formats that can tell where they end; a bare LZ4 block cannot, nor what it should have been.
FRAMED = [case for case in COMPRESSORS if case.name != "lz4-block"]
#: Formats that carry a checksum of their content.
CHECKED = [case for case in FRAMED if not case.name.startswith("deflate")]
#: Whatever a decompressor is fed, it ends in bytes or in one of these.
HONEST = (acrypto.CorruptInput, acrypto.LimitExceeded)
LIMIT = 1 << 20

framed = pytest.mark.parametrize("case", FRAMED, ids=name_of)
compressors = pytest.mark.parametrize("case", COMPRESSORS, ids=name_of)


def samples(case: Case, layer: acrypto.Layer) -> Iterator[tuple[bytes, bytes]]:
    """Messages with what the codec makes of them: matches, stored, nothing, by each of its encoders."""
    own = {"zstd": (-1, 3, 19), "lz4": (0, 9), "lz4-block": (0, 9), "deflate-canned": (None,)}
    levels = own.get(case.name, (0, 1, 6))
    for message in (MESSAGE, MATERIAL[40_000:40_080], b""):
        for level in levels:
            yield message, bytes(layer.compress(case.name, message, level=level).wait())


def flipped(data: bytes) -> Iterator[bytes]:
    """The data with each of its bits flipped in turn."""
    for at in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[at // 8] ^= 1 << at % 8
        yield bytes(damaged)


@framed
def test_truncated_anywhere(case: Case, layer: acrypto.Layer) -> None:
    """Input that stops early is corrupt, at whichever byte it stops; the offset lies inside what there is."""
    for _, packed in samples(case, layer):
        for size in range(len(packed)):
            with pytest.raises(acrypto.CorruptInput) as caught:
                layer.decompress(case.name, packed[:size]).wait()
            assert 0 <= caught.value.offset <= size, f"cut at {size}: {caught.value}"
            assert str(caught.value.offset) in str(caught.value)
            with pytest.raises(acrypto.CorruptInput):
                acrypto.decompress(case.name, packed[:size])


def test_truncated_blocks_do_no_harm(layer: acrypto.Layer) -> None:
    """A bare LZ4 block cannot tell that it was cut; it then gives a part of the message, or is corrupt."""
    for message, packed in samples(BY_NAME["lz4-block"], layer):
        for size in range(len(packed)):
            with contextlib.suppress(acrypto.CorruptInput):
                part = layer.decompress("lz4-block", packed[:size], max_output=LIMIT).wait()
                assert message.startswith(part)


@pytest.mark.parametrize("case", CHECKED, ids=name_of)
def test_flipped_bits_never_pass(case: Case, layer: acrypto.Layer) -> None:
    """With a checksum, one flipped bit is found, or it lies in a field without meaning and harms nothing."""
    for message, packed in samples(case, layer):
        harmless = 0
        for damaged in flipped(packed):
            try:
                result = layer.decompress(case.name, damaged, max_output=LIMIT).wait()
            except HONEST:
                continue
            assert result == message
            harmless += 1
        # The time, the flags and the system in gzip's header, of which bgzf has two; the compression level in zlib's.
        assert harmless <= {"gzip": 8 * 7, "bgzf": 2 * 8 * 7, "zlib": 16}.get(case.name, 8)


@compressors
def test_flipped_bits_do_no_harm(case: Case, layer: acrypto.Layer) -> None:
    """Without a checksum a flipped bit may give other bytes, but nothing worse; `into` is never overrun."""
    for _, packed in samples(case, layer):
        for damaged in flipped(packed):
            memory = bytearray(b"\xa5" * 600)
            try:
                count = layer.transform(case.name).decompress(damaged, into=memoryview(memory)[:500]).wait()
            except (acrypto.OutputTooSmall, *HONEST):
                count = 0
            assert count <= 500
            assert memory[500:] == b"\xa5" * 100


@compressors
@settings(max_examples=300)
@given(data=st.binary(max_size=400))
def test_noise(case: Case, layer: acrypto.Layer, data: bytes) -> None:
    """Any bytes at all are either a message or corrupt."""
    for start in (b"", bytes(layer.compress(case.name, MESSAGE).wait())[:12]):
        try:
            result = layer.decompress(case.name, start + data, max_output=LIMIT).wait()
        except HONEST:
            continue
        assert len(result) <= LIMIT


@compressors
@settings(max_examples=200)
@given(data=st.data())
def test_edited(case: Case, layer: acrypto.Layer, queued: acrypto.Layer, data: st.DataObject) -> None:
    """A good message with parts cut out, doubled or replaced ends the same way in every lane."""
    packed = bytes(layer.compress(case.name, MATERIAL[:2000]).wait())
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(packed))] * 2)))
    patch = data.draw(st.one_of(st.binary(max_size=20), st.just(packed[start:stop] * 2)))
    edited = packed[:start] + patch + packed[stop:]

    def outcome(one: acrypto.Layer) -> object:
        try:
            return one.decompress(case.name, edited, max_output=LIMIT).wait()
        except HONEST as error:
            return type(error), str(error)

    assert outcome(layer) == outcome(queued)


@framed
@pytest.mark.parametrize("garbage", [b"\0", b"garbage", b"\xff" * 100, b"PK\3\4"])
def test_trailing_garbage(case: Case, layer: acrypto.Layer, garbage: bytes) -> None:
    """What follows the end of a message makes it corrupt, at the offset where the message ended."""
    for _, packed in samples(case, layer):
        with pytest.raises(acrypto.CorruptInput) as caught:
            layer.decompress(case.name, packed + garbage).wait()
        assert caught.value.offset == len(packed)
        with pytest.raises(acrypto.CorruptInput) as caught:
            layer.decompress(case.name, [packed, garbage]).wait()
        assert caught.value.offset == len(packed)


@pytest.mark.parametrize("name", ["gzip", "zstd", "lz4"])
def test_members_and_frames_join(name: str, layer: acrypto.Layer) -> None:
    """Members of gzip and frames of zstd and LZ4 that follow each other are one message; each must be whole."""
    case = BY_NAME[name]
    both = list(samples(case, layer))
    for message, packed in both:
        for other_message, other in both:
            joined = layer.decompress(name, packed + other).wait()
            assert joined == message + other_message
            with pytest.raises(acrypto.CorruptInput) as caught:
                layer.decompress(name, packed + other[:-1]).wait()
            assert len(packed) <= caught.value.offset < len(packed + other)


@pytest.mark.parametrize("name", ["deflate", "zlib"])
def test_streams_do_not_join(name: str, layer: acrypto.Layer) -> None:
    """Deflate and zlib know no second message: it is garbage behind the first."""
    packed = bytes(layer.compress(name, MESSAGE).wait())
    with pytest.raises(acrypto.CorruptInput) as caught:
        layer.decompress(name, packed + packed).wait()
    assert caught.value.offset == len(packed)


@pytest.mark.parametrize("case", AEADS, ids=name_of)
@pytest.mark.parametrize("size", [0, 1, 40])
def test_forgeries(case: Case, layer: acrypto.Layer, size: int) -> None:
    """A flipped bit in box, nonce or additional data, or a missing byte, is AuthenticationError and nothing else."""
    transform = case.transform(layer)
    message, ad = MATERIAL[:size], b"additional"
    box = bytes(transform.encrypt(case.nonce, message, ad).wait())

    def refused(*arguments: bytes) -> None:
        with pytest.raises(acrypto.AuthenticationError) as caught:
            transform.decrypt(*arguments).wait()
        assert str(caught.value) == "authentication failed"

    for damaged in flipped(box):
        refused(case.nonce, damaged, ad)
    for damaged in flipped(case.nonce):
        refused(damaged, box, ad)
    for damaged in flipped(ad):
        refused(case.nonce, box, damaged)
    for cut in range(len(box)):
        refused(case.nonce, box[:cut], ad)
        refused(case.nonce, box[cut + 1 :], ad)
    refused(case.nonce, box + b"\0", ad)
    refused(case.nonce, box, b"")
    refused(case.nonce, box, ad + b"\0")
    assert transform.decrypt(case.nonce, box, ad).wait() == message


@pytest.mark.parametrize("case", AEADS, ids=name_of)
@pytest.mark.parametrize("size", [16, 5000, 70_000])
def test_nothing_of_a_forgery_is_released(case: Case, layer: acrypto.Layer, queued: acrypto.Layer, size: int) -> None:
    """After a failed open the caller's memory holds nothing of the message."""
    message = MATERIAL[:size]
    for one in (layer, queued):
        transform = case.transform(one)
        box = bytearray(transform.encrypt(case.nonce, message).wait())
        box[-1] ^= 1
        memory = bytearray(b"\xa5" * (size + 64))
        for source in (box, [box[: size // 2], box[size // 2 :]]):
            with pytest.raises(acrypto.AuthenticationError):
                transform.decrypt(case.nonce, source, into=memoryview(memory)[:size]).wait()
            assert set(memory[:size]) <= {0, 0xA5}
            assert memory[size:] == b"\xa5" * 64


def test_forgeries_in_a_batch(layer: acrypto.Layer) -> None:
    """One forgery in a batch is an error in its place and takes nothing from the others."""
    transform = BY_NAME["gcm(aes)"].transform(layer)
    nonces = [bytes([n]) * 12 for n in range(8)]
    boxes = [bytes(box) for box in transform.encrypt_many(nonces, [MESSAGE] * 8).wait()]
    boxes[3] = next(flipped(boxes[3]))
    results = transform.decrypt_many(nonces, boxes, return_exceptions=True).wait()
    assert isinstance(results.pop(3), acrypto.AuthenticationError)
    assert results == [MESSAGE] * 7


@pytest.mark.parametrize("case", CHECKABLE, ids=name_of)
def test_verify(case: Case, layer: acrypto.Layer) -> None:
    """The right tag gives None; any other tag, or another message, is AuthenticationError."""
    transform = case.transform(layer)
    tag = case.forward(transform, MESSAGE).wait()
    assert transform.verify(tag, MESSAGE).wait() is None
    assert acrypto.verify(case.name, case.parameters["key"], tag, MESSAGE) is None
    wrong = [*flipped(tag[:4] + tag[-4:]), *(tag[:size] for size in range(0, len(tag), 7)), tag + b"\0", tag * 2]
    for other in wrong[:64]:
        damaged = other[:4] + tag[4:-4] + other[4:] if len(other) == 8 else other
        with pytest.raises(acrypto.AuthenticationError):
            transform.verify(damaged, MESSAGE).wait()
    for other in [*wrong[64:], *(tag[:size] for size in (1, len(tag) - 1))]:
        with pytest.raises(acrypto.AuthenticationError):
            transform.verify(other, MESSAGE).wait()
    for message in (b"", MESSAGE[:-1], MESSAGE + b"\0", next(flipped(MESSAGE))):
        with pytest.raises(acrypto.AuthenticationError):
            transform.verify(tag, message).wait()
        with pytest.raises(acrypto.AuthenticationError):
            acrypto.verify(case.name, case.parameters["key"], tag, message)


def test_ciphers_without_authentication_give_noise(layer: acrypto.Layer) -> None:
    """What authenticates nothing cannot find damage: it decrypts to something of the same size."""
    case = BY_NAME["xts(aes)"]
    transform = case.transform(layer)
    box = bytes(transform.encrypt(case.nonce, MESSAGE).wait())
    noise = transform.decrypt(case.nonce, next(flipped(box))).wait()
    assert (len(noise), noise == MESSAGE) == (len(MESSAGE), False)
