"""Algorithms that belong to the field and that no engine here can do, with the reason. See docs/decisions/0007."""

from __future__ import annotations

ABSENT: dict[str, str] = {
    "lzo": "no maintained library under a compatible licence does both directions (liblzo2 is GPL)",
    "lzo-rle": "the kernel's own variant of LZO; no library has it",
    "842": "IBM 842; no maintained library has it",
}
