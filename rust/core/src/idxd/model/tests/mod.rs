//! The model by itself. Where time matters it stands still until a test moves it, and the test's own thread is the only
//! one, so that everything happens in one order.

#![allow(unsafe_code, clippy::unwrap_used, clippy::indexing_slicing)]

mod entries;
mod failures;
mod order;
mod storms;
mod telling;

use super::{Capabilities, Device, QueueConfig};
use crate::clock::{Clock, Manual};
use crate::idxd::port::{Mapped, Mode, Queue};
use crate::idxd::wire::{Completion, Descriptor, flag, opcode, status};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Memory that a device may reach: 64-byte records or data.
pub struct Memory {
    // Never borrowed while it is mapped, only copied out of.
    words: *mut [u128],
    start: *mut u8,
    len: usize,
    mapped: Option<Mapped>,
}

// SAFETY: the memory belongs to the value; what lies in it is read after its status was seen.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub fn new(queue: &Arc<dyn Queue>, len: usize, writable: bool) -> Self {
        let words = vec![0u128; len.div_ceil(64) * 4 + 4].into_boxed_slice();
        let words = Box::into_raw(words);
        let start = words.cast::<u8>();
        let start = start.wrapping_add(start.align_offset(64));
        // SAFETY: allocated above, and freed only after it is unmapped.
        let mapped = unsafe { queue.map(start, len, writable) };
        Self { words, start, len, mapped: Some(mapped.unwrap()) }
    }

    pub fn addr(&self) -> u64 {
        self.mapped.as_ref().unwrap().addr()
    }

    pub fn unmap(&mut self) {
        self.mapped = None;
    }

    pub fn fill(&self, byte: u8) {
        // SAFETY: `len` bytes of ours, and no descriptor that names them is under way.
        unsafe { std::ptr::write_bytes(self.start, byte, self.len) };
    }

    pub fn bytes(&self) -> Vec<u8> {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }.to_vec()
    }

    /// The status of a record in it, as a driver polls it.
    pub fn status(&self, index: usize) -> u8 {
        // SAFETY: a byte of ours, which is only used as an atomic while it is polled.
        unsafe { AtomicU8::from_ptr(self.start.add(index * 64)) }.load(Ordering::Acquire)
    }

    pub fn clear(&self, index: usize) {
        // SAFETY: as above.
        unsafe { AtomicU8::from_ptr(self.start.add(index * 64)) }.store(0, Ordering::Release);
    }

    pub fn record(&self, index: usize) -> Completion {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(&self.bytes()[index * 64..index * 64 + 64]);
        Completion::from_bytes(&bytes)
    }

    /// Those records whose status is not 0.
    pub fn done(&self) -> Vec<usize> {
        (0..self.len / 64).filter(|index| self.status(*index) != 0).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.unmap();
        // SAFETY: a box once, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.words) });
    }
}

/// A device with a manual clock and no thread of its own.
pub struct Rig {
    pub device: Device,
    pub clock: Arc<Manual>,
}

impl Rig {
    pub fn new(engines: usize) -> Self {
        let clock = Arc::new(Manual::default());
        clock.spend(1_000); // at 0 nobody would know whether a store was noted
        let capabilities = Capabilities { engines, threads: 0, ..Capabilities::default() };
        let device = Device::with_clock(capabilities, clock.clone()).unwrap();
        device.enable().unwrap();
        Self { device, clock }
    }

    pub fn queue(&self, index: usize, config: QueueConfig) -> (Arc<dyn Queue>, Memory) {
        let queue = self.device.enable_queue(index, config).unwrap();
        let records = Memory::new(&queue, 64 * 64, true);
        (queue, records)
    }

    /// One dedicated queue of 16 entries.
    pub fn plain(&self) -> (Arc<dyn Queue>, Memory) {
        self.queue(0, QueueConfig::default())
    }

    pub fn tune(&self, knob: &str, value: u64) {
        self.device.knobs().set(knob, value as f64).unwrap();
    }

    /// Moves the time on, and has done what is due.
    pub fn advance(&self, queue: &Arc<dyn Queue>, ns: u64) {
        self.clock.spend(ns);
        run(queue);
    }
}

pub fn run(queue: &Arc<dyn Queue>) {
    while queue.help() {}
}

pub fn shared(size: usize, threshold: usize) -> QueueConfig {
    QueueConfig { mode: Mode::Shared, size, threshold, ..QueueConfig::default() }
}

pub fn noop(records: &Memory, index: usize) -> Descriptor {
    told(records, index, Descriptor::new(opcode::NOOP, 0))
}

pub fn told(records: &Memory, index: usize, descriptor: Descriptor) -> Descriptor {
    let completion_addr = records.addr() + index as u64 * 64;
    let flags_opcode = descriptor.flags_opcode | flag::CRAV | flag::RCR;
    Descriptor { completion_addr, flags_opcode, ..descriptor }
}

pub fn copying(from: &Memory, to: &Memory, len: u32) -> Descriptor {
    Descriptor { src1_addr: from.addr(), dst_addr: to.addr(), src1_size: len, ..Descriptor::new(opcode::MEMMOVE, 0) }
}

pub fn flagged(descriptor: Descriptor, flags: u32) -> Descriptor {
    Descriptor { flags_opcode: descriptor.flags_opcode | flags, ..descriptor }
}

pub const SUCCESS: u8 = status::SUCCESS;
