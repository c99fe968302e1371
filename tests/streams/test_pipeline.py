"""Pipelines: from anything, through stages, to anything; bounded, ordered, and ended by whoever wants."""

from __future__ import annotations

import asyncio
import gc
import gzip
import hashlib
import io
import itertools
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.streams.memory import MIB, Trickle, mixed

import acrypto
from acrypto.streams import Compress, Decompress, Digest, Pipeline, Progress, Running

DATA = mixed(5 * MIB + 4321)


class OnlyRead:
    """A file that has only `read`."""

    def __init__(self, file: io.BytesIO) -> None:
        self.read = file.read


async def drops(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 700_001):
        await asyncio.sleep(0)
        yield data[at : at + 700_001]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.write_bytes(DATA)
    return made


def test_a_path_goes_to_a_path(layer: acrypto.Layer, path: Path) -> None:
    """In one pass: both digests, the account of every stage, the whole file."""
    out = path.with_name("out.gz")
    result = Pipeline(layer, path, [Digest("sha256", "crc32"), Compress("gzip"), Digest("sha256")], out).drive()
    assert gzip.decompress(out.read_bytes()) == DATA
    assert [(each.stage, each.algorithm) for each in result.digests] == [(0, "sha256"), (0, "crc32"), (2, "sha256")]
    assert result.digests[0].value == hashlib.sha256(DATA).digest()
    assert result.digests[2].value == hashlib.sha256(out.read_bytes()).digest()
    assert (result.bytes_in, result.bytes_out) == (len(DATA), out.stat().st_size)
    assert [(each.name, each.bytes_in, each.bytes_out) for each in result.stages] == [
        ("digest sha256 crc32", len(DATA), len(DATA)),
        ("compress gzip", len(DATA), result.bytes_out),
        ("digest sha256", result.bytes_out, result.bytes_out),
    ]


SOURCES: dict[str, Callable[[Path], object]] = {
    "a path": str,
    "a raw file": lambda path: open(path, "rb", buffering=0),  # noqa: SIM115
    "a buffered file": lambda path: open(path, "rb"),  # noqa: SIM115
    "a file in memory": lambda _: io.BytesIO(DATA),
    "a file of little reads": lambda _: Trickle(DATA, lambda: 65_537),
    "a file with read alone": lambda _: OnlyRead(io.BytesIO(DATA)),
    "bytes": lambda _: DATA,
    "a view": lambda _: memoryview(bytearray(DATA)),
    "an iterator": lambda _: (DATA[at : at + 99_999] for at in range(0, len(DATA), 99_999)),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_every_source_gives_the_same_bytes(layer: acrypto.Layer, path: Path, make: Callable[[Path], object]) -> None:
    """Whatever its reads give, `compress` makes the same file of it."""
    source: Any = make(path)
    sink = io.BytesIO()
    Pipeline(layer, source, [Compress("zstd")], sink).drive()
    if isinstance(source, io.IOBase):
        source.close()
    expected = io.BytesIO()
    Pipeline(layer, DATA, [Compress("zstd")], expected, piece=4096).drive()
    assert sink.getvalue() == expected.getvalue()


@settings(max_examples=30)
@given(st.lists(st.integers(0, 300_000), max_size=12), st.sampled_from(["gzip", "zstd", "lz4"]), st.integers(1, 4))
def test_any_split_gives_the_same_file(cuts: list[int], format: str, workers: int) -> None:
    """Nor does it depend on the number of workers."""
    whole = DATA[: 2 * MIB + 77]
    marks = sorted({0, len(whole), *(cut * 7 % len(whole) for cut in cuts)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(marks)]
    with acrypto.open(settings=acrypto.Settings(workers=workers)) as layer:
        made = io.BytesIO()
        Pipeline(layer, iter(pieces), [Compress(format, 1)], made).drive()
    with acrypto.open(settings=acrypto.Settings(workers=1)) as layer:
        expected, back = io.BytesIO(), io.BytesIO()
        Pipeline(layer, whole, [Compress(format, 1)], expected).drive()
        Pipeline(layer, made.getvalue(), [Decompress()], back).drive()
    assert made.getvalue() == expected.getvalue()
    assert back.getvalue() == whole


def test_a_file_that_is_given_stands_behind_what_was_read(layer: acrypto.Layer, path: Path) -> None:
    for buffering in (0, -1):
        with open(path, "rb", buffering=buffering) as source:
            source.read(1000)
            result = Pipeline(layer, source, [Digest("sha256")]).drive()
            assert result.digests[0].value == hashlib.sha256(DATA[1000:]).digest()
            assert source.tell() == len(DATA)


def test_it_may_run_again(layer: acrypto.Layer, path: Path) -> None:
    pipeline = Pipeline(layer, path, [Compress("zstd", 1), Decompress(), Digest("sha256")])
    assert pipeline.drive().digests == pipeline.drive().digests


def test_a_failure_leaves_no_file_and_a_wrong_parameter_touches_none(layer: acrypto.Layer, path: Path) -> None:
    out = path.with_name("out")
    damaged = bytearray(gzip.compress(DATA))
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(acrypto.CorruptInput):
        Pipeline(layer, bytes(damaged), [Decompress()], out).drive()
    with pytest.raises(acrypto.UsageError):
        Pipeline(layer, DATA, [Compress("gzip", 99)], out).drive()
    with pytest.raises(FileExistsError):
        Pipeline(layer, DATA, [], path, overwrite=False).drive()
    assert os.listdir(path.parent) == ["data"]
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("setting", [{"piece": 4095}, {"piece": 5000}, {"in_flight": 0}, {"ahead": 0}, {"behind": 0}])
def test_sizes_that_are_none_are_refused(layer: acrypto.Layer, setting: dict[str, int]) -> None:
    with pytest.raises(acrypto.UsageError, match=str(next(iter(setting.values())))):
        Pipeline(layer, b"", [], **setting)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 3.5, object()])
