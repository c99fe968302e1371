//! Deadlines: ends operations whose time is up, when it is up, wherever they are.
//!
//! One thread per layer, started with the first deadline. Most operations end long before theirs; what they leave in the
//! heap is swept when it has doubled since the last time.

use super::lock;
use crate::operation::{Operation, Settled};
use crate::status::Status;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

struct Entry {
    at: Instant,
    operation: Weak<Operation>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Reverse<Entry>>,
    swept: usize,
    is_closed: bool,
    thread: Option<JoinHandle<()>>,
}

/// See the head of this file. Shareable between threads.
#[derive(Default)]
pub struct Alarm {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Alarm {
    /// Ends this operation at that time, if it is still pending then.
    pub fn set(&self, at: Instant, operation: &Arc<Operation>) {
        let (state, turn) = &*self.shared;
        let mut state = lock(state);
        if state.is_closed {
            return;
        }
        if state.heap.len() >= 2 * state.swept.max(512) {
            state.heap.retain(|Reverse(entry)| entry.operation.upgrade().is_some_and(|own| own.is_pending()));
            state.swept = state.heap.len();
        }
        let is_next = state.heap.peek().is_none_or(|Reverse(first)| at < first.at);
        state.heap.push(Reverse(Entry { at, operation: Arc::downgrade(operation) }));
        if state.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            // Without the thread deadlines are still noticed where work would begin.
            state.thread = std::thread::Builder::new().name("acrypto/alarm".into()).spawn(move || ring(&shared)).ok();
        }
        drop(state);
        if is_next {
            turn.notify_one();
        }
    }

    /// Ends the thread.
    pub fn close(&self) {
        let (state, turn) = &*self.shared;
        let thread = {
            let mut state = lock(state);
            state.is_closed = true;
            state.heap.clear();
            state.thread.take()
        };
        turn.notify_all();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join(); // it runs nobody's code but ours
        }
    }
}

fn ring(shared: &(Mutex<State>, Condvar)) {
    let (state, turn) = shared;
    let nobody: Arc<str> = Arc::from("");
    let mut guard = lock(state);
    while !guard.is_closed {
        let now = Instant::now();
        let next = guard.heap.peek().map(|Reverse(entry)| entry.at);
        guard = match next {
            None => turn.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(at) if at > now => turn.wait_timeout(guard, at - now).unwrap_or_else(PoisonError::into_inner).0,
            Some(_) => {
                let due = guard.heap.pop();
                drop(guard);
                if let Some(operation) = due.and_then(|Reverse(entry)| entry.operation.upgrade()) {
                    operation.tell(Settled::failed(Status::DeadlineExceeded, &nobody, "its deadline passed"));
                }
                lock(state)
            }
        };
    }
}
