"""Descriptors and completion records of the analytics accelerator (IAX) as Python values, and their numbers.

Source: `struct iax_hw_desc` and `struct iax_completion_record` of `<linux/idxd.h>`, and for the flags that it leaves
out Intel's architecture specification 721858. All integers are little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag

from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

#: Bytes of a descriptor, and of a completion record.
SIZE = 64


class Opcode(IntEnum):
    """Operations."""

    NOOP = 0x00
    DRAIN = 0x02
    MEMMOVE = 0x03
    DECOMPRESS = 0x42
    COMPRESS = 0x43
    CRC64 = 0x44
    ZERO_DECOMP_32 = 0x48
    ZERO_DECOMP_16 = 0x49
    ZERO_COMP_32 = 0x4C
    ZERO_COMP_16 = 0x4D
    SCAN = 0x50
    SET_MEMBER = 0x51
    EXTRACT = 0x52
    SELECT = 0x53
    RLE_BURST = 0x54
    FIND_UNIQUE = 0x55
    EXPAND = 0x56


class Flag(IntFlag):
    """Bits of a descriptor's `flags`."""

    FENCE = 0x0001
    BLOCK_ON_FAULT = 0x0002
    CRAV = 0x0004  # the completion address is valid
    RCR = 0x0008  # a completion record is wanted
    RCI = 0x0010  # an interrupt is wanted
    CRSTS = 0x0020
    CR = 0x0080
    CC = 0x0100
    ADDR1_TCS = 0x0200
    ADDR2_TCS = 0x0400
    ADDR3_TCS = 0x0800
    CR_TCS = 0x1000
    STORD = 0x2000
    DRDBK = 0x4000
    DSTS = 0x8000
    RD_SRC2_AECS = 0x01_0000
    RD_SRC2_2ND = 0x02_0000
    WR_SRC2_AECS_COMP = 0x04_0000
    WR_SRC2_AECS_OVFL = 0x08_0000
    SRC2_STS = 0x10_0000
    CRC_RFC3720 = 0x20_0000
    AECS_RW_TOGGLE = 0x40_0000


class CompressFlag(IntFlag):
    """Bits of `codec_flags` of a compression."""

    STATS_MODE = 1 << 0
    FLUSH_OUTPUT = 1 << 1
    APPEND_EOB = 1 << 2
    GEN_HDR_1_PASS = 1 << 12 | 1 << 13


class DecompressFlag(IntFlag):
    """Bits of `codec_flags` of a decompression."""

    ENABLE = 1 << 0
    FLUSH_OUTPUT = 1 << 1
    CHECK_FOR_EOB = 1 << 2
    STOP_ON_EOB = 1 << 3
    SELECT_BFINAL_EOB = 1 << 5
    SUPPRESS_OUTPUT = 1 << 9


class CompletionStatus(IntEnum):
    """What the status of a record says, without the bit that tells that a faulting access was a write."""

    NONE = 0x00
    SUCCESS = 0x01
    PAGE_FAULT_IR = 0x04
    ANALYTICS_ERROR = 0x0A
    OUTBUF_OVERFLOW = 0x0B
    BAD_OPCODE = 0x10
    INVALID_FLAGS = 0x11
    NOZERO_RESERVE = 0x12
    INVALID_SIZE = 0x13
    OVERLAP_BUFFERS = 0x16
    INT_HANDLE_INVAL = 0x19
    CRA_XLAT = 0x1A
    CRA_ALIGN = 0x1B
    ADDR_ALIGN = 0x1C
    PRIV_BAD = 0x1D
    TRAFFIC_CLASS_CONF = 0x1E
    PFAULT_RDBA = 0x1F
    HW_ERR1 = 0x20
    HW_ERR_DRB = 0x21
    TRANSLATION_FAIL = 0x22
    PRS_TIMEOUT = 0x23
    WATCHDOG = 0x24
    INVALID_COMP_FLAG = 0x30
    INVALID_FILTER_FLAG = 0x31
    INVALID_INPUT_SIZE = 0x32
    INVALID_NUM_ELEMS = 0x33
    INVALID_SRC1_WIDTH = 0x34
    INVALID_INVERT_OUT = 0x35


#: The status proper, and the bit beyond: the access that faulted was a write.
STATUS_MASK = 0x7F
STATUS_WRITE = 0x80

_DESCRIPTOR = struct.Struct("<IIQQQIHHQIIII")
_RECORD = struct.Struct("<BBBBIQIIIBBHIIIIQQ")


