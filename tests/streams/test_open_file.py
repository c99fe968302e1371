"""Compressed and encrypted files as Python's own: what holds for those holds for these."""

from __future__ import annotations

import csv
import gc
import gzip
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import run
from tests.streams.memory import MIB, mixed, packed

import acrypto
from acrypto.streams.age import ScryptRecipient, X25519Identity
from acrypto.streams.files import forms
from acrypto.streams.files.reader import FileReader

PLAIN = mixed(3 * MIB + 777)
IDENTITY = X25519Identity.generate()
TO = {"recipients": [IDENTITY.recipient]}
BY = {"identities": [IDENTITY]}
#: Name, how it is written, how it is read.
FILES = {
    "data.gz": ({}, {}),
    "data.bgz": ({"level": 1}, {}),
    "data.zst": ({"level": 1}, {}),
    "data.lz4": ({}, {}),
    "data.age": (TO, BY),
    "data.zst.age": (TO, BY),
    "data.gz.age": ({**TO, "armor": True}, BY),
}
FOREIGN = ["gzip -1c", "bgzip -c", "zstd -1cq", "lz4 -cq", "zstd -1cq --no-content-size"]


def written(path: Path, data: bytes = PLAIN) -> Path:
    with acrypto.open_file(path, "wb", **FILES[path.name][0]) as file:
        file.write(data)
    return path


def opened(path: Path, **how: object) -> FileReader:
    return acrypto.open_file(path, **FILES[path.name][1], **how)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    for data in (b"", b"x", PLAIN):
        with opened(written(tmp_path / name, data)) as file:
            assert file.read() == data
            assert file.read() == b""


@pytest.mark.parametrize("name", [name for name in FILES if "age" not in name])
def test_what_is_written_is_what_compress_gives(layer: acrypto.Layer, tmp_path: Path, name: str) -> None:
    format = forms.ENDINGS[Path(name).suffix]
    data = packed(layer, PLAIN, format=format, **FILES[name][0])
    assert written(tmp_path / name).read_bytes() == data


@pytest.mark.parametrize("command", FOREIGN)
def test_others_files_are_read(tmp_path: Path, command: str) -> None:
    (tmp_path / "data").write_bytes(run(command, PLAIN))
    with acrypto.open_file(tmp_path / "data") as file:
        assert file.read(1000) == PLAIN[:1000]
        assert file.seek(-1000, io.SEEK_END) == len(PLAIN) - 1000
        assert file.read() == PLAIN[-1000:]
        file.seek(10)
        assert file.read() == PLAIN[10:]


