"""What work has cost on this host: read when a layer opens, written when it closes, so that nobody starts with guesses.

The file is `costs`, where the verdicts of self-tests are, by the same rules: for one build on one CPU, this user's
alone, and whatever happens to it is no error. A line is a row of `Layer.costs()`, separated by tabs; later lines are
newer, and the oldest are dropped first.
"""

from __future__ import annotations

import threading

from acrypto.registry.cache import build, directory, read, short, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from acrypto import _core

    #: Device, algorithm with its parameters, direction, smallest bytes of the size class, nanoseconds of a run,
    #: nanoseconds by which one delays those behind it, runs that this was measured from.
    Row: TypeAlias = tuple[str, str, str, int, int, int, int]
    Key: TypeAlias = tuple[str, str, str, int]


FILE = "costs"
HEAD = "acrypto costs, build "
#: Most rows that are kept, and the most bytes of a file that are read; a row has some 60.
MOST = 4096
MOST_BYTES = MOST * 128
#: A row of fewer runs is chance: the first one of a process pays for cold caches and fresh pages.
LEAST_SAMPLES = 4
#: A mean that moved by less than one part in so many is no news.
NEWS = 8
#: Larger numbers are nonsense: 2^62 ns are a century.
MOST_NUMBER = 1 << 62


class SavedCosts:
    """The cost table of this host. Shareable between threads; nothing in here raises but what the core does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._build = ""
        #: What the file had when it was read; None until then.
        self._read: dict[Key, Row] | None = None

    def rows(self) -> list[Row]:
        """What the file has, oldest first. Read once."""
        with self._lock:
            return list(self._known().values())

    def load(self, layer: _core.Layer, device: str | None = None) -> int:
        """Tells the layer what is known of its devices, or of one that has just come; how many rows it took."""
        rows = [row for row in self.rows() if device in {None, row[0]}]
        return layer.load_costs(rows) if rows else 0

    def merged(self, rows: Iterable[Row]) -> list[Row]:
        """The file's rows and these; of two for the same thing the one given."""
        return list((self._by_key(self.rows()) | self._by_key(rows)).values())

    def save(self, rows: Iterable[Row]) -> bool:
        """Writes what is new in a layer's rows beside what others have written meanwhile; whether it did.

        Does nothing if all of it was known already, or is measured from too few runs.
        """
        solid = self._by_key(row for row in rows if row[6] >= LEAST_SAMPLES and _line(row) is not None)
        with self._lock:
            before = self._known()
            news = {key: row for key, row in solid.items() if _is_news(row, before.get(key))}
            if not news:
                return False
            self._read = None
            kept = {key: row for key, row in self._known().items() if key not in news}
            lines = [line for row in (kept | news).values() if (line := _line(row)) is not None]
            self._read = kept | news
            return write(directory(), FILE, [HEAD + short(self._build), *lines[-MOST:]])

    def _known(self) -> dict[Key, Row]:
        self._build = self._build or build()
        if self._read is None:
            head, *lines = read(directory(), FILE, MOST_BYTES) or [""]
            found = [_row(line) for line in lines] if head == HEAD + short(self._build) else []
            self._read = self._by_key(row for row in found if row is not None)
        return self._read

    @staticmethod
    def _by_key(rows: Iterable[Row]) -> dict[Key, Row]:
        return {row[:4]: row for row in rows}


def _is_news(row: Row, before: Row | None) -> bool:
    if before is None:
        return True
    pairs = ((row[4], before[4]), (row[5], before[5]))
    return any(abs(now - then) * NEWS > then for now, then in pairs)


def _line(row: Row) -> str | None:
    """A row as text; None if its names are not fit for a line."""
    line = "\t".join(map(str, row))
    is_fit = line.isascii() and all(word.isprintable() for word in row[:3]) and len(line) < MOST_BYTES // MOST
    return line if is_fit else None


def _row(line: str) -> Row | None:
    """What a line says; None if it is nonsense."""
    words = line.split("\t")
    if len(words) != 7 or not all(words[:3]) or not all(word.isascii() and word.isdigit() for word in words[3:]):
        return None
    device, algorithm, direction = words[:3]
    # Twenty digits are more than any number here, and int() refuses thousands.
    from_bytes, ns, gap_ns, samples = (int(word[:20]) for word in words[3:])
    is_sane = ns > 0 and max(from_bytes, ns, gap_ns) < MOST_NUMBER and LEAST_SAMPLES <= samples < 1 << 32
    return (device, algorithm, direction, from_bytes, ns, gap_ns, samples) if is_sane else None
