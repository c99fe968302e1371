"""What the analysis of the IAA driver says of its work queues, one test for each feature."""

from __future__ import annotations

import errno

import pytest
from tests.engines.iaa import TEXT, compressed, decompressed, finish, rig

from acrypto._core import IaaDriver

FIXED = bytes.fromhex("f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100")


# ---- tables


def devices_of(driver: IaaDriver, cpus: range, compress: bool = True) -> list[int]:
    """The number of the device that each CPU uses, in their order of coming."""
    return [(driver.table(cpu, compress)[0][0] - 1) // 2 for cpu in cpus]


@pytest.mark.parametrize(
    ("nodes", "cpus", "num", "each", "expected", "fell_back"),
    [
        (2, 160, 8, 20, [cpu // 20 for cpu in range(160)], []),
        (1, 8, 3, 2, [0, 0, 1, 1, 2, 2, 0, 0], [6, 7]),
        (2, 8, 2, 4, [0, 0, 0, 0, 1, 1, 1, 1], []),
        (1, 4, 8, 1, [0, 1, 2, 3], []),
        (2, 8, 1, 8, [0] * 8, []),
    ],
)
def test_per_cpu_wq_table(
    nodes: int, cpus: int, num: int, each: int, expected: list[int], fell_back: list[int]
) -> None:
    """The worked examples."""
    with rig(num, driver=IaaDriver(shape=(nodes, cpus)), queues=2, size=4) as it:
        assert it.driver.plan() == (each, fell_back)
        assert devices_of(it.driver, range(cpus)) == expected
        for cpu, place in enumerate(expected):
            assert it.driver.table(cpu, True) == [(2 * place + 1, 0), (2 * place + 1, 1)]


def test_rebalance_on_add_and_remove() -> None:
    """Each queue that comes or goes makes the tables anew."""
    driver = IaaDriver(shape=(1, 8))
    with rig(2, driver=driver) as it:
        assert devices_of(driver, range(8)) == [0, 0, 0, 0, 1, 1, 1, 1]
        it.bind(it.devices[1], 1)
        assert driver.table(7, True) == [(3, 0), (3, 1)]
        driver.unbind(1, 0)
        assert devices_of(driver, range(8)) == [1] * 8
        driver.unbind(3, 0)
        assert driver.table(0, True) == [(3, 1)]
        driver.unbind(3, 1)
        assert driver.table(0, True) == []
        with pytest.raises(OSError, match="enabled"):
            driver.unbind(3, 1)
        it.bind(it.devices[0], 1)
        assert driver.table(0, True) == [(1, 1)]


def test_comp_decomp_wq_split() -> None:
    """The last n queues of a device only compress; one queue, or too few for n, do both."""
    for wanted, compress, decompress in (
        (0, [0, 1, 2, 3], [0, 1, 2, 3]), (1, [3], [0, 1, 2]), (3, [1, 2, 3], [0]), (5, [0, 1, 2, 3], [0, 1, 2, 3]),
    ):  # fmt: skip
        driver = IaaDriver(packages=(wanted, True, True))
        with rig(driver=driver, queues=4, size=4, verify=False) as it:
            assert [queue for _device, queue in driver.table(0, True)] == compress
            assert [queue for _device, queue in driver.table(0, False)] == decompress
            tfm = driver.tfm("deflate-iaa")
            for _turn in range(8):
                assert decompressed(tfm, compressed(tfm, TEXT), 70) == TEXT
            served = {queue["index"]: queue for queue in it.device.statistics()["queues"]}
            if wanted == 1:
                assert served[3]["completed"] == 8 + 1, "compressions, and the header that it reads when it is bound"
    with rig(driver=IaaDriver(packages=(1, True, True))) as it:
        assert it.driver.table(0, True) == it.driver.table(0, False) == [(1, 0)]


def test_package_mapping() -> None:
    """2 packages of 56 cores, 4 devices in each with 2 queues, the last of which only compresses."""
    driver = IaaDriver.for_server(2, 56, 2, (1, True, False))
    with rig(8, driver=driver, queues=2, size=4) as it:
        assert it.driver.plan() == (14, [])
        for cpu in range(224):
            package, core = divmod(cpu % 112, 56)
            assert driver.table(cpu, True) == [(8 * package + 2 * n + 1, 1) for n in range(4)]
            assert driver.table(cpu, False) == [(8 * package + 2 * (core // 14) + 1, 0)]


# ---- queues


def test_dedicated_wq_never_has_more_than_its_size() -> None:
    """One more than the queue has entries waits for an entry, and finds none; nothing is lost."""
    with rig(sync_mode="async", threads=0, size=4) as it:
        tfm = it.driver.tfm("deflate-iaa")
        buffers = [bytearray(100) for _ in range(5)]
        requests = [tfm.request(TEXT, buffer, compress=True) for buffer in buffers]
        assert [request.submit() for request in requests[:4]] == [-errno.EINPROGRESS] * 4
        assert requests[4].submit() == -errno.ENODEV, "no descriptor was to be had"
        assert [finish(request, -errno.EINPROGRESS) for request in requests[:4]] == [0] * 4
        assert finish(requests[4]) == 0
        assert all(buffer.startswith(FIXED) for buffer in buffers)
        # What is decompressed is not left undone for want of an entry.
        held = [tfm.request(FIXED, bytearray(100), compress=False) for _ in range(4)]
        assert [request.submit() for request in held] == [-errno.EINPROGRESS] * 4
        assert decompressed(tfm, FIXED, 70) == TEXT
        assert it.total("sw_decomp_calls") == 1
        assert [finish(request, -errno.EINPROGRESS) for request in held] == [0] * 4


def test_shared_wq_says_retry_and_then_eagain() -> None:
    """Above its threshold a shared queue refuses; after 64 tries the caller is told."""
    with rig(sync_mode="async", size=16, mode="shared", threshold=2) as it:
        tfm = it.driver.tfm("deflate-iaa")
        it.device.tune(compress_ns=1e8)
        buffers = [bytearray(100) for _ in range(16)]
        requests = [tfm.request(TEXT, buffer, compress=True) for buffer in buffers]
        answers = [request.submit() for request in requests]
        assert set(answers) == {-errno.EINPROGRESS, -errno.EAGAIN}
        accepted = answers.count(-errno.EINPROGRESS)
        assert 2 <= accepted <= 2 + 8, "two in the queue, and one in each engine"
        it.device.tune(compress_ns=0)
        for request, answer in zip(requests, answers, strict=True):
            err = finish(request, answer, polls=10**9)
            while err == -errno.EAGAIN:
                err = finish(request)
            assert err == 0
        assert all(buffer.startswith(FIXED) for buffer in buffers)
