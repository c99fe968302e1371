"""Lines of digests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from acrypto.streams.checksums import format

names = st.binary(min_size=1).filter(lambda name: b"\0" not in name)
digests = st.binary(min_size=1, max_size=64)


@given(names, digests, st.sampled_from([None, "sha256", "sha3-256"]))
def test_a_line_is_read_as_it_was_written(name: bytes, digest: bytes, tag: str | None) -> None:
    line = format.line(name, digest, tag)
    assert line.count(b"\n") == 1
    assert format.parse(line) == (name, digest, tag, None, False)


def test_a_name_may_follow_one_blank() -> None:
    assert format.parse(b"abcd name\n") == (b"name", b"\xab\xcd", None, None, True)
    assert format.parse(b"\t abcd  name\n") == (b"name", b"\xab\xcd", None, None, False)
    assert format.parse(b"abcd *name\n", one_space=True) == (b"*name", b"\xab\xcd", None, None, True)
    assert format.parse(b"abcd (x) = ab") == (b"(x) = ab", b"\xab\xcd", None, None, True)


def test_blake2b_is_tagged_as_b2sum_tags_it() -> None:
    assert format.line(b"f", b"\xab", "blake2b") == b"BLAKE2b (f) = ab\n"
    assert format.parse(b"BLAKE2b (f) = ab") == (b"f", b"\xab", "blake2b", None, False)
    assert format.parse(b"BLAKE2b-256 (f) = ab") == (b"f", b"\xab", "blake2b", 32, False)
    for tag in (b"BLAKE2B", b"BLAKE2b-", b"BLAKE2b-0", b"BLAKE2b-257", b"BLAKE2b-520"):
        assert format.parse(tag + b" (f) = ab") is None


def test_reports_escape_only_what_would_break_them() -> None:
    assert format.reported(b"a\\b\rc") == b"a\\b\rc"
    assert format.reported(b"a\\b\nc") == b"\\a\\\\b\\nc"


@given(st.binary())
def test_any_line_is_read_or_refused(line: bytes) -> None:
    format.parse(line)


def test_lines_of_neither_style_are_refused() -> None:
    for line in (
        b"",
        b"abc",
        b"ab",
        b"ab ",
        b"zz  name",
        b"abc  name",
        b"abname",
        b"\\ab  na\\xme",
        b"ab  na\0me",
        b"SHA256 name = ab",
        b"sha256 (name) = ab",
        b"SHA256  (name) = ab",
    ):
        assert format.parse(line) is None
