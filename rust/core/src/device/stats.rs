//! What a device counts.

use crate::cost::Tally;
use std::sync::atomic::AtomicU64;

/// Counters, each only ever growing; 64 bits, since at a million a second 32 would last an hour.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units handed to this device but for the inline ones, which have a counter of their own.
    pub submitted: AtomicU64,
    /// Units that the engine was given to run.
    pub started: AtomicU64,
    /// Units that the engine did and failed, their bytes, and how long it worked.
    pub tally: Tally,
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
}
