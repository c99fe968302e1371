"""Self-tests: what is right passes, whatever its kind; what is wrong is caught by a law, with one clear sentence."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import pytest
from tests.registry.broken import (
    BROKEN,
    KEPT,
    Spoil,
    Spoilt,
    flip,
    hangs,
    identity,
    ignores_iv,
    ignores_key,
    ignoring,
    on,
    opens_anything,
    partial_block,
    sound,
)

import acrypto
from acrypto._core import algorithms
from acrypto.engines.null import Null
from acrypto.model.offers import Offer
from acrypto.model.shapes import Shape, shape_of
from acrypto.registry.known_answers import aeads
from acrypto.registry.known_answers.index import answers
from acrypto.registry.laws import trial
from acrypto.registry.selftest import SelfTestFailed, Subject, prove

ROWS = {row["name"]: row for row in algorithms()}
#: Nobody publishes what a generator of random numbers gives.
WITHOUT_ANSWERS = {"drbg"}


@pytest.fixture(scope="module")
def judge() -> Iterator[acrypto.Layer]:
    settings = acrypto.Settings(inline_us=1e9, allow_insecure=True)
    with acrypto.open(["software"], settings=settings) as layer:
        yield layer


def subject(offer: Offer, layer: acrypto.Layer, judge: acrypto.Layer | None) -> Subject:
    """The offer of a layer's only engine, beside the software engine."""
    kind = offer.kind or ROWS[offer.algorithm]["kind"]
    shape = offer.shape or shape_of(offer.algorithm)
    full = Offer(offer.algorithm, offer.driver, offer.priority, kind=kind, shape=shape)
    name = offer.algorithm
    reference = None if judge is None else lambda **params: judge.transform(name, **params)
    return Subject(full, lambda **params: layer.transform(name, **params), reference, layer.random)


def proves(engine: Spoilt, judge: acrypto.Layer | None, seed: int | None = None) -> str:
    [offer] = engine.offers()
    with acrypto.open([engine], settings=acrypto.Settings(allow_insecure=True)) as layer:
        try:
            return prove(subject(offer, layer, judge), seed=seed)
        finally:
            KEPT.clear()


# ---- Right ones


@pytest.mark.parametrize("name", ROWS)
def test_the_software_engine_passes(name: str, judge: acrypto.Layer) -> None:
    remark = prove(subject(Offer(name, "software", 0), judge, judge))
    assert ("no published answers" in remark) == (name in WITHOUT_ANSWERS)


@pytest.mark.parametrize("name", ROWS)
def test_every_algorithm_has_published_answers(name: str) -> None:
    assert bool(answers(name, ROWS[name]["kind"])) == (name not in WITHOUT_ANSWERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["deflate", "lz4-block", "sha256", "hmac(sha256)", "gcm(aes)", "xts(aes)", "cbc(aes)", "ed25519"]
)
def test_an_engine_in_python_passes(name: str, judge: acrypto.Layer) -> None:
    assert proves(Spoilt(name, sound), judge) == ""


