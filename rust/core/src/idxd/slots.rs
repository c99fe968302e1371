//! A driver's completion records for one work queue: as many as the queue has entries, so that no more can be under way.
//!
//! That is the only thing that keeps a dedicated queue from losing descriptors: nobody answers a store. A record belongs
//! to whoever took it until it is given back, and it can be given back only when the device has written it, or will never.
//! One that was left behind (its descriptor timed out) stays taken until the device writes it after all.

#![allow(unsafe_code)]

use super::port::{Mapped, Queue};
use super::wire::{Completion, SIZE};
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// One record, written by the device.
#[repr(C, align(64))]
struct Record(UnsafeCell<Completion>);

// SAFETY: the status is only ever reached as an atomic; the rest by the device before it, and by the slot's taker after.
unsafe impl Sync for Record {}
// SAFETY: plain bytes.
unsafe impl Send for Record {}

/// See the head of this file. Shareable between threads.
pub struct Slots {
    /// Before the records, so that it is dropped first.
    _mapped: Mapped,
    base: u64,
    records: Box<[Record]>,
    /// A bit for each record that nobody has, and for each that was left behind.
    free: Box<[AtomicU64]>,
    left: Box<[AtomicU64]>,
}

/// Bits of a word.
const BITS: usize = 64;

impl Slots {
    /// None if the queue can map no more.
    pub fn new(queue: &Arc<dyn Queue>) -> Option<Self> {
        Self::of(queue, queue.info().size.max(1))
    }

    /// The same, as many as are asked for.
    pub fn of(queue: &Arc<dyn Queue>, num: usize) -> Option<Self> {
        let records: Box<[Record]> = (0..num).map(|_| Record(UnsafeCell::new(Completion::default()))).collect();
        // SAFETY: the records stay where they are until `_mapped` has been dropped, and are only reached as told above.
        let mapped = unsafe { queue.map(records.as_ptr() as *mut u8, num * SIZE, true) }?;
        let word = |index: usize| {
            let bits = num.saturating_sub(index * BITS).min(BITS);
            AtomicU64::new(if bits == BITS { u64::MAX } else { (1 << bits) - 1 })
        };
        let words = num.div_ceil(BITS);
        Some(Self {
            base: mapped.addr(),
            _mapped: mapped,
            records,
            free: (0..words).map(word).collect(),
            left: (0..words).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// A record that nobody has, with its status cleared.
    pub fn take(&self) -> Option<usize> {
        self.take_free().or_else(|| {
            self.reclaim();
            self.take_free()
        })
    }

    fn take_free(&self) -> Option<usize> {
        for (index, word) in self.free.iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                match word.compare_exchange_weak(bits, bits & (bits - 1), Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {
                        let slot = index * BITS + bit;
                        self.status(slot)?.store(0, Ordering::Relaxed);
                        return Some(slot);
                    }
                    Err(seen) => bits = seen,
                }
            }
        }
        None
    }

    /// Clears the status of one that the caller has, for the next descriptor.
    pub fn clear(&self, slot: usize) {
        if let Some(status) = self.status(slot) {
            status.store(0, Ordering::Relaxed);
        }
    }

    /// Gives back one that the device has written, or was never told of.
    pub fn give(&self, slot: usize) {
        if let Some(word) = self.free.get(slot / BITS) {
            word.fetch_or(1 << (slot % BITS), Ordering::Release);
        }
    }

    /// Leaves one behind that the device may still write.
    pub fn leave(&self, slot: usize) {
        if let Some(word) = self.left.get(slot / BITS) {
            word.fetch_or(1 << (slot % BITS), Ordering::AcqRel);
        }
    }

    /// Takes back those left behind that have been written after all.
    fn reclaim(&self) {
        for (index, word) in self.left.iter().enumerate() {
            let mut bits = word.load(Ordering::Acquire);
            while bits != 0 {
                let slot = index * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let is_written = self.status(slot).is_some_and(|status| status.load(Ordering::Acquire) != 0);
                let bit = 1 << (slot % BITS);
                if is_written && word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                    self.give(slot);
                }
            }
        }
    }

    /// Takes those that were left behind out of the way of [`take`](Self::take): they are the caller's.
    pub fn take_left(&self) -> Vec<u64> {
        self.left.iter().map(|word| word.swap(0, Ordering::AcqRel)).collect()
    }

    /// Leaves them behind again, or gives them back if the device will never write them.
    pub fn return_left(&self, left: &[u64], is_over: bool) {
        let words = if is_over { &self.free } else { &self.left };
        for (word, bits) in words.iter().zip(left) {
            word.fetch_or(*bits, Ordering::AcqRel);
        }
    }

