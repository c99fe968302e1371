"""What flows is bounded: peak memory of whole processes, and bytes that were read and not written yet."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import peak_memory
from tests.streams.disk import PAGE, address
from tests.streams.memory import MIB, mixed

import acrypto
from acrypto.streams import Compress, Decompress, Decrypt, Digest, Encrypt, Pipeline, X25519Identity, flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.streams.stage import Piece, Stage, Work

#: The most MiB that a process may hold at once, whatever the file's size.
MOST = 96
#: A hole costs nothing to read; of real data what is more than all that may be in flight.
SPARSE, REAL = 256 * MIB, 112 * MIB
ME = X25519Identity.generate()
FORMATS = ("gzip", "bgzf", "zstd", "lz4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("memory")
    (made / "key").write_text(ME.export() + "\n")
    with open(made / "sparse", "wb") as sparse:
        sparse.truncate(SPARSE)
    with open(made / "real", "wb") as real:
        block = mixed(4 * MIB)
        chosen = random.Random(3)
        for _ in range(REAL // len(block)):
            real.write(chosen.randbytes(1 << 20) + block[1 << 20 :])
    return made


def commands(folder: Path, source: str) -> dict[str, list[str]]:
    """What is done to a file and to what came of it, one after the other."""
    key, back, path = str(folder / "key"), str(folder / "back"), str(folder / source)
    to = str(ME.recipient)
    made = {"digest": ["digest", path]}
    for name in FORMATS:
        packed = str(folder / f"packed.{name}")
        made[name] = ["compress", "-f", name, "--force", path, "-o", packed]
        made[f"{name} back"] = ["decompress", "--max-output", "none", "--force", packed, "-o", back]
    sealed, both = str(folder / "sealed"), str(folder / "both")
    made["age"] = ["encrypt", "-r", to, "--force", path, "-o", sealed]
    made["age back"] = ["decrypt", "-i", key, "--force", sealed, "-o", back]
    made["zstd, age"] = ["run", "--force", f"zstd | digest:sha256 | age:-r {to}", path, both]
    words = ["run", "--force", "--max-output", "none", f"decrypt:-i {key} | decompress | digest:blake3"]
    made["zstd, age back"] = [*words, both, back]
    return made


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("source", ["sparse", "real"])
def test_commands_stay_within_96_mib(folder: Path, source: str, workers: int) -> None:
    peaks = {}
    for name, words in commands(folder, source).items():
        code, told, kib = peak_memory(words[0], "-T", str(workers), *words[1:])
        assert (code, told) == (0, b""), name
        peaks[name] = kib >> 10
        if name.endswith("back"):
            assert (folder / "back").stat().st_size == (folder / source).stat().st_size
    assert {name: peak for name, peak in peaks.items() if peak > MOST} == {}


PIPELINES = """
import sys
import acrypto
from acrypto.streams import *
source, folder, key, workers, name = sys.argv[1:]
me = X25519Identity.parse(key)
with acrypto.open(settings=acrypto.Settings(workers=int(workers), pool_bytes=32 << 20)) as layer:
    if name == "age":
        there, back = [Encrypt([me.recipient])], [Decrypt([me])]
    elif name == "all":
        there = [Digest("sha256"), Compress("zstd"), Encrypt([me.recipient]), Digest("blake3")]
        back = [Decrypt([me]), Decompress(limited=False), Digest("sha256")]
    else:
        there, back = [Compress(name)], [Decompress(limited=False)]
    Pipeline(layer, source, there, folder + "/packed").drive()
    Pipeline(layer, folder + "/packed", back, folder + "/back").drive()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("source", ["sparse", "real"])
