//! What is wrong with a descriptor by itself, before any memory is touched.

use super::super::aecs;
use super::super::wire::{Completion, Descriptor, compress, crc64, decompress, flag, opcode, status};
use super::Limits;

/// Flags that every operation has.
const ANY: u32 = flag::FENCE
    | flag::BLOCK_ON_FAULT
    | flag::CRAV
    | flag::RCR
    | flag::RCI
    | flag::CRSTS
    | flag::CR_TCS
    | flag::ADDR1_TCS
    | flag::ADDR2_TCS
    | flag::ADDR3_TCS;
/// Of those that write a destination.
const WRITING: u32 = flag::CC | flag::STORD | flag::DRDBK | flag::DSTS;
/// Of those with a record of codec state. It is written only when all went well: a state in the midst of an overflow would
/// need the history, for which the record has no room.
const CODEC: u32 =
    flag::RD_SRC2_AECS | flag::WR_SRC2_AECS_COMP | flag::SRC2_STS | flag::CRC_RFC3720 | flag::AECS_RW_TOGGLE;

const KNOWN_COMPRESS: u16 = compress::FLUSH_OUTPUT | compress::APPEND_EOB | compress::GEN_HDR_1_PASS;
const KNOWN_DECOMPRESS: u16 = decompress::ENABLE
    | decompress::FLUSH_OUTPUT
    | decompress::CHECK_FOR_EOB
    | decompress::STOP_ON_EOB
    | decompress::SELECT_BFINAL_EOB
    | 7 << decompress::IGNORE_END_BITS_SHIFT
    | decompress::SUPPRESS_OUTPUT;

/// Refuses what cannot be done.
pub(super) fn check(descriptor: &Descriptor, limits: &Limits) -> Result<(), Completion> {
    let allowed = match descriptor.opcode() {
        opcode::NOOP | opcode::DRAIN => ANY,
        opcode::MEMMOVE => ANY | WRITING,
        opcode::CRC64 => ANY | flag::CC,
        opcode::COMPRESS | opcode::DECOMPRESS => ANY | WRITING | CODEC,
        _ => return Err(Completion::of(status::BAD_OPCODE)),
    };
    let invalid = descriptor.flags() & !allowed | contradictions(descriptor, limits);
    if invalid != 0 {
        return Err(Completion { invalid_flags: invalid, ..Completion::of(status::INVALID_FLAGS) });
    }
    refuse(descriptor.pasid_priv & Descriptor::RESERVED != 0 || has_reserved(descriptor), status::NONZERO_RESERVED)?;
    match descriptor.opcode() {
        opcode::COMPRESS => check_compress(descriptor, limits)?,
        opcode::DECOMPRESS => check_decompress(descriptor, limits)?,
        opcode::CRC64 => {
            refuse(descriptor.codec_flags & !(crc64::INVERT | crc64::BIG_ENDIAN) != 0, status::COMPRESS_FLAGS)?;
        }
        _ => {}
    }
    check_sizes(descriptor, limits)
}

fn refuse(is_wrong: bool, status: u8) -> Result<(), Completion> {
    if is_wrong { Err(Completion::of(status)) } else { Ok(()) }
}

/// Flags that do not go with the others, or with this device.
fn contradictions(descriptor: &Descriptor, limits: &Limits) -> u32 {
    let mut invalid = 0;
    if !limits.block_on_fault {
        invalid |= descriptor.flags() & flag::BLOCK_ON_FAULT;
    }
    if !descriptor.has(flag::CRAV) {
        invalid |= descriptor.flags() & flag::RCR;
    }
    let is_codec = matches!(descriptor.opcode(), opcode::COMPRESS | opcode::DECOMPRESS);
    if is_codec && !descriptor.has(flag::WR_SRC2_AECS_COMP) {
        invalid |= descriptor.flags() & flag::AECS_RW_TOGGLE;
    }
    let makes_codes = descriptor.codec_flags & compress::GEN_HDR_1_PASS != 0;
    if descriptor.opcode() == opcode::COMPRESS {
        if makes_codes {
            invalid |= descriptor.flags() & (flag::RD_SRC2_AECS | flag::WR_SRC2_AECS_COMP);
        } else if !descriptor.has(flag::RD_SRC2_AECS) {
            // Missing, and so told: nothing says in which codes to write.
            invalid |= flag::RD_SRC2_AECS;
        }
    }
    invalid
}