TEMPLATES = [*aeads.COMPOSED, *(name for name in aeads.ROWS if name not in ROWS), "hmac(blake2b)", "cts(cbc(aes))"]
TEMPLATES += ["rfc3686(ctr(aes))", "essiv(cbc(aes),sha256)", "seqiv(rfc4106(gcm(aes)))", "seqiv(rfc4309(ccm(aes)))"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_templates_make_passes(name: str, judge: acrypto.Layer) -> None:
    """Compositions have published answers, or some that an independent library gives, and obey the laws."""
    row = judge.find(name)
    assert (row.selftest, row.reason) == ("passed", "")
    assert prove(subject(Offer(name, row.driver, 0, kind=row.kind, shape=row.shape), judge, None)) == ""


OWN = {
    "compression": Offer("own-codec", "spoilt", 1, kind="compression"),
    "digest": Offer("own-digest", "spoilt", 1, kind="digest", shape=Shape(block=64, digest=32)),
    "mac": Offer("own-mac", "spoilt", 1, kind="mac", shape=Shape(block=64, digest=32)),
    "cipher": Offer("own(stream)", "spoilt", 1, kind="cipher", shape=Shape(block=1, min_key=16, max_key=32, nonce=16)),
    "aead": Offer("own(box)", "spoilt", 1, kind="aead", shape=Shape(block=1, min_key=32, max_key=32, nonce=12, tag=16)),
}
WORKS = {
    "compression": "lz4-block",
    "digest": "sha256",
    "mac": "hmac(sha256)",
    "cipher": "ctr(aes)",
    "aead": "chacha20-poly1305",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["compression", "digest", "mac", "cipher", "aead"])
def test_an_algorithm_of_ones_own_passes_by_the_laws_alone(kind: str) -> None:
    assert proves(Spoilt(WORKS[kind], sound, own=OWN[kind]), None) == "no published answers: laws only"


# ---- Wrong ones


@pytest.mark.slow
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_caught(what: str, judge: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "OPERATION_S", 0.3)
    algorithm, spoil = BROKEN[what]
    with pytest.raises(SelfTestFailed) as caught:
        proves(Spoilt(algorithm, spoil), judge)
    reason = str(caught.value)
    assert ": " in reason
    assert reason.isprintable()
    assert len(reason) < 400


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        (
            "compression",
            on("decompress", lambda source, result: flip(result, 32_768) if len(result) > 32_768 else result),
        ),
        ("digest", on("digest", lambda source, result: result[:-1])),
        ("mac", ignoring("mac", source=lambda data: data[:-1])),
        ("mac", ignoring("mac", key=True)),
        ("cipher", identity),
        ("cipher", ignores_iv),
        ("cipher", ignores_key),
        ("aead", ignoring("both", key=True)),
        ("aead", ignoring("both", ad=True)),
        ("aead", opens_anything),
        ("aead", on("encrypt", lambda source, result: result[:-1])),
    ],
)
def test_laws_alone_catch_too(kind: str, spoil: Spoil) -> None:
    """An algorithm that nobody else has is still held to the laws of its kind."""
    with pytest.raises(SelfTestFailed):
        proves(Spoilt(WORKS[kind], spoil, own=OWN[kind]), None)


@pytest.mark.slow
def test_a_tail_that_is_left_as_it_was_is_caught_without_a_reference() -> None:
    """Of a new cipher nobody knows the ciphertext, but no byte of the message may show through."""
    engine = Spoilt("ctr(aes)", lambda job, unit, result: partial_block(unit[0], bytes(result)), own=OWN["cipher"])
    with pytest.raises(SelfTestFailed, match="last bytes"):
        proves(engine, None)


def test_an_engine_that_does_nothing_does_not_pass(judge: acrypto.Layer) -> None:
    for kind in {row["kind"] for row in ROWS.values()} - {"agreement"}:
        name = next(row["name"] for row in ROWS.values() if row["kind"] == kind)
        with acrypto.open([Null()]) as layer, pytest.raises(SelfTestFailed):
            prove(subject(Offer(name, "null", 0), layer, judge))


def test_one_that_hangs_is_given_up(judge: acrypto.Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "OPERATION_S", 0.01)
    with pytest.raises(SelfTestFailed, match="every operation ends"):
        proves(Spoilt("sha256", hangs), judge)


def test_one_that_is_too_slow_as_a_whole_is_given_up(judge: acrypto.Layer) -> None:
    with pytest.raises(SelfTestFailed, match=r"self-test took longer than 0 s"):
        prove(subject(Offer("sha256", "software", 0), judge, None), budget=0)


def test_a_kind_that_nobody_knows_fails(judge: acrypto.Layer) -> None:
    offer = Offer("sha256", "software", 0, kind="magic", shape=Shape())
    with pytest.raises(SelfTestFailed, match="magic"):
        prove(Subject(offer, judge.transform))


