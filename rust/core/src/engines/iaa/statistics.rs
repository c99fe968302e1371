//! What the driver has counted, under the names and in the text of Linux's `iaa_crypto` (debugfs `iaa_crypto/*`).
//!
//! A call is counted when its descriptor has been submitted, bytes when it has ended well: of a compression those that
//! came out, of a decompression those that went in. A request adds to the numbers of its queue only. A device's are the
//! sums of its queues', and the totals those of all devices, those that have gone included: three times fewer additions
//! on the way of a request than three levels of counters would cost.

use crate::alg::Direction;
use crate::sync::lock_std as lock;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Counters of a queue; a request holds them for as long as it may count. Shareable between threads.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Counters {
    comp_calls: AtomicU64,
    comp_bytes: AtomicU64,
    decomp_calls: AtomicU64,
    decomp_bytes: AtomicU64,
}

impl Counters {
    /// A descriptor was submitted.
    pub fn count_submit(&self, direction: Direction) {
        let calls = if direction == Direction::Compress { &self.comp_calls } else { &self.decomp_calls };
        calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A descriptor ended well: `bytes` that came out of a compression, or went into a decompression.
    pub fn count_bytes(&self, direction: Direction, bytes: u64) {
        let sum = if direction == Direction::Compress { &self.comp_bytes } else { &self.decomp_bytes };
        sum.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> Sums {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Sums {
            comp_calls: read(&self.comp_calls),
            comp_bytes: read(&self.comp_bytes),
            decomp_calls: read(&self.decomp_calls),
            decomp_bytes: read(&self.decomp_bytes),
        }
    }

    fn reset(&self) {
        for counter in [&self.comp_calls, &self.comp_bytes, &self.decomp_calls, &self.decomp_bytes] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// The four numbers of a queue, a device or everything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub comp_calls: u64,
    pub comp_bytes: u64,
    pub decomp_calls: u64,
    pub decomp_bytes: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.comp_calls = self.comp_calls.wrapping_add(other.comp_calls);
        self.comp_bytes = self.comp_bytes.wrapping_add(other.comp_bytes);
        self.decomp_calls = self.decomp_calls.wrapping_add(other.decomp_calls);
        self.decomp_bytes = self.decomp_bytes.wrapping_add(other.decomp_bytes);
    }
}

/// A queue that is there, as [`Statistics::devices`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSums {
    pub name: String,
    pub sums: Sums,
}

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSums {
    pub id: u32,
    pub sums: Sums,
    pub queues: Vec<QueueSums>,
}

/// Counters that their owner has let go of while requests still count in them, and what the others came to.
#[derive(Default)]
struct Gone {
    leaving: Vec<Arc<Counters>>,
    sums: Sums,
}

impl Gone {
    fn take(&mut self, counters: Arc<Counters>) {
        self.leaving.push(counters);
        self.settle();
    }

    /// Adds up what nobody counts in any more.
    fn settle(&mut self) {
        for counters in std::mem::take(&mut self.leaving) {
            match Arc::try_unwrap(counters) {
                Ok(counters) => self.sums.add(counters.read()),
                Err(counters) => self.leaving.push(counters),
            }
        }
    }

    fn sums(&self) -> Sums {
        let mut sums = self.sums;
        self.leaving.iter().for_each(|counters| sums.add(counters.read()));
        sums
    }

    fn reset(&mut self) {
        self.sums = Sums::default();
        self.leaving.iter().for_each(|counters| counters.reset());
    }
}

struct Device {
    id: u32,
    queues: Vec<(String, Arc<Counters>)>,
    gone: Gone,
}

impl Device {
    fn sums(&self) -> Sums {
        let mut sums = self.gone.sums();
        self.queues.iter().for_each(|(_, counters)| sums.add(counters.read()));
        sums
    }
}

#[derive(Default)]
struct Registry {
    /// In the order in which they came.
    devices: Vec<Device>,
    gone: Gone,
}

/// A driver's counters. Shareable between threads.
#[derive(Default)]
pub struct Statistics {
    registry: Mutex<Registry>,
    sw_comp_calls: AtomicU64,
    sw_decomp_calls: AtomicU64,
    einval_errors: AtomicU64,
    timeout_errors: AtomicU64,
    comp_buf_overflow_errors: AtomicU64,
}

impl Statistics {
    /// Counters for a queue that came, the last of device `device` (which comes with its first queue).
    pub fn add_queue(&self, device: u32, name: &str) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        let mut registry = lock(&self.registry);
        registry.gone.settle();
        let queue = (name.to_owned(), counters.clone());
        match registry.devices.iter_mut().find(|known| known.id == device) {
            Some(device) => {
                device.gone.settle();
                device.queues.push(queue);
            }
            None => registry.devices.push(Device { id: device, queues: vec![queue], gone: Gone::default() }),
        }
        counters
    }

