"""What the kernel is asked: cases for kernel_answers.py, the same ones on every run or fresh ones from any seed.

`python -m tests.interop.kernel_cases DIR` writes DIR/cases.json; when DIR/cases.told holds the answers to it, it writes
DIR/more.json, which has the kernel open, whole and damaged, what it sealed. With FILE as a second argument and
DIR/more.told there, all of it is written to FILE, each case with its answer.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

Case = dict[str, Any]

#: Nothing, and both sides of the edges of AES, SHA-256 and SHA-512 blocks.
SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 200)
BLOCKS = tuple(size for size in SIZES if size % 16 == 0)
AES_KEYS = (16, 24, 32)
HASHES = (
    *("sha1", "sha224", "sha256", "sha384", "sha512"),
    *("sha3-224", "sha3-256", "sha3-384", "sha3-512"),
)


class Sealed(NamedTuple):
    """How an AEAD is asked: the sizes that it takes, and sizes beside them."""

    name: str
    keys: tuple[int, ...]  # of the cipher, with its salt
    mac_keys: tuple[int, ...] = ()  # with these the key is authenc's blob
    iv: int = 8
    ads: tuple[int, ...] = (16, 20)
    wrong_ads: tuple[int, ...] = ()
    tags: tuple[int, ...] = (16,)
    wrong_tags: tuple[int, ...] = ()
    sizes: tuple[int, ...] = SIZES
    wrong_sizes: tuple[int, ...] = ()


_IPSEC_ADS = (0, 8, 12, 15, 17, 24)
_IPSEC_TAGS = (0, 4, 11, 13, 17)

AEADS = (
    Sealed("gcm(aes)", AES_KEYS, iv=12, ads=(0, 1, 16, 40), tags=(4, 8, 12, 13, 14, 15, 16), wrong_tags=(0, 3, 5, 17)),
    Sealed("ccm(aes)", AES_KEYS, iv=16, ads=(0, 1, 16, 40), tags=(4, 6, 8, 10, 12, 14, 16), wrong_tags=(0, 5, 18)),
    Sealed("rfc7539(chacha20,poly1305)", (32,), iv=12, ads=(0, 1, 16, 40), wrong_tags=(0, 8, 12, 17)),
    Sealed("rfc4106(gcm(aes))", (20, 28, 36), wrong_ads=_IPSEC_ADS, tags=(8, 12, 16), wrong_tags=_IPSEC_TAGS),
    Sealed("rfc4543(gcm(aes))", (20, 28, 36), wrong_ads=_IPSEC_ADS, wrong_tags=(0, 4, 8, 12, 17)),
    Sealed("rfc4309(ccm(aes))", (19, 27, 35), wrong_ads=_IPSEC_ADS, tags=(8, 12, 16), wrong_tags=_IPSEC_TAGS),
    Sealed("rfc7539esp(chacha20,poly1305)", (36,), ads=(8, 16, 20, 24), wrong_ads=(0, 7), wrong_tags=(0, 8, 17)),
    Sealed(
        *("authenc(hmac(sha256),cbc(aes))", AES_KEYS, (32, 0, 20, 100), 16, (0, 8, 24), ()),
        *((4, 12, 16, 32, 1, 3), (0, 33), BLOCKS, (1, 15, 17)),
    ),
    Sealed(
        *("authenc(hmac(sha1),cbc(aes))", AES_KEYS, (20,), 16, (0, 8, 24), ()),
        *((12, 20), (0, 21), BLOCKS, (1,)),
    ),
    Sealed(
        *("authenc(hmac(sha512),rfc3686(ctr(aes)))", (20, 28, 36), (64, 200), 8, (0, 8, 16), ()),
        *((16, 32, 64), (0, 65), SIZES, ()),
    ),
    Sealed(
        *("authencesn(hmac(sha256),cbc(aes))", AES_KEYS, (32,), 16, (8, 12, 28), (0, 4, 7)),
        *((4, 12, 16, 32, 1), (0, 33), BLOCKS, (1, 17)),
    ),
    Sealed(
        *("essiv(authenc(hmac(sha256),cbc(aes)),sha256)", AES_KEYS, (32, 0, 100), 16, (24, 16, 40), (0, 8, 15)),
        *((16, 32), (0, 33), BLOCKS, (1, 17)),
    ),
)

#: Name, sizes of key and IV, sizes of messages, and sizes of messages that are wrong.
CIPHERS = (
    ("ecb(aes)", AES_KEYS, 0, BLOCKS, (1, 17)),
    ("cbc(aes)", AES_KEYS, 16, BLOCKS, (1, 17)),
    ("ctr(aes)", AES_KEYS, 16, SIZES, ()),
    ("xts(aes)", (32, 64), 16, tuple(size for size in SIZES if size >= 16), (0, 1, 15)),
    ("cts(cbc(aes))", AES_KEYS, 16, tuple(size for size in SIZES if size >= 16), (0, 1, 15)),
    ("rfc3686(ctr(aes))", (20, 28, 36), 8, SIZES, ()),
    ("essiv(cbc(aes),sha256)", AES_KEYS, 16, BLOCKS, (1, 17)),
)

_WRONG_KEYS = (0, 15, 33)
_SEQIV = "seqiv(rfc4106(gcm(aes)))"


_GCM = "gcm_base(ctr(aes-lib),ghash-lib)"
_AUTHENC = "authenc(hmac-sha256-lib,cbc(ecb(aes-lib)))"
_BOUND = {
    "rng": ("stdrng", "jitterentropy_rng"),
    "skcipher": (
        *("lrw(aes)", "adiantum(xchacha12,aes)", "ctr(des3_ede)", "cts(cbc(camellia))"),
        *(f"cryptd({inner})" for inner in ("cbc(ecb(aes-lib))", "ctr(aes-lib)", "xts(ecb(aes-lib))")),
    ),
    "aead": (
        *("aegis128", "echainiv(authenc(hmac(sha256),cbc(aes)))", "seqiv(rfc4309(ccm(aes)))"),
        "seqiv(rfc7539esp(chacha20,poly1305))",
        *(f"cryptd({inner})" for inner in (_GCM, f"rfc4106({_GCM})", _AUTHENC, f"seqiv(rfc4106({_GCM}))")),
    ),
    "hash": tuple(f"cryptd({inner})" for inner in ("sha256-lib", "hmac-sha256-lib", "sha3-256-lib")),
}
#: What is only looked up, for the kernel to list. A cryptd goes by its driver's name: it takes over the name of what it
#: wraps.
INSTANCES: list[Case] = [{"kind": kind, "name": name, "op": "bind"} for kind, names in _BOUND.items() for name in names]


def blob(mac_key: bytes, key: bytes) -> bytes:
    """The key of an authenc: a route attribute that holds the cipher's share in network order, then both keys."""
    return struct.pack("<HH", 8, 1) + struct.pack(">I", len(key)) + mac_key + key


