"""Digests and MACs in both forms."""

from __future__ import annotations

import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.codecs import cut

import acrypto
from acrypto.kernel import (
    CRYPTO_ALG_ASYNC,
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    DECLARE_CRYPTO_WAIT,
    EINPROGRESS,
    EINVAL,
    ENOENT,
    ENOKEY,
    ENOSYS,
    ERR_PTR,
    IS_ERR,
    Kernel,
    ShashDesc,
    ahash_request_alloc,
    ahash_request_free,
    ahash_request_set_callback,
    ahash_request_set_crypt,
    boot,
    crypto_ahash_alg_name,
    crypto_ahash_blocksize,
    crypto_ahash_digest,
    crypto_ahash_digestsize,
    crypto_ahash_driver_name,
    crypto_ahash_final,
    crypto_ahash_finup,
    crypto_ahash_import,
    crypto_ahash_init,
    crypto_ahash_setkey,
    crypto_ahash_statesize,
    crypto_ahash_update,
    crypto_alloc_ahash,
    crypto_alloc_shash,
    crypto_free_ahash,
    crypto_free_shash,
    crypto_req_done,
    crypto_shash_blocksize,
    crypto_shash_digestsize,
    crypto_shash_driver_name,
    crypto_shash_export,
    crypto_shash_final,
    crypto_shash_finup,
    crypto_shash_import,
    crypto_shash_init,
    crypto_shash_setkey,
    crypto_shash_statesize,
    crypto_shash_tfm_digest,
    crypto_shash_update,
    crypto_wait_req,
)
from acrypto.kernel.context import MAX_EXPORTS

MESSAGE = bytes(range(256)) * 20


@pytest.mark.parametrize("name", ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "blake2b-256"])
def test_digests(kernel: Kernel, name: str) -> None:
    """The digest is the standard library's, at once or in steps; sizes are told."""
    tfm = crypto_alloc_shash(name)
    assert not IS_ERR(tfm)
    like = hashlib.blake2b(MESSAGE, digest_size=32) if "blake" in name else hashlib.new(name.replace("-", "_"), MESSAGE)
    assert crypto_shash_digestsize(tfm) == like.digest_size
    assert crypto_shash_blocksize(tfm) == like.block_size
    out = bytearray(like.digest_size + 3)
    assert crypto_shash_tfm_digest(tfm, MESSAGE, len(MESSAGE), out) == 0
    assert out == like.digest() + bytes(3)
    desc, steps = ShashDesc(tfm), bytearray(like.digest_size)
    assert crypto_shash_init(desc) == 0
    for start in range(0, len(MESSAGE), 1000):
        assert crypto_shash_update(desc, MESSAGE[start : start + 1000]) == 0
    assert crypto_shash_final(desc, steps) == 0
    assert steps == like.digest()
    assert crypto_shash_final(desc, steps) == -EINVAL
    assert crypto_shash_setkey(tfm, b"k") == -ENOSYS
    crypto_free_shash(tfm)
    with pytest.raises(acrypto.UsageError, match="freed"):
        crypto_shash_digestsize(tfm)


def test_checksums_are_the_kernels(kernel: Kernel) -> None:
    """crc32c has the lowest byte first; the kernel's crc32 is another function than ours, and is not there."""
    out = bytearray(4)
    assert crypto_shash_tfm_digest(crypto_alloc_shash("crc32c"), b"123456789", 9, out) == 0
    assert int.from_bytes(out, "little") == 0xE3069283
    assert crypto_alloc_shash("crc32") == ERR_PTR(-ENOENT)
    assert zlib.crc32(b"123456789") == 0xCBF43926  # the kernel's is 0x2DFD2D88


def test_macs(kernel: Kernel) -> None:
    """A MAC needs a key, of a length that it takes; the tag is the standard library's."""
    tfm, out = crypto_alloc_shash("hmac(sha256)"), bytearray(32)
    desc = ShashDesc(tfm)
    assert crypto_shash_init(desc) == -ENOKEY
    assert crypto_shash_tfm_digest(tfm, b"x", 1, out) == -ENOKEY
    assert crypto_shash_setkey(tfm, b"key", 4) == -EINVAL
    assert crypto_shash_setkey(tfm, b"key and more", 3) == 0
    assert crypto_shash_tfm_digest(tfm, MESSAGE, None, out) == 0
    assert out == hmac.digest(b"key", MESSAGE, "sha256")
    cmac = crypto_alloc_shash("cmac(aes)")
    assert crypto_shash_setkey(cmac, bytes(15)) == -EINVAL
    assert crypto_shash_setkey(cmac, bytes(16)) == 0


def test_lengths_and_room(kernel: Kernel) -> None:
    """A length beyond the data, and a result that has no room, are -EINVAL; so is going on without a beginning."""
    desc = ShashDesc(crypto_alloc_shash("sha256"))
    assert crypto_shash_update(desc, b"x") == -EINVAL
    crypto_shash_init(desc)
    assert crypto_shash_update(desc, b"abc", 4) == -EINVAL
    assert crypto_shash_finup(desc, b"", 0, bytearray(31)) == -EINVAL
    assert crypto_shash_finup(desc, b"", 0, bytes(32)) == -EINVAL
    assert crypto_shash_finup(desc, b"", 0, bytearray(32)) == 0


