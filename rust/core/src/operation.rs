//! The handle of a request: settles exactly once, tells how, and wakes whoever waits.
//!
//! Two events must not be confused. An operation *settles* when its caller learns the outcome; it is *released* when the
//! engine has let go of the caller's memory. They coincide unless the caller cancels: then the caller is told at once,
//! while the memory lingers until the engine is done. Whoever pins the memory watches for release, through the ring.

use crate::alg::Facts;
use crate::buffer::{Laid, Output};
use crate::ffi::eventfd::EventFd;
use crate::fork;
use crate::request::Request;
use crate::ring::Ring;
use crate::status::Status;
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A loop's completion ring.
pub type Port = Ring<Arc<Operation>, EventFd>;

/// Whoever is told that an operation has ended, was released, or waits for its caller to say whether there is more.
pub trait Told: Send + Sync {
    /// Called on the thread on which it happened, which others may be waiting for.
    fn told(&self, operation: &Arc<Operation>);
}

impl Told for Port {
    fn told(&self, operation: &Arc<Operation>) {
        self.push(Arc::clone(operation));
    }
}

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

/// How one stage of a route ended.
#[derive(Debug, Clone)]
pub struct StageTold {
    pub algorithm: Arc<str>,
    pub device: Arc<str>,
    pub driver: &'static str,
    pub reason: &'static str,
    pub attempts: u32,
    pub queue_ns: u64,
    pub run_ns: u64,
}

/// What only routes tell.
#[derive(Debug, Default)]
pub struct RouteTold {
    pub stages: Vec<StageTold>,
    /// What digest stages left, by algorithm, in order.
    pub digests: Vec<(Arc<str>, Vec<u8>)>,
}

/// Everything that a settled operation hands over, once.
pub struct Settled {
    pub units: Vec<UnitResult>,
    pub completion: Completion,
    pub route: Option<Box<RouteTold>>,
    /// How the results lie, if they were to be in one piece of memory; `units` is empty then.
    pub laid: Option<Box<Laid>>,
}

impl Settled {
    /// The end of an operation that no device completed.
    pub fn failed(status: Status, device: &Arc<str>, reason: &'static str) -> Self {
        let completion = Completion {
            device: Arc::clone(device),
            driver: "",
            reason,
            lane: Lane::Queued,
            queue_ns: 0,
            run_ns: 0,
            attempts: 1,
            bytes_in: 0,
            bytes_out: 0,
        };
        Self { units: vec![Err(status)], completion, route: None, laid: None }
    }
}

const PENDING: u8 = 0;
const SETTLED: u8 = 1;
const CANCELLED: u8 = 2;
/// Settled on behalf of an engine that is silent, or for lack of time; a completion may still come, once.
const TOLD: u8 = 3;

/// What an operation keeps for whoever comes next.
enum Kept {
    Settled(Settled),
    /// Its last stage is done, and its caller may add another before it ends.
    Paused(Request),
}

type Slot = Option<Box<Kept>>;

/// See the head of this file. Shareable between threads.
pub struct Operation {
    state: AtomicU8,
    /// Requests that may touch the caller's memory.
    holders: AtomicU32,
    slot: Mutex<Slot>,
    waiters: AtomicU32,
    turn: Condvar,
    port: Option<Arc<dyn Told>>,
    /// Names the pinned memory to whoever pins it.
    pub token: u32,
    generation: u32,
}

/// A request's grip on its operation: as long as there is one, the caller's memory stays in place. Several requests may
/// hold one operation: the parts of a batch, or one that an engine keeps to itself beside the one that replaced it.
pub struct Hold {
    /// None once it has let go by itself.
    operation: Option<Arc<Operation>>,
}

/// What a hold that has let go points to: withdrawn, and nobody's.
static NOBODYS: LazyLock<Arc<Operation>> = LazyLock::new(|| {
    let own = Operation::made(None, 0);
    own.state.store(CANCELLED, Ordering::Release);
    own.holders.store(0, Ordering::Release);
    Arc::new(own)
});

