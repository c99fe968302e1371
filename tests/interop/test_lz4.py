"""LZ4: the command reads our frames and we read its; an independent decoder reads our bare blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interop import lz4_block
from tests.interop.peers import MESSAGES, MIXED, run

import acrypto


@pytest.mark.parametrize("level", range(13))
def test_the_command_reads_ours(level: int, layer: acrypto.Layer) -> None:
    """Every level, and frames that follow each other."""
    packed = bytes(layer.compress("lz4", MIXED, level=level).wait())
    assert run("lz4 -dc", packed) == MIXED
    if level in {0, 9}:
        assert run("lz4 -dc", packed + packed) == MIXED * 2
        for message in MESSAGES.values():
            assert run("lz4 -dc", bytes(layer.compress("lz4", message, level=level).wait())) == message


@pytest.mark.parametrize(
    "options", ["-1", "-9", "-12", "--fast=4", "-B4", "-B7 -BD", "-B5 -BX", "--no-frame-crc", "-BD -BX --no-frame-crc"]
)
def test_we_read_the_command(options: str, layer: acrypto.Layer) -> None:
    """Every sort of frame: linked and independent blocks, of each size, with and without checksums."""
    for message in MESSAGES.values():
        packed = run(f"lz4 -c {options}", message)
        assert layer.decompress("lz4", packed).wait() == message
        assert acrypto.decompress("lz4", packed + packed) == message * 2


def test_legacy_frames_are_told(layer: acrypto.Layer) -> None:
    """The format of 2011, with its other magic number, is refused, not mistaken for a frame."""
    packed = run("lz4 -l -c", MIXED)
    with pytest.raises(acrypto.CorruptInput):
        layer.decompress("lz4", packed).wait()


@pytest.mark.parametrize("level", range(13))
def test_bare_blocks_follow_the_format(level: int, layer: acrypto.Layer) -> None:
    """A decoder written from the description reads our blocks."""
    for message in (whole[:50_000] for whole in MESSAGES.values()):
        block = bytes(layer.compress("lz4-block", message, level=level).wait())
        assert lz4_block.decode(block) == message


def test_frames_hold_bare_blocks(layer: acrypto.Layer) -> None:
    """A block out of the command's frame is a bare block (lz4_Frame_format.md, data blocks)."""
    message = MESSAGES["page"]
    packed = run("lz4 -c -B4 --no-frame-crc", message)
    size = int.from_bytes(packed[7:11], "little")
    assert layer.decompress("lz4-block", packed[11 : 11 + size]).wait() == message


@given(message=st.binary(max_size=2000), level=st.integers(0, 12))
def test_any_block(layer: acrypto.Layer, message: bytes, level: int) -> None:
    """Any message at any level."""
    assert lz4_block.decode(bytes(layer.compress("lz4-block", message, level=level).wait())) == message
