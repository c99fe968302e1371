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

use crate::fork;
use crate::status::{Outcome, Status};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroize;

mod spare;
mod view;
pub use spare::Spare;
pub use view::View;

/// One contiguous piece of a source.
#[derive(Clone, Copy)]
struct Segment {
    start: *const u8,
    len: usize,
}

/// Bytes of our own, which segments point into. Neither kind moves its bytes when it is moved itself.
enum Owned {
    Bytes(#[allow(dead_code)] Vec<u8>),
    Output(Output),
}

/// What a request reads: one message in one or many segments.
///
/// Either owns its bytes or borrows them; whoever made a borrowed one keeps the memory alive and unmoved. Small, since
/// a million requests may wait at once.
pub struct Source {
    /// Where `first` points to, if the bytes are our own; shared with its [`Spare`].
    owned: Option<Arc<Owned>>,
    first: Segment,
    #[allow(clippy::box_collection)] // one word where there is none
    rest: Option<Box<Vec<Segment>>>,
    len: usize,
}

// SAFETY: a source is read only. Borrowed memory is pinned by its owner until the request settles (see `borrowed`), and
// nothing here depends on the thread that made it. That the caller does not write meanwhile is the contract told in
// docs/security.md; if they do, results are garbage in practice and undefined in theory.
unsafe impl Send for Source {}
// SAFETY: as above; only shared reads happen through `&Source`.
unsafe impl Sync for Source {}

const NOTHING: Segment = Segment { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };

/// No bytes, where a source is asked for.
pub static EMPTY: Source = Source { owned: None, first: NOTHING, rest: None, len: 0 };

impl Default for Source {
    fn default() -> Self {
        Self { owned: None, first: NOTHING, rest: None, len: 0 }
    }
}

impl From<Vec<u8>> for Source {
    fn from(owned: Vec<u8>) -> Self {
        let first = Segment { start: owned.as_ptr(), len: owned.len() };
        Self { len: owned.len(), first, rest: None, owned: Some(Arc::new(Owned::Bytes(owned))) }
    }
}

/// A result becomes what the next stage reads; its memory goes back to the pool with the source.
impl From<Output> for Source {
    fn from(output: Output) -> Self {
        let bytes = output.as_slice();
        let first = Segment { start: bytes.as_ptr(), len: bytes.len() };
        Self { len: first.len, first, rest: None, owned: Some(Arc::new(Owned::Output(output))) }
    }
}

impl Source {
    /// Borrows memory by address.
    ///
    /// # Safety
    /// Every `(start, len)` must stay readable and unmoved until this value is dropped.
    pub unsafe fn borrowed(segments: &[(*const u8, usize)]) -> Self {
        let mut all = segments.iter().filter(|s| s.1 > 0).map(|&(start, len)| Segment { start, len });
        let first = all.next().unwrap_or(NOTHING);
        let rest: Vec<Segment> = all.collect();
        let len = first.len + rest.iter().map(|s| s.len).sum::<usize>();
        Self { owned: None, first, rest: (!rest.is_empty()).then(|| Box::new(rest)), len }
    }

