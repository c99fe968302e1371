"""Plain command lines of `digest`: what is read without the library means what the library reads."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from acrypto.cli import plain
from acrypto.cli.digest import command

WORDS = (
    "-a", "--algorithm", "sha1", "-r", "--recursive", "--tag", "-T", "--threads", "1", "01", "0", "1024", "1025", "x",
    "-1", "--mmap", "--no-mmap", "--json", "--", "-", "file", "", "-rT2", "--tag=1", "-ablake3", "--algorithm=md5",
    "-c", "--chec", "--check", "--quiet", "-h", "-z", "\u0661", "two words", "--rec",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_what_is_read_here_means_the_same_there(words: list[str]) -> None:
    asked = plain.digest(words)
    if asked is not None:
        read = command.make_context("digest", list(words)).params
        assert not any(read[name] for name in ("check", "quiet", "status", "warn_each", "strict", "ignore_missing"))
        assert (read["algorithm"] or "sha256") == asked.algorithm
        assert all(read[name] == getattr(asked, name) for name in asked._fields if name != "algorithm")


def test_plain_lines_are_read_here() -> None:
    asked = plain.digest(["-a", "blake3", "one", "--json", "-T", "4", "--mmap", "-r", "--tag", "--", "-a"])
    assert asked == (("one", "-a"), "blake3", True, True, 4, True, True)
    assert plain.digest([]) == plain.Asked(())


def test_all_else_is_left_to_the_library() -> None:
    for words in (["-c", "list"], ["--help"], ["-rT2"], ["-a"], ["-T", "0"], ["--unknown"], ["--check"]):
        assert plain.digest(words) is None
    assert isinstance(command, click.Command)
