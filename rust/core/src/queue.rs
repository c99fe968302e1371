//! A device's queue: larger priority first, first-in-first-out inside one, bounded in operations and in bytes.
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

use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, lock};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

/// What the queue must know of an item.
pub trait Item {
    fn priority(&self) -> i32;
    fn bytes(&self) -> usize;
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

struct State<T> {
    /// One cached first-in-first-out list per distinct priority, kept once made while they are few.
    levels: BTreeMap<Reverse<i32>, VecDeque<T>>,
    queued: usize,
    operations: usize,
    bytes: usize,
    peak_bytes: usize,
    /// Behind the budget, by priority as well.
    waiting: BTreeMap<Reverse<i32>, VecDeque<T>>,
    num_waiting: usize,
    closed: bool,
    /// [`Queue::push`]'s hint at the last purge.
    purged_at: u64,
}

/// See the head of this file. Shareable between threads.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    budget: Budget,
    /// Hints that are read without the lock.
    queued: AtomicUsize,
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

/// Priorities whose lists are kept though they are empty. Beyond that a caller draws them from a clock or a counter.
const KEPT_LEVELS: usize = 64;

fn insert<T: Item>(levels: &mut BTreeMap<Reverse<i32>, VecDeque<T>>, item: T) {
    if levels.len() >= KEPT_LEVELS && !levels.contains_key(&Reverse(item.priority())) {
        levels.retain(|_, level| !level.is_empty());
    }
    levels.entry(Reverse(item.priority())).or_default().push_back(item);
}

fn pop<T>(levels: &mut BTreeMap<Reverse<i32>, VecDeque<T>>) -> Option<T> {
    levels.values_mut().find_map(VecDeque::pop_front)
}

impl<T: Item> State<T> {
    fn fits(&self, item: &T, budget: &Budget) -> bool {
        self.operations == 0
            || (self.operations < budget.operations && self.bytes.saturating_add(item.bytes()) <= budget.bytes)
    }

    fn admit(&mut self, mut item: T) {
        item.set_budgeted(true);
        self.operations += 1;
        self.queued += 1;
        self.bytes += item.bytes();
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        insert(&mut self.levels, item);
    }

    /// Lets in from behind the budget what fits now; returns how many.
    fn refill(&mut self, budget: &Budget) -> usize {
        let mut admitted = 0;
        while self.num_waiting > 0 {
            let fits = self.waiting.values().find_map(VecDeque::front).is_some_and(|item| self.fits(item, budget));
            if !fits {
                break;
            }
            let Some(item) = pop(&mut self.waiting) else { break };
            self.num_waiting -= 1;
            self.admit(item);
            admitted += 1;
        }
        admitted
    }

    /// Takes out what was cancelled while queued, so that it does not hold the budget.
    fn purge(&mut self) -> Vec<T> {
        let mut out = Vec::new();
        for level in self.levels.values_mut() {
            if level.iter().any(Item::is_cancelled) {
                let (gone, kept): (Vec<T>, Vec<T>) = level.drain(..).partition(Item::is_cancelled);
                level.extend(kept);
                out.extend(gone);
            }
        }
        self.queued -= out.len();
        self.operations -= out.len();
        for item in &mut out {
            self.bytes -= item.bytes();
            item.set_budgeted(false);
        }
        out
    }
}

impl<T: Item> Queue<T> {
    pub fn new(budget: Budget) -> Self {
        Self {
            state: Mutex::new(State {
                levels: BTreeMap::new(),
                queued: 0,
                operations: 0,
                bytes: 0,
                peak_bytes: 0,
                waiting: BTreeMap::new(),
                num_waiting: 0,
                closed: false,
                purged_at: 0,
            }),
            ready: Condvar::new(),
            budget,
            queued: AtomicUsize::new(0),
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
            priorities: state.levels.len(),
        }
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
            insert(&mut state.waiting, item);
            state.num_waiting += 1;
            None
        } else {
            Some(item)
        };
        self.queued.store(state.queued, Ordering::SeqCst);
        drop(state);
        drop(purged); // outside the lock: settling them may run other code
        self.wake();
        refused.map_or(Ok(()), |item| Err(Refused::Full(item)))
    }

    fn wake(&self) {
        if self.spinning.load(Ordering::SeqCst) == 0 && self.sleeping.load(Ordering::SeqCst) > 0 {
            // Taking the lock orders us after a taker that has counted itself but does not wait yet.
            drop(lock(&self.state));
            self.ready.notify_one();
        }
    }

