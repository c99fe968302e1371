//! The handle of a request: settles exactly once, tells how, and wakes whoever waits.
//!
//! Two events must not be confused. An operation *settles* when its caller learns the outcome; it is *released* when the
//! engine has let go of the caller's memory. They coincide unless the caller cancels: then the caller is told at once,
//! while the memory lingers until the engine is done. Whoever pins the memory watches for release, through the ring.

use crate::alg::Facts;
use crate::buffer::Output;
use crate::ffi::eventfd::EventFd;
use crate::fork;
use crate::ring::Ring;
use crate::status::Status;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop's completion ring.
pub type Port = Ring<Arc<Operation>, EventFd>;

/// How an operation was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Inline,
    Batch,
    Queued,
}

impl Lane {
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Batch => "batch",
            Self::Queued => "queued",
        }
    }
}

/// How a request ended: what every completion tells.
#[derive(Debug, Clone)]
pub struct Completion {
    pub device: Arc<str>,
    pub driver: &'static str,
    /// Why it went there.
    pub reason: &'static str,
    pub lane: Lane,
    pub queue_ns: u64,
    pub run_ns: u64,
    pub attempts: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// One unit's result.
pub type UnitResult = Result<(Output, Facts), Status>;

/// Everything that a settled operation hands over, once.
pub struct Settled {
    pub units: Vec<UnitResult>,
    pub completion: Completion,
}

const PENDING: u8 = 0;
const SETTLED: u8 = 1;
const CANCELLED: u8 = 2;

/// See the head of this file. Shareable between threads.
pub struct Operation {
    state: AtomicU8,
    released: AtomicBool,
    result: Mutex<Option<Settled>>,
    waiters: AtomicUsize,
    turn: Condvar,
    port: Option<Arc<Port>>,
    /// Names the pinned memory to whoever pins it.
    pub token: usize,
    generation: u64,
}

/// Operations withdrawn so far in this process: tells a queue that looking for cancelled requests may be worth it.
pub static WITHDRAWN: AtomicU64 = AtomicU64::new(0);

impl Operation {
    /// A pending operation whose release is told to `port`.
    pub fn new(port: Option<Arc<Port>>, token: usize) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(PENDING),
            released: AtomicBool::new(false),
            result: Mutex::new(None),
            waiters: AtomicUsize::new(0),
            turn: Condvar::new(),
            port,
            token,
            generation: fork::generation(),
        })
    }

    /// Whether this is the process that submitted it. In a forked child nobody works on it, and its locks may be held.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    pub fn is_pending(&self) -> bool {
        self.state.load(Ordering::Acquire) == PENDING
    }

    pub fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::Acquire) == CANCELLED
    }

    /// Whether the engine has let go of all memory.
    pub fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    /// Withdraws the operation. True if it had not settled; it may still run, and its result is dropped then.
    pub fn cancel(&self) -> bool {
        let withdrawn = {
            // Under the lock, so that a waiter is either seen by `wake` or sees the new state itself.
            let _turn = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            self.state.compare_exchange(PENDING, CANCELLED, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        if withdrawn {
            WITHDRAWN.fetch_add(1, Ordering::AcqRel);
            self.wake();
        }
        withdrawn
    }

    /// Ends the operation. Only the first call has any effect; later ones return false (a duplicated completion).
    pub fn settle(self: &Arc<Self>, settled: Settled) -> bool {
        {
            let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            if self.released.swap(true, Ordering::AcqRel) {
                return false;
            }
            if self.is_pending() {
                *result = Some(settled);
                self.state.store(SETTLED, Ordering::Release);
            }
        }
        self.wake();
        if let Some(port) = &self.port {
            port.push(Arc::clone(self));
        }
        true
    }

    /// Settles an operation whose engine is silent, without releasing it: the engine may still touch the memory.
    pub fn lose(self: &Arc<Self>, settled: Settled) -> bool {
        {
            let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.is_pending() {
                return false;
            }
            *result = Some(settled);
            self.state.store(SETTLED, Ordering::Release);
        }
        self.wake();
        if let Some(port) = &self.port {
            port.push(Arc::clone(self));
        }
        true
    }

    fn wake(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.result.lock().unwrap_or_else(PoisonError::into_inner));
            self.turn.notify_all();
        }
    }

    /// Blocks until settled or cancelled; false if the time runs out first. `None` waits for ever.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        if !self.is_pending() {
            return true;
        }
        let until = timeout.and_then(|t| Instant::now().checked_add(t));
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_time = true;
        while self.is_pending() {
            guard = match until {
                None => self.turn.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        in_time = false;
                        break;
                    }
                    self.turn.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        in_time
    }

    /// Takes the result; `None` while pending, when cancelled, or when it was taken before.
    pub fn take(&self) -> Option<Settled> {
        if self.state.load(Ordering::Acquire) != SETTLED {
            return None;
        }
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> Settled {
        let completion = Completion {
            device: Arc::from("test"),
            driver: "test",
            reason: "test",
            lane: Lane::Queued,
            queue_ns: 0,
            run_ns: 0,
            attempts: 1,
            bytes_in: 0,
            bytes_out: 0,
        };
        Settled { units: Vec::new(), completion }
    }

    #[test]
    fn it_settles_exactly_once() {
        let operation = Operation::new(None, 0);
        assert!(operation.settle(settled()));
        assert!(!operation.settle(settled()));
        assert!(operation.take().is_some());
        assert!(operation.take().is_none());
        assert!(!operation.cancel());
    }

    #[test]
    fn a_cancelled_one_is_released_only_when_the_engine_lets_go() {
        let operation = Operation::new(None, 0);
        assert!(operation.cancel());
        assert!(operation.wait(None));
        assert!(!operation.is_released());
        assert!(operation.settle(settled()));
        assert!(operation.is_released() && operation.take().is_none());
    }

    #[test]
    fn waiting_ends_when_another_thread_settles() {
        for _ in 0..200 {
            let operation = Operation::new(None, 0);
            let other = Arc::clone(&operation);
            let thread = std::thread::spawn(move || other.settle(settled()));
            assert!(operation.wait(Some(Duration::from_secs(20))));
            assert!(thread.join().is_ok_and(|first| first));
        }
    }

    #[test]
    fn waiting_gives_up_in_time() {
        assert!(!Operation::new(None, 0).wait(Some(Duration::from_millis(1))));
    }
}
