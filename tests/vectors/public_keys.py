"""Known answers of signatures and key agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.vectors import der, nist
from tests.vectors.answer import Answer

from acrypto import AuthenticationError

HASHES = ("sha256", "sha384", "sha512")
MODULI = ("2048", "3072", "4096")


def ed25519(name: str) -> Iterator[Answer]:
    path = "asymmetric/Ed25519/sign.input"
    for number, line in enumerate((nist.ROOT / path).read_text(encoding="ascii").splitlines()):
        seed_and_public, public_hex, message_hex, signed, *_ = line.split(":")
        seed, public, message = (bytes.fromhex(f) for f in (seed_and_public[:64], public_hex, message_hex))
        signature = bytes.fromhex(signed)[:64]
        forged = signature[:32] + bytes([signature[32] ^ 1]) + signature[33:]
        spki = {"key": der.public(der.ED25519, public)}
        yield Answer(name, "sign", (message,), signature, f"{path} {number}", {"key": seed})
        yield Answer(name, "verify", (signature, message), None, f"{path} {number}", spki)
        yield Answer(name, "verify", (forged, message), AuthenticationError, f"{path} {number}, forged", spki)


def ecdsa(name: str) -> Iterator[Answer]:
    path = "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"
    for number, record in enumerate(nist.records(path, "r")):
        curve, hash_ = record["section"].split(",")
        if curve != "P-256" or hash_ not in {"SHA-256", "SHA-384"}:
            continue
        point = b"\4" + bytes.fromhex(record["qx"].zfill(64) + record["qy"].zfill(64))
        signature = der.sequence(*(der.integer(int(record[field], 16)) for field in "rs"))
        expected = None if record["result"].startswith("P") else AuthenticationError
        parameters = {"key": der.public(der.P256, point), "hash": hash_.replace("-", "").lower()}
        message = bytes.fromhex(record["msg"])
        yield Answer(name, "verify", (signature, message), expected, f"{path} {number}", parameters)


def pkcs1(name: str) -> Iterator[Answer]:
    path = "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"
    for number, record in enumerate(nist.records(path, "s")):
        hash_ = record["shaalg"].lower()
        if record["mod"] not in MODULI or hash_ not in HASHES:
            continue
        n, e, d, p, q = (int(record[field], 16) for field in "nedpq")
        message, signature = bytes.fromhex(record["msg"]), bytes.fromhex(record["s"])
        asked = {"hash": hash_, "padding": "pkcs1"}
        public = asked | {"key": der.public(der.RSA, der.sequence(der.integer(n), der.integer(e)))}
        origin = f"{path} {number}"
        if record["result"].startswith("P"):
            yield Answer(name, "verify", (signature, message), None, origin, public)
            yield Answer(name, "sign", (message,), signature, origin, asked | {"key": der.rsa_private(n, e, d, p, q)})
        elif "Public Key e changed" not in record["result"]:
            yield Answer(name, "verify", (signature, message), AuthenticationError, origin, public)


def pss(name: str) -> Iterator[Answer]:
    # NIST's have other salts than ours, which are as long as the hash: those must not verify.
    path = "asymmetric/RSA/FIPS_186-2/SigVerPSS_186-3.rsp"
    for number, record in enumerate(nist.records(path, "s")):
        hash_ = record["shaalg"].lower()
        if record["mod"] not in MODULI or hash_ not in HASHES or "Public Key e changed" in record["result"]:
            continue
        key = der.public(der.RSA, der.sequence(*(der.integer(int(record[field], 16)) for field in "ne")))
        arguments = (bytes.fromhex(record["s"]), bytes.fromhex(record["msg"]))
        yield Answer(name, "verify", arguments, AuthenticationError, f"{path} {number}", {"key": key, "hash": hash_})
    # Certificates that OpenSSL signed with themselves.
    for path in ("x509/custom/rsa_pss_cert.pem", "x509/custom/rsa_pss_sha256_no_null.pem"):
        certificate = x509.load_pem_x509_certificate((nist.ROOT / path).read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        signed, signature = certificate.tbs_certificate_bytes, certificate.signature
        for parameters in ({"key": key}, {"key": key, "padding": "pss", "hash": "sha256"}):
            yield Answer(name, "verify", (signature, signed), None, path, parameters)
        yield Answer(name, "verify", (signature, signed[:-1]), AuthenticationError, path, {"key": key})
        wrong = {"key": key, "hash": "sha512"}
        yield Answer(name, "verify", (signature, signed), AuthenticationError, path, wrong)


def rsa(name: str) -> Iterator[Answer]:
    yield from pkcs1(name)
    yield from pss(name)


def x25519(name: str) -> Iterator[Answer]:
    path = "asymmetric/X25519/rfc7748.txt"
    for number, record in enumerate(nist.records(path, "output_u")):
        scalar, peer, secret = (bytes.fromhex(record[field]) for field in ("input_scalar", "input_u", "output_u"))
        origin = f"{path} {number}"
        yield Answer(name, "agree", (peer,), secret, origin, {"key": scalar})
        yield Answer(name, "agree", (der.public(der.X25519, peer),), secret, origin, {"key": scalar})
        wrapped = {"key": der.private(der.X25519, der.wrap(4, scalar))}
        yield Answer(name, "agree", (peer,), secret, f"{origin}, PKCS #8", wrapped)
        # RFC 7748 6.1: a point of small order gives no secret.
        for point in (bytes(32), b"\1" + bytes(31)):
            yield Answer(name, "agree", (point,), AuthenticationError, f"{origin}, small order", {"key": scalar})


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = {
    "ed25519": ed25519,
    "ecdsa-nist-p256": ecdsa,
    "rsa": rsa,
    "x25519": x25519,
}
