//! Descriptors and completion records of the analytics accelerator, and their numbers.
//!
//! Source: `struct iax_hw_desc`, `struct iax_completion_record` and the enumerations of `<linux/idxd.h>`; the flags that it
//! leaves out and the analytics error codes are those of Intel's architecture specification 721858 and of QPL's headers.
//! All integers are little endian, as is every machine that such a device is plugged into.

/// Bytes of a descriptor, and of a completion record.
pub const SIZE: usize = 64;

/// Bits of [`Descriptor::flags`].
pub mod flag {
    pub const FENCE: u32 = 0x0001;
    /// Wait for a page that is not there, instead of failing.
    pub const BLOCK_ON_FAULT: u32 = 0x0002;
    /// The completion address is valid.
    pub const CRAV: u32 = 0x0004;
    /// A completion record is wanted, even of success.
    pub const RCR: u32 = 0x0008;
    /// An interrupt is wanted.
    pub const RCI: u32 = 0x0010;
    pub const CRSTS: u32 = 0x0020;
    pub const CR: u32 = 0x0080;
    /// Leave what is written in the cache.
    pub const CC: u32 = 0x0100;
    pub const ADDR1_TCS: u32 = 0x0200;
    pub const ADDR2_TCS: u32 = 0x0400;
    pub const ADDR3_TCS: u32 = 0x0800;
    pub const CR_TCS: u32 = 0x1000;
    pub const STORD: u32 = 0x2000;
    pub const DRDBK: u32 = 0x4000;
    pub const DSTS: u32 = 0x8000;
    /// The second source is a state of the codec (AECS).
    pub const RD_SRC2_AECS: u32 = 0x01_0000;
    pub const RD_SRC2_2ND: u32 = 0x02_0000;
    /// The state is written when the operation completes.
    pub const WR_SRC2_AECS_COMP: u32 = 0x04_0000;
    /// The state is written if the output overflows.
    pub const WR_SRC2_AECS_OVFL: u32 = 0x08_0000;
    pub const SRC2_STS: u32 = 0x10_0000;
    /// The checksum is CRC-32C.
    pub const CRC_RFC3720: u32 = 0x20_0000;
    /// The state is read from the second of two places and written to the first.
    pub const AECS_RW_TOGGLE: u32 = 0x40_0000;
}

/// Operations of the analytics accelerator.
pub mod opcode {
    pub const NOOP: u8 = 0x00;
    pub const DRAIN: u8 = 0x02;
    pub const MEMMOVE: u8 = 0x03;
    pub const DECOMPRESS: u8 = 0x42;
    pub const COMPRESS: u8 = 0x43;
    pub const CRC64: u8 = 0x44;
    pub const ZERO_DECOMP_32: u8 = 0x48;
    pub const ZERO_DECOMP_16: u8 = 0x49;
    pub const ZERO_COMP_32: u8 = 0x4c;
    pub const ZERO_COMP_16: u8 = 0x4d;
    pub const SCAN: u8 = 0x50;
    pub const SET_MEMBERSHIP: u8 = 0x51;
    pub const EXTRACT: u8 = 0x52;
    pub const SELECT: u8 = 0x53;
    pub const RLE_BURST: u8 = 0x54;
    pub const FIND_UNIQUE: u8 = 0x55;
    pub const EXPAND: u8 = 0x56;
}

/// Flags of a compression.
pub mod compress {
    pub const STATS_MODE: u16 = 1 << 0;
    pub const FLUSH_OUTPUT: u16 = 1 << 1;
    pub const APPEND_EOB: u16 = 1 << 2;
    /// Make the Huffman tables of this very data, in one pass.
    pub const GEN_HDR_1_PASS: u16 = 1 << 12 | 1 << 13;
}

/// Flags of a decompression.
pub mod decompress {
    pub const ENABLE: u16 = 1 << 0;
    pub const FLUSH_OUTPUT: u16 = 1 << 1;
    pub const CHECK_FOR_EOB: u16 = 1 << 2;
    pub const STOP_ON_EOB: u16 = 1 << 3;
    pub const SELECT_BFINAL_EOB: u16 = 1 << 4;
    /// Bits of the last byte of input that are not part of it.
    pub const IGNORE_END_BITS_SHIFT: u16 = 6;
    pub const SUPPRESS_OUTPUT: u16 = 1 << 9;
}

