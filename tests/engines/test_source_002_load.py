"""Hazards found while reading, as tests under load: queues and devices that leave, die and come back meanwhile.

Whoever works checks each result; whoever disturbs does so many turns. Nothing waits for time to pass.
"""

from __future__ import annotations

import errno
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from tests.engines.iaa import NOISE, PAGE, TEXT, Rig, compressed, decompressed, engine, finish, rig, run

import acrypto
from acrypto._core import IaaTfm

MODES = ("sync", "async")
#: What a request may end with while everything around it goes: there is no queue, no entry, or none that answers.
GONE = {-errno.ENODEV, -errno.EAGAIN}
WORKERS = 3


@contextmanager
def working(work: Callable[[int, int], None], workers: int = WORKERS) -> Iterator[list[int]]:
    """Runs `work(worker, turn)` over and over on threads of their own; gives how often each did it."""
    turns = [0] * workers
    failed: list[BaseException] = []
    stop = threading.Event()

    def loop(worker: int) -> None:
        try:
            while not stop.is_set() and not failed:
                work(worker, turns[worker])
                turns[worker] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=loop, args=(worker,), name=f"worker {worker}") for worker in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield turns
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a request never ended"
    if failed:
        raise failed[0]


def both_ways(tfm: IaaTfm, worker: int, turn: int, *, may_fail: set[int]) -> bool:
    """A page out and home; whether it was done."""
    page = PAGE[turn % 100 :] + bytes([worker]) * (turn % 100)
    err, packed = run(tfm, page, 8192)
    if err:
        assert err in may_fail, err
        return False
    assert zlib.decompress(packed, -15) == page
    err, plain = run(tfm, packed, 4096, compress=False)
    if err:
        assert err in may_fail, err
        return False
    assert plain == page
    return True


def settled(it: Rig) -> None:
    """Nothing is under way, and no record was lost."""
    for queue, in_flight, free in it.driver.in_flight():
        assert (in_flight, free) == (0, 16), queue


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verify", [True, False])
def test_queues_leave_under_load_and_nobody_notices(mode: str, verify: bool) -> None:
    """Hazards 5 to 7: while another queue is there no request fails, and what is in the one that leaves ends."""
    with rig(2, sync_mode=mode, verify=verify) as it:
        tfm = it.driver.tfm("deflate-iaa")

        def work(worker: int, turn: int) -> None:
            assert both_ways(tfm, worker, turn, may_fail=set())

        with working(work) as turns:
            for turn in range(120):
                device = it.devices[turn % 2]
                it.driver.unbind(int(device.name[3:]), 0)
                device.disable_queue(0, abort=turn % 3 == 0)
                it.bind(device, 0)
        assert min(turns) > 0
        settled(it)
        assert compressed(tfm, TEXT)


@pytest.mark.parametrize("mode", MODES)
def test_the_last_queue_leaves_under_load(mode: str) -> None:
    """Requests end right, or with -ENODEV; none hangs, and the next queue serves again."""
    with rig(sync_mode=mode) as it:
        tfm = it.driver.tfm("deflate-iaa")
        done = [0] * WORKERS

        def work(worker: int, turn: int) -> None:
            done[worker] += both_ways(tfm, worker, turn, may_fail=GONE)

        with working(work):
            for turn in range(100):
                it.driver.unbind(1, 0)
                it.device.disable_queue(0, abort=turn % 2 == 0)
                assert not it.driver.enabled
                it.bind(it.device, 0)
            for _turn in range(50):
                assert run(tfm, TEXT, 100)[0] == 0
        assert sum(done) > 0
        settled(it)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["dropped", "held"])
def test_devices_die_and_live_again_under_load(mode: str, how: Literal["dropped", "held"]) -> None:
    """What a device had when it died is done by another; late completions of a revived one touch nothing."""
    with rig(2, sync_mode=mode) as it:
        tfm = it.driver.tfm("deflate-iaa")

        def work(worker: int, turn: int) -> None:
            assert both_ways(tfm, worker, turn, may_fail=set())

        with working(work) as turns:
            for turn in range(80):
                device = it.devices[turn % 2]
                device.kill(how)
                assert run(tfm, TEXT, 100)[0] == 0
                device.revive()
                assert it.driver.revive()
        assert min(turns) > 0
        assert it.driver.enabled
        assert decompressed(tfm, compressed(tfm, PAGE), 4096) == PAGE