def _hex(case: Case) -> Case:
    return {field: value.hex() if isinstance(value, bytes) else value for field, value in case.items()}


def _sealing(row: Sealed, dice: random.Random, which: int, **sizes: int) -> Case:
    """One AEAD case; what `sizes` does not fix walks through the sizes that the row takes."""

    def size(field: str, sized: tuple[int, ...]) -> int:
        return sizes.get(field, sized[which % len(sized)])

    key = dice.randbytes(size("key", row.keys))
    if row.mac_keys:
        key = blob(dice.randbytes(size("mac_key", row.mac_keys)), key)
    iv = dice.randbytes(size("iv", (row.iv,)))
    if row.name.startswith("ccm"):
        iv = b"\3" + iv[1:12] + bytes(4)  # a nonce of 11 bytes, and the counter's length less one
    ad, data = dice.randbytes(size("ad", row.ads)), dice.randbytes(size("data", row.sizes))
    if row.name.startswith(("rfc4", "rfc7539esp")) and len(ad) >= 8:
        ad = ad[:-8] + iv  # IPsec's associated data ends with the IV
    return _hex({
        "kind": "aead", "name": row.name, "op": "seal", "key": key, "iv": iv, "ad": ad, "data": data,
        "tag": size("tag", row.tags),
    })  # fmt: skip


def _sealed(dice: random.Random) -> Iterator[Case]:
    for row in AEADS:
        for which in range(max(len(row.sizes), len(row.tags), len(row.mac_keys))):
            yield _sealing(row, dice, which)
        for field, wrong in (("ad", row.wrong_ads), ("tag", row.wrong_tags), ("data", row.wrong_sizes)):
            for size in wrong:
                yield _sealing(row, dice, 3, **{field: size})
        for size in _WRONG_KEYS:
            yield _sealing(row, dice, 0, key=size)
        if row.mac_keys:
            good = _sealing(row, dice, 0)
            whole = bytes.fromhex(good["key"])
            wrong_header = (b"\7" + whole[1:], whole[:2] + b"\2" + whole[3:])
            for bad in (whole[:7], whole[:8], *wrong_header, whole[:8] + whole[-15:]):
                yield {**good, "key": bad.hex()}


def _ciphered(dice: random.Random) -> Iterator[Case]:
    for name, keys, iv, sizes, wrong in CIPHERS:
        for which, size in enumerate((*sizes, *wrong)):
            key = dice.randbytes(keys[which % len(keys)])
            start = b"\xff" * 15 + dice.randbytes(1) if name == "ctr(aes)" and which % 3 == 0 else dice.randbytes(iv)
            ask = {"kind": "skcipher", "name": name, "key": key, "data": dice.randbytes(size)}
            if iv:
                ask["iv"] = start
            yield _hex({**ask, "op": "encrypt"})
            yield _hex({**ask, "op": "decrypt"})
        for size in _WRONG_KEYS:
            ask = {"kind": "skcipher", "name": name, "op": "encrypt", "key": dice.randbytes(size), "data": bytes(16)}
            yield _hex({**ask, "iv": bytes(iv)} if iv else ask)


