"""Names of algorithms: what is read is what is printed, and what is refused is told with its place."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrypto import _core
from acrypto.model.errors import UsageError
from acrypto.model.names import LETTERS, MAX_NAME, Name, parse

WORDS = st.text(st.sampled_from(sorted(LETTERS)), min_size=1, max_size=8)


def fits(text: str) -> bool:
    return len(text) <= MAX_NAME


#: Texts of the grammar, made without the parser.
TEXTS = st.recursive(
    WORDS,
    lambda inner: st.builds(
        lambda word, args: f"{word}({','.join(args)})", WORDS, st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
).filter(fits)
NAMES = TEXTS.map(parse)


@given(TEXTS)
def test_what_is_read_is_printed_as_it_was(text: str) -> None:
    assert str(parse(text)) == text


@given(NAMES)
def test_what_is_printed_is_read_as_it_was(name: Name) -> None:
    assert parse(str(name)) == name
    assert hash(parse(str(name))) == hash(name)
    assert Name(name.base, name.args) == name


@given(TEXTS, st.data())
def test_a_changed_name_prints_back_or_is_refused_at_a_column_inside_it(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text(st.one_of(st.sampled_from("(),) \t\n"), st.characters()), max_size=3))
    changed = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    printed, refused = outcome(changed)
    assert printed == changed or 1 <= column(refused) <= len(changed) + 1
    assert len(refused) < 700


def outcome(text: str) -> tuple[str | None, str]:
    """What the name prints, or the message of its refusal."""
    try:
        return str(parse(text)), ""
    except UsageError as error:
        return None, str(error)


def column(message: str) -> int:
    found = re.search(r"column (\d+)", message)
    assert found, message
    return int(found[1])


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("", 1, "expected a letter.* found the end"),
        (" aes", 1, "found ' '"),
        ("aes ", 4, "expected the end.* found ' '"),
        ("cbc (aes)", 4, "expected the end"),
        ("cbc( aes)", 5, "expected a letter"),
        ("cbc()", 5, r"found '\)'"),
        ("cbc(aes", 8, """expected "," or "\\)" for 'cbc'.* found the end"""),
        ("cbc(aes))", 9, "expected the end"),
        ("cbc(aes)x", 9, "expected the end.* found 'x'"),
        ("essiv(cbc(aes),)", 16, "expected a letter"),
        ("essiv(,sha256)", 7, "expected a letter"),
        ("essiv(cbc(aes) sha256)", 15, 'expected "," or'),
        ("a,b", 2, "expected the end"),
        ("(aes)", 1, "expected a letter"),
        ("sha\u0661", 4, "expected"),  # an Arabic digit is a digit, and not one of ours
        ("a\x00b", 2, r"found '\\x00'"),
    ],
)
def test_what_is_wrong_is_told_with_its_column(text: str, at: int, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        parse(text)
    assert column(str(caught.value)) == at


def test_128_characters_are_a_name_and_129_are_not() -> None:
    for make in (lambda n: "a" * n, lambda n: "a(" * 30 + "b" * (n - 90) + ")" * 30):
        assert str(parse(make(MAX_NAME))) == make(MAX_NAME)
        with pytest.raises(UsageError, match="129 characters, at most 128") as caught:
            parse(make(MAX_NAME + 1))
        assert column(str(caught.value)) == MAX_NAME + 1
        assert len(str(caught.value)) < 200


def test_a_name_built_of_parts_is_held_to_the_same_rules() -> None:
    deep = parse("x" * 100)
    assert str(Name("authenc", (parse("hmac(sha256)"), parse("cbc(aes)")))) == "authenc(hmac(sha256),cbc(aes))"
    with pytest.raises(UsageError, match="209 characters"):
        Name("authenc", (deep, Name("y" * 99)))
    for word in ("", "a b", "cbc(aes)", "é"):
        with pytest.raises(UsageError, match="column"):
            Name(word)
    with pytest.raises(UsageError, match="is a Name, not str"):
        Name("cbc", ("aes, or so",))  # type: ignore[arg-type]
    for wrong in (None, b"aes", 1):
        with pytest.raises(UsageError, match="text"):
            Name(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="text"):
            parse(wrong)  # type: ignore[arg-type]


def test_depth_is_bounded_by_length_alone() -> None:
    text = "a(" * 42 + "a" + ")" * 42
    assert len(text) == 127
    assert str(parse(text)) == text
    for hostile in ("(" * 128, "a(" * 64, "a(" * 10**6, "a" + ")" * 127):
        with pytest.raises(UsageError):
            parse(hostile)


def test_a_name_never_changes() -> None:
    name = parse("gcm(aes)")
    for attribute in ("base", "args", "_text", "more"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(name, attribute, "x")
    with pytest.raises(AttributeError, match="immutable"):
        del name.base
    assert (name.base, name.args, str(name)) == ("gcm", (Name("aes"),), "gcm(aes)")
    assert copy.deepcopy(name) == pickle.loads(pickle.dumps(name)) == name
    assert name != "gcm(aes)"
    assert repr(name) == "<Name gcm(aes)>"
    assert len({name, parse("gcm(aes)"), parse("ccm(aes)")}) == 2


def test_every_name_of_the_core_is_one() -> None:
    for row in _core.algorithms():
        assert str(parse(row["name"])) == row["name"]
        assert str(parse(row["driver"])) == row["driver"]
    for name, _reason in _core.absent():
        assert str(parse(name)) == name


def test_every_name_of_this_kernel_is_one() -> None:
    """Names and nested driver names of /proc/crypto."""
    try:
        text = Path("/proc/crypto").read_text(encoding="ascii")
    except FileNotFoundError:
        pytest.skip("no /proc/crypto here")
    names = re.findall(r"^(?:name|driver) +: (.*)$", text, re.MULTILINE)
    for name in names:
        assert str(parse(name)) == name