@pytest.mark.parametrize("mode", ["sync", "async", "async_irq"])
def test_the_layer_loses_nothing_while_queues_and_devices_come_and_go(mode: str) -> None:
    """Through the layer, with software behind: every message comes back right, whatever goes meanwhile."""
    with engine(2, sync_mode=mode) as (iaa, bus, models), acrypto.open([iaa, "software"]) as layer:
        plain = layer.transform("deflate")

        def work(worker: int, turn: int) -> None:
            pages = [PAGE[n:] + bytes([worker]) * n for n in range(turn % 12 + 1)]
            for page, packed in zip(pages, plain.compress_many(pages).wait(30), strict=True):
                assert zlib.decompress(packed, -15) == page
            assert bytes(plain.decompress(plain.compress(pages[0]).wait(30)).wait(30)) == pages[0]

        with working(work) as turns:
            for turn in range(40):
                number = (1, 3)[turn % 2]
                if turn % 4 < 2:
                    settings = {name: bus.read(f"devices/wq{number}.0/{name}") for name in ("priority", "name")}
                    bus.disable(f"wq{number}.0")
                    for name, value in ({"mode": "dedicated", "type": "kernel"} | settings).items():
                        bus.write(f"devices/wq{number}.0/{name}", value)
                    bus.enable(f"wq{number}.0")
                else:
                    models[f"iax{number}"].native.kill("dropped")
                    models[f"iax{number}"].native.revive()
                    iaa.revive()
        assert min(turns) > 0


def test_verification_and_others_share_a_crowded_queue() -> None:
    """Hazard 7, and a queue of two entries for all: who verifies has its entry, and waits for nobody else's."""
    pages = [PAGE[n:] + bytes(n) for n in range(24)]
    with engine(sync_mode="async") as (iaa, bus, _models):
        bus.disable("wq1.0")
        bus.disable("iax1")
        for name, value in (
            ("mode", "dedicated"), ("type", "kernel"), ("size", "2"), ("group_id", "0"), ("priority", "1"),
            ("name", "tight"), ("driver_name", "crypto"),
        ):  # fmt: skip
            bus.write(f"devices/wq1.0/{name}", value)
        bus.write("devices/engine1.0/group_id", "0")
        bus.enable("iax1")
        bus.enable("wq1.0")
        with acrypto.open([iaa]) as layer:
            transform = layer.transform("deflate-iaa")

            def work(_worker: int, turn: int) -> None:
                if turn < 60:
                    some = pages[: turn % 24 + 1]
                    many = transform.compress_many(some)
                    one = transform.compress(pages[turn % 24])
                    assert [zlib.decompress(packed, -15) for packed in many.wait(60)] == some
                    assert zlib.decompress(one.wait(60), -15) == pages[turn % 24]

            with working(work) as turns:
                while min(turns) < 60 and threading.active_count() > WORKERS:
                    transform.compress(PAGE).wait(60)


def test_verification_keeps_the_buffers_mapped() -> None:
    """Hazard 7: what is verified later is still what was compressed, and is let go of afterwards."""
    with rig(sync_mode="async", threads=0) as it:
        tfm = it.driver.tfm("deflate-iaa")
        src, dst = bytearray(PAGE), bytearray(8192)
        request = tfm.request(src, dst, compress=True)
        assert request.submit() == -errno.EINPROGRESS
        with pytest.raises(BufferError):
            src.append(0)
        assert finish(request, -errno.EINPROGRESS) == 0
        assert zlib.decompress(dst[: request.dlen], -15) == PAGE
        del request
        src.append(0)
        dst.append(0)


