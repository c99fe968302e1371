"""Proves an offer before anybody may use it: published answers, laws, and comparison with the software engine.

Each deviation is one sentence in a `SelfTestFailed`: the law, and the case in which it was broken. Messages, keys and
nonces are random and differ from process to process; no law depends on which they are.
"""

from __future__ import annotations

from acrypto.registry.laws.known import known_answers
from acrypto.registry.laws.noise import Noise
from acrypto.registry.laws.trial import SelfTestFailed, Subject, Trial

__all__ = ["BUDGET_S", "SelfTestFailed", "Subject", "prove"]

#: Seconds that one offer may take. The software engine takes milliseconds; an engine written in Python, tenths.
BUDGET_S = 10.0


def prove(subject: Subject, *, budget: float = BUDGET_S, thorough: bool = False, seed: int | None = None) -> str:
    """Proves an offer.

    Args:
        subject: the offer.
        budget: seconds after which it has failed; a single operation is given up after a few.
        thorough: whether to take larger messages as well, as conformance tests do.
        seed: repeats a run's messages; by default each process has its own.

    Returns:
        What could not be asked: empty if there are published answers for the algorithm.

    Raises:
        SelfTestFailed: it broke a law.
        ClosedError: its layer was closed meanwhile.
    """
    trial = Trial(subject, Noise(seed), budget=budget, thorough=thorough)
    number = known_answers(trial)
    match subject.kind:
        case "compression":
            from acrypto.registry.laws.compression import compression as laws
        case "digest":
            from acrypto.registry.laws.digest import digest as laws
        case "mac":
            from acrypto.registry.laws.digest import mac as laws
        case "cipher":
            from acrypto.registry.laws.cipher import cipher as laws
        case "aead":
            from acrypto.registry.laws.aead import aead as laws
        case "signature":
            from acrypto.registry.laws.public_key import signature as laws
        case "agreement":
            from acrypto.registry.laws.public_key import agreement as laws
        case "random":
            from acrypto.registry.laws.generator import generator as laws
        case other:
            raise SelfTestFailed(f"an offer's kind is known: {other!r} is not")
    laws(trial)
    return "" if number else "no published answers: laws only"