/// Flags of a CRC-64, whose polynomial lies in the last eight bytes of the descriptor.
pub mod crc64 {
    /// Begins and ends with all ones.
    pub const INVERT: u16 = 1 << 14;
    /// The highest bit of a byte comes last: a reflected CRC.
    pub const BIG_ENDIAN: u16 = 1 << 15;
}

/// What [`Completion::status`] says.
pub mod status {
    pub const NONE: u8 = 0x00;
    pub const SUCCESS: u8 = 0x01;
    pub const PAGE_FAULT: u8 = 0x04;
    /// [`super::Completion::error_code`] says which.
    pub const ANALYTICS_ERROR: u8 = 0x0a;
    pub const OUTPUT_OVERFLOW: u8 = 0x0b;
    pub const BAD_OPCODE: u8 = 0x10;
    pub const INVALID_FLAGS: u8 = 0x11;
    pub const NONZERO_RESERVED: u8 = 0x12;
    pub const INVALID_SIZE: u8 = 0x13;
    pub const OVERLAP: u8 = 0x16;
    pub const BAD_INTERRUPT_HANDLE: u8 = 0x19;
    pub const COMPLETION_TRANSLATION: u8 = 0x1a;
    pub const COMPLETION_ALIGNMENT: u8 = 0x1b;
    pub const ADDRESS_ALIGNMENT: u8 = 0x1c;
    pub const PRIVILEGE: u8 = 0x1d;
    pub const TRAFFIC_CLASS: u8 = 0x1e;
    pub const PAGE_FAULT_READBACK: u8 = 0x1f;
    pub const HARDWARE_ERROR: u8 = 0x20;
    pub const HARDWARE_ERROR_READBACK: u8 = 0x21;
    pub const TRANSLATION_FAILURE: u8 = 0x22;
    pub const PAGE_REQUEST_TIMEOUT: u8 = 0x23;
    pub const WATCHDOG: u8 = 0x24;
    pub const COMPRESS_FLAGS: u8 = 0x30;
    pub const FILTER_FLAGS: u8 = 0x31;
    pub const INPUT_SIZE: u8 = 0x32;
    pub const ELEMENTS: u8 = 0x33;
    pub const SOURCE_WIDTH: u8 = 0x34;
    pub const INVERT: u8 = 0x35;
    /// The status proper; the bit beyond tells that the access that faulted was a write.
    pub const MASK: u8 = 0x7f;
    pub const WRITE: u8 = 0x80;
}

/// What [`Completion::error_code`] says with [`status::ANALYTICS_ERROR`].
pub mod analytics {
    pub const HEADER_TOO_BIG: u8 = 1;
    pub const UNDEFINED_CL_CODE: u8 = 2;
    pub const FIRST_LL_CODE_16: u8 = 3;
    pub const FIRST_D_CODE_16: u8 = 4;
    pub const NO_LL_CODE: u8 = 5;
    pub const WRONG_NUM_LL_CODES: u8 = 6;
    pub const WRONG_NUM_D_CODES: u8 = 7;
    pub const BAD_CL_CODE_LENGTHS: u8 = 8;
    pub const BAD_LL_CODE_LENGTHS: u8 = 9;
    pub const BAD_D_CODE_LENGTHS: u8 = 10;
    pub const BAD_LL_CODE: u8 = 11;
    pub const BAD_D_CODE: u8 = 12;
    pub const BAD_BLOCK_TYPE: u8 = 13;
    pub const BAD_STORED_LENGTH: u8 = 14;
    pub const BAD_END_OF_FILE: u8 = 15;
    pub const BAD_LENGTH: u8 = 16;
    pub const BAD_DISTANCE: u8 = 17;
    pub const REFERENCE_BEFORE_START: u8 = 18;
    pub const TIMEOUT: u8 = 19;
    pub const PRLE_FORMAT: u8 = 20;
    pub const OUTPUT_WIDTH: u8 = 21;
    pub const AECS_ERROR: u8 = 22;
    pub const SOURCE1_TOO_SMALL: u8 = 23;
    pub const SOURCE2_TOO_SMALL: u8 = 24;
    pub const OUTPUT_OVERFLOW: u8 = 25;
    pub const ZERO_VERIFY: u8 = 29;
    pub const INVALID_HUFFMAN_CODE: u8 = 30;
}