    /// The queue has gone from the lists, and its device with its last one; what they counted, and what requests that
    /// are still under way will count, stays in the totals.
    pub fn remove_queue(&self, counters: &Arc<Counters>) {
        let mut registry = lock(&self.registry);
        let registry = &mut *registry;
        for device in &mut registry.devices {
            if let Some(at) = device.queues.iter().position(|(_, known)| Arc::ptr_eq(known, counters)) {
                let (_, counters) = device.queues.remove(at);
                device.gone.take(counters);
            }
        }
        registry.devices.retain_mut(|device| {
            if device.queues.is_empty() {
                registry.gone.leaving.append(&mut device.gone.leaving);
                registry.gone.sums.add(device.gone.sums);
            }
            !device.queues.is_empty()
        });
        registry.gone.settle();
    }

    /// Software did what the device cannot, or would not.
    pub fn count_software(&self, direction: Direction) {
        let calls = if direction == Direction::Compress { &self.sw_comp_calls } else { &self.sw_decomp_calls };
        calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A completion said something that is -EINVAL.
    pub fn count_einval(&self) {
        self.einval_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A completion said that the device's watchdog ran out.
    pub fn count_timeout(&self) {
        self.timeout_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A completion said that what was compressed does not fit.
    pub fn count_comp_buf_overflow(&self) {
        self.comp_buf_overflow_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// All counters are 0 again, those of the software and the errors too.
    pub fn reset(&self) {
        let mut registry = lock(&self.registry);
        registry.gone.reset();
        for device in &mut registry.devices {
            device.gone.reset();
            device.queues.iter().for_each(|(_, counters)| counters.reset());
        }
        for counter in [
            &self.sw_comp_calls,
            &self.sw_decomp_calls,
            &self.einval_errors,
            &self.timeout_errors,
            &self.comp_buf_overflow_errors,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// The totals under their names, in the order of the text.
    pub fn totals(&self) -> [(&'static str, u64); 9] {
        let sums = {
            let registry = lock(&self.registry);
            let mut sums = registry.gone.sums();
            registry.devices.iter().for_each(|device| sums.add(device.sums()));
            sums
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("total_comp_calls", sums.comp_calls),
            ("total_decomp_calls", sums.decomp_calls),
            ("total_sw_comp_calls", read(&self.sw_comp_calls)),
            ("total_sw_decomp_calls", read(&self.sw_decomp_calls)),
            ("total_comp_bytes_out", sums.comp_bytes),
            ("total_decomp_bytes_in", sums.decomp_bytes),
            ("total_completion_einval_errors", read(&self.einval_errors)),
            ("total_completion_timeout_errors", read(&self.timeout_errors)),
            ("total_completion_comp_buf_overflow_errors", read(&self.comp_buf_overflow_errors)),
        ]
    }

    /// The devices that are there, with their queues.
    pub fn devices(&self) -> Vec<DeviceSums> {
        let registry = lock(&self.registry);
        let queue =
            |(name, counters): &(String, Arc<Counters>)| QueueSums { name: name.clone(), sums: counters.read() };
        let device = |device: &Device| DeviceSums {
            id: device.id,
            sums: device.sums(),
            queues: device.queues.iter().map(queue).collect(),
        };
        registry.devices.iter().map(device).collect()
    }

    /// The text of the kernel's `global_stats`.
    pub fn global_stats(&self) -> String {
        let mut text = String::from("global stats:\n");
        for (name, value) in self.totals() {
            let _ = writeln!(text, "  {name}: {value}");
        }
        text.push('\n');
        text
    }

    /// The text of the kernel's `wq_stats`.
    pub fn wq_stats(&self) -> String {
        let mut text = String::new();
        let write = |text: &mut String, indent: &str, sums: &Sums| {
            let _ = writeln!(text, "{indent}comp_calls: {}", sums.comp_calls);
            let _ = writeln!(text, "{indent}comp_bytes: {}", sums.comp_bytes);
            let _ = writeln!(text, "{indent}decomp_calls: {}", sums.decomp_calls);
            let _ = writeln!(text, "{indent}decomp_bytes: {}", sums.decomp_bytes);
        };
        for device in self.devices() {
            let _ = writeln!(text, "iaa device:\n  id: {}\n  n_wqs: {}", device.id, device.queues.len());
            write(&mut text, "  ", &device.sums);
            text.push_str("  wqs:\n");
            for queue in &device.queues {
                let _ = writeln!(text, "    name: {}", queue.name);
                write(&mut text, "    ", &queue.sums);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
