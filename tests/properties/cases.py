"""Every algorithm of the core with what it takes to run it, so that a law can be tested for all of them at once."""

from __future__ import annotations

import random
from typing import NamedTuple

import acrypto
from acrypto._core import algorithms

BLOCK_OF_MODE = {"cbc(aes)": 16, "ecb(aes)": 16, "cbc(des3_ede)": 8, "ecb(des3_ede)": 8}
NONCE_LEN = {"ecb(aes)": 0, "ecb(des3_ede)": 0, "cbc(des3_ede)": 8, "ctr(aes)": 16, "cbc(aes)": 16, "xts(aes)": 16}
KEY_LEN = {"xts(aes)": 64, "ecb(des3_ede)": 24, "cbc(des3_ede)": 24}
FORWARD = {"compression": "compress", "digest": "digest", "mac": "mac", "signature": "sign"}

#: Where blocks, pages, windows and our own thresholds begin and end.
SIZES = sorted(
    {*range(71), 69_999, 70_000}
    | {edge + off for edge in (128, 256, 4096, 8192, 16_384, 32_768, 65_536) for off in (-1, 0, 1)}
)


class Case(NamedTuple):
    """An algorithm, ready to run.

    Attributes:
        name, kind: as listed.
        parameters: of the transform.
        nonce: for what takes one.
        block: message sizes are multiples of it.
        least: the shortest message.
        repeatable: whether the same message gives the same bytes each time.
    """

    name: str
    kind: str
    parameters: dict[str, object]
    nonce: bytes
    block: int
    least: int
    repeatable: bool

    def takes(self, size: int) -> bool:
        """Whether a message may have this many bytes."""
        return size >= self.least and size % self.block == 0

    def fit(self, data: bytes) -> bytes:
        """The data as a message that the algorithm takes."""
        data = data.ljust(self.least, b"\0")
        return data[: len(data) // self.block * self.block]

    def transform(self, layer: acrypto.Layer) -> acrypto.Transform:
        """A new transform."""
        return layer.transform(self.name, **self.parameters)

    def forward(self, transform: acrypto.Transform, data: object, **wishes: object) -> acrypto.Operation:
        """Compresses, encrypts, digests, signs: whatever the algorithm is for."""
        if self.kind in {"cipher", "aead"}:
            return transform.encrypt(self.nonce, data, **wishes)
        return getattr(transform, FORWARD[self.kind])(data, **wishes)

    def backward(self, transform: acrypto.Transform, result: object, **wishes: object) -> acrypto.Operation:
        """The inverse, where there is one."""
        if self.kind == "compression":
            return transform.decompress(result, **wishes)
        return transform.decrypt(self.nonce, result, **wishes)

    def checks(self, transform: acrypto.Transform, data: bytes, result: object) -> None:
        """Fails unless `result` is right for `data`, as the algorithm itself can tell."""
        if self.kind in {"compression", "cipher", "aead"}:
            assert self.backward(transform, result).wait() == data
        elif self.kind in {"mac", "signature"}:
            assert transform.verify(result, data).wait() is None
        else:
            assert self.forward(transform, [data]).wait() == result


def _bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _case(row: dict[str, object]) -> Case:
    name, kind = str(row["name"]), str(row["kind"])
    parameters: dict[str, object] = {}
    if kind in {"mac", "cipher", "aead"}:
        parameters["key"] = _bytes(1, KEY_LEN.get(name, 32))
    elif kind == "signature":
        parameters["key"] = acrypto.generate_key(name)
    nonce = _bytes(2, NONCE_LEN.get(name, 12)) if kind in {"cipher", "aead"} else b""
    if name.startswith("stream("):
        nonce = nonce[:-1] + b"\1"
    least = 16 if name == "xts(aes)" else 0
    # PSS and ECDSA take random numbers.
    repeatable = name not in {"rsa", "ecdsa-nist-p256"}
    return Case(name, kind, parameters, nonce, BLOCK_OF_MODE.get(name, 1), least, repeatable)


#: All that turn a message of any size into something: neither agreement nor random bytes do.
CASES = [_case(row) for row in algorithms() if row["kind"] not in {"agreement", "random"}]
BY_NAME = {case.name: case for case in CASES}
REVERSIBLE = [case for case in CASES if case.kind in {"compression", "cipher", "aead"}]
COMPRESSORS = [case for case in CASES if case.kind == "compression"]
AEADS = [case for case in CASES if case.kind == "aead"]
CHECKABLE = [case for case in CASES if case.kind in {"mac", "signature"}]

#: Half like text, half noise: codecs meet literals, matches and stored blocks.
_TEXT = b"".join(b"line %d of some text that repeats itself, as text does\n" % (n % 977) for n in range(1200))
MATERIAL = _TEXT[:35_000] + _bytes(3, 20_000) + _TEXT[35_000:50_000]


def name_of(case: Case) -> str:
    """For pytest's ids."""
    return case.name
