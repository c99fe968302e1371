//! Where a model of a device gets its time from: the system, or a test.

use crate::sync::lock_std as lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time as one device sees it, in nanoseconds since a moment of its own. Shareable between threads; one thread sleeps.
pub trait Clock: Send + Sync {
    fn now(&self) -> u64;

    /// The same moment as others see it.
    fn instant(&self, now: u64) -> Instant;

    /// Sleeps until then or until [`ring`](Self::ring); a ring that came before ends it at once. `u64::MAX` is never.
    fn sleep(&self, until: u64);

    /// Wakes who sleeps, or who will sleep next.
    fn ring(&self);

    /// Keeps the calling thread busy for so long.
    fn spend(&self, ns: u64);
}

/// A timed sleep may end this much late (timer slack and the way back onto a core), which is longer than a fast
/// device's latency: the last stretch is spent looking at the clock, giving way to others.
const SLACK: u64 = 80_000;

/// The system's time.
pub struct Real {
    zero: Instant,
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Default for Real {
    fn default() -> Self {
        Self { zero: Instant::now(), rung: Mutex::new(false), bell: Condvar::new() }
    }
}

impl Clock for Real {
    fn now(&self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }

    fn instant(&self, now: u64) -> Instant {
        self.zero.checked_add(Duration::from_nanos(now)).unwrap_or(self.zero)
    }

    fn sleep(&self, until: u64) {
        let mut rung = lock(&self.rung);
        while !std::mem::take(&mut *rung) {
            if until == u64::MAX {
                rung = self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = until.saturating_sub(self.now());
            if left == 0 {
                return;
            }
            if left > SLACK {
                let nap = Duration::from_nanos(left - SLACK);
                rung = self.bell.wait_timeout(rung, nap).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                drop(rung);
                std::thread::yield_now();
                rung = lock(&self.rung);
            }
        }
    }

    fn ring(&self) {
        *lock(&self.rung) = true;
        self.bell.notify_one();
    }

    fn spend(&self, ns: u64) {
        let until = self.now().saturating_add(ns);
        while self.now() < until {
            std::hint::spin_loop();
        }
    }
}

/// Time that stands still until a test moves it.
pub struct Manual {
    zero: Instant,
    hand: Mutex<Hand>,
    turn: Condvar,
}

#[derive(Default)]
struct Hand {
    now: u64,
    rung: bool,
    /// What the device's thread sleeps for; none while it is awake.
    asleep_until: Option<u64>,
}

impl Hand {
    fn is_settled(&self) -> bool {
        !self.rung && self.asleep_until.is_some_and(|until| until > self.now)
    }
}

/// Far longer than any thread takes to fall asleep again: running out of it is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

impl Default for Manual {
    fn default() -> Self {
        Self { zero: Instant::now(), hand: Mutex::new(Hand::default()), turn: Condvar::new() }
    }
}

impl Manual {
    /// Moves the time on, then waits until the device's thread, which must be running, has done what is due. False if
    /// that takes for ever.
    #[must_use]
    pub fn advance(&self, ns: u64) -> bool {
        {
            let mut hand = lock(&self.hand);
            hand.now = hand.now.saturating_add(ns);
        }
        self.turn.notify_all();
        self.settle()
    }

    /// Waits until the device's thread, which must be running, sleeps for something that is still to come.
    #[must_use]
    pub fn settle(&self) -> bool {
        let hand = lock(&self.hand);
        let waited = self.turn.wait_timeout_while(hand, PATIENCE, |hand| !hand.is_settled());
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Clock for Manual {
    fn now(&self) -> u64 {
        lock(&self.hand).now
    }

    fn instant(&self, now: u64) -> Instant {
        self.zero.checked_add(Duration::from_nanos(now)).unwrap_or(self.zero)
    }

    fn sleep(&self, until: u64) {
        let mut hand = lock(&self.hand);
        hand.asleep_until = Some(until);
        self.turn.notify_all();
        while !hand.rung && hand.now < until {
            hand = self.turn.wait(hand).unwrap_or_else(PoisonError::into_inner);
        }
        hand.rung = false;
        hand.asleep_until = None;
    }

    fn ring(&self) {
        lock(&self.hand).rung = true;
        self.turn.notify_all();
    }

    fn spend(&self, ns: u64) {
        let mut hand = lock(&self.hand);
        hand.now = hand.now.saturating_add(ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_ring_before_the_sleep_is_not_lost() {
        for clock in [Arc::new(Real::default()) as Arc<dyn Clock>, Arc::new(Manual::default())] {
            clock.ring();
            clock.sleep(u64::MAX);
        }
    }

    #[test]
    fn the_real_clock_wakes_in_time_and_never_early() {
        let clock = Real::default();
        for wait in [0, 1_000, 30_000, 300_000] {
            let until = clock.now() + wait;
            clock.sleep(until);
            assert!(clock.now() >= until);
        }
        assert!(clock.instant(clock.now()) <= Instant::now());
    }

    #[test]
    fn a_manual_clock_moves_only_when_it_is_told_to() {
        let clock = Arc::new(Manual::default());
        let thread = std::thread::spawn({
            let clock = Arc::clone(&clock);
            move || {
                clock.sleep(10);
                let woken = clock.now();
                clock.sleep(u64::MAX);
                woken
            }
        });
        assert!(clock.advance(9));
        assert_eq!(clock.now(), 9);
        assert!(clock.advance(1));
        clock.spend(5);
        assert_eq!(clock.now(), 15);
        clock.ring();
        assert_eq!(thread.join().ok(), Some(10));
    }
}
