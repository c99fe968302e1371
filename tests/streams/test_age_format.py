"""Headers and key files of age: what is written is read, and whatever else is read is corrupt."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.age_files import SECRET, good, public

import acrypto
from acrypto.streams.age import X25519Identity, X25519Recipient, format, keyfiles
from acrypto.streams.age.format import Stanza
from acrypto.streams.age.keys import Secret

ARGUMENTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
STANZAS = st.lists(
    st.builds(Stanza, st.lists(ARGUMENTS, min_size=1, max_size=4).map(tuple), st.binary(max_size=200)),
    min_size=1,
    max_size=6,
)


@given(STANZAS, st.binary(min_size=32, max_size=32), st.binary(max_size=50))
def test_a_header_goes_there_and_back(stanzas: list[Stanza], mac: bytes, payload: bytes) -> None:
    covered = format.covered(stanzas)
    data = format.finished(covered, mac)
    header = format.parse(data + payload)
    assert header == (tuple(stanzas), covered, mac, len(data))
    for size in range(len(data)):
        assert format.parse(data[:size], ended=False) is None
        with pytest.raises(acrypto.CorruptInput):
            format.parse(data[:size])


@given(st.binary(max_size=300), st.booleans())
def test_any_other_bytes_are_corrupt(data: bytes, ended: bool) -> None:
    for start in (b"", format.VERSION, format.VERSION + b"-> X25519 a\n"):
        with contextlib.suppress(acrypto.CorruptInput):
            assert format.parse(start + data, ended=ended) is None


@given(st.data())
def test_an_edited_header_is_another_or_corrupt(data: st.DataObject) -> None:
    """Strict to the last bit: no two texts are the same header."""
    right = good().data
    whole = format.parse(right)
    assert whole is not None
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, whole.length)] * 2)))
    edited = right[:start] + data.draw(st.binary(max_size=4)) + right[stop:]
    try:
        header = format.parse(edited)
    except acrypto.CorruptInput:
        return
    assert header is not None
    assert format.finished(format.covered(header.stanzas), header.mac) == edited[: header.length]


def test_a_header_has_limits() -> None:
    """In bytes and in stanzas, told with the limit; what needs more data than that is refused at once."""
    stanza = Stanza(("a",), b"")
    mac = bytes(32)
    data = format.finished(format.covered([stanza] * 10), mac)
    assert format.parse(data, most_stanzas=10) is not None
    with pytest.raises(acrypto.CorruptInput, match="more than 9 stanzas"):
        format.parse(data, most_stanzas=9)
    assert format.parse(data, most_bytes=len(data)) is not None
    with pytest.raises(acrypto.CorruptInput, match=f"over {len(data) - 1} bytes"):
        format.parse(data, most_bytes=len(data) - 1)
    with pytest.raises(acrypto.CorruptInput, match=f"over {format.MOST_HEADER} bytes"):
        format.parse(format.VERSION + b"-> " + b"a" * format.MOST_HEADER, ended=False)


@pytest.mark.parametrize("args", [(), ("",), ("a b",), ("a\n",), ("\u00e9",)])
def test_what_cannot_be_written_is_refused(args: tuple[str, ...]) -> None:
    with pytest.raises(acrypto.UsageError):
        format.covered([Stanza(args, b"")])
    with pytest.raises(acrypto.UsageError):
        format.covered([])


# ---- Keys


def test_the_specifications_keys() -> None:
    identity = X25519Identity.parse("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX")
    assert str(identity.recipient) == "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
    assert X25519Recipient.parse(str(identity.recipient)) == identity.recipient
    assert X25519Identity.parse(identity.export()).export() == identity.export()


def test_keys_are_not_shown() -> None:
    identity = X25519Identity.generate()
    secret = identity.export()
    assert secret not in repr(identity)
    wrong = secret[:-1] + ("Q" if secret[-1] != "Q" else "P")
    for text in (wrong, secret.lower(), secret[:40], "", "AGE-PLUGIN-YUBIKEY-1XYZ", secret.capitalize()):
        with pytest.raises(acrypto.UsageError) as caught:
            X25519Identity.parse(text)
        assert text[16:40] not in str(caught.value) or not text[16:40]
    identity.wipe()
    assert identity.export() == X25519Identity(bytes(32)).export()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN", "SSH"),
        ("age1", "typing error"),
        ("age1\udcff", "typing error"),
        ("AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ", "only X25519"),
        ("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk", "typing error"),
        ("age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e", "age1tag"),
    ],
)
def test_other_recipients_are_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(acrypto.UsageError, match=told):
        X25519Recipient.parse(text)


def test_key_files_hold_keys_comments_and_blank_lines() -> None:
    one, two = X25519Identity.generate(), X25519Identity(SECRET)
    data = f"# a comment\n\n{one.export()}\r\n#{two.export()}\n{two.export()}".encode()
    assert [each.recipient for each in keyfiles.identities(data)] == [one.recipient, two.recipient]
    data = f"# caf\u00e9\n{one.recipient}\n\n{two.recipient}\n".encode()
    assert keyfiles.recipients(data) == [one.recipient, two.recipient]
    assert keyfiles.recipients(data)[1].share == public(SECRET)


def test_a_wrong_line_of_a_key_file_is_told_by_number() -> None:
    secret = X25519Identity.generate().export()
    for wrong in (secret[:-1], " " + secret, secret + " ", "\u00e9" + secret, secret.lower(), secret + secret):
        with pytest.raises(acrypto.CorruptInput, match="line 3 of keys") as caught:
            keyfiles.identities(f"# first\n\n{wrong}\n".encode(), "keys")
        assert secret[20:30].lower() not in str(caught.value).lower()
    for empty in (b"", b"\n\n", b"# only\n"):
        with pytest.raises(acrypto.CorruptInput, match="no identity in keys"):
            keyfiles.identities(empty, "keys")
        with pytest.raises(acrypto.CorruptInput, match="no recipient"):
            keyfiles.recipients(empty)
    with pytest.raises(acrypto.LimitExceeded, match="over 1048576 bytes"):
        keyfiles.identities(b"#" * ((1 << 20) + 1))


def test_secrets_are_overwritten_when_they_are_let_go_of() -> None:
    secret = Secret(b"secret")
    secret.__del__()
    assert secret == bytes(6)
