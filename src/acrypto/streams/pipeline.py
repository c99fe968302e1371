"""Pipelines: a source, stages and a sink as one object, in bounded memory and at the pace of the slowest of them.

One thread drives: it asks the last stage for pieces and hands them to the sink. The layer's workers do the work of the
stages, the kernel (or a thread of the core) reads ahead and writes behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acrypto.model.errors import UsageError
from acrypto.streams import flow, sources, stage
from acrypto.streams.run import Run

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Sequence

    from acrypto.layer.layer import Layer
    from acrypto.streams.run import Result
    from acrypto.streams.running import Running
    from acrypto.streams.sinks import Target
    from acrypto.streams.sources import Origin
    from acrypto.streams.stage import Stage
    from acrypto.streams.tally import Tally

PAGE = 4096


def _liked(stages: Sequence[Stage]) -> int:
    """What the first stage likes that cuts its input; those that only hash what flows by take any size."""
    cutting = next((each for each in stages if not getattr(each, "passes_on", False)), None)
    first = cutting or next(iter(stages), None)
    return stage.PIECE if first is None else first.piece


class Pipeline:
    """A source, stages and a sink. It may run many times where source and sink may; each run is on its own.

    Args:
        layer: whose engines work.
        source: a path, a descriptor, a file, an iterator of bytes (asynchronous, too), or bytes. A file that is given
            is read from where it stands and not closed.
        stages: in order; none copies.
        sink: a path, whose file appears whole or not at all; a descriptor; a file (its `write` may be a coroutine); or
            None, to measure or to digest only.
        tally: the account to keep.
        in_flight: source bytes in flight in all stages; one operation of each always fits.
        piece: bytes read at a time: a multiple of a page; by default what the first stages like.
        ahead: pieces read ahead.
        behind: bytes accepted by the sink and not written yet; one piece always fits.
        direct: reads and writes files past the page cache where their file system allows it.
        via: "uring" or "threads" for files; "auto" takes io_uring where the kernel has it.
        overwrite: whether a file that is there may be replaced by the sink's.

    Raises:
        UsageError: a size that is none, or a stage that is none.
    """

    def __init__(
        self,
        layer: Layer,
        source: Origin,
        stages: Sequence[Stage],
        sink: Target = None,
        *,
        tally: Tally | None = None,
        in_flight: int = flow.IN_FLIGHT,
        piece: int | None = None,
        ahead: int = 3,
        behind: int = 8 << 20,
        direct: bool = False,
        via: str = "auto",
        overwrite: bool = True,
    ) -> None:
        if piece is not None and (piece < PAGE or piece % PAGE):
            raise UsageError(f"piece is {piece}; a multiple of {PAGE} bytes is wanted")
        for name, value in (("in_flight", in_flight), ("ahead", ahead), ("behind", behind)):
            if value < 1:
                raise UsageError(f"{name} is {value}, and must be at least 1")
        for each in stages:
            if isinstance(each, type) or not hasattr(each, "pieces"):
                raise UsageError(f"{each!r} is no stage; one is made by Compress(...), Encrypt(...) and their like")
        if piece is None:
            piece = _liked(stages)
        self.layer = layer
        self.stages = tuple(stages)
        self._source = source
        self._sink = sink
        self._tally = tally
        self._in_flight = in_flight
        self._how = sources.Settings(piece, ahead, behind, direct, via)
        self._overwrite = overwrite

    def __repr__(self) -> str:
        return f"<Pipeline: {' | '.join(each.name for each in self.stages) or 'no stage'}>"

    def drive(self) -> Result:
        """Runs it on this thread.

        Raises:
            AcryptoError: a stage failed.
            OSError: reading or writing failed; it names the file and the offset.
        """
        return self._start(None).drive()

    def run(self) -> Running:
        """Starts it on a thread of its own.

        Returns:
            A handle: await it in the event loop that runs now, or `wait` in a thread.
        """
        import asyncio

        from acrypto.streams.running import Running

        try:
            loop: AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        return Running(self._start(loop))

    def _start(self, loop: AbstractEventLoop | None) -> Run:
        return Run(
            self.layer,
            self._source,
            self.stages,
            self._sink,
            self._how,
            in_flight=self._in_flight,
            overwrite=self._overwrite,
            tally=self._tally,
            loop=loop,
        )
