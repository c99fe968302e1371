"""Sizes of messages: around the edges of blocks, vectors, pages and windows, where implementations go wrong."""

from __future__ import annotations

#: Where wide code, pages and counters of 16 bits change hands.
EDGES = (256, 512, 1024, 2048, 4096, 8192)
#: Beyond the window of deflate, and of lz4 (64 KiB - 1).
PAST_WINDOWS = 65_536
#: For a thorough trial.
LARGE = (131_072, 1 << 20)
#: A vector of 16 blocks, the widest in use, and a bit.
WIDEST = 17


def sizes(block: int, *, unit: int = 1, least: int = 0, thorough: bool = False, past_windows: bool = True) -> list[int]:
    """Every size up to `WIDEST` blocks of at most 16 bytes, and two of larger blocks; then around each edge.

    Args:
        block: of the algorithm, in bytes.
        unit: messages are multiples of this ...
        least: ... and at least so long.
        thorough: whether large ones are wanted.
        past_windows: whether one of over 64 KiB is wanted.
    """
    dense = block * WIDEST if block <= 16 else block * 2 + 2
    edges = [*EDGES, *((PAST_WINDOWS,) if past_windows else ()), *(LARGE if thorough else ())]
    found = {*range(0, max(dense, WIDEST * unit) + 1, unit)}
    for edge in edges:
        near = {edge + unit} if edge >= PAST_WINDOWS else {edge - unit, edge, edge + unit}
        found |= {size // unit * unit for size in near}
    return sorted(size for size in found if size >= least)
