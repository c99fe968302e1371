"""One run of a pipeline, on whatever thread drives it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from acrypto.model.errors import ClosedError
from acrypto.streams import flow, sinks, sources
from acrypto.streams.tally import Tally

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator, Sequence

    from acrypto.layer.layer import Layer
    from acrypto.streams.sinks import Target
    from acrypto.streams.sources import Origin
    from acrypto.streams.stage import Piece, Stage


class Digested(NamedTuple):
    """A digest that a stage computed.

    Attributes:
        stage: the number of the stage, from 0.
        algorithm: as the stage was told it.
        value: the digest, checksum or tag.
    """

    stage: int
    algorithm: str
    value: bytes


class StageAccount(NamedTuple):
    """What a stage has done.

    Attributes:
        name: of the stage.
        bytes_in: that it took.
        bytes_out: that it gave.
    """

    name: str
    bytes_in: int
    bytes_out: int


class Result(NamedTuple):
    """How a pipeline ended.

    Attributes:
        bytes_in: read from the source.
        bytes_out: written to the sink.
        seconds: from start to end.
        digests: of all digest stages, in order.
        stages: an account of each.
        tally: who did the work.
    """

    bytes_in: int
    bytes_out: int
    seconds: float
    digests: tuple[Digested, ...]
    stages: tuple[StageAccount, ...]
    tally: Tally


class Cancelled(BaseException):
    """Ends a run on its own thread."""


class Run:
    """One run of a pipeline. One thread drives it; any may look and cancel.

    Args:
        layer: as of `Pipeline`, and so are the others.
        source: see there.
        stages: see there.
        sink: see there.
        how: how the source is read and the sink written.
        in_flight: see there.
        overwrite: see there.
        tally: see there.
        loop: where coroutines of source and sink run.

    Attributes:
        tally: its account.
        total: bytes to come from the source, once it is open and if that is known.
    """

    def __init__(
        self,
        layer: Layer,
        source: Origin,
        stages: Sequence[Stage],
        sink: Target,
        how: sources.Settings,
        *,
        in_flight: int,
        overwrite: bool,
        tally: Tally | None,
        loop: AbstractEventLoop | None,
    ) -> None:
        self._layer = layer
        self._source = source
        self._stages = stages
        self._sink = sink
        self._how = how
        self._in_flight = in_flight
        self._overwrite = overwrite
        self._loop = loop
        self._cancelled = False
        self._closed = False
        self._ends: list[Callable[[], None]] = []
        self.tally = tally or Tally()
        self.total: int | None = None

    def cancel(self) -> None:
        """Asks it to end; what waits for a file or a descriptor ends at once."""
        self._cancelled = True
        self._end()

    def _close(self) -> None:
        """The layer was closed, which a source that waits for its data does not see."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        for cancel in list(self._ends):
            cancel()

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled
        if self._closed:
            raise ClosedError("the layer of the pipeline was closed")

    def drive(self) -> Result:
        """Runs to the end on this thread."""
        layer, how, tally = self._layer, self._how, self.tally
        with ExitStack() as stack:
            layer._when_closed.add(self._close)
            stack.callback(layer._when_closed.discard, self._close)
            if not layer.is_open:  # or it closes later, and tells
                raise ClosedError("the layer of the pipeline is closed")
            source = sources.source(layer, self._source, how, self._loop)
            stack.callback(source.close)
            self.total = source.total
            runs = flow.works(layer, tally, self._stages, self._in_flight)

            def pieces() -> Iterator[Piece]:
                for piece in source.pieces():
                    self._check()
                    tally.took(len(piece))
                    yield piece

            # The stages open first: a wrong parameter leaves no file behind.
            made, close = flow.flow(self._stages, runs, pieces())
            stack.callback(close)
            sink = sinks.sink(layer, self._sink, how, self._loop, overwrite=self._overwrite)
            stack.callback(sink.close)
            self._ends += [source.cancel, sink.cancel]
            self._check()  # who cancelled before found nothing to end
            try:
                for piece in made:
                    self._check()
                    if piece is not None:
                        tally.bytes_out += len(piece)
                        sink.write(piece)
                self._check()
                sink.finish()
            except Cancelled:
                raise
            except BaseException:
                # A wait that was ended tells so in its own way.
                self._check()
                raise
        return Result(
            tally.bytes_in,
            tally.bytes_out,
            tally.seconds,
            tuple(Digested(at, *digest) for at, work in enumerate(runs) for digest in work.digests),
            tuple(
                StageAccount(each.name, work.bytes_in, work.bytes_out)
                for each, work in zip(self._stages, runs, strict=True)
            ),
            tally,
        )
