"""A device that is not there: one page compressed by hand, with a 64-byte descriptor and a polled completion record."""

import mmap
import zlib

from acrypto.idxd.descriptor import CompletionRecord, CompressFlag, Descriptor, Flag, Opcode
from acrypto.idxd.device import SoftDevice

page = (b"Join us now and share the software. " * 200)[:4096]
record, packed = mmap.mmap(-1, 4096), bytearray(4096)  # records are aligned to 32 bytes, as pages are

with SoftDevice(engines=2) as device:
    device.enable()
    queue = device.enable_queue(0, mode="dedicated", size=16)
    with (
        queue.map(page) as source,
        queue.map(packed, writable=True) as target,
        queue.map(record, writable=True) as told,
    ):
        descriptor = Descriptor(
            opcode=Opcode.COMPRESS,
            flags=Flag.CRAV | Flag.RCR | Flag.CC,
            codec_flags=CompressFlag.FLUSH_OUTPUT | CompressFlag.APPEND_EOB | CompressFlag.GEN_HDR_1_PASS,
            completion_addr=told.address,
            src1_addr=source.address,
            src1_size=len(page),
            dst_addr=target.address,
            max_dst_size=len(packed),
        )
        queue.store(descriptor.pack())
        while record[0] == 0:  # the status is written last
            queue.help()  # the model may use this thread; its own would do it, too
        done = CompletionRecord.unpack(record[:64])

print(f"{len(page)} bytes became {done.output_size}; status {done.status}, CRC {done.crc:08x}")
assert zlib.decompress(packed[: done.output_size], wbits=-15) == page
