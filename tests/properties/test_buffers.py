"""What goes in, and what comes out: the buffer protocol on both sides."""

from __future__ import annotations

import array
import ctypes
import io
import mmap
import pickle
import tempfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties.cases import MATERIAL

import acrypto

SIZE = 4096
DATA = MATERIAL[:SIZE]


def mapped() -> mmap.mmap:
    memory = mmap.mmap(-1, SIZE)
    memory[:] = DATA
    return memory


def mapped_file() -> mmap.mmap:
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.flush()
        return mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)


class Bytes(bytes):
    """A subclass: taken through the buffer protocol, not as exact bytes."""


KINDS = {
    "bytes": lambda: DATA,
    "subclass": lambda: Bytes(DATA),
    "bytearray": lambda: bytearray(DATA),
    "memoryview": lambda: memoryview(DATA),
    "slice of memoryview": lambda: memoryview(b"xyz" + DATA + b"xyz")[3:-3],
    "doubles": lambda: memoryview(DATA).cast("d"),
    "two dimensions": lambda: memoryview(DATA).cast("B", [64, 64]),
    "array of bytes": lambda: array.array("B", DATA),
    "array of doubles": lambda: array.array("d", DATA),
    "ctypes": lambda: (ctypes.c_ubyte * SIZE).from_buffer_copy(DATA),
    "mmap": mapped,
    "mmap of a file": mapped_file,
    "Buffer": lambda: acrypto.decompress("deflate", acrypto.compress("deflate", DATA)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_sources(kind: str, layer: acrypto.Layer, queued: acrypto.Layer) -> None:
    """Anything with contiguous memory is a source, alone or as a segment, in every lane."""
    expected = acrypto.digest("sha256", DATA)
    data = KINDS[kind]()
    assert acrypto.sha256(data) == expected
    assert acrypto.sha256([data]) == expected
    assert acrypto.sha256((memoryview(data).cast("B", shape=[SIZE]) if kind == "Buffer" else data,)) == expected
    assert layer.digest("sha256", data).wait() == expected
    assert queued.digest("sha256", data).wait() == expected
    assert queued.digest("sha256", [data, data]).wait() == acrypto.sha256(DATA * 2)
    assert layer.transform("sha256").digest_many([data, data]).wait() == [expected] * 2
    assert layer.transform("sha256").digest_many(data, unit=SIZE // 2).wait() == [
        acrypto.sha256(DATA[: SIZE // 2]),
        acrypto.sha256(DATA[SIZE // 2 :]),
    ]


@kinds
def test_keys_nonces_and_tags(kind: str, layer: acrypto.Layer) -> None:
    """Keys, nonces, additional data and tags may be any buffer as well."""
    data = KINDS[kind]()
    tag = layer.mac("hmac(sha256)", data, data).wait()
    assert tag == acrypto.mac("hmac(sha256)", DATA, DATA) == acrypto.mac("hmac(sha256)", data, DATA)
    transform = layer.transform("hmac(sha256)", key=data)
    assert transform.verify(bytearray(tag), data).wait() is None
    acrypto.verify("hmac(sha256)", data, memoryview(tag), data)
    aead = layer.transform("gcm(aes)", key=memoryview(DATA)[:16])
    box = aead.encrypt(memoryview(DATA)[:12], data, data).wait()
    assert box == acrypto.encrypt("gcm(aes)", DATA[:16], bytearray(DATA[:12]), DATA, DATA)
    assert aead.decrypt(bytearray(DATA[:12]), box, data).wait() == DATA


@pytest.mark.parametrize("kind", ["bytearray", "array of doubles", "ctypes", "mmap"])
def test_sources_are_let_go(kind: str, queued: acrypto.Layer) -> None:
    """When an operation has ended its source is free to be resized or closed."""
    data = KINDS[kind]()
    queued.digest("sha256", data).wait()
    queued.transform("deflate").compress_many([data] * 5).wait()
    if isinstance(data, (bytearray, array.array)):
        data.extend(data)
    elif isinstance(data, mmap.mmap):
        data.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytearray(SIZE),
        lambda: memoryview(bytearray(SIZE)).cast("d"),
        lambda: array.array("d", bytes(SIZE)),
        lambda: mmap.mmap(-1, SIZE),
        ctypes.c_ubyte * SIZE,
    ],
    ids=["bytearray", "doubles", "array", "mmap", "ctypes"],
)
def test_destinations(make: Callable[[], object], layer: acrypto.Layer, queued: acrypto.Layer) -> None:
    """A result goes into any writable contiguous memory."""
    packed = acrypto.compress("zstd", DATA)
    for one in (layer, queued):
        into = make()
        assert one.transform("zstd").decompress(packed, into=into).wait() == SIZE
        assert bytes(into) == DATA


def test_what_is_no_source(layer: acrypto.Layer, queued: acrypto.Layer) -> None:
    """Text and numbers are a TypeError, memory with gaps a BufferError, at once and in every lane."""
    gaps = memoryview(DATA)[::2]
    for one in (layer, queued):
        transform = one.transform("sha256")
        for wrong in ("text", 5, None, object(), ["text"], [b"good", 5], {1: 2}, [[b"nested"]]):
            with pytest.raises(TypeError, match="bytes-like"):
                transform.digest(wrong)
            with pytest.raises(TypeError):
                transform.digest_many([wrong])
        for wrong in (gaps, [gaps], (b"", gaps), memoryview(DATA).cast("B", [64, 64])[::2]):
            with pytest.raises(BufferError):
                transform.digest(wrong)
        with pytest.raises(TypeError):
            one.transform("gcm(aes)", key="secret")
        with pytest.raises(TypeError):
            one.transform("gcm(aes)", key=bytes(16)).encrypt("nonce", b"")
    with pytest.raises(TypeError):
        acrypto.sha256("text")
    with pytest.raises(BufferError):
        acrypto.sha256(gaps)
    assert layer.lingering() == queued.lingering() == 0


def test_what_is_no_destination(layer: acrypto.Layer) -> None:
    """Read-only memory, memory with gaps, and memory in which the source lies are refused."""
    transform = layer.transform("ctr(aes)", key=bytes(16))
    nonce = bytes(16)
    memory = bytearray(SIZE)
    for wrong in (
        bytes(SIZE),
        memoryview(memory)[::2],
        memoryview(memory).toreadonly(),
        acrypto.compress("deflate", b""),
        memory,
        memoryview(memory)[100:],
    ):
        with pytest.raises(BufferError):
            transform.encrypt(nonce, memoryview(memory)[:200], into=wrong)
    with pytest.raises(TypeError):
        transform.encrypt(nonce, memory, into="text")
    assert transform.encrypt(nonce, memoryview(memory)[:100], into=memoryview(memory)[100:]).wait() == 100


@given(data=st.binary(max_size=200), start=st.integers(-250, 250), stop=st.integers(-250, 250), step=st.integers(1, 9))
def test_buffer_is_like_bytes(data: bytes, start: int, stop: int, step: int) -> None:
    """A Buffer indexes, slices, compares, hashes and adds as the same bytes do."""
    buffer = acrypto.decompress("deflate", acrypto.compress("deflate", data))
    assert isinstance(buffer, acrypto.Buffer)
    assert len(buffer) == len(data)
    assert bool(buffer) == bool(data)
    assert bytes(buffer) == buffer.tobytes() == data
    assert buffer[start:stop:step] == data[start:stop:step]
    assert buffer[::-step] == data[::-step]
    assert list(buffer) == list(data)
    assert buffer.hex() == data.hex()
    assert hash(buffer) == hash(data)
    assert buffer == data
    assert data == buffer
    assert buffer == bytearray(data)
    assert buffer == acrypto.decompress("deflate", acrypto.compress("deflate", data))
    assert buffer != data + b"x"
    assert buffer != "text"
    assert buffer != 5
    assert buffer + b"more" == data + b"more"
    assert {buffer: 1}[data] == 1
    assert buffer.decode("latin-1") == data.decode("latin-1")
    assert buffer.decode(errors="replace") == data.decode(errors="replace")
    for index in {0, start, stop, len(data) - 1, len(data), -len(data), -len(data) - 1}:
        if -len(data) <= index < len(data):
            assert buffer[index] == data[index]
        else:
            with pytest.raises(IndexError):
                buffer[index]


def test_buffer_lends_its_memory() -> None:
    """A Buffer is read-only memory: viewed without a copy, alive while it is viewed, written to files."""
    buffer = acrypto.decompress("deflate", acrypto.compress("deflate", DATA))
    view = memoryview(buffer)
    assert (view.readonly, view.nbytes, view.format, view.contiguous) == (True, SIZE, "B", True)
    with pytest.raises(TypeError):
        view[0] = 0
    with pytest.raises(TypeError):
        buffer[0] = 0
    del buffer
    # The memory of results is reused, but not this one: it is still lent.
    others = [acrypto.decompress("deflate", acrypto.compress("deflate", bytes(SIZE))) for _ in range(50)]
    assert view == DATA
    file = io.BytesIO()
    assert file.write(view) == SIZE
    file.write(others[0])
    assert file.getvalue() == DATA + bytes(SIZE)
    assert b"".join([others[0], others[1]]) == bytes(2 * SIZE)
    with tempfile.TemporaryFile() as real:
        real.write(others[0])
        real.seek(0)
        assert real.read() == bytes(SIZE)


def test_buffer_tells_nothing() -> None:
    """Neither repr nor str shows content, for it may be secret."""
    buffer = acrypto.decrypt(
        "ctr(aes)", bytes(16), bytes(16), acrypto.encrypt("ctr(aes)", bytes(16), bytes(16), b"secret")
    )
    assert buffer == b"secret"
    assert repr(buffer) == str(buffer) == "<acrypto.Buffer of 6 bytes>"
    with pytest.raises(TypeError):
        pickle.dumps(buffer)


def test_results_of_operations(layer: acrypto.Layer) -> None:
    """Data comes as Buffers; digests, tags and random numbers as bytes; counts as int; checks as None."""
    packed = layer.compress("gzip", DATA).wait()
    assert type(packed) is type(layer.decompress("gzip", packed).wait()) is acrypto.Buffer
    assert type(layer.digest("sha256", DATA).wait()) is bytes
    assert type(layer.mac("hmac(sha256)", b"k", DATA).wait()) is bytes
    assert type(layer.random(5).wait()) is bytes
    transform = layer.transform("hmac(sha256)", key=b"k")
    assert transform.mac(DATA, into=bytearray(32)).wait() == 32
    assert transform.verify(transform.mac(DATA).wait(), DATA).wait() is None
