"""The engine over intel-ipsec-mb: whatever travels together, each message ends as if it were alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import cmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

import acrypto
from acrypto import _core
from acrypto.engines.multibuffer import Multibuffer
from acrypto.testing.conformance import check_engine

VERSION, TOLD = _core.ipsec_mb()
here = pytest.mark.skipif(VERSION is None, reason=TOLD)

HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512")
#: Lengths at the edges of blocks, of pages, and of what lanes can count.
sizes = st.one_of(st.integers(0, 300), st.sampled_from([4095, 4096, 9000, 65_519, 65_520, 65_521, 65_536, 70_000]))
blocks = st.one_of(st.integers(0, 20), st.sampled_from([256, 4094, 4095, 4096])).map(lambda n: 16 * n)
depths = st.one_of(st.integers(1, 40), st.just(200))


def drawn(seed: int, size: int) -> bytes:
    """Bytes that no two seeds share."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


def lengths(size: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    return depths.flatmap(lambda depth: st.lists(size, min_size=min(depth, 3), max_size=depth))


@pytest.fixture(scope="module")
def layer() -> Iterator[acrypto.Layer]:
    with acrypto.open([Multibuffer()]) as opened:
        yield opened


def aes_key(length: int) -> bytes:
    return drawn(length, length)


def key_of(mac: bytes, cipher: bytes) -> bytes:
    return bytes([8, 0, 1, 0, 0, 0, 0, len(cipher)]) + mac + cipher


def ended(operation: Any) -> list[Any]:
    return [item if isinstance(item, Exception) else bytes(item) for item in operation.wait(30)]


@here
@pytest.mark.slow
def test_it_keeps_the_contract_of_engines() -> None:
    assert check_engine(Multibuffer) is None


@here
def test_everything_it_offers_is_proven_and_stands_below_software() -> None:
    with acrypto.open([Multibuffer(), "software"]) as layer:
        rows = [row for row in layer.offers() if row.device == "multibuffer0"]
        assert len(rows) == 22
        assert {row.selftest for row in rows} == {"passed"}
        assert all(row.driver.endswith("-ipsecmb") for row in rows)
        assert {row.priority for row in rows} == {90}
        assert layer.find("sha256").driver == "sha256-awslc"
        assert layer.transform("sha256-ipsecmb").digest(b"abc").wait(10) == hashlib.sha256(b"abc").digest()


@here
@settings(deadline=None, max_examples=25)
@given(name=st.sampled_from(HASHES), sizes=lengths(sizes), key=st.integers(0, 200))
def test_digests_and_hmacs_are_hashlibs(layer: acrypto.Layer, name: str, sizes: list[int], key: int) -> None:
    messages = [drawn(number, size) for number, size in enumerate(sizes)]
    assert ended(layer.transform(name).digest_many(messages)) == [hashlib.new(name, m).digest() for m in messages]
    mac_key = drawn(key, key)
    mac = layer.transform(f"hmac({name})", key=mac_key)
    tags = [hmac.digest(mac_key, message, name) for message in messages]
    assert ended(mac.mac_many(messages)) == tags


@here
@settings(deadline=None, max_examples=25)
@given(length=st.sampled_from([16, 24, 32]), sizes=lengths(sizes))
def test_cmac_is_that_of_cryptography(layer: acrypto.Layer, length: int, sizes: list[int]) -> None:
    messages = [drawn(number, size) for number, size in enumerate(sizes)]

    def right(message: bytes) -> bytes:
        mac = cmac.CMAC(algorithms.AES(aes_key(length)))
        mac.update(message)
        return mac.finalize()

    assert ended(layer.transform("cmac(aes)", key=aes_key(length)).mac_many(messages)) == [*map(right, messages)]


@here
@settings(deadline=None, max_examples=25)
@given(length=st.sampled_from([16, 24, 32]), sizes=lengths(blocks), mode=st.sampled_from(["cbc", "ctr"]))
def test_ciphers_are_those_of_cryptography(layer: acrypto.Layer, length: int, sizes: list[int], mode: str) -> None:
    transform = layer.transform(f"{mode}(aes)", key=aes_key(length))
    messages = [drawn(number, size) for number, size in enumerate(sizes)]
    # Every third counter overflows its last 32 bits, which the library cannot count.
    nonces = [bytes(12) + b"\xff\xff\xff\xfe" if n % 3 == 0 else drawn(n + 500, 16) for n in range(len(sizes))]
    kind = modes.CBC if mode == "cbc" else modes.CTR

    def right(nonce: bytes, message: bytes) -> bytes:
        context = Cipher(algorithms.AES(aes_key(length)), kind(nonce)).encryptor()
        return context.update(message) + context.finalize()

    sealed = ended(transform.encrypt_many(nonces, messages))
    assert sealed == [right(*pair) for pair in zip(nonces, messages, strict=True)]
    assert ended(transform.decrypt_many(nonces, sealed)) == messages


AEADS: dict[str, tuple[Any, tuple[int, ...], int]] = {
    "gcm(aes)": (AESGCM, (16, 24, 32), 12),
    "ccm(aes)": (AESCCM, (16, 24, 32), 11),
    "chacha20-poly1305": (ChaCha20Poly1305, (32,), 12),
    "rfc7539(chacha20,poly1305)": (ChaCha20Poly1305, (32,), 12),
}


@here
@pytest.mark.parametrize("name", AEADS)
@settings(deadline=None, max_examples=15)
@given(data=st.data(), sizes=lengths(sizes), forged=st.sets(st.integers(0, 199)), ad=st.integers(0, 60))
def test_aeads_open_what_is_right_and_nothing_else(
    layer: acrypto.Layer, name: str, data: st.DataObject, sizes: list[int], forged: set[int], ad: int
) -> None:
    kind, keys, nonce_len = AEADS[name]
    key = aes_key(data.draw(st.sampled_from(keys)))
    peer, transform = kind(key), layer.transform(name, key=key)
    messages = [drawn(number, size) for number, size in enumerate(sizes)]
    nonces = [drawn(number + 1000, nonce_len) for number in range(len(sizes))]
    ads = [drawn(number + 2000, (ad * number) % 61) for number in range(len(sizes))]
    sealed = ended(transform.encrypt_many(nonces, messages, ads))
    assert sealed == [peer.encrypt(*row) for row in zip(nonces, messages, ads, strict=True)]
    for number in forged & set(range(len(sealed))):
        at = number * 7 % len(sealed[number])
        sealed[number] = sealed[number][:at] + bytes([sealed[number][at] ^ 1]) + sealed[number][at + 1 :]
    opened = ended(transform.decrypt_many(nonces, sealed, ads, return_exceptions=True))
    for number, result in enumerate(opened):
        if number in forged:
            assert isinstance(result, acrypto.AuthenticationError)
            with pytest.raises(InvalidTag):
                peer.decrypt(nonces[number], sealed[number], ads[number])
        else:
            assert result == messages[number]


@here
@settings(deadline=None, max_examples=25)
@given(name=st.sampled_from(HASHES), sizes=lengths(blocks), forged=st.sets(st.integers(0, 199)), ad=st.integers(0, 60))
def test_authenc_is_cbc_and_then_hmac(
    layer: acrypto.Layer, name: str, sizes: list[int], forged: set[int], ad: int
) -> None:
    mac_key, key = drawn(1, 32), aes_key(16)
    transform = layer.transform(f"authenc(hmac({name}),cbc(aes))", key=key_of(mac_key, key))
    messages = [drawn(number, size) for number, size in enumerate(sizes)]
    nonces = [drawn(number + 1000, 16) for number in range(len(sizes))]
    ads = [drawn(number + 2000, (ad * number) % 61) for number in range(len(sizes))]

    def right(nonce: bytes, message: bytes, ad: bytes) -> bytes:
        context = Cipher(algorithms.AES(key), modes.CBC(nonce)).encryptor()
        text = context.update(message) + context.finalize()
        return text + hmac.digest(mac_key, ad + text, name)

    sealed = ended(transform.encrypt_many(nonces, messages, ads))
    assert sealed == [right(*row) for row in zip(nonces, messages, ads, strict=True)]
    for number in forged & set(range(len(sealed))):
        at = number * 7 % len(sealed[number])
        sealed[number] = sealed[number][:at] + bytes([sealed[number][at] ^ 1]) + sealed[number][at + 1 :]
    opened = ended(transform.decrypt_many(nonces, sealed, ads, return_exceptions=True))
    for number, result in enumerate(opened):
        assert isinstance(result, acrypto.AuthenticationError) if number in forged else result == messages[number]


@here
@pytest.mark.parametrize("gather_us", [0.0, 5.0, 300.0])
def test_queued_messages_of_any_transforms_share_the_lanes(gather_us: float) -> None:
    """Whoever submits, whatever the key, and whoever has gone meanwhile."""

    async def main() -> None:
        slow_lane = acrypto.Settings(inline_us=0.0)
        async with acrypto.open([Multibuffer(gather_us=gather_us)], settings=slow_lane) as layer:
            macs = [layer.transform("hmac(sha256)", key=bytes([number]) * 9) for number in range(5)]
            digest, aead = layer.transform("sha512"), layer.transform("gcm(aes)", key=bytes(16))
            waits: list[Any] = []
            wanted: list[bytes] = []
            for number in range(300):
                message = drawn(number, number * 29 % 5000)
                waits.append(macs[number % 5].mac(message))
                wanted.append(hmac.digest(bytes([number % 5]) * 9, message, "sha256"))
                waits.append(digest.digest(message))
                wanted.append(hashlib.sha512(message).digest())
                waits.append(aead.encrypt(bytes(12), message))
                wanted.append(AESGCM(bytes(16)).encrypt(bytes(12), message, b""))
                if number % 50 == 0:
                    digest.digest(message).cancel()
            assert [bytes(result) for result in await asyncio.gather(*waits)] == wanted

    asyncio.run(main())


@here
def test_messages_in_pieces_and_wrong_tags_of_single_ones_end_as_elsewhere(layer: acrypto.Layer) -> None:
    mac = layer.transform("hmac(sha256)", key=b"k")
    tag = hmac.digest(b"k", b"ab" * 3000, "sha256")
    assert bytes(mac.mac([b"ab" * 1000, b"ab" * 2000]).wait(10)) == tag
    mac.verify(tag, b"ab" * 3000).wait(10)
    with pytest.raises(acrypto.AuthenticationError):
        mac.verify(bytes(32), b"ab" * 3000).wait(10)
    with pytest.raises(acrypto.UsageError, match="nonce is 3 bytes"):
        layer.transform("cbc(aes)", key=bytes(16)).encrypt(bytes(3), bytes(16)).wait(10)


@here
def test_results_are_verified_if_that_is_asked_for() -> None:
    with acrypto.open([Multibuffer(), "software"]) as layer:
        transform = layer.transform("cbc-aes-ipsecmb", key=bytes(16), verify=True)
        messages = [drawn(number, 4096) for number in range(20)]
        sealed = ended(transform.encrypt_many([bytes(16)] * 20, messages))
        assert ended(transform.decrypt_many([bytes(16)] * 20, sealed)) == messages


@here
def test_it_works_in_a_forked_child() -> None:
    with acrypto.open([Multibuffer()]) as layer:
        layer.transform("sha256").digest_many([b"x"] * 20).wait(10)
        pid = os.fork()
        if pid == 0:
            with acrypto.open([Multibuffer()]) as fresh:
                right = (
                    ended(fresh.transform("sha256").digest_many([b"y"] * 20)) == [hashlib.sha256(b"y").digest()] * 20
                )
            os._exit(0 if right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@here
def test_its_one_knob_has_limits() -> None:
    for wrong in (-1, 1001, float("nan"), True, "5"):
        with pytest.raises(acrypto.UsageError, match="gather_us"):
            Multibuffer(gather_us=wrong)  # type: ignore[arg-type]
    engine = Multibuffer()
    engine.tune("gather_us", 0)
    with pytest.raises(acrypto.UsageError, match="there is gather_us"):
        engine.tune("depth", 1)


def reason_with(library: str) -> str:
    """Why the engine is absent in a process that is to load this file."""
    code = "import acrypto.engines.multibuffer as m; a = m.Multibuffer().probe(); print(a.reason if a else 'here')"
    environment = {**os.environ, "ACRYPTO_IPSEC_MB": library}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return told.stdout.strip()


def test_it_is_absent_where_there_is_no_library() -> None:
    assert "/nowhere/libIPSec_MB.so" in reason_with("/nowhere/libIPSec_MB.so")


def compiled(folder: Path, body: str) -> str:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source, library = folder / "stub.c", folder / "libstub.so"
    source.write_text(textwrap.dedent(body))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return str(library)


STUB = """
#include <stdlib.h>
unsigned imb_get_version(void) { return VERSION; }
const char *imb_get_version_str(void) { return TEXT; }
void *alloc_mb_mgr(unsigned long flags) { (void)flags; return calloc(1, 1 << 20); }
void free_mb_mgr(void *manager) { free(manager); }
void init_mb_mgr_auto(void *manager, int *arch) { (void)arch; ((unsigned long *)manager)[1] = 2; }
int imb_get_errno(void *manager) { (void)manager; return 0; }
size_t imb_get_mb_mgr_size(void) { return 1 << 20; }
"""


def test_a_version_that_is_not_known_is_absent(tmp_path: Path) -> None:
    library = compiled(tmp_path, STUB.replace("VERSION", "0x10400").replace("TEXT", '"1.4.0"'))
    assert "version 1.4.0 is not known; known are 1.3, 1.5, 2.0" in reason_with(library)


def test_a_version_that_lies_about_its_layout_is_absent(tmp_path: Path) -> None:
    library = compiled(tmp_path, STUB.replace("VERSION", "0x10300").replace("TEXT", '"1.3.0"'))
    assert "does not look as that version does" in reason_with(library)


def test_what_is_no_such_library_is_absent(tmp_path: Path) -> None:
    assert "it is no libIPSec_MB" in reason_with(compiled(tmp_path, "int nothing;\n"))
