//! How a device's threads sleep, and who wakes them. Hardware needs none of this.
//!
//! A store wakes a thread if all sleep: a system call of some microseconds, which a driver that lends its own thread for
//! every descriptor need not pay. While somebody *helps* like that, threads only nap, and a store of one descriptor does
//! not wake them; should the helper go away, a nap's length later they look for themselves, and soon sleep soundly again.

use crate::sync::lock_std as lock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Naps in a row before a thread believes that nobody helps any more.
const NAPS: u32 = 32;
const NAP: Duration = Duration::from_micros(200);

#[derive(Default)]
pub(super) struct Bell {
    sleepers: AtomicUsize,
    helped: AtomicU32,
    /// Rings so far; whoever is about to sleep holds it while it looks whether it may.
    gate: Mutex<u64>,
    turn: Condvar,
}

impl Bell {
    /// Wakes one who sleeps.
    #[inline]
    pub fn ring(&self) {
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            self.wake(false);
        }
    }

    /// The same, for a store, `waiting` of which are in the queue now.
    #[inline]
    pub fn ring_for_store(&self, waiting: impl Fn() -> u64) {
        if self.sleepers.load(Ordering::SeqCst) != 0 && (self.helped.load(Ordering::SeqCst) == 0 || waiting() > 1) {
            self.wake(false);
        }
    }

    /// Wakes all.
    pub fn ring_all(&self) {
        self.wake(true);
    }

    #[cold]
    fn wake(&self, all: bool) {
        let mut rings = lock(&self.gate);
        *rings += 1;
        if all { self.turn.notify_all() } else { self.turn.notify_one() }
    }

    /// Somebody helped, and left nothing behind, or something.
    #[inline]
    pub fn note_help(&self, is_all: bool) {
        if !is_all {
            if self.helped.load(Ordering::Relaxed) != 0 {
                self.helped.store(0, Ordering::SeqCst);
            }
            self.ring();
        } else if self.helped.load(Ordering::Relaxed) != NAPS && self.helped.swap(NAPS, Ordering::SeqCst) == 0 {
            self.ring(); // from sleep to naps
        }
    }

    /// Whether somebody helps these days.
    pub fn is_helped(&self) -> bool {
        self.helped.load(Ordering::SeqCst) != 0
    }

    /// Sleeps for a nap's length.
    pub fn nap(&self) {
        let _ = self.helped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        self.sleep(Some(NAP), || true);
    }

    /// Sleeps until rung for or that much later, if it still may once it is known to sleep.
    pub fn sleep(&self, most: Option<Duration>, may: impl Fn() -> bool) {
        let rings = lock(&self.gate);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        if may() {
            let before = *rings;
            match most {
                Some(most) => {
                    let is_quiet = |rings: &mut u64| *rings == before;
                    drop(self.turn.wait_timeout_while(rings, most, is_quiet).unwrap_or_else(PoisonError::into_inner));
                }
                None if !self.is_helped() => {
                    let is_quiet = |rings: &mut u64| *rings == before;
                    drop(self.turn.wait_while(rings, is_quiet).unwrap_or_else(PoisonError::into_inner));
                }
                None => {}
            }
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}
