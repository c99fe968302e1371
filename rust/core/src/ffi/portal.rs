//! A work queue's portal: pages of memory that take 64 bytes at a time.
//!
//! The writer uses MOVDIR64B where the CPU has it, as drivers do. Elsewhere the first word is written last, so that who
//! sees it sees all of them; nobody looks at the others before. An empty slot's first word is all ones: no descriptor's,
//! since some of those bits are reserved.

use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The words of a slot.
pub type Words = [u64; 8];

/// The first word of a slot that nothing was stored in.
const EMPTY: u64 = u64::MAX;
const PAGE: usize = 4096;
const SLOT: usize = size_of::<Words>();
/// Far more than any queue has.
const MAX_SLOTS: usize = 1 << 20;

/// See the head of this file. Shareable between threads: each slot has one writer and one reader at a time, who agree by
/// other means on whose turn it is. Should they not, words are mixed up, and nothing worse.
pub struct Portal {
    start: NonNull<u8>,
    /// A power of two.
    slots: usize,
    has_direct_store: bool,
}

// SAFETY: the memory belongs to the value until it is dropped; what it holds is only reached through atomics, or by one
// instruction that writes a slot at once.
unsafe impl Send for Portal {}
// SAFETY: as above.
unsafe impl Sync for Portal {}

impl Portal {
    /// Whole pages for at least so many slots, a power of two, all empty.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(slots: usize) -> io::Result<Self> {
        Self::with(slots, has_direct_store())
    }

    /// The same, that is written by ordinary stores.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn plain(slots: usize) -> io::Result<Self> {
        Self::with(slots, false)
    }

    /// The same, that is written by MOVDIR64B.
    ///
    /// # Errors
    /// If there is no memory, or the CPU does not have that.
    pub fn direct(slots: usize) -> io::Result<Self> {
        if has_direct_store() { Self::with(slots, true) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    fn with(slots: usize, has_direct_store: bool) -> io::Result<Self> {
        let slots = slots.clamp(PAGE / SLOT, MAX_SLOTS).next_power_of_two();
        let len = slots * SLOT;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: asks for fresh memory; no pointer of ours is passed.
        let start = unsafe { libc::mmap(null_mut(), len, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        let portal = Self { start, slots, has_direct_store };
        (0..slots).for_each(|slot| portal.word(slot, 0).store(EMPTY, Ordering::Relaxed));
        Ok(portal)
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Of a slot; beyond the last one it begins anew.
    fn word(&self, slot: usize, word: usize) -> &AtomicU64 {
        let at = (slot & (self.slots - 1)) * SLOT + (word & 7) * 8;
        // SAFETY: `at` lies inside the pages, which live as long as `self`, and is a multiple of eight. All who share
        // the words use them as atomics, or write all of them by one instruction.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// Stores a descriptor. One whose first word says "empty" is stored with another bit of its address space.
    pub fn store(&self, slot: usize, mut words: Words) {
        if words[0] == EMPTY {
            words[0] &= !1; // the device knows whose portal it is, and takes no notice
        }
        #[cfg(target_arch = "x86_64")]
        if self.has_direct_store {
            // SAFETY: the CPU has the instruction, and a slot is 64 bytes of our own pages.
            return unsafe { store_direct(self.word(slot, 0).as_ptr().cast(), &words) };
        }
        for (index, word) in words.iter().enumerate().skip(1) {
            self.word(slot, index).store(*word, Ordering::Relaxed);
        }
        self.word(slot, 0).store(words[0], Ordering::Release);
    }

    /// The first word of what was stored in a slot.
    pub fn peek(&self, slot: usize) -> Option<u64> {
        let first = self.word(slot, 0).load(Ordering::Acquire);
        (first != EMPTY).then_some(first)
    }

    /// Takes what was stored in a slot, which is empty then.
    pub fn take(&self, slot: usize) -> Option<Words> {
        let mut words = [self.peek(slot)?; 8];
        for (index, word) in words.iter_mut().enumerate().skip(1) {
            *word = self.word(slot, index).load(Ordering::Relaxed);
        }
        self.word(slot, 0).store(EMPTY, Ordering::Relaxed);
        Some(words)
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody has a reference to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.slots * SLOT) };
    }
}

/// Stores 64 bytes at once, behind everything that was written before: the store may overtake other stores, and the device
/// must find the record that was prepared for it.
///
/// # Safety
/// The CPU has MOVDIR64B ([`has_direct_store`]), and `to` is 64 bytes, aligned to 64, that may be written.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn store_direct(to: *mut u8, words: &Words) {
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!("sfence", "movdir64b {to}, [{from}]", to = in(reg) to, from = in(reg) words.as_ptr(),
            options(nostack, preserves_flags));
    }
}

/// Whether the CPU has MOVDIR64B.
pub fn has_direct_store() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    let ask = || {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx >> 28 & 1 == 1
    };
    #[cfg(not(target_arch = "x86_64"))]
    let ask = || false;
    *HAS.get_or_init(ask)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_taken_once() {
        let portal = Portal::new(65).unwrap();
        assert_eq!(portal.slots(), 128);
        portal.store(64, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((portal.peek(0), portal.peek(64)), (None, Some(1)));
        assert_eq!(portal.take(64), Some([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(portal.take(64), None);
    }

    #[test]
    fn a_descriptor_of_ones_is_seen_all_the_same() {
        let portal = Portal::new(1).unwrap();
        portal.store(0, [EMPTY; 8]);
        assert_eq!(portal.take(0).map(|words| words[0]), Some(EMPTY - 1));
    }

    #[test]
    fn a_slot_is_never_seen_torn() {
        let portal = Portal::new(1).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..20_000 {
                    while portal.peek(0).is_some() {
                        std::thread::yield_now();
                    }
                    portal.store(0, [turn; 8]);
                }
            });
            for turn in 0..20_000 {
                let words = loop {
                    match portal.take(0) {
                        Some(words) => break words,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(words, [turn; 8]);
            }
        });
    }
}
