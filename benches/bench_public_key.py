"""Signatures: 256 in a batch, by all workers, against `cryptography` called once for each."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from measure import Report, in_turns, per_call, quick

import acrypto

NUMBER, BYTES = 256, 100
ROUNDS = quick(7)
SAMPLE_S = quick(40, 2) / 1e3
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
#: Ours, its parameters, and what the peer's methods are given beside the message.
SCHEMES: tuple[tuple[str, str, dict[str, str], tuple[Any, ...]], ...] = (
    ("Ed25519", "ed25519", {}, ()),
    ("ECDSA P-256", "ecdsa-nist-p256", {}, (ec.ECDSA(hashes.SHA256()),)),
    ("RSA-2048, PSS", "rsa", {"padding": "pss"}, (PSS, hashes.SHA256())),
)


def key_of(name: str) -> Any:
    """The peer's private key, which ours is made of."""
    if name == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1()) if name != "rsa" else rsa.generate_private_key(65537, 2048)


def measured(report: Report, layer: acrypto.Layer) -> None:
    """Two rows of each scheme."""
    messages = [os.urandom(BYTES) for _ in range(NUMBER)]
    for title, name, parameters, given in SCHEMES:
        private = key_of(name)
        public = private.public_key()
        form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        signer = layer.transform(name, key=private.private_bytes(*form), **parameters)
        verifier = layer.transform(name, key=signer.public_key(), **parameters)
        signed = [private.sign(message, *given) for message in messages]
        pairs = list(zip(signed, messages, strict=True))
        work: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "sign": (
                lambda signer=signer: signer.sign_many(messages).wait(),
                lambda private=private, given=given: [private.sign(message, *given) for message in messages],
            ),
            "verify": (
                lambda verifier=verifier, signed=signed: verifier.verify_many(signed, messages).wait(),
                lambda public=public, given=given, pairs=pairs: [public.verify(*pair, *given) for pair in pairs],
            ),
        }
        for verb, (ours, peer) in work.items():
            samplers = {who: per_call(run, at_least_s=SAMPLE_S) for who, run in (("ours", ours), ("peer", peer))}
            samples = in_turns(samplers, ROUNDS)
            what = f"{title}, {verb} {NUMBER} of {BYTES} B, each (peer cryptography, one by one)"
            report.times(what, samples["ours"], "us", peer=samples["peer"], scale=1e6 / NUMBER)


def main() -> None:
    report = Report("public_key")
    with acrypto.open() as layer:
        report.raw["workers"] = layer.settings.workers
        measured(report, layer)
    report.finish()


if __name__ == "__main__":
    main()