/// 64 bytes that tell a device what to do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Descriptor {
    /// Address space in 20 bits, 11 reserved, privilege in the highest.
    pub pasid_priv: u32,
    /// Flags in 24 bits, the operation in the highest 8.
    pub flags_opcode: u32,
    pub completion_addr: u64,
    pub src1_addr: u64,
    pub dst_addr: u64,
    pub src1_size: u32,
    pub int_handle: u16,
    /// Of a compression or of a decompression.
    pub codec_flags: u16,
    pub src2_addr: u64,
    pub max_dst_size: u32,
    pub src2_size: u32,
    pub filter_flags: u32,
    pub num_inputs: u32,
}

impl Descriptor {
    /// Bits of `pasid_priv` that must be zero.
    pub const RESERVED: u32 = 0x7ff0_0000;

    pub fn new(opcode: u8, flags: u32) -> Self {
        Self { flags_opcode: u32::from(opcode) << 24 | flags & 0x00ff_ffff, ..Self::default() }
    }

    pub fn opcode(&self) -> u8 {
        (self.flags_opcode >> 24) as u8
    }

    pub fn flags(&self) -> u32 {
        self.flags_opcode & 0x00ff_ffff
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags_opcode & flag != 0
    }

    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let words: [u64; 8] = std::array::from_fn(|index| word(bytes, index));
        Self::from_words(words)
    }

    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.to_words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// As it lies in a portal, eight bytes at a time.
    pub fn to_words(&self) -> [u64; 8] {
        [
            u64::from(self.pasid_priv) | u64::from(self.flags_opcode) << 32,
            self.completion_addr,
            self.src1_addr,
            self.dst_addr,
            u64::from(self.src1_size) | u64::from(self.int_handle) << 32 | u64::from(self.codec_flags) << 48,
            self.src2_addr,
            u64::from(self.max_dst_size) | u64::from(self.src2_size) << 32,
            u64::from(self.filter_flags) | u64::from(self.num_inputs) << 32,
        ]
    }

    pub fn from_words(words: [u64; 8]) -> Self {
        let [control, completion_addr, src1_addr, dst_addr, source, src2_addr, sizes, filter] = words;
        Self {
            pasid_priv: control as u32,
            flags_opcode: (control >> 32) as u32,
            completion_addr,
            src1_addr,
            dst_addr,
            src1_size: source as u32,
            int_handle: (source >> 32) as u16,
            codec_flags: (source >> 48) as u16,
            src2_addr,
            max_dst_size: sizes as u32,
            src2_size: (sizes >> 32) as u32,
            filter_flags: filter as u32,
            num_inputs: (filter >> 32) as u32,
        }
    }
}

fn word(bytes: &[u8; SIZE], index: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(part) = bytes.get(index * 8..index * 8 + 8) {
        word.copy_from_slice(part);
    }
    u64::from_le_bytes(word)
}

/// 64 bytes in which a device tells how it went. The status is written last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Completion {
    pub status: u8,
    pub error_code: u8,
    pub fault_info: u8,
    pub reserved: u8,
    /// Of the input; how far it came.
    pub bytes_completed: u32,
    pub fault_addr: u64,
    pub invalid_flags: u32,
    pub reserved2: u32,
    pub output_size: u32,
    /// Bits of the last byte of output that count; 0 for all.
    pub output_bits: u8,
    pub reserved3: u8,
    pub xor_csum: u16,
    pub crc: u32,
    pub min: u32,
    /// Of a CRC-64 the low half, and below the high one.
    pub max: u32,
    pub sum: u32,
    pub reserved4: [u64; 2],
}

impl Completion {
    pub fn of(status: u8) -> Self {
        Self { status, ..Self::default() }
    }

    /// An analytics error.
    pub fn error(code: u8) -> Self {
        Self { status: status::ANALYTICS_ERROR, error_code: code, ..Self::default() }
    }

