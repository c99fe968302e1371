"""Zstandard: the reference library and command read what we write, and we read what they write."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.interop.peers import MESSAGES, MIXED, run

import acrypto

LEVELS = (-7, -3, -1, 0, 1, 2, 3, 5, 9, 12, 15, 19, 22)
messages = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)


@pytest.mark.parametrize("level", LEVELS)
def test_others_read_ours(level: int, layer: acrypto.Layer) -> None:
    """The library reads every level; each frame tells its size and carries a checksum, as DESIGN asks of ours."""
    for message in MESSAGES.values():
        packed = bytes(layer.compress("zstd", message, level=level).wait())
        facts = zstandard.get_frame_parameters(packed)
        assert (facts.content_size, facts.has_checksum, facts.dict_id) == (len(message), True, 0)
        assert zstandard.ZstdDecompressor().decompress(packed) == message


@pytest.mark.parametrize("level", [-7, 1, 3, 19, 22])
def test_the_command_reads_ours(level: int, layer: acrypto.Layer) -> None:
    """The command reads frames, also when several follow each other."""
    packed = bytes(layer.compress("zstd", MIXED, level=level).wait())
    assert run("zstd -dc", packed) == MIXED
    assert run("zstd -dc", packed + packed) == MIXED * 2


@pytest.mark.parametrize("window", [10, 15, 20])
def test_windows_are_kept(window: int, layer: acrypto.Layer) -> None:
    """A decoder that refuses wider windows reads what was compressed for it, unless one block holds everything."""
    message = MIXED * 8
    packed = bytes(layer.transform("zstd", window=window).compress(message).wait())
    assert zstandard.get_frame_parameters(packed).window_size <= max(1 << window, len(message))
    reader = zstandard.ZstdDecompressor(max_window_size=max(1 << window, 1 << 21))
    assert reader.decompress(packed) == message


@pytest.mark.slow
@messages
def test_we_read_the_library(message: bytes, layer: acrypto.Layer) -> None:
    """With and without size and checksum, and in pieces of unknown size, by each of the library's strategies."""
    for level in (-7, 1, 3, 5, 9, 19):
        for size in (True, False):
            for checksum in (True, False):
                packer = zstandard.ZstdCompressor(level, write_content_size=size, write_checksum=checksum)
                assert layer.decompress("zstd", packer.compress(message)).wait() == message
        stream = zstandard.ZstdCompressor(level).compressobj()
        packed = b"".join(
            stream.compress(message[at : at + 9973]) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            for at in range(0, len(message), 9973)
        )
        assert layer.decompress("zstd", packed + stream.flush()).wait() == message


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("zstd -c -19", marks=pytest.mark.slow),
        "zstd -c -1",
        "zstd -c --fast=5",
        "zstd -c --long=25",
        "zstd -c --no-check",
        "zstd -c -T2 -B64K",
    ],
)
def test_we_read_the_command(command: str, layer: acrypto.Layer) -> None:
    """What the command writes from a pipe."""
    for message in MESSAGES.values():
        packed = run(command, message)
        assert layer.decompress("zstd", packed).wait() == message
        assert acrypto.decompress("zstd", packed + packed) == message * 2


def test_skippable_frames_are_skipped(layer: acrypto.Layer) -> None:
    """Frames for others, of every magic number, count for nothing wherever they stand (RFC 8878 3.1.2)."""
    frame = zstandard.compress(b"message")
    for magic in range(0x184D2A50, 0x184D2A60):
        for content in (b"", b"x" * 300):
            skipped = magic.to_bytes(4, "little") + len(content).to_bytes(4, "little") + content
            assert layer.decompress("zstd", skipped + frame + skipped + frame + skipped).wait() == b"message" * 2


@given(message=st.binary(max_size=2000), level=st.sampled_from(LEVELS[:8]))
def test_any_message(layer: acrypto.Layer, message: bytes, level: int) -> None:
    """Any message at any quick level, to the library and back."""
    assert zstandard.decompress(layer.compress("zstd", message, level=level).wait()) == message
    assert layer.decompress("zstd", zstandard.compress(message, level)).wait() == message