def test_closing_is_no_verdict(judge: acrypto.Layer) -> None:
    """A layer that is closed under its self-test proves nothing about the engine."""
    layer = acrypto.open(["software"])
    transform = layer.transform("sha256")
    layer.close()
    offer = Offer("sha256", "software", 0, kind="digest", shape=shape_of("sha256"))
    with pytest.raises(acrypto.ClosedError):
        prove(Subject(offer, lambda **params: transform))


# ---- Transforms that misbehave in ways that an engine cannot: segments, memory of the caller's


class Proxy:
    """A transform whose methods go through a function first."""

    def __init__(self, inner: acrypto.Transform, **changed: object) -> None:
        self._inner = inner
        self._changed = changed

    def __getattr__(self, name: str) -> object:
        method = getattr(self._inner, name)
        change = self._changed.get(name)
        return method if change is None else lambda *a, **o: change(method, *a, **o)  # type: ignore[operator]


def only_first_segment(method: object, data: object, **options: object) -> object:
    return method(data[0] if isinstance(data, list) and data else data, **options)  # type: ignore[operator]


def only_first_segments(method: object, data: list[object], **options: object) -> object:
    return method([one[0] if isinstance(one, list) else one for one in data], **options)  # type: ignore[operator]


def overruns(method: object, data: object, **options: object) -> object:
    into = options.get("into")
    operation = method(data, **options)  # type: ignore[operator]
    if isinstance(into, memoryview) and isinstance(into.obj, bytearray):
        into.obj[-1] ^= 1
    return operation


def spoils_source(method: object, data: object, **options: object) -> object:
    operation = method(data, **options)  # type: ignore[operator]
    if isinstance(data, memoryview) and data.nbytes:
        data[0] ^= 1
    return operation


@pytest.mark.parametrize(
    ("method", "change", "law"),
    [
        ("digest", only_first_segment, "segments are one message"),
        ("digest_many", only_first_segments, "segments are one message"),
        ("digest", overruns, "nothing outside the caller's memory"),
        ("digest", spoils_source, "source is left as it is"),
    ],
)
def test_the_way_a_message_comes_is_proven(method: str, change: object, law: str, judge: acrypto.Layer) -> None:
    offer = Offer("sha256", "software", 0, kind="digest", shape=shape_of("sha256"))
    with pytest.raises(SelfTestFailed, match=law):
        prove(Subject(offer, lambda **params: Proxy(judge.transform("sha256", **params), **{method: change})))  # type: ignore[arg-type,return-value]


# ---- In a layer


@pytest.mark.slow
def test_what_fails_is_hidden_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """A failed offer cannot be had by any name; the layer opens, the listing tells why, and others serve the name."""

    class Proven(Spoilt):
        selftest = True

    spoil = BROKEN["codec drops the last byte of 64"][1]
    with acrypto.open([Proven("deflate", spoil), "software"]) as layer:
        row = next(row for row in layer.offers() if row.driver == "spoilt")
        assert row.selftest == "failed"
        assert "what was compressed is itself again" in row.reason
        assert row.reason in caplog.text
        assert layer.find("deflate").device == "software0"
        with pytest.raises(acrypto.NoEngine, match="failed its self-test"):
            layer.transform("spoilt")


# ---- Cost


def test_its_cost_is_bounded(judge: acrypto.Layer) -> None:
    """Operations are counted, for a clock would measure the machine."""
    count: collections.Counter[str] = collections.Counter()

    class Counting(Proxy):
        def __getattr__(self, name: str) -> object:
            method = getattr(self._inner, name)

            def counted(*arguments: object, **options: object) -> object:
                if name != "public_key":
                    count[offer.algorithm] += 1
                return method(*arguments, **options)

            return counted

    for name, row in ROWS.items():
        offer = Offer(name, "software", 0, kind=row["kind"], shape=shape_of(name))
        make = judge.transform
        prove(Subject(offer, lambda _make=make, _name=name, **params: Counting(_make(_name, **params))))  # type: ignore[misc,return-value]
    assert max(count.values()) <= 260, count.most_common(3)
    assert sum(count.values()) <= 4000
    assert max(count[name] for name in ROWS if ROWS[name]["kind"] in {"signature", "agreement"}) <= 40
