"""Signatures and key agreement. Few operations: they are slow. Keys are fixed ones: none is generated."""

from __future__ import annotations

from acrypto import _core
from acrypto.model.errors import AuthenticationError, UsageError
from acrypto.registry.known_answers.public_keys import signing_key
from acrypto.registry.laws.noise import flipped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.registry.laws.trial import Trial


def signature(trial: Trial) -> None:
    """The laws of signatures; of an algorithm whose keys we do not know, none."""
    key = signing_key(trial.subject.name)
    if key is None:
        return
    signer = trial.made(key=key)
    public = _core.public_key(trial.subject.name, key)
    verifier = trial.made(key=public)
    judge = trial.judge(key=public)
    for size in (0, 1, 130):
        message = trial.noise.draw(size)
        signed = bytes(trial.run(f"sign of {size} bytes", signer.sign, message))
        trial.run(f"verify of {size} bytes", verifier.verify, signed, message)
        if judge is not None:
            with_judge = f"a signature of {size} bytes"
            trial.run(f"{with_judge}, checked by the software engine", judge.verify, signed, message)
    trial.run("verify of segments", signer.verify, signed, trial.noise.cuts(message))
    signed = bytes(trial.run("sign of segments", signer.sign, trial.noise.cuts(message)))
    trial.run("verify of what was signed in segments", verifier.verify, signed, message)
    law = "a wrong signature is refused"
    for case, wrong in (
        ("changed at its first byte", flipped(signed, 0)),
        ("changed in the middle", flipped(signed, len(signed) // 2)),
        ("changed at its last byte", flipped(signed, len(signed) - 1)),
        ("cut", signed[:-1]),
        ("of no bytes", b""),
        ("of zeros", bytes(len(signed))),
    ):
        trial.refuses(AuthenticationError, law, f"one {case}", verifier.verify, wrong, message)
    law = "a signature belongs to one message"
    for case, other in (
        ("changed in its first byte", flipped(message, 0)),
        ("changed in its last byte", flipped(message, len(message) - 1)),
        ("of no bytes", b""),
    ):
        trial.refuses(AuthenticationError, law, f"a message {case}", verifier.verify, signed, other)
    trial.refuses(UsageError, "a public key cannot sign", "sign", verifier.sign, message)
    trial.refuses_key(9, trial.noise.draw(9), lambda made: trial.wait("sign", made.sign, message))


def agreement(trial: Trial) -> None:
    """The laws of key agreement; only x25519 takes any bytes for a key."""
    if trial.subject.name != "x25519":
        return
    key, base = trial.noise.draw(32), bytes([9]) + bytes(31)
    other = trial.noise.draw(32)
    one, two = trial.made(key=key), trial.made(key=other)
    # RFC 7748 6.1: the public key is the scalar times the base point.
    public = [bytes(trial.run("agree with the base point", each.agree, base)) for each in (one, two)]
    secret = bytes(trial.run("agree", one.agree, public[1]))
    trial.law(secret == trial.run("agree", two.agree, public[0]), "both sides get the same secret", "random keys")
    judge = trial.judge(key=key)
    if judge is not None:
        right = judge.agree(public[1]).wait()
        trial.law(secret == right, "it gives what the software engine gives", "random keys")
    trial.fits("agree", len(secret), one.agree, public[1], content=secret)
    for size in (31, 33):
        peer = trial.noise.draw(size)
        trial.refuses((UsageError, AuthenticationError), "a wrong peer is refused", f"{size} bytes", one.agree, peer)
        trial.refuses_key(size, trial.noise.draw(size), lambda made: trial.wait("agree", made.agree, base))
