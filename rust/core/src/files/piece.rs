//! Pieces of large files: in memory of ours, or mapped while a budget lasts.

use super::Failure;
use super::input::Source;
use crate::ffi::window::{Window, page};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of a job that are mapped at once.
pub const MOST_MAPPED: usize = 64 << 20;
/// Bytes of a piece that is read: long enough that handing it over costs nothing beside hashing it.
const READ: usize = 1 << 20;
/// Bytes of a piece that is mapped, at most: mapping has a price per call, and the other threads wait meanwhile.
const MAPPED: usize = 4 << 20;
/// Pieces of one file that may be in memory: one is hashed, the others are read ahead.
pub const AHEAD: u64 = 3;

/// A length for pieces; all threads together may have [`AHEAD`] of them each.
pub fn fitting(mapped: bool, workers: usize) -> usize {
    if !mapped {
        return READ;
    }
    let share = MOST_MAPPED / (AHEAD as usize * workers.max(1));
    // The largest power of two in the share; what is over the budget after all is read.
    (1 << share.max(1).ilog2()).clamp(page(), MAPPED)
}

/// Counts the bytes that are mapped.
#[derive(Default)]
pub struct Budget {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Budget {
    /// The most bytes that were mapped at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Room for so many bytes; `None` if it would be too much.
    fn reserve(self: &Arc<Self>, len: usize) -> Option<Reserved> {
        let fits = |now: usize| now.checked_add(len).filter(|now| *now <= MOST_MAPPED);
        let before = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        self.most.fetch_max(before + len, Ordering::Relaxed);
        Some(Reserved { budget: Arc::clone(self), len })
    }
}

/// Given back when dropped.
pub struct Reserved {
    budget: Arc<Budget>,
    len: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.now.fetch_sub(self.len, Ordering::Relaxed);
    }
}

/// A piece of a file.
pub enum Piece {
    Read { memory: Vec<u8>, len: usize },
    // Unmapped before its room is given back: fields are dropped in order.
    Mapped(Window, #[allow(dead_code, reason = "held for its drop")] Reserved),
}

impl Piece {
    /// Loads `len` bytes at `offset`; fewer if the file ends before. `memory` serves again unless the piece is mapped.
    pub fn load(source: &Source, offset: u64, len: usize, budget: Option<&Arc<Budget>>, memory: Vec<u8>) -> Loaded {
        // An offset that is no page's cannot be mapped, and neither can what is not there any more: reading tells why.
        if let Some(reserved) = budget.and_then(|budget| budget.reserve(len))
            && let Ok(window) = Window::map(source.file(), source.start + offset, len)
        {
            return (Ok(Self::Mapped(window, reserved)), memory);
        }
        let mut memory = memory;
        if memory.len() < len {
            memory.resize(len, 0);
        }
        match source.fill(offset, memory.get_mut(..len).unwrap_or_default()) {
            Ok(len) => (Ok(Self::Read { memory, len }), Vec::new()),
            Err(failure) => (Err(failure), memory),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Read { memory, len } => memory.get(..*len).unwrap_or_default(),
            Self::Mapped(window, _) => window.bytes(),
        }
    }

    /// Ends its use; the memory, if there is any.
    pub fn memory(self) -> Option<Vec<u8>> {
        match self {
            Self::Read { memory, .. } => Some(memory),
            Self::Mapped(..) => None,
        }
    }
}

/// A piece, or why there is none; and memory that was not used.
pub type Loaded = (Result<Piece, Failure>, Vec<u8>);
