//! What the queue's lock guards: who is queued, who waits behind the budget, and how much of that is spent.

use super::levels::{Clock, Levels, Rules};
use super::{Budget, Item};

pub(super) struct State<T> {
    pub levels: Levels<T>,
    pub queued: usize,
    pub operations: usize,
    pub bytes: usize,
    pub peak_bytes: usize,
    /// Behind the budget, in the same order.
    pub waiting: Levels<T>,
    pub num_waiting: usize,
    pub rules: Rules,
    pub closed: bool,
    /// [`Queue::push`](super::Queue::push)'s hint at the last purge.
    pub purged_at: u64,
}

/// Whether something fits beside what is queued or running already. A device with nothing to do takes anything.
pub(super) fn has_space(
    operations: usize,
    spent: usize,
    budget: &Budget,
    bytes: usize,
    most_operations: usize,
) -> bool {
    operations == 0
        || (operations < budget.operations.min(most_operations) && spent.saturating_add(bytes) <= budget.bytes)
}

impl<T: Item> State<T> {
    pub fn new(rules: Rules) -> Self {
        Self {
            levels: Levels::new(),
            queued: 0,
            operations: 0,
            bytes: 0,
            peak_bytes: 0,
            waiting: Levels::new(),
            num_waiting: 0,
            rules,
            closed: false,
            purged_at: 0,
        }
    }

    pub fn fits(&self, item: &T, budget: &Budget) -> bool {
        has_space(self.operations, self.bytes, budget, item.bytes(), item.most_operations())
    }

    pub fn admit(&mut self, mut item: T) {
        item.set_budgeted(true);
        self.operations += 1;
        self.queued += 1;
        self.bytes += item.bytes();
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        self.levels.push_back(item, &self.rules);
    }

    pub fn wait(&mut self, item: T) {
        self.waiting.push_back(item, &self.rules);
        self.num_waiting += 1;
    }

    pub fn set_weight(&mut self, client: u32, weight: u32) {
        let (before, after) = self.rules.weights.set(client, weight);
        self.levels.reweigh(client, before, after);
        self.waiting.reweigh(client, before, after);
    }

    pub fn pop(&mut self, clock: &mut Clock) -> Option<T> {
        let item = self.levels.pop(&self.rules, clock)?;
        self.queued -= 1;
        Some(item)
    }

    pub fn put_back(&mut self, item: T) {
        self.queued += 1;
        self.levels.push_front(item, &self.rules);
    }

    /// Lets in from behind the budget what fits now; returns how many. Who is next and does not fit holds up the
    /// others, or it might wait for ever.
    pub fn refill(&mut self, budget: &Budget) -> usize {
        let mut clock = Clock::default();
        let mut admitted = 0;
        while self.num_waiting > 0 {
            let (operations, bytes) = (self.operations, self.bytes);
            let next = self.waiting.pop_if(&self.rules, &mut clock, |item| {
                has_space(operations, bytes, budget, item.bytes(), item.most_operations())
            });
            let Some(item) = next else { break };
            self.num_waiting -= 1;
            self.admit(item);
            admitted += 1;
        }
        admitted
    }

    /// Takes out what was cancelled while queued, so that it does not hold the budget.
    pub fn purge(&mut self) -> Vec<T> {
        self.withdraw(&mut Clock::default(), T::is_cancelled)
    }

    /// Takes out all that may run elsewhere: the queued before the waiting, each in the order of their turns.
    pub fn take_movable(&mut self) -> Vec<T> {
        let mut clock = Clock::default();
        let mut out = self.withdraw(&mut clock, T::is_movable);
        let waiting = self.waiting.extract(&self.rules, &mut clock, T::is_movable);
        self.num_waiting -= waiting.len();
        out.extend(waiting);
        out
    }

    /// Takes queued items out and their budget back.
    fn withdraw(&mut self, clock: &mut Clock, leaves: impl Fn(&T) -> bool) -> Vec<T> {
        let mut out = self.levels.extract(&self.rules, clock, leaves);
        self.queued -= out.len();
        for item in &mut out {
            self.free(item);
        }
        out
    }

    /// Takes everything out, queued and waiting.
    pub fn drain(&mut self) -> Vec<T> {
        let mut clock = Clock::default();
        let mut out = Vec::with_capacity(self.queued + self.num_waiting);
        while let Some(mut item) = self.pop(&mut clock) {
            self.free(&mut item);
            out.push(item);
        }
        while let Some(item) = self.waiting.pop(&self.rules, &mut clock) {
            out.push(item);
        }
        self.num_waiting = 0;
        out
    }

    fn free(&mut self, item: &mut T) {
        self.operations -= 1;
        self.bytes -= item.bytes();
        item.set_budgeted(false);
    }
}
