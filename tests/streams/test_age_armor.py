"""Armor: written as everybody writes it, and read as strictly."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.streams.age_files import good
from tests.streams.age_runs import cut

import acrypto
from acrypto.streams.age import armor
from acrypto.streams.parse import Incoming

BEGIN, END = "-----BEGIN AGE ENCRYPTED FILE-----\n", "-----END AGE ENCRYPTED FILE-----\n"
FILE = good(bytes(300)).data
TEXT = good(bytes(300)).armored()


def decoded(text: bytes | Iterable[bytes]) -> bytes:
    pieces = [text] if isinstance(text, bytes) else text
    return b"".join(armor.decoded(Incoming(iter(pieces))))


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_what_is_written_does_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    text = b"".join(bytes(piece) for piece in armor.encoded(iter(pieces)) if piece is not None)
    lines = text.decode().splitlines()
    assert text.endswith(b"\n")
    assert (lines[0] + "\n", lines[-1] + "\n") == (BEGIN, END)
    assert "".join(lines[1:-1]) == base64.b64encode(whole).decode()
    assert all(len(line) == 64 for line in lines[1:-2])
    assert decoded(text) == whole


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 48 * 8192, 48 * 8192 + 1, 48 * 20_000 + 46, 48 * 20_000 + 47])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_size_goes_there_and_back(size: int, end: str) -> None:
    data = bytes(at * 7 % 251 for at in range(size))
    text = b"".join(bytes(piece) for piece in armor.encoded(iter(cut(data, 70_001))) if piece is not None)
    text = text.replace(b"\n", end.encode())
    assert decoded(text) == data
    assert decoded(cut(text, 65_536)) == data
    assert decoded(text.removesuffix(end.encode())) == data


def test_lines_may_end_differently() -> None:
    lines = TEXT.splitlines()
    mixed = b"".join(line + (b"\r\n" if at % 2 else b"\n") for at, line in enumerate(lines))
    assert decoded(mixed) == FILE
    assert decoded(cut(mixed, 1)) == FILE


def test_whitespace_around_it_is_overlooked_up_to_a_limit() -> None:
    space = b"\n\r   \t\n"
    assert decoded(space + TEXT + space) == FILE
    assert armor.is_armored(Incoming(iter([space + TEXT])))
    assert decoded(b" " * 1024 + TEXT + b" " * 1024) == FILE
    for text in (b" " * 1025 + TEXT, TEXT + b" " * 1025):
        with pytest.raises(acrypto.CorruptInput):
            decoded(text)
    assert not armor.is_armored(Incoming(iter([good().data])))


def edited() -> dict[str, bytes]:
    text = TEXT.decode()
    lines = text.splitlines(keepends=True)
    last = lines[-2].rstrip("\n")
    assert last.endswith("=")

    def but(at: int, *new: str) -> str:
        return "".join([*lines[:at], *new, *(lines[at + 1 :] if at >= 0 else [])])

    bare = last.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = bare[:-1] + alphabet[alphabet.index(bare[-1]) + 1] + "=" * (len(last) - len(bare))
    end = len(lines) - 1
    return {
        name: value.encode()
        for name, value in {
            "garbage before": "garbage\n" + text,
            "garbage behind": text + "garbage\n",
            "another armor behind": text + text,
            "the end only": "".join(lines[1:]),
            "no end": "".join(lines[:-1]),
            "half an end": text[:-10],
            "nothing but a beginning": BEGIN,
            "nothing": "",
            "headers": but(0, BEGIN, "Headers: are\n", "not: allowed\n", "\n"),
            "an empty line first": but(0, BEGIN, "\n"),
            "an empty line last": but(end, "\n", END),
            "an empty line between": but(3, "\n", lines[3]),
            "another label": text.replace("AGE ENCRYPTED FILE", "ANY ENCRYPTED FILE"),
            "lower case": text.replace("AGE ENCRYPTED", "age encrypted"),
            "blanks in the beginning": but(0, "----- BEGIN AGE ENCRYPTED FILE -----\n"),
            "blanks in the end": but(end, "----- END AGE ENCRYPTED FILE -----\n"),
            "a blank at a line's end": but(2, lines[2].replace("\n", " \n")),
            "a blank at a line's beginning": but(2, " " + lines[2]),
            "a blank at the last line's end": but(end - 1, last + " \n"),
            "a tab at the beginning's end": but(0, BEGIN.replace("\n", "\t\n")),
            "a carriage return too much": but(2, lines[2].replace("\n", "\r\r\n")),
            "a long line": but(2, lines[2].rstrip("\n") + lines[3]).replace(lines[3], "", 1),
            "a short line": but(2, lines[2][:32] + "\n", lines[2][32:]),
            "a line end that is too early": text.replace(
                lines[4] + lines[5], lines[4][:60] + "\n" + lines[4][60:-1] + lines[5]
            ),
            "no padding": but(end - 1, bare + "\n"),
            "too much padding": but(end - 1, last + "=\n"),
            "padding on a line of its own": but(end - 1, bare + "\n", last[len(bare) :] + "\n"),
            "padding in the middle": but(2, lines[2][:62] + "==\n"),
            "left over bits": but(end - 1, other + "\n"),
            "a wrong character": but(2, "*" + lines[2][1:]),
            "a wrong character last": but(end - 1, "*" + last[1:] + "\n"),
            "a checksum": but(end, "=njUN\n", END),
        }.items()
    }


EDITED = edited()


@pytest.mark.parametrize("case", EDITED)
def test_anything_else_is_corrupt(case: str) -> None:
    for pieces in ([EDITED[case]], cut(EDITED[case], 1)):
        with pytest.raises(acrypto.CorruptInput, match=r"offset \d+"):
            decoded(pieces)


@given(st.data())
def test_an_edited_text_is_corrupt_or_the_same_when_written_again(data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(TEXT))] * 2)))
    text = TEXT[:start] + data.draw(st.binary(max_size=4)) + TEXT[stop:]
    try:
        found = decoded(text)
    except acrypto.CorruptInput:
        return
    again = b"".join(bytes(piece) for piece in armor.encoded(iter([found])) if piece is not None)
    assert again == text.replace(b"\r\n", b"\n").strip() + b"\n"
