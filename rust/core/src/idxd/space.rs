//! The memory that a model of a device may reach: what an IOMMU does for a real one.
//!
//! A descriptor carries bare addresses, and whoever wrote it may be wrong or hostile. So none is ever used as a pointer:
//! a driver maps memory first, gets a device address for it, and an access to anything else is a [`Fault`]. A device
//! address holds the number of its mapping and a generation, so that one that is used after unmapping faults, too, whatever
//! lies there by then. Unmapping waits until nobody is inside, as an IOMMU's invalidation does: memory that was unmapped
//! is never touched again.
//!
//! Mapping and unmapping happen per request. Hence one compare-and-swap each, and no lock. Rejected: a sorted map of
//! ranges (a lock and a search per access), and trusting addresses that `process_vm_readv` can read (a system call each,
//! and a hostile descriptor still reads the whole process).

#![allow(unsafe_code)]

use super::wire::Completion;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Why an access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is mapped there, or no longer, or less than was asked for.
    NotMapped,
    /// It is mapped and not present now: a page fault, which may be resolved.
    NotPresent,
    /// It may only be read.
    ReadOnly,
}

/// An access that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub addr: u64,
    pub is_write: bool,
    pub kind: FaultKind,
}

/// What a device may reach.
pub trait Space: Send + Sync {
    /// Memory to read. No access has failed as long as it is held.
    fn read(&self, addr: u64, len: usize) -> Result<Pinned<'_>, Fault>;

    /// Memory to write. Whoever maps memory writable promises that nobody else writes it meanwhile.
    fn write(&self, addr: u64, len: usize) -> Result<Pinned<'_>, Fault>;

    /// Writes a completion record, its status last.
    fn complete(&self, addr: u64, record: &Completion) -> Result<(), Fault> {
        self.write(addr, size_of::<Completion>()).map(|place| place.store_record(record))
    }
}

/// Memory that stays mapped while this lives.
pub struct Pinned<'a> {
    start: *mut u8,
    len: usize,
    slot: Option<&'a Slot>,
    _life: PhantomData<&'a mut [u8]>,
}

impl<'a> Pinned<'a> {
    /// Of a slice, for those who have no IOMMU.
    pub fn of(bytes: &'a mut [u8]) -> Self {
        Self { start: bytes.as_mut_ptr(), len: bytes.len(), slot: None, _life: PhantomData }
    }

    /// Where it lies, to see what overlaps: two device addresses may be of one memory.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len
    }

    pub fn overlaps(&self, other: &Pinned<'_>) -> bool {
        let (one, two) = (self.range(), other.range());
        !one.is_empty() && !two.is_empty() && one.start < two.end && two.start < one.end
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped while `self` lives; whoever mapped it keeps it valid, and leaves it alone, until unmapped.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// To be called on what [`Space::write`] gave, and if nothing else that is pinned overlaps.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; mapped writable, which promises exclusive use, and callers look for overlaps first.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Copies inside of one memory or from one to another, overlapping or not.
    pub fn copy_from(&mut self, source: &Pinned<'_>) {
        let len = self.len.min(source.len);
        // SAFETY: both are mapped for `len` bytes; `copy` allows for overlaps.
        unsafe { std::ptr::copy(source.start, self.start, len) }
    }

    /// Writes a completion record, its status last, so that who sees the status sees all of it.
    fn store_record(&self, record: &Completion) {
        if self.len < size_of::<Completion>() {
            return;
        }
        let bytes = record.to_bytes();
        // SAFETY: 64 bytes are mapped writable. All but the first byte are written before it, and it is written at once;
        // the driver reads nothing else until it has seen it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().add(1), self.start.add(1), bytes.len() - 1);
            fence(Ordering::Release);
            AtomicU8::from_ptr(self.start).store(record.status, Ordering::Release);
        }
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.state.fetch_sub(PIN, Ordering::Release);
        }
    }
}

/// Bits of a slot's state: pins in the low half, then these, and the generation in the highest 16.
const PIN: u64 = 1;
const PINS: u64 = 0xffff_ffff;
const MAPPED: u64 = 1 << 32;
const WRITABLE: u64 = 1 << 33;
const PRESENT: u64 = 1 << 34;
const GENERATION_SHIFT: u32 = 48;