impl std::ops::Deref for Hold {
    type Target = Arc<Operation>;
    fn deref(&self) -> &Self::Target {
        match &self.operation {
            Some(operation) => operation,
            None => &NOBODYS,
        }
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        if let Some(operation) = &self.operation {
            operation.holders.fetch_add(1, Ordering::AcqRel);
        }
        Self { operation: self.operation.clone() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(operation) = self.operation.take()
            && operation.holders.fetch_sub(1, Ordering::AcqRel) == 1
        {
            operation.tell_port();
        }
    }
}

impl Hold {
    /// Ends the operation and lets go of it, in one: who sees that it has ended finds it released if nobody else holds
    /// it. False if it had ended before (a duplicated completion).
    pub fn settle(&mut self, settled: Settled) -> bool {
        let Some(own) = self.operation.take() else { return false };
        let (first, told, before) = {
            let mut slot = own.slot.lock().unwrap_or_else(PoisonError::into_inner);
            let last = own.holders.fetch_sub(1, Ordering::AcqRel) == 1;
            let state = own.state.load(Ordering::Acquire);
            let before = (state == PENDING).then(|| slot.replace(Box::new(Kept::Settled(settled))));
            if state == PENDING || state == TOLD {
                own.state.store(SETTLED, Ordering::Release);
            }
            (state != SETTLED, last || before.is_some(), before)
        };
        drop(before); // outside the lock: a paused request lets go of the operation, too
        if told {
            own.wake();
            own.tell_port();
        }
        first
    }

    /// Lets go of an operation that was never submitted, and tells nobody.
    pub fn waive(&mut self) {
        if let Some(operation) = self.operation.take() {
            operation.holders.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Moves the grip on to another.
    pub fn take(&mut self) -> Self {
        Self { operation: self.operation.take() }
    }

    /// Puts a request aside until the caller has said whether there is more to do. Gives it back if the caller has gone.
    pub fn pause(operation: &Arc<Operation>, request: Request) -> Result<(), Request> {
        let mut slot = operation.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if !operation.is_pending() {
            return Err(request);
        }
        let before = slot.replace(Box::new(Kept::Paused(request)));
        drop(slot);
        drop(before); // outside the lock: a request lets go of the operation
        operation.tell_port();
        Ok(())
    }
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is telling somebody of an end right now: it may be a device's own, and must not wait for that.
pub fn is_telling() -> bool {
    TELLING.get()
}

/// Operations withdrawn so far in this process: tells a queue that looking for cancelled requests may be worth it.
pub static WITHDRAWN: AtomicU64 = AtomicU64::new(0);

impl Operation {
    /// A pending operation whose end and release are told to `port`, and the first hold on it.
    pub fn new(port: Option<Arc<dyn Told>>, token: u32) -> (Arc<Self>, Hold) {
        let own = Arc::new(Self::made(port, token));
        (Arc::clone(&own), Hold { operation: Some(own) })
    }

    fn made(port: Option<Arc<dyn Told>>, token: u32) -> Self {
        Self {
            state: AtomicU8::new(PENDING),
            holders: AtomicU32::new(1),
            slot: Mutex::new(None),
            waiters: AtomicU32::new(0),
            turn: Condvar::new(),
            port,
            token,
            generation: fork::generation() as u32,
        }
    }

    /// One more hold; `None` if the last one has gone.
    pub fn hold(self: &Arc<Self>) -> Option<Hold> {
        let more = |n: u32| (n > 0).then_some(n + 1);
        let held = self.holders.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        held.is_ok().then(|| Hold { operation: Some(Arc::clone(self)) })
    }

    /// Whether this is the process that submitted it. In a forked child nobody works on it, and its locks may be held.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation() as u32
    }

    pub fn is_pending(&self) -> bool {
        self.state.load(Ordering::Acquire) == PENDING
    }

    pub fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::Acquire) == CANCELLED
    }

    /// Whether the engine has let go of all memory.
    pub fn is_released(&self) -> bool {
        self.holders.load(Ordering::Acquire) == 0
    }

    /// Withdraws the operation. True if it had not settled; it may still run, and its result is dropped then.
    pub fn cancel(self: &Arc<Self>) -> bool {
        let paused = {
            // Under the lock, so that a waiter is either seen by `wake` or sees the new state itself.
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            if self.state.compare_exchange(PENDING, CANCELLED, Ordering::AcqRel, Ordering::Acquire).is_err() {
                return false;
            }
            slot.take()
        };
        WITHDRAWN.fetch_add(1, Ordering::AcqRel);
        self.wake();
        drop(paused); // outside the lock: a paused request lets go of the operation
        true
    }

