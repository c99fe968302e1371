"""Names of algorithms: `deflate`, `gcm(aes)`, `authenc(hmac(sha256),cbc(aes))`; read and printed.

    name := word [ "(" name { "," name } ")" ]

A word is one or more ASCII letters, digits and `_ - . + /`. No blanks; at most 128 characters in all. Driver names of
templates nest in the same way, so they are names too.
"""

from __future__ import annotations

from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: Most characters of a name, whole.
MAX_NAME = 128
#: Most characters of somebody's text that a message repeats.
SHOWN = 40
#: What words are made of.
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.+/")


class Name:
    """An algorithm's name: a word, and what stands in its parentheses. Immutable; valid or not made at all.

    Args:
        base: the word in front: of `gcm(aes)`, `gcm`.
        args: the names in the parentheses.

    Raises:
        UsageError: `base` is not a word, or the name is too long.
    """

    __slots__ = ("_text", "args", "base")

    base: str
    args: tuple[Name, ...]
    _text: str

    def __init__(self, base: str, args: tuple[Name, ...] = ()) -> None:
        if not isinstance(base, str):
            raise UsageError(f"a word of a name is text, not {type(base).__name__}")
        for arg in args:
            if not isinstance(arg, Name):
                raise UsageError(f"what is in a name's parentheses is a Name, not {type(arg).__name__}")
        wrong = next((at for at, letter in enumerate(base) if letter not in LETTERS), None if base else 0)
        if wrong is not None:
            _refuse(base, wrong, "expected a letter, a digit or one of _-.+/")
        text = f"{base}({','.join(map(str, args))})" if args else base
        if len(text) > MAX_NAME:
            _refuse_length(text)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "args", tuple(args))
        object.__setattr__(self, "_text", text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Name {self._text}>"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Name) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a name is immutable; {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a name is immutable; {name} cannot be deleted")

    def __reduce__(self) -> tuple[type[Name], tuple[str, tuple[Name, ...]]]:
        return Name, (self.base, self.args)


def parse(text: str) -> Name:
    """The name that a text spells.

    Raises:
        UsageError: it spells none; tells what is wrong, and at which column (the first is 1).
    """
    if not isinstance(text, str):
        raise UsageError(f"a name is text, not {type(text).__name__}")
    if len(text) > MAX_NAME:
        _refuse_length(text)
    # What is open, outermost first: a word, and the names after its parenthesis so far. No recursion, so that the depth
    # of somebody's name is no matter of this thread's stack.
    opened: list[tuple[str, list[Name]]] = []
    at = 0
    while True:
        start = at
        while at < len(text) and text[at] in LETTERS:
            at += 1
        if at == start:
            _refuse(text, at, "expected a letter, a digit or one of _-.+/")
        word = text[start:at]
        if text.startswith("(", at):
            opened.append((word, []))
            at += 1
            continue
        name = Name(word)
        while opened and text.startswith(")", at):
            base, args = opened.pop()
            name = Name(base, (*args, name))
            at += 1
        if not opened:
            break
        if not text.startswith(",", at):
            _refuse(text, at, f'expected "," or ")" for {_shown(opened[-1][0])}')
        opened[-1][1].append(name)
        at += 1
    if at < len(text):
        _refuse(text, at, "expected the end")
    return name


def _refuse(text: str, at: int, expected: str) -> NoReturn:
    found = repr(text[at]) if at < len(text) else "the end"
    raise UsageError(f"name {_shown(text)}: {expected} at column {at + 1}, found {found}")


def _refuse_length(text: str) -> NoReturn:
    length = f"{len(text)} characters, at most {MAX_NAME}"
    raise UsageError(f"name {_shown(text)} is too long: {length}; the first too many is at column {MAX_NAME + 1}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
