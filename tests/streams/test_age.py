"""Encryption to age and back: any size, any cut, any recipients; the index reads at any place."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.streams.age_files import CHUNK, FILE_KEY, NONCE, SECRET, good
from tests.streams.age_runs import cut, outcome, run

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.streams import flow
from acrypto.streams.age import (
    AgeIndex,
    Decrypt,
    Encrypt,
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
    X25519Recipient,
)
from acrypto.streams.age.encrypt import sealed
from acrypto.streams.age.format import Stanza
from acrypto.streams.age.keys import STREAM, payload_key
from acrypto.streams.messages import headed
from acrypto.streams.place import place
from acrypto.streams.seekable import SeekableReader
from acrypto.streams.tally import Tally
from acrypto.streams.units import NotIndexed

IDENTITY = X25519Identity(SECRET)
ALL = random.Random(5).randbytes(3 << 20)
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20, (1 << 20) + 1, (1 << 20) - 1, 3 << 20]


@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_any_size_goes_there_and_back(layer: acrypto.Layer, size: int, armor: bool) -> None:
    text = ALL[:size]
    box = run(layer, Encrypt([IDENTITY.recipient], armor=armor), cut(text, 70_001))
    assert run(layer, Decrypt([IDENTITY]), box) == text
    assert run(layer, Decrypt([IDENTITY]), cut(box, 99_991)) == text


@settings(max_examples=20)
@given(st.lists(st.integers(0, 200_000), max_size=20))
def test_any_cut_goes_there_and_back(layer: acrypto.Layer, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(ALL[at : at + size])
        at += size
    box = run(layer, Encrypt([IDENTITY.recipient]), pieces)
    assert run(layer, Decrypt([IDENTITY]), [box[:1], box[1:150], b"", box[150:]]) == ALL[:at]


def test_it_can_be_fed(layer: acrypto.Layer) -> None:
    """As files that are written to do."""
    given: list[bytes] = []
    stages = [Encrypt([IDENTITY.recipient], armor=True)]
    feed = flow.Feed(layer, stages, lambda piece: given.append(bytes(piece)), Tally())
    for piece in cut(ALL, 300_000):
        feed.write(piece)
    feed.finish()
    assert run(layer, Decrypt([IDENTITY]), b"".join(given)) == ALL


def test_many_recipients_read_the_same_file(layer: acrypto.Layer) -> None:
    identities = [X25519Identity.generate() for _ in range(20)]
    box = run(layer, Encrypt([str(each.recipient) for each in identities]), b"to all")
    for identity in identities:
        assert run(layer, Decrypt([identity.export()]), box) == b"to all"
    assert isinstance(outcome(layer, Decrypt([IDENTITY]), box).error, acrypto.AuthenticationError)


def test_a_passphrase_is_text_or_bytes(layer: acrypto.Layer) -> None:
    box = run(layer, Encrypt([ScryptRecipient("caf\u00e9", work_factor=3)]), b"x")
    for passphrase in ("caf\u00e9", "caf\u00e9".encode(), bytearray("caf\u00e9".encode())):
        assert run(layer, Decrypt(passphrase=passphrase), box) == b"x"
    assert run(layer, Decrypt([IDENTITY, ScryptIdentity("caf\u00e9")]), box) == b"x"
    for wrong in ("cafe", "caf\u00e9 "):
        assert isinstance(outcome(layer, Decrypt(passphrase=wrong), box).error, acrypto.AuthenticationError)


def test_no_two_files_are_alike(layer: acrypto.Layer) -> None:
    """A stage may run many times; each run has keys of its own."""
    stage = Encrypt([IDENTITY.recipient])
    one, two = run(layer, stage, b"same"), run(layer, stage, b"same")
    assert one != two
    assert not {*one.splitlines()[1:]} & {*two.splitlines()[1:]}


def test_whoever_has_a_protocol_of_its_own_takes_part(layer: acrypto.Layer) -> None:
    class Plain:
        def wrap(self, file_key: bytearray) -> Stanza:
            return Stanza(("plain",), bytes(file_key))

        def unwrap(self, stanzas: list[Stanza]) -> bytearray | None:
            return next((bytearray(stanza.body) for stanza in stanzas if stanza.type == "plain"), None)

    box = run(layer, Encrypt([IDENTITY.recipient, Plain()]), b"x")
    assert run(layer, Decrypt([Plain()]), box) == run(layer, Decrypt([IDENTITY]), box) == b"x"


def test_wrong_recipients_are_told() -> None:
    for make, told in (
        (Encrypt, "no recipient and no passphrase"),
        (lambda: Encrypt(passphrase=""), "empty"),
        (lambda: Encrypt([IDENTITY.recipient], passphrase="p"), "alone"),
        (lambda: Encrypt([ScryptRecipient("p"), ScryptRecipient("q")]), "alone"),
        (lambda: Encrypt(["age1nonsense"]), "recipient"),
        (lambda: ScryptRecipient("p", work_factor=0), "work factor is 0; it must be 1 to 22"),
        (lambda: ScryptRecipient("p", work_factor=23), "work factor is 23; it must be 1 to 22"),
        (lambda: X25519Recipient(bytes(31)), "31 bytes"),
        (lambda: X25519Identity(bytes(33)), "33 bytes"),
        (Decrypt, "no identity and no passphrase"),
        (lambda: Decrypt(["AGE-SECRET-KEY-1NONSENSE"]), "identity"),
    ):
        with pytest.raises(acrypto.UsageError, match=told):
            make()


def test_nobody_owns_a_recipient_of_small_order(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UsageError, match="small order"):
        run(layer, Encrypt([X25519Recipient(bytes(32))]), b"x")


def test_a_payload_is_what_another_writer_makes_of_it(layer: acrypto.Layer) -> None:
    """With the same keys, by whatever devices there are, and in whatever pieces it comes."""
    right = good(ALL).data[len(good(b"").data) - 16 :]
    with acrypto.open(["software"]) as software:
        for each in (software, layer):
            key = payload_key(bytearray(FILE_KEY), NONCE)
            transform = each.transform(STREAM, key=key)
            for size in (77_777, 1 << 20, len(ALL)):
                work = flow.works(each, Tally(), [Encrypt([IDENTITY.recipient])])[0]
                assert b"".join(map(bytes, sealed(work, transform, iter(cut(ALL, size))))) == right


@pytest.mark.parametrize("kind", ["die", "fail", "delay", "refuse"])
def test_an_engine_that_fails_in_mid_stream_changes_nothing(kind: str) -> None:
    right = good(ALL)
    fault = Fault(kind, after=1, every=2, times=5, seconds=0.001)
    with acrypto.open([Faulty(fault), "software"]) as unlucky:
        work = flow.works(unlucky, Tally(), [Encrypt([IDENTITY.recipient])])[0]
        transform = unlucky.transform(STREAM, key=payload_key(bytearray(FILE_KEY), NONCE))
        payload = b"".join(map(bytes, sealed(work, transform, iter(cut(ALL, 77_777)))))
        assert payload == right.data[len(good(b"").data) - 16 :]
    with acrypto.open([Faulty(fault), "software"]) as unlucky:
        assert run(unlucky, Decrypt([IDENTITY]), cut(right.data, 99_991)) == ALL


def test_a_first_message_and_others() -> None:
    for size in range(12):
        for first in range(1, 5):
            for pieces in (cut(ALL[:size], 1), cut(ALL[:size], 5), [ALL[:size]]):
                found = [message for message in headed(iter(pieces), first, 3) if message is not None]
                joined = [b"".join(part) if isinstance(part, list) else bytes(part) for part, _ in found]
                assert joined == [part for part in [ALL[:first][:size], *cut(ALL[first:size], 3)] if part]
                assert [length for _, length in found] == [len(part) for part in joined]


# ---- The index


def reader(layer: acrypto.Layer, data: bytes, identity: X25519Identity = IDENTITY) -> SeekableReader:
    where = place(io.BytesIO(data))
    assert where is not None
    return SeekableReader(None, layer=layer, index=AgeIndex(where, [identity]))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 8 * CHUNK, 8 * CHUNK + 1, 21 * CHUNK + 7])
def test_any_part_is_read_without_the_rest(layer: acrypto.Layer, size: int) -> None:
    text = ALL[:size]
    with reader(layer, good(text).data) as file:
        assert file.size == size
        chosen = random.Random(size)
        parts = [(chosen.randrange(size + 2), chosen.randrange(3 * CHUNK)) for _ in range(30)]
        for start, length in [(0, size), (size, 1), (0, 0), (max(size - 1, 0), 1), *parts]:
            assert file.pread(start, length) == text[start : start + length]
        file.seek(-min(size, 5), 2)
        assert file.read() == text[-5:]


def test_a_reader_proves_the_end(layer: acrypto.Layer) -> None:
    data = good(ALL[: 3 * CHUNK]).data
    start = len(good(b"").data) - 16
    for size in (start + CHUNK + 16, start + 2 * (CHUNK + 16), start + 100, start + CHUNK + 16 + 17):
        with pytest.raises(acrypto.AuthenticationError, match="final chunk"):
            reader(layer, data[:size])
    for wrong in (data[:start], data[: start - 1], data + bytes(16), data + bytes(15), data[: start + 15], b""):
        with pytest.raises(acrypto.CorruptInput):
            reader(layer, wrong)
    with pytest.raises(acrypto.AuthenticationError):
        reader(layer, data + bytes(17))
    with pytest.raises(acrypto.AuthenticationError):
        reader(layer, data, X25519Identity(bytes(range(32))))
    with pytest.raises(NotIndexed, match="armored"):
        reader(layer, good().armored())


def test_a_part_that_was_changed_is_not_given(layer: acrypto.Layer) -> None:
    text = ALL[: 24 * CHUNK]
    data = bytearray(good(text).data)
    data[-12 * (CHUNK + 16)] ^= 1  # the 13th chunk
    with reader(layer, bytes(data)) as file:
        assert file.pread(7 * CHUNK, 10) == text[7 * CHUNK :][:10]
        with pytest.raises(acrypto.AuthenticationError, match="from offset"):
            file.pread(12 * CHUNK, 10)
        assert file.pread(16 * CHUNK, 10) == text[16 * CHUNK :][:10]
