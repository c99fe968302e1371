"""The rules of the published test kit (C2SP CCTV, age): which files open, which do not, and what is given of them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st
from tests.streams.age_files import (
    CHUNK,
    FILE_KEY,
    NONCE,
    SALT,
    SECRET,
    AgeFile,
    b64,
    good,
    not_canonical,
    public,
)
from tests.streams.age_runs import cut, outcome

import acrypto
from acrypto import AuthenticationError, CorruptInput, LimitExceeded
from acrypto.streams.age import Decrypt, ScryptIdentity, X25519Identity

IDENTITY = X25519Identity(SECRET)
PASSPHRASE = ScryptIdentity("password", max_work_factor=16)
BOTH = Decrypt([IDENTITY, PASSPHRASE])
FULL = bytes(range(256)) * (CHUNK // 256)


def begun() -> AgeFile:
    return AgeFile().version()


def opens(layer: acrypto.Layer, file: AgeFile | bytes, text: bytes = b"age") -> None:
    data = file if isinstance(file, bytes) else file.data
    for pieces in (data, cut(data, 1000), cut(data, 1)) if len(data) < 3000 else (data, cut(data, 70_001)):
        assert outcome(layer, BOTH, pieces) == (text, None)


def fails(layer: acrypto.Layer, file: AgeFile | bytes, error: type[Exception], text: bytes = b"") -> str:
    """Ends with this error, in every cut, and after just this text."""
    data = file if isinstance(file, bytes) else file.data
    found = [outcome(layer, BOTH, pieces) for pieces in (data, cut(data, 70_001 if len(data) > 3000 else 1))]
    for given, caught in found:
        assert type(caught) is error, caught
        assert given == text
    assert str(found[0].error) == str(found[1].error)
    return str(found[0].error)


# ---- The header


def test_what_the_kit_calls_good_opens(layer: acrypto.Layer) -> None:
    opens(layer, good())
    opens(layer, good(b""), b"")
    opens(layer, begun().scrypt().mac().payload())
    # Others' stanzas are ignored, whatever they hold: grease.
    opens(layer, begun().args("x25519", "!").body(b"").x25519().args("grease", "~").body(bytes(100)).mac().payload())
    opens(layer, begun().args("".join(map(chr, range(0x21, 0x7F)))).body(b"").x25519().mac().payload())
    opens(layer, begun().args("full").body(bytes(48)).args("two").body(bytes(96)).x25519().mac().payload())
    opens(layer, begun().x25519().x25519().mac().payload())


def lines(*texts: str | bytes) -> AgeFile:
    """A stanza of ours, and these lines, before the rest."""
    file = begun().x25519()
    for text in texts:
        file.line(text)
    return file.mac().payload()


HEADERS = {
    "another version": AgeFile().version("v1234").x25519().mac().payload(),
    "no file": AgeFile().line("hello"),
    "a byte order mark": AgeFile().line("\ufeffage-encryption.org/v1").x25519().mac().payload(),
    "carriage returns": AgeFile().line("age-encryption.org/v1\r").x25519().mac().payload(),
    "no stanza": begun().mac().payload(),
    "a bad start": lines("-- stanza", ""),
    "padding": lines("-> stanza", "QUFBQQ=="),
    "an empty argument": lines("-> empty  argument", ""),
    "an argument at the end that is empty": lines("-> empty ", ""),
    "no argument": lines("->", ""),
    "no argument but a space": lines("-> ", ""),
    "a control character": lines("-> is\tcontrol", ""),
    "a character beyond ASCII": lines("-> caf\u00e9", ""),
    "no body": lines("-> stanza"),
    "no line behind a full one": lines("-> stanza", "A" * 64),
    "a line of 68 columns": lines("-> stanza", "A" * 68, ""),
    "two short lines": lines("-> stanza", "A" * 32, "A" * 32),
    "a body that is not canonical": lines("-> stanza", not_canonical(b64(bytes(4)))),
    "a body of one column": lines("-> stanza", "A"),
    "a body with a space": lines("-> stanza", "AAAA "),
    "a body with a carriage return": lines("-> stanza", "AAAA\r"),
    "an empty line": lines(""),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_not_as_written_is_corrupt(layer: acrypto.Layer, case: str) -> None:
    fails(layer, HEADERS[case], CorruptInput)


def test_the_macs_line_is_as_written(layer: acrypto.Layer) -> None:
    file = begun().x25519()
    right = b64(file.mac_of(file.data + b"---"))
    for line in (
        "---", "--- ", f"---{right}", f"---  {right}", f"--- {right} ", f"--- {right}\r", f"--- {right}=",
        f"--- {right[:-1]}", f"--- {not_canonical(right)}", f"--- {right}AAAA", f"-- {right}", f"---- {right}",
    ):  # fmt: skip
        fails(layer, begun().x25519().line(line).payload(), CorruptInput)
    wrong = b64(hashlib.sha256(b"").digest())
    assert "header" in fails(layer, begun().x25519().line(f"--- {wrong}").payload(), AuthenticationError)
    # What was added, though every line of it is right, is not covered.
    fails(layer, AgeFile(FILE_KEY).version().args("more").body(b"").x25519().line(f"--- {right}"), AuthenticationError)


def test_a_header_is_cut_nowhere(layer: acrypto.Layer) -> None:
    data = good().data
    for size in range(len(data)):
        given, error = outcome(layer, BOTH, data[:size])
        assert given == b""
        assert type(error) is (AuthenticationError if size >= len(data) - 3 else CorruptInput), size


# ---- X25519


def x25519(*args: str, body: bytes) -> AgeFile:
    return begun().args(*args).body(body).mac().payload()


def test_stanzas_of_x25519(layer: acrypto.Layer) -> None:
    file = AgeFile()
    share, key = file.x25519_key()
    text, body = b64(share), file.wrapped(key)
    opens(layer, x25519("X25519", text, body=body))
    for args in (("X25519",), ("X25519", text, "1234"), ("X25519", text[:-3]), ("X25519", text + "AA")):
        assert "X25519" in fails(layer, x25519(*args, body=body), CorruptInput)
    fails(layer, x25519("X25519", not_canonical(text), body=body), CorruptInput)
    fails(layer, x25519("X25519", text + "=", body=body), CorruptInput)
    for wrong in (b"", body[:-1], body + b"\0", body + bytes(16)):
        assert "not 32" in fails(layer, x25519("X25519", text, body=wrong), CorruptInput)
    fails(layer, x25519("x25519", text, body=body), AuthenticationError)
    fails(layer, x25519("X25519", text, body=file.wrapped(key, flip=True)), AuthenticationError)
    long = AgeFile(bytes(32))
    fails(layer, x25519("X25519", text, body=long.wrapped(key)), CorruptInput)


@pytest.mark.parametrize("share", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"], ids=bytes.hex)
def test_a_share_of_small_order_is_corrupt(layer: acrypto.Layer, share: bytes) -> None:
    file = AgeFile()
    _, key = file.x25519_key(share, bytes(32))
    assert "small order" in fails(layer, x25519("X25519", b64(share), body=file.wrapped(key)), CorruptInput)


def test_without_a_match_nothing_opens(layer: acrypto.Layer) -> None:
    stage = Decrypt([X25519Identity(bytes(range(32))), ScryptIdentity("other", max_work_factor=16)])
    given, error = outcome(layer, stage, good().data)
    assert given == b""
    assert type(error) is AuthenticationError
    assert "no identity matches" in str(error)
    given, error = outcome(layer, stage, begun().scrypt().mac().payload().data)
    assert type(error) is AuthenticationError
    assert "passphrase is wrong" in str(error)


# ---- scrypt


def scrypt(*args: str, body: bytes | None = None) -> AgeFile:
    file = AgeFile()
    body = file.wrapped(file.scrypt_key("password", 10)) if body is None else body
    return begun().args(*args).body(body).mac().payload()


@pytest.mark.parametrize(
    "factor", ["010", "+10", "-10", "0x0a", "1e1", "0", "", "10\u0663".encode().decode("latin-1"), "a", "10a", "a10"]
)
def test_a_work_factor_is_a_decimal_number(layer: acrypto.Layer, factor: str) -> None:
    fails(layer, scrypt("scrypt", b64(SALT), factor), CorruptInput)


def test_a_work_factor_is_limited(layer: acrypto.Layer) -> None:
    for factor in ("17", "23", "18446744073709551616"):
        told = fails(layer, scrypt("scrypt", b64(SALT), factor), LimitExceeded)
        assert "at most 16" in told
    assert "23" in fails(layer, scrypt("scrypt", b64(SALT), "23"), LimitExceeded)
    # The default takes what age writes, and four times as much.
    assert "at most 20" in str(outcome(layer, Decrypt(passphrase="p"), scrypt("scrypt", b64(SALT), "21").data).error)


def test_stanzas_of_scrypt(layer: acrypto.Layer) -> None:
    opens(layer, scrypt("scrypt", b64(SALT), "10"))
    for args in (
        ("scrypt",), ("scrypt", b64(SALT)), ("scrypt", "10"), ("scrypt", b64(SALT), "10", "10"),
        ("scrypt", b64(SALT[:-1]), "10"), ("scrypt", b64(SALT + b"\0"), "10"),
        ("scrypt", not_canonical(b64(SALT)), "10"),
    ):  # fmt: skip
        fails(layer, scrypt(*args), CorruptInput)
    for body in (b"", bytes(31), bytes(33), bytes(48)):
        fails(layer, scrypt("scrypt", b64(SALT), "10", body=body), CorruptInput)
    fails(layer, scrypt("scrypt", b64(SALT), "10", body=bytes(32)), AuthenticationError)
    fails(layer, scrypt("scrypt", b64(SALT), "11"), AuthenticationError)
    fails(layer, scrypt("Scrypt", b64(SALT), "10"), AuthenticationError)


def test_a_passphrase_stands_alone(layer: acrypto.Layer) -> None:
    for file in (begun().scrypt().scrypt(), begun().scrypt().x25519(), begun().x25519().scrypt()):
        assert "alone" in fails(layer, file.mac().payload(), CorruptInput)
    given, error = outcome(layer, Decrypt([IDENTITY]), begun().x25519().args("scrypt").body(b"").mac().payload().data)
    assert given == b""
    assert type(error) is CorruptInput


# ---- The payload


def behind(*, nonce: bytes = NONCE) -> AgeFile:
    return begun().x25519().mac().nonce(nonce)


def test_payloads_of_any_number_of_chunks_open(layer: acrypto.Layer) -> None:
    for chunks in (1, 2, 3, 15, 16, 17, 32, 33):
        opens(layer, good(FULL * chunks), FULL * chunks)
        opens(layer, good(FULL * chunks + b"!"), FULL * chunks + b"!")


def test_a_stream_that_is_cut_is_told_so(layer: acrypto.Layer) -> None:
    fails(layer, begun().x25519().mac(), CorruptInput)
    fails(layer, begun().x25519().mac().data + NONCE[:-1], CorruptInput)
    assert "truncated" in fails(layer, behind(), CorruptInput)
    assert "truncated" in fails(layer, behind().data + bytes(12), CorruptInput)
    # In the middle of a chunk, the last one or not: it proves nothing.
    fails(layer, good().data[:-1], AuthenticationError)
    fails(layer, good(FULL + b"abc").data[:-1], AuthenticationError, FULL)
    # At its end: what came is right, and is not all.
    told = fails(layer, behind().chunk(FULL), CorruptInput, FULL)
    assert f"truncated at offset {len(behind().chunk(FULL).data)}" in told
    file = behind()
    for _ in range(17):
        file.chunk(FULL)
    fails(layer, file, CorruptInput, FULL * 17)
    # A short one that is not final is none.
    fails(layer, behind().chunk(b"a"), AuthenticationError)
    fails(layer, behind().chunk(FULL).chunk(b"a"), AuthenticationError, FULL)
    # Less than a tag behind the last whole one.
    fails(layer, behind().chunk(FULL).data + bytes(15), CorruptInput, FULL)


def test_an_empty_chunk_is_a_payload_of_nothing_or_wrong(layer: acrypto.Layer) -> None:
    for chunks in (1, 2, 16, 17):
        file = behind()
        for _ in range(chunks):
            file.chunk(FULL)
        told = fails(layer, file.chunk(b"", final=True), CorruptInput, FULL * chunks)
        assert f"empty final chunk at offset {len(file.data) - 16}" in told


def test_nothing_follows_the_final_chunk(layer: acrypto.Layer) -> None:
    for rest in (b"", bytes(1), bytes(12), bytes(16), bytes(64), FULL):
        file = behind().chunk(FULL, final=True)
        end = len(file.data)
        if rest:
            told = fails(layer, file.data + rest, CorruptInput, FULL)
            assert "empty final" in told or f"behind the final chunk at offset {end}" in told or "truncated" in told
    fails(layer, behind().chunk(FULL, final=True).chunk(FULL, final=True), CorruptInput, FULL)
    fails(layer, behind().chunk(FULL, final=True).chunk(b"a", final=True), CorruptInput, FULL)
    fails(layer, behind().chunk(FULL).chunk(FULL, final=True).chunk(FULL, final=True), CorruptInput, FULL * 2)
    # Together they look like one short chunk.
    fails(layer, behind().chunk(b"a", final=True).chunk(b"a", final=True), AuthenticationError)
    fails(layer, good().data + b"!", AuthenticationError)


def test_a_chunk_has_its_place(layer: acrypto.Layer) -> None:
    fails(layer, behind().chunk(FULL, number=1).chunk(FULL, number=0).chunk(b"a", final=True, number=2),
          AuthenticationError)  # fmt: skip
    fails(layer, behind().chunk(FULL, number=0).chunk(b"a", final=True, number=2), AuthenticationError, FULL)
    fails(layer, behind().chunk(FULL, number=0).chunk(FULL, number=0).chunk(b"a", final=True, number=1),
          AuthenticationError, FULL)  # fmt: skip


@pytest.mark.parametrize("chunk", [0, 1, 15, 16, 20, 33, 34])
def test_what_comes_before_a_forged_chunk_is_given_and_nothing_of_it(layer: acrypto.Layer, chunk: int) -> None:
    text = FULL * 34 + b"end"
    data = bytearray(good(text).data)
    start = len(good(b"").data) - 16 + chunk * (CHUNK + 16)
    data[start + 1] ^= 1
    told = fails(layer, bytes(data), AuthenticationError, text[: chunk * CHUNK])
    assert f"offset {start}" in told


def test_the_kits_identity_is_known() -> None:
    """Its own text for its own key."""
    text = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6"
    assert X25519Identity.parse(text).export() == text
    assert X25519Identity(SECRET).recipient.share == public(SECRET)


def test_a_file_of_the_kit_opens(layer: acrypto.Layer) -> None:
    """`armor_crlf` of the test kit; its payload is told by its SHA-256."""
    text = (
        "-----BEGIN AGE ENCRYPTED FILE-----\r\n"
        "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBURWlGMHlwcXIrYnB2Y3FY\r\n"
        "TnlDVkpwTDdPdXdQZFZ3UEw3S1FFYkZET0NjCkVtRUNBRWNLTituL1ZzOVNiV2lW\r\n"
        "K0h1MHIrRThSNzdEZFdZeWQ4M253N1UKLS0tIFZuKzU0anFpaVVDRStXWmNFVlkz\r\n"
        "ZjFzcUhqbHUvejFMQ1EvVDdYbTdxSTAK7s9ix86RtDMnTmjU8vkTTLdMW/73vqpS\r\n"
        "yPC8DpksHoMx+2Y=\r\n"
        "-----END AGE ENCRYPTED FILE-----\r\n"
    )
    identity = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6"
    given, error = outcome(layer, Decrypt([identity]), text.encode())
    assert error is None
    assert hashlib.sha256(given).hexdigest() == "013f54400c82da08037759ada907a8b864e97de81c088a182062c4b5622fd2ab"


@any_of(st.data())
def test_whatever_is_done_to_a_file_ends_in_an_error_for_that(layer: acrypto.Layer, data: st.DataObject) -> None:
    """Or in the same contents, where what was changed belongs to somebody else's stanza; never in others."""
    file = begun().x25519().args("other", "x").body(bytes(60)).mac().payload(b"age" * 100)
    right = data.draw(st.sampled_from([file.data, file.armored()]))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(right))] * 2)))
    patch = data.draw(st.one_of(st.binary(max_size=20), st.just(right[start:stop] * 2)))
    edited = right[:start] + patch + right[stop:]
    given, error = outcome(layer, BOTH, edited)
    assert isinstance(error, CorruptInput | AuthenticationError | LimitExceeded | None)
    if error is None:
        assert given == b"age" * 100
        assert edited.strip() == right.strip() or right.startswith(b"-")
    else:
        assert given == b""
