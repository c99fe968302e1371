//! What state a device is in, and what it has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whether a device takes work; see the head of `device.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Up = 0,
    Suspect = 1,
    Trickle = 2,
    Quarantined = 3,
    Broken = 4,
    Draining = 5,
    Closed = 6,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::Up, Self::Suspect, Self::Trickle, Self::Quarantined, Self::Broken, Self::Draining, Self::Closed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Trickle => "trickle",
            Self::Quarantined => "quarantined",
            Self::Broken => "broken",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}

/// Counters, each only ever growing; 64 bits, since at a million a second 32 would last an hour.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units handed to this device but for the inline ones, which have a counter of their own.
    pub submitted: AtomicU64,
    /// Units that the engine was given to run.
    pub started: AtomicU64,
    /// Units that the engine did.
    pub completed: AtomicU64,
    /// Units that it failed.
    pub failed: AtomicU64,
    /// Units that ended here: their caller was told.
    pub finished: AtomicU64,
    /// Operations whose caller had withdrawn them by the time the device let go.
    pub cancelled: AtomicU64,
    /// Times the engine took fewer requests than offered.
    pub refused: AtomicU64,
    /// Requests that may not wait, and found no room.
    pub bounced: AtomicU64,
    /// Completions beyond the first, ignored.
    pub duplicates: AtomicU64,
    /// Requests that went on elsewhere after they had failed here.
    pub redone: AtomicU64,
    /// Requests that came because another device was full.
    pub spilled: AtomicU64,
    /// Requests that left its queue for another's.
    pub moved: AtomicU64,
    /// Completions that did not come in time.
    pub lost: AtomicU64,
    /// Results that were found wrong.
    pub lied: AtomicU64,
    pub inline: AtomicU64,
    pub batch: AtomicU64,
    pub queued: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub busy_ns: AtomicU64,
}

impl Stats {
    /// Counts an attempt.
    pub fn count(&self, done: u64, failed: u64, bytes_in: u64, bytes_out: u64, run_ns: u64) {
        for (counter, more) in [
            (&self.completed, done),
            (&self.failed, failed),
            (&self.bytes_in, bytes_in),
            (&self.bytes_out, bytes_out),
            (&self.busy_ns, run_ns),
        ] {
            if more > 0 {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        }
    }
}
