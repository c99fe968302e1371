//! A device's queue: larger priority first, fair shares between the clients inside one, first-in-first-out for each of
//! them, bounded in operations and in bytes. A priority that has waited long counts as more, so that nothing starves.
//!
//! The budget covers what is queued *and* what is running: it is given back by `release`, not by `take`. What does not
//! fit either bounces (`try_push`) or waits its turn behind the budget (`push`): waiting items hold no memory of ours but
//! themselves, since outputs are allocated when an item runs. An item larger than the whole byte budget is let in alone.
//!
//! Takers spin briefly before they sleep: waking a sleeping thread on the other core costs about 20 us, handing over to
//! a spinning one 0.1 us. A push wakes a sleeper only when nobody spins; a taker that leaves more behind wakes the next.
//!
//! Rejected: a lock-free queue. Priorities, budgets and the overflow list change together; one short critical section
//! (well under 100 ns) is cheaper than making three structures agree, and it can be proven (see the loom tests).

mod level;
mod levels;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model;
#[cfg(test)]
mod probe;
mod shared;
mod state;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, lock};
use levels::{Clock, Rules};
use state::{State, has_space};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What the queue must know of an item. Except for [`is_cancelled`](Self::is_cancelled) the answers never change while
/// the queue holds it.
pub trait Item {
    fn priority(&self) -> i32;
    fn bytes(&self) -> usize;
    /// Whose it is, for fair shares; 0 = nobody's in particular.
    fn client(&self) -> u32;
    /// Since when it waits, for aging.
    fn queued_at(&self) -> Instant;
    /// Let in only while fewer operations than this are queued or running; `usize::MAX` = no limit. One that is alone
    /// is let in always.
    fn most_operations(&self) -> usize;
    /// Whether it may run elsewhere; see [`Queue::take_movable`].
    fn is_movable(&self) -> bool;
    /// Whether its caller has withdrawn it: it may be dropped when room is needed.
    fn is_cancelled(&self) -> bool;
    /// Told when the item begins to hold budget, and when the queue has taken that back by itself. Whoever ends an item
    /// that holds budget must [`Queue::release`] it.
    fn set_budgeted(&mut self, holds: bool);
}

/// Bytes at which a burst is large enough: some tens of microseconds of work.
const BURST_BYTES: usize = 64 << 10;

/// Upper bounds of what a queue holds, running items included.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub operations: usize,
    pub bytes: usize,
}

/// See the head of this file. Shareable between threads.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    budget: Budget,
    /// Read without the lock: what the state says.
    queued: AtomicUsize,
    waiting: AtomicUsize,
    operations: AtomicUsize,
    bytes: AtomicUsize,
    spinning: AtomicUsize,
    sleeping: AtomicUsize,
    is_closed: AtomicBool,
}

/// A consistent view of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    pub queued: usize,
    pub waiting: usize,
    /// Queued or running.
    pub operations: usize,
    pub bytes: usize,
    pub peak_bytes: usize,
    pub priorities: usize,
}

/// Why an item was not taken; hands it back.
#[derive(Debug)]
pub enum Refused<T> {
    Full(T),
    Closed(T),
}

impl<T: Item> Queue<T> {
    /// With `aging`, a priority counts one more for each such time that its first item has waited.
    pub fn new(budget: Budget, aging: Option<Duration>) -> Self {
        Self {
            state: Mutex::new(State::new(Rules::new(aging))),
            ready: Condvar::new(),
            budget,
            queued: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            operations: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            spinning: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        }
    }

    pub fn budget(&self) -> Budget {
        self.budget
    }

    pub fn load(&self) -> Load {
        let state = lock(&self.state);
        Load {
            queued: state.queued,
            waiting: state.num_waiting,
            operations: state.operations,
            bytes: state.bytes,
            peak_bytes: state.peak_bytes,
            priorities: state.levels.num_priorities(),
        }
    }

    /// Shows each queued and then each waiting item to `look`, by priority, with whether it waits behind the budget.
    /// The lock is held meanwhile: `look` must be quick and must not come back to the queue.
    pub fn for_each(&self, mut look: impl FnMut(&T, bool)) {
        let state = lock(&self.state);
        state.levels.iter().for_each(|item| look(item, false));
        state.waiting.iter().for_each(|item| look(item, true));
    }

    /// About how many are queued, waiting or running. Takes no lock.
    pub fn len(&self) -> usize {
        self.operations.load(Ordering::Relaxed).saturating_add(self.waiting.load(Ordering::Relaxed))
    }

