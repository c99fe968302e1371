"""Known answers of ciphers without authentication, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from tests.vectors import nist
from tests.vectors.answer import Answer

KINDS = ("GFSbox", "KeySbox", "VarKey", "VarTxt", "MMT")
DES_KINDS = ("invperm", "permop", "subtab", "varkey", "vartext", "MMT1", "MMT2", "MMT3")


def both(name: str, key: bytes, nonce: bytes, plain: bytes, cipher: bytes, origin: str) -> Iterator[Answer]:
    yield Answer(name, "encrypt", (nonce, plain), cipher, origin, {"key": key})
    yield Answer(name, "decrypt", (nonce, cipher), plain, origin, {"key": key})


def from_file(name: str, path: str) -> Iterator[Answer]:
    for number, record in enumerate(nist.records(path, "ciphertext")):
        single = record.get("keys")
        # One key of triple DES stands for three; NIST's MMT2 has two and repeats the first itself.
        key = record.get("key") or (single * 3 if single else record["key1"] + record["key2"] + record["key3"])
        fields = (key, record.get("iv", ""), record["plaintext"], record["ciphertext"])
        yield from both(name, *map(bytes.fromhex, fields), f"{path} {number}")


def aes(name: str) -> Iterator[Answer]:
    mode = name.partition("(")[0].upper()
    for bits in (128, 192, 256):
        for kind in KINDS:
            yield from from_file(name, f"ciphers/AES/{mode}/{mode}{kind}{bits}.rsp")


def ctr(name: str) -> Iterator[Answer]:
    for bits in (128, 192, 256):
        yield from from_file(name, f"ciphers/AES/CTR/aes-{bits}-ctr.txt")


def xts(name: str) -> Iterator[Answer]:
    for bits in (128, 256):
        path = f"ciphers/AES/XTS/tweak-128hexstr/XTSGenAES{bits}.rsp"
        for number, record in enumerate(nist.records(path, "ct")):
            if int(record["dataunitlen"]) % 8 == 0:  # some are not whole bytes
                fields = (record["key"], record["i"], record["pt"], record["ct"])
                yield from both(name, *map(bytes.fromhex, fields), f"{path} {number}")


def xts_numbered(name: str) -> Iterator[Answer]:
    """Data units by their number, as runs of one sector where they are whole blocks."""
    for bits in (128, 256):
        path = f"ciphers/AES/XTS/tweak-dataunitseqno/XTSGenAES{bits}.rsp"
        for number, record in enumerate(nist.records(path, "ct")):
            if int(record["dataunitlen"]) % 8 == 0:
                key, plain, cipher = (bytes.fromhex(record[field]) for field in ("key", "pt", "ct"))
                tweak = int(record["dataunitseqnumber"]).to_bytes(16, "little")
                unit: dict[str, object] = {} if len(plain) % 16 else {"unit": len(plain)}
                for answer in both(name, key, tweak, plain, cipher, f"{path} {number}"):
                    yield answer._replace(parameters=answer.parameters | unit)


def des(name: str) -> Iterator[Answer]:
    mode = name.partition("(")[0].upper()
    for kind in DES_KINDS:
        yield from from_file(name, f"ciphers/3DES/{mode}/T{mode}{kind}.rsp")


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = {
    "ecb(aes)": aes,
    "cbc(aes)": aes,
    "ctr(aes)": ctr,
    "xts(aes)": lambda name: chain(xts(name), xts_numbered(name)),
    "ecb(des3_ede)": des,
    "cbc(des3_ede)": des,
}
