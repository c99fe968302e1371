//! The items of the queue's tests.

use super::Item;
use std::time::Instant;

#[derive(Debug, Clone, Copy)]
pub struct Probe {
    pub id: usize,
    pub priority: i32,
    pub bytes: usize,
    pub client: u32,
    pub queued_at: Instant,
    pub most_operations: usize,
    pub is_movable: bool,
    pub is_cancelled: bool,
    pub is_budgeted: bool,
}

pub fn probe(id: usize, priority: i32, bytes: usize) -> Probe {
    Probe {
        id,
        priority,
        bytes,
        client: 0,
        queued_at: Instant::now(),
        most_operations: usize::MAX,
        is_movable: true,
        is_cancelled: false,
        is_budgeted: false,
    }
}

impl Item for Probe {
    fn priority(&self) -> i32 {
        self.priority
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn client(&self) -> u32 {
        self.client
    }
    fn queued_at(&self) -> Instant {
        self.queued_at
    }
    fn most_operations(&self) -> usize {
        self.most_operations
    }
    fn is_movable(&self) -> bool {
        self.is_movable
    }
    fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }
    fn set_budgeted(&mut self, holds: bool) {
        assert_ne!(self.is_budgeted, holds, "told twice");
        self.is_budgeted = holds;
    }
}