    /// Bytes in all segments together.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.first).chain(self.rest.iter().flat_map(|rest| rest.iter())).map(|s| {
            // SAFETY: `borrowed`'s caller keeps the memory readable while `self` lives; an owned one is in `self.owned`.
            unsafe { std::slice::from_raw_parts(s.start, s.len) }
        })
    }

    /// The whole message as one slice, if it lies in one segment.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.rest.is_none() { self.segments().next() } else { None }
    }

    /// The whole message as one slice: as it lies, or gathered into `scratch`.
    pub fn contiguous<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.as_slice() {
            Some(slice) => slice,
            None => {
                scratch.clear();
                scratch.reserve(self.len);
                for segment in self.segments() {
                    scratch.extend_from_slice(segment);
                }
                scratch
            }
        }
    }

    /// Cuts the last bytes off and gives a copy of them; `None`, and nothing cut, if there are fewer.
    pub fn split_tail(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let keep = self.len.checked_sub(bytes)?;
        let tail: Vec<u8> = self.segments().flatten().skip(keep).copied().collect();
        let mut left = keep;
        let mut cut = |segment: &mut Segment| {
            segment.len = segment.len.min(left);
            left -= segment.len;
        };
        cut(&mut self.first);
        self.rest.iter_mut().flat_map(|rest| rest.iter_mut()).for_each(cut);
        self.len = keep;
        Some(tail)
    }

    /// The message as a result: as it is if it was one and nobody shares it, else copied into `output`.
    pub fn into_output(mut self, mut output: Output) -> Outcome<Output> {
        if !output.is_fixed()
            && let Some(owned) = self.owned.take()
        {
            match Arc::try_unwrap(owned) {
                Ok(Owned::Output(mut own)) if self.rest.is_none() && own.as_slice().as_ptr() == self.first.start => {
                    own.set_len(self.len);
                    return Ok(own);
                }
                Ok(other) => self.owned = Some(Arc::new(other)),
                Err(shared) => self.owned = Some(shared),
            }
        }
        self.copy_to(output.exactly(self.len)?)?;
        output.set_len(self.len);
        Ok(output)
    }

    /// Whether `bytes` are this message.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.len == bytes.len()
            && self.segments().all(|segment| {
                let (head, tail) = rest.split_at(segment.len().min(rest.len()));
                rest = tail;
                head == segment
            })
    }

    /// Copies the message to the front of `target`, which must be at least as long.
    pub fn copy_to(&self, target: &mut [u8]) -> Outcome<()> {
        let mut rest = target;
        for segment in self.segments() {
            let capacity = rest.len();
            let Some((head, tail)) = rest.split_at_mut_checked(segment.len()) else {
                return Err(Status::OutputTooSmall { capacity });
            };
            head.copy_from_slice(segment);
            rest = tail;
        }
        Ok(())
    }
}

/// The smallest and the largest size class that is kept, as powers of two.
const SMALLEST_CLASS: u32 = 8;
const LARGEST_CLASS: u32 = 26;
const CLASSES: usize = (LARGEST_CLASS - SMALLEST_CLASS + 1) as usize;

/// Reusable, already faulted memory in power-of-two classes, bounded in bytes. Shareable between threads.
pub struct Pool {
    classes: [Mutex<Vec<Vec<u8>>>; CLASSES],
    idle_bytes: AtomicUsize,
    max_idle_bytes: usize,
    /// In a forked child the locks may be held by threads that do not exist, so the pool stands aside there.
    generation: u64,
    pub misses: AtomicUsize,
}

fn relaxed_lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data under our locks is valid at every step, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The largest buffer that a thread keeps for itself, beside the pool.
const OWN_BYTES: usize = 16 << 10;

thread_local! {
    /// The last small buffer that this thread gave back: a caller of small messages gets it again without a lock.
    static OWN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Zeroed memory, or nothing: a size may come from a caller or an input, and must not abort the process.
fn zeroed(len: usize) -> Vec<u8> {
    let Ok(layout) = std::alloc::Layout::array::<u8>(len) else { return Vec::new() };
    if len == 0 {
        return Vec::new();
    }
    // SAFETY: the layout is not of size zero.
    let start = unsafe { std::alloc::alloc_zeroed(layout) };
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: allocated just above by the global allocator, for exactly `len` bytes, all initialised to zero.
    unsafe { Vec::from_raw_parts(start, len, len) }
}

impl Pool {
    /// A pool that keeps at most `max_idle_bytes` of unused buffers.
    pub fn new(max_idle_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            classes: std::array::from_fn(|_| Mutex::new(Vec::new())),
            idle_bytes: AtomicUsize::new(0),
            max_idle_bytes,
            generation: fork::generation(),
            misses: AtomicUsize::new(0),
        })
    }

    /// Bytes that lie unused in the pool.
    pub fn idle_bytes(&self) -> usize {
        self.idle_bytes.load(Ordering::Relaxed)
    }

    fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    fn class_of(capacity: usize) -> Option<u32> {
        let bits = capacity.max(1).checked_next_power_of_two()?.trailing_zeros().max(SMALLEST_CLASS);
        (bits <= LARGEST_CLASS).then_some(bits)
    }

    /// A buffer of at least `capacity` initialised bytes; an empty one if the system has no more memory.
    fn take(&self, capacity: usize) -> Vec<u8> {
        let Some(class) = Self::class_of(capacity).filter(|_| self.is_ours()) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return zeroed(capacity);
        };
        if 1 << class <= OWN_BYTES {
            let own = OWN.take();
            if own.len() == 1 << class {
                return own;
            }
            OWN.set(own);
        }
        let list = self.classes.get((class - SMALLEST_CLASS) as usize);
        if let Some(memory) = list.and_then(|list| relaxed_lock(list).pop()) {
            self.idle_bytes.fetch_sub(memory.len(), Ordering::Relaxed);
            return memory;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        zeroed(1 << class)
    }

    fn give(&self, memory: Vec<u8>) {
        let Some(class) = Self::class_of(memory.len()).filter(|_| self.is_ours()) else { return };
        if memory.len() != 1 << class {
            return;
        }
        if memory.len() <= OWN_BYTES {
            let own = OWN.take();
            if own.is_empty() {
                OWN.set(memory);
                return;
            }
            OWN.set(own);
        }
        if self.idle_bytes() + memory.len() > self.max_idle_bytes {
            return;
        }
        if let Some(list) = self.classes.get((class - SMALLEST_CLASS) as usize) {
            self.idle_bytes.fetch_add(memory.len(), Ordering::Relaxed);
            relaxed_lock(list).push(memory);
        }
    }
}