def test_what_is_no_source_or_sink_is_refused(layer: acrypto.Layer, wrong: object) -> None:
    with pytest.raises(acrypto.UsageError, match=type(wrong).__name__):
        Pipeline(layer, wrong, []).drive()  # type: ignore[arg-type]
    if wrong is not None:
        with pytest.raises(acrypto.UsageError, match=type(wrong).__name__):
            Pipeline(layer, b"", [], wrong).drive()  # type: ignore[arg-type]


def test_memory_in_flight_is_bounded_by_the_sink(layer: acrypto.Layer) -> None:
    """A sink that takes nothing stops the source: no more is read than may be in flight."""
    read = 0
    release, stuck = threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        nonlocal read
        while not release.is_set():
            read += MIB
            yield bytes(MIB)

    class Stuck:
        def write(self, _data: memoryview) -> None:
            stuck.set()
            release.wait()

    running = Pipeline(layer, endless(), [Compress("gzip", 1), Digest("sha256")], Stuck(), in_flight=8 * MIB).run()
    assert stuck.wait(60)
    assert read <= 8 * MIB + 2 * MIB
    release.set()
    running.wait()


# ---- Running


def test_in_an_event_loop_it_reads_and_writes_asynchronously() -> None:
    async def run() -> None:
        async with acrypto.open() as layer:
            reader, writer = os.pipe()
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.connect_write_pipe(
                lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(writer, "wb")
            )
            stream = asyncio.StreamWriter(transport, protocol, None, loop)
            drained: list[bytes] = []
            thread = threading.Thread(target=lambda: drained.extend(iter(lambda: os.read(reader, 1 << 16), b"")))
            thread.start()
            result = await Pipeline(layer, drops(DATA), [Compress("gzip", 1)], stream).run()
            stream.close()
            await asyncio.to_thread(thread.join)
            os.close(reader)
            assert gzip.decompress(b"".join(drained)) == DATA
            assert result.bytes_in == len(DATA)

    asyncio.run(run())


