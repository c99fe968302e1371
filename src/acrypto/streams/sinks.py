"""Where the bytes of a pipeline go: a path, a descriptor, a file, or nowhere.

Files that have a descriptor are written behind by the core, from the memory where the bytes lie.
"""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

from acrypto import _core
from acrypto.model.errors import UsageError
from acrypto.streams.output import Output
from acrypto.streams.replacement import Replacement
from acrypto.streams.sources import _Calls, _name

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable
    from typing import Any, Protocol, TypeAlias

    from acrypto.layer.layer import Layer
    from acrypto.streams.sources import Settings
    from acrypto.streams.stage import Piece

    class Writable(Protocol):
        """A file as `open(..., "wb")` gives it, or anything with its `write`, perhaps a coroutine or one to `drain`."""

        def write(self, data: memoryview, /) -> int | Awaitable[int | None] | None:
            """Writes some of the bytes, and tells how many; None for all."""

    #: What a pipeline writes to.
    Target: TypeAlias = str | os.PathLike[str] | int | Writable | None


class Sink:
    """What all sinks have; this one only counts. One thread writes; any may cancel."""

    def write(self, piece: Piece) -> None:
        """Takes a piece; waits while too much is unwritten."""

    def finish(self) -> None:
        """Writes everything, and gives a new file its name."""

    def cancel(self) -> None:
        """Ends a write that waits, if that is possible."""

    def close(self) -> None:
        """Lets go of what was opened here; a new file that was not finished is gone."""


class FileSink(Sink):
    """A file with a descriptor, written behind by the core from where it stands.

    Args:
        layer: whose core writes.
        descriptor: of the file.
        how: sizes and ways.
        name: for errors.
    """

    def __init__(self, layer: Layer, descriptor: int, how: Settings, *, name: str | None = None) -> None:
        self._name = name
        self._writer = _core.Writer(layer._native, descriptor, behind=how.behind, direct=how.direct, via=how.via)

    def write(self, piece: Piece) -> None:
        """Borrows a piece until it is written."""
        try:
            self._writer.write(piece)
        except OSError as error:
            raise self._named(error) from None

    def finish(self) -> None:
        """Waits until everything is written."""
        try:
            self._writer.flush()
        except OSError as error:
            raise self._named(error) from None

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, error.strerror, self._name)

    def cancel(self) -> None:
        """Ends a write that waits."""
        self._writer.cancel()

    def close(self) -> None:
        """Waits until the kernel has let go of all memory."""
        self._writer.close()


class PathSink(FileSink):
    """A new file, which has its name when it is whole and is gone otherwise."""

    def __init__(self, layer: Layer, path: str, how: Settings, *, overwrite: bool) -> None:
        self._replacement = Replacement(path, force=overwrite)
        try:
            super().__init__(layer, self._replacement.file.fileno(), how, name=path)
        except BaseException:
            self._replacement.__exit__(None, None, None)
            raise

    def finish(self) -> None:
        """Writes everything, and gives the file its name."""
        super().finish()
        super().close()
        self._replacement.commit()

    def close(self) -> None:
        """Removes the file if it was not finished."""
        super().close()
        self._replacement.__exit__(None, None, None)


class WriteSink(Sink):
    """An object with `write`, called on the driving thread or, if it is a coroutine, in the loop."""

    def __init__(self, file: Any, loop: AbstractEventLoop | None) -> None:
        self._file = file
        self._loop = loop
        self._calls = _Calls(loop)
        self._drains = hasattr(file, "drain")

    def write(self, piece: Piece) -> None:
        """Writes all of a piece."""
        view = memoryview(piece)
        if self._drains:
            self._calls.outcome(self._written_and_drained(view))
            return
        _core.count_copy("python", len(view))
        while view:
            count = self._calls.outcome(self._file.write(view))
            if count is None and isinstance(self._file, io.RawIOBase):
                count = 0  # it does not block, and has no room
            elif count is None:
                return
            if not 0 < count <= len(view):
                # Nobody would know when to try again, or what is written.
                what = f"write took {count} of {len(view)} bytes; a sink that waits until it has room is wanted"
                raise BlockingIOError(errno.EAGAIN, what, _name(self._file))
            view = view[count:]

    async def _written_and_drained(self, view: memoryview) -> None:
        # A transport may keep what it is given, and wants bytes.
        _core.count_copy("python", len(view))
        self._file.write(bytes(view))
        await self._file.drain()

    def cancel(self) -> None:
        """Ends a write that is a coroutine; another one ends when it does."""
        self._calls.cancel()


def sink(
    layer: Layer, target: Target, how: Settings, loop: AbstractEventLoop | None = None, *, overwrite: bool = True
) -> Sink:
    """Opens what a pipeline writes to.

    Args:
        layer: whose core writes.
        target: a path, a descriptor, a file, or None.
        how: sizes and ways.
        loop: where coroutines run.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UsageError: it is nothing to write to.
        FileExistsError: there is such a file, and it may not be replaced.
        OSError: the file cannot be made.
    """
    if target is None:
        return Sink()
    if isinstance(target, (str, os.PathLike)):
        return PathSink(layer, os.fspath(target), how, overwrite=overwrite)
    if isinstance(target, int):
        return FileSink(layer, target, how)
    if isinstance(target, io.FileIO):
        return FileSink(
            layer, target.fileno(), how, name=target.called if isinstance(target, Output) else _name(target)
        )
    if hasattr(target, "write"):
        return WriteSink(target, loop)
    raise UsageError(f"sink is of type {type(target).__name__}; a path, a descriptor, a file or None is wanted")