def _hashed(dice: random.Random) -> Iterator[Case]:
    for name in HASHES:
        for size in (0, 1, 200):
            yield _hex({"kind": "hash", "name": name, "op": "digest", "data": dice.randbytes(size)})
        for size, key_len in zip((0, 1, 55, 64, 135, 200), (1, 20, 64, 65, 144, 200), strict=True):
            key, data = dice.randbytes(key_len), dice.randbytes(size)
            yield _hex({"kind": "hash", "name": f"hmac({name})", "op": "digest", "key": key, "data": data})
        yield _hex({"kind": "hash", "name": f"hmac({name})", "op": "digest", "key": b"", "data": b"no key"})
    for key_len, size in ((16, 0), (24, 16), (32, 17), (16, 64)):
        key, data = dice.randbytes(key_len), dice.randbytes(size)
        yield _hex({"kind": "hash", "name": "cmac(aes)", "op": "digest", "key": key, "data": data})


def asked(seed: int) -> list[Case]:
    """Every sort of case once; the bytes, not the sizes, follow from the seed."""
    dice = random.Random(seed)
    return [*_sealed(dice), *_ciphered(dice), *_hashed(dice)]


def opened(cases: list[Case], answers: list[dict[str, str]], seed: int) -> list[Case]:
    """Has what was sealed opened: as it is, damaged in each of its parts, and cut."""
    dice = random.Random(seed)
    made: list[Case] = []
    names: dict[str, int] = {}
    for case, told in zip(cases, answers, strict=True):
        if case["op"] != "seal" or "out" not in told:
            continue
        names[case["name"]] = count = names.get(case["name"], 0) + 1
        if count % 3 != 1:
            continue
        ask = {**case, "op": "open", "data": told["out"]}
        made.append(ask)
        for part in ("data", "ad", "iv", "key") if count == 4 else ("data",):
            if ask[part]:
                damaged = bytearray.fromhex(ask[part])
                # Of the additional data the first byte: the last ones are the IV where it is a part of it.
                place = 0 if part == "ad" else -1 - dice.randrange(min(4, len(damaged)))
                damaged[place] ^= 1 << dice.randrange(8)
                made.append({**ask, part: damaged.hex()})
        if count == 4:
            made.append({**ask, "data": ask["data"][2:]})
            made.append({**ask, "data": ask["data"][: 2 * (ask["tag"] - 1)]})
    for ask in made:
        if ask["name"].startswith("essiv(authenc"):
            ask["ad"] = ask["ad"][:-32] + _encrypted_iv(ask).hex()
    return [*made, *_numbered(cases, answers)]


def _encrypted_iv(case: Case) -> bytes:
    """The IV that an essiv over authenc makes. With AF_ALG, which works out of place, ad has to end with it."""
    key, iv = bytes.fromhex(case["key"]), bytes.fromhex(case["iv"])
    split = len(key) - int.from_bytes(key[4:8], "big")
    salt = hashlib.sha256(key[split:] + key[8:split]).digest()
    encryptor = Cipher(AES(salt), modes.ECB()).encryptor()
    return encryptor.update(iv) + encryptor.finalize()


def _numbered(cases: list[Case], answers: list[dict[str, str]]) -> Iterator[Case]:
    """What rfc4106 sealed, as seqiv opens it: the IV lies before the message, no longer at the end of ad."""
    for case, told in zip(cases, answers, strict=True):
        if case["name"] == "rfc4106(gcm(aes))" and "out" in told and len(case["data"]) <= 66:
            iv, ad = case["iv"], case["ad"][:-16]
            ask = {**case, "name": _SEQIV, "op": "open", "iv": "00" * 8, "ad": ad, "data": iv + told["out"]}
            yield ask
            yield {**ask, "data": iv[:-1] + ("0" if iv[-1] != "0" else "1") + told["out"]}
    yield {**ask, "data": ask["data"][:14]}


def main(place: Path, whole: Path | None) -> None:
    """Writes the next file of cases, or what was asked and answered as one file."""
    told = [place / "cases.told", place / "more.told"]
    cases = asked(1)
    if not told[0].exists():
        (place / "cases.json").write_text(json.dumps(cases))
        return
    first = json.loads(told[0].read_text())
    more = opened(cases, first["answers"], 2)
    if whole is None:
        (place / "more.json").write_text(json.dumps(more + INSTANCES))
        return
    both = zip(cases + more, first["answers"] + json.loads(told[1].read_text())["answers"], strict=False)
    lines = [json.dumps({**case, **answer}, separators=(",", ":")) for case, answer in both]
    head = json.dumps({"kernel": first["kernel"], "made": str(datetime.date.today())})[:-1]
    whole.write_text(head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