def test_progress_comes_to_the_end_and_the_loop_goes_on(path: Path) -> None:
    async def run() -> None:
        async with acrypto.open() as layer:
            running = Pipeline(layer, path, [Compress("zstd", 3)]).run()
            seen: list[Progress] = [progress async for progress in running]
            assert seen[-1].bytes_in == seen[-1].total == len(DATA)
            assert [each.bytes_in for each in seen] == sorted(each.bytes_in for each in seen)
            assert seen[-1].remaining == 0
            assert seen[-1].rate > 0
            assert 0 < seen[-1].ratio < 1
            assert (await running) == (await running) == running.result()

    asyncio.run(run())


def test_failures_reach_whoever_waits(layer: acrypto.Layer) -> None:
    running = Pipeline(layer, b"nothing known", [Decompress()]).run()
    with pytest.raises(acrypto.CorruptInput):
        running.wait()

    async def run() -> None:
        async with acrypto.open() as other:
            running = Pipeline(other, b"nothing known", [Decompress()]).run()
            with pytest.raises(acrypto.CorruptInput):
                async for _ in running:
                    pass
            with pytest.raises(acrypto.CorruptInput):
                await running

    asyncio.run(run())


def test_a_cancelled_task_leaves_no_half_file(path: Path) -> None:
    """Nor does it wait for a pipe that nobody writes to."""
    out = path.with_name("out.gz")

    async def run() -> None:
        async with acrypto.open() as layer:
            reader, writer = os.pipe()
            os.write(writer, DATA[:50_000])
            running = Pipeline(layer, reader, [Compress("gzip")], out).run()
            task = asyncio.ensure_future(running.__aiter__().__anext__())
            await task
            task = asyncio.ensure_future(_awaited(running))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert running.cancelled()
            assert not running.cancel()
            os.close(reader)
            os.close(writer)

    async def _awaited(running: object) -> None:
        await running  # type: ignore[misc]

    asyncio.run(run())
    assert os.listdir(path.parent) == ["data"]


def test_cancelling_a_task_twice_still_waits_for_the_end(path: Path) -> None:
    async def run() -> None:
        async with acrypto.open() as layer:
            reader, writer = os.pipe()
            os.write(writer, DATA[:50_000])
            running = Pipeline(layer, reader, [Compress("gzip")], path.with_name("out.gz")).run()
            await anext(aiter(running))
            task = asyncio.ensure_future(_awaited(running))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert running.done()
            assert "cancelled" in repr(running)
            os.close(reader)
            os.close(writer)

    async def _awaited(running: Running) -> None:
        await running

    asyncio.run(run())
    assert os.listdir(path.parent) == ["data"]


def test_a_layer_that_closes_ends_a_pipeline_that_waits_for_its_source(path: Path) -> None:
    """With ClosedError, and no half file."""
    reader, writer = os.pipe()
    with acrypto.open() as layer:
        os.write(writer, DATA[:50_000])
        running = Pipeline(layer, reader, [Compress("gzip")], path.with_name("out.gz")).run()
        with pytest.raises(TimeoutError):
            running.wait(0.001)
    with pytest.raises(acrypto.ClosedError):
        running.wait(30)
    assert not running.cancelled()
    assert os.listdir(path.parent) == ["data"]
    with pytest.raises(acrypto.ClosedError):
        Pipeline(layer, reader, [Digest("sha256")]).drive()
    os.close(reader)
    os.close(writer)


