//! What a device does when told: one descriptor in, one completion record out.
//!
//! Nothing in a descriptor is trusted. Its fields are checked before any memory is touched, memory is reached through a
//! [`Space`] only, and records of codec state are copied before they are looked at. The codecs are those of the software
//! engine. Queues, interrupts, faults that are waited for, and writing the completion record are the device's affair.

mod check;
mod compress;
mod crc;
mod decompress;

use super::space::{Fault, Space};
use super::wire::{Completion, Descriptor, decompress as flags, opcode, status};

/// What a device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a source or a destination.
    pub max_transfer: u64,
    /// It makes Huffman codes of the data themselves, in one pass.
    pub header_gen: bool,
    /// Its states of decompression have 1248 bytes, not 1088.
    pub aecs_format2: bool,
    /// Descriptors may ask to wait for pages that are not there.
    pub block_on_fault: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_transfer: 2 << 20, header_gen: true, aecs_format2: false, block_on_fault: true }
    }
}

/// Does what `descriptor` says. The record tells how it went; it is not written anywhere. Any number of threads may call
/// this at once.
pub fn execute(descriptor: &Descriptor, space: &dyn Space, limits: &Limits) -> Completion {
    let outcome = check::check(descriptor, limits).and_then(|()| match descriptor.opcode() {
        opcode::NOOP | opcode::DRAIN => Ok(Completion::of(status::SUCCESS)),
        opcode::MEMMOVE => memmove(descriptor, space),
        opcode::COMPRESS => compress::compress(descriptor, space),
        opcode::DECOMPRESS => decompress::decompress(descriptor, space, limits),
        opcode::CRC64 => crc::crc64(descriptor, space),
        _ => Err(Completion::of(status::BAD_OPCODE)),
    });
    match outcome {
        Ok(completion) | Err(completion) => completion,
    }
}

fn memmove(descriptor: &Descriptor, space: &dyn Space) -> Result<Completion, Completion> {
    let source = space.read(descriptor.src1_addr, descriptor.src1_size as usize).map_err(faulted)?;
    let mut to = space.write(descriptor.dst_addr, descriptor.src1_size as usize).map_err(faulted)?;
    to.copy_from(&source);
    Ok(Completion { bytes_completed: descriptor.src1_size, ..Completion::of(status::SUCCESS) })
}

/// The record of an access that failed.
fn faulted(fault: Fault) -> Completion {
    let write = if fault.is_write { status::WRITE } else { 0 };
    Completion { fault_addr: fault.addr, ..Completion::of(status::PAGE_FAULT | write) }
}

/// Where the record of codec state is read, and where it is written: the second source has room for two.
fn places(descriptor: &Descriptor) -> (u64, u64) {
    let (first, second) = (descriptor.src2_addr, descriptor.src2_addr.wrapping_add(u64::from(descriptor.src2_size)));
    if descriptor.has(super::wire::flag::AECS_RW_TOGGLE) { (second, first) } else { (first, second) }
}

/// Bits of the last byte of a decompression's source that are not part of it.
fn ignored_bits(descriptor: &Descriptor) -> usize {
    usize::from(descriptor.codec_flags >> flags::IGNORE_END_BITS_SHIFT & 7)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