/// Of a device address: 31 bits of offset, 16 of slot, 16 of generation, the highest bit set: never a pointer's.
const OFFSET_BITS: u32 = 31;
const SLOT_BITS: u32 = 16;
const TOP: u64 = 1 << 63;
/// The in-page offset is kept, so that what is aligned here is aligned there.
const PAGE: usize = 4096;
const NO_SLOT: u32 = u32::MAX;

#[repr(align(64))]
struct Slot {
    state: AtomicU64,
    start: AtomicPtr<u8>,
    len: AtomicUsize,
    next: AtomicU32,
}

impl Slot {
    /// Holds the mapping in place if it is that generation's and allows that access.
    fn pin(&self, generation: u64, is_write: bool) -> Result<(), FaultKind> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if state & MAPPED == 0 || state >> GENERATION_SHIFT != generation {
                return Err(FaultKind::NotMapped);
            }
            if is_write && state & WRITABLE == 0 {
                return Err(FaultKind::ReadOnly);
            }
            if state & PRESENT == 0 {
                return Err(FaultKind::NotPresent);
            }
            match self.state.compare_exchange_weak(state, state + PIN, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(seen) => state = seen,
            }
        }
    }
}

/// Why nothing more can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub len: usize,
    pub max_mappings: usize,
    pub max_len: usize,
}

/// See the head of this file. Shareable between threads.
pub struct Iommu {
    slots: Box<[Slot]>,
    /// Top of the list of free slots, with a count against ABA in the high half.
    free: AtomicU64,
}

impl Iommu {
    /// Most bytes of one mapping.
    pub const MAX_LEN: usize = (1 << OFFSET_BITS) - PAGE;

    /// Room for so many mappings at once, 65 536 at most.
    pub fn new(max_mappings: usize) -> Arc<Self> {
        let num = max_mappings.clamp(1, 1 << SLOT_BITS);
        let slot = |index: usize| Slot {
            state: AtomicU64::new(0),
            start: AtomicPtr::default(),
            len: AtomicUsize::new(0),
            next: AtomicU32::new(if index + 1 < num { index as u32 + 1 } else { NO_SLOT }),
        };
        Arc::new(Self { slots: (0..num).map(slot).collect(), free: AtomicU64::new(0) })
    }

    /// Lets the device reach this memory until the guard is dropped.
    ///
    /// # Safety
    /// `start..start + len` must stay valid until then, and if it is writable nobody else may touch it while a descriptor
    /// that names it is under way; if not, nobody may write it.
    pub unsafe fn map(self: &Arc<Self>, start: *mut u8, len: usize, writable: bool) -> Result<Mapping, Full> {
        let full = Full { len, max_mappings: self.slots.len(), max_len: Self::MAX_LEN };
        if len > Self::MAX_LEN {
            return Err(full);
        }
        let index = self.take_slot().ok_or(full)?;
        let Some(slot) = self.slots.get(index as usize) else { return Err(full) };
        slot.start.store(start, Ordering::Relaxed);
        slot.len.store(len, Ordering::Relaxed);
        let generation = slot.state.load(Ordering::Relaxed) >> GENERATION_SHIFT;
        let access = if writable { MAPPED | WRITABLE | PRESENT } else { MAPPED | PRESENT };
        slot.state.store(generation << GENERATION_SHIFT | access, Ordering::Release);
        let place = (start as usize & (PAGE - 1)) as u64;
        let addr = TOP | generation << (OFFSET_BITS + SLOT_BITS) | u64::from(index) << OFFSET_BITS | place;
        Ok(Mapping { iommu: Arc::clone(self), addr })
    }

