"""Spill: a device that is full lets the next one serve, counted and told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.layer.only import STRONGEST, Only, device

import acrypto
from acrypto.model.offers import Limits


@contextmanager
def opened(gate: Only, *others: Any, **settings: Any) -> Iterator[acrypto.Layer]:
    """A shut gate first, the software engine last; opened again before the layer closes."""
    with ExitStack() as stack:
        settings = {"workers": 1, "inline_us": 0, **STRONGEST, **settings}
        layer = stack.enter_context(acrypto.open([gate, *others, "software"], settings=acrypto.Settings(**settings)))
        stack.callback(gate.open)
        yield layer


def served(operation: acrypto.Operation[bytes], data: bytes) -> str:
    assert operation.wait(60) == hashlib.sha256(data).digest()
    assert operation.completion is not None
    return operation.completion.device


@pytest.mark.parametrize("by", ["the layer's budget", "the offer's limit"])
def test_beyond_its_queue_the_next_one_serves(by: str) -> None:
    by_offer = by == "the offer's limit"
    gate = Only("gate", "sha256", limits=Limits(queue=2) if by_offer else None)
    with opened(gate, queue_operations=1024 if by_offer else 2) as layer:
        first = layer.digest("sha256", b"0")
        assert gate.arrived.wait(60)
        second = layer.digest("sha256", b"1")
        for number in range(4):  # one at a time, or the next one is full as well
            assert served(layer.digest("sha256", b"%d" % number), b"%d" % number) == "software0"
        assert not second.done()
        assert device(layer, "software0").spilled == 4
        assert layer.statistics().fallbacks == {"a stronger device was full": 4}
        gate.open()
        assert [served(first, b"0"), served(second, b"1")] == ["gate0"] * 2
        assert served(layer.digest("sha256", b"now"), b"now") == "gate0"


def test_bytes_count_as_well() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, queue_bytes=10_000) as layer:
        first = layer.digest("sha256", bytes(9000))
        assert gate.arrived.wait(60)
        assert served(layer.digest("sha256", bytes(8000)), bytes(8000)) == "software0"
        small = layer.digest("sha256", b"x")
        assert device(layer, "gate0").operations == 2
        gate.open()
        assert [served(first, bytes(9000)), served(small, b"x")] == ["gate0"] * 2


def test_from_one_to_the_next_to_the_last() -> None:
    first, second = Only("first", "sha256", priority=300), Only("second", "sha256", priority=200)
    with opened(first, second, queue_operations=1) as layer:
        held = [layer.digest("sha256", b"x"), layer.digest("sha256", b"x")]
        assert first.arrived.wait(60)
        assert second.arrived.wait(60)
        assert served(layer.digest("sha256", b"x"), b"x") == "software0"
        assert [device(layer, name).spilled for name in ("first0", "second0", "software0")] == [0, 1, 1]
        second.open()
        first.open()
        assert [served(operation, b"x") for operation in held] == ["first0", "second0"]


def test_with_all_full_it_waits_for_room() -> None:
    gate, other = Only("gate", "crc32"), Only("other", "crc32", priority=150)
    with opened(gate, other, queue_operations=1) as layer:
        blockers = [layer.digest("crc32", b"x", device=name) for name in ("gate0", "other0", "software0")]
        blockers[2].wait(60)
        waiting = [layer.transform(f"crc32-{name}").digest(b"y") for name in ("gate", "other")]
        assert [device(layer, f"{name}0").waiting for name in ("gate", "other")] == [1, 1]
        other.open()
        gate.open()
        for operation in (*blockers, *waiting):
            operation.wait(60)


def test_what_is_bound_does_not_spill() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, queue_operations=1) as layer:
        operations = [layer.digest("sha256", b"x", device="gate0") for _ in range(4)]
        assert gate.arrived.wait(60)
        with pytest.raises(acrypto.QueueFull, match="gate0"):
            layer.transform("sha256").try_digest(b"x", device="gate0")
        assert not any(operation.done() for operation in operations)
        assert layer.statistics().fallbacks == {}
        gate.open()
        assert {served(operation, b"x") for operation in operations} == {"gate0"}


def test_try_spills_rather_than_bounces() -> None:
    gate = Only("gate", "sha256")
    with opened(gate, queue_operations=1) as layer:
        held = layer.digest("sha256", b"x")
        assert gate.arrived.wait(60)
        assert served(layer.transform("sha256").try_digest(b"x"), b"x") == "software0"
        gate.open()
        assert served(held, b"x") == "gate0"


def test_larger_messages_than_it_takes_go_elsewhere() -> None:
    gate = Only("gate", "sha256", limits=Limits(max_bytes=1000))
    gate.open()
    with opened(gate) as layer:
        assert served(layer.digest("sha256", bytes(1000)), bytes(1000)) == "gate0"
        assert served(layer.digest("sha256", bytes(1001)), bytes(1001)) == "software0"
        with pytest.raises(acrypto.NoEngine, match="at most 1000 bytes, not 1001"):
            layer.digest("sha256", bytes(1001), device="gate0")


def test_directions_that_it_has_not_go_elsewhere() -> None:
    gate = Only("gate", "zlib", limits=Limits(directions=("compress",)))
    gate.open()
    with opened(gate) as layer:
        packed = layer.compress("zlib", b"x" * 99)
        back = layer.decompress("zlib", packed.wait(60))
        assert bytes(back.wait(60)) == b"x" * 99
        assert packed.completion is not None
        assert back.completion is not None
        assert (packed.completion.device, back.completion.device) == ("gate0", "software0")
        with pytest.raises(acrypto.NoEngine, match="gate0 has no decompress"):
            layer.decompress("zlib", b"x", device="gate0")
