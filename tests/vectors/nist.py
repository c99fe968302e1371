"""Reads the published files of `cryptography_vectors`: NIST's .rsp, and the .txt that imitate them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors

ROOT = Path(cryptography_vectors.__file__).parent


def records(path: str, mark: str) -> Iterator[dict[str, str]]:
    """The blocks of a file that have the field `mark`, names in lower case.

    Blocks without it, and `[Taglen = 128]`, hold for what follows them; `[ENCRYPT]` becomes the field `section`.
    A line without a value, such as `FAIL`, becomes an empty field.
    """
    shared: dict[str, str] = {}
    block: dict[str, str] = {}
    for raw in [*(ROOT / path).read_text(encoding="utf-8").splitlines(), ""]:
        line = raw.strip()
        if not line:
            if mark in block:
                yield shared | block
            else:
                shared |= block
            block = {}
        elif line.startswith("["):
            inside = line.strip("[]")
            if "=" not in inside:
                shared["section"] = inside
                continue
            for part in inside.split(","):
                name, _, value = part.partition("=")
                shared[name.strip().lower()] = value.strip()
        elif not line.startswith("#"):
            at = min((line.find(sign) for sign in "=:" if sign in line), default=len(line))
            block[line[:at].strip().lower()] = line[at + 1 :].strip()