class Heard(logging.Handler):
    """Keeps what was logged, and tells that something was."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.came.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, logger = Heard(), logging.getLogger("acrypto")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_an_error_that_nobody_asks_for_is_told_to_the_log(layer: acrypto.Layer, heard: Heard) -> None:
    """As soon as the last handle goes, by the thread that drives if it was dropped before the end."""
    Pipeline(layer, b"nothing known", [Decompress()]).run()
    assert heard.came.wait(30)
    (record,) = heard.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is acrypto.CorruptInput


def test_an_error_that_was_asked_for_is_not_told_again(layer: acrypto.Layer, heard: Heard) -> None:
    running = Pipeline(layer, b"nothing known", [Decompress()]).run()
    with pytest.raises(acrypto.CorruptInput):
        running.wait()
    del running
    cancelled = Pipeline(layer, b"", [Digest("sha256")]).run()
    cancelled.cancel()
    del cancelled
    gc.collect()
    assert heard.records == []


FORGOTTEN = """
import os, sys
import acrypto
from acrypto.streams import Compress, Pipeline
reader, writer = os.pipe()
os.write(writer, bytes(50_000))
layer = acrypto.open()
running = Pipeline(layer, reader, [Compress("gzip")], sys.argv[1]).run()
"""


def test_one_that_nobody_waits_for_does_not_keep_the_interpreter(tmp_path: Path) -> None:
    """It is cancelled at the interpreter's end, and leaves no half file."""
    words = [sys.executable, "-c", FORGOTTEN, str(tmp_path / "out.gz")]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    assert os.listdir(tmp_path) == []


def test_wait_times_out_and_leaves_it_running(layer: acrypto.Layer) -> None:
    reader, writer = os.pipe()
    running = Pipeline(layer, reader, [Digest("sha256")]).run()
    with pytest.raises(TimeoutError):
        running.wait(0.001)
    assert not running.done()
    with pytest.raises(asyncio.InvalidStateError):
        running.result()
    os.write(writer, b"end")
    os.close(writer)
    assert running.wait().digests[0].value == hashlib.sha256(b"end").digest()
    os.close(reader)


def test_an_asynchronous_source_needs_a_loop(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UsageError, match="event loop"):
        Pipeline(layer, drops(DATA), [Digest("sha256")]).drive()


def test_the_reader_of_a_pipe_that_goes_away_is_told(layer: acrypto.Layer) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Pipeline(layer, DATA, [], writer).drive()
    os.close(writer)


def test_a_process_at_the_other_end(layer: acrypto.Layer, path: Path) -> None:
    """Pipes both ways: backpressure ends in a file that is whole."""
    with subprocess.Popen(["gzip", "-1", "-c", str(path)], stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        result = Pipeline(layer, peer.stdout, [Decompress("gzip"), Digest("sha256")]).drive()
    assert result.digests[0].value == hashlib.sha256(DATA).digest()


ON_ONE_CPU = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import acrypto
from acrypto.streams import Compress, Digest, Pipeline
with acrypto.open(settings=acrypto.Settings(workers=2)) as layer:
    result = Pipeline(layer, sys.stdin.buffer, [Compress("zstd"), Digest("sha256")]).drive()
print(result.digests[0].value.hex(), result.tally.runner[2])
"""


def test_on_one_cpu_nothing_is_handed_over_and_the_bytes_are_the_same(layer: acrypto.Layer) -> None:
    done = subprocess.run([sys.executable, "-c", ON_ONE_CPU], input=DATA, capture_output=True, check=True)
    expected = Pipeline(layer, DATA, [Compress("zstd"), Digest("sha256")]).drive().digests[0].value
    assert done.stdout.decode().split() == [expected.hex(), "inline"]


class Unready(io.RawIOBase):
    """A file that does not block, and has neither data nor room."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, _space: Any) -> None:
        return None

    def write(self, _data: Any) -> None:
        return None


def test_nothing_at_the_moment_is_not_the_end(layer: acrypto.Layer) -> None:
    """A file that would have to be asked again is refused: no data are lost, and nobody spins."""
    with pytest.raises(BlockingIOError, match="has no data yet"):
        Pipeline(layer, Unready(), [], None).drive()
    with pytest.raises(BlockingIOError, match="write took 0 of 3 bytes"):
        Pipeline(layer, b"abc", [], Unready()).drive()


def test_what_is_no_stage_is_refused(layer: acrypto.Layer) -> None:
    for wrong in ("gzip", Compress):
        with pytest.raises(acrypto.UsageError, match="is no stage"):
            Pipeline(layer, b"", [wrong])  # type: ignore[list-item]