place = st.integers(0, len(PLAIN) + 5000)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["readline", "tell", "readable", "seekable", "writable"])),
        st.tuples(st.sampled_from(["read", "read1", "peek"]), st.integers(0, MIB)),
        st.tuples(st.just("readinto"), st.integers(0, 300_000)),
        st.tuples(st.just("readline"), st.integers(-1, 50)),
        st.tuples(st.just("seek"), place),
        st.tuples(st.just("seek"), st.integers(-1000, 0), st.just(io.SEEK_END)),
        st.tuples(st.just("pread"), place, st.integers(0, MIB)),
        st.tuples(st.just("lines"), st.integers(0, 9)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("command", [*FOREIGN, "ours gzip", "ours zstd", "ours lz4"])
@given(steps=steps)
def test_it_behaves_as_a_file_of_the_content(layer: acrypto.Layer, command: str, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    data = made(layer, command)
    with acrypto.open_file(io.BytesIO(data), layer=layer) as file, io.BytesIO(PLAIN) as plain:
        for name, *arguments in steps:
            if name == "pread":
                offset, nbytes = arguments
                assert file.pread(offset, nbytes) == PLAIN[offset : offset + nbytes]
            elif name == "readinto":
                space, wanted = bytearray(arguments[0]), bytearray(arguments[0])
                assert (file.readinto(space), space) == (plain.readinto(wanted), wanted)
            elif name == "lines":
                assert [*zip(range(arguments[0]), file, strict=False)] == [
                    *zip(range(arguments[0]), plain, strict=False)
                ]
            elif name == "writable":
                assert not file.writable()
            elif name == "peek":
                at = file.tell()
                ahead = file.peek(*arguments)
                assert PLAIN[at : at + len(ahead)] == ahead
                assert bool(ahead) == (at < len(PLAIN))
            elif name == "read1":
                some = file.read1(*arguments)
                assert some == plain.read(len(some))
                assert some or not arguments[0] or plain.tell() >= len(PLAIN)
            else:
                assert getattr(file, name)(*arguments) == getattr(plain, name)(*arguments)


_made: dict[str, bytes] = {}


def made(layer: acrypto.Layer, command: str) -> bytes:
    if command not in _made:
        name = command.removeprefix("ours ")
        _made[command] = packed(layer, PLAIN, format=name, level=1) if name != command else run(command, PLAIN)
    return _made[command]


def test_jumps_are_cheap_where_there_is_an_index(tmp_path: Path) -> None:
    for name in FILES:
        with opened(written(tmp_path / name)) as file:
            assert file.is_indexed == (name != "data.gz.age")  # armor is read from the start
            assert (file.name, file.mode, file.seekable()) == (str(tmp_path / name), "rb", True)
    (tmp_path / "data").write_bytes(run("gzip -c", PLAIN))
    with acrypto.open_file(tmp_path / "data") as file:
        assert not file.is_indexed


def test_age_alone_gives_what_was_encrypted(layer: acrypto.Layer, tmp_path: Path) -> None:
    path = tmp_path / "data.age"
    inner = packed(layer, PLAIN, format="zstd")
    written(path, inner)
    with opened(path) as file:
        assert file.read() == PLAIN
    with opened(path, format="age") as file:
        assert file.read() == inner
        assert file.pread(5, 100) == inner[5:105]
    with opened(path, format="zstd.age") as file:
        assert file.read() == PLAIN
    with acrypto.open_file(path, "wb", recipients=[ScryptRecipient("secret", work_factor=10)]) as out:
        out.write(b"data")
    with acrypto.open_file(path, passphrase="secret") as file:
        assert file.read() == b"data"
    with acrypto.open_file(path, passphrase="wrong") as file, pytest.raises(acrypto.AuthenticationError):
        file.read()


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.gz"
    with acrypto.open_file(path, "wb") as out:
        out.write(PLAIN)
    with acrypto.open_file(path) as file:
        assert file.read() == PLAIN


def test_one_string_is_no_list_of_keys(tmp_path: Path) -> None:
    """Else each of its letters would be taken for a key."""
    with pytest.raises(acrypto.UsageError, match="recipients is one string"):
        acrypto.open_file(tmp_path / "data.age", "wb", recipients="age1")
    with pytest.raises(acrypto.UsageError, match="identities is one string"):
        acrypto.streams.Decrypt("AGE-SECRET-KEY-1")


@pytest.mark.parametrize("name", ["data.gz", "data.zst", "data.zst.age"])
def test_archives_go_through(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(PLAIN)
    (tmp_path / "b").write_bytes(b"b" * 1000)
    path = tmp_path / name
    with acrypto.open_file(path, "wb", **FILES[name][0]) as out, tarfile.open(fileobj=out, mode="w|") as archive:
        archive.add(tmp_path / "a", "a")
        archive.add(tmp_path / "b", "b")
    for mode in ("r:", "r|"):
        with opened(path) as file, tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
            assert [member.size for member in archive] == [len(PLAIN), 1000]
    with opened(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for member, data in (("b", b"b" * 1000), ("a", PLAIN)):
            extracted = archive.extractfile(member)
            assert extracted is not None
            assert extracted.read() == data
    with acrypto.open_file(path, "wb", **FILES[name][0]) as out, zipfile.ZipFile(out, "w") as zipped:
        zipped.write(tmp_path / "a", "a")
        zipped.writestr("b", b"bb")
    with opened(path) as file, zipfile.ZipFile(file) as zipped:
        assert zipped.testzip() is None
        assert (zipped.read("b"), zipped.read("a")) == (b"bb", PLAIN)


def test_copies_go_through(tmp_path: Path) -> None:
    with acrypto.open_file(tmp_path / "data.zst", "wb") as out:
        shutil.copyfileobj(io.BytesIO(PLAIN), out, 70_000)
    with acrypto.open_file(tmp_path / "data.zst") as file, acrypto.open_file(tmp_path / "data.bgz", "wb") as out:
        shutil.copyfileobj(file, out)
    assert gzip.decompress((tmp_path / "data.bgz").read_bytes()) == PLAIN


@pytest.mark.parametrize("name", ["data.gz", "data.zst.age"])
def test_text_goes_through(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [[str(n), "größer\nals", "ab" * (n % 50)] for n in range(20_000)]
    with acrypto.open_file(path, "wt", encoding="utf-16", newline="", **FILES[name][0]) as out:
        csv.writer(out).writerows(rows)
    with opened(path, mode="rt", encoding="utf-16", newline="") as file:
        assert [*csv.reader(file)] == rows  # type: ignore[arg-type]
        file.seek(0)
        assert file.readline() == '0,"größer\n'
    with acrypto.open_file(path, "wt", errors="replace", encoding="ascii", **FILES[name][0]) as out:
        print("ä", file=out)
    with opened(path) as file:
        assert file.read() == b"?\n"


@given(st.lists(st.integers(0, 600_000), max_size=8), st.sampled_from([bytes, bytearray, memoryview]))
def test_how_it_is_written_makes_no_difference(
    layer: acrypto.Layer, sizes: list[int], kind: Callable[..., bytes]
) -> None:
    """Nor what becomes of the memory afterwards."""
    sink, at = io.BytesIO(), 0
    with acrypto.open_file(sink, "wb", format="zstd", level=1, layer=layer) as file:
        for nbytes in sizes:
            piece = bytearray(PLAIN[at : at + nbytes])
            assert file.write(kind(piece)) == len(piece)
            piece[:] = bytes(len(piece))
            at += len(piece)
            assert file.tell() == at
            file.flush()
    assert not sink.closed
    assert sink.getvalue() == packed(layer, PLAIN[:at], format="zstd", level=1)


class Boom(Exception):
    pass


@pytest.mark.parametrize("mode", ["wb", "xb", "wt"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_an_exception_leaves_no_half_file(tmp_path: Path, mode: str, before: bytes | None) -> None:
    path = tmp_path / "data.zst"
    if before is not None and mode != "xb":
        path.write_bytes(before)

    def fail() -> NoReturn:
        raise Boom

    with pytest.raises(Boom), acrypto.open_file(path, mode) as file:  # type: ignore[call-overload]
        fail() if file.write("text" if mode == "wt" else PLAIN) else None
    assert file.closed
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("data.zst", before) for _ in [0] if before is not None and mode != "xb"
    ]


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_a_file_that_is_never_closed_is_not_there(tmp_path: Path, mode: str) -> None:
    file = acrypto.open_file(tmp_path / "data.gz", mode)  # type: ignore[call-overload]
    file.write("text" if mode == "wt" else PLAIN)
    kept = [file]
    del file
    with pytest.warns(ResourceWarning, match="never closed"):
        kept.clear()
    gc.collect()
    assert [*tmp_path.iterdir()] == []


def test_x_replaces_nothing_and_w_only_when_it_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "data.gz", b"old")
    with pytest.raises(FileExistsError):
        acrypto.open_file(path, "xb")
    with acrypto.open_file(path, "wb") as out:
        out.write(PLAIN)
        with acrypto.open_file(path) as file:
            assert file.read() == b"old"
    with acrypto.open_file(path) as file:
        assert file.read() == PLAIN
    with acrypto.open_file(tmp_path / "new.gz", "xb") as out:
        out.write(b"new")
    assert gzip.decompress((tmp_path / "new.gz").read_bytes()) == b"new"


KILLED = """
import acrypto, sys
with acrypto.open_file(sys.argv[1], "wb") as out:
    while True:
        out.write(bytes(1 << 20))
        print(flush=True)
"""


def test_what_is_killed_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    path = tmp_path / "data.zst"
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert not path.exists()


def test_a_failure_to_write_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    file = acrypto.open_file(Full(), "wb", format="gzip")
    with pytest.raises(OSError, match="No space"):
        file.writelines(PLAIN for _ in range(100))
    file.close()
    with pytest.raises(OSError, match="No space"), acrypto.open_file(Full(), "wb", format="bgzf") as file:
        file.write(b"data")
    assert file.closed


def test_pipes_are_read_and_written(tmp_path: Path) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with acrypto.open_file(writing, "wb", format="zstd") as file:
            file.write(PLAIN)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with acrypto.open_file(reading) as file:
        assert not file.seekable()
        assert not file.is_indexed
        assert file.read(100) == PLAIN[:100]
        assert file.pread(200, 100) == PLAIN[200:300]  # ahead of it, while it can
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)
    os.close(reading)
    thread.join()


def test_a_named_pipe_is_opened_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(gzip.compress(PLAIN, 1),))
    thread.start()
    with acrypto.open_file(path) as file:
        assert file.read() == PLAIN
    thread.join()


def test_files_that_were_given_stay_open_and_count_from_where_they_stand(layer: acrypto.Layer, tmp_path: Path) -> None:
    data = packed(layer, PLAIN, format="zstd")
    (tmp_path / "data").write_bytes(b"head" + data)
    with (tmp_path / "data").open("rb") as raw:
        for given in (raw, raw.fileno(), io.BufferedReader(raw.raw), io.BytesIO(b"head" + data)):
            os.lseek(raw.fileno(), 4, os.SEEK_SET) if isinstance(given, int) else given.seek(4)
            with acrypto.open_file(given) as file:
                assert file.read(10) == PLAIN[:10]
                assert file.pread(2 * MIB, 10) == PLAIN[2 * MIB : 2 * MIB + 10]
                file.seek(5)
                assert file.read() == PLAIN[5:]
            if isinstance(given, io.BufferedReader) and given is not raw:
                given.detach()
        assert not raw.closed


def test_a_gzip_object_is_no_file_of_its_descriptor(tmp_path: Path) -> None:
    """Its `fileno` is that of the compressed file."""
    (tmp_path / "data").write_bytes(gzip.compress(as_zstd(PLAIN), 1))
    with gzip.open(tmp_path / "data") as inner, acrypto.open_file(inner) as file:
        assert file.read() == PLAIN


def as_zstd(data: bytes) -> bytes:
    return bytes(acrypto.compress("zstd", data))


def test_damage_is_told_again_and_again(layer: acrypto.Layer) -> None:
    """What ended in an error is not taken for the end of the content."""
    data = packed(layer, PLAIN, format="bgzf")
    for broken in (data[:-100], data[:-28], data + b"x"):
        with acrypto.open_file(io.BytesIO(broken), layer=layer) as file:
            for _ in range(3):
                with pytest.raises(acrypto.CorruptInput):
                    file.read()
    with acrypto.open_file(io.BytesIO(b"plain text"), layer=layer) as file:
        with pytest.raises(acrypto.CorruptInput, match="known format"):
            file.read()
        with pytest.raises(acrypto.CorruptInput, match="known format"):
            file.seek(0, io.SEEK_END)


def test_content_beyond_the_limit_is_refused(layer: acrypto.Layer) -> None:
    data = packed(layer, bytes(5 * MIB), format="zstd")
    with acrypto.open_file(io.BytesIO(data), max_output=5 * MIB) as file:
        assert len(file.read()) == 5 * MIB
    with acrypto.open_file(io.BytesIO(data), max_output=5 * MIB - 1) as file:
        with pytest.raises(acrypto.LimitExceeded):
            file.read()
        with pytest.raises(acrypto.LimitExceeded):
            file.pread(4 * MIB, MIB)
        assert file.pread(4 * MIB, MIB - 1) == bytes(MIB - 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"mode": "rw"}, "mode"),
        ({"mode": "ab"}, "mode"),
        ({"mode": "rb", "encoding": "utf-8"}, "for text"),
        ({"mode": "rb", "level": 1}, "for writing"),
        ({"mode": "wb", "identities": [], "format": "zstd"}, "for reading"),
        ({"mode": "wb"}, "neither format nor name"),
        ({"mode": "wb", "format": "age"}, "recipients or a passphrase"),
        ({"mode": "wb", "format": "age", "level": 1, "passphrase": "x"}, "nothing is compressed"),
        ({"mode": "wb", "format": "zstd.gz"}, "known: gzip"),
        ({"mode": "rb", "format": "tar"}, "known: gzip"),
        ({"mode": "rb", "format": "age"}, "identities or a passphrase"),
        ({"mode": "rb", "max_output": -1}, "-1"),
        ({"mode": "wb", "format": "zstd", "level": 99}, "99"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, arguments: dict[str, object], told: str) -> None:
    with pytest.raises(acrypto.UsageError, match=told), acrypto.open_file(tmp_path / "data", **arguments):  # type: ignore[call-overload]
        pass
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("file", [object(), 3.5, None, []])
@pytest.mark.parametrize("mode", ["rb", "wb"])
def test_what_is_no_file_is_refused(file: object, mode: str) -> None:
    with pytest.raises(acrypto.UsageError, match="is wanted"):
        acrypto.open_file(file, mode, format="gzip")  # type: ignore[call-overload]


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        acrypto.open_file(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        acrypto.open_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        acrypto.open_file(tmp_path / "none" / "data.gz", "wb")


def test_many_threads_share_a_file(layer: acrypto.Layer) -> None:
    """Every record comes once."""
    records = [b"%08d" % n for n in range(300_000)]
    with acrypto.open_file(io.BytesIO(packed(layer, b"".join(records), format="gzip")), layer=layer) as file:
        parts: list[list[bytes]] = [[] for _ in range(4)]

        def read(into: list[bytes]) -> None:
            while found := file.read(8 * 1000):
                into.append(found)
                assert file.pread(8, 8) == records[1]

        threads = [threading.Thread(target=read, args=(into,)) for into in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert b"".join(sorted(itertools.chain(*parts))) == b"".join(records)
