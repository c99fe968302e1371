"""Algorithms that belong to the field and that no engine here can do, with the reason. See docs/decisions/0007."""

from __future__ import annotations

ABSENT: dict[str, str] = {
    "lzo": "liblzo2 is GPL, and no library under a compatible licence gets the empty message right",
    "lzo-rle": "the kernel's own variant of LZO; no library has it",
    "842": "IBM 842; no maintained library has it",
}
