"""A program's own memory pages through a page store's compressors: Table 1 of the IAA driver's cover letter, made anew.

One page at a time, as zswap has them: nanoseconds from submission to completion, by timestamps taken at both, of which
the completions tell how much was waiting and how much was work. Beside it pages per second of a `PageStore` that is
given many at once, and the ratio. The pages are this program's own, after it has loaded something, or another
process's.
"""

from __future__ import annotations

import time
from statistics import median
from typing import NamedTuple

from acrypto.cli.benches import memory
from acrypto.cli.report import table
from acrypto.consumers.pagestore.names import compressor as by_name
from acrypto.consumers.pagestore.store import PageStore
from acrypto.engines.simulated import Simulated
from acrypto.layer.layer import Layer
from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from acrypto._core import Buffer, Operation, Transform
    from acrypto.engines.base import Engine

KEY = "pagestore"
PAGE = memory.PAGE
PAGES = 512
#: Pages of one call of the store.
AT_ONCE = 64
ROUNDS = 5
#: What the cover letter tells of its own machine: ns to compress and to decompress.
PUBLISHED = {
    "published: iaa sync": (3177, 2235),
    "published: iaa async_irq": (6847, 5840),
    "published: deflate": (108978, 14485),
}


class Event(NamedTuple):
    """One page's way, as tracepoints at submission and completion would show it."""

    submitted_ns: int
    completed_ns: int
    queue_ns: int
    run_ns: int

    @property
    def took_ns(self) -> int:
        """From the one to the other."""
        return self.completed_ns - self.submitted_ns


class Recorder:
    """Takes the timestamps."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, submit: Callable[[], Operation[Any]], wait: Callable[[Operation[Any]], object]) -> Any:
        """Submits an operation, waits for it as the row's mode does, and gives its result."""
        submitted = time.perf_counter_ns()
        operation = submit()
        wait(operation)
        completed = time.perf_counter_ns()
        told = operation.completion
        queue_ns, run_ns = (told.queue_ns, told.run_ns) if told is not None else (0, 0)
        self.events.append(Event(submitted, completed, queue_ns, run_ns))
        return operation.result()

    def median(self, name: str) -> int:
        """Of one of the events' figures, over all of them."""
        figures: list[int] = [getattr(event, name) for event in self.events]
        return round(median(figures))


class Row(NamedTuple):
    """What is measured: an engine, opened anew, a compressor's name and how its completions are seen."""

    name: str
    engines: Callable[[], Sequence[str | Engine]]
    compressor: str
    parameters: dict[str, Any]
    mode: str = "inline"


def _software() -> Sequence[str]:
    return ("software",)


def _simulated(mode: str) -> Callable[[], Sequence[str | Engine]]:
    # As late as IAA is told to be, and opened for these pages only.
    return lambda: (Simulated(latency_us=2.5, rate=4e9, mode=mode, priority=300, algorithms=["deflate"]),)


def _iaa(mode: str) -> Callable[[], Sequence[str | Engine]]:
    def engines() -> Sequence[str | Engine]:
        import importlib

        try:
            module = importlib.import_module("acrypto.engines.iaa")
        except ModuleNotFoundError:
            raise LookupError("there is no engine iaa here") from None
        engine: Engine = module.Iaa(sync_mode=mode)
        return (engine,)

    return engines


ROWS = (
    Row("iaa sync", _iaa("sync"), "deflate-iaa", {}),
    Row("iaa async_irq", _iaa("async_irq"), "deflate-iaa", {}, "queued"),
    Row("iaa async, polled", _iaa("async"), "deflate-iaa", {}, "poll"),
    Row("simulated, interrupt", _simulated("interrupt"), "deflate", {"strategy": "fixed"}, "queued"),
    Row("simulated, polled", _simulated("polling"), "deflate", {"strategy": "fixed"}, "poll"),
    Row("software deflate, fixed", _software, "deflate", {"strategy": "fixed"}),
    Row("software deflate, level 1", _software, "deflate", {"level": 1}),
    Row("software deflate", _software, "deflate", {}),
    Row("software lz4", _software, "lz4", {}),
    Row("software zstd, level 1", _software, "zstd", {"level": 1}),
)


