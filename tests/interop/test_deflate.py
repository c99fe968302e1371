"""Deflate, zlib and gzip: others read what we write, at every level, and we read what they write."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import igzip, isal_zlib
from tests.interop.peers import MESSAGES, MIXED, run

import acrypto

SETTINGS = [*({"level": level} for level in range(10)), {"strategy": "fixed"}, {}]
settings = pytest.mark.parametrize("parameters", SETTINGS, ids=str)
messages = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
ZLIB_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)


@settings
@messages
def test_libraries_read_ours(message: bytes, parameters: dict[str, object], layer: acrypto.Layer) -> None:
    """zlib, gzip and ISA-L read each level of each format, to the end and not beyond."""
    raw = bytes(layer.compress("deflate", message, **parameters).wait())
    for library in (zlib, isal_zlib):
        reader = library.decompressobj(wbits=-15)
        assert reader.decompress(raw + b"rest") + reader.flush() == message
        assert reader.eof
        assert reader.unused_data == b"rest"
    wrapped = bytes(layer.compress("zlib", message, **parameters).wait())
    assert zlib.decompress(wrapped) == isal_zlib.decompress(wrapped) == message
    member = bytes(layer.compress("gzip", message, **parameters).wait())
    assert gzip.decompress(member) == igzip.decompress(member) == zlib.decompress(member, wbits=31) == message
    assert gzip.decompress(member * 2) == message * 2


@settings
@pytest.mark.parametrize("command", ["gzip -dc", "pigz -dc", "igzip -dc"])
def test_commands_read_ours(command: str, parameters: dict[str, object], layer: acrypto.Layer) -> None:
    """The gzip commands read each level, and members that follow each other."""
    member = bytes(layer.compress("gzip", MIXED, **parameters).wait())
    assert run(command, member) == MIXED
    assert run(command, member + member) == MIXED * 2


@pytest.mark.parametrize("window", range(9, 16))
@pytest.mark.parametrize("parameters", SETTINGS[:11], ids=str)
def test_windows_are_kept(window: int, parameters: dict[str, object], layer: acrypto.Layer) -> None:
    """A decoder with no more history than `window` reads what was compressed for it."""
    # Repeats at many distances, so that a match too far away would be tempting.
    message = b"".join(MIXED[at : at + 300] + MIXED[:200] for at in range(0, 60_000, 700))
    for name, sign, header in (("deflate", -1, 0), ("zlib", 1, 0), ("gzip", 1, 16)):
        packed = layer.transform(name, window=window, **parameters).compress(message).wait()
        reader = zlib.decompressobj(wbits=sign * (window + header))
        assert reader.decompress(bytes(packed)) == message
        assert reader.eof


def test_fixed_and_stored_blocks(layer: acrypto.Layer) -> None:
    """strategy="fixed" writes fixed Huffman codes, and level 0 stored blocks (RFC 1951 3.2.3)."""
    page = MESSAGES["page"]
    kinds = {
        kind: layer.compress("deflate", page, **parameters).wait()[0] >> 1 & 3
        for kind, parameters in (("fixed", {"strategy": "fixed"}), ("stored", {"level": 0}), ("dynamic", {"level": 6}))
    }
    assert kinds == {"stored": 0, "fixed": 1, "dynamic": 2}


def test_higher_levels_pack_tighter(layer: acrypto.Layer) -> None:
    """The levels are in the order that their numbers promise, from stored to best."""
    sizes = [len(layer.compress("deflate", MIXED, level=level).wait()) for level in (0, 1, 6, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(layer.compress("deflate", MIXED).wait()) == sizes[2]


def test_gzip_header(layer: acrypto.Layer) -> None:
    """A member tells no time and no name, so that equal input gives equal files (RFC 1952 2.3)."""
    for parameters in SETTINGS:
        header = layer.compress("gzip", MIXED, **parameters).wait()[:10]
        assert header[:4] == b"\x1f\x8b\x08\0"
        assert header[4:8] == bytes(4)


@pytest.mark.slow
@messages
def test_we_read_zlib(message: bytes, layer: acrypto.Layer) -> None:
    """Every level, strategy, window and memory setting of zlib, in every wrapping."""
    for level in range(10):
        for strategy in ZLIB_STRATEGIES:
            # The full window and the narrowest, each in turn in every wrapping.
            names = ("deflate", "zlib", "gzip") if len(message) < 50_000 else (("deflate", "zlib", "gzip")[level % 3],)
            for name in names:
                for window in (9, 15):
                    wbits = {"deflate": -window, "zlib": window, "gzip": 16 + window}[name]
                    packer = zlib.compressobj(level, zlib.DEFLATED, wbits, 1 + level % 9, strategy)
                    packed = packer.compress(message) + packer.flush()
                    assert layer.decompress(name, packed).wait() == message


@messages
def test_we_read_isal(message: bytes, layer: acrypto.Layer) -> None:
    """Every level of ISA-L."""
    for level in range(4):
        assert layer.decompress("zlib", isal_zlib.compress(message, level)).wait() == message
        assert layer.decompress("gzip", igzip.compress(message, level)).wait() == message
        assert layer.decompress("gzip", gzip.compress(message, level)).wait() == message


@pytest.mark.parametrize(
    "command",
    [
        *(f"gzip -c -{level}" for level in (1, 6, 9)),
        *(f"pigz -c -{level} -b 128" for level in (0, 1, 6, 9)),
        pytest.param("pigz -c -11", marks=pytest.mark.slow),
        *(f"igzip -c -{level}" for level in range(4)),
        "pigz -z -c",
        "gzip -c --rsyncable",
    ],
)
def test_we_read_commands(command: str, layer: acrypto.Layer) -> None:
    """What the commands write from a pipe."""
    name = "zlib" if " -z" in command else "gzip"
    for message in MESSAGES.values():
        packed = run(command, message)
        if packed:  # igzip writes nothing for nothing
            assert layer.decompress(name, packed).wait() == message
            assert acrypto.decompress(name, packed) == message


@given(
    parts=st.lists(st.binary(max_size=200), max_size=8), flush=st.sampled_from([1, 2, 3, 4]), level=st.integers(0, 9)
)
def test_we_read_flushed_streams(layer: acrypto.Layer, parts: list[bytes], flush: int, level: int) -> None:
    """Empty and partial blocks in the middle, as servers write them (Z_PARTIAL_, SYNC_ and FULL_FLUSH)."""
    packer = zlib.compressobj(level, wbits=-15)
    modes = {1: zlib.Z_PARTIAL_FLUSH, 2: zlib.Z_SYNC_FLUSH, 3: zlib.Z_FULL_FLUSH, 4: zlib.Z_NO_FLUSH}
    packed = b"".join(packer.compress(part) + packer.flush(modes[flush]) for part in parts) + packer.flush()
    assert layer.decompress("deflate", packed).wait() == b"".join(parts)


@given(message=st.binary(max_size=2000), level=st.integers(0, 9))
def test_any_message(layer: acrypto.Layer, message: bytes, level: int) -> None:
    """Any message at any level, to zlib and back."""
    assert zlib.decompress(layer.compress("zlib", message, level=level).wait()) == message
    assert layer.decompress("zlib", zlib.compress(message, level)).wait() == message
