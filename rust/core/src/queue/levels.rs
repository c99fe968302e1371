//! All items of one kind, by priority: larger first, but who has waited long counts as more.

use super::Item;
use super::level::Level;
use super::shared::Weights;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Priorities whose lists are kept though they are empty. Beyond that a caller draws them from a clock or a counter.
pub(super) const KEPT_LEVELS: usize = 64;

/// What the order depends on beside the items.
pub(super) struct Rules {
    /// For each such time that a priority's first item has waited it counts one more; 0 = never.
    span_ns: u64,
    pub weights: Weights,
}

impl Rules {
    pub fn new(aging: Option<Duration>) -> Self {
        let span_ns = aging.map_or(0, |span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        Self { span_ns, weights: Weights::default() }
    }

    fn gain(&self, since: Instant, now: Instant) -> i64 {
        let waited = u64::try_from(now.saturating_duration_since(since).as_nanos()).unwrap_or(u64::MAX);
        waited.checked_div(self.span_ns).map_or(0, |spans| spans.min(1 << 62) as i64)
    }
}

/// The time, read once and only if somebody asks.
#[derive(Default)]
pub(super) struct Clock(pub Option<Instant>);

impl Clock {
    fn now(&mut self) -> Instant {
        *self.0.get_or_insert_with(Instant::now)
    }
}

/// See the head of this file.
pub(super) struct Levels<T> {
    /// One cached list per distinct priority, kept once made while they are few.
    map: BTreeMap<Reverse<i32>, Level<T>>,
    /// How many of them are not empty.
    filled: usize,
    /// No level's first item is older.
    oldest: Option<Instant>,
}

impl<T: Item> Levels<T> {
    pub fn new() -> Self {
        Self { map: BTreeMap::new(), filled: 0, oldest: None }
    }

    pub fn num_priorities(&self) -> usize {
        self.map.len()
    }

    /// By priority; see [`Level::iter`].
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.map.values().flat_map(Level::iter)
    }

    pub fn push_back(&mut self, item: T, rules: &Rules) {
        self.open(&item).push_back(item, &rules.weights);
    }

    /// Puts back what was taken last.
    pub fn push_front(&mut self, item: T, rules: &Rules) {
        self.open(&item).push_front(item, &rules.weights);
    }

    /// The list that an item is about to enter.
    fn open(&mut self, item: &T) -> &mut Level<T> {
        let priority = Reverse(item.priority());
        let num = self.map.len();
        if num >= KEPT_LEVELS && num / 2 >= self.filled && !self.map.contains_key(&priority) {
            self.map.retain(|_, level| !level.is_empty()); // half of them at least, so it comes seldom
        }
        self.oldest = self.oldest.filter(|_| self.filled > 0).min(Some(item.queued_at())).or(Some(item.queued_at()));
        // Very many lists hold one item each as a rule.
        let room = usize::from(self.map.len() >= KEPT_LEVELS);
        let level = self.map.entry(priority).or_insert_with(|| Level::new(room));
        self.filled += usize::from(level.is_empty());
        level
    }

    /// Told when a client's weight has changed.
    pub fn reweigh(&mut self, client: u32, before: u64, after: u64) {
        self.map.values_mut().for_each(|level| level.reweigh(client, before, after));
    }

    pub fn pop(&mut self, rules: &Rules, clock: &mut Clock) -> Option<T> {
        self.pop_if(rules, clock, |_| true)
    }

    /// Takes what runs next, if it may.
    pub fn pop_if(&mut self, rules: &Rules, clock: &mut Clock, may: impl FnOnce(&T) -> bool) -> Option<T> {
        let priority = Reverse(self.choose(rules, clock)?);
        let level = self.map.get_mut(&priority)?;
        if !level.head().is_some_and(may) {
            return None;
        }
        let item = level.pop(&rules.weights);
        match level.head() {
            Some(head) => self.oldest = self.oldest.min(Some(head.queued_at())),
            None => {
                self.filled -= 1;
                if self.map.len() > KEPT_LEVELS {
                    self.map.remove(&priority);
                }
            }
        }
        item
    }

    /// The priority that runs next.
    fn choose(&mut self, rules: &Rules, clock: &mut Clock) -> Option<i32> {
        if self.filled < 2 || rules.span_ns == 0 {
            return self.map.iter().find(|(_, level)| !level.is_empty()).map(|(priority, _)| priority.0);
        }
        let now = clock.now();
        let most = self.oldest.map_or(0, |oldest| rules.gain(oldest, now));
        let mut best: Option<(i64, Reverse<Instant>, i32)> = None;
        let mut oldest = None;
        let mut seen = 0;
        for (&Reverse(priority), level) in &self.map {
            let Some(head) = level.head() else { continue };
            let plain = i64::from(priority);
            if best.is_some_and(|(counts, ..)| plain.saturating_add(most) < counts) {
                break; // nobody further down can have gained enough
            }
            let since = head.queued_at();
            best = best.max(Some((plain.saturating_add(rules.gain(since, now)), Reverse(since), priority)));
            oldest = oldest.min(Some(since)).or(Some(since));
            seen += 1;
        }
        if seen == self.filled {
            self.oldest = oldest;
        }
        best.map(|(_, _, priority)| priority)
    }

    /// Takes out those that leave, in the order in which they would run. Who stays keeps its place, and no client is
    /// charged.
    pub fn extract(&mut self, rules: &Rules, clock: &mut Clock, leaves: impl Fn(&T) -> bool) -> Vec<T> {
        let mut out = Vec::new();
        if !self.iter().any(&leaves) {
            return out;
        }
        let map = self.map.iter_mut().map(|(priority, level)| (*priority, level.lift(&rules.weights))).collect();
        let mut lifted = Self { map, filled: self.filled, oldest: self.oldest };
        while let Some(item) = lifted.pop(rules, clock) {
            if leaves(&item) {
                out.push(item);
            } else if let Some(level) = self.map.get_mut(&Reverse(item.priority())) {
                level.lay(item);
            }
        }
        self.map.values_mut().for_each(|level| level.settle(&rules.weights));
        if self.map.len() > KEPT_LEVELS {
            self.map.retain(|_, level| !level.is_empty());
        }
        let heads = self.map.values().filter_map(Level::head);
        (self.filled, self.oldest) = (heads.clone().count(), heads.map(Item::queued_at).min());
        out
    }
}
