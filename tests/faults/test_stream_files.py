"""Files and disks that fail or change under a pipeline or a file object of this process."""

from __future__ import annotations

import errno
import io
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.streams.memory import MIB

import acrypto
from acrypto.streams import Compress, Decompress, Decrypt, Digest, Encrypt, Pipeline, X25519Identity

if TYPE_CHECKING:
    from acrypto.streams.stage import Piece, Stage, Work

DATA = random.Random(8).randbytes(9 * MIB)
ME = X25519Identity.generate()


class Event:
    """A stage that passes everything on, and lets something happen when so many bytes went by."""

    name = "event"
    piece = MIB

    def __init__(self, after: int, happens: object) -> None:
        self._after = after
        self._happens = happens

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        seen = 0
        for piece in upstream:
            yield piece
            seen += len(piece or b"")
            if seen >= self._after and callable(self._happens):
                happens, self._happens = self._happens, None
                happens()


class Raising(io.BytesIO):
    """A file whose reads fail behind so many bytes."""

    name = "somewhere"

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data)
        self._after = after

    def readinto(self, space: object) -> int:
        view = memoryview(space)[:100_000]  # type: ignore[arg-type]
        if self.tell() >= self._after:
            raise OSError(errno.EIO, f"Input/output error at offset {self.tell()}", self.name)
        return super().readinto(view)


STAGES: dict[str, list[Stage]] = {
    "gzip": [Compress("gzip", 1)], "zstd": [Compress("zstd")], "lz4": [Compress("lz4")], "bgzf": [Compress("bgzf", 1)],
    "age": [Encrypt([ME.recipient])], "digest": [Digest("sha256")],
    "zstd, age": [Compress("zstd"), Digest("crc32"), Encrypt([ME.recipient])],
}  # fmt: skip
BACK: dict[str, list[Stage]] = {
    "gzip": [Decompress()], "zstd": [Decompress()], "lz4": [Decompress()], "bgzf": [Decompress()],
    "age": [Decrypt([ME])], "digest": [Digest("sha256")], "zstd, age": [Decrypt([ME]), Digest("crc32"), Decompress()],
}  # fmt: skip
each = pytest.mark.parametrize("name", STAGES)
ways = pytest.mark.parametrize("way", ["there", "back"])


@pytest.fixture(scope="module")
def packed(layer: acrypto.Layer) -> dict[str, bytes]:
    made = {}
    for name, stages in STAGES.items():
        sink = io.BytesIO()
        Pipeline(layer, DATA, stages, sink).drive()
        made[name] = sink.getvalue()
    return made


@ways
@each
def test_a_file_object_that_fails_in_the_middle(
    layer: acrypto.Layer, packed: dict[str, bytes], tmp_path: Path, name: str, way: str
) -> None:
    """Its own error comes out, and no file is there; the old one stays."""
    data, stages = (DATA, STAGES[name]) if way == "there" else (packed[name], BACK[name])
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(OSError, match=r"error at offset 4\d{6}") as caught:
        Pipeline(layer, Raising(data, 4_000_000), stages, tmp_path / "out").drive()
    assert caught.value.filename == "somewhere"
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


@each
def test_a_source_that_shrinks_gives_what_was_there(layer: acrypto.Layer, tmp_path: Path, name: str) -> None:
    """Neither a crash nor bytes that never were: what comes out is a beginning of the file."""
    path, out, back = tmp_path / "data", tmp_path / "out", io.BytesIO()
    path.write_bytes(DATA)
    left = MIB + 12_345
    event = Event(2 * MIB, lambda: os.truncate(path, left))
    result = Pipeline(layer, path, [event, *STAGES[name]], out, piece=64 << 10, ahead=2).drive()
    Pipeline(layer, out, BACK[name], back).drive()
    found = back.getvalue()
    assert 2 * MIB <= len(found) < len(DATA)
    assert DATA.startswith(found)
    assert result.bytes_in == len(found)


@pytest.mark.parametrize("name", ["gzip", "zstd", "lz4", "bgzf", "age", "zstd, age"])
def test_a_packed_source_that_shrinks_is_truncated(
    layer: acrypto.Layer, packed: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    path, out = tmp_path / "data", tmp_path / "out"
    path.write_bytes(packed[name])
    event = Event(2 * MIB, lambda: os.truncate(path, MIB + 12_345))
    # A chunk of age's that lost its end is told as any other that was changed.
    with pytest.raises((acrypto.CorruptInput, acrypto.AuthenticationError), match=r"at offset \d+"):
        Pipeline(layer, path, [event, *BACK[name]], out, piece=64 << 10, ahead=2).drive()
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_that_vanishes_is_told(layer: acrypto.Layer, tmp_path: Path, overwrite: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def vanish() -> None:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()

    with pytest.raises(FileNotFoundError) as caught:
        Pipeline(layer, DATA, [Event(MIB, vanish)], folder / "out", overwrite=overwrite).drive()
    assert caught.value.filename == str(folder / "out")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def little_room() -> Iterator[int]:
    """Files of this process may not grow beyond that."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, old[1]))
    yield 2 * MIB
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("via", ["uring", "threads"])
@each
def test_a_full_disk_ends_a_pipeline(
    layer: acrypto.Layer, tmp_path: Path, little_room: int, name: str, via: str
) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(OSError, match=r"at offset \d+") as caught:
        Pipeline(layer, DATA, STAGES[name], tmp_path / "out", via=via).drive()
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / "out"))
    assert f"at offset {little_room}" in str(caught.value)
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


def _write_all(file: Any, error: BaseException | None = None) -> None:
    with file:
        for at in range(0, len(DATA), 100_000):
            file.write(DATA[at : at + 100_000])
        if error is not None:
            raise error


@pytest.mark.parametrize("format", ["gzip", "zstd", "lz4", "bgzf", "age"])
def test_a_full_disk_ends_a_file_that_is_written(
    layer: acrypto.Layer, tmp_path: Path, little_room: int, format: str
) -> None:
    """The write that finds it out raises, or the close; nothing is left, and nobody is told twice."""
    how = {"recipients": [str(ME.recipient)]} if format == "age" else {}
    file = acrypto.open_file(tmp_path / "out", "wb", format=format, layer=layer, **how)
    with pytest.raises(OSError, match=r"at offset \d+") as caught:
        _write_all(file)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / "out"))
    assert file.closed
    file.close()
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_written_and_left_by_an_exception_is_none(layer: acrypto.Layer, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        _write_all(acrypto.open_file(tmp_path / "out", "wb", format="gzip", layer=layer), KeyboardInterrupt())
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


def test_a_reader_that_leaves_a_pipeline_is_a_broken_pipe(layer: acrypto.Layer) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        with pytest.raises(BrokenPipeError, match="at offset 0"):
            Pipeline(layer, DATA, STAGES["zstd"], theirs).drive()
    finally:
        os.close(theirs)
