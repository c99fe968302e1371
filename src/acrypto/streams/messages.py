"""How data are cut into messages by formats that treat their beginning or their end in another way than the rest."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from acrypto.streams.stage import regrouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from acrypto.streams.stage import Message, Piece


def ending(messages: Iterable[tuple[Message, int] | None]) -> Iterator[tuple[Message, int, bool] | None]:
    """Messages, their lengths, and whether each is the last, for which the next one must be seen. At least one."""
    held: tuple[Message, int] | None = None
    for message in messages:
        if message is None:
            yield None
            continue
        if held is not None:
            yield (*held, False)
        held = message
    yield (*(held or (b"", 0)), True)


def headed(upstream: Iterable[Piece | None], first: int, others: int) -> Iterator[tuple[Message, int] | None]:
    """One message of `first` bytes, then others of `others`, the last one perhaps shorter. Nothing is copied."""
    source = iter(upstream)
    parts: list[memoryview] = []
    rest: list[memoryview] = []
    missing = first
    for piece in source:
        if piece is None:
            yield None
            continue
        view = memoryview(piece)
        parts.append(view[:missing])
        rest = [view[missing:]]
        missing -= len(parts[-1])
        if not missing:
            break
    if missing < first:
        yield parts, first - missing
    yield from regrouped(chain(rest, source), others)
