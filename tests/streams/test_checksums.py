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
    parsed = format.parse(line)
    if tag is None and b") = " in name:
        return  # both styles fit such a line
    assert parsed == (name, digest, tag)


@given(st.binary())
def test_any_line_is_read_or_refused(line: bytes) -> None:
    format.parse(line)


def test_lines_of_neither_style_are_refused() -> None:
    for line in (b"", b"abc", b"zz  name", b"abc  name", b"ab name", b"\\ab  na\\xme", b"SHA256 name = ab"):
        assert format.parse(line) is None
