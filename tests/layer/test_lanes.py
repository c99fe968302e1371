"""Which lane an operation takes, that `explain` tells it before, and that what is predicted is measured."""

from __future__ import annotations

import threading

import pytest

import acrypto
from acrypto.engines.null import Null

ALWAYS, NEVER = 1e9, 0.0


def lane(operation: acrypto.Operation) -> str:
    operation.wait(10)
    assert operation.completion is not None
    return operation.completion.lane


@pytest.mark.parametrize(("inline_us", "expected"), [(ALWAYS, "inline"), (NEVER, "queued")])
def test_the_setting_decides(inline_us: float, expected: str) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us)) as layer:
        assert lane(layer.digest("sha256", bytes(1000))) == expected
        assert lane(layer.compress("gzip", bytes(1000))) == expected


def test_an_inline_operation_is_done_when_it_is_returned() -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=ALWAYS)) as layer:
        operation = layer.digest("sha256", b"x")
        assert operation.done()
        assert operation.completion is not None
        assert operation.completion.queue_ns == 0
        assert layer.lingering() == 0


def test_an_inline_failure_is_raised_by_the_await_not_by_the_call() -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=ALWAYS)) as layer:
        operation = layer.decompress("gzip", b"no gzip")
        with pytest.raises(acrypto.CorruptInput):
            operation.wait()


def test_small_work_is_inline_and_large_work_queued() -> None:
    with acrypto.open() as layer:
        assert lane(layer.digest("sha256", bytes(16))) == "inline"
        assert lane(layer.compress("gzip", bytes(1 << 20))) == "queued"


@pytest.mark.parametrize("number", [1, 2, 5, 64])
def test_many_take_the_batch_lane(queued: acrypto.Layer, number: int) -> None:
    operation = queued.transform("sha256").digest_many([bytes(100)] * number)
    assert lane(operation) == ("queued" if number == 1 else "batch")
    with acrypto.open(settings=acrypto.Settings(inline_us=ALWAYS)) as layer:
        assert lane(layer.transform("sha256").digest_many([bytes(100)] * number)) == "batch"


@pytest.mark.parametrize("nbytes", [0, 1, 100, 4096, 65536, 1 << 20])
@pytest.mark.parametrize("name", ["sha256", "gzip"])
def test_explain_agrees_with_what_then_happens(name: str, nbytes: int) -> None:
    with acrypto.open() as layer:
        told = layer.explain(name, nbytes=nbytes)[0]
        run = layer.digest if name == "sha256" else layer.compress
        operation = run(name, bytes(nbytes))
        operation.wait(10)
        assert operation.completion is not None
        assert (told.lane, told.device) == (operation.completion.lane, operation.completion.device)
        assert told.driver == operation.completion.driver
        assert told.lane in repr(told)


def test_explain_tells_an_engine_that_always_queues() -> None:
    with acrypto.open([Null(inline=False)]) as layer:
        told = layer.explain("sha256", nbytes=1)[0]
        assert (told.device, told.lane) == ("null0", "queued")
        assert "always queues" in told.reason
        assert lane(layer.digest("sha256", b"x")) == "queued"


@pytest.mark.parametrize("inline_us", [ALWAYS, NEVER])
def test_predictions_are_measured(inline_us: float) -> None:
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us)) as layer:
        assert layer.costs() == []
        guess = layer.explain("sha256", nbytes=4096)[0].predicted_ns
        layer.digest("sha256", bytes(4096)).wait(10)
        [(device, algorithm, direction, smallest, nanoseconds, _, samples)] = layer.costs()
        assert (device, algorithm, direction, smallest, samples) == ("software0", "sha256:::0", "digest", 4096, 1)
        assert layer.explain("sha256", nbytes=4096)[0].predicted_ns == nanoseconds != guess


def test_levels_and_key_sizes_are_measured_apart() -> None:
    with acrypto.open() as layer:
        for level in (1, 9):
            layer.compress("gzip", bytes(1000), level=level).wait(10)
        for size in (16, 32):
            layer.transform("gcm(aes)", key=bytes(size)).encrypt(bytes(12), b"x").wait(10)
        assert len({row[:2] for row in layer.costs()}) == 4


def test_counters_tell_the_lanes() -> None:
    with acrypto.open(["software"], settings=acrypto.Settings(inline_us=NEVER)) as layer:
        layer.digest("sha256", bytes(50)).wait(10)
        layer.transform("sha256").digest_many([bytes(10)] * 6).wait(10)
        [device] = layer.devices()
    assert (device.inline, device.queued_units, device.batch) == (0, 1, 6)
    assert (device.submitted, device.completed, device.failed) == (7, 7, 0)
    assert (device.bytes_in, device.bytes_out) == (110, 7 * 32)
    assert device.busy_ns > 0
    assert device.as_dict()["name"] == device.name == "software0"
    assert "software0" in repr(device)


@pytest.mark.slow
@pytest.mark.parametrize("inline_us", [ALWAYS, NEVER])
def test_other_threads_run_while_a_large_operation_does(inline_us: float) -> None:
    """The GIL is given away during 64 MiB of gzip: another thread makes many steps meanwhile, not just one switch."""
    message = acrypto.random(1 << 20) * 64
    progress, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            progress[0] += 1

    thread = threading.Thread(target=count)
    with acrypto.open(settings=acrypto.Settings(inline_us=inline_us)) as layer:
        transform = layer.transform("gzip", level=1)
        thread.start()
        try:
            before = progress[0]
            transform.compress(message).wait(30)
            assert progress[0] - before > 1000
        finally:
            stop.set()
            thread.join()


def test_a_decompression_too_large_for_the_inline_lane_is_counted_once() -> None:
    """It is tried inline, found to be large and queued: one unit, nothing failed."""
    data = bytes(300_000)
    packed = acrypto.compress("gzip", data)
    with acrypto.open(["software"], settings=acrypto.Settings(inline_us=1e9)) as layer:
        operation = layer.decompress("gzip", packed)
        assert bytes(operation.wait()) == data
        assert operation.completion is not None
        assert operation.completion.lane == "queued"
        (device,) = layer.devices()
        assert (device.submitted, device.completed, device.failed, device.inline) == (1, 1, 0, 0)
