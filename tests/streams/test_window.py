"""The window of operations in flight."""

from __future__ import annotations

import acrypto
from acrypto._core import Buffer
from acrypto.streams.window import Window


def test_results_come_out_in_the_order_of_submission(layer: acrypto.Layer) -> None:
    window: Window[bytes, int] = Window(100, 1 << 30)
    for n in range(50):
        data = bytes([n]) * (50 - n) * 1000
        window.push(layer.digest("sha256", data), n, len(data))
    popped = [window.pop() for _ in range(50)]
    assert [n for _, n in popped] == list(range(50))
    assert [operation.wait() for operation, _ in popped] == [
        acrypto.sha256(bytes([n]) * (50 - n) * 1000) for n in range(50)
    ]


def test_it_is_full_by_number_or_by_bytes(layer: acrypto.Layer) -> None:
    def operation() -> acrypto.Operation[Buffer]:
        return layer.compress("gzip", b"data")

    window: Window[Buffer, None] = Window(2, 100)
    assert not window.is_full
    window.push(operation(), None, 99)
    assert not window.is_full
    window.push(operation(), None, 0)
    assert window.is_full
    window.pop()
    window.push(operation(), None, 1000)
    assert window.is_full
    assert len(window) == 2
    window.cancel()
    assert not window.is_full
    assert not window.is_ready