@pytest.mark.parametrize("verify", [True, False])
def test_what_is_abandoned_harms_nobody(verify: bool) -> None:
    """Hazard 6: requests that are let go of under way; the device writes nothing into what was theirs."""
    with rig(sync_mode="async", verify=verify, threads=0) as it:
        tfm = it.driver.tfm("deflate-iaa")
        for turn in range(60):
            buffers = [bytearray(b"\xaa" * 200) for _ in range(8)]
            requests = [tfm.request(TEXT, buffer, compress=True) for buffer in buffers]
            assert [request.submit() for request in requests] == [-errno.EINPROGRESS] * 8
            for request in requests[turn % 8 :]:
                request.abandon()
            for buffer in buffers[turn % 8 :]:
                buffer[:] = b"\x55" * 200
            assert all(finish(request, -errno.EINPROGRESS) == 0 for request in requests[: turn % 8])
            while finish(tfm.request(TEXT, bytearray(100), compress=True)) != 0:
                pass  # the entries of those come back when the device gets to them
            assert all(buffer == b"\x55" * 200 for buffer in buffers[turn % 8 :])


def test_a_dedicated_queue_is_never_overrun() -> None:
    """Hazard 11: many threads, few entries: what the device took is what was sent, and every request ended."""
    with rig(sync_mode="async", verify=False, size=4) as it:
        tfm = it.driver.tfm("deflate-iaa")
        submitted = [0] * 4

        def work(worker: int, _turn: int) -> None:
            buffers = [bytearray(100) for _ in range(3)]
            requests = [tfm.request(TEXT, buffer, compress=True) for buffer in buffers]
            answers = [request.submit() for request in requests]
            for request, answer in zip(requests, answers, strict=True):
                if answer == -errno.EINPROGRESS:
                    assert finish(request, answer) == 0
                    submitted[worker] += 1
                else:
                    assert answer in GONE, answer

        with working(work, 4):
            for _turn in range(500):
                assert all(in_flight <= 4 for _queue, in_flight, _free in it.driver.in_flight())
        assert it.total("comp_calls") == sum(submitted)
        [queue] = it.device.statistics()["queues"]
        assert queue["completed"] == sum(submitted) + 1, "and the header that was read when it was bound"
        assert queue["lost"] == 0


def test_a_stuck_device_disables_the_driver_and_nobody_hangs() -> None:
    """Hazard 12: -ETIMEDOUT for those who were in it, -ENODEV for those who follow; a reset device serves again."""
    with rig() as it:
        it.driver.set_patience(1000, 1)
        tfm = it.driver.tfm("deflate-iaa")
        for _turn in range(3):
            it.device.inject("stick", count=8)
            ends: list[int] = []

            def work(_worker: int, _turn: int, ends: list[int] = ends) -> None:
                ends.append(run(tfm, PAGE, 8192)[0])

            with working(work):
                while it.driver.enabled:
                    run(tfm, TEXT, 100)
                assert run(tfm, TEXT, 100)[0] == -errno.ENODEV
            assert set(ends) <= {0, -errno.ETIMEDOUT, -errno.ENODEV}
            it.unbind_all()
            it.device.reset()
            it.device.calm()
            it.device.enable()
            it.bind(it.device, 0)
            assert decompressed(tfm, compressed(tfm, PAGE), 4096) == PAGE


def test_containers_under_load_while_queues_leave() -> None:
    """Hazard 10 in motion: parts in several queues, one of which goes; the whole is right or begun again."""
    data = PAGE * 3 + NOISE
    with rig(2, size=64, verify=False) as it:  # entries for the parts of all workers at once
        tfm = it.driver.tfm("deflate-iaa-canned-by_16")

        def work(_worker: int, turn: int) -> None:
            plain = data[turn % 50 :]
            packed = compressed(tfm, plain, 2 * len(plain) + 4096)
            assert decompressed(tfm, packed, len(plain)) == plain

        with working(work) as turns:
            for turn in range(60):
                device = it.devices[turn % 2]
                it.driver.unbind(int(device.name[3:]), 0)
                device.disable_queue(0, abort=turn % 2 == 0)
                it.bind(device, 0, size=64)
        assert min(turns) > 0
