"""Digests of many files: every size, any number of threads, read or mapped; errors, endings, memory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hashlib
import hmac
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.streams.memory import MIB, mixed

import acrypto
from acrypto.streams.hash_files import AT_LEAST, HashedFiles, hash_file, hash_files

PAGE = os.sysconf("SC_PAGESIZE")
#: Lengths around which something changes: a page, a step of reading, a piece.
BORDERS = (0, 1, 1024, PAGE, 4 * PAGE, 128 << 10, MIB)
ALGORITHMS = ("sha256", "blake3", "crc32c", "blake2b")
DATA = mixed(2 * MIB + 5)

sizes = st.lists(
    st.builds(
        lambda border, factor, by: max(0, border * factor + by),
        st.sampled_from(BORDERS[:5]),
        st.integers(0, 9),
        st.integers(-2, 2),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def made(folder: Path, nbytes: int) -> Path:
    path = folder / str(nbytes)
    if not path.exists():
        path.write_bytes(DATA[:nbytes])
    return path


def digests(run: HashedFiles) -> list[bytes]:
    with run:
        return [row.result() for row in run]


@settings(deadline=None, max_examples=60)
@given(sizes, st.integers(1, 5), st.booleans(), st.sampled_from(ALGORITHMS), st.booleans())
def test_any_files_have_the_digests_of_their_bytes(
    folder: Path, sizes: list[int], workers: int, mapped: bool, algorithm: str, ordered: bool
) -> None:
    paths = [made(folder, size) for size in sizes]
    run = HashedFiles(workers=workers, mapped=mapped, ordered=ordered, piece=PAGE)
    number, _ = run.algorithm(algorithm)
    with run.start((path, number) for path in paths):
        rows = list(run)
    if ordered:
        assert [row.path for row in rows] == paths
    wanted = sorted((size, acrypto.digest(algorithm, DATA[:size])) for size in sizes)
    assert sorted((row.nbytes, row.result()) for row in rows) == wanted
    assert run.progress == (len(sizes), sum(sizes))
    assert run.most_mapped <= 64 * MIB
    assert mapped or not run.most_mapped


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("nbytes", [MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 5])
def test_pieces_of_the_usual_size_make_no_difference(folder: Path, nbytes: int, mapped: bool) -> None:
    path = made(folder, nbytes)
    for algorithm in ALGORITHMS:
        assert hash_file(path, algorithm, workers=3, mapped=mapped).wait() == acrypto.digest(algorithm, DATA[:nbytes])


def test_parameters_are_those_of_the_algorithm(folder: Path) -> None:
    path = made(folder, MIB + 1)
    data = path.read_bytes()
    assert hash_file(path, "hmac(sha256)", key=b"key").wait() == hmac.digest(b"key", data, "sha256")
    assert hash_file(path, "blake2b", digest_size=20).wait() == hashlib.blake2b(data, digest_size=20).digest()
    assert hash_file(path, "blake3", digest_size=99).wait() == acrypto.digest("blake3", data, digest_size=99)
    assert hash_file(path, "hmac(sha256)", key=b"key", tag_len=7).wait() == hmac.digest(b"key", data, "sha256")[:7]


def test_names_may_be_text_bytes_paths_and_open_files(folder: Path) -> None:
    path = made(folder, 5000)
    odd = os.fsencode(folder) + b"/odd \xff\n\\name"
    Path(os.fsdecode(odd)).write_bytes(DATA[:5000])
    with open(path, "rb") as file:
        file.seek(10)
        names = [str(path), os.fsencode(path), path, odd, file.fileno()]
        rows = list(hash_files(names))
        assert file.tell() == 5000
    assert [row.path for row in rows] == names
    whole = hashlib.sha256(DATA[:5000]).digest()
    assert [row.digest for row in rows] == [whole] * 4 + [hashlib.sha256(DATA[10:5000]).digest()]


def test_errors_are_rows_and_stop_nothing(folder: Path) -> None:
    good = made(folder, 3)
    unreadable = "/proc/self/mem"  # opens, and cannot be read at its start
    rows = list(hash_files([good, folder, "/lost", "a\0b", unreadable, -1, good]))
    wanted = hashlib.sha256(DATA[:3]).digest()
    assert (rows[0].digest, rows[-1].digest) == (wanted, wanted)
    errors = [row.error for row in rows[1:-1]]
    assert all(isinstance(error, OSError) for error in errors)
    numbers = [errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.EIO, errno.EBADF]
    assert [error.errno for error in errors if isinstance(error, OSError)] == numbers
    assert isinstance(errors[0], IsADirectoryError)
    assert str(errors[1]) == "[Errno 2] No such file or directory: '/lost'"
    assert "at offset 0" in str(errors[3])
    with pytest.raises(FileNotFoundError):
        rows[2].result()


def test_what_has_no_size_is_read_to_its_end(folder: Path) -> None:
    """FIFOs as their writers come, files of the kernel that claim to be empty; a socket has a name and no bytes."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(folder / "socket"))
    run = hash_files([fifo, "/proc/version", os.devnull, folder / "socket"], workers=2)
    with open(fifo, "wb") as out:
        out.write(DATA)
    rows = list(run)
    bound.close()
    wanted = [DATA, Path("/proc/version").read_bytes(), b""]
    assert [row.digest for row in rows[:3]] == [hashlib.sha256(data).digest() for data in wanted]
    assert isinstance(rows[3].error, OSError)
    assert rows[3].error.errno == errno.ENXIO


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_a_file_that_vanishes_or_shrinks_harms_no_other(folder: Path, algorithm: str) -> None:
    """Reading, unlike mapping, survives it: an unlinked file is hashed whole, a shorter one up to some end."""
    paths = [folder / f"going {n}" for n in range(40)]
    for path in paths:
        path.write_bytes(DATA)
    run = HashedFiles(workers=2, piece=PAGE)
    number, _ = run.algorithm(algorithm)
    run.start((path, number) for path in paths)
    for n, path in enumerate(paths):
        if n % 2:
            path.unlink()
        else:
            os.truncate(path, 10)
    rows = list(run)
    assert len(rows) == len(paths)
    for row in rows:
        known = {acrypto.digest(algorithm, DATA[:nbytes]) for nbytes in {row.nbytes, 10, len(DATA)}}
        assert isinstance(row.error, FileNotFoundError) or row.digest in known


