"""Known answers of authenticated encryption: seal, open, and what must not open."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from tests.vectors import nist
from tests.vectors.answer import Answer

from acrypto import AuthenticationError


def gcm(name: str) -> Iterator[Answer]:
    for bits in (128, 192, 256):
        path = f"ciphers/AES/GCM/gcmEncryptExtIV{bits}.rsp"
        for number, record in enumerate(nist.records(path, "tag")):
            key, nonce, ad, plain, cipher, tag = (
                bytes.fromhex(record[field]) for field in ("key", "iv", "aad", "pt", "ct", "tag")
            )
            parameters = {"key": key, "tag_len": len(tag)}
            yield Answer(name, "encrypt", (nonce, plain, ad), cipher + tag, f"{path} {number}", parameters)
        path = f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp"
        for number, record in enumerate(nist.records(path, "tag")):
            key, nonce, ad, cipher, tag = (bytes.fromhex(record[field]) for field in ("key", "iv", "aad", "ct", "tag"))
            expected = AuthenticationError if "fail" in record else bytes.fromhex(record["pt"])
            parameters = {"key": key, "tag_len": len(tag)}
            yield Answer(name, "decrypt", (nonce, cipher + tag, ad), expected, f"{path} {number}", parameters)


def ccm(name: str) -> Iterator[Answer]:
    for bits in (128, 192, 256):
        for kind in ("DVPT", "VADT", "VNT", "VPT", "VTT"):
            path = f"ciphers/AES/CCM/{kind}{bits}.rsp"
            for number, record in enumerate(nist.records(path, "ct")):
                key, nonce, box = (bytes.fromhex(record[field]) for field in ("key", "nonce", "ct"))
                # What is empty is written as 00.
                ad = bytes.fromhex(record["adata"])[: int(record["alen"])]
                parameters = {"key": key, "tag_len": int(record["tlen"])}
                origin = f"{path} {number}"
                if record.get("result") == "Fail":
                    yield Answer(name, "decrypt", (nonce, box, ad), AuthenticationError, origin, parameters)
                    continue
                plain = bytes.fromhex(record["payload"])[: int(record["plen"])]
                yield Answer(name, "decrypt", (nonce, box, ad), plain, origin, parameters)
                yield Answer(name, "encrypt", (nonce, plain, ad), box, origin, parameters)


def text(value: str) -> bytes:
    """A field of BoringSSL's file: hexadecimal, or text in quotes."""
    return value[1:-1].encode() if value.startswith('"') else bytes.fromhex(value)


def chacha(name: str) -> Iterator[Answer]:
    path = "ciphers/ChaCha20Poly1305/boringssl.txt"  # number 0 is RFC 8439 2.8.2
    for number, record in enumerate(nist.records(path, "tag")):
        key, nonce, plain, ad, cipher, tag = (
            text(record[field]) for field in ("key", "nonce", "in", "ad", "ct", "tag")
        )
        origin = f"{path} {number}"
        yield Answer(name, "encrypt", (nonce, plain, ad), cipher + tag, origin, {"key": key})
        yield Answer(name, "decrypt", (nonce, cipher + tag, ad), plain, origin, {"key": key})
    path = "ciphers/ChaCha20Poly1305/openssl.txt"
    for number, record in enumerate(nist.records(path, "tag")):
        key, nonce, plain, ad, cipher, tag = (
            bytes.fromhex(record[field]) for field in ("key", "iv", "plaintext", "aad", "ciphertext", "tag")
        )
        # One is a forgery; some nonces are of other lengths than RFC 8439's.
        if len(nonce) == 12:
            expected = AuthenticationError if "result" in record else plain
            yield Answer(name, "decrypt", (nonce, cipher + tag, ad), expected, f"{path} {number}", {"key": key})


def stream(name: str) -> Iterator[Answer]:
    """Unit by unit with pyca/cryptography's AEADs."""
    for key_len in (32,) if "chacha" in name else (16, 24, 32):
        key = bytes(range(0x80, 0x80 + key_len))
        aead = ChaCha20Poly1305(key) if "chacha" in name else AESGCM(key)
        for unit, size, first in ((16, 40, 255), (16, 48, 0), (65536, 65537, (1 << 88) - 2), (100, 0, 7)):
            message = bytes(at * 7 % 251 for at in range(size))
            cut = [message[at : at + unit] for at in range(0, size, unit)] or [b""]
            for flag in (0, 1) if size and not size % unit else (1,):
                nonces = [
                    (first + at).to_bytes(11, "big") + bytes([flag * (at == len(cut) - 1)]) for at in range(len(cut))
                ]
                box = b"".join(aead.encrypt(nonce, part, b"ad") for nonce, part in zip(nonces, cut, strict=True))
                start = first.to_bytes(11, "big") + bytes([flag])
                origin, parameters = f"pyca/cryptography, {size} bytes in {unit}", {"key": key, "unit": unit}
                yield Answer(name, "encrypt", (start, message, b"ad"), box, origin, parameters)
                yield Answer(name, "decrypt", (start, box, b"ad"), message, origin, parameters)
                wrong = start[:-1] + bytes([1 - flag])
                yield Answer(name, "decrypt", (wrong, box, b"ad"), AuthenticationError, origin, parameters)


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = {
    "gcm(aes)": gcm,
    "ccm(aes)": ccm,
    "chacha20-poly1305": chacha,
    "rfc7539(chacha20,poly1305)": chacha,
    "stream(chacha20-poly1305)": stream,
    "stream(gcm(aes))": stream,
}
