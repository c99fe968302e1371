//! Sources borrowed from the caller, outputs from a pool of touched memory, and the pool itself.
//!
//! Why a pool: the first touch of a fresh page costs about 1.4 us and large allocations are mapped anew each time, so a
//! fresh 1 MiB output costs more than encrypting it. Buffers are kept by power-of-two size class, always initialised
//! (zeroed by the system when made: the first use pays the faults, on the thread that writes, and later ones do not), and
//! bounded in bytes. Rejected: uninitialised memory (`MaybeUninit`), which saves nothing here and would make every
//! algorithm unsafe.
//!
//! This is one of the few modules that may say `unsafe`: a [`Source`] or a fixed [`Output`] holds raw memory whose owner
//! promises to keep it in place until the request has settled and the engine has let go.

#![allow(unsafe_code)]

use crate::copies::{self, Place};
use crate::status::{Outcome, Status};
use std::sync::Arc;
use zeroize::Zeroize;

mod block;
mod pool;
mod source;
mod spare;
mod tray;
mod view;
use block::Block;
pub use block::PAGED;
pub use pool::Pool;
pub use source::{EMPTY, Source};
pub use spare::Spare;
pub use tray::{Laid, Tray};
pub use view::View;

fn no_memory(wanted: usize) -> Status {
    Status::Engine { engine: "memory".into(), what: format!("the system has no {wanted} bytes more") }
}

/// Where the bytes of an output lie.
enum Memory {
    Pooled(Block),
    /// The caller's own memory.
    Fixed {
        start: *mut u8,
        capacity: usize,
    },
}

/// Memory, and what of it is the result. Boxed once and kept so in the pool: an output without any yet is two words.
struct Chunk {
    memory: Memory,
    len: usize,
    /// Bytes at the front that [`Output::behind`] keeps for itself; all else here counts from there.
    hidden: usize,
}

impl Chunk {
    fn pooled(memory: Block) -> Box<Self> {
        Box::new(Self { memory: Memory::Pooled(memory), len: 0, hidden: 0 })
    }

    fn is_fixed(&self) -> bool {
        matches!(self.memory, Memory::Fixed { .. })
    }

    /// Bytes there are, hidden ones among them.
    fn capacity(&self) -> usize {
        match &self.memory {
            Memory::Pooled(memory) => memory.len(),
            Memory::Fixed { capacity, .. } => *capacity,
        }
    }

    fn bytes(&self) -> &[u8] {
        let whole = match &self.memory {
            Memory::Pooled(memory) => memory.as_slice(),
            // SAFETY: the maker of a fixed output keeps `start..start + capacity` valid while its output lives.
            Memory::Fixed { start, capacity } => unsafe { std::slice::from_raw_parts(*start, *capacity) },
        };
        whole.get(self.hidden..).unwrap_or(&[])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let whole = match &mut self.memory {
            Memory::Pooled(memory) => memory.as_mut_slice(),
            // SAFETY: as in `bytes`, and the maker promised that nobody else touches it.
            Memory::Fixed { start, capacity } => unsafe { std::slice::from_raw_parts_mut(*start, *capacity) },
        };
        whole.get_mut(self.hidden..).unwrap_or(&mut [])
    }
}

/// What a request writes. Never overruns: an algorithm only ever sees a slice.
pub struct Output {
    pool: Arc<Pool>,
    /// None until something is to be written.
    chunk: Option<Box<Chunk>>,
}

// SAFETY: a fixed output is exclusive memory that its owner keeps in place until the request settles; the pooled kind is
// the chunk's own.
unsafe impl Send for Chunk {}
// SAFETY: `&Chunk` only reads.
unsafe impl Sync for Chunk {}

