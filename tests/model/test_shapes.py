"""The sizes of algorithms: those of their standards, of this machine's kernel, and of what the core makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import acrypto
from acrypto import _core
from acrypto.model.shapes import BASES, RULES, Shape, shape_of

FIELDS = ("block", "digest", "min_key", "max_key", "nonce", "tag")

STATED = {
    # name: block, digest, shortest key, longest key, nonce, tag
    "sha1": (64, 20, 0, 0, 0, 0),
    "sha512": (128, 64, 0, 0, 0, 0),
    "sha3-384": (104, 48, 0, 0, 0, 0),
    "blake2b": (128, 64, 0, 0, 0, 0),
    "blake3": (64, 32, 0, 0, 0, 0),
    "crc32": (1, 4, 0, 0, 0, 0),
    "hmac(sha256)": (64, 32, 0, 64, 0, 0),
    "hmac(sha3-224)": (144, 28, 0, 144, 0, 0),
    "cmac(aes)": (16, 16, 16, 32, 0, 0),
    "xcbc(aes)": (16, 16, 16, 16, 0, 0),
    "ecb(aes)": (16, 0, 16, 32, 0, 0),
    "cbc(aes)": (16, 0, 16, 32, 16, 0),
    "cbc(des3_ede)": (8, 0, 24, 24, 8, 0),
    "ctr(aes)": (1, 0, 16, 32, 16, 0),
    "xts(aes)": (16, 0, 32, 64, 16, 0),
    "lrw(aes)": (16, 0, 32, 48, 16, 0),
    "cts(cbc(aes))": (16, 0, 16, 32, 16, 0),
    "essiv(cbc(aes),sha256)": (16, 0, 16, 32, 16, 0),
    "rfc3686(ctr(aes))": (1, 0, 20, 36, 8, 0),
    "adiantum(xchacha12,aes)": (16, 0, 32, 32, 32, 0),
    "gcm(aes)": (1, 0, 16, 32, 12, 16),
    "ccm(aes)": (1, 0, 16, 32, 13, 16),
    "chacha20-poly1305": (1, 0, 32, 32, 12, 16),
    "rfc7539(chacha20,poly1305)": (1, 0, 32, 32, 12, 16),
    "rfc7539esp(chacha20,poly1305)": (1, 0, 36, 36, 8, 16),
    "rfc4106(gcm(aes))": (1, 0, 20, 36, 8, 16),
    "rfc4543(gcm(aes))": (1, 0, 20, 36, 8, 16),
    "rfc4309(ccm(aes))": (1, 0, 19, 35, 8, 16),
    "seqiv(rfc4106(gcm(aes)))": (1, 0, 20, 36, 8, 16),
    "authenc(hmac(sha256),cbc(aes))": (16, 0, 24, 104, 16, 32),
    "authenc(hmac(sha1),rfc3686(ctr(aes)))": (1, 0, 28, 108, 8, 20),
    "authencesn(hmac(sha512),cbc(aes))": (16, 0, 24, 168, 16, 64),
    "essiv(authenc(hmac(sha256),cbc(aes)),sha256)": (16, 0, 24, 104, 16, 32),
    "cryptd(cbc(aes))": (16, 0, 16, 32, 16, 0),
    "pcrypt(rfc4106(gcm(aes)))": (1, 0, 20, 36, 8, 16),
}


@pytest.mark.parametrize("name", STATED)
def test_sizes_are_those_of_the_standard(name: str) -> None:
    shape = shape_of(name)
    assert tuple(getattr(shape, field) for field in FIELDS) == STATED[name]


@pytest.mark.parametrize(
    "name", ["deflate", "nosuch", "hmac(nosuch)", "cbc(nosuch(aes))", "cbc(aes,aes)", "authenc(sha256)", "hmac(crc32)"]
)
def test_what_is_not_known_has_no_sizes(name: str) -> None:
    """Nor what has none, nor what takes another number of parts, nor HMAC over a checksum."""
    assert shape_of(name) == Shape()
    assert not shape_of(name)


def test_what_is_no_name_is_a_mistake() -> None:
    with pytest.raises(acrypto.UsageError, match="column 5"):
        shape_of("cbc(")


@pytest.mark.parametrize("base", sorted({base for base, _ in RULES}))
def test_each_rule_holds_for_any_parts(base: str) -> None:
    """No part makes a rule fail, or a size negative, or the shortest key longer than the longest."""
    count = next(count for name, count in RULES if name == base)
    for part in BASES:
        shape = shape_of(f"{base}({','.join([part] * count)})")
        assert min(shape.as_dict().values()) >= 0
        assert shape.min_key <= shape.max_key


@pytest.mark.parametrize("row", _core.algorithms(), ids=lambda row: row["name"])
def test_the_core_makes_what_the_sizes_say(row: dict[str, str]) -> None:
    """Digests, tags and boxes are as long as told, with the shortest and the longest key and with such a nonce."""
    shape, name = shape_of(row["name"]), row["name"]
    assert bool(shape) == (row["kind"] in {"digest", "mac", "cipher", "aead"})
    with acrypto.open(settings=acrypto.Settings(workers=1, allow_insecure=True)) as layer:
        for size in {shape.min_key, shape.max_key}:
            # Two halves that differ, which XTS asks for; and the three keys of DES. The end of a stream at the end.
            key, nonce = bytes(range(size)), bytes(shape.nonce)[:-1] + b"\1" * bool(shape.nonce)
            data = bytes(4 * max(shape.block, 1))
            if row["kind"] == "digest":
                assert len(layer.digest(name, data).wait()) == shape.digest
            elif row["kind"] == "mac":
                assert len(layer.transform(name, key=key).mac(data).wait()) == shape.digest
            elif row["kind"] == "cipher":
                assert len(layer.transform(name, key=key).encrypt(nonce, data).wait()) == len(data)
            elif row["kind"] == "aead":
                transform = layer.transform(name, key=key, tag_len=shape.tag)
                assert len(transform.encrypt(nonce, data).wait()) == len(data) + shape.tag


def kernel() -> dict[str, dict[str, int]]:
    """Name to sizes, of the file /proc/crypto."""
    try:
        text = Path("/proc/crypto").read_text(encoding="ascii")
    except FileNotFoundError:
        return {}
    labels = {
        "blocksize": "block",
        "digestsize": "digest",
        "ivsize": "nonce",
        "min keysize": "min_key",
        "max keysize": "max_key",
        "maxauthsize": "tag",
    }
    found = {}
    for block in text.split("\n\n"):
        facts = dict(re.findall(r"^(.+?) *: (.*)$", block, re.MULTILINE))
        if facts:
            found[facts["name"]] = {labels[name]: int(value) for name, value in facts.items() if name in labels}
    return found


def test_sizes_are_those_of_this_kernel() -> None:
    """Where both know the name. A kernel lists keys of ciphers alone, and counts the nonce of CCM as a block."""
    listed = kernel()
    if not listed:
        pytest.skip("no /proc/crypto here")
    known = {name: sizes for name, sizes in listed.items() if shape_of(name) and "ccm(" not in name}
    if not known:
        pytest.skip("/proc/crypto lists nothing that is known here")
    for name, sizes in known.items():
        shape = shape_of(name)
        assert {field: getattr(shape, field) for field in sizes} == sizes, name


def test_shapes_are_compared_by_their_sizes() -> None:
    assert shape_of("sha256") == Shape(block=64, digest=32) != Shape(block=64, digest=20)
    assert len({shape_of("sha256"), Shape(block=64, digest=32)}) == 1
    assert shape_of("sha256") != "sha256"
    assert repr(shape_of("sha256")) == "Shape(block=64, digest=32)"
    assert repr(Shape()) == "Shape()"
