"""Age files as text (C2SP age.md, RFC 7468 3): read as strictly as it is written, whitespace around it excepted.

Lines end with LF or CRLF. Reading and writing take some megabytes of text at most at a time, however large the file is.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import CorruptInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from acrypto.streams.parse import Incoming
    from acrypto.streams.stage import Piece

BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
FINISH = b"-----END AGE ENCRYPTED FILE-----"
SPACES = b" \t\r\n"
COLUMNS = 64
#: Bytes that a full line stands for.
LINE = 48
#: Bytes of whitespace around the armor that are overlooked, on either side.
MOST_SPACE = 1024
#: Lines that are read or written at a time.
LINES = 8192


def is_armored(incoming: Incoming) -> bool:
    """Whether what comes is text: its first byte that is not whitespace is a dash, which no binary file begins with."""
    head = incoming.peek(MOST_SPACE + 1).lstrip(SPACES)
    return head.startswith(BEGIN[:1])


# ---- Writing


def encoded(pieces: Iterable[Piece | None]) -> Iterator[Piece | None]:
    """The text of a binary file."""
    yield BEGIN + b"\n"
    rest = b""
    for piece in pieces:
        if piece is None:
            yield None
            continue
        view = memoryview(piece)
        if rest:
            missing = LINE - len(rest)
            rest, view = rest + view[:missing], view[missing:]
            if len(rest) < LINE:
                continue
            yield _lines(rest)
        whole = len(view) // LINE * LINE
        for at in range(0, whole, LINES * LINE):
            yield _lines(view[at : min(at + LINES * LINE, whole)])
        rest = bytes(view[whole:])
    if rest:
        yield binascii.b2a_base64(rest)
    yield FINISH + b"\n"


def _lines(data: bytes | memoryview) -> bytes:
    """Full lines."""
    text = binascii.b2a_base64(data, newline=False)
    lines = [text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS)]
    _core.count_copy("python", 2 * len(text))
    lines.append(b"")
    return b"\n".join(lines)


# ---- Reading


def decoded(incoming: Incoming) -> Iterator[bytes]:
    """The binary file that a text stands for.

    Raises:
        CorruptInput: it is not armor, whole and canonical, or something else is around it; with the offset in the text.
    """
    _skip_spaces(incoming)
    if _line(incoming) != BEGIN:
        raise CorruptInput("armor that does not begin as armor does at offset 0", 0)
    lines = 1
    while True:
        batch = _batch(incoming, lines)
        if batch:
            yield batch
            lines = min(lines * 4, LINES)
            continue
        if lines > 1:
            lines //= 4
            continue
        start = incoming.offset
        line = _line(incoming)
        if line == FINISH:
            break
        raw = _decoded(line)
        if not line or len(line) > COLUMNS or raw is None:
            raise CorruptInput(f"a wrong line of armor at offset {start}", start)
        yield raw
        if len(raw) == LINE:
            continue
        # A short line is the last one.
        start = incoming.offset
        if _line(incoming) != FINISH:
            raise CorruptInput(f"a short line of armor, or one that is padded, before offset {start}", start)
        break
    start = incoming.offset
    _skip_spaces(incoming)
    if incoming.need(1):
        raise CorruptInput(f"something behind the armor, after offset {start}", start)


def _skip_spaces(incoming: Incoming) -> None:
    head = incoming.peek(MOST_SPACE + 1)
    incoming.skip(min(len(head) - len(head.lstrip(SPACES)), MOST_SPACE))


def _line(incoming: Incoming) -> bytes:
    """The next line without what ends it; the last one may end with the data."""
    head = incoming.peek(COLUMNS + 2)
    feed = head.find(b"\n")
    if feed < 0:
        incoming.skip(len(head))
        return head
    incoming.skip(feed + 1)
    return head[:feed].removesuffix(b"\r")


def _decoded(line: bytes) -> bytes | None:
    """The bytes of canonical base64 with its padding."""
    try:
        raw = binascii.a2b_base64(line, strict_mode=True)
    except ValueError:
        return None
    return raw if binascii.b2a_base64(raw, newline=False) == line else None


def _batch(incoming: Incoming, lines: int) -> bytes | None:
    """What so many full lines stand for, or those that are left; None if they do not look alike."""
    end = incoming.peek(2, COLUMNS)
    if end[:1] == b"\n":
        end = b"\n"
    elif end != b"\r\n":
        return None
    text = incoming.peek(lines * (COLUMNS + len(end)))
    lines = len(text) // (COLUMNS + len(end))
    text = text[: lines * (COLUMNS + len(end))]
    if not _is_alike(text, lines, end):
        return None
    _core.count_copy("python", len(text))
    try:
        raw = binascii.a2b_base64(text.replace(end, b""), strict_mode=True)
    except ValueError:
        return None
    # As many bytes as that leave no room for padding, and no bits over: it is canonical.
    if len(raw) != lines * LINE:
        return None
    incoming.skip(len(text))
    return raw


def _is_alike(text: bytes, lines: int, end: bytes) -> bool:
    """Whether every line is a full one."""
    stride = COLUMNS + len(end)
    return text.count(b"\n") == lines and all(
        text[COLUMNS + at :: stride] == end[at : at + 1] * lines for at in range(len(end))
    )
