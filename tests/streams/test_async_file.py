"""Files for asyncio: they are those of `open_file`, and being cancelled costs no bytes."""

from __future__ import annotations

import asyncio
import io
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.streams.memory import MIB, mixed, packed

import acrypto
from acrypto.streams.files.asynchronous import AsyncFileReader

PLAIN = mixed(3 * MIB + 777)


def reading(
    layer: acrypto.Layer,
    format: str,
    use: Callable[[AsyncFileReader, io.BytesIO], Awaitable[None]],
    data: bytes = PLAIN,
) -> None:
    """Runs `use` on a compressed file, beside a file of the content."""

    async def main() -> None:
        async with acrypto.aopen_file(io.BytesIO(packed(layer, data, format=format)), layer=layer) as file:
            await use(file, io.BytesIO(data))

    asyncio.run(main())


@pytest.mark.parametrize("name", ["data.gz", "data.zst", "data.bgz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with acrypto.aopen_file(tmp_path / name, "wb") as file:
            for at in range(0, len(PLAIN), 70_001):
                piece = bytearray(PLAIN[at : at + 70_001])
                assert await file.write(piece) == len(piece)
                piece[:] = bytes(len(piece))
            await file.write(PLAIN)
            assert not (tmp_path / name).exists()
        file = await acrypto.aopen_file(tmp_path / name)
        assert file.name == str(tmp_path / name)
        assert await file.read() == PLAIN + PLAIN
        assert await file.read(5) == b""
        await file.close()
        await file.close()
        assert file.closed

    asyncio.run(main())


def test_lines_and_chunks_are_those_of_the_content(layer: acrypto.Layer) -> None:
    async def use(file: AsyncFileReader, plain: io.BytesIO) -> None:
        async for line in file:
            assert line == plain.readline()
            if plain.tell() > MIB // 2:
                break
        assert await file.readline(3) == plain.readline(3)
        space = bytearray(1000)
        assert await file.readinto(space) == 1000
        assert space == plain.read(1000)
        assert await file.tell() == plain.tell()
        async for chunk in file.chunks():
            assert chunk == plain.read(len(chunk))
        assert await file.readline() == await file.read1() == plain.read() == b""

    reading(layer, "zstd", use)


def test_it_jumps(layer: acrypto.Layer) -> None:
    async def use(file: AsyncFileReader, plain: io.BytesIO) -> None:
        chosen = random.Random(1)
        assert file.seekable()
        for _ in range(60):
            at = chosen.randrange(len(PLAIN))
            for offset, whence in ((at, 0), (-at, 2), (-min(10, plain.tell()), 1)):
                assert await file.seek(offset, whence) == plain.seek(offset, whence)
                nbytes = chosen.choice([1, 100, 100_000])
                assert await file.read(nbytes) == plain.read(nbytes)
            assert await file.pread(at, 100) == PLAIN[at : at + 100]
            assert await file.tell() == plain.tell()

    reading(layer, "bgzf", use)


def test_a_read_that_is_cancelled_loses_nothing(layer: acrypto.Layer) -> None:
    async def use(file: AsyncFileReader, plain: io.BytesIO) -> None:
        chosen = random.Random(2)
        cancelled = 0
        for _ in range(300):
            task = asyncio.ensure_future(file.read(chosen.choice([10, 5000, 400_000])))
            for _ in range(chosen.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
            try:
                found = await task
            except asyncio.CancelledError:
                cancelled += 1
            else:
                assert found == plain.read(len(found))
        assert cancelled
        assert await file.read() == plain.read()

    reading(layer, "gzip", use)


def test_what_is_buffered_comes_without_leaving_the_loop(layer: acrypto.Layer) -> None:
    async def use(file: AsyncFileReader, plain: io.BytesIO) -> None:
        await file.read(1)
        other = asyncio.ensure_future(asyncio.sleep(0))
        for _ in range(100):
            await file.readline()
        assert not other.done()

    reading(layer, "gzip", use)


def test_many_tasks_share_a_file(layer: acrypto.Layer) -> None:
    text = b"".join(b"%d\n" % n for n in range(50_000))
    lines: list[bytes] = []

    async def use(file: AsyncFileReader, plain: io.BytesIO) -> None:
        async def read() -> None:
            while line := await file.readline():
                lines.append(line)
                await asyncio.sleep(0)

        await asyncio.gather(*(read() for _ in range(5)))

    reading(layer, "zstd", use, text)
    assert sorted(lines, key=int) == text.splitlines(keepends=True)


def test_nothing_runs_on_the_thread_of_the_loop(layer: acrypto.Layer) -> None:
    threads = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            threads.add(threading.current_thread())
            return super().read(size)

    async def main() -> None:
        async with acrypto.aopen_file(Watched(packed(layer, PLAIN, format="zstd")), layer=layer) as file:
            await file.read()

    asyncio.run(main())
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_a_write_that_is_cancelled_was_taken(layer: acrypto.Layer) -> None:
    """What was handed over is in the file, in order."""
    sink = io.BytesIO()

    async def main() -> None:
        async with acrypto.aopen_file(sink, "wb", format="zstd", layer=layer) as file:
            for at in range(0, len(PLAIN), 300_000):
                task = asyncio.ensure_future(file.write(PLAIN[at : at + 300_000]))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])

    asyncio.run(main())
    assert acrypto.decompress("zstd", sink.getvalue()) == PLAIN


def test_an_exception_leaves_no_half_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with acrypto.aopen_file(tmp_path / "data.zst", "wb") as file:
            await file.write(PLAIN)
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(main())
    assert [*tmp_path.iterdir()] == []


def test_failures_are_told(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    async def main() -> None:
        for mode, told in (("rt", acrypto.UsageError), ("ab", acrypto.UsageError), ("rb", FileNotFoundError)):
            with pytest.raises(told):
                await acrypto.aopen_file(tmp_path / "none", mode)
        (tmp_path / "text").write_bytes(b"plain text")
        async with acrypto.aopen_file(tmp_path / "text") as file:
            for _ in range(2):
                with pytest.raises(acrypto.CorruptInput):
                    await file.read()
        with pytest.raises(ValueError, match="closed"):
            await file.read()
        file = await acrypto.aopen_file(Full(), "wb", format="gzip")
        for call in (lambda: file.write(PLAIN), file.close):
            with pytest.raises(OSError, match="No space"):
                await call()

    asyncio.run(main())