    /// Makes a mapping fault, or no longer.
    pub fn set_present(&self, addr: u64, present: bool) {
        if let Some((slot, generation, _)) = self.slot(addr) {
            let _ = slot.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                let is_that = state & MAPPED != 0 && state >> GENERATION_SHIFT == generation;
                is_that.then_some(if present { state | PRESENT } else { state & !PRESENT })
            });
        }
    }

    /// Mappings there are.
    pub fn num_mapped(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state.load(Ordering::Relaxed) & MAPPED != 0).count()
    }

    fn take_slot(&self) -> Option<u32> {
        let mut free = self.free.load(Ordering::Acquire);
        loop {
            let slot = self.slots.get(free as u32 as usize)?;
            let next = u64::from(slot.next.load(Ordering::Relaxed));
            let new = (free >> 32).wrapping_add(1) << 32 | next;
            match self.free.compare_exchange_weak(free, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(free as u32),
                Err(seen) => free = seen,
            }
        }
    }

    fn give_slot(&self, index: u32, slot: &Slot) {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            slot.next.store(free as u32, Ordering::Relaxed);
            let new = (free >> 32).wrapping_add(1) << 32 | u64::from(index);
            match self.free.compare_exchange_weak(free, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => free = seen,
            }
        }
    }

    /// The slot, generation and offset that an address speaks of.
    fn slot(&self, addr: u64) -> Option<(&Slot, u64, usize)> {
        let index = (addr >> OFFSET_BITS) as usize & ((1 << SLOT_BITS) - 1);
        let generation = addr >> (OFFSET_BITS + SLOT_BITS) & 0xffff;
        let offset = addr as usize & ((1 << OFFSET_BITS) - 1);
        (addr & TOP != 0).then_some(())?;
        self.slots.get(index).map(|slot| (slot, generation, offset))
    }

    fn access(&self, addr: u64, len: usize, is_write: bool) -> Result<Pinned<'_>, Fault> {
        let fault = |kind| Fault { addr, is_write, kind };
        let (slot, generation, offset) = self.slot(addr).ok_or(fault(FaultKind::NotMapped))?;
        slot.pin(generation, is_write).map_err(fault)?;
        let start = slot.start.load(Ordering::Relaxed);
        let mut pinned = Pinned { start, len: 0, slot: Some(slot), _life: PhantomData };
        let place = offset.checked_sub(start as usize & (PAGE - 1));
        let within =
            place.filter(|place| place.checked_add(len).is_some_and(|end| end <= slot.len.load(Ordering::Relaxed)));
        let place = within.ok_or(fault(FaultKind::NotMapped))?;
        // Of an empty mapping the pointer may be null; nothing is read from it then.
        pinned.start = if start.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { start.wrapping_add(place) };
        pinned.len = len;
        Ok(pinned)
    }
}

impl Space for Iommu {
    fn read(&self, addr: u64, len: usize) -> Result<Pinned<'_>, Fault> {
        self.access(addr, len, false)
    }

    fn write(&self, addr: u64, len: usize) -> Result<Pinned<'_>, Fault> {
        self.access(addr, len, true)
    }
}

/// Memory that the device may reach; unmapped when dropped, which waits for accesses that are under way.
pub struct Mapping {
    iommu: Arc<Iommu>,
    addr: u64,
}

