//! Reusable memory: see the head of `buffer.rs`.

use super::Chunk;
use super::block::Block;
use crate::fork;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The smallest and the largest size class that is kept, as powers of two.
const SMALLEST_CLASS: u32 = 8;
const LARGEST_CLASS: u32 = 26;
const CLASSES: usize = (LARGEST_CLASS - SMALLEST_CLASS + 1) as usize;

/// Reusable, already faulted memory in power-of-two classes, bounded in bytes. Shareable between threads.
pub struct Pool {
    #[allow(clippy::vec_box)] // they stay in their boxes, in use or not
    classes: [Mutex<Vec<Box<Chunk>>>; CLASSES],
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
    static OWN: Cell<Option<Box<Chunk>>> = const { Cell::new(None) };
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
    pub(super) fn take(&self, capacity: usize) -> Box<Chunk> {
        let Some(class) = Self::class_of(capacity).filter(|_| self.is_ours()) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return Chunk::pooled(Block::zeroed(capacity));
        };
        if 1 << class <= OWN_BYTES {
            let own = OWN.take();
            match own {
                Some(own) if own.capacity() == 1 << class => return own,
                other => OWN.set(other),
            }
        }
        let list = self.classes.get((class - SMALLEST_CLASS) as usize);
        if let Some(chunk) = list.and_then(|list| relaxed_lock(list).pop()) {
            self.idle_bytes.fetch_sub(chunk.capacity(), Ordering::Relaxed);
            return chunk;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        Chunk::pooled(Block::zeroed(1 << class))
    }

    pub(super) fn give(&self, mut chunk: Box<Chunk>) {
        let len = chunk.capacity();
        let Some(class) = Self::class_of(len).filter(|_| self.is_ours() && !chunk.is_fixed()) else { return };
        if len != 1 << class {
            return;
        }
        (chunk.len, chunk.hidden) = (0, 0);
        if len <= OWN_BYTES {
            match OWN.take() {
                None => return OWN.set(Some(chunk)),
                other => OWN.set(other),
            }
        }
        if self.idle_bytes() + len > self.max_idle_bytes {
            return;
        }
        if let Some(list) = self.classes.get((class - SMALLEST_CLASS) as usize) {
            self.idle_bytes.fetch_add(len, Ordering::Relaxed);
            relaxed_lock(list).push(chunk);
        }
    }
}