def test_paths_are_taken_as_there_is_room(folder: Path) -> None:
    path, taken = made(folder, 3), 0

    def paths() -> Iterator[Path]:
        nonlocal taken
        while taken < 10 * AT_LEAST:
            taken += 1
            yield path

    run = hash_files(paths(), workers=1)
    for number, _ in enumerate(run):
        assert taken <= number + 1 + AT_LEAST
    assert taken == number + 1 == 10 * AT_LEAST


def test_an_error_of_the_callers_iterator_is_the_callers(folder: Path) -> None:
    def paths() -> Iterator[Path]:
        yield made(folder, 3)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(hash_files(paths()))
    with pytest.raises(TypeError):
        list(hash_files([3.5]))  # type: ignore[list-item]


def test_cancelling_ends_at_once_whatever_is_read() -> None:
    """Even a device without end, and a pipe that nobody writes to."""
    reading, writing = os.pipe()
    with hash_files(["/dev/zero", reading, "/dev/zero"], workers=3) as run:
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            next(run)
    os.close(reading)
    os.close(writing)
    one = hash_file("/dev/zero")
    with pytest.raises(TimeoutError):
        one.wait(0.01)
    assert not one.done()
    one.cancel()
    assert one.done()
    with pytest.raises(asyncio.CancelledError):
        one.wait()


def test_closing_before_the_end_is_told(folder: Path) -> None:
    with hash_files([made(folder, 3)] * 10) as run:
        next(run)
        run.take()
    with pytest.raises((acrypto.ClosedError, asyncio.CancelledError, StopIteration)):
        next(run)
    run = hash_files(["/dev/zero"])
    run.close()
    with pytest.raises(acrypto.ClosedError):
        next(run)


def threads() -> int:
    found = 0
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just gone
            found += "acrypto-files" in path.read_text()
    return found


