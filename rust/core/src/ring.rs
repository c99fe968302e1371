//! The completion ring: many workers push, one event loop drains, a burst costs one wake-up.
//!
//! A plain vector under a lock, swapped out whole by the drainer, beats a lock-free ring here: the critical section is
//! one push, bursts are drained in one swap, and there is no capacity to overflow (what may be in it is bounded by the
//! queues' budgets). The flag `signalled` makes a burst ring the bell once.

use crate::sync::{AtomicBool, Mutex, Ordering, lock};

/// How a ring wakes whoever drains it.
pub trait Bell: Send + Sync {
    fn ring(&self);
    /// Takes back any rings so far; called by the drainer before it looks.
    fn silence(&self);
}

/// A ring of finished things and the bell of the loop that drains them.
pub struct Ring<T, B> {
    items: Mutex<Vec<T>>,
    signalled: AtomicBool,
    pub bell: B,
}

impl<T, B: Bell> Ring<T, B> {
    pub fn new(bell: B) -> Self {
        Self { items: Mutex::new(Vec::new()), signalled: AtomicBool::new(false), bell }
    }

    /// Adds one and wakes the drainer unless it is awake already. Returns whether the bell was rung.
    pub fn push(&self, item: T) -> bool {
        lock(&self.items).push(item);
        let first = !self.signalled.swap(true, Ordering::AcqRel);
        if first {
            self.bell.ring();
        }
        first
    }

    /// Takes everything that is there.
    pub fn drain(&self) -> Vec<T> {
        self.bell.silence();
        // Cleared before looking: a push that comes after this line rings again, so nothing is left behind unseen. A swap,
        // not a store: it must see the pushers' swaps, and be seen by them (the loom test fails with a store).
        self.signalled.swap(false, Ordering::AcqRel);
        std::mem::take(&mut *lock(&self.items))
    }

    /// Whether nothing waits to be drained.
    pub fn is_empty(&self) -> bool {
        lock(&self.items).is_empty()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::AtomicUsize;
    use loom::sync::Arc;

    struct Counter(AtomicUsize);
    impl Bell for Counter {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn silence(&self) {
            self.0.store(0, Ordering::SeqCst);
        }
    }

    #[test]
    fn loom_nothing_stays_in_the_ring_without_a_bell() {
        loom::model(|| {
            let ring = Arc::new(Ring::new(Counter(AtomicUsize::new(0))));
            let pushers: Vec<_> = (0..2)
                .map(|i| {
                    let ring = Arc::clone(&ring);
                    loom::thread::spawn(move || ring.push(i))
                })
                .collect();
            let mut seen = ring.drain().len();
            for pusher in pushers {
                pusher.join().ok();
            }
            // Whoever sleeps on the bell is woken exactly when something is left.
            if !ring.is_empty() {
                assert!(ring.bell.0.load(Ordering::SeqCst) > 0);
            }
            seen += ring.drain().len();
            assert_eq!(seen, 2);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::AtomicUsize;

    struct Counter(AtomicUsize);
    impl Bell for Counter {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn silence(&self) {}
    }

    #[test]
    fn a_burst_rings_once() {
        let ring = Ring::new(Counter(AtomicUsize::new(0)));
        for i in 0..100 {
            ring.push(i);
        }
        assert_eq!(ring.bell.0.load(Ordering::SeqCst), 1);
        assert_eq!(ring.drain(), (0..100).collect::<Vec<_>>());
        ring.push(7);
        assert_eq!(ring.bell.0.load(Ordering::SeqCst), 2);
    }
}