@given(data=st.binary(max_size=300), at=st.integers(0, 300))
def test_export_and_import(layer: acrypto.Layer, data: bytes, at: int) -> None:
    """A state goes on where it was exported, as often as one likes, in another descriptor, in both forms."""
    with boot(layer):
        shash, ahash = crypto_alloc_shash("sha256"), crypto_alloc_ahash("sha256", 0, CRYPTO_ALG_ASYNC)
        desc, state = ShashDesc(shash), bytearray(crypto_shash_statesize(shash))
        crypto_shash_init(desc)
        crypto_shash_update(desc, data[:at])
        assert crypto_shash_export(desc, state) == 0
        crypto_shash_update(desc, b"something else")
        for _ in range(2):
            other, out = ShashDesc(shash), bytearray(32)
            assert crypto_shash_import(other, state) == 0
            assert crypto_shash_finup(other, data[at:], None, out) == 0
            assert out == hashlib.sha256(data).digest()
        req, out = ahash_request_alloc(ahash), bytearray(32)
        assert crypto_ahash_statesize(ahash) == len(state)
        assert crypto_ahash_import(req, state) == 0
        ahash_request_set_crypt(req, data[at:], out, len(data[at:]))
        assert crypto_ahash_finup(req) == 0
        assert out == hashlib.sha256(data).digest()


def test_exports_that_cannot_be_imported(kernel: Kernel) -> None:
    """Nobody's state, another algorithm's, too little room, and one that is too old are -EINVAL."""
    sha256, sha512 = (ShashDesc(crypto_alloc_shash(name)) for name in ("sha256", "sha512"))
    state, other = bytearray(16), bytearray(16)
    assert crypto_shash_export(sha256, state) == -EINVAL
    crypto_shash_init(sha256)
    assert crypto_shash_export(sha256, bytearray(15)) == -EINVAL
    assert crypto_shash_import(sha256, bytes(16)) == -EINVAL
    assert crypto_shash_export(sha256, state) == 0
    assert crypto_shash_import(sha512, state) == -EINVAL
    for _ in range(MAX_EXPORTS):
        crypto_shash_export(sha256, other)
    assert crypto_shash_import(sha256, state) == -EINVAL
    assert crypto_shash_import(ShashDesc(crypto_alloc_shash("hmac(sha256)")), state) == -ENOKEY


@pytest.mark.parametrize("name", ["sha256", "cryptd(sha256)"])
@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=6))
def test_lists(layer: acrypto.Layer, name: str, data: bytes, places: list[int]) -> None:
    """However the message is cut, and whether it completes now or later, the digest is the same."""
    with boot(layer):
        tfm = crypto_alloc_ahash(name, 0, 0 if "cryptd" in name else CRYPTO_ALG_ASYNC)
        assert not IS_ERR(tfm), tfm
        req, wait, out = ahash_request_alloc(tfm), DECLARE_CRYPTO_WAIT(), bytearray(32)
        ahash_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait)
        ahash_request_set_crypt(req, cut(data, [min(place, len(data)) for place in places]), out, len(data))
        err = crypto_ahash_digest(req)
        assert err == (-EINPROGRESS if "cryptd" in name else 0)
        assert crypto_wait_req(err, wait) == 0
        assert out == hashlib.sha256(data).digest()
        for call in (crypto_ahash_init, crypto_ahash_update, crypto_ahash_update, crypto_ahash_final):
            err = crypto_wait_req(call(req), wait)
            assert err == 0
        assert out == hashlib.sha256(data * 2).digest()
        ahash_request_free(req)
        crypto_free_ahash(tfm)


def test_requests_are_checked(kernel: Kernel) -> None:
    """Without a key, beyond the data, without room: -ENOKEY and -EINVAL."""
    tfm = crypto_alloc_ahash("hmac(sha256)")
    req = ahash_request_alloc(tfm)
    ahash_request_set_crypt(req, b"abc", bytearray(32), 3)
    assert crypto_ahash_digest(req) == -ENOKEY
    assert crypto_ahash_setkey(tfm, b"key") == 0
    assert crypto_ahash_digest(req) == 0
    for source, result, nbytes in ((b"abc", bytearray(32), 4), (None, bytearray(32), 1), (b"abc", None, 3)):
        ahash_request_set_crypt(req, source, result, nbytes)
        assert crypto_ahash_digest(req) == -EINVAL
    assert (crypto_ahash_digestsize(tfm), crypto_ahash_blocksize(tfm)) == (32, 64)
    assert crypto_ahash_alg_name(tfm) == "hmac(sha256)"
    assert crypto_alloc_ahash("gcm(aes)") == ERR_PTR(-ENOENT)
    assert crypto_ahash_driver_name(tfm) == crypto_shash_driver_name(crypto_alloc_shash("hmac(sha256)"))
