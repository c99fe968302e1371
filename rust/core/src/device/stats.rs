//! What a device counts.

use std::sync::atomic::{AtomicU64, Ordering};

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
