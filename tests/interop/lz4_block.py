"""A decoder of bare LZ4 blocks, written from lz4_Block_format.md alone: slow, strict, and independent of ours."""

from __future__ import annotations


def decode(block: bytes) -> bytes:
    """The content of one block. Raises an AssertionError or IndexError if the block breaks a rule of the format."""
    out = bytearray()
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        total = nibble
        while nibble == 15:
            byte = block[at]
            at += 1
            total += byte
            if byte != 255:
                break
        return total

    while True:
        token = block[at]
        at += 1
        literals = length(token >> 4)
        assert at + literals <= len(block)
        out += block[at : at + literals]
        at += literals
        if at == len(block):
            # "The last sequence is incomplete, and stops right after the literals", at least five of them.
            assert token & 15 == 0
            return bytes(out)
        offset = int.from_bytes(block[at : at + 2], "little")
        at += 2
        assert 0 < offset <= len(out)
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])
