"""Digests, tags, seals and what was opened, one after the other in one piece of memory: the bytes of one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acrypto
from acrypto.engines.multibuffer import Multibuffer

ENGINES = ["software"] if Multibuffer().probe() else ["software", "multibuffer"]
AEADS: dict[str, tuple[bytes, int]] = {
    "gcm(aes)": (bytes(16), 12),
    "ccm(aes)": (bytes(16), 11),
    "chacha20-poly1305": (bytes(32), 12),
    "authenc(hmac(sha256),cbc(aes))": (bytes([8, 0, 1, 0, 0, 0, 0, 16]) + bytes(48), 16),
}
#: As many blocks each: of one size, which has each result written to its place, or of several.
blocks = st.one_of(
    st.tuples(st.integers(1, 20), st.integers(1, 40)).map(lambda pair: [pair[0]] * pair[1]),
    st.lists(st.integers(1, 20), min_size=1, max_size=40),
)


@pytest.fixture(scope="module", params=ENGINES)
def one(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    with acrypto.open([request.param]) as opened:
        yield opened


def marked(blocks: list[int]) -> list[bytes]:
    return [bytes([number + 1]) * 16 * size for number, size in enumerate(blocks)]


@given(blocks=blocks)
def test_packed_digests_and_tags_are_those_of_the_list(one: acrypto.Layer, blocks: list[int]) -> None:
    messages = marked(blocks)
    for start in (one.transform("sha256").digest_many, one.transform("hmac(sha256)", key=b"k").mac_many):
        wanted = list(start(messages).wait(30))
        room = bytearray(32 * len(messages))
        assert [bytes(result) for result in start(messages, packed=True).wait(30)] == wanted
        assert start(messages, packed=True, into=room).wait(30).nbytes == len(room)
        assert room == b"".join(wanted)


@pytest.mark.parametrize("name", AEADS)
@given(blocks=blocks, forged=st.sets(st.integers(0, 39), max_size=3))
def test_packed_seals_open_again_and_forged_ones_leave_no_plaintext(
    one: acrypto.Layer, name: str, blocks: list[int], forged: set[int]
) -> None:
    key, nonce_len = AEADS[name]
    aead, messages = one.transform(name, key=key), marked(blocks)
    nonces = [bytes([number]) * nonce_len for number in range(len(messages))]
    sealed = [bytes(box) for box in aead.encrypt_many(nonces, messages, packed=True).wait(30)]
    assert sealed == [bytes(box) for box in aead.encrypt_many(nonces, messages).wait(30)]
    forged = {number for number in forged if number < len(messages)}
    for number in forged:
        sealed[number] = sealed[number][:-1] + bytes([sealed[number][-1] ^ 1])
    room = bytearray(sum(map(len, messages)))
    batch = aead.decrypt_many(nonces, sealed, packed=True, into=room, return_exceptions=True).wait(30)
    assert set(batch.errors) == forged
    for number, message in enumerate(messages):
        if number in forged:
            assert isinstance(batch.errors[number], acrypto.AuthenticationError)
            assert message not in room
        else:
            assert batch[number] == message
    if forged:
        with pytest.raises(acrypto.AuthenticationError):
            aead.decrypt_many(nonces, sealed, packed=True, into=room).wait(30)