    pub fn to_words(&self) -> [u64; 8] {
        let bytes = [self.status, self.error_code, self.fault_info, self.reserved];
        [
            u64::from(u32::from_le_bytes(bytes)) | u64::from(self.bytes_completed) << 32,
            self.fault_addr,
            u64::from(self.invalid_flags) | u64::from(self.reserved2) << 32,
            u64::from(self.output_size)
                | u64::from(self.output_bits) << 32
                | u64::from(self.reserved3) << 40
                | u64::from(self.xor_csum) << 48,
            u64::from(self.crc) | u64::from(self.min) << 32,
            u64::from(self.max) | u64::from(self.sum) << 32,
            self.reserved4[0],
            self.reserved4[1],
        ]
    }

    pub fn from_words(words: [u64; 8]) -> Self {
        let [control, fault_addr, invalid, output, crc_min, max_sum, first, second] = words;
        let [status, error_code, fault_info, reserved] = (control as u32).to_le_bytes();
        Self {
            status,
            error_code,
            fault_info,
            reserved,
            bytes_completed: (control >> 32) as u32,
            fault_addr,
            invalid_flags: invalid as u32,
            reserved2: (invalid >> 32) as u32,
            output_size: output as u32,
            output_bits: (output >> 32) as u8,
            reserved3: (output >> 40) as u8,
            xor_csum: (output >> 48) as u16,
            crc: crc_min as u32,
            min: (crc_min >> 32) as u32,
            max: max_sum as u32,
            sum: (max_sum >> 32) as u32,
            reserved4: [first, second],
        }
    }

    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.to_words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        Self::from_words(std::array::from_fn(|index| word(bytes, index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn fields_lie_where_the_kernel_has_them() {
        assert_eq!((size_of::<Descriptor>(), size_of::<Completion>()), (SIZE, SIZE));
        let descriptor = [
            offset_of!(Descriptor, flags_opcode),
            offset_of!(Descriptor, completion_addr),
            offset_of!(Descriptor, src1_addr),
            offset_of!(Descriptor, dst_addr),
            offset_of!(Descriptor, src1_size),
            offset_of!(Descriptor, int_handle),
            offset_of!(Descriptor, codec_flags),
            offset_of!(Descriptor, src2_addr),
            offset_of!(Descriptor, max_dst_size),
            offset_of!(Descriptor, src2_size),
            offset_of!(Descriptor, filter_flags),
            offset_of!(Descriptor, num_inputs),
        ];
        assert_eq!(descriptor, [4, 8, 16, 24, 32, 36, 38, 40, 48, 52, 56, 60]);
        let completion = [
            offset_of!(Completion, error_code),
            offset_of!(Completion, fault_info),
            offset_of!(Completion, bytes_completed),
            offset_of!(Completion, fault_addr),
            offset_of!(Completion, invalid_flags),
            offset_of!(Completion, output_size),
            offset_of!(Completion, output_bits),
            offset_of!(Completion, xor_csum),
            offset_of!(Completion, crc),
            offset_of!(Completion, min),
            offset_of!(Completion, max),
            offset_of!(Completion, sum),
            offset_of!(Completion, reserved4),
        ];
        assert_eq!(completion, [1, 2, 4, 8, 16, 24, 28, 30, 32, 36, 40, 44, 48]);
    }

    #[test]
    fn what_is_packed_comes_back() {
        let bytes: [u8; SIZE] = std::array::from_fn(|index| (index * 7 + 3) as u8);
        assert_eq!(Descriptor::from_bytes(&bytes).to_bytes(), bytes);
        assert_eq!(Completion::from_bytes(&bytes).to_bytes(), bytes);
    }

    #[test]
    fn the_operation_lies_above_the_flags() {
        let descriptor = Descriptor::new(opcode::COMPRESS, flag::CRAV | flag::RCR | flag::RD_SRC2_AECS | flag::CC);
        assert_eq!((descriptor.opcode(), descriptor.flags()), (0x43, 0x01_010c));
        assert_eq!(descriptor.to_bytes().get(4..8), Some(&[0x0c, 0x01, 0x01, 0x43][..]));
    }
}
