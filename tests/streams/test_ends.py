"""Ends that come at a bad moment: cancelled while opening, failed half-way, asked again afterwards."""

import asyncio
import gzip
import io
import os
import stat
import threading

import pytest

import acrypto
import acrypto.gzip
from acrypto.streams import Compress, Digest, Pipeline
from acrypto.streams.age.identities import ScryptIdentity
from acrypto.streams.age.recipients import ScryptRecipient
from acrypto.streams.replacement import Replacement


@pytest.fixture
def layer():
    with acrypto.open() as layer:
        yield layer


class Opening:
    """A stage that is opened when it is told."""

    name, piece = "opening", 1 << 20

    def __init__(self):
        self.entered, self.go = threading.Event(), threading.Event()

    def pieces(self, work, upstream):
        self.entered.set()
        self.go.wait()
        return (piece for piece in upstream)


def test_who_is_cancelled_while_it_opens_does_not_wait_for_its_source(layer):
    source, other = os.pipe()
    stage = Opening()
    running = Pipeline(layer, source, [stage], None).run()
    stage.entered.wait()
    running.cancel()
    stage.go.set()
    with pytest.raises(asyncio.CancelledError):
        running.wait(10)
    os.close(source)
    os.close(other)


def test_errors_told_again_do_not_grow(layer):
    running = Pipeline(layer, os.devnull, [Compress("gzip")], "/nonexistent/file").run()
    lengths = set()
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            running.wait(10)
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


class Failing(io.BytesIO):
    """Its fourth read fails, once."""

    reads = 0

    def read(self, size=-1):
        self.reads += 1
        if self.reads == 4:
            raise OSError(5, "no luck")
        return super().read(size)


def test_gzip_reading_that_failed_goes_on_where_it_was():
    contents = os.urandom(4 << 20)
    file = acrypto.gzip.GzipFile(fileobj=Failing(gzip.compress(contents, 1)))
    got, failures = [], 0
    while True:
        try:
            part = file.read1(1 << 16)
        except OSError:
            failures += 1
            continue
        if not part:
            break
        got.append(part)
    assert (b"".join(got) == contents, failures) == (True, 1)


class Few:
    """A file that gives a few bytes at a time."""

    def __init__(self, path, most):
        self.file, self.most = open(path, "rb"), most  # noqa: SIM115 - closed by the caller

    def read(self, size):
        return self.file.read(min(size, self.most))


@pytest.mark.parametrize("most", [1, 5, 63])
def test_a_format_is_found_however_few_bytes_come_at_a_time(tmp_path, most):
    path = tmp_path / "x.age"
    identity = acrypto.streams.age.X25519Identity.generate()
    with acrypto.open_file(path, "wb", recipients=[identity.recipient]) as file:
        file.write(b"hello")
    few = Few(path, most)
    with few.file, acrypto.open_file(few, identities=[identity]) as file:
        assert file.read() == b"hello"


def test_a_wrong_checksum_is_told_each_time(tmp_path):
    path = tmp_path / "x.gz"
    with acrypto.open_file(path, "wb", level=1) as file:
        file.write(os.urandom(3 << 20))
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1
    path.write_bytes(raw)
    with acrypto.open_file(path) as file:
        assert file.is_indexed
        for _ in range(2):
            with pytest.raises(acrypto.CorruptInput):
                file.pread(0, 3 << 20)


def test_modes_of_new_files_do_not_depend_on_other_threads(tmp_path):
    def make(name):
        for _ in range(200):
            with Replacement(str(tmp_path / name), force=True) as made:
                made.commit()
            modes.add(stat.S_IMODE((tmp_path / name).stat().st_mode))

    import sys

    modes, interval = set(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=make, args=(name,)) for name in "abcd"]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    (tmp_path / "other").touch()
    assert modes == {stat.S_IMODE((tmp_path / "other").stat().st_mode)}


class Full:
    """Fails once."""

    failed = False

    def write(self, data):
        if not self.failed:
            self.failed = True
            raise OSError(28, "full")
        return len(data)


def test_writing_on_after_an_error_is_refused():
    file = acrypto.open_file(Full(), "wb", format="gzip")
    contents = os.urandom(1 << 20)
    with pytest.raises(OSError, match="full"):
        file.writelines(contents for _ in range(1000))
    with pytest.raises(OSError, match="failed before"):
        file.write(b"more")
    file.discard()


def test_closing_that_is_cancelled_closes_all_the_same(tmp_path):
    path = tmp_path / "x.gz"

    async def main():
        file = await acrypto.aopen_file(path, "wb", level=1)
        writing = asyncio.ensure_future(file.write(bytes(8 << 20)))
        await asyncio.sleep(0)
        writing.cancel()
        closing = asyncio.ensure_future(file.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([writing, closing])
        await file.close()
        assert gzip.decompress(path.read_bytes()) in (bytes(8 << 20), b"")

    asyncio.run(main())


def test_a_passphrase_is_no_number_and_none_when_it_was_wiped():
    for kind in (ScryptRecipient, ScryptIdentity):
        with pytest.raises(TypeError):
            kind(12345)
    recipient = ScryptRecipient("hunter2", work_factor=1)
    recipient.wipe()
    with pytest.raises(acrypto.UsageError, match="wiped"):
        recipient.wrap(bytearray(16))


class Silent:
    """Has nothing at the moment."""

    def read(self, size):
        return None


def test_nothing_at_the_moment_is_not_the_end(layer):
    with pytest.raises(BlockingIOError):
        Pipeline(layer, Silent(), [Digest("sha256")], None).drive()


class Stuck:
    """Never takes anything."""

    def write(self, data):
        return 0


def test_a_sink_that_takes_nothing_is_an_error(layer):
    with pytest.raises(OSError, match="0 of 3 bytes"):
        Pipeline(layer, b"abc", [], Stuck()).drive()


def test_up_to_the_limit_everything_is_given(tmp_path):
    path = tmp_path / "x.zst"
    with acrypto.open_file(path, "wb") as file:
        file.write(b"a" * 200)
    with acrypto.open_file(path, max_output=100) as file:
        assert len(file.read(50)) == 50
        with pytest.raises(acrypto.LimitExceeded):
            file.read()
    with acrypto.open_file(path, max_output=200) as file:
        assert len(file.read()) == len(file.pread(0, 1000)) == 200
    with acrypto.open_file(path, max_output=199) as file, pytest.raises(acrypto.LimitExceeded):
        file.pread(0, 1000)


@pytest.mark.parametrize("size", [1, 16, 1000, 5000])
def test_little_pieces_give_the_same_file(layer, size):
    contents = os.urandom(300_000)
    whole, parts = io.BytesIO(), io.BytesIO()
    Pipeline(layer, contents, [Compress("bgzf")], whole).drive()
    cut = (contents[at : at + size] for at in range(0, len(contents), size))
    Pipeline(layer, cut, [Compress("bgzf")], parts).drive()
    assert parts.getvalue() == whole.getvalue()
