"""Every algorithm gives the answers that its standard, or an independent implementation, gives."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator

import pytest
from tests.vectors import aeads, ciphers, codecs, der, digests, macs, nist, public_keys
from tests.vectors.answer import Answer

import acrypto
from acrypto.model.names import parse
from acrypto.registry.admission import KNOWN
from acrypto.registry.templates import TEMPLATES

SOURCES = codecs.ANSWERS | digests.ANSWERS | macs.ANSWERS | ciphers.ANSWERS | aeads.ANSWERS | public_keys.ANSWERS
#: What cannot have a known answer, and why.
WITHOUT = {"drbg": "seeds itself, so what it gives is known to nobody"}
#: Most answers that are also asked for in an event loop: there it is the way that is tested, not the algorithm.
SAMPLE = 120


@functools.cache
def answers(name: str) -> list[Answer]:
    return list(SOURCES[name](name))


@pytest.fixture(scope="module")
def legacy() -> Iterator[acrypto.Layer]:
    """A layer that may use what is insecure."""
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True)) as layer:
        yield layer


def check(answer: Answer, given: object) -> None:
    # A plain comparison, for there are tens of thousands; pytest explains only what fails.
    same = given is None if answer.expected is None else given == answer.expected
    assert same, f"{answer.algorithm} {answer.operation}, {answer.origin}: {given!r}, not {answer.expected!r}"


def start(layer: acrypto.Layer, answer: Answer) -> acrypto.Operation:
    transform = layer.transform(answer.algorithm, **answer.parameters)
    return getattr(transform, answer.operation)(*answer.arguments)


def expects_error(answer: Answer) -> bool:
    return isinstance(answer.expected, type)


def oneshot(answer: Answer) -> object:
    call = getattr(acrypto, answer.operation)
    parameters = dict(answer.parameters)
    if answer.operation in {"digest", "compress", "decompress"}:
        return call(answer.algorithm, *answer.arguments, **parameters)
    return call(answer.algorithm, parameters.pop("key"), *answer.arguments, **parameters)


def test_every_algorithm_is_covered(layer: acrypto.Layer) -> None:
    """Whoever adds an algorithm adds its known answers; what templates make of others is told by theirs."""
    listed = {row.name for row in layer.algorithms() if not row.absent}
    made = {name for name in listed if name not in KNOWN and parse(name).base in TEMPLATES}
    assert listed - made == SOURCES.keys() | WITHOUT.keys()


@pytest.mark.parametrize("name", SOURCES)
def test_transform(name: str, legacy: acrypto.Layer) -> None:
    """A transform gives the known answers."""
    assert answers(name)
    for answer in answers(name):
        if expects_error(answer):
            with pytest.raises(answer.expected):
                start(legacy, answer).wait()
        else:
            check(answer, start(legacy, answer).wait())


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in {"ecb(des3_ede)", "cbc(des3_ede)", "x25519"}])
def test_oneshot(name: str) -> None:
    """A synchronous one-shot gives the known answers; insecure algorithms and agreement have none."""
    for answer in answers(name):
        if expects_error(answer):
            with pytest.raises(answer.expected):
                oneshot(answer)
        else:
            check(answer, oneshot(answer))


@pytest.mark.parametrize("name", SOURCES)
def test_await(name: str, legacy: acrypto.Layer) -> None:
    """Operations started together in an event loop each give their own known answer."""
    sample = answers(name)[:: len(answers(name)) // SAMPLE + 1]

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(start(legacy, answer) for answer in sample), return_exceptions=True)

    for answer, given in zip(sample, asyncio.run(all_at_once()), strict=True):
        if expects_error(answer):
            assert isinstance(given, answer.expected), f"{answer.algorithm}, {answer.origin}: {given!r}"
        else:
            check(answer, given)


@pytest.mark.parametrize("name", codecs.FRAMES)
def test_codec_reads_back_the_vectors(name: str, layer: acrypto.Layer) -> None:
    """As the kernel tests codecs: each vector's message, compressed and decompressed, is itself again."""
    transform = layer.transform(name)
    for _, _, message in codecs.FRAMES[name]:
        packed = transform.compress(message).wait()
        assert transform.decompress(packed).wait() == message


@pytest.mark.parametrize("name", digests.FILES)
def test_monte_carlo(name: str) -> None:
    """NIST's Monte Carlo test: a hundred thousand digests, each of the ones before it."""
    path = f"{digests.FILES[name]}Monte.rsp"
    checkpoints = list(nist.records(path, "md"))
    digest = bytes.fromhex(checkpoints[0]["seed"])
    assert len(checkpoints) == 100
    for checkpoint in checkpoints:
        if name.startswith("sha3-"):
            for _ in range(1000):
                digest = acrypto.digest(name, digest)
        else:
            a = b = digest
            for _ in range(1000):
                a, b, digest = b, digest, acrypto.digest(name, a + b + digest)
        assert digest.hex() == checkpoint["md"]


def test_points_off_the_curve_are_no_keys(layer: acrypto.Layer) -> None:
    """An ECDSA key that is not a point of P-256 is refused when the transform is made."""
    record = next(r for r in nist.records("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", "r") if "P-256" in r["section"])
    x, y = (int(record[field], 16) for field in ("qx", "qy"))
    for off in (1, -1):
        point = b"\4" + x.to_bytes(32, "big") + (y + off).to_bytes(32, "big")
        with pytest.raises(acrypto.UsageError):
            layer.transform("ecdsa-nist-p256", key=der.public(der.P256, point))


def test_random_bytes_differ(layer: acrypto.Layer) -> None:
    """What has no known answer at least has the right size and never comes twice."""
    given = [bytes(layer.random(32).wait()) for _ in range(1000)] + [acrypto.random(32) for _ in range(1000)]
    assert {len(value) for value in given} == {32}
    assert len(set(given)) == len(given)
    assert acrypto.random(0) == b""
