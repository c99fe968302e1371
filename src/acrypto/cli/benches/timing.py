"""How long a call takes, and how a figure is shown."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[], object]

#: Seconds for each figure.
LONG = 0.06


def seconds(run: Run, *, repeat: int = 1, long: float = LONG, before: int = 1) -> float:
    """The best time of one call, in seconds.

    Args:
        run: what is timed.
        repeat: calls between two looks at the clock.
        long: seconds to go on for.
        before: calls that are not timed, so that nothing is new to it, nor to the balancer.
    """
    for _ in range(before):
        run()
    best, until = float("inf"), time.perf_counter() + long
    while (begun := time.perf_counter()) < until:
        for _ in range(repeat):
            run()
        best = min(best, time.perf_counter() - begun)
    return best / repeat


def rate(nbytes: int, taken: float) -> float:
    """MB/s, 10^6 bytes a second."""
    return round(nbytes / taken / 1e6, 1)


def shown(figure: object) -> str:
    """A figure in a table; nothing where there is none."""
    return "" if figure is None else f"{figure:,.0f}"


def ratio(ours: float, peer: float | None) -> str:
    """How many times as fast as the peer, of two rates."""
    return "" if peer is None else f"{ours / peer:.2f}"
