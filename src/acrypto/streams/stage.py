"""What a pipeline is made of: pieces that flow, and stages that they flow through.

A *piece* is some bytes in one place. Nobody writes to it once it was handed on, and references keep it alive: memory of
the layer's pool goes back with the last one.

A *stage* is a generator over the pieces of the stage before it. It pulls, so nothing is made before it is wanted, and
the sink's pace is everybody's. It keeps some operations of the layer in flight and gives their results in order. `None`
in place of a piece means that there is nothing at the moment; a stage passes it on, or gives something that it has. So
the same stages serve files that are written to, which have no one to pull from.

Rejected: a thread or a task for each stage with queues between them (a switch for each piece and stage, and memory that
nobody bounds as a whole), and stages that are pushed (parsers, which want to ask for more, turn inside out).
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Protocol

from acrypto import _core
from acrypto.model.settings import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from acrypto._core import Buffer
    from acrypto.layer.layer import Layer
    from acrypto.streams.tally import Tally

    #: Some bytes in one place.
    Piece: TypeAlias = Buffer | memoryview | bytes
    #: A message, as the layer's operations take it: one piece or several in order.
    Message: TypeAlias = Buffer | memoryview | bytes | list[memoryview]


class Stage(Protocol):
    """One thing done to everything that flows. It holds parameters only, so it may run many times, also at once."""

    @property
    def name(self) -> str:
        """What it is called in accounts."""

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes: a multiple of a page."""

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """What becomes of the pieces."""


#: Bytes in flight in a stage, unless the pipeline says otherwise.
MOST_BYTES = 16 * MIB
#: So many pieces in a row of fewer bytes than that are put together.
MANY, LITTLE = 256, 1024
#: What a source reads at a time, unless the first stage likes another size better.
PIECE = 1 * MIB


class Work:
    """One run of one stage: where its operations go, what bounds them, and what it has done.

    Args:
        layer: whose engines work.
        tally: the account of the whole run.
        most_bytes: source bytes in flight; one operation always fits.

    Attributes:
        mode: of its operations: "inline" where this thread's CPU is all there is, and handing over would gain nothing;
            else "queued".
        digests: what the stage computed beside its output, as (algorithm, digest).
        bytes_in: that it took.
        bytes_out: that it gave.
    """

    def __init__(self, layer: Layer, tally: Tally, most_bytes: int = MOST_BYTES) -> None:
        self.layer = layer
        self.tally = tally
        self.most_bytes = most_bytes
        self.mode = "inline" if _is_alone(layer) else "queued"
        self.digests: list[tuple[str, bytes]] = []
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def in_flight(self) -> int:
        """How many operations keep every worker busy while this thread reads and writes."""
        return 2 * self.layer.settings.workers + 2


#: Engines whose work is done by the threads that ask for it, or by others of the same CPUs.
ON_THE_CPU = frozenset({"software", "multibuffer"})


def _is_alone(layer: Layer) -> bool:
    """Whether there is one CPU, and no device that works beside it."""
    return len(os.sched_getaffinity(0)) == 1 and all(device.engine in ON_THE_CPU for device in layer.devices())


class Counted:
    """Counts what a stage takes and gives. One of them stands between every two stages."""

    def __init__(self, upstream: Iterator[Piece | None], *, gives: Work | None, takes: Work | None) -> None:
        self._upstream = upstream
        self._gives = gives
        self._takes = takes

    def __iter__(self) -> Iterator[Piece | None]:
        return self

    def __next__(self) -> Piece | None:
        piece = next(self._upstream)
        if piece is not None:
            if self._gives is not None:
                self._gives.bytes_out += len(piece)
            if self._takes is not None:
                self._takes.bytes_in += len(piece)
        return piece


def regrouped(upstream: Iterable[Piece | None], nbytes: int) -> Iterator[tuple[Message, int] | None]:
    """The same bytes in messages of exactly `nbytes`, the last one perhaps shorter, each with its length.

    Nothing is copied but little pieces, if there are many in a row: their objects take more memory than they. A message
    that lies in several pieces is a list. However the bytes were cut, the messages are the same; that is what makes
    results independent of the source's reads. None is passed on.
    """
    parts: deque[memoryview] = deque()
    have = little = 0
    for piece in upstream:
        if piece is None:
            yield None
            continue
        view = memoryview(piece)
        while have + len(view) >= nbytes:
            cut = nbytes - have
            parts.append(view[:cut])
            yield _joined(parts), nbytes
            parts.clear()
            view, have, little = view[cut:], 0, 0
        if len(view):
            parts.append(view)
            have += len(view)
            little = little + 1 if len(view) < LITTLE else 0
            if little == MANY:
                run = b"".join([parts.pop() for _ in range(MANY)][::-1])
                _core.count_copy("python", len(run))
                parts.append(memoryview(run))
                little = 0
    if have:
        yield _joined(parts), have


def _joined(parts: deque[memoryview]) -> Message:
    return parts[0] if len(parts) == 1 else list(parts)
