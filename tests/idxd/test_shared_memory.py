"""Two descriptors that share memory: whatever one does to the other's source, nothing else is written."""

import mmap
import random
import threading

import pytest

from acrypto.idxd.descriptor import CompressFlag, Descriptor, Flag, Opcode
from acrypto.idxd.device import SoftDevice

PAGE = 4096
TURNS = 4000


@pytest.mark.parametrize("room", [150, 1500])
def test_a_source_that_changes_under_a_compression_writes_nothing_beyond_its_room(room: int) -> None:
    chance = random.Random(1)
    plain = bytes([97]) * 4000 + bytes(range(96))
    noise = bytes(chance.randrange(96) for _ in range(PAGE))
    source, target, records = mmap.mmap(-1, PAGE), mmap.mmap(-1, 3 * PAGE), mmap.mmap(-1, PAGE)
    source[:] = plain
    target[:] = b"\xee" * len(target)
    with SoftDevice(engines=8, threads=2) as device:
        device.enable()
        queue = device.enable_queue(0, mode="shared", size=128)
        with (
            queue.map(source, writable=True) as where,
            queue.map(memoryview(target)[PAGE : PAGE + room], writable=True) as to,
            queue.map(records, writable=True) as told,
            queue.map(plain) as first,
            queue.map(noise) as second,
        ):
            compression = Descriptor(
                opcode=Opcode.COMPRESS,
                flags=Flag.CRAV | Flag.RCR | Flag.CC,
                codec_flags=CompressFlag.FLUSH_OUTPUT | CompressFlag.APPEND_EOB | CompressFlag.GEN_HDR_1_PASS,
                completion_addr=told.address,
                src1_addr=where.address,
                src1_size=PAGE,
                dst_addr=to.address,
                max_dst_size=room,
            ).pack()
            moves = [
                Descriptor(
                    opcode=Opcode.MEMMOVE,
                    flags=Flag.CRAV | Flag.RCR,
                    completion_addr=told.address + 64 * number,
                    src1_addr=one.address,
                    src1_size=PAGE,
                    dst_addr=where.address,
                ).pack()
                for number, one in ((1, first), (2, second))
            ]
            is_over = threading.Event()

            def rewrite() -> None:
                while not is_over.is_set():
                    for move in moves:
                        queue.enqueue(move)
                        queue.help()

            thread = threading.Thread(target=rewrite)
            thread.start()
            try:
                for _ in range(TURNS):
                    records[0] = 0
                    while not queue.enqueue(compression):
                        queue.help()
                    while records[0] == 0:
                        queue.help()
            finally:
                is_over.set()
                thread.join()
    assert target[:PAGE] == b"\xee" * PAGE
    assert target[PAGE + room :] == b"\xee" * (2 * PAGE - room)
