//! A descriptor of a message: how it is made of the message's memory, and what came back.

use super::form::Form;
use super::modes::Mode;
use super::queue::{Flight, WorkQueue};
use super::task::LOST_MOST;
use super::trouble::{Failure, Trouble};
use crate::alg::Direction;
use crate::idxd::port::Mapped;
use crate::idxd::wire::{Completion, Descriptor, compress, decompress, flag, opcode};
use std::sync::Arc;

/// What matters of a completion record. Records are aligned to 64 bytes: a task that held one would be, too, and memory
/// so aligned takes an allocator several times as long to give.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub status: u8,
    pub error_code: u8,
    pub bytes_completed: u32,
    pub output_size: u32,
    pub crc: u32,
}

impl Answer {
    pub fn of(record: &Completion) -> Self {
        let Completion { status, error_code, bytes_completed, output_size, crc, .. } = *record;
        Self { status, error_code, bytes_completed, output_size, crc }
    }

    pub fn trouble(&self, compresses: bool) -> Option<Trouble> {
        Trouble::of(self.status, self.error_code, compresses)
    }
}

/// A descriptor out, and what it keeps mapped.
pub(super) struct Part {
    pub flight: Option<Flight>,
    pub record: Option<Answer>,
    pub source: Mapped,
    pub target: Mapped,
}

impl Form {
    /// Sends one message to the next queue that takes it.
    pub(super) fn send_next(
        &self,
        direction: Direction,
        bytes: &[u8],
        target: *mut u8,
        capacity: usize,
    ) -> Result<Part, Failure> {
        let mut tries = 0;
        loop {
            let queue = self.driver.next(direction)?;
            match self.send(&queue, direction, bytes, target, capacity) {
                // It went between, or is of a device that cannot; the others are still there.
                Err(Failure::Trouble(Trouble::NoDevice | Trouble::Unable, _)) if tries < LOST_MOST => tries += 1,
                result => return result,
            }
        }
    }

    /// Maps one message's memory and sends its descriptor.
    #[allow(unsafe_code)]
    pub(super) fn send(
        &self,
        queue: &Arc<WorkQueue>,
        direction: Direction,
        bytes: &[u8],
        target: *mut u8,
        capacity: usize,
    ) -> Result<Part, Failure> {
        let compresses = direction == Direction::Compress;
        let (mut descriptor, needs_table) = match (compresses, self.mode) {
            (true, Mode::Dynamic) if !queue.port.info().abilities.header_gen => return Err(Trouble::Unable.into()),
            (true, Mode::Dynamic) => {
                let mut descriptor = Descriptor::new(opcode::COMPRESS, flag::CC);
                descriptor.codec_flags = compress::FLUSH_OUTPUT | compress::APPEND_EOB | compress::GEN_HDR_1_PASS;
                (descriptor, false)
            }
            (true, _) => {
                let mut descriptor = Descriptor::new(opcode::COMPRESS, flag::RD_SRC2_AECS | flag::CC);
                descriptor.codec_flags = compress::FLUSH_OUTPUT | compress::APPEND_EOB;
                descriptor.src2_size = crate::idxd::aecs::COMPRESS_SIZE as u32;
                (descriptor, true)
            }
            (false, mode) => {
                let flags = if mode.is_canned() { flag::RD_SRC2_AECS | flag::CC } else { flag::CC };
                let mut descriptor = Descriptor::new(opcode::DECOMPRESS, flags);
                descriptor.codec_flags =
                    decompress::ENABLE | decompress::FLUSH_OUTPUT | decompress::CHECK_FOR_EOB | decompress::STOP_ON_EOB;
                if mode.is_canned() {
                    descriptor.src2_size = queue.port.info().abilities.state_len;
                }
                (descriptor, mode.is_canned())
            }
        };
        if needs_table {
            let table = queue.table(self.mode, compresses).ok_or(Trouble::NoRoom)?;
            descriptor.src2_addr = table;
        }
        // SAFETY: the message's memory is kept in place, and alone, by the operation that it belongs to, until after the
        // task has ended or was dropped, which unmaps it.
        let (source, target) =
            unsafe { (queue.map(bytes.as_ptr().cast_mut(), bytes.len(), false)?, queue.map(target, capacity, true)?) };
        (descriptor.src1_addr, descriptor.src1_size) = (source.addr(), bytes.len() as u32);
        (descriptor.dst_addr, descriptor.max_dst_size) = (target.addr(), capacity as u32);
        let flight = queue.send(descriptor, self.wants_interrupt())?;
        queue.counters.count_submit(direction);
        Ok(Part { flight: Some(flight), record: None, source, target })
    }
}