    /// Takes up to `most` items, but no more than a fair share when `takers` of us share the queue, and none after the
    /// first that would bring them above [`BURST_BYTES`]: large work is left to whoever is free first.
    /// Spins through `spin` first, then sleeps. An empty burst means that the queue is closed and empty.
    pub fn take(&self, most: usize, takers: usize, mut spin: impl FnMut() -> bool) -> VecDeque<T> {
        self.spinning.fetch_add(1, Ordering::SeqCst);
        while self.queued.load(Ordering::SeqCst) == 0 && !self.is_closed.load(Ordering::SeqCst) && spin() {}
        self.spinning.fetch_sub(1, Ordering::SeqCst);
        let mut state = lock(&self.state);
        while state.queued == 0 && !state.closed {
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
        let share = state.queued.div_ceil(takers.max(1)).clamp(1, most.max(1));
        let mut burst = VecDeque::with_capacity(share.min(state.queued));
        let mut bytes = 0usize;
        while burst.len() < share && bytes < BURST_BYTES {
            let Some(item) = pop(&mut state.levels) else { break };
            state.queued -= 1;
            bytes = bytes.saturating_add(item.bytes());
            burst.push_back(item);
        }
        self.queued.store(state.queued, Ordering::SeqCst);
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
        while burst.len() < most {
            let Some(item) = pop(&mut state.levels) else { break };
            state.queued -= 1;
            burst.push_back(item);
        }
        self.queued.store(state.queued, Ordering::SeqCst);
        burst
    }

    /// Puts back, at the front of their priorities, items that the engine did not take. Their budget was never given back.
    pub fn put_back(&self, items: VecDeque<T>) {
        let mut state = lock(&self.state);
        for item in items.into_iter().rev() {
            state.queued += 1;
            state.levels.entry(Reverse(item.priority())).or_default().push_front(item);
        }
        self.queued.store(state.queued, Ordering::SeqCst);
    }

    /// Gives back the budget of items that have ended, and lets in what waited for it.
    pub fn release(&self, operations: usize, bytes: usize) {
        let mut state = lock(&self.state);
        state.operations = state.operations.saturating_sub(operations);
        state.bytes = state.bytes.saturating_sub(bytes);
        let admitted = state.refill(&self.budget);
        self.queued.store(state.queued, Ordering::SeqCst);
        drop(state);
        for _ in 0..admitted.min(2) {
            self.wake();
        }
    }

    /// Refuses everything from now on, wakes all takers, and hands back what was queued or waiting.
    pub fn close(&self) -> Vec<T> {
        let mut state = lock(&self.state);
        state.closed = true;
        self.is_closed.store(true, Ordering::SeqCst);
        let mut rest = Vec::new();
        let mut admitted = 0;
        while let Some(mut item) = pop(&mut state.levels) {
            admitted += 1;
            state.bytes -= item.bytes();
            item.set_budgeted(false);
            rest.push(item);
        }
        state.operations -= admitted;
        while let Some(item) = pop(&mut state.waiting) {
            rest.push(item);
        }
        state.queued = 0;
        state.num_waiting = 0;
        self.queued.store(0, Ordering::SeqCst);
        drop(state);
        self.ready.notify_all();
        rest
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
struct Probe {
    id: usize,
    priority: i32,
    bytes: usize,
    cancelled: bool,
}

#[cfg(test)]
impl Item for Probe {
    fn priority(&self) -> i32 {
        self.priority
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn is_cancelled(&self) -> bool {
        self.cancelled
    }
    fn set_budgeted(&mut self, _holds: bool) {}
}

#[cfg(test)]
fn probe(id: usize, priority: i32, bytes: usize) -> Probe {
    Probe { id, priority, bytes, cancelled: false }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ids(queue: &Queue<Probe>) -> Vec<usize> {
        queue.take_now(usize::MAX).iter().map(|p| p.id).collect()
    }

    #[test]
    fn larger_priority_first_then_in_order_of_arrival() {
        let queue = Queue::<Probe>::new(Budget { operations: 10, bytes: 100 });
        for (id, priority) in [(0, 0), (1, 7), (2, 0), (3, 7), (4, -1)] {
            assert!(queue.push(probe(id, priority, 1), 0).is_ok());
        }
        assert_eq!(ids(&queue), [1, 3, 0, 2, 4]);
        assert_eq!(queue.load().priorities, 3);
    }

    #[test]
    fn a_spent_budget_bounces_or_waits_until_released() {
        let queue = Queue::<Probe>::new(Budget { operations: 2, bytes: 100 });
        assert!(queue.try_push(probe(0, 0, 60), 0).is_ok());
        assert!(matches!(queue.try_push(probe(1, 0, 60), 0), Err(Refused::Full(_))));
        assert!(queue.push(probe(2, 0, 60), 0).is_ok());
        assert!(queue.push(probe(3, 0, 10), 0).is_ok());
        assert_eq!(queue.load().waiting, 2);
        assert_eq!(ids(&queue), [0]);
        queue.release(1, 60);
        assert_eq!(queue.load().bytes, 70);
        assert_eq!(ids(&queue), [2, 3]);
        assert!(queue.load().peak_bytes <= 100);
    }

    #[test]
    fn an_item_beyond_the_byte_budget_goes_alone() {
        let queue = Queue::<Probe>::new(Budget { operations: 8, bytes: 100 });
        assert!(queue.try_push(probe(0, 0, 1000), 0).is_ok());
        assert!(queue.try_push(probe(1, 0, 1), 0).is_err());
    }

    #[test]
    fn priorities_drawn_from_a_counter_leave_nothing_behind() {
        let queue = Queue::<Probe>::new(Budget { operations: 10, bytes: 100 });
        for priority in 0..10_000 {
            assert!(queue.push(probe(0, priority, 0), 0).is_ok());
            assert_eq!(queue.take_now(1).len(), 1);
            queue.release(1, 0);
        }
        assert!(queue.load().priorities <= KEPT_LEVELS);
    }

    #[test]
    fn cancelled_items_give_way_when_room_is_needed() {
        let queue = Queue::<Probe>::new(Budget { operations: 1, bytes: 100 });
        assert!(queue.push(Probe { id: 0, priority: 0, bytes: 1, cancelled: true }, 0).is_ok());
        assert!(queue.try_push(probe(1, 0, 1), 0).is_err());
        assert!(queue.try_push(probe(1, 0, 1), 1).is_ok());
        assert_eq!(ids(&queue), [1]);
    }

    #[test]
    fn closing_hands_back_everything_and_refuses_more() {
        let queue = Queue::<Probe>::new(Budget { operations: 1, bytes: 100 });
        assert!(queue.push(probe(0, 0, 1), 0).is_ok());
        assert!(queue.push(probe(1, 0, 1), 0).is_ok());
        assert_eq!(queue.close().len(), 2);
        assert!(matches!(queue.push(probe(2, 0, 1), 0), Err(Refused::Closed(_))));
        assert!(queue.take(4, 1, || false).is_empty());
    }

    #[test]
    fn many_threads_lose_and_double_nothing() {
        use std::sync::Arc;
        let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 16, bytes: 1 << 20 }));
        let seen = Arc::new(AtomicUsize::new(0));
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
                std::thread::spawn(move || {
                    loop {
                        let burst = queue.take(4, 3, || false);
                        if burst.is_empty() {
                            break;
                        }
                        for item in burst {
                            seen.fetch_add(item.id, Ordering::SeqCst);
                            queue.release(1, item.bytes);
                        }
                    }
                })
            })
            .collect();
        let pushers: Vec<_> = (0..4)
            .map(|_| {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || {
                    (1..=5000).all(|id| queue.push(probe(id, (id % 3) as i32, id % 70), 0).is_ok())
                })
            })
            .collect();
        assert!(pushers.into_iter().all(|p| p.join().is_ok_and(|all| all)));
        while queue.load().operations > 0 || queue.load().waiting > 0 {
            std::thread::yield_now();
        }
        queue.close();
        for taker in takers {
            assert!(taker.join().is_ok());
        }
        assert_eq!(seen.load(Ordering::SeqCst), 4 * 5000 * 5001 / 2);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;

    #[test]
    fn loom_no_push_is_lost_on_a_taker_going_to_sleep() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 4, bytes: 100 }));
            let taker = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || {
                    let mut sum = 0;
                    while sum < 3 {
                        sum += queue.take(4, 1, || false).iter().map(|p| p.id).sum::<usize>();
                    }
                    sum
                })
            };
            let pusher = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || queue.push(probe(1, 0, 1), 0).is_ok())
            };
            assert!(queue.push(probe(2, 1, 1), 0).is_ok());
            assert!(pusher.join().is_ok_and(|ok| ok));
            assert!(taker.join().is_ok_and(|sum| sum == 3));
        });
    }

    #[test]
    fn loom_released_budget_lets_in_who_waits() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 1, bytes: 100 }));
            assert!(queue.push(probe(1, 0, 1), 0).is_ok());
            let pusher = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || queue.push(probe(2, 0, 1), 0).is_ok())
            };
            let mut sum = 0;
            while sum < 3 {
                for item in queue.take(1, 1, || false) {
                    sum += item.id;
                    queue.release(1, item.bytes);
                }
            }
            assert!(pusher.join().is_ok_and(|ok| ok));
        });
    }
}