    /// Settles an operation whose engine is silent, or whose time is up, without releasing it: the engine may still touch
    /// the memory. False if it had ended.
    pub fn tell(self: &Arc<Self>, settled: Settled) -> bool {
        let paused = {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.is_pending() {
                return false;
            }
            let before = slot.replace(Box::new(Kept::Settled(settled)));
            self.state.store(TOLD, Ordering::Release);
            before
        };
        WITHDRAWN.fetch_add(1, Ordering::AcqRel);
        self.wake();
        self.tell_port();
        drop(paused);
        true
    }

    /// The request that was put aside, if its caller is asked now.
    pub fn take_paused(&self) -> Option<Request> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(kept) if matches!(**kept, Kept::Paused(_)) => match *slot.take()? {
                Kept::Paused(request) => Some(request),
                Kept::Settled(_) => None,
            },
            _ => None,
        }
    }

    fn tell_port(self: &Arc<Self>) {
        if let Some(port) = &self.port {
            let outer = TELLING.replace(true);
            port.told(self);
            TELLING.set(outer);
        }
    }

    fn wake(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.slot.lock().unwrap_or_else(PoisonError::into_inner));
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
        let mut guard = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
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
        if !matches!(self.state.load(Ordering::Acquire), SETTLED | TOLD) {
            return None;
        }
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match *slot.take()? {
            Kept::Settled(settled) => Some(settled),
            // What has settled is not paused any more.
            Kept::Paused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> Settled {
        Settled::failed(Status::Cancelled, &Arc::from("test"), "test")
    }

    #[test]
    fn it_settles_exactly_once() {
        let (operation, mut hold) = Operation::new(None, 0);
        let mut other = hold.clone();
        assert!(hold.settle(settled()));
        assert!(!operation.is_released());
        assert!(!other.settle(settled()));
        assert!(operation.is_released());
        assert!(operation.take().is_some());
        assert!(operation.take().is_none());
        assert!(!operation.cancel());
        assert!(operation.hold().is_none());
    }

    #[test]
    fn a_cancelled_one_is_released_only_when_the_engine_lets_go() {
        let (operation, mut hold) = Operation::new(None, 0);
        assert!(operation.cancel());
        assert!(operation.wait(None));
        assert!(!operation.is_released());
        assert!(hold.settle(settled()));
        assert!(operation.is_released() && operation.take().is_none());
    }

    #[test]
    fn the_one_completion_that_comes_late_is_no_duplicate() {
        let (operation, mut hold) = Operation::new(None, 0);
        let mut other = hold.clone();
        assert!(operation.tell(settled()));
        assert!(hold.settle(settled()) && !other.settle(settled()));
        assert!(operation.is_released() && operation.take().is_some());
    }

    #[test]
    fn a_hold_that_has_let_go_grips_nothing() {
        let (operation, mut hold) = Operation::new(None, 0);
        let mut next = hold.take();
        assert!(Arc::ptr_eq(&next, &operation) && !hold.is_pending() && hold.clone().is_released());
        hold.waive();
        drop(hold);
        assert!(!operation.is_released());
        next.waive();
        assert!(operation.is_released());
    }

    #[test]
    fn who_is_told_early_is_told_once_and_the_memory_stays() {
        let (operation, hold) = Operation::new(None, 0);
        let twin = operation.hold();
        assert!(operation.tell(settled()));
        assert!(!operation.tell(settled()) && !operation.is_released());
        drop(hold);
        assert!(!operation.is_released());
        drop(twin);
        assert!(operation.is_released() && operation.take().is_some());
    }

    #[test]
    fn waiting_ends_when_another_thread_settles() {
        for _ in 0..200 {
            let (operation, mut hold) = Operation::new(None, 0);
            let thread = std::thread::spawn(move || hold.settle(settled()));
            assert!(operation.wait(Some(Duration::from_secs(20))));
            assert!(thread.join().is_ok_and(|first| first));
            assert!(operation.is_released());
        }
    }

    #[test]
    fn waiting_gives_up_in_time() {
        assert!(!Operation::new(None, 0).0.wait(Some(Duration::from_millis(1))));
    }
}