    /// Whether nothing is queued, waiting or running; as exact as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether something is there to be taken. Takes no lock: others may be faster.
    pub fn has_queued(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// Whether such an item would be let in now. Takes no lock: others may be faster.
    pub fn has_room(&self, bytes: usize, most_operations: usize) -> bool {
        let (operations, spent) = (self.operations.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        self.waiting.load(Ordering::Relaxed) == 0
            && !self.is_closed.load(Ordering::Relaxed)
            && has_space(operations, spent, &self.budget, bytes, most_operations)
    }

    /// Gives a client another share inside each priority: 1 for who has none, at most 65536. A weight of 0 counts as 1.
    /// Counts for items that are taken from now on. Set it back to 1 when the client has gone, or it is kept.
    pub fn set_weight(&self, client: u32, weight: u32) {
        lock(&self.state).set_weight(client, weight);
    }

    /// Queues an item, or hands it back when the budget is spent. See [`push`](Self::push) for the hint.
    pub fn try_push(&self, item: T, withdrawn: u64) -> Result<(), Refused<T>> {
        self.offer(item, false, withdrawn)
    }

    /// Queues an item, behind the budget if that is spent. Only a closed queue hands it back.
    ///
    /// `withdrawn` counts the cancellations there have been anywhere: when room is needed, and it has grown since the
    /// last time, cancelled items are looked for and make way.
    pub fn push(&self, item: T, withdrawn: u64) -> Result<(), Refused<T>> {
        self.offer(item, true, withdrawn)
    }

    fn offer(&self, item: T, may_wait: bool, withdrawn: u64) -> Result<(), Refused<T>> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Refused::Closed(item));
        }
        let mut purged = Vec::new();
        let is_full = !state.fits(&item, &self.budget) || state.num_waiting > 0;
        if is_full && state.purged_at != withdrawn {
            state.purged_at = withdrawn;
            purged = state.purge();
            state.refill(&self.budget);
        }
        let fits = state.num_waiting == 0 && state.fits(&item, &self.budget);
        let refused = if fits {
            state.admit(item);
            None
        } else if may_wait {
            state.wait(item);
            None
        } else {
            Some(item)
        };
        self.publish(&state);
        drop(state);
        drop(purged); // outside the lock: settling them may run other code
        self.wake();
        refused.map_or(Ok(()), |item| Err(Refused::Full(item)))
    }

    /// Before the lock is given up, whenever something has changed.
    fn publish(&self, state: &State<T>) {
        self.waiting.store(state.num_waiting, Ordering::Relaxed);
        self.operations.store(state.operations, Ordering::Relaxed);
        self.bytes.store(state.bytes, Ordering::Relaxed);
        self.queued.store(state.queued, Ordering::SeqCst); // takers rely on this one
    }

    fn wake(&self) {
        if self.spinning.load(Ordering::SeqCst) == 0 && self.sleeping.load(Ordering::SeqCst) > 0 {
            // Taking the lock orders us after a taker that has counted itself but does not wait yet.
            drop(lock(&self.state));
            self.ready.notify_one();
        }
    }

    /// Takes so many items, at most, but no more than a fair share when `takers` of us share the queue, and none after
    /// those that bring them above [`BURST_BYTES`]: large work is left to whoever is free first. If there are as many
    /// as the least, it takes those in any case. Spins through `spin` first, then sleeps. An empty burst means that the queue is closed and empty.
    pub fn take(&self, num: RangeInclusive<usize>, takers: usize, mut spin: impl FnMut() -> bool) -> VecDeque<T> {
        let (least, most) = (*num.start(), *num.end());
        self.spinning.fetch_add(1, Ordering::SeqCst);
        while self.queued.load(Ordering::SeqCst) == 0 && !self.is_closed.load(Ordering::SeqCst) && spin() {}
        self.spinning.fetch_sub(1, Ordering::SeqCst);
        let mut state = lock(&self.state);
        while state.queued == 0 && !state.closed {
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
        let share = state.queued.div_ceil(takers.max(1)).max(least).clamp(1, most.max(1));
        let mut burst = VecDeque::with_capacity(share.min(state.queued));
        let mut bytes = 0usize;
        let mut clock = Clock::default();
        while burst.len() < share && (burst.len() < least || bytes < BURST_BYTES) {
            let Some(item) = state.pop(&mut clock) else { break };
            bytes = bytes.saturating_add(item.bytes());
            burst.push_back(item);
        }
        self.publish(&state);
        let more = state.queued > 0;
        drop(state);
        if more {
            self.wake();
        }
        burst
    }

    /// Takes up to `most` items without waiting.
    pub fn take_now(&self, most: usize) -> VecDeque<T> {
        let mut state = lock(&self.state);
        let mut burst = VecDeque::new();
        let mut clock = Clock::default();
        while burst.len() < most {
            let Some(item) = state.pop(&mut clock) else { break };
            burst.push_back(item);
        }
        self.publish(&state);
        burst
    }

    /// Puts back, at the front of their priorities, items that the engine did not take. Their budget was never given
    /// back.
    pub fn put_back(&self, items: VecDeque<T>) {
        let mut state = lock(&self.state);
        for item in items.into_iter().rev() {
            state.put_back(item);
        }
        self.publish(&state);
    }

    /// Gives back the budget of items that have ended, and lets in what waited for it.
    pub fn release(&self, operations: usize, bytes: usize) {
        let mut state = lock(&self.state);
        state.operations = state.operations.saturating_sub(operations);
        state.bytes = state.bytes.saturating_sub(bytes);
        let admitted = state.refill(&self.budget);
        self.publish(&state);
        drop(state);
        self.wake_for(admitted);
    }

    fn wake_for(&self, admitted: usize) {
        for _ in 0..admitted.min(2) {
            self.wake();
        }
    }

    /// Takes out everything that may run elsewhere: what is queued, then what waits, each in the order of their turns.
    /// It holds no budget any more; what waited for that and stays is let in.
    pub fn take_movable(&self) -> Vec<T> {
        let mut state = lock(&self.state);
        let movable = state.take_movable();
        let admitted = state.refill(&self.budget);
        self.publish(&state);
        drop(state);
        self.wake_for(admitted);
        movable
    }

    /// Takes out everything that is queued or waits, in the order of their turns. It holds no budget any more.
    pub fn take_all(&self) -> Vec<T> {
        let mut state = lock(&self.state);
        let all = state.drain();
        self.publish(&state);
        all
    }

    /// Refuses everything from now on, wakes all takers, and hands back what was queued or waiting.
    pub fn close(&self) -> Vec<T> {
        let mut state = lock(&self.state);
        state.closed = true;
        self.is_closed.store(true, Ordering::SeqCst);
        let rest = state.drain();
        self.publish(&state);
        drop(state);
        self.ready.notify_all();
        rest
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}