def _pack(layout: struct.Struct, of: Descriptor | CompletionRecord, values: Iterator[int]) -> bytes:
    packed = list(values)
    try:
        return layout.pack(*packed)
    except struct.error as error:
        kind = type(of).__name__
        raise UsageError(f"a field of the {kind} does not fit its place: {error}; values {packed}") from error


def _unpack(layout: struct.Struct, data: bytes | bytearray | memoryview, what: str) -> tuple[int, ...]:
    if len(data) != SIZE:
        raise UsageError(f"a {what} has {SIZE} bytes, not {len(data)}")
    return layout.unpack(data)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a device is to do.

    Any bits may be packed, right or wrong: what the device says to them is its affair.

    Args:
        opcode: 8 bits, see `Opcode`.
        flags: 24 bits, see `Flag`.
        completion_addr: where the record goes, with `CRAV`; a multiple of 32.
        src1_addr, src1_size: what is read.
        dst_addr, max_dst_size: what is written, and how much at most.
        src2_addr, src2_size: the second source: a codec's state (AECS), say.
        codec_flags: 16 bits, see `CompressFlag` and `DecompressFlag`.
        filter_flags, num_inputs: of filters.
        int_handle: the interrupt's, with `RCI`.
        pasid: 20 bits of address space.
        reserved: 11 bits that are to be 0.
        priv: 1 if it is privileged.

    Raises:
        UsageError: by `pack`, for a value that does not fit its place; by `unpack`, for other than 64 bytes.
    """

    opcode: int = Opcode.NOOP
    flags: int = 0
    completion_addr: int = 0
    src1_addr: int = 0
    dst_addr: int = 0
    src1_size: int = 0
    int_handle: int = 0
    codec_flags: int = 0
    src2_addr: int = 0
    max_dst_size: int = 0
    src2_size: int = 0
    filter_flags: int = 0
    num_inputs: int = 0
    pasid: int = 0
    reserved: int = 0
    priv: int = 0

    def pack(self) -> bytes:
        """As it is stored into a portal: 64 bytes."""
        for name, bits in (("opcode", 8), ("flags", 24), ("pasid", 20), ("reserved", 11)):
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise UsageError(f"{name} is {value:#x}; it has {bits} bits")
        return _pack(_DESCRIPTOR, self, self._values())

    def _values(self) -> Iterator[int]:
        yield self.pasid | self.reserved << 20 | bool(self.priv) << 31
        yield self.flags | self.opcode << 24
        for name in _PLAIN:
            yield getattr(self, name)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview) -> Self:
        """Out of 64 bytes."""
        owner, control, *others = _unpack(_DESCRIPTOR, data, "descriptor")
        values = dict(zip(_PLAIN, others, strict=True))
        values |= {"opcode": control >> 24, "flags": control & 0xFFFFFF}
        values |= {"pasid": owner & 0xFFFFF, "reserved": owner >> 20 & 0x7FF, "priv": owner >> 31}
        return cls(**values)


#: Fields that are whole integers, in their order.
_PLAIN = tuple(field.name for field in fields(Descriptor))[2:13]


@dataclass(frozen=True, slots=True)
class CompletionRecord:
    """How it went.

    Attributes:
        status: 0 until the device has written the record, and the last that it writes; see `CompletionStatus`.
        error_code: with `ANALYTICS_ERROR`, which.
        fault_info, fault_addr: of an access that failed.
        bytes_completed: bytes of the source that were dealt with.
        invalid_flags: with `INVALID_FLAGS`, which.
        output_size, output_bits: what was written; bits of its last byte that count, 0 for all.
        xor_csum, crc: checksums.
        min, max, sum: of filters.
    """

    status: int = 0
    error_code: int = 0
    fault_info: int = 0
    reserved: int = 0
    bytes_completed: int = 0
    fault_addr: int = 0
    invalid_flags: int = 0
    reserved2: int = 0
    output_size: int = 0
    output_bits: int = 0
    reserved3: int = 0
    xor_csum: int = 0
    crc: int = 0
    min: int = 0
    max: int = 0
    sum: int = 0
    reserved4: int = 0
    reserved5: int = 0

    @property
    def is_success(self) -> bool:
        """Whether all went well."""
        return self.status & STATUS_MASK == CompletionStatus.SUCCESS

    def pack(self) -> bytes:
        """As it lies in memory: 64 bytes."""
        return _pack(_RECORD, self, (getattr(self, field.name) for field in fields(self)))

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview) -> Self:
        """Out of 64 bytes."""
        return cls(*_unpack(_RECORD, data, "completion record"))