impl Output {
    /// An output that takes its memory from `pool` on first use.
    pub fn pooled(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), chunk: None }
    }

    /// An output into the caller's memory.
    ///
    /// # Safety
    /// `start..start + capacity` must stay writable and unmoved, and nobody else may touch it, until this value is dropped.
    pub unsafe fn fixed(pool: &Arc<Pool>, start: *mut u8, capacity: usize) -> Self {
        let chunk = Chunk { memory: Memory::Fixed { start, capacity }, len: 0, hidden: 0 };
        Self { pool: Arc::clone(pool), chunk: Some(Box::new(chunk)) }
    }

    /// Another output, from the same pool: for what is needed on the way.
    pub fn sibling(&self) -> Self {
        Self::pooled(&self.pool)
    }

    /// Whether the memory is the caller's.
    pub fn is_fixed(&self) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| chunk.is_fixed())
    }

    /// Bytes of result.
    pub fn len(&self) -> usize {
        self.chunk.as_ref().map_or(0, |chunk| chunk.len)
    }

    /// Whether the result has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Declares the first `len` bytes of the space to be the result.
    pub fn set_len(&mut self, len: usize) {
        if let Some(chunk) = &mut self.chunk {
            chunk.len = len.min(chunk.bytes().len());
        }
    }

    /// Bytes that can be written without growing.
    pub fn capacity(&self) -> usize {
        self.bytes().len()
    }

    /// All writable bytes: at least `wanted` if pooled; whatever the caller gave, perhaps fewer, if fixed.
    pub fn space(&mut self, wanted: usize) -> &mut [u8] {
        let hidden = self.chunk.as_ref().map_or(0, |chunk| chunk.hidden);
        let whole = wanted.saturating_add(hidden);
        match &mut self.chunk {
            Some(chunk) if chunk.is_fixed() || chunk.capacity() >= whole => {}
            _ => self.renew(whole),
        }
        self.bytes_mut()
    }

    /// Other memory from the pool instead; whatever was written is not in it.
    fn renew(&mut self, whole: usize) {
        let mut fresh = self.pool.take(whole);
        if let Some(old) = &self.chunk {
            (fresh.len, fresh.hidden) = (old.len, old.hidden);
        }
        if let Some(old) = self.chunk.replace(fresh) {
            self.pool.give(old);
        }
    }

    /// Like [`space`](Self::space), but refuses when fewer than `needed` bytes are there.
    pub fn exactly(&mut self, needed: usize) -> Outcome<&mut [u8]> {
        let is_fixed = self.is_fixed();
        let space = self.space(needed);
        let capacity = space.len();
        let short = || if is_fixed { Status::OutputTooSmall { capacity } } else { no_memory(needed) };
        space.get_mut(..needed).ok_or_else(short)
    }

    /// Like [`exactly`](Self::exactly), in whole pages if pooled: the space begins on one.
    pub fn paged(&mut self, needed: usize) -> Outcome<&mut [u8]> {
        self.space(needed.max(PAGED));
        self.exactly(needed)
    }

    /// More space, with the first `keep` bytes in place; refused for the caller's memory.
    pub fn grow(&mut self, wanted: usize, keep: usize) -> Outcome<&mut [u8]> {
        if self.capacity() < wanted {
            if self.is_fixed() {
                return Err(Status::OutputTooSmall { capacity: self.capacity() });
            }
            let hidden = self.chunk.as_ref().map_or(0, |chunk| chunk.hidden);
            let whole = wanted.saturating_add(hidden);
            let mut larger = self.pool.take(whole);
            if larger.capacity() < whole {
                return Err(no_memory(wanted));
            }
            larger.hidden = hidden;
            larger.len = self.len();
            if let (Some(to), Some(from)) = (larger.bytes_mut().get_mut(..keep), self.bytes().get(..keep)) {
                to.copy_from_slice(from);
                copies::count(Place::Grow, keep);
            }
            if let Some(old) = self.chunk.replace(larger) {
                self.pool.give(old);
            }
        }
        Ok(self.bytes_mut())
    }

    /// Adds to the end of the result.
    pub fn append(&mut self, bytes: &[u8]) -> Outcome<()> {
        let len = self.len();
        let end = len.saturating_add(bytes.len());
        if let Some(space) = self.grow(end, len)?.get_mut(len..end) {
            space.copy_from_slice(bytes);
        }
        self.set_len(end);
        Ok(())
    }

    /// Lets `work` write its result behind `front`, which becomes the beginning of the whole result.
    pub fn behind(&mut self, front: &[u8], work: impl FnOnce(&mut Self) -> Outcome<()>) -> Outcome<()> {
        self.exactly(front.len())?;
        let hidden = self.hide(front.len());
        let outcome = work(self);
        let len = self.len();
        self.unhide(hidden);
        match outcome {
            Ok(()) => {
                // Only now: whoever made more space has not kept what lay in front of theirs.
                self.append(front)?;
                self.set_len(front.len().saturating_add(len));
                Ok(())
            }
            Err(Status::OutputTooSmall { capacity }) => {
                Err(Status::OutputTooSmall { capacity: capacity + front.len() })
            }
            Err(status) => Err(status),
        }
    }

    /// Hides so many bytes more, and tells how many were before.
    fn hide(&mut self, more: usize) -> usize {
        let Some(chunk) = &mut self.chunk else { return 0 };
        chunk.len = 0;
        let before = chunk.hidden;
        chunk.hidden = before.saturating_add(more);
        before
    }

    /// Shows all but so many, and forgets the result.
    fn unhide(&mut self, hidden: usize) {
        if let Some(chunk) = &mut self.chunk {
            (chunk.len, chunk.hidden) = (0, hidden);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| chunk.bytes())
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.chunk.as_mut().map_or(&mut [], |chunk| chunk.bytes_mut())
    }

    /// The result.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes().get(..self.len()).unwrap_or(&[])
    }

    /// The result, to be changed in place (an engine that lies on purpose needs this).
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let len = self.len();
        self.bytes_mut().get_mut(..len).unwrap_or(&mut [])
    }

    /// Overwrites the first `touched` bytes, which hold what must not be seen, and declares the result empty. What lies
    /// behind them in the caller's memory is the caller's.
    pub fn wipe(&mut self, touched: usize) {
        let end = touched.min(self.capacity());
        if let Some(bytes) = self.bytes_mut().get_mut(..end) {
            bytes.zeroize();
        }
        self.set_len(0);
    }

    /// Moves a small result out of an oversized buffer, so that it does not hold the whole class.
    pub fn shrink(&mut self) {
        let Some(chunk) = &self.chunk else { return };
        let (len, capacity) = (chunk.len, chunk.capacity());
        if chunk.is_fixed() || chunk.hidden > 0 || capacity <= 4096 || len >= capacity / 8 {
            return;
        }
        let mut smaller = self.pool.take(len);
        if let (Some(to), Some(from)) = (smaller.bytes_mut().get_mut(..len), chunk.bytes().get(..len)) {
            to.copy_from_slice(from);
            copies::count(Place::Grow, len);
            smaller.len = len;
            if let Some(old) = self.chunk.replace(smaller) {
                self.pool.give(old);
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.pool.give(chunk);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn gathering_equals_concatenation() {
        let (a, b) = (vec![1u8; 5], vec![2u8; 7]);
        // SAFETY: `a` and `b` outlive `source`.
        let source = unsafe { Source::borrowed(&[(a.as_ptr(), 5), (b.as_ptr(), 0), (b.as_ptr(), 7)]) };
        let mut scratch = Vec::new();
        assert_eq!(source.contiguous(&mut scratch), [a.clone(), b.clone()].concat());
        assert_eq!(source.len(), 12);
    }

    #[test]
    fn a_returned_buffer_is_taken_again() {
        let pool = Pool::new(1 << 20);
        let mut output = Output::pooled(&pool);
        let address = output.space(1000).as_ptr();
        drop(output);
        assert_eq!(Output::pooled(&pool).space(900).as_ptr(), address);
        assert_eq!(pool.misses.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_pool_keeps_no_more_than_its_bound() {
        let pool = Pool::new(4096);
        let mut outputs: Vec<Output> = (0..4).map(|_| Output::pooled(&pool)).collect();
        for output in &mut outputs {
            output.space(4096);
        }
        drop(outputs);
        assert_eq!(pool.idle_bytes(), 4096);
    }

    #[test]
    fn growing_keeps_what_was_written() {
        let pool = Pool::new(1 << 20);
        let mut output = Output::pooled(&pool);
        output.space(300)[..3].copy_from_slice(b"abc");
        let space = output.grow(100_000, 3).unwrap();
        assert_eq!(&space[..3], b"abc");
    }

    #[test]
    fn what_is_written_behind_a_front_follows_it() {
        let pool = Pool::new(1 << 20);
        let mut memory = [0u8; 9];
        // SAFETY: `memory` outlives `fixed`.
        let fixed = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), 9) };
        for mut output in [fixed, Output::pooled(&pool)] {
            let work = |inner: &mut Output| {
                inner.exactly(4)?.copy_from_slice(b"text");
                inner.set_len(4);
                inner.append(b"!")
            };
            output.behind(b"ab", |inner| inner.behind(b"cd", work)).unwrap();
            assert_eq!(output.as_slice(), b"abcdtext!");
            // The limit that is told is the caller's, and a failure leaves no result.
            let refused = output.behind(b"abc", |inner| inner.behind(b"cd", |_| Err(Status::Cancelled)));
            assert_eq!((refused, output.len()), (Err(Status::Cancelled), 0));
            if output.is_fixed() {
                let refused = output.behind(b"abc", |inner| inner.behind(b"cd", work));
                assert_eq!(refused, Err(Status::OutputTooSmall { capacity: 9 }));
            }
        }
    }

    #[test]
    fn growing_behind_a_front_keeps_what_was_written() {
        let mut output = Output::pooled(&Pool::new(1 << 20));
        let work = |inner: &mut Output| {
            inner.append(b"text")?;
            inner.append(&[7; 100_000])
        };
        output.behind(b"front", work).unwrap();
        assert_eq!(output.as_slice(), [b"fronttext".as_slice(), &[7; 100_000]].concat());
    }

    #[test]
    fn the_callers_memory_never_grows() {
        let pool = Pool::new(1 << 20);
        let mut memory = [0u8; 8];
        // SAFETY: `memory` outlives `output`.
        let mut output = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), 8) };
        assert_eq!(output.space(100).len(), 8);
        assert_eq!(output.grow(9, 8).unwrap_err(), Status::OutputTooSmall { capacity: 8 });
    }
}
