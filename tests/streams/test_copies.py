"""The table of copies in docs/streams.md: each of its rows is measured, and has the numbers that it states."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.house.places import ROOT

import acrypto
from acrypto import _core
from acrypto.streams import (
    Compress,
    Decompress,
    Decrypt,
    Digest,
    Encrypt,
    Pipeline,
    SeekableReader,
    TinkDecrypt,
    TinkEncrypt,
    X25519Identity,
)

MIB = 1 << 20
SIZE = 8 * MIB + 1000
#: Headers, tables and tails that a row need not tell.
LITTLE = 64 << 10
CELL = re.compile(r"(≤ )?([\d.]+) (s|r|MiB)")
IDENTITY = X25519Identity.generate()
TINK = bytes(range(32))


class Row(NamedTuple):
    """What docs/streams.md says of one path: a bound or a number, and of what, for each place that has any."""

    direct: bool
    cells: dict[str, tuple[bool, float, str]]


def told() -> dict[str, Row]:
    text = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
    table = text.split("<!-- copies: begin -->")[1].split("<!-- copies: end -->")[0]
    heading, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines())
    rows = {}
    for name, *cells in lines:
        found = {}
        for place, cell in zip(heading[1:], cells, strict=True):
            if cell:
                parsed = CELL.fullmatch(cell)
                assert parsed, f"{name}: {place}: {cell!r}"
                found[place] = (parsed[1] is not None, float(parsed[2]), parsed[3])
        assert name not in rows
        rows[name] = Row("O_DIRECT" in name, found)
    return rows


def words() -> bytes:
    """Text that compresses to about a third, so that results do not end where pieces do."""
    chosen = random.Random(7)
    known = [bytes(chosen.choices(b"abcdefghijklmnopqrstuvwxyz", k=chosen.randint(2, 9))) for _ in range(500)]
    return b" ".join(chosen.choices(known, k=SIZE // 6))[:SIZE]


class Ways:
    """The paths, each a method that leaves the sizes of its source and its result."""

    def __init__(self, layer: acrypto.Layer, folder: Path) -> None:
        self.layer = layer
        self.data = words()
        assert len(self.data) == SIZE
        self.folder = folder
        self.plain = folder / "plain"
        self.plain.write_bytes(self.data)
        (folder / "foreign.gz").write_bytes(gzip.compress(self.data, 1))
        (folder / "foreign.zst").write_bytes(acrypto.compress("zstd", self.data))
        for name, stages in self._made().items():
            Pipeline(layer, self.plain, stages, folder / name).drive()

    def _made(self) -> dict[str, list[Any]]:
        made: dict[str, list[Any]] = {name: [Compress(name)] for name in ("gzip", "bgzf", "zstd", "lz4")}
        made["age"] = [Encrypt([IDENTITY.recipient])]
        made["armored"] = [Encrypt([IDENTITY.recipient], armor=True)]
        made["tink"] = [TinkEncrypt(TINK)]
        made["zstd.age"] = [Compress("zstd"), *made["age"]]
        return made

    def run(self, source: Any, stages: list[Any], sink: Any = None, **how: Any) -> tuple[int, int]:
        result = Pipeline(self.layer, source, stages, sink, **how).drive()
        return result.bytes_in, result.bytes_out

    def made(self, name: str, **how: Any) -> tuple[int, int]:
        return self.run(self.plain, self._made()[name], self.folder / "out", **how)

    def unmade(self, name: str, *stages: Any, **how: Any) -> tuple[int, int]:
        sizes = self.run(self.folder / name, list(stages) or [Decompress()], self.folder / "back", **how)
        assert (self.folder / "back").read_bytes() == self.data
        return sizes

    def opened(self, name: str, read: Callable[[Any], bytes], **how: Any) -> tuple[int, int]:
        with acrypto.open_file(self.folder / name, layer=self.layer, **how) as file:
            while read(file):
                pass
            assert file.tell() == SIZE
        return (self.folder / name).stat().st_size, SIZE

    def opened_later(self) -> tuple[int, int]:
        async def main() -> int:
            async with acrypto.aopen_file(self.folder / "zstd", layer=self.layer) as file:
                return sum([len(chunk) async for chunk in file.chunks()])

        assert asyncio.run(main()) == SIZE
        return (self.folder / "zstd").stat().st_size, SIZE

    def anywhere(self) -> tuple[int, int]:
        with SeekableReader(self.folder / "zstd", layer=self.layer) as file:
            places = range(0, SIZE, MIB)
            assert sum(len(file.pread(at, MIB)) for at in places) == SIZE
        return (self.folder / "zstd").stat().st_size, SIZE

    def written(self, nbytes: int) -> tuple[int, int]:
        with acrypto.open_file(self.folder / "out.zst", "wb", layer=self.layer) as file:
            for at in range(0, SIZE, nbytes):
                file.write(self.data[at : at + nbytes])
        return SIZE, (self.folder / "out.zst").stat().st_size

    def hashed(self) -> tuple[int, int]:
        (row,) = acrypto.hash_files([self.plain])
        row.result()
        return row.nbytes, 0

    def all(self) -> dict[str, Callable[[], tuple[int, int]]]:
        plain, out = self.plain, self.folder / "out"
        decrypt, encrypt = Decrypt([IDENTITY]), Encrypt([IDENTITY.recipient])
        return {
            "a file, as it is": lambda: self.run(plain, [], out),
            "digest of a file, in a pipeline": lambda: self.run(plain, [Digest("sha256", "blake3")]),
            "digests by `hash_files`": self.hashed,
            "compress to gzip": lambda: self.made("gzip"),
            "compress to BGZF": lambda: self.made("bgzf"),
            "compress to zstd": lambda: self.made("zstd"),
            "compress to lz4": lambda: self.made("lz4"),
            "compress to zstd, digests of both sides": lambda: self.run(
                plain, [Digest("sha256"), Compress("zstd"), Digest("sha256")], out
            ),
            "decompress our own gzip": lambda: self.unmade("gzip"),
            "decompress a foreign gzip": lambda: self.unmade("foreign.gz"),
            "decompress BGZF": lambda: self.unmade("bgzf"),
            "decompress our own zstd": lambda: self.unmade("zstd"),
            "decompress a foreign zstd of one large frame": lambda: self.unmade("foreign.zst"),
            "decompress lz4": lambda: self.unmade("lz4"),
            "encrypt to age": lambda: self.made("age"),
            "encrypt to age, armored": lambda: self.made("armored"),
            "decrypt age": lambda: self.unmade("age", decrypt),
            "decrypt age, armored": lambda: self.unmade("armored", decrypt),
            "encrypt in Tink's format": lambda: self.made("tink"),
            "decrypt Tink's format": lambda: self.unmade("tink", TinkDecrypt(TINK)),
            "compress to zstd, encrypt to age": lambda: self.made("zstd.age"),
            "decrypt age, decompress zstd": lambda: self.unmade("zstd.age", decrypt, Decompress()),
            "O_DIRECT: a file, as it is": lambda: self.run(plain, [], out, direct=True),
            "O_DIRECT: digest of a file": lambda: self.run(plain, [Digest("sha256")], direct=True),
            "O_DIRECT: compress to zstd": lambda: self.made("zstd", direct=True),
            "O_DIRECT: decompress our own zstd": lambda: self.unmade("zstd", direct=True),
            "O_DIRECT: encrypt to age": lambda: self.made("age", direct=True),
            "O_DIRECT: decrypt age": lambda: self.unmade("age", decrypt, direct=True),
            "from `bytes`, encrypt to age": lambda: self.run(self.data, [encrypt], out),
            "from a file of `open(path, \"rb\")`, encrypt to age": lambda: self.from_buffered(encrypt),
            "from `io.BytesIO`, encrypt to age": lambda: self.run(io.BytesIO(self.data), [encrypt], out),
            "encrypt to age, to `io.BytesIO`": lambda: self.run(plain, [encrypt], io.BytesIO()),
            "`open_file`, `read(n)`, zstd": lambda: self.opened("zstd", lambda file: file.read(MIB)),
            "`open_file`, `read(n)`, age": lambda: self.opened(
                "age", lambda file: file.read(MIB), identities=[IDENTITY]
            ),
            "`open_file`, `read()`, zstd": lambda: self.opened("zstd", lambda file: file.read()),
            "`aopen_file`, `chunks()`, zstd": self.opened_later,
            "`SeekableReader`, `pread`, zstd": self.anywhere,
            "`open_file`, `write` of 2 MiB, zstd": lambda: self.written(2 * MIB),
            "`open_file`, `write` of 1000 bytes, zstd": lambda: self.written(1000),
        }  # fmt: skip

    def from_buffered(self, encrypt: Encrypt) -> tuple[int, int]:
        with open(self.plain, "rb") as file:
            return self.run(file, [encrypt], self.folder / "out")


ROWS = told()


@pytest.fixture(scope="module")
def ways(layer: acrypto.Layer, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    return Ways(layer, tmp_path_factory.mktemp("copies"))


def test_the_table_has_every_path(ways: Ways) -> None:
    """Nothing is told that is not measured, and the other way round."""
    assert list(ROWS) == list(ways.all())


@pytest.mark.parametrize("name", ROWS)
def test_copies_are_as_told(ways: Ways, name: str) -> None:
    """Each place has as many bytes as the row states, and no place that it does not name has any."""
    row = ROWS[name]
    if row.direct:
        try:
            os.close(os.open(ways.plain, os.O_RDONLY | os.O_DIRECT))
        except OSError:
            pytest.skip("this file system has no direct I/O")
    before = _core.copies()
    taken, given = ways.all()[name]()
    sizes = {"s": taken, "r": given, "MiB": MIB}
    for place, now in _core.copies().items():
        copied = now - before[place]
        is_bound, number, unit = row.cells.get(place, (False, 0.0, "s"))
        stated = number * sizes[unit]
        off = LITTLE + stated / 64  # text has a line feed for 64 characters
        assert copied <= stated + off, f"{place}: {copied} bytes; {stated:.0f} are told"
        assert is_bound or copied >= stated - off, f"{place}: {copied} bytes; {stated:.0f} are told"