fn no_memory(wanted: usize) -> Status {
    Status::Engine { engine: "memory".into(), what: format!("the system has no {wanted} bytes more") }
}

/// Where the bytes of an output lie.
enum Memory {
    /// Nothing taken from the pool yet.
    Empty,
    Pooled(Vec<u8>),
    /// The caller's own memory.
    Fixed {
        start: *mut u8,
        capacity: usize,
    },
}

/// What a request writes. Never overruns: an algorithm only ever sees a slice.
pub struct Output {
    memory: Memory,
    pool: Arc<Pool>,
    len: usize,
    /// Bytes at the front that [`behind`](Self::behind) keeps for itself; all else here counts from there.
    hidden: usize,
}

// SAFETY: a fixed output is exclusive memory that its owner keeps in place until the request settles; the pooled kind is
// an ordinary vector.
unsafe impl Send for Output {}
// SAFETY: `&Output` only reads.
unsafe impl Sync for Output {}

impl Output {
    /// An output that takes its memory from `pool` on first use.
    pub fn pooled(pool: &Arc<Pool>) -> Self {
        Self { memory: Memory::Empty, pool: Arc::clone(pool), len: 0, hidden: 0 }
    }

    /// An output into the caller's memory.
    ///
    /// # Safety
    /// `start..start + capacity` must stay writable and unmoved, and nobody else may touch it, until this value is dropped.
    pub unsafe fn fixed(pool: &Arc<Pool>, start: *mut u8, capacity: usize) -> Self {
        Self { memory: Memory::Fixed { start, capacity }, pool: Arc::clone(pool), len: 0, hidden: 0 }
    }

    /// Another output, from the same pool: for what is needed on the way.
    pub fn sibling(&self) -> Self {
        Self::pooled(&self.pool)
    }

    /// Whether the memory is the caller's.
    pub fn is_fixed(&self) -> bool {
        matches!(self.memory, Memory::Fixed { .. })
    }

    /// Bytes of result.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the result has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Declares the first `len` bytes of the space to be the result.
    pub fn set_len(&mut self, len: usize) {
        self.len = len.min(self.capacity());
    }

    /// Bytes that can be written without growing.
    pub fn capacity(&self) -> usize {
        self.bytes().len()
    }

    /// All writable bytes: at least `wanted` if pooled; whatever the caller gave, perhaps fewer, if fixed.
    pub fn space(&mut self, wanted: usize) -> &mut [u8] {
        let whole = wanted.saturating_add(self.hidden);
        if matches!(self.memory, Memory::Empty) {
            self.memory = Memory::Pooled(self.pool.take(whole));
        }
        if let Memory::Pooled(memory) = &mut self.memory
            && memory.len() < whole
        {
            let old = std::mem::replace(memory, self.pool.take(whole));
            self.pool.give(old);
        }
        self.bytes_mut()
    }