/// Fields that an operation does not have.
fn has_reserved(descriptor: &Descriptor) -> bool {
    let Descriptor { src1_addr, dst_addr, src1_size, codec_flags, src2_addr, max_dst_size, src2_size, .. } =
        *descriptor;
    let filter = descriptor.filter_flags != 0 || descriptor.num_inputs != 0;
    let second = src2_addr != 0 || src2_size != 0;
    match descriptor.opcode() {
        opcode::NOOP | opcode::DRAIN => {
            src1_addr | dst_addr != 0 || src1_size | max_dst_size != 0 || codec_flags != 0 || second || filter
        }
        opcode::MEMMOVE => max_dst_size != 0 || codec_flags != 0 || second || filter,
        // Its polynomial lies where the others have a filter.
        opcode::CRC64 => dst_addr != 0 || max_dst_size != 0 || second,
        _ => false,
    }
}

fn check_compress(descriptor: &Descriptor, limits: &Limits) -> Result<(), Completion> {
    let flags = descriptor.codec_flags;
    let one_pass = flags & compress::GEN_HDR_1_PASS;
    refuse(flags & !KNOWN_COMPRESS != 0, status::COMPRESS_FLAGS)?;
    refuse(one_pass != 0 && (one_pass != compress::GEN_HDR_1_PASS || !limits.header_gen), status::COMPRESS_FLAGS)?;
    // A whole stream is made, so it has an end.
    let whole = compress::FLUSH_OUTPUT | compress::APPEND_EOB;
    refuse(one_pass != 0 && flags & whole != whole, status::COMPRESS_FLAGS)?;
    check_filter(descriptor)?;
    let has_record = descriptor.flags() & (flag::RD_SRC2_AECS | flag::WR_SRC2_AECS_COMP) != 0;
    refuse(has_record && descriptor.src2_size as usize != aecs::COMPRESS_SIZE, status::INVALID_SIZE)
}

fn check_decompress(descriptor: &Descriptor, limits: &Limits) -> Result<(), Completion> {
    let flags = descriptor.codec_flags;
    refuse(flags & !KNOWN_DECOMPRESS != 0 || flags & decompress::ENABLE == 0, status::COMPRESS_FLAGS)?;
    check_filter(descriptor)?;
    let has_record = descriptor.flags() & (flag::RD_SRC2_AECS | flag::WR_SRC2_AECS_COMP) != 0;
    let size = if limits.aecs_format2 { aecs::DECOMPRESS_SIZE_2 } else { aecs::DECOMPRESS_SIZE };
    refuse(has_record && descriptor.src2_size as usize != size, status::INVALID_SIZE)
}

/// Analytics on what comes out are not done.
fn check_filter(descriptor: &Descriptor) -> Result<(), Completion> {
    refuse(descriptor.filter_flags != 0, status::FILTER_FLAGS)?;
    refuse(descriptor.num_inputs != 0, status::ELEMENTS)
}

fn check_sizes(descriptor: &Descriptor, limits: &Limits) -> Result<(), Completion> {
    let is_codec = match descriptor.opcode() {
        opcode::NOOP | opcode::DRAIN => return Ok(()),
        other => matches!(other, opcode::COMPRESS | opcode::DECOMPRESS),
    };
    let is_sized = |size: u32| size != 0 && u64::from(size) <= limits.max_transfer;
    refuse(!is_sized(descriptor.src1_size), status::INVALID_SIZE)?;
    let is_silent =
        descriptor.opcode() == opcode::DECOMPRESS && descriptor.codec_flags & decompress::SUPPRESS_OUTPUT != 0;
    refuse(is_codec && !is_silent && !is_sized(descriptor.max_dst_size), status::INVALID_SIZE)?;
    let has_record = is_codec && descriptor.flags() & (flag::RD_SRC2_AECS | flag::WR_SRC2_AECS_COMP) != 0;
    refuse(has_record && !descriptor.src2_addr.is_multiple_of(aecs::ALIGNMENT as u64), status::ADDRESS_ALIGNMENT)
}
