"""AES-XTS of runs of sectors: IEEE 1619's own, sector by sector, and beside cryptography."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import MIXED

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer

KEYS = {32: bytes(range(32)), 64: bytes(range(64))}
END = 1 << 128

#: Numbers of first sectors: small, at the carry into the upper half, at the end of all numbers, anything.
firsts = st.one_of(
    st.integers(0, 10),
    st.integers((1 << 64) - 6, (1 << 64) + 1),
    st.integers(END - 6, END - 1),
    st.integers(0, END - 1),
)
units = st.one_of(st.sampled_from((16, 512, 4096)), st.integers(1, 64).map(lambda blocks: 16 * blocks))


def tweak_of(number: int) -> bytes:
    """The number of a sector as dm-crypt's plain64 writes it, in 128 bits, after which it begins again at 0."""
    return (number % END).to_bytes(16, "little")


def by_cryptography(key: bytes, first: int, unit: int, data: bytes) -> bytes:
    made = b""
    for number in range(len(data) // unit):
        theirs = Cipher(AES(key), modes.XTS(tweak_of(first + number))).encryptor()
        made += theirs.update(data[number * unit : (number + 1) * unit]) + theirs.finalize()
    return made


@given(size=st.sampled_from((32, 64)), unit=units, count=st.integers(0, 6), first=firsts)
def test_a_run_is_its_sectors(layer: acrypto.Layer, size: int, unit: int, count: int, first: int) -> None:
    """A run gives what its sectors give one by one, ours and cryptography's, and turns back."""
    key, data = KEYS[size], MIXED[: unit * count]
    run, single = layer.transform("xts(aes)", key=key, unit=unit), layer.transform("xts(aes)", key=key)
    expected = by_cryptography(key, first, unit, data)
    assert run.encrypt(tweak_of(first), data).wait() == expected
    assert run.decrypt(tweak_of(first), expected).wait() == data
    sectors = [data[number * unit : (number + 1) * unit] for number in range(count)]
    singly = [single.encrypt(tweak_of(first + number), sector) for number, sector in enumerate(sectors)]
    assert b"".join(bytes(made.wait()) for made in singly) == expected


@given(
    size=st.sampled_from((32, 64)),
    unit=st.sampled_from((16, 48, 512)),
    first=firsts,
    cuts=st.lists(st.integers(0, 4096), max_size=6),
)
def test_pieces_into_and_many(layer: acrypto.Layer, size: int, unit: int, first: int, cuts: list[int]) -> None:
    """A run in pieces, cut anywhere, into the caller's memory, in batches and as one-shots: the same bytes."""
    count = 4096 // unit
    data = MIXED[: unit * count]
    expected = by_cryptography(KEYS[size], first, unit, data)
    transform = layer.transform("xts(aes)", key=KEYS[size], unit=unit)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    into = bytearray(len(data) + 1)
    assert transform.encrypt(tweak_of(first), pieces, into=into).wait() == len(data)
    assert into == expected + b"\0"
    assert transform.decrypt(tweak_of(first), into[:-1]).wait() == data
    sectors = [data[at : at + unit] for at in range(0, len(data), unit)]
    tweaks = [tweak_of(first + number) for number in range(count)]
    assert b"".join(map(bytes, transform.encrypt_many(tweaks, sectors).wait())) == expected
    assert acrypto.encrypt("xts(aes)", KEYS[size], tweak_of(first), data, unit=unit) == expected
    assert acrypto.decrypt("xts(aes)", KEYS[size], tweak_of(first), expected, unit=unit) == data


def test_ieee_1619(layer: acrypto.Layer) -> None:
    """Annex B: the plaintext of vectors 5 and 6 is the ciphertext of the one before, so that the three are one run."""
    key = bytes.fromhex("2718281828459045235360287471352631415926535897932384626433832795")
    starts = [
        "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c",
        "264d3ca8512194fec312c8c9891f279fefdd608d0c027b60483a3fa811d65ee5",
        "fa762a3680b76007928ed4a4f49a9456031b704782e65e16cecb54ed7d017b5e",
    ]
    transform, run = layer.transform("xts(aes)", key=key), layer.transform("xts(aes)", key=key, unit=512)
    chain = [bytes(range(256)) * 2]
    for number in range(3):
        chain.append(bytes(transform.encrypt(tweak_of(number), chain[-1]).wait()))
    assert [sector[:32].hex() for sector in chain[1:]] == starts
    assert run.encrypt(tweak_of(0), b"".join(chain[:3])).wait() == b"".join(chain[1:])


@pytest.mark.parametrize("mode", ["queued", "inline"])
@pytest.mark.parametrize("name", ["xts(aes)", "cryptd(xts(aes))"])
def test_a_run_of_many_megabytes(layer: acrypto.Layer, name: str, mode: str) -> None:
    """A run may be longer than the longest data unit."""
    data = bytes(20 << 20)
    made = layer.transform(name, key=KEYS[64], unit=4096).encrypt(tweak_of(5), data, mode=mode).wait(60)
    for number in (0, 1, 4095, 4096, 5119):
        at = number * 4096
        assert made[at : at + 4096] == by_cryptography(KEYS[64], 5 + number, 4096, bytes(4096))


def test_wrong_units(layer: acrypto.Layer) -> None:
    """What is no unit, or not whole units, is told with the value and the limit before anything is queued."""
    for unit in (0, 1, 15, 17, 500, (1 << 24) + 16):
        with pytest.raises(acrypto.UsageError, match=rf"unit is {unit} bytes.* multiple of 16, 16 to 16777216"):
            layer.transform("xts(aes)", key=KEYS[64], unit=unit)
    with pytest.raises(acrypto.UsageError, match="unit"):
        layer.transform("xts(aes)", key=KEYS[64], unit=-1)
    layer.transform("xts(aes)", key=KEYS[64], unit=1 << 24)
    transform = layer.transform("xts(aes)", key=KEYS[64], unit=512)
    for size in (1, 511, 513, 1040):
        with pytest.raises(acrypto.UsageError, match=rf"message is {size} bytes, xts\(aes\) takes whole units of 512"):
            transform.encrypt(bytes(16), bytes(size))
    with pytest.raises(acrypto.UsageError, match="halves"):
        layer.transform("xts(aes)", key=b"k" * 64, unit=512)
    with pytest.raises(acrypto.UsageError, match="takes no parameter unit"):
        layer.transform("cbc(aes)", key=KEYS[32], unit=512)


class OneUnit(Engine):
    """AES-XTS that knows nothing of runs."""

    name = "one-unit"

    def offers(self) -> Sequence[Offer]:
        return [Offer("xts(aes)", "xts-one-unit", 300)]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        for job in burst:
            work = acrypto.encrypt if job.operation == "encrypt" else acrypto.decrypt
            key = job.params["key"]
            job.complete([work("xts(aes)", key, nonce, source) for source, nonce, *_ in job.units])
        return len(burst)


def test_engines_proven_on_single_units_get_no_runs() -> None:
    """Self-tests know no runs: what an engine written in Python offers is not asked for one, others are."""
    with acrypto.open([OneUnit(), "software"]) as layer:
        assert layer.transform("xts(aes)", key=KEYS[64]).encrypt(bytes(16), bytes(32)).wait()
        run = layer.transform("xts(aes)", key=KEYS[64], unit=16)
        operation = run.encrypt(bytes(16), bytes(64))
        assert operation.wait() == by_cryptography(KEYS[64], 0, 16, bytes(64))
        assert operation.completion.driver == "xts-aes-awslc"
        with pytest.raises(acrypto.NoEngine, match="no runs of sectors"):
            layer.transform("xts-one-unit", key=KEYS[64], unit=16)