impl Mapping {
    /// As the device knows it.
    pub fn addr(&self) -> u64 {
        self.addr
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let Some((slot, generation, _)) = self.iommu.slot(self.addr) else { return };
        let mut state = slot.state.fetch_and(!MAPPED, Ordering::AcqRel);
        let mut turns = 0u32;
        while state & PINS != 0 {
            turns += 1;
            if turns < 100 {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
            state = slot.state.load(Ordering::Acquire);
        }
        slot.state.store(((generation + 1) & 0xffff) << GENERATION_SHIFT, Ordering::Release);
        let index = (self.addr >> OFFSET_BITS) as u32 & ((1 << SLOT_BITS) - 1);
        self.iommu.give_slot(index, slot);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn map(iommu: &Arc<Iommu>, bytes: &mut [u8], writable: bool) -> Mapping {
        // SAFETY: tests keep the bytes in place, and alone, while mapped.
        unsafe { iommu.map(bytes.as_mut_ptr(), bytes.len(), writable) }.unwrap()
    }

    fn kind(outcome: Result<Pinned<'_>, Fault>) -> FaultKind {
        outcome.err().unwrap().kind
    }

    #[test]
    fn only_what_is_mapped_can_be_reached_and_only_as_it_was_mapped() {
        let iommu = Iommu::new(4);
        let mut bytes = *b"abcdefgh";
        let mapping = map(&iommu, &mut bytes, false);
        let addr = mapping.addr();
        assert_eq!(iommu.read(addr + 2, 3).unwrap().bytes(), b"cde");
        assert_eq!(iommu.read(addr + 8, 0).unwrap().bytes(), b"");
        assert_eq!(kind(iommu.read(addr, 9)), FaultKind::NotMapped);
        assert_eq!(kind(iommu.read(addr - 1, 1)), FaultKind::NotMapped);
        assert_eq!(kind(iommu.read(addr, usize::MAX)), FaultKind::NotMapped);
        assert_eq!(kind(iommu.write(addr, 1)), FaultKind::ReadOnly);
        for wild in [0, 1, u64::MAX, bytes.as_ptr() as u64, addr ^ 1 << 40, addr ^ 1 << 50] {
            assert_eq!(kind(iommu.read(wild, 1)), FaultKind::NotMapped);
        }
    }

    #[test]
    fn an_address_dies_with_its_mapping_though_the_memory_is_mapped_again() {
        let iommu = Iommu::new(1);
        let mut bytes = [0; 64];
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let mapping = map(&iommu, &mut bytes, true);
            let addr = mapping.addr();
            assert!(seen.insert(addr));
            assert!(iommu.write(addr, 64).is_ok());
            drop(mapping);
            assert_eq!(kind(iommu.read(addr, 1)), FaultKind::NotMapped);
        }
        assert_eq!(iommu.num_mapped(), 0);
    }

    #[test]
    fn alignment_is_kept() {
        let iommu = Iommu::new(8);
        let mut bytes = [0u8; 256];
        for skip in 0..64 {
            let part = &mut bytes[skip..];
            let start = part.as_ptr() as u64;
            assert_eq!(map(&iommu, part, true).addr() % 4096, start % 4096);
        }
    }

    #[test]
    fn there_is_room_for_so_many_and_it_comes_back() {
        let iommu = Iommu::new(3);
        let mut bytes = [0; 8];
        let held: Vec<_> = (0..3).map(|_| map(&iommu, &mut bytes, false)).collect();
        // SAFETY: nothing is mapped.
        assert!(unsafe { iommu.map(bytes.as_mut_ptr(), 8, false) }.is_err());
        drop(held);
        let again: Vec<_> = (0..3).map(|_| map(&iommu, &mut bytes, false)).collect();
        assert_eq!((again.len(), iommu.num_mapped()), (3, 3));
    }

    #[test]
    fn a_page_that_is_not_there_faults_until_it_is() {
        let iommu = Iommu::new(2);
        let mut bytes = [0; 8];
        let mapping = map(&iommu, &mut bytes, true);
        iommu.set_present(mapping.addr(), false);
        let fault = iommu.write(mapping.addr() + 1, 1).err().unwrap();
        assert_eq!(fault, Fault { addr: mapping.addr() + 1, is_write: true, kind: FaultKind::NotPresent });
        iommu.set_present(mapping.addr(), true);
        assert!(iommu.write(mapping.addr(), 8).is_ok());
    }

    #[test]
    fn unmapping_waits_for_whoever_is_inside() {
        let iommu = Iommu::new(2);
        let mut bytes = vec![7u8; 64];
        let mapping = map(&iommu, &mut bytes, true);
        let gone = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let inside = iommu.read(mapping.addr(), 64).unwrap();
            let unmapping = scope.spawn(|| {
                drop(mapping);
                gone.store(true, Ordering::SeqCst);
            });
            for _ in 0..1000 {
                std::thread::yield_now();
            }
            assert!(!gone.load(Ordering::SeqCst));
            assert_eq!(inside.bytes(), [7; 64]);
            drop(inside);
            unmapping.join().unwrap();
        });
        assert!(gone.load(Ordering::SeqCst));
    }

    #[test]
    fn threads_map_and_unmap_at_once() {
        let iommu = Iommu::new(16);
        std::thread::scope(|scope| {
            for seed in 0..4u8 {
                let iommu = &iommu;
                scope.spawn(move || {
                    let mut bytes = [seed; 32];
                    for _ in 0..20_000 {
                        let mapping = map(iommu, &mut bytes, true);
                        let pinned = iommu.write(mapping.addr(), 32).unwrap();
                        assert_eq!(pinned.bytes(), [seed; 32]);
                    }
                });
            }
        });
        assert_eq!(iommu.num_mapped(), 0);
    }

    #[test]
    fn a_record_is_written_whole() {
        let iommu = Iommu::new(1);
        let mut place = [0; 64];
        let mapping = map(&iommu, &mut place, true);
        let record = Completion { status: 1, output_size: 5, crc: 9, ..Completion::default() };
        iommu.complete(mapping.addr(), &record).unwrap();
        drop(mapping);
        assert_eq!(Completion::from_bytes(&place), record);
    }
}