    /// Like [`space`](Self::space), but refuses when fewer than `needed` bytes are there.
    pub fn exactly(&mut self, needed: usize) -> Outcome<&mut [u8]> {
        let is_fixed = self.is_fixed();
        let space = self.space(needed);
        let capacity = space.len();
        let short = if is_fixed { Status::OutputTooSmall { capacity } } else { no_memory(needed) };
        space.get_mut(..needed).ok_or(short)
    }

    /// More space, with the first `keep` bytes in place; refused for the caller's memory.
    pub fn grow(&mut self, wanted: usize, keep: usize) -> Outcome<&mut [u8]> {
        if self.capacity() < wanted {
            if self.is_fixed() {
                return Err(Status::OutputTooSmall { capacity: self.capacity() });
            }
            let whole = wanted.saturating_add(self.hidden);
            let mut larger = self.pool.take(whole);
            if larger.len() < whole {
                return Err(no_memory(wanted));
            }
            let place = self.hidden..self.hidden.saturating_add(keep);
            if let (Some(to), Some(from)) = (larger.get_mut(place), self.bytes().get(..keep)) {
                to.copy_from_slice(from);
            }
            if let Memory::Pooled(old) = std::mem::replace(&mut self.memory, Memory::Pooled(larger)) {
                self.pool.give(old);
            }
        }
        Ok(self.bytes_mut())
    }

    /// Adds to the end of the result.
    pub fn append(&mut self, bytes: &[u8]) -> Outcome<()> {
        let len = self.len;
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
        let hidden = self.hidden;
        self.hidden += front.len();
        self.len = 0;
        let outcome = work(self);
        self.hidden = hidden;
        let len = std::mem::take(&mut self.len);
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

    fn bytes(&self) -> &[u8] {
        let whole = match &self.memory {
            Memory::Empty => &[],
            Memory::Pooled(memory) => memory.as_slice(),
            // SAFETY: the maker of a fixed output keeps `start..start + capacity` valid while `self` lives.
            Memory::Fixed { start, capacity } => unsafe { std::slice::from_raw_parts(*start, *capacity) },
        };
        whole.get(self.hidden..).unwrap_or(&[])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let whole = match &mut self.memory {
            Memory::Empty => &mut [],
            Memory::Pooled(memory) => memory.as_mut_slice(),
            // SAFETY: as in `bytes`, and the maker promised that nobody else touches it.
            Memory::Fixed { start, capacity } => unsafe { std::slice::from_raw_parts_mut(*start, *capacity) },
        };
        whole.get_mut(self.hidden..).unwrap_or(&mut [])
    }

    /// The result.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes().get(..self.len).unwrap_or(&[])
    }

    /// The result, to be changed in place (an engine that lies on purpose needs this).
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let len = self.len;
        self.bytes_mut().get_mut(..len).unwrap_or(&mut [])
    }

    /// Overwrites the first `touched` bytes, which hold what must not be seen, and declares the result empty. What lies
    /// behind them in the caller's memory is the caller's.
    pub fn wipe(&mut self, touched: usize) {
        let end = touched.min(self.capacity());
        if let Some(bytes) = self.bytes_mut().get_mut(..end) {
            bytes.zeroize();
        }
        self.len = 0;
    }

    /// Moves a small result out of an oversized buffer, so that it does not hold the whole class.
    pub fn shrink(&mut self) {
        let len = self.len;
        let oversized = matches!(&self.memory, Memory::Pooled(m) if m.len() > 4096 && len < m.len() / 8);
        if oversized && self.hidden == 0 {
            let mut smaller = self.pool.take(len);
            if let (Some(to), Some(from)) = (smaller.get_mut(..len), self.bytes().get(..len)) {
                to.copy_from_slice(from);
            }
            if let Memory::Pooled(old) = std::mem::replace(&mut self.memory, Memory::Pooled(smaller)) {
                self.pool.give(old);
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Memory::Pooled(memory) = std::mem::replace(&mut self.memory, Memory::Empty) {
            self.pool.give(memory);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
