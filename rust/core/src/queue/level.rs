//! One priority's items: first in, first out while one client uses it; weighted fair shares once there are several.
//!
//! A level that has emptied remembers nobody, so clients without number leave nothing behind.

use super::Item;
use super::shared::{Flow, Shared, Weights, append, pop_front};
use std::collections::VecDeque;

/// See the head of this file.
pub(super) struct Level<T>(Lists<T>);

enum Lists<T> {
    /// Of one client, whoever that is while there are no items.
    Plain(u32, VecDeque<T>),
    /// Never empty: it becomes a plain one first.
    Shared(Box<Shared<T>>),
}

impl<T: Item> Level<T> {
    /// With room for as many items.
    pub fn new(room: usize) -> Self {
        Self(Lists::Plain(0, VecDeque::with_capacity(room)))
    }

    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Lists::Plain(_, items) => items.is_empty(),
            Lists::Shared(_) => false,
        }
    }

    /// What runs next.
    pub fn head(&self) -> Option<&T> {
        match &self.0 {
            Lists::Plain(_, items) => items.front(),
            Lists::Shared(shared) => shared.head(),
        }
    }

    /// In order inside each client, not between them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (plain, shared) = match &self.0 {
            Lists::Plain(_, items) => (Some(items), None),
            Lists::Shared(shared) => (None, Some(shared.flows.values().map(|flow| &flow.items))),
        };
        plain.into_iter().chain(shared.into_iter().flatten()).flatten()
    }

    pub fn push_back(&mut self, item: T, weights: &Weights) {
        match self.open(item.client(), weights) {
            Lists::Plain(_, items) => append(items, item),
            Lists::Shared(shared) => shared.push_back(item, weights),
        }
    }

    /// Puts an item back where it was taken from, before all others of its priority that it was before.
    pub fn push_front(&mut self, item: T, weights: &Weights) {
        match self.open(item.client(), weights) {
            Lists::Plain(_, items) => items.push_front(item),
            Lists::Shared(shared) => shared.push_front(item, weights),
        }
    }

    /// Takes in a client: the second one makes the level shared.
    fn open(&mut self, client: u32, weights: &Weights) -> &mut Lists<T> {
        if let Lists::Plain(only, items) = &mut self.0
            && *only != client
        {
            if items.is_empty() {
                *only = client;
            } else {
                let mut shared = Shared::new();
                shared.flows.insert(*only, Flow { tag: shared.now, items: std::mem::take(items) });
                shared.file(weights);
                self.0 = Lists::Shared(Box::new(shared));
            }
        }
        &mut self.0
    }

    pub fn pop(&mut self, weights: &Weights) -> Option<T> {
        match &mut self.0 {
            Lists::Plain(_, items) => pop_front(items),
            Lists::Shared(shared) => {
                let item = shared.pop(weights);
                self.close();
                item
            }
        }
    }

    /// Forgets all clients of a shared level that has emptied.
    fn close(&mut self) {
        if matches!(&self.0, Lists::Shared(shared) if shared.len == 0) {
            self.0 = Lists::Plain(0, VecDeque::new());
        }
    }

    /// Lifts all items out as a level that can be popped. Afterwards those that stay are to be laid back with
    /// [`lay`](Self::lay), in any order that keeps each client's, and [`settle`](Self::settle) is to be called.
    pub fn lift(&mut self, weights: &Weights) -> Self {
        match &mut self.0 {
            Lists::Plain(client, items) => Self(Lists::Plain(*client, std::mem::take(items))),
            Lists::Shared(shared) => Self(Lists::Shared(Box::new(shared.lift(weights)))),
        }
    }

    pub fn lay(&mut self, item: T) {
        match &mut self.0 {
            Lists::Plain(_, items) => append(items, item),
            Lists::Shared(shared) => {
                let flow = shared.flows.entry(item.client());
                let now = shared.now;
                append(&mut flow.or_insert_with(|| Flow { tag: now, items: VecDeque::new() }).items, item);
            }
        }
    }

    pub fn settle(&mut self, weights: &Weights) {
        if let Lists::Shared(shared) = &mut self.0 {
            shared.file(weights);
        }
        self.close();
    }

    /// Told when a weight has changed.
    pub fn reweigh(&mut self, client: u32, before: u64, after: u64) {
        if let Lists::Shared(shared) = &mut self.0
            && shared.flows.get(&client).is_some_and(|flow| !flow.items.is_empty())
        {
            shared.weight = shared.weight - before + after;
        }
    }

    /// How many clients are remembered by name.
    #[cfg(all(test, not(loom)))]
    pub fn num_clients(&self) -> usize {
        match &self.0 {
            Lists::Plain(..) => 0,
            Lists::Shared(shared) => shared.flows.len(),
        }
    }

    /// For how many items there is room.
    #[cfg(all(test, not(loom)))]
    pub fn capacity(&self) -> usize {
        match &self.0 {
            Lists::Plain(_, items) => items.capacity(),
            Lists::Shared(shared) => shared.flows.values().map(|flow| flow.items.capacity()).sum(),
        }
    }
}
