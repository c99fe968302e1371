//! Where igzip's deflate state lies, so that the same data always become the same bytes.
//!
//! At levels 1 and 2 the x86-64 code of ISA-L (`igzip_icf_body_h1_gr_bt.asm`, `.write_first_byte`, up to 2.31) enters the
//! third position of a message under a hash of a register that holds the address of the state, not data. All output is
//! right, but for one block in some thousands it depends on that address: on the worker, and on the process. The hash is
//! `crc32c(address >> 16)`, of which at most 16 bits are used; so states that lie where those bits are zero all give the
//! same. There is such a place in one of 65 536 windows of 64 KiB, far above where anything else is mapped.
//!
//! Rejected: a patched copy of the library, which would have to be carried along; other libraries for these levels, which
//! take three times as long. Where the memory cannot be had at such a place, the state lies anywhere.

use isal_sys::igzip_lib::isal_zstream;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Windows of 64 KiB, by number: the first that is tried, and the end of user space.
const FIRST: u32 = 0x2000_0000;
const END: u32 = 0x7000_0000;
/// How many places are tried before the state lies anywhere.
const TRIES: usize = 64;

/// What is searched next; each state takes another place.
static NEXT: AtomicU32 = AtomicU32::new(FIRST);

/// The CRC-32C of one little-endian word, from zero and without inversion, as the instruction `crc32` has it.
fn crc32c(word: u32) -> u32 {
    (0..32).fold(word, |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
}

/// The next window whose number has a hash that ends in 16 zero bits.
fn next_window() -> Option<u32> {
    let found = (NEXT.load(Ordering::Relaxed)..END).find(|number| crc32c(*number).trailing_zeros() >= 16)?;
    NEXT.fetch_max(found + 1, Ordering::Relaxed);
    Some(found)
}

/// A zeroed deflate state.
pub struct State {
    start: NonNull<isal_zstream>,
    /// Mapped by us; else in a box.
    is_mapped: bool,
}

// SAFETY: the state is memory of the process like any other, and this is its only owner.
unsafe impl Send for State {}

impl State {
    /// A state of its own.
    pub fn new() -> Self {
        if let Some(start) = (0..TRIES).find_map(|_| map(next_window()?)) {
            return Self { start, is_mapped: true };
        }
        // SAFETY: `isal_zstream` holds integers, byte arrays and raw pointers only, for which zero is a valid value.
        let state: Box<isal_zstream> = Box::new(unsafe { std::mem::zeroed() });
        Self { start: NonNull::from(Box::leak(state)), is_mapped: false }
    }
}

/// Fresh zeroed memory for a state at a window, if nothing is there.
fn map(window: u32) -> Option<NonNull<isal_zstream>> {
    let wanted = usize::try_from(u64::from(window) << 16).ok()?;
    // SAFETY: with this flag the kernel maps nothing over what is there; an old one that does not know it may choose
    // another place, which is looked at below. Anonymous memory is zeroed.
    let got = unsafe {
        libc::mmap(
            std::ptr::without_provenance_mut(wanted),
            size_of::<isal_zstream>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if got == libc::MAP_FAILED {
        return None;
    }
    if got.addr() != wanted {
        // SAFETY: just mapped, with this length, and nobody else knows of it.
        unsafe { libc::munmap(got, size_of::<isal_zstream>()) };
        return None;
    }
    NonNull::new(got.cast())
}

impl Deref for State {
    type Target = isal_zstream;

    fn deref(&self) -> &isal_zstream {
        // SAFETY: valid, aligned to a page or by the box, initialised (zero is a valid value), and ours until dropped.
        unsafe { self.start.as_ref() }
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut isal_zstream {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { self.start.as_mut() }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.is_mapped {
            // SAFETY: mapped in `map` with this length; nobody holds a reference any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), size_of::<isal_zstream>()) };
        } else {
            // SAFETY: leaked from a box in `new`, and given back once.
            drop(unsafe { Box::from_raw(self.start.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_instruction() {
        // Of the bytes of "1234" in order, from zero and without inversion.
        assert_eq!(crc32c(0), 0);
        let by_bytes = b"1234".iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
        });
        assert_eq!(crc32c(u32::from_le_bytes(*b"1234")), by_bytes);
    }

    #[test]
    fn states_lie_where_their_addresses_hash_alike() {
        let states: Vec<State> = (0..20).map(|_| State::new()).collect();
        for state in &states {
            assert!(state.is_mapped);
            let address = state.start.as_ptr().addr() as u64;
            assert_eq!(address & 0xffff, 0);
            assert_eq!(crc32c((address >> 16) as u32) & 0xffff, 0);
            assert_eq!((state.level, state.avail_in), (0, 0));
        }
    }
}
