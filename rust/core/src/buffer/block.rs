//! The pool's own memory: initialised always, and whole pages from [`PAGED`] bytes on.
//!
//! Large blocks are mapped, not allocated: they begin on a page, which direct I/O wants; they cost nothing until they
//! are touched, which an aligned and zeroed allocation would; and they leave the process at once when they are freed.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// From so many bytes on a block is whole pages; below, alignment would waste up to half of the memory.
pub const PAGED: usize = 128 << 10;

/// Memory of our own.
pub(super) struct Block {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a block owns its memory, as a vector does; nothing in it depends on the thread.
unsafe impl Send for Block {}
// SAFETY: `&Block` only reads.
unsafe impl Sync for Block {}

impl Block {
    /// Zeroed memory, or none: a size may come from a caller or an input, and must not abort the process.
    pub fn zeroed(len: usize) -> Self {
        let start = match len {
            0 => None,
            _ if len >= PAGED => map(len),
            // SAFETY: the layout is not of size zero.
            _ => layout(len).and_then(|layout| NonNull::new(unsafe { alloc_zeroed(layout) })),
        };
        start.map_or(Self { start: NonNull::dangling(), len: 0 }, |start| Self { start, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `start..start + len` is ours and initialised; nothing writes to it while `self` is shared.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

fn layout(len: usize) -> Option<Layout> {
    Layout::array::<u8>(len).ok()
}

fn map(len: usize) -> Option<NonNull<u8>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private mapping at an address of the kernel's choice; it touches nothing that exists.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, kind, -1, 0) };
    if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.len >= PAGED {
            // SAFETY: mapped by `map` with this length, and nobody refers to it any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        } else if let Some(layout) = layout(self.len).filter(|layout| layout.size() > 0) {
            // SAFETY: allocated in `zeroed` with this very layout, and nobody refers to it any more.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_begin_on_a_page_and_all_are_zero() {
        for len in [0, 1, 4096, PAGED - 1, PAGED, PAGED + 1, 3 << 20] {
            let mut block = Block::zeroed(len);
            assert_eq!(block.len(), len);
            assert!(block.as_slice().iter().all(|&byte| byte == 0));
            block.as_mut_slice().fill(7);
            assert!(len < PAGED || (block.as_slice().as_ptr() as usize).is_multiple_of(4096));
        }
    }

    #[test]
    fn what_the_system_has_not_is_no_memory() {
        assert_eq!(Block::zeroed(usize::MAX).len(), 0);
        assert_eq!(Block::zeroed(1 << 60).len(), 0);
    }
}
