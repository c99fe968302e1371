"""Sealed messages in one piece of memory: what fails takes no room and shows nothing."""

from __future__ import annotations

import errno

import pytest

import acrypto
from acrypto.engines.multibuffer import Multibuffer

NONCES = [bytes([index]) * 12 for index in range(8)]
MESSAGES = [bytes([index]) * 100 for index in range(8)]


@pytest.mark.parametrize(("name", "size"), [("gcm(aes)", 32), ("ccm(aes)", 16), ("chacha20-poly1305", 32)])
@pytest.mark.parametrize("engine", ["software", "multibuffer"])
@pytest.mark.parametrize("wrong", [{3}, {0}, {7}, {0, 2, 7}], ids=str)
def test_packed_messages_follow_one_another_though_some_are_refused(
    name: str, size: int, engine: str, wrong: set[int]
) -> None:
    if engine == "multibuffer" and (absent := Multibuffer().probe()):
        pytest.skip(absent.reason)
    with acrypto.open([engine]) as layer:
        aead = layer.transform(name, key=bytes(size))
        sealed = [bytearray(box) for box in aead.encrypt_many(NONCES, MESSAGES).wait(60)]
        for index in wrong:
            sealed[index][-1] ^= 1
        right = b"".join(message for index, message in enumerate(MESSAGES) if index not in wrong)
        memory = bytearray(b"\xee" * 900)
        for into in (None, memory):
            batch = aead.decrypt_many(NONCES, sealed, packed=True, into=into, return_exceptions=True).wait(60)
            assert set(batch.errors) == wrong
            assert all(isinstance(error, acrypto.AuthenticationError) for error in batch.errors.values())
            assert batch.nbytes == len(right)
            assert bytes(batch.buffer)[: batch.nbytes] == right
            assert list(batch.lengths) == [-errno.EBADMSG if index in wrong else 100 for index in range(8)]
            assert [bytes(batch[index]) for index in range(8) if index not in wrong] == [
                message for index, message in enumerate(MESSAGES) if index not in wrong
            ]
        assert all(MESSAGES[index] not in bytes(memory) for index in wrong if index)
        with pytest.raises(acrypto.AuthenticationError):
            aead.decrypt_many(NONCES, sealed, packed=True).wait(60)


def test_no_messages_need_no_nonces() -> None:
    with acrypto.open() as layer:
        aead = layer.transform("gcm(aes)", key=bytes(32))
        assert aead.encrypt_many(b"", []).wait(60) == []
        assert aead.decrypt_many(bytearray(), []).wait(60) == []
        with pytest.raises(acrypto.UsageError, match="12 bytes of nonces for 0 messages"):
            aead.encrypt_many(bytes(12), [])
