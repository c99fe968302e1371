"""The device of source 002, row by row: descriptors, records of completion and of codes, shares of service."""

import struct
import threading
import zlib

import pytest
from tests.idxd.rig import TOLD, rig

from acrypto.idxd.descriptor import CompletionRecord, CompressFlag, Descriptor, Flag, Opcode
from acrypto.idxd.device import SoftDevice

SUCCESS, BAD_OPCODE, INVALID_FLAGS, NONZERO_RESERVED = 0x01, 0x10, 0x11, 0x12
WORDS = b"Join us now and share the software " * 2
#: Where symbols of literals and of distances lie in a record of 1568 bytes.
LITERALS, DISTANCES, AECS = 288, 1440, 1568


def test_64_byte_descriptor_golden() -> None:
    packed = Descriptor(
        opcode=Opcode.COMPRESS,
        flags=Flag.CRAV | Flag.RCR | Flag.CC | Flag.RD_SRC2_AECS,
        codec_flags=CompressFlag.FLUSH_OUTPUT | CompressFlag.APPEND_EOB,
        completion_addr=0x1000,
        src1_addr=0x2000,
        src1_size=4096,
        dst_addr=0x3000,
        max_dst_size=8192,
        src2_addr=0x4000,
        src2_size=AECS,
    ).pack()
    words = (0, 0x4301010C, 0x1000, 0x2000, 0x3000, 4096, 0, 6, 0x4000, 8192, AECS, 0, 0)
    assert packed == struct.pack("<IIQQQIHHQIIII", *words)
    assert Descriptor.unpack(packed).pack() == packed


@pytest.mark.parametrize("opcode", [1, 4, 0x41, 0x48, 0x50, 0xFF])
def test_64_byte_descriptor_unknown_opcodes_have_a_status(opcode: int) -> None:
    with rig() as it:
        queue, records = it.queue()
        raw = bytearray(records.noop())
        raw[7] = opcode
        queue.store(bytes(raw))
        queue.help()
        assert records.status() == BAD_OPCODE


def test_64_byte_descriptor_unknown_flags_and_reserved_bits_have_a_status() -> None:
    with rig() as it:
        queue, records = it.queue()
        for bit in (0x40, 0x800000):
            raw = bytearray(records.noop())
            (word,) = struct.unpack_from("<I", raw, 4)
            struct.pack_into("<I", raw, 4, word | bit)
            queue.store(bytes(raw))
            queue.help()
            record = records.record()
            assert (record.status, record.invalid_flags) == (INVALID_FLAGS, bit)
            records.memory[:64] = bytes(64)
        raw = bytearray(records.noop())
        raw[2] |= 0x20  # above the 20 bits of the address space
        queue.store(bytes(raw))
        queue.help()
        assert records.status() == NONZERO_RESERVED


def test_completion_record_is_64_bytes_with_its_status_written_last() -> None:
    """Who sees a status sees all of the record: sizes and checksums of pages that differ never mix."""
    pages = [bytes([65 + turn]) * (100 + turn) for turn in range(16)]
    wanted = {len(page): zlib.crc32(page) for page in pages}
    with SoftDevice(engines=2, threads=1) as device:
        device.enable()
        queue = device.enable_queue(0, size=64)
        memory, room = bytearray(4096 + 64), bytearray(4096)
        with queue.map(memory, writable=True) as where, queue.map(room, writable=True) as to:
            at = -where.address % 64
            codes = bytearray(2048)
            with queue.map(codes, writable=True) as table:
                skip = -table.address % 64
                codes[skip : skip + AECS] = fixed_codes()
                for turn in range(2000):
                    page = pages[turn % len(pages)]
                    memory[at : at + 64] = bytes(64)
                    with queue.map(page) as source:
                        queue.store(
                            Descriptor(
                                opcode=Opcode.COMPRESS,
                                flags=TOLD | Flag.CC | Flag.RD_SRC2_AECS,
                                codec_flags=CompressFlag.FLUSH_OUTPUT | CompressFlag.APPEND_EOB,
                                completion_addr=where.address + at,
                                src1_addr=source.address,
                                src1_size=len(page),
                                dst_addr=to.address,
                                max_dst_size=len(room),
                                src2_addr=table.address + skip,
                                src2_size=AECS,
                            ).pack()
                        )
                        while memory[at] == 0:
                            queue.help()
                        record = CompletionRecord.unpack(memory[at : at + 64])
                    assert (record.status, record.crc) == (SUCCESS, wanted[len(page)])
                    assert zlib.decompress(room[: record.output_size], -12) == page


def fixed_codes() -> bytes:
    """A record of RFC 1951's fixed codes: entries are a length above 15 bits of code, three bits of header wait."""

    def literal(symbol: int) -> tuple[int, int]:
        if symbol < 144:
            return 8, 0x30 + symbol
        if symbol < 256:
            return 9, 0x190 + symbol - 144
        return (7, symbol - 256) if symbol < 280 else (8, 0xC0 + symbol - 280)

    record = bytearray(AECS)
    struct.pack_into("<I", record, 28, 3)
    record[32] = 0b011
    entries = [length << 15 | code for length, code in map(literal, range(286))]
    struct.pack_into("<286I", record, LITERALS, *entries)
    struct.pack_into("<30I", record, DISTANCES, *(5 << 15 | code for code in range(30)))
    return bytes(record)


def test_aecs_record_of_1568_bytes_says_how_to_write() -> None:
    record = fixed_codes()
    assert len(record) == AECS
    with rig() as it:
        queue, records = it.queue()
        source, target, table = (it.place(queue, content=content) for content in (WORDS, b"", record))
        queue.store(
            records.told(
                Descriptor(
                    opcode=Opcode.COMPRESS,
                    flags=Flag.CC | Flag.RD_SRC2_AECS,
                    codec_flags=CompressFlag.FLUSH_OUTPUT | CompressFlag.APPEND_EOB,
                    src1_addr=source.address,
                    src1_size=len(WORDS),
                    dst_addr=target.address,
                    max_dst_size=4096,
                    src2_addr=table.address,
                    src2_size=AECS,
                )
            ).pack()
        )
        queue.help()
        told = records.record()
        assert (told.status, told.output_size) == (SUCCESS, 38)
        assert zlib.decompress(target.memory[:38], -12) == WORDS


def test_wq_priority_15_and_5_share_service_3_to_1() -> None:
    with rig(engines=1) as it:
        (strong, first), (weak, second) = it.queue(0, priority=15, size=64), it.queue(1, priority=5, size=64)
        for index in range(64):
            strong.store(first.noop(index))
            weak.store(second.noop(index))
        for _ in range(64):
            assert strong.help()
        assert [queue["completed"] for queue in it.device.statistics()["queues"]] == [48, 16]


def test_wq_refcount_a_queue_that_goes_ends_what_it_has() -> None:
    with SoftDevice(threads=1) as device:
        device.enable()
        for _ in range(50):
            queue = device.enable_queue(0, size=64)
            memory = bytearray(65 * 64)
            with queue.map(memory, writable=True) as where:
                at = -where.address % 64
                for index in range(64):
                    noop = Descriptor(opcode=Opcode.NOOP, flags=TOLD, completion_addr=where.address + at + 64 * index)
                    queue.store(noop.pack())
                thread = threading.Thread(target=device.disable_queue, args=(0,))
                thread.start()
                thread.join()
                assert [memory[at + 64 * index] for index in range(64)] == [SUCCESS] * 64
                assert not queue.alive
