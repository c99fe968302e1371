"""Many signatures, verifications and agreements in one submission: what they give is what each alone gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.vectors import der

import acrypto
from acrypto import AuthenticationError, UsageError

#: More than lanes and workers there are, and no multiple of either.
MANY = 21
MESSAGES = [bytes([number]) * number for number in range(MANY)]
SCHEMES: list[tuple[str, dict[str, str]]] = [
    ("ed25519", {}),
    ("ecdsa-nist-p256", {}),
    ("ecdsa-nist-p256", {"hash": "sha384"}),
    ("rsa", {"padding": "pss"}),
    ("rsa", {"padding": "pkcs1", "hash": "sha512"}),
]
#: Of the field of Curve25519, and of the group that Ed25519 signs in.
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
#: y of the points of small order: of one, two, four and eight; and what is the same number, not reduced.
SMALL = [
    1,
    PRIME - 1,
    0,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    PRIME,
    PRIME + 1,
]


@pytest.fixture(scope="module", params=["inline", "queued"])
def lane(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    """A layer that runs batches on the caller's thread, and one that shares them among workers."""
    inline_us = 1e9 if request.param == "inline" else 0
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us, workers=3)) as opened:
        yield opened


def pair(layer: acrypto.Layer, name: str, **parameters: str) -> tuple[acrypto.Transform, acrypto.Transform]:
    """A transform that signs and one of its public key, which only verifies."""
    signer = layer.transform(name, key=acrypto.generate_key(name), **parameters)
    return signer, layer.transform(name, key=signer.public_key(), **parameters)


@pytest.mark.parametrize(("name", "parameters"), SCHEMES)
def test_what_is_signed_together_verifies_alone_and_together(
    lane: acrypto.Layer, name: str, parameters: dict[str, str]
) -> None:
    signer, verifier = pair(lane, name, **parameters)
    signatures = signer.sign_many(MESSAGES).wait()
    for signature, message in zip(signatures, MESSAGES, strict=True):
        verifier.verify(signature, message).wait()
    assert verifier.verify_many(signatures, MESSAGES).wait() == [None] * MANY
    if name == "ed25519" or parameters.get("padding") == "pkcs1":
        assert signatures == [signer.sign(message).wait() for message in MESSAGES]


@pytest.mark.parametrize(("name", "parameters"), SCHEMES)
def test_what_was_tampered_with_fails_alone(lane: acrypto.Layer, name: str, parameters: dict[str, str]) -> None:
    signer, verifier = pair(lane, name, **parameters)
    signatures = signer.sign_many(MESSAGES).wait()
    bad = {2, 3, 11, MANY - 1}
    given = [MESSAGES[0] + b"?" if number in bad else message for number, message in enumerate(MESSAGES)]
    results = verifier.verify_many(signatures, given, return_exceptions=True).wait()
    assert {at for at, result in enumerate(results) if result is not None} == bad
    assert all(isinstance(results[at], AuthenticationError) for at in bad)
    with pytest.raises(AuthenticationError):
        verifier.verify_many(signatures, given).wait()


def test_a_batch_of_odd_ed25519_signatures_is_judged_as_each_alone(lane: acrypto.Layer) -> None:
    """Points of small order, numbers that are not reduced, S out of range: RFC 8032 5.1.3, 5.1.7."""
    signer, verifier = pair(lane, "ed25519")
    right = signer.sign(b"message").wait()
    scalar = int.from_bytes(right[32:], "little")
    unreduced = right[:32] + (scalar + ORDER).to_bytes(32, "little")
    points = [(y | sign << 255).to_bytes(32, "little") for y, sign in itertools.product(SMALL, (0, 1))]
    odd = [right, unreduced, right[:63], right + b"\0", b"", right[:63] + bytes([right[63] | 0x80])]
    odd += [point + bytes(32) for point in points] + [point + right[32:] for point in points] + [right]
    results = verifier.verify_many(odd, [b"message"] * len(odd), return_exceptions=True).wait()
    assert [at for at, result in enumerate(results) if result is None] == [0, len(odd) - 1]

    for point in points:
        try:
            weak = lane.transform("ed25519", key=der.public(der.ED25519, point))
        except UsageError:
            continue
        # With S = 0 and a key of small order, some messages verify under the equation without cofactor.
        cases = [(other + bytes(32), b"%d" % number) for other in points for number in range(4)]
        together = weak.verify_many(*zip(*cases, strict=True), return_exceptions=True).wait()
        assert [result is None for result in together] == [accepts(weak, *case) for case in cases]


def test_a_batch_of_odd_ecdsa_signatures_is_judged_as_each_alone(lane: acrypto.Layer) -> None:
    """Zero, the order itself, negative and long numbers, DER that is not the shortest: SEC 1 4.1.4, X.690 8.3."""
    signer, verifier = pair(lane, "ecdsa-nist-p256")
    right = signer.sign(b"message").wait()
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    odd = [der.sequence(der.integer(r), der.integer(s)) for r in (0, 1, order) for s in (0, 1, order, order + 1)]
    odd += [b"", right[:-1], right + b"\0", b"\x30\x81" + right[1:], right]
    results = verifier.verify_many(odd, [b"message"] * len(odd), return_exceptions=True).wait()
    assert [at for at, result in enumerate(results) if result is None] == [len(odd) - 1]
    assert [result is None for result in results] == [accepts(verifier, one, b"message") for one in odd]


def accepts(verifier: acrypto.Transform, signature: bytes, message: bytes) -> bool:
    """Whether a signature on its own is accepted."""
    try:
        verifier.verify(signature, message).wait()
    except AuthenticationError:
        return False
    return True


def test_agreement_with_many_is_agreement_with_each(lane: acrypto.Layer) -> None:
    ours = lane.transform("x25519", key=acrypto.generate_key("x25519"))
    theirs = [lane.transform("x25519", key=acrypto.generate_key("x25519")) for _ in range(MANY)]
    secrets = ours.agree_many([one.public_key() for one in theirs]).wait()
    assert secrets == [one.agree(ours.public_key()).wait() for one in theirs]
    mixed = [theirs[0].public_key()[-32:], bytes(32), theirs[1].public_key()[-32:]]
    first, weak, last = ours.agree_many(b"".join(mixed), unit=32, return_exceptions=True).wait()
    assert [first, last] == secrets[:2]
    assert isinstance(weak, AuthenticationError)


def test_macs_are_verified_together_too(lane: acrypto.Layer) -> None:
    mac = lane.transform("hmac(sha256)", key=b"k" * 32)
    tags = mac.mac_many(MESSAGES).wait()
    assert mac.verify_many(tags, MESSAGES).wait() == [None] * MANY
    tags[5] = tags[6]
    results = mac.verify_many(tags, MESSAGES, return_exceptions=True).wait()
    assert [at for at, result in enumerate(results) if result is not None] == [5]


def test_every_message_has_one_tag(lane: acrypto.Layer) -> None:
    signer, verifier = pair(lane, "ed25519")
    tags = signer.sign_many([b"a", b"b"]).wait()
    with pytest.raises(UsageError, match="2 tags for more messages"):
        verifier.verify_many(tags, [b"a", b"b", b"c"])
    with pytest.raises(UsageError, match="more tags than the 1 messages"):
        verifier.verify_many(tags, [b"a"])
    with pytest.raises(UsageError, match="only verifies"):
        verifier.sign_many([b"a"])
    assert verifier.try_verify_many([], []).wait() == signer.try_sign_many([]).wait() == []
