"""The soft device, seen from Python: queues, order, faults, harm, death."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.idxd.rig import copying, rig, run

from acrypto._core import IdxdDevice
from acrypto.idxd.descriptor import STATUS_MASK, STATUS_WRITE, CompletionStatus, Descriptor, Flag, Opcode
from acrypto.idxd.device import SoftDevice
from acrypto.idxd.device import run as submit
from acrypto.model.errors import UsageError

SUCCESS = CompletionStatus.SUCCESS


def test_a_descriptor_is_done_and_told() -> None:
    with rig() as it:
        queue, records = it.queue()
        source, target = it.place(queue, content=b"some bytes"), it.place(queue)
        done = submit(queue, records.told(copying(source, target, 10)), memoryview(records.memory)[:64])
        assert done.is_success
        assert target.memory[:10] == b"some bytes"
        assert "wq1.0" in repr(queue)


def test_the_devices_own_thread_does_it_when_nobody_helps() -> None:
    with rig(threads=1) as it:
        queue, records = it.queue()
        for _ in range(50):
            records.memory[0] = 0
            queue.store(records.noop())
            while records.status() == 0:
                os.sched_yield()


def test_a_full_dedicated_queue_loses_silently() -> None:
    with rig() as it:
        queue, records = it.queue(size=4)
        for index in range(6):
            queue.store(records.noop(index))
        run(queue)
        assert [records.status(index) for index in range(6)] == [SUCCESS] * 4 + [0] * 2
        (counted,) = it.device.statistics()["queues"]
        assert (counted["accepted"], counted["lost"], counted["by_status"]) == (4, 2, {SUCCESS: 4})


def test_a_shared_queue_says_retry_at_its_threshold() -> None:
    with rig() as it:
        queue, records = it.queue(mode="shared", size=8, threshold=3)
        assert [queue.enqueue(records.noop(index)) for index in range(5)] == [True] * 3 + [False] * 2
        run(queue)
        assert queue.enqueue(records.noop(3))


def test_a_missing_page_fails_or_is_waited_for() -> None:
    with rig() as it:
        queue, records = it.queue(block_on_fault=True)
        source, target = it.place(queue), it.place(queue)
        copy = copying(source, target, 64)
        it.device.set_present(target.mapping, False)
        queue.store(records.told(copy).pack())
        run(queue)
        record = records.record()
        assert record.status == CompletionStatus.PAGE_FAULT_IR | STATUS_WRITE
        assert record.fault_addr == target.address

        patient = replace(copy, flags=copy.flags | Flag.BLOCK_ON_FAULT)
        queue.store(records.told(patient, 1).pack())
        run(queue)
        assert records.status(1) == SUCCESS

        it.device.set_present(source.mapping, False)
        it.device.tune(faults_stay=1)
        queue.store(records.told(patient, 2).pack())
        run(queue)
        assert records.status(2) == CompletionStatus.PRS_TIMEOUT


def test_an_unmapped_address_is_a_fault_and_never_touched() -> None:
    with rig() as it:
        queue, records = it.queue()
        source, target = it.place(queue, content=b"x" * 64), it.place(queue)
        copy = copying(source, target, 64)
        target.mapping.close()
        target.mapping.close()
        queue.store(records.told(copy).pack())
        run(queue)
        assert records.status() not in {0, SUCCESS}
        assert target.memory[:64] == bytes(64)


def test_what_no_record_can_tell_is_in_the_error_register() -> None:
    with rig() as it:
        queue, records = it.queue()
        assert it.device.take_error() is None
        queue.store(replace(records.told(Descriptor()), completion_addr=records.address + 8).pack())
        run(queue)
        error = it.device.take_error()
        assert error is not None
        assert (error["code"], error["address"]) == (CompletionStatus.CRA_ALIGN, records.address + 8)
        assert it.device.take_error() is None


def test_an_interrupt_rings_after_the_record() -> None:
    with rig() as it:
        queue, records = it.queue()
        assert queue.interrupt is not None
        descriptor = Descriptor(flags=Flag.RCI, int_handle=queue.interrupt_handle)
        queue.store(records.told(descriptor).pack())
        run(queue)
        assert (records.status(), os.eventfd_read(queue.interrupt)) == (SUCCESS, 1)


def test_harm_is_done_as_it_was_asked_for() -> None:
    with rig() as it:
        queue, records = it.queue()
        it.device.inject("fail", count=1, status=CompletionStatus.HW_ERR1)
        queue.store(records.noop(0))
        run(queue)
        it.device.inject("lose", count=1)
        queue.store(records.noop(1))
        run(queue)
        source, target = it.place(queue, content=b"\x55" * 256), it.place(queue)
        it.device.inject("corrupt", count=1)
        queue.store(records.told(copying(source, target, 256), 2).pack())
        run(queue)
        assert [records.status(index) for index in range(3)] == [CompletionStatus.HW_ERR1, 0, SUCCESS]
        assert sum((byte ^ 0x55).bit_count() for byte in target.memory[:256]) == 1
        it.device.inject("stick")
        queue.store(records.noop(3))
        run(queue)
        assert records.status(3) == 0
        it.device.reset()
        it.device.calm()
        it.device.enable()
        queue, records = it.queue()
        queue.store(records.noop())
        run(queue)
        assert records.status() == SUCCESS


@pytest.mark.parametrize(("how", "alive", "later"), [("dropped", False, 0), ("silent", True, 1), ("held", False, 1)])
def test_a_device_dies_and_lives_again(how: str, alive: bool, later: int) -> None:
    with rig() as it:
        queue, records = it.queue()
        queue.store(records.noop(0))
        it.device.native.kill(how)
        assert (queue.alive, it.device.halted) == (alive, not alive)
        queue.store(records.noop(1))
        assert run(queue) == 0
        it.device.revive()
        run(queue)
        assert (queue.alive, records.status(0), records.status(1)) == (True, later * SUCCESS, 0)
        queue.store(records.noop(2))
        run(queue)
        assert records.status(2) == SUCCESS


def test_a_disabled_queue_is_done_and_takes_nothing() -> None:
    with rig() as it:
        queue, records = it.queue()
        for index in range(4):
            queue.store(records.noop(index))
        it.device.disable_queue(0)
        assert [records.status(index) for index in range(4)] == [SUCCESS] * 4
        queue.store(records.noop(4))
        assert not queue.help()
        assert not queue.alive
        with pytest.raises(UsageError, match="no queue 0 that is enabled"):
            it.device.disable_queue(0)


def test_queues_are_removed_under_load() -> None:
    with rig(threads=1) as it:
        for _ in range(20):
            queue, records = it.queue(size=32)
            stop = threading.Event()

            def submit_on(queue=queue, records=records, stop=stop) -> None:
                while not stop.is_set():
                    for index in range(32):
                        queue.store(records.noop(index))
                        queue.help()

            threads = [threading.Thread(target=submit_on) for _ in range(2)]
            for thread in threads:
                thread.start()
            while records.status(7) == 0:
                os.sched_yield()
            it.device.disable_queue(0, abort=True)
            records.memory[:] = b"\xee" * len(records.memory)
            stop.set()
            for thread in threads:
                thread.join()
            assert records.memory[:] == b"\xee" * len(records.memory)


def test_what_would_break_it_is_refused() -> None:
    with rig() as it:
        for settings in (
            {"mode": "exclusive"}, {"size": 0}, {"size": 129}, {"group": 4}, {"priority": 16}, {"threshold": 3}
        ):  # fmt: skip
            with pytest.raises(UsageError, match=r"it must be|has none"):
                it.device.enable_queue(0, **settings)
        queue, _ = it.queue()
        for wrong in (
            lambda: it.device.tune(colour=1),
            lambda: it.device.tune(other_ns=-1),
            lambda: it.device.native.inject("bite"),
            lambda: it.device.inject("fail", status=0),
            lambda: it.device.inject("lose", chance=2),
            lambda: it.device.native.kill("slowly"),
            lambda: queue.store(bytes(63)),
            it.device.enable,
        ):
            with pytest.raises(UsageError):
                wrong()
        with pytest.raises(BufferError):
            queue.map(b"cannot be written", writable=True)
    with pytest.raises(UsageError, match="state_len"):
        SoftDevice(state_len=1000)


@given(st.lists(st.binary(min_size=64, max_size=64), max_size=16), st.integers(0, 0xFF), st.booleans())
def test_hostile_descriptors_harm_nobody(raw: list[bytes], opcode: int, reaches: bool) -> None:
    with rig() as it:
        queue, records = it.queue()
        secret = bytearray(b"not mapped" * 100)
        before = bytes(secret)
        source, target = it.place(queue), it.place(queue)
        for index, data in enumerate(raw):
            hostile = Descriptor.unpack(data)
            if reaches:  # the fields are strange, the addresses are real
                addresses = {"src1_addr": source.address, "dst_addr": target.address, "src2_addr": source.address}
                hostile = records.told(replace(hostile, opcode=opcode, **addresses), index)
            queue.store(hostile.pack())
        run(queue)
        (counted,) = it.device.statistics()["queues"]
        assert counted["completed"] == counted["accepted"] == len(raw)
        if reaches:
            assert all(records.status(index) & STATUS_MASK != 0 for index in range(len(raw)))
        assert secret == before
        queue.store(records.noop(20))
        run(queue)
        assert records.status(20) == SUCCESS


def test_a_fork_leaves_the_child_without_the_device() -> None:
    with rig(threads=1) as it:
        queue, _ = it.queue()
        child = os.fork()
        if child == 0:
            os._exit(int(queue.alive or queue.help()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert queue.alive


def test_the_face_has_what_the_core_has() -> None:
    public = {name for name in dir(IdxdDevice) if not name.startswith("_")}
    assert public <= {name for name in dir(SoftDevice) if not name.startswith("_")}


def test_unknown_operations_are_told() -> None:
    with rig() as it:
        queue, records = it.queue()
        for opcode in (1, 4, 0x60, 0xFF):
            record = submit(queue, records.told(Descriptor(opcode=opcode)), memoryview(records.memory)[:64])
            assert record.status == CompletionStatus.BAD_OPCODE
        assert Opcode.NOOP == 0
