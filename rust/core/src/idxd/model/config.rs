//! What a device is, and how its queues are configured.

use crate::idxd::port::{Abilities, Mode};
use crate::status::{Outcome, Status};

/// What a device is made with, as its capability registers tell.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// `iax1`.
    pub name: String,
    pub id: u32,
    /// NUMA node; less than 0 if none.
    pub node: i32,
    pub engines: usize,
    pub groups: usize,
    pub work_queues: usize,
    /// Entries of all its queues together.
    pub max_work_queues_size: usize,
    /// Most bytes of one transfer.
    pub max_transfer: u64,
    pub configurable: bool,
    /// Address spaces: shared queues need them.
    pub pasid_enabled: bool,
    /// Makes Huffman tables by itself.
    pub header_gen: bool,
    /// Bytes of a decompression's state: 1088 or 1248.
    pub state_len: u32,
    /// Waits for pages that are not there, if descriptor and queue say so.
    pub block_on_fault: bool,
    /// Mappings of memory at once.
    pub max_mappings: usize,
    /// Threads that run it; with none only those who lend theirs.
    pub threads: usize,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            name: "iax1".into(),
            id: 1,
            node: 0,
            engines: 8,
            groups: 4,
            work_queues: 8,
            max_work_queues_size: 128,
            max_transfer: 1 << 31,
            configurable: true,
            pasid_enabled: true,
            header_gen: true,
            state_len: 1248,
            block_on_fault: true,
            max_mappings: 1 << 16,
            threads: 1,
        }
    }
}

/// Engines, groups and queues of a device at most; more entries than any device has.
const MAX_PARTS: usize = 64;
const MAX_ENTRIES: usize = 1 << 16;

impl Capabilities {
    pub(super) fn check(&self) -> Outcome<()> {
        for (what, value) in [("engines", self.engines), ("groups", self.groups), ("work_queues", self.work_queues)] {
            within(what, value, 1, MAX_PARTS)?;
        }
        within("max_work_queues_size", self.max_work_queues_size, 1, MAX_ENTRIES)?;
        within("threads", self.threads, 0, MAX_PARTS)?;
        if self.state_len != 1088 && self.state_len != 1248 {
            return Err(Status::usage(format!("state_len is {}; it must be 1088 or 1248", self.state_len)));
        }
        Ok(())
    }

    pub(super) fn abilities(&self, max_transfer: u64) -> Abilities {
        Abilities { header_gen: self.header_gen, state_len: self.state_len, max_transfer }
    }
}

pub(super) fn within(what: &str, value: usize, least: usize, most: usize) -> Outcome<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Status::usage(format!("{what} is {value}; it must be from {least} to {most}")))
}

/// How a queue is enabled.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    pub mode: Mode,
    /// Entries.
    pub size: usize,
    pub group: usize,
    /// Its share of service: 1 to 15.
    pub priority: u32,
    /// Entries at which a shared queue says "retry"; 0 for its size.
    pub threshold: usize,
    /// Whether descriptors may ask to wait for pages.
    pub block_on_fault: bool,
    /// What its owner calls it.
    pub name: String,
    /// Most bytes of one transfer; 0 for the device's own limit.
    pub max_transfer: u64,
    pub pasid: u32,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Dedicated,
            size: 16,
            group: 0,
            priority: 10,
            threshold: 0,
            block_on_fault: false,
            name: "iaa_crypto".into(),
            max_transfer: 0,
            pasid: 0,
        }
    }
}

impl QueueConfig {
    /// Refuses what a device that has so many entries left could not be configured with.
    pub(super) fn check(&self, device: &Capabilities, left: usize) -> Outcome<()> {
        within("size", self.size, 1, left)?;
        within("group", self.group, 0, device.groups - 1)?;
        within("priority", self.priority as usize, 0, super::arbiter::MAX_PRIORITY as usize)?;
        if self.mode == Mode::Shared && !device.pasid_enabled {
            return Err(Status::usage(
                "a shared queue needs address spaces (PASID), which this device has not enabled",
            ));
        }
        if self.mode == Mode::Dedicated && self.threshold != 0 {
            return Err(Status::usage(format!("threshold is {}; a dedicated queue has none", self.threshold)));
        }
        within("threshold", self.threshold, 0, self.size)?;
        if self.max_transfer > device.max_transfer {
            let (asked, most) = (self.max_transfer, device.max_transfer);
            return Err(Status::usage(format!("max_transfer is {asked}; it must be from 0 to {most}")));
        }
        Ok(())
    }

    /// Entries that may be taken up.
    pub(super) fn limit(&self) -> usize {
        if self.mode == Mode::Shared && self.threshold > 0 { self.threshold } else { self.size }
    }
}
