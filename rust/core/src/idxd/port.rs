//! What a driver holds of a work queue: the hardware's or a model's.

use super::space::Mapping;
use super::wire::Descriptor;
use std::os::fd::RawFd;

/// Whether a queue has one owner, who counts, or many, who may be told to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Dedicated,
    Shared,
}

/// What a device can do, as its capability registers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Makes Huffman tables of the data itself, in one pass.
    pub header_gen: bool,
    /// Bytes of a decompression's state: 1088 or, in the second format, 1248.
    pub state_len: u32,
    /// Most bytes of one transfer.
    pub max_transfer: u64,
}

/// An enabled work queue, as it was configured.
#[derive(Debug, Clone)]
pub struct QueueInfo {
    /// `iax1`.
    pub device: String,
    /// The number in it.
    pub device_id: u32,
    /// `wq1.0`.
    pub queue: String,
    pub queue_id: u32,
    /// What its owner called it.
    pub name: String,
    pub mode: Mode,
    /// Entries: a driver has no more under way, on a dedicated queue.
    pub size: usize,
    /// NUMA node of the device; less than 0 if it is not known.
    pub node: i32,
    pub pasid: u32,
    pub abilities: Abilities,
}

/// Memory that a device may reach, unmapped when dropped. Whoever maps keeps the memory in place until then.
pub enum Mapped {
    /// Addresses are the process's own: shared virtual memory.
    Shared(u64),
    /// Through a model's IOMMU.
    Through(Mapping),
}

impl Mapped {
    /// As descriptors have it.
    pub fn addr(&self) -> u64 {
        match self {
            Self::Shared(addr) => *addr,
            Self::Through(mapping) => mapping.addr(),
        }
    }
}

/// See the head of this file. Shareable between threads.
pub trait Queue: Send + Sync {
    fn info(&self) -> &QueueInfo;

    /// Into a dedicated queue's portal: posted. Nobody answers, and what is beyond the queue's size is lost.
    fn store(&self, descriptor: &Descriptor);

    /// Into a shared queue's portal. False: there was no room, to be tried again.
    fn enqueue(&self, descriptor: &Descriptor) -> bool;

    /// Lets the device reach memory; none if no more can be mapped.
    ///
    /// # Safety
    /// The memory must stay valid until the result is dropped. If writable, nobody else may touch it while a descriptor
    /// that names it is under way; if not, nobody may write it.
    #[allow(unsafe_code)]
    unsafe fn map(&self, start: *mut u8, len: usize, writable: bool) -> Option<Mapped>;

    /// Lends this thread to a model for a descriptor that is due. False if there was nothing to do, as with hardware.
    fn help(&self) -> bool {
        false
    }

    /// Sees to it that a descriptor nobody waits for any more does no harm. A model needs nothing: it reaches only what is
    /// mapped. Hardware that shares the process's memory has to be told to stop, and this waits until it has.
    fn forsake(&self) {}

    /// Rings (an eventfd) when a descriptor that asked for an interrupt completes.
    fn interrupt(&self) -> Option<RawFd> {
        None
    }

    /// What stands in a descriptor that wants an interrupt.
    fn interrupt_handle(&self) -> u16 {
        0
    }

    /// How often its device has halted and forgotten, or put off, what it had, and how often it came back. Whoever sent
    /// something before the number changed asks again, wherever; before [`is_alive`](Self::is_alive) is looked at, it may
    /// live again.
    fn deaths(&self) -> u64 {
        0
    }

    /// Whether its device still answers: a halted one does not.
    fn is_alive(&self) -> bool;
}
