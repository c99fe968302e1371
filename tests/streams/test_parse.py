"""Pieces as one run of bytes: for parsers, and cut anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acrypto.streams.parse import Incoming
from acrypto.streams.stage import regrouped

PIECES = st.lists(st.binary(max_size=20), max_size=12)


@given(PIECES, st.data())
def test_what_is_looked_at_taken_and_put_back_is_what_came(pieces: list[bytes], draw: st.DataObject) -> None:
    whole = b"".join(pieces)
    incoming = Incoming(iter(pieces))
    while incoming.need(1):
        at, nbytes = incoming.offset, draw.draw(st.integers(1, 25))
        assert incoming.peek(nbytes, 3) == whole[at + 3 : at + 3 + nbytes]
        assert incoming.need(nbytes) == (at + nbytes <= len(whole))
        taken = incoming.take(min(nbytes, incoming.have))
        assert b"".join(taken) == whole[at : incoming.offset]
        if draw.draw(st.booleans()):
            incoming.put_back(taken)
            assert incoming.offset == at
            assert bytes(incoming.take_piece()) == taken[0]
    assert incoming.offset == len(whole)
    assert incoming.ended


@given(PIECES, st.integers(1, 30))
def test_messages_do_not_depend_on_the_pieces(pieces: list[bytes], nbytes: int) -> None:
    whole = b"".join(pieces)
    messages = []
    for message in regrouped(iter(pieces), nbytes):
        assert message is not None
        source, length = message
        parts = source if isinstance(source, list) else [source]
        messages.append(b"".join(parts))
        assert len(messages[-1]) == length
    assert messages == [whole[at : at + nbytes] for at in range(0, len(whole), nbytes)]


def test_nothing_is_copied_to_regroup() -> None:
    piece = memoryview(bytes(100))
    for message in regrouped(iter([piece, piece]), 60):
        assert message is not None
        source = message[0]
        assert all(part.obj is piece.obj for part in (source if isinstance(source, list) else [memoryview(source)]))