    /// Those that nobody has.
    pub fn num_free(&self) -> usize {
        self.free.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }

    /// As the device knows it.
    pub fn addr(&self, slot: usize) -> u64 {
        self.base.wrapping_add((slot * SIZE) as u64)
    }

    /// What the device wrote, once it has. To be called by whoever took the slot.
    #[inline]
    pub fn look(&self, slot: usize) -> Option<Completion> {
        let status = self.status(slot)?.load(Ordering::Acquire);
        if status == 0 {
            return None;
        }
        // SAFETY: the device wrote the status last and writes nothing any more; the caller has the slot.
        self.records.get(slot).map(|record| unsafe { *record.0.get() })
    }

    #[inline]
    fn status(&self, slot: usize) -> Option<&AtomicU8> {
        // SAFETY: the first byte of a record is its status, and is never reached otherwise while others may write it.
        self.records.get(slot).map(|record| unsafe { AtomicU8::from_ptr(record.0.get().cast::<u8>()) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::port::{Abilities, Mode, QueueInfo};
    use super::super::space::{Iommu, Space};
    use super::super::wire::Descriptor;
    use super::*;

    /// A queue that nothing comes out of.
    struct Silent {
        info: QueueInfo,
        iommu: Arc<Iommu>,
    }

    impl Queue for Silent {
        fn info(&self) -> &QueueInfo {
            &self.info
        }
        fn store(&self, _: &Descriptor) {}
        fn enqueue(&self, _: &Descriptor) -> bool {
            false
        }
        unsafe fn map(&self, start: *mut u8, len: usize, writable: bool) -> Option<Mapped> {
            // SAFETY: the caller's promise.
            unsafe { self.iommu.map(start, len, writable) }.ok().map(Mapped::Through)
        }
        fn is_alive(&self) -> bool {
            true
        }
    }

    fn slots(size: usize) -> (Slots, Arc<Iommu>) {
        let iommu = Iommu::new(4);
        let abilities = Abilities { header_gen: true, state_len: 1088, max_transfer: 1 << 21 };
        let info = QueueInfo {
            device: "iax1".into(),
            device_id: 1,
            queue: "wq1.0".into(),
            queue_id: 0,
            name: "test".into(),
            mode: Mode::Dedicated,
            size,
            node: 0,
            pasid: 0,
            abilities,
        };
        let queue: Arc<dyn Queue> = Arc::new(Silent { info, iommu: Arc::clone(&iommu) });
        (Slots::new(&queue).unwrap(), iommu)
    }

    #[test]
    fn there_are_as_many_as_the_queue_has_entries() {
        for size in [1, 3, 63, 64, 65, 128, 200] {
            let (slots, _) = slots(size);
            let mut taken: Vec<usize> = std::iter::from_fn(|| slots.take()).collect();
            taken.sort_unstable();
            assert_eq!(taken, (0..size).collect::<Vec<_>>());
            slots.give(size - 1);
            assert_eq!((slots.take(), slots.take()), (Some(size - 1), None));
        }
    }

    #[test]
    fn what_the_device_writes_is_seen_at_its_address() {
        let (slots, iommu) = slots(5);
        let slot = slots.take().unwrap();
        assert!(slots.look(slot).is_none());
        let record = Completion { status: 1, output_size: 77, ..Completion::default() };
        iommu.complete(slots.addr(slot), &record).unwrap();
        assert_eq!(slots.look(slot), Some(record));
        slots.give(slot);
        assert_eq!(slots.take(), Some(slot));
        assert!(slots.look(slot).is_none(), "the status is cleared for the next");
    }

    #[test]
    fn one_left_behind_comes_back_only_when_it_was_written() {
        let (slots, iommu) = slots(1);
        let slot = slots.take().unwrap();
        slots.leave(slot);
        assert_eq!(slots.take(), None);
        iommu.complete(slots.addr(slot), &Completion::of(1)).unwrap();
        assert_eq!((slots.take(), slots.take()), (Some(slot), None));
    }

    #[test]
    fn no_two_threads_have_one() {
        let (slots, _) = slots(7);
        let owners: Vec<std::sync::atomic::AtomicBool> = (0..7).map(|_| false.into()).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if let Some(slot) = slots.take() {
                            assert!(!owners[slot].swap(true, Ordering::SeqCst));
                            owners[slot].store(false, Ordering::SeqCst);
                            slots.give(slot);
                        }
                    }
                });
            }
        });
        assert_eq!(slots.num_free(), 7);
    }
}
