"""A few algorithms on messages of three sizes."""

from __future__ import annotations

import hashlib
import zlib

from acrypto import _core
from acrypto.cli import options
from acrypto.cli.benches.timing import rate, seconds, shown
from acrypto.cli.report import table
from acrypto.cli.sample import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.cli.benches.timing import Run
    from acrypto.layer.layer import Layer

    Row = tuple[str, Run, Callable[[], _core.Operation[object]], Run | None]

KEY = "mb_per_s"
SIZES = (4 << 10, 64 << 10, 1 << 20)
#: Messages of one queue.
MANY = 64
AES_KEY, NONCE = bytes(range(16)), bytes(12)


def measure(threads: int | None) -> list[dict[str, object]]:
    """MB/s of the one-shot, of a window of queued messages, and of the standard library."""
    with options.layer(threads) as layer:
        return [row for nbytes in SIZES for row in _speeds(layer, nbytes)]


def show(rows: list[dict[str, object]]) -> None:
    """A table."""
    headings = ("MB/s", "bytes", "one", "queued", "stdlib")
    cells = [[row["what"], f"{row['bytes']:,}", *(shown(row[name]) for name in headings[2:])] for row in rows]
    table(headings, cells, right=(1, 2, 3, 4))


def _speeds(layer: Layer, nbytes: int) -> list[dict[str, object]]:
    data = text(nbytes)
    aead = layer.transform("gcm(aes)", key=AES_KEY)
    digest = layer.transform("sha256")
    rows: list[Row] = [
        ("sha256", lambda: _core.sha256(data), lambda: digest.digest(data), lambda: hashlib.sha256(data).digest()),
        # One nonce for all: this is no message.
        (
            "gcm(aes)",
            lambda: _core.encrypt("gcm(aes)", AES_KEY, NONCE, data),
            lambda: aead.encrypt(NONCE, data),
            None,
        ),
    ]
    for name, level in (("gzip", 1), ("gzip", 6), ("zstd", 1), ("lz4", None)):
        rows += _codec(layer, name, level, data)
    return [
        {
            "what": what,
            "bytes": nbytes,
            "one": rate(nbytes, seconds(one)),
            "queued": rate(nbytes, seconds(_window(queued)) / MANY),
            "stdlib": None if stdlib is None else rate(nbytes, seconds(stdlib)),
        }
        for what, one, queued, stdlib in rows
    ]


def _codec(layer: Layer, name: str, level: int | None, data: bytes) -> list[Row]:
    transform = layer.transform(name, level=level)
    packed = bytes(transform.compress(data).wait())
    what = name if level is None else f"{name} {level}"
    parameters = {} if level is None else {"level": level}
    is_gzip = name == "gzip"
    return [
        (
            what,
            lambda: _core.compress(name, data, **parameters),
            lambda: transform.compress(data),
            (lambda: zlib.compress(data, level or 0)) if is_gzip else None,
        ),
        (
            f"{what}, decompress",
            lambda: _core.decompress(name, packed),
            lambda: transform.decompress(packed),
            (lambda: zlib.decompress(packed, 31)) if is_gzip else None,
        ),
    ]


def _window(submit: Callable[[], _core.Operation[object]]) -> Run:
    def run() -> None:
        for operation in [submit() for _ in range(MANY)]:
            operation.wait()

    return run