def test_pipelines_stay_within_96_mib(folder: Path, source: str, workers: int) -> None:
    """There and back in one process, with as little memory kept for reuse as the commands keep.

    What is kept by default is 32 MiB more, and by then nobody's: with 8 workers that makes some 100 MiB.
    """
    peaks = {}
    for name in (*FORMATS, "age", "all"):
        words = [str(folder / source), str(folder), ME.export(), str(workers), name]
        done = subprocess.run([sys.executable, "-c", PIPELINES, *words], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks[name] = int(done.stdout) >> 10
        assert (folder / "back").stat().st_size == (folder / source).stat().st_size
    assert {name: peak for name, peak in peaks.items() if peak > MOST} == {}


# ---- In flight


class Account:
    """A source and a sink that know what was read and not written yet."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.between = self.most = 0

    def readinto(self, space: memoryview) -> int:
        count = self._data.readinto(space)
        self.between += count
        self.most = max(self.most, self.between)
        return count

    def write(self, piece: memoryview) -> None:
        self.between -= len(piece)


NOISE = random.Random(4).randbytes(48 * MIB)
#: Stages whose output is as long as their input, and the most source bytes of one operation of each.
LEVEL: dict[str, tuple[list[Stage], int]] = {
    "gzip": ([Compress("gzip", 1)], 1 * MIB),
    "bgzf": ([Compress("bgzf", 1)], 1 * MIB),
    "zstd": ([Compress("zstd", 1)], 2 * MIB),
    "lz4": ([Compress("lz4")], 1 * MIB),
    "age": ([Encrypt([ME.recipient])], 1 * MIB),
    "there and back": ([Encrypt([ME.recipient]), Decrypt([ME])], 2 * MIB),
    "digests": ([Digest("sha256"), Encrypt([ME.recipient]), Digest("crc32")], 1 * MIB),
}


@pytest.mark.parametrize("in_flight", [1, 2 * MIB, 8 * MIB, flow.IN_FLIGHT])
@pytest.mark.parametrize("workers", [2, 8])
@pytest.mark.parametrize("name", LEVEL)
def test_what_was_read_and_not_written_is_bounded(name: str, workers: int, in_flight: int) -> None:
    """By what may be in flight, one more operation of each stage, and what is read at a time."""
    stages, operation = LEVEL[name]
    account = Account(NOISE)
    piece = 256 << 10
    with acrypto.open(settings=acrypto.Settings(workers=workers)) as layer:
        Pipeline(layer, account, stages, account, in_flight=in_flight, piece=piece).drive()
    assert account.most <= in_flight + 2 * len(stages) * operation + 2 * piece


@pytest.mark.parametrize("name", ["gzip", "age"])
def test_files_are_read_ahead_no_further_than_told(layer: acrypto.Layer, tmp_path: Path, name: str) -> None:
    """What a blocked sink lets a pipeline read: in flight, and so many pieces ahead."""
    stages, operation = LEVEL[name]
    (tmp_path / "data").write_bytes(NOISE)
    most = 0

    class Sink:
        def write(self, piece: memoryview) -> None:
            nonlocal most, written
            written += len(piece)
            most = max(most, running.tally.bytes_in - written)

    written = 0
    running = Pipeline(layer, tmp_path / "data", stages, Sink(), in_flight=4 * MIB, piece=MIB, ahead=2)._start(None)
    running.drive()
    assert most <= 4 * MIB + 2 * operation + 2 * MIB


# ---- Pages


class Seen:
    """A stage that notes where the pieces lie that a source hands on, and keeps none."""

    name = "seen"
    piece = MIB

    def __init__(self) -> None:
        self.pieces_seen: list[tuple[int, int]] = []

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        for piece in upstream:
            if piece is not None:
                self.pieces_seen.append((address(piece), len(piece)))
            yield piece


@pytest.mark.parametrize("kind", ["path", "descriptor", "buffered", "pipe", "readinto"])
@pytest.mark.parametrize("piece", [None, PAGE, 8 * PAGE])
def test_every_piece_but_the_last_is_whole_pages_on_a_page(
    layer: acrypto.Layer, tmp_path: Path, kind: str, piece: int | None
) -> None:
    """To the end of the file, from whatever it is read: nobody is 4095 bytes off."""
    data = NOISE[: 3 * MIB + 4095]
    path = tmp_path / "data"
    path.write_bytes(data)
    seen, out = Seen(), tmp_path / "out"
    stages: list[Stage] = [seen, Digest("sha256"), Compress("zstd"), Decompress(limited=False)]
    with open(path, "rb", buffering=-1 if kind == "buffered" else 0) as file:
        source: Any
        if kind == "pipe":
            with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
                assert cat.stdout is not None
                Pipeline(layer, cat.stdout.fileno(), stages, out, piece=piece).drive()
        else:
            source = {"path": path, "descriptor": file.fileno(), "buffered": file, "readinto": io.BytesIO(data)}[kind]
            Pipeline(layer, source, stages, out, piece=piece).drive()
    assert out.read_bytes() == data
    whole = piece or MIB
    assert [size for _, size in seen.pieces_seen] == [whole] * (len(data) // whole) + [len(data) % whole]
    assert all(at % PAGE == 0 for at, _ in seen.pieces_seen)
