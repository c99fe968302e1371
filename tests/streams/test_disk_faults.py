"""Native disk I/O when something goes wrong: errors tell number and offset, and whoever waits can be woken."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import resource
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
from tests.streams.disk import DATA, PAGE, VIAS, asleep, native, outcome, pieces

import acrypto
from acrypto import _core

via = pytest.mark.parametrize("via", VIAS)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def raises(number: int, offset: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError, match=f" at offset {offset}$") as caught:
        call()
    assert caught.value.errno == number


def test_arguments_out_of_range_are_told_with_the_range(layer: acrypto.Layer) -> None:
    for wrong, match in (
        ({"piece": 0}, "piece is 0; it must be a multiple of"),
        ({"piece": PAGE + 1}, f"piece is {PAGE + 1}; it must be a multiple of {PAGE}"),
        ({"piece": 2 << 30}, "up to 1073741824"),
        ({"ahead": 0}, "ahead is 0; it must be in 1 to 1024"),
        ({"via": "mail"}, 'via is "mail"'),
    ):
        with pytest.raises(acrypto.UsageError, match=match):
            _core.Reader(native(layer), 0, **{"piece": PAGE, "ahead": 1, **wrong})  # type: ignore[arg-type]


def test_descriptors_that_cannot_serve_are_refused(layer: acrypto.Layer, tmp_path: Path, pipe: tuple[int, int]) -> None:
    with open(tmp_path / "file", "wb") as written:
        for fd, offset, number in (
            (written.fileno(), None, errno.EBADF),
            (10**6, None, errno.EBADF),
            (-1, None, errno.EBADF),
            (pipe[0], 5, errno.ESPIPE),
            (pipe[1], None, errno.EBADF),
        ):
            how = {"piece": PAGE, "ahead": 1, "offset": offset}
            raises(number, offset or 0, partial(_core.Reader, native(layer), fd, **how))  # type: ignore[arg-type]
    folder = os.open(tmp_path, os.O_RDONLY)
    raises(errno.EISDIR, 0, lambda: _core.Reader(native(layer), folder, piece=PAGE, ahead=1))
    raises(errno.EBADF, 0, lambda: _core.Writer(native(layer), folder, behind=1))
    raises(errno.EBADF, 0, lambda: _core.Writer(native(layer), pipe[0], behind=1))
    os.close(folder)


@via
def test_a_read_error_tells_where_and_stays(layer: acrypto.Layer, tmp_path: Path, via: str) -> None:
    """Memory behind the end of its file can be read no more: a regular file with a hole that hurts."""
    with open(tmp_path / "file", "w+b") as file, open("/proc/self/mem", "rb", buffering=0) as memory:
        file.truncate(2 * PAGE)
        with mmap.mmap(file.fileno(), 2 * PAGE) as mapped:
            anchor = ctypes.c_char.from_buffer(mapped)
            begin = ctypes.addressof(anchor)
            file.truncate(PAGE)
            reader = _core.Reader(native(layer), memory.fileno(), piece=PAGE, ahead=1, offset=begin, via=via)
            assert reader.next() == bytes(PAGE)
            raises(errno.EIO, begin + PAGE, reader.next)
            raises(errno.EIO, begin + PAGE, reader.next)
            assert reader.position == PAGE
            reader.close()
            del anchor


def test_a_full_device_is_told_and_stays(layer: acrypto.Layer) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        writer = _core.Writer(native(layer), full.fileno(), behind=1 << 20)
        raises(errno.ENOSPC, 0, lambda: [writer.write(DATA), writer.flush()])
        for call in (writer.flush, lambda: writer.write(b"more")):
            raises(errno.ENOSPC, 0, call)
        writer.close()


@via
def test_a_file_that_may_not_grow_tells_where_it_ends(layer: acrypto.Layer, tmp_path: Path, via: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open(tmp_path / "file", "wb", buffering=0) as file:
        writer = _core.Writer(native(layer), file.fileno(), behind=1 << 20, via=via)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5 * PAGE + 7, before[1]))
        try:
            for _ in range(5):
                writer.write(DATA[:PAGE])
            raises(errno.EFBIG, 5 * PAGE + 7, lambda: [writer.write(DATA[:PAGE]), writer.flush()])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        writer.close()
    assert (tmp_path / "file").read_bytes() == (DATA[:PAGE] * 6)[: 5 * PAGE + 7]


def test_a_pipe_that_nobody_reads_is_broken(layer: acrypto.Layer) -> None:
    out, into = os.pipe()
    os.close(out)
    writer = _core.Writer(native(layer), into, behind=0)
    raises(errno.EPIPE, 0, lambda: [writer.write(DATA), writer.flush()])
    writer.close()
    os.close(into)


@via
@pytest.mark.parametrize("change", [-1, 0, 1])
def test_a_file_that_changes_while_it_is_read_has_an_end(
    layer: acrypto.Layer, tmp_path: Path, via: str, change: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    after = len(DATA) + change * 700_001
    with open(path, "r+b", buffering=0) as file:
        reader = _core.Reader(native(layer), file.fileno(), piece=16 * PAGE, ahead=2, via=via)
        first = reader.next()
        file.truncate(after)
        whole = b"".join([first or b"", *pieces(reader)])
    assert whole == (DATA + bytes(700_001))[: len(whole)]
    assert len(whole) == after


def test_whoever_waits_for_a_pipe_can_be_cancelled(layer: acrypto.Layer, pipe: tuple[int, int]) -> None:
    out, into = pipe
    reader = _core.Reader(native(layer), out, piece=PAGE, ahead=2)
    thread, found = outcome(reader.next)
    asleep(thread)
    reader.cancel()
    thread.join()
    assert isinstance(found[0], acrypto.ClosedError)
    reader.close()
    writer = _core.Writer(native(layer), into, behind=PAGE)
    thread, found = outcome(lambda: [writer.write(DATA) for _ in range(2)])
    asleep(thread)
    writer.cancel()
    thread.join()
    assert isinstance(found[0], acrypto.ClosedError)
    writer.close()


@pytest.mark.parametrize("what", ["next", "write", "flush"])
def test_a_signal_handler_runs_while_a_call_waits(layer: acrypto.Layer, pipe: tuple[int, int], what: str) -> None:
    class Alarmed(Exception):
        pass

    def alarm(_number: int, _frame: FrameType | None) -> None:
        raise Alarmed

    before = signal.signal(signal.SIGUSR1, alarm)
    reader = _core.Reader(native(layer), pipe[0], piece=PAGE, ahead=2)
    writer = _core.Writer(native(layer), pipe[1], behind=PAGE)
    other = os.pipe()
    full = _core.Writer(native(layer), other[1], behind=PAGE)
    full.write(DATA)
    entered = threading.Event()

    def ring() -> None:
        entered.wait()
        asleep(threading.main_thread())
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=ring)
    thread.start()
    call = {"next": reader.next, "write": lambda: full.write(b"x"), "flush": full.flush}[what]
    try:
        with pytest.raises(Alarmed):
            entered.set() or call()
    finally:
        signal.signal(signal.SIGUSR1, before)
        thread.join()
    writer.write(b"it still works")
    writer.flush()
    writer.close()
    reader.close()
    full.close()
    for end in other:
        os.close(end)


@via
def test_closing_withdraws_what_is_in_flight(
    layer: acrypto.Layer, tmp_path: Path, pipe: tuple[int, int], via: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with open(path, "r+b", buffering=0) as file:
        for close in (True, False):
            for direct in (False, True):
                how = {"piece": 16 * PAGE, "ahead": 9, "direct": direct, "via": via}
                reader = _core.Reader(native(layer), file.fileno(), offset=0, **how)  # type: ignore[arg-type]
                assert reader.next() == DATA[: 16 * PAGE]
                writer = _core.Writer(native(layer), pipe[1], behind=1 << 30)
                writer.write(DATA)
                if close:
                    for _ in range(2):
                        reader.close()
                        writer.close()
                    for call in (reader.next, writer.flush, partial(writer.write, b"x")):
                        with pytest.raises(acrypto.ClosedError):
                            call()
                del reader, writer


class Array(bytearray):
    """A bytearray that can be referred to weakly."""


@via
def test_what_was_written_is_let_go(layer: acrypto.Layer, tmp_path: Path, via: str) -> None:
    with open(tmp_path / "file", "wb", buffering=0) as file:
        writer = _core.Writer(native(layer), file.fileno(), behind=1 << 20, via=via)
        piece = Array(DATA)
        alive = weakref.ref(piece)
        writer.write(piece)
        del piece
        writer.flush()
        gc.collect()
        assert alive() is None
        piece = Array(DATA)
        alive = weakref.ref(piece)
        writer.write(piece)
        del piece, writer
        gc.collect()
        assert alive() is None


def test_a_forked_child_leaves_its_parents_work_alone(
    layer: acrypto.Layer, tmp_path: Path, pipe: tuple[int, int]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    for how in VIAS:
        with open(path, "rb", buffering=0) as file:
            reader = _core.Reader(native(layer), file.fileno(), piece=16 * PAGE, ahead=4, direct=True, via=how)
            writer = _core.Writer(native(layer), pipe[1], behind=1 << 30)
            first = reader.next()
            writer.write(DATA)
            child = os.fork()
            if not child:
                told = 0
                for call in (reader.next, reader.close, partial(writer.write, b""), writer.flush):
                    try:
                        call()
                    except acrypto.ClosedError:
                        told += 1
                del reader, writer
                os._exit(told)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
            assert b"".join([first or b"", *pieces(reader)]) == DATA
            writer.close()


#: Forbids io_uring as many containers do, by a seccomp filter for system call 425, and then reads itself.
FORBIDDEN = """
import ctypes, errno, struct, sys
import acrypto
from acrypto import _core

lines = 0x20, 0, 0, 0, 0x15, 0, 1, 425, 6, 0, 0, 0x50000 | errno.EPERM, 6, 0, 0, 0x7FFF0000
code = struct.pack("=" + "HBBI" * 4, *lines)
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert not libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, ctypes.byref(Program(4, code))):
    sys.exit("no seccomp")
with acrypto.open() as layer, open(sys.executable, "rb") as file:
    reader = _core.Reader(layer._native, file.fileno(), piece=1 << 20, ahead=2)
    assert reader.via == "threads"
    assert reader.next() == file.read(1 << 20)
    reader.close()
    try:
        _core.Reader(layer._native, file.fileno(), piece=1 << 20, ahead=2, via="uring")
    except PermissionError:
        print("threads instead")
"""


def test_where_io_uring_is_forbidden_threads_serve() -> None:
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, check=False)
    if "no seccomp" in done.stderr:
        pytest.skip("this system has no seccomp")
    assert (done.stdout, done.stderr) == ("threads instead\n", "")