def test_a_run_leaves_neither_threads_nor_files(folder: Path) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        digests(hash_files([made(folder, 3), made(folder, MIB + 1)] * 20, workers=4))
    dropped = hash_files(["/dev/zero"])
    native = dropped._native
    del dropped
    native.close()
    del native
    while threads():  # they have let go of everything, and are about to be gone
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_task_waits_without_blocking_its_loop(folder: Path) -> None:
    """Rows and handles are awaitable; while one waits, the loop runs, and cancelling the task is felt."""

    async def main() -> None:
        reading, writing = os.pipe()
        handle = hash_file(reading)
        task = asyncio.ensure_future(handle)
        await asyncio.sleep(0)
        assert not task.done()
        os.write(writing, b"abc")
        os.close(writing)
        os.close(reading)
        assert await task == hashlib.sha256(b"abc").digest()
        assert await handle == handle.wait()
        paths = [made(folder, nbytes) for nbytes in (0, 3, MIB + 1)] * 100
        async with hash_files(iter(paths)) as run:
            rows = [row async for row in run]
        assert [row.path for row in rows] == paths
        assert {row.digest for row in rows} == {hashlib.sha256(path.read_bytes()).digest() for path in paths[:3]}
        async with hash_files(["/dev/zero"]) as run:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(run)
        stopped = hash_file("/dev/zero")
        asyncio.get_running_loop().call_soon(stopped.cancel)
        with pytest.raises(asyncio.CancelledError):
            await stopped

    asyncio.run(main())


def test_an_awaited_error_is_raised(folder: Path) -> None:
    async def main() -> None:
        with pytest.raises(IsADirectoryError):
            await hash_file(folder)

    asyncio.run(main())


def test_a_signal_gets_through_to_who_waits() -> None:
    def handler(number: int, frame: object) -> None:
        raise KeyError(number)

    waits = threading.Event()

    def told(run: HashedFiles) -> HashedFiles:
        waits.set()
        return run

    def send() -> None:
        waits.wait()
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with hash_files(["/dev/zero"]) as run:
            sender = threading.Thread(target=send)
            sender.start()
            with pytest.raises(KeyError):
                next(told(run))
            sender.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_progress_is_polled_while_it_works() -> None:
    with hash_files(["/dev/zero"]) as run:
        while run.progress.nbytes < 10 * MIB:
            pass
        assert run.progress.files == 0
        assert "0 of 1 files" in repr(run)
        assert hash_file("/dev/zero").progress >= 0


def test_wrong_settings_and_parameters_are_refused() -> None:
    with pytest.raises(acrypto.UsageError, match="workers"):
        hash_files([], workers=0)
    with pytest.raises(acrypto.UnknownAlgorithm):
        hash_files([], "sha257")
    with pytest.raises(acrypto.UnknownAlgorithm):
        hash_files([], "gcm(aes)")
    with pytest.raises(acrypto.UsageError):
        hash_files([], "hmac(sha256)")
    with pytest.raises(acrypto.UsageError):
        hash_files([], "sha256", digest_size=16)


def test_a_child_process_has_no_run_of_its_parents(folder: Path) -> None:
    run = hash_files([made(folder, 3)])
    child = os.fork()
    if not child:
        try:
            next(run)
        except acrypto.ClosedError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(run)) == 1


MEMORY = """
import sys, acrypto
rows = list(acrypto.hash_files(sys.argv[2:], sys.argv[1], mapped=True, workers=2))
assert all(row.nbytes == 256 << 20 for row in rows), rows
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_memory_is_bounded_whatever_the_size(tmp_path: Path, algorithm: str) -> None:
    """Mapped pages count as resident: of 512 MiB in two files at most 64 are mapped, and no more is ever in memory."""
    paths = [tmp_path / "sparse", tmp_path / "other"]
    for path in paths:
        with open(path, "wb") as out:
            out.truncate(256 * MIB)
    words = [sys.executable, "-c", MEMORY, algorithm, *map(str, paths)]
    limited = lambda: resource.setrlimit(resource.RLIMIT_AS, (512 * MIB, 512 * MIB))  # noqa: E731
    done = subprocess.run(words, check=True, capture_output=True, preexec_fn=limited)
    assert int(done.stdout) < 96 << 10
