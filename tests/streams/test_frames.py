"""Frames: which are read whole, and which in steps."""

from __future__ import annotations

import struct

import pytest
from tests.interop.peers import run
from tests.streams.memory import MIB, mixed, packed, unpacked

import acrypto
from acrypto.streams.frames import format

SKIPPABLE = struct.pack("<II", 0x184D2A53, 5) + b"hello"


def test_skippable_frames_are_passed_over(layer: acrypto.Layer) -> None:
    data = mixed(100_000)
    for frame in (packed(layer, data, format="zstd"), run("zstd -cq", data)):
        assert unpacked(layer, SKIPPABLE + frame + SKIPPABLE + frame) == data + data


@pytest.mark.parametrize("command", ["zstd -cq --single-thread", "zstd -cq --no-content-size", "zstd -cq --long=24"])
@pytest.mark.parametrize("nbytes", [100, 3 * MIB, 9 * MIB])
def test_frames_of_any_size_between_ours(layer: acrypto.Layer, command: str, nbytes: int) -> None:
    small, large = mixed(200_000), mixed(nbytes, 2)
    ours = packed(layer, small, format="zstd")
    assert unpacked(layer, ours + run(command, large) + ours) == small + large + small


@pytest.mark.parametrize("nbytes", [0, 1, 255, 256, 65_791, 65_792, 200_000])
def test_the_header_tells_the_size_that_the_core_tells(nbytes: int) -> None:
    frame = bytes(acrypto.compress("zstd", bytes(nbytes)))
    assert format.zstd_content_size(frame[:18]) == nbytes
    assert format.zstd_content_size(frame[:5]) is None
    assert format.zstd_content_size(b"plain text") is None
    assert format.zstd_content_size(SKIPPABLE) == 0


def test_damage_in_a_late_frame_has_its_offset_in_the_file(layer: acrypto.Layer) -> None:
    ours = packed(layer, mixed(300_000), format="zstd")
    damaged = bytearray(ours)
    damaged[len(ours) // 2 :] = bytes(len(ours) - len(ours) // 2)
    with pytest.raises(acrypto.CorruptInput) as caught:
        unpacked(layer, ours + ours + bytes(damaged))
    assert 2 * len(ours) < caught.value.offset <= 3 * len(ours)
    assert str(caught.value).endswith(f"at offset {caught.value.offset}")
