"""How far work is that takes a while: a line on a terminal, or JSON for machines."""

from __future__ import annotations

import sys
import time

from acrypto.cli.report import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol, Self

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    class Counted(Protocol):
        """What knows how many bytes came in, and perhaps how many went out (`bytes_out`)."""

        @property
        def bytes_in(self) -> int:
            """So far."""


#: Seconds until it shows, and between updates.
AFTER, EVERY = 0.5, 0.25


class Progress:
    """Shows how far a tally's input is: with JSON as one object a line, else nothing unless there is a terminal.

    It writes to standard error. The library that draws is loaded when there is something to draw: it would double the
    memory of a small command.

    Args:
        name: what is worked on.
        total: bytes to come, if known.
        as_json: whether to tell it as JSON.
    """

    def __init__(self, name: str, total: int | None, *, as_json: bool = False) -> None:
        self._name = name
        self._total = total
        self._as_json = as_json
        self._started = time.monotonic()
        self._next = self._started + AFTER if as_json or sys.stderr.isatty() else None
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
        given = getattr(tally, "bytes_out", 0)
        ratio = given / tally.bytes_in if given and tally.bytes_in else None
        if self._as_json:
            self._tell(tally.bytes_in, given, ratio)
            return
        if self._shown is None:
            self._shown = self._start()
        progress, task = self._shown
        if name is not None:
            from rich.markup import escape

            progress.update(task, description=escape(name))
        told = "" if ratio is None else f"{ratio:.1%} of it out"
        progress.update(task, completed=tally.bytes_in, ratio=told, refresh=True)

    def _tell(self, taken: int, given: int, ratio: float | None) -> None:
        seconds = time.monotonic() - self._started
        left = None if self._total is None or not taken else max(0.0, (self._total - taken) * seconds / taken)
        row = {
            "event": "progress",
            "file": self._name,
            "bytes_in": taken,
            "bytes_out": given,
            "total": self._total,
            "ratio": None if ratio is None else round(ratio, 4),
            "seconds": round(seconds, 3),
            "mb_per_s": round(taken / seconds / 1e6, 1),
            "seconds_left": None if left is None else round(left, 1),
        }
        tell(row, to_stderr=True)

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
            TextColumn("{task.fields[ratio]}"),
            TimeRemainingColumn(),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        progress.start()
        return progress, progress.add_task(escape(self._name), total=self._total, ratio="")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown[0].stop()
