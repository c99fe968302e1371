"""A progress line on a terminal, for work that takes a while."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol, Self

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    class Counted(Protocol):
        """What knows how many bytes came in."""

        @property
        def bytes_in(self) -> int:
            """So far."""


#: Seconds until it shows, and between updates.
AFTER, EVERY = 0.5, 0.25


class Progress:
    """Shows how far a tally's input is; nothing at all unless standard error is a terminal.

    The library that draws is loaded when there is something to draw: it would double the memory of a small command.

    Args:
        name: what is worked on.
        total: bytes to come, if known.
    """

    def __init__(self, name: str, total: int | None) -> None:
        self._name = name
        self._total = total
        self._next = time.monotonic() + AFTER if sys.stderr.isatty() else None
        self._shown: tuple[RichProgress, TaskID] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether there is somebody to show it to."""
        return self._next is not None

    def watch(self, tally: Counted, name: str | None = None) -> None:
        """Looks at the tally; to be called often. A name replaces that of what is worked on."""
        if self._next is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        if self._shown is None:
            self._shown = self._start()
        progress, task = self._shown
        if name is not None:
            from rich.markup import escape

            progress.update(task, description=escape(name))
        progress.update(task, completed=tally.bytes_in, refresh=True)

    def _start(self) -> tuple[RichProgress, TaskID]:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            Speed(),
            TimeRemainingColumn(),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        progress.start()
        return progress, progress.add_task(escape(self._name), total=self._total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown[0].stop()
