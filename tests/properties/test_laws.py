"""Laws that hold for every algorithm, whatever the message, its size, and the way it is handed over."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.cases import CASES, COMPRESSORS, MATERIAL, REVERSIBLE, SIZES, Case, name_of

import acrypto

every = pytest.mark.parametrize("case", CASES, ids=name_of)
repeatable = pytest.mark.parametrize("case", [case for case in CASES if case.repeatable], ids=name_of)
reversible = pytest.mark.parametrize("case", REVERSIBLE, ids=name_of)
GUARD = 64

#: Repeats make codecs find something.
messages = st.one_of(
    st.binary(max_size=300),
    st.builds(bytes.__mul__, st.binary(min_size=1, max_size=40), st.integers(0, 400)),
    st.builds(lambda at, size: MATERIAL[at : at + size], st.integers(0, 60_000), st.integers(0, 10_000)),
)


@st.composite
def segmented(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """A message and where to cut it."""
    message = draw(messages)
    return message, sorted(draw(st.lists(st.integers(0, len(message)), max_size=6)))


def split(message: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(message)]
    return [message[start:end] for start, end in itertools.pairwise(edges)]


@every
def test_every_size(case: Case, layer: acrypto.Layer) -> None:
    """What goes forward comes back, at every size around the edges of blocks and pages."""
    transform = case.transform(layer)
    tried = 0
    for size in filter(case.takes, SIZES):
        message = MATERIAL[:size]
        case.checks(transform, message, case.forward(transform, message).wait())
        tried += 1
    assert tried >= 8


@repeatable
def test_every_size_in_segments(case: Case, layer: acrypto.Layer) -> None:
    """A message in uneven segments gives the same bytes as in one, at every size."""
    transform = case.transform(layer)
    for size in filter(case.takes, SIZES):
        message = MATERIAL[:size]
        parts = split(message, sorted({size // 3, size // 2, max(0, size - 1)}))
        assert case.forward(transform, parts).wait() == case.forward(transform, message).wait()


@every
@settings(max_examples=60)
@given(drawn=segmented())
def test_segments(case: Case, layer: acrypto.Layer, drawn: tuple[bytes, list[int]]) -> None:
    """Any split of the source, empty segments included, is the same message."""
    message, cuts = drawn
    message = case.fit(message)
    parts = split(message, [min(cut, len(message)) for cut in cuts])
    transform = case.transform(layer)
    result = case.forward(transform, parts).wait()
    if case.repeatable:
        assert result == case.forward(transform, message).wait() == case.forward(transform, tuple(parts)).wait()
    case.checks(transform, message, result)


@reversible
@settings(max_examples=60)
@given(drawn=segmented(), ad=st.binary(max_size=100))
def test_segments_backward(case: Case, layer: acrypto.Layer, drawn: tuple[bytes, list[int]], ad: bytes) -> None:
    """What was made of a message may be handed back in any segments, and so may additional data."""
    message, cuts = drawn
    message = case.fit(message)
    transform = case.transform(layer)
    if case.kind == "aead":
        box = bytes(transform.encrypt(case.nonce, message, split(ad, [len(ad) // 2])).wait())
        assert transform.encrypt(case.nonce, message, ad).wait() == box
        parts = split(box, [min(cut, len(box)) for cut in cuts])
        assert transform.decrypt(case.nonce, parts, [ad]).wait() == message
    else:
        box = bytes(case.forward(transform, message).wait())
        parts = split(box, [min(cut, len(box)) for cut in cuts])
        assert case.backward(transform, parts).wait() == message


@repeatable
@pytest.mark.parametrize("size", [0, 1, 16, 17, 4096, 40_000])
def test_into(case: Case, layer: acrypto.Layer, size: int) -> None:
    """A result goes `into` memory that it just fits, and nothing beside is touched; one byte less is refused."""
    message = case.fit(MATERIAL[:size])
    transform = case.transform(layer)
    result = bytes(case.forward(transform, message).wait())
    fits_into(lambda into: case.forward(transform, message, into=into), result)
    if case in REVERSIBLE:
        fits_into(lambda into: case.backward(transform, result, into=into), message)


def fits_into(start: Callable[[object], acrypto.Operation], expected: bytes) -> None:
    size = len(expected)
    memory = bytearray(b"\xa5" * (GUARD + size + GUARD))
    count = start(memoryview(memory)[GUARD : GUARD + size]).wait()
    assert (count, memory[GUARD:-GUARD]) == (size, expected)
    assert memory[:GUARD] == memory[-GUARD:] == b"\xa5" * GUARD

    memory = bytearray(b"\xa5" * (GUARD + size + GUARD))
    assert start(memory).wait() == size
    assert memory[:size] == expected

    if size:
        memory = bytearray(b"\xa5" * (GUARD + size + GUARD))
        with pytest.raises(acrypto.OutputTooSmall) as caught:
            start(memoryview(memory)[GUARD : GUARD + size - 1]).wait()
        assert caught.value.capacity == size - 1
        assert memory[:GUARD] == b"\xa5" * GUARD
        assert memory[GUARD + size - 1 :] == b"\xa5" * (GUARD + 1)


def test_secrets_into(layer: acrypto.Layer) -> None:
    """A shared secret goes `into` memory as well."""
    transform = layer.transform("x25519", key=bytes(range(32)))
    secret = transform.agree(bytes(range(1, 33))).wait()
    fits_into(lambda into: transform.agree(bytes(range(1, 33)), into=into), secret)
    assert transform.try_agree(bytes(range(1, 33))).wait() == secret


@pytest.mark.parametrize("name", ["rsa", "ecdsa-nist-p256"])
def test_into_what_is_random(name: str, layer: acrypto.Layer) -> None:
    """A signature that differs each time goes `into` memory too, and is right."""
    (case,) = (case for case in CASES if case.name == name)
    transform = case.transform(layer)
    memory = bytearray(b"\xa5" * 600)
    count = transform.sign(b"message", into=memoryview(memory)[:536]).wait()
    assert memory[536:] == b"\xa5" * 64
    assert transform.verify(memoryview(memory)[:count], b"message").wait() is None
    with pytest.raises(acrypto.OutputTooSmall):
        transform.sign(b"message", into=bytearray(8)).wait()


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "signature"], ids=name_of)
@settings(max_examples=60)
@given(batch=st.lists(messages, max_size=8))
def test_many(case: Case, layer: acrypto.Layer, batch: list[bytes]) -> None:
    """Many at once are the same as one after the other, in the order given, both ways."""
    transform = case.transform(layer)
    batch = [case.fit(message) for message in batch]
    single = [case.forward(transform, message).wait() for message in batch]
    if case.kind in {"cipher", "aead"}:
        many = transform.encrypt_many([case.nonce] * len(batch), batch).wait()
        assert transform.decrypt_many([case.nonce] * len(batch), many).wait() == batch
    else:
        verb = "compress" if case.kind == "compression" else case.kind
        many = getattr(transform, f"{verb}_many")(batch).wait()
        if case.kind == "compression":
            assert transform.decompress_many(many).wait() == batch
    assert many == single


@pytest.mark.parametrize("case", [case for case in CASES if case.kind in {"compression", "digest", "mac"}], ids=name_of)
@pytest.mark.parametrize("unit", [1, 1000, 4096, 8191])
def test_units(case: Case, layer: acrypto.Layer, unit: int) -> None:
    """A buffer cut into units of one size gives what the units give, the short last one too."""
    transform = case.transform(layer)
    for size in (0, 1, unit - 1, unit, unit + 1, min(3 * unit + 7, 25_000)):
        data = MATERIAL[:size]
        units = [data[at : at + unit] for at in range(0, size, unit)]
        verb = "compress" if case.kind == "compression" else case.kind
        cut = getattr(transform, f"{verb}_many")(data, unit=unit).wait()
        assert cut == getattr(transform, f"{verb}_many")(units).wait()
        assert len(cut) == -(-size // unit)
        if case in COMPRESSORS:
            assert b"".join(transform.decompress_many(cut).wait()) == data


def test_additional_data_of_many(layer: acrypto.Layer) -> None:
    """Each message of a batch has a nonce and additional data of its own."""
    transform = layer.transform("gcm(aes)", key=bytes(16))
    nonces = [bytes([n]) * 12 for n in range(20)]
    batch = [bytes([n]) * n for n in range(20)]
    ads = [b"%d" % n for n in range(20)]
    boxes = transform.encrypt_many(nonces, batch, ads).wait()
    assert boxes == [transform.encrypt(*each).wait() for each in zip(nonces, batch, ads, strict=True)]
    assert transform.decrypt_many(nonces, boxes, ads).wait() == batch


def test_failures_among_many(layer: acrypto.Layer) -> None:
    """A failed unit is an exception in its place, or the first one is raised after all have settled."""
    transform = layer.transform("gzip")
    good = transform.compress(b"good").wait()
    batch = [good, b"bad", good, good[:-1]]
    results = transform.decompress_many(batch, return_exceptions=True).wait()
    assert [results[0], results[2]] == [b"good", b"good"]
    assert [type(results[1]), type(results[3])] == [acrypto.CorruptInput, acrypto.CorruptInput]
    with pytest.raises(acrypto.CorruptInput) as caught:
        transform.decompress_many(batch).wait()
    assert str(caught.value) == str(results[1])


@repeatable
@pytest.mark.parametrize("size", [0, 100, 5000, 70_000])
def test_lanes(case: Case, size: int, inline: acrypto.Layer, queued: acrypto.Layer) -> None:
    """The lane decides when an operation ends, never what it gives."""
    message = case.fit(MATERIAL[:size])
    there = case.forward(case.transform(inline), message)
    later = case.forward(case.transform(queued), message)
    assert there.done()
    assert there.wait() == later.wait()
    assert (there.completion.lane, later.completion.lane) == ("inline", "queued")
    if case in REVERSIBLE:
        back = case.backward(case.transform(queued), there.wait())
        assert back.wait() == message == case.backward(case.transform(inline), later.wait()).wait()


@repeatable
def test_try(case: Case, layer: acrypto.Layer, queued: acrypto.Layer) -> None:
    """The variant that never waits gives the same, where there is room."""
    message = case.fit(MATERIAL[:5000])
    for one in (layer, queued):
        transform = case.transform(one)
        result = case.forward(transform, message).wait()
        if case.kind in {"cipher", "aead"}:
            assert transform.try_encrypt(case.nonce, message).wait() == result
            assert transform.try_decrypt(case.nonce, result).wait() == message
            assert transform.try_encrypt_many([case.nonce], [message]).wait() == [result]
            assert transform.try_decrypt_many([case.nonce], [result]).wait() == [message]
            continue
        verb = {"compression": "compress", "signature": "sign"}.get(case.kind, case.kind)
        assert getattr(transform, f"try_{verb}")(message).wait() == result
        if case.kind == "compression":
            assert transform.try_decompress(result).wait() == message
            assert transform.try_decompress_many([result]).wait() == [message]
        if case.kind in {"mac", "signature"}:
            assert transform.try_verify(result, message).wait() is None
        if case.kind != "signature":
            assert getattr(transform, f"try_{verb}_many")([message]).wait() == [result]


@every
def test_completion_counts_bytes(case: Case, queued: acrypto.Layer) -> None:
    """A completion tells how much went in and came out, and who did it."""
    message = case.fit(MATERIAL[:5000])
    operation = case.forward(case.transform(queued), message)
    result = operation.wait()
    completion = operation.completion
    assert (completion.bytes_in, completion.bytes_out) == (len(message), len(result))
    assert completion.device == "software0"
    assert completion.attempts == 1
    assert completion.driver
    assert completion.reason


@pytest.mark.parametrize("case", [case for case in REVERSIBLE if "des3" not in case.name], ids=name_of)
@pytest.mark.parametrize("size", [0, 1, 4096, 70_000])
def test_oneshots_agree(case: Case, layer: acrypto.Layer, size: int) -> None:
    """One-shots and transforms read each other."""
    message = case.fit(MATERIAL[:size])
    transform = case.transform(layer)
    if case.kind == "compression":
        assert acrypto.compress(case.name, message) == transform.compress(message).wait()
        assert acrypto.decompress(case.name, transform.compress([message]).wait()) == message
    else:
        key = case.parameters["key"]
        box = transform.encrypt(case.nonce, message).wait()
        assert acrypto.encrypt(case.name, key, case.nonce, message) == box
        assert acrypto.decrypt(case.name, key, case.nonce, box) == message


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, {"level": level}) for name in ("deflate", "zlib", "gzip") for level in range(10)),
        *((name, {"strategy": "fixed"}) for name in ("deflate", "zlib", "gzip")),
        *((name, {"window": window}) for name in ("deflate", "zlib", "gzip") for window in (9, 12, 15)),
        *(("zstd", {"level": level}) for level in (-7, -1, 0, 1, 3, 9, 19, 22)),
        *(("zstd", {"window": window}) for window in (10, 17, 27)),
        *((name, {"level": level}) for name in ("lz4", "lz4-block") for level in range(13)),
    ],
    ids=str,
)
def test_every_level(name: str, parameters: dict[str, object], layer: acrypto.Layer) -> None:
    """Each level, strategy and window of a codec gives what the codec reads."""
    transform = layer.transform(name, **parameters)
    for message in (b"", b"a", MATERIAL[:4096], MATERIAL, bytes(70_000)):
        assert layer.decompress(name, transform.compress(message).wait()).wait() == message
        assert transform.decompress(transform.compress([message, message[:9]]).wait()).wait() == message + message[:9]
