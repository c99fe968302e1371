//! Whether a queue works at all: what is tried first on a real machine, where everything else was only ever modelled.

use super::aecs;
use super::port::{Mode, Queue};
use super::slots::Slots;
use super::wire::{Completion, Descriptor, SIZE, compress, decompress, flag, opcode, status};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAGE: usize = 4096;
/// Far longer than any device takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does nothing once, then a page there and back.
///
/// # Errors
/// What went wrong, in words, at the first step that did.
pub fn run(queue: &Arc<dyn Queue>) -> Result<(), String> {
    let slots = Slots::new(queue).ok_or("no memory can be mapped")?;
    let trial = Trial { queue, slots };
    trial.submit("a NOOP", Descriptor::new(opcode::NOOP, 0))?;

    // It compresses well, so that no space is larger than itself: a queue may take no more.
    let len = PAGE.min(usize::try_from(queue.info().abilities.max_transfer).unwrap_or(PAGE));
    let page: Vec<u8> = (0..len).map(|index| (index / 7 % 251) as u8).collect();
    let (mut packed, mut back) = (vec![0; len], vec![0; len]);
    let table = aecs::fixed().map_err(|_| "the table of fixed codes cannot be made")?;
    #[allow(unsafe_code)]
    // SAFETY: the memory is declared before its mappings, so that it outlives them, and nobody else touches it: a
    // descriptor that does not come back ends the trial, and `submit` makes sure that it does no harm.
    let (source, middle, target, codes) = unsafe {
        (
            queue.map(page.as_ptr().cast_mut(), page.len(), false),
            queue.map(packed.as_mut_ptr(), packed.len(), true),
            queue.map(back.as_mut_ptr(), back.len(), true),
            queue.map(table.0.as_ptr().cast_mut(), table.0.len(), false),
        )
    };
    let (Some(source), Some(middle), Some(target), Some(codes)) = (source, middle, target, codes) else {
        return Err("no memory can be mapped".into());
    };

    let mut descriptor = Descriptor::new(opcode::COMPRESS, flag::RD_SRC2_AECS | flag::CC);
    descriptor.codec_flags = compress::FLUSH_OUTPUT | compress::APPEND_EOB;
    (descriptor.src1_addr, descriptor.src1_size) = (source.addr(), len as u32);
    (descriptor.dst_addr, descriptor.max_dst_size) = (middle.addr(), len as u32);
    (descriptor.src2_addr, descriptor.src2_size) = (codes.addr(), aecs::COMPRESS_SIZE as u32);
    let there = trial.submit("a compression", descriptor)?;

    let mut descriptor = Descriptor::new(opcode::DECOMPRESS, flag::CC);
    descriptor.codec_flags =
        decompress::ENABLE | decompress::FLUSH_OUTPUT | decompress::CHECK_FOR_EOB | decompress::STOP_ON_EOB;
    (descriptor.src1_addr, descriptor.src1_size) = (middle.addr(), there.output_size.min(len as u32));
    (descriptor.dst_addr, descriptor.max_dst_size) = (target.addr(), len as u32);
    let here = trial.submit("a decompression", descriptor)?;
    drop((source, middle, target, codes));
    if here.crc != there.crc {
        return Err(format!("the checksums differ: {:#010x} there, {:#010x} back", there.crc, here.crc));
    }
    if page == back { Ok(()) } else { Err("the page came back changed".into()) }
}

struct Trial<'a> {
    queue: &'a Arc<dyn Queue>,
    slots: Slots,
}

impl Trial<'_> {
    fn submit(&self, what: &str, mut descriptor: Descriptor) -> Result<Completion, String> {
        debug_assert_eq!(size_of::<Completion>(), SIZE);
        let slot = self.slots.take().ok_or("the queue has no entries")?;
        descriptor.completion_addr = self.slots.addr(slot);
        descriptor.flags_opcode |= flag::CRAV | flag::RCR;
        let until = Instant::now() + PATIENCE;
        match self.queue.info().mode {
            Mode::Dedicated => self.queue.store(&descriptor),
            Mode::Shared => {
                while !self.queue.enqueue(&descriptor) {
                    if Instant::now() > until {
                        return Err(format!("{what} was not accepted within 2 s"));
                    }
                }
            }
        }
        loop {
            if let Some(record) = self.slots.look(slot) {
                self.slots.give(slot);
                return match record.status & status::MASK {
                    status::SUCCESS => Ok(record),
                    other => Err(format!("{what} ended with status {other:#04x}, error {}", record.error_code)),
                };
            }
            if !self.queue.help() && Instant::now() > until {
                self.queue.forsake();
                self.slots.leave(slot);
                return Err(format!("{what} did not complete within 2 s"));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::model::{Capabilities, Device, Injection, QueueConfig};
    use super::*;
    use crate::idxd::model::Harm;

    #[test]
    fn a_device_that_works_passes_and_one_that_lies_or_fails_is_told() {
        let device = Device::new(Capabilities::default()).unwrap();
        device.enable().unwrap();
        let queue = device.enable_queue(0, QueueConfig::default()).unwrap();
        assert_eq!(run(&queue), Ok(()));
        device.inject(Injection { harm: Harm::Fail(0x20), chance: 1.0, count: 1 }).unwrap();
        assert!(run(&queue).unwrap_err().contains("NOOP ended with status 0x20"));
        assert_eq!(run(&queue), Ok(()));
    }
}