def measure(threads: int | None, pid: int | None = None) -> list[dict[str, object]]:
    """A row for each mode and compressor; those that cannot be measured tell why.

    Raises:
        UsageError: the memory of the process cannot be read.
    """
    kept = _load() if pid is None else None
    found = memory.pages(PAGES, pid)
    del kept
    some = [page for page in found if page != page[:8] * (PAGE // 8)]
    rows: list[dict[str, object]] = []
    for row in ROWS:
        try:
            rows.append(
                {"name": row.name, "pages": len(found), "same_filled": len(found) - len(some), **_measured(row, some)}
            )
        except (LookupError, AcryptoError) as error:
            rows.append({"name": row.name, "skipped": str(error.args[0] if error.args else error)})
    rows += [
        {"name": name, "compress_ns": told[0], "decompress_ns": told[1], "published": True}
        for name, told in PUBLISHED.items()
    ]
    return rows


def show(rows: list[dict[str, object]]) -> None:
    """A table: a mode and compressor to a line; below it, what could not be measured."""
    columns = ("compress_ns", "decompress_ns", "put_per_s", "get_per_s")
    cells = []
    for row in rows:
        if "skipped" in row:
            continue
        told = [f"{row[column]:,}" if column in row else "" for column in columns]
        cells.append([str(row["name"]), *told, f"{row['ratio']:.2f}" if "ratio" in row else ""])
    heads = ("pages of 4 KiB", "compress ns", "decompress ns", "puts/s", "gets/s", "ratio")
    table(heads, cells, right=range(1, 6))
    for row in rows:
        if "skipped" in row:
            print(f"skipped: {row['name']}: {row['skipped']}")


def _load() -> list[object]:
    """Something real to be in memory: the library's own modules, parsed."""
    import ast
    from pathlib import Path

    files = sorted(Path(ast.__file__).parent.glob("*.py"))[:60]
    return [(text := path.read_bytes(), ast.parse(text)) for path in files]


def _measured(row: Row, pages: list[bytes]) -> dict[str, object]:
    with Layer(row.engines()) as layer:
        transform = by_name(
            layer,
            row.compressor,
            level=row.parameters.get("level"),
            strategy=row.parameters.get("strategy"),
            verify=False,
        )
        packing, unpacking, size = _one_by_one(layer, transform, row.mode, pages)
        with PageStore(layer, compressor=row.compressor, max_bytes=64 << 20, **row.parameters) as store:
            put_s, get_s = _together(store, pages)
    return {
        "mode": row.mode,
        "compress_ns": packing.median("took_ns"),
        "compress_run_ns": packing.median("run_ns"),
        "compress_queue_ns": packing.median("queue_ns"),
        "decompress_ns": unpacking.median("took_ns"),
        "decompress_run_ns": unpacking.median("run_ns"),
        "decompress_queue_ns": unpacking.median("queue_ns"),
        "put_per_s": round(1 / put_s),
        "get_per_s": round(1 / get_s),
        "ratio": round(len(pages) * PAGE / size, 3),
    }


def _one_by_one(layer: Layer, transform: Transform, mode: str, pages: list[bytes]) -> tuple[Recorder, Recorder, int]:
    packing, unpacking, size = Recorder(), Recorder(), 0

    def wait(operation: Operation[Any]) -> object:
        if mode != "poll":
            return operation.wait()
        while not operation.done():
            layer.poll()
        return None

    for page in pages:
        packed: Buffer = packing.record(lambda: transform.compress(page, mode=mode), wait)  # noqa: B023 # called at once
        size += len(packed)
        back = unpacking.record(lambda: transform.decompress(packed, max_output=PAGE, mode=mode), wait)  # noqa: B023
        if back != page:
            raise LookupError("a page did not come back as it was")
    return packing, unpacking, size


def _together(store: PageStore, pages: list[bytes]) -> tuple[float, float]:
    """Seconds a page of puts and gets of many at once; the best of some rounds."""
    groups = [pages[at : at + AT_ONCE] for at in range(0, len(pages), AT_ONCE)]
    keys = [range(at, at + len(group)) for at, group in zip(range(0, len(pages), AT_ONCE), groups, strict=True)]
    whole = [b"".join(group) for group in groups]
    into = bytearray(AT_ONCE * PAGE)
    puts, gets = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for group, data in zip(keys, whole, strict=True):
            store.put_many(group, data).wait()
        puts.append(time.perf_counter() - started)
        started = time.perf_counter()
        for group in keys:
            store.get_many(group, into=into).wait()
        gets.append(time.perf_counter() - started)
    return min(puts) / len(pages), min(gets) / len(pages)
