//! Requests that complete later: begun on a worker's thread, looked at by whoever polls, ended by whoever sees the end.
//!
//! One thread of the driver's sees to it that somebody looks: it polls while there is something to poll for (`async`), or
//! sleeps until an interrupt rings (`async_irq`), and sleeps when there is nothing. Callers who poll help it. No lock is
//! held while a request is completed: that wakes callers, and may start others.

use super::driver::{Driver, Patience, SyncMode};
use super::form::Form;
use super::task::{Begun, Message, Task};
use super::trouble::Failure;
use super::trouble::Trouble;
use crate::alg::{Facts, Transform};
use crate::ffi::eventfd::{self, EventFd};
use crate::operation::UnitResult;
use crate::request::{Request, Unit, Work};
use crate::ring::Bell;
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::any::Any;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// Messages of one request under way at once.
const MOST: usize = super::form::BATCH_ASYNC;
/// How long an interrupt is waited for before somebody looks whether the device is still there.
const HEALTH: Duration = Duration::from_millis(20);

/// A request of which something is under way.
struct Waiting {
    /// Before the request, whose memory they point into.
    open: Vec<(usize, Box<Task>, Patience)>,
    request: Request,
    results: Vec<Option<UnitResult>>,
    next: usize,
    started: Instant,
    polls: bool,
    /// With an entry of a queue, while it has none.
    patience: Option<Patience>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How many there are, those that are being looked at included.
    num: usize,
    /// Somebody looks at them; one at a time.
    is_looking: bool,
    is_stopping: bool,
    /// How often all were given up.
    aborts: u64,
    looker: Option<ThreadId>,
    thread: Option<JoinHandle<()>>,
}

/// See the head of this file. Shareable between threads.
pub struct Later {
    driver: Arc<Driver>,
    state: Mutex<State>,
    arrived: Condvar,
    bell: Option<EventFd>,
}

/// The form that a request's transform is, if it is one of this driver's.
pub fn form_of(transform: &dyn Transform) -> Option<&Form> {
    (transform as &dyn Any).downcast_ref::<Form>()
}

/// One unit of a request as the device sees it.
fn with_message<R>(request: &mut Request, index: usize, work: impl FnOnce(&Form, &mut Message<'_>) -> R) -> Option<R> {
    let body = &mut **request;
    let Work::Transform { direction, max_output } = body.work else { return None };
    let form = body.place.transform().and_then(|transform| form_of(&**transform))?;
    let Unit { source, output, .. } = body.units.get_mut(index)?;
    let mut message = Message { form, direction, source, output, max_output };
    Some(work(form, &mut message))
}

impl Waiting {
    fn new(request: Request, polls: bool) -> Self {
        let results = request.units.iter().map(|_| None).collect();
        Self { open: Vec::new(), request, results, next: 0, started: Instant::now(), polls, patience: None }
    }

    fn settle(&mut self, index: usize, ended: Outcome<Facts>) {
        let output = |request: &mut Request| request.units.get_mut(index).map(Unit::take_output);
        let result = ended.and_then(|facts| {
            let output = output(&mut self.request).ok_or(Status::Internal("a unit went away".into()))?;
            Ok((output, facts))
        });
        if let Some(slot) = self.results.get_mut(index) {
            *slot = Some(result);
        }
    }

    /// Looks at what is under way and begins what can be; whether anything moved.
    fn look(&mut self) -> bool {
        let mut has_moved = false;
        let mut at = 0;
        while at < self.open.len() {
            let Some((index, task, patience)) = self.open.get_mut(at) else { break };
            let index = *index;
            let ended = with_message(&mut self.request, index, |form, message| {
                task.look(message).or_else(|| form.after_look(task, message, patience))
            });
            let ended =
                ended.unwrap_or_else(|| Some(Err(Failure::Status(Status::Internal("a unit went away".into())))));
            match ended {
                Some(ended) => {
                    self.open.swap_remove(at);
                    self.settle(index, ended.map_err(Failure::status));
                    has_moved = true;
                }
                None => at += 1,
            }
        }
        has_moved | self.begin()
    }

    fn begin(&mut self) -> bool {
        let first = self.next;
        while self.open.len() < MOST && self.next < self.results.len() {
            let index = self.next;
            let begun = with_message(&mut self.request, index, |form, message| match message.begin() {
                Begun::Going(task) => Some(Ok((task, form.patience()))),
                begun if begun.is_crowded() => None,
                Begun::Done(ended) => Some(Err(ended)),
                Begun::Busy => None,
            });
            match begun {
                Some(None) if self.open.is_empty() && self.is_tired() => {
                    self.settle(index, Err(Trouble::NoSlot.status()));
                }
                Some(None) => break,
                Some(Some(Ok((task, patience)))) => self.open.push((index, task, patience)),
                Some(Some(Err(ended))) => self.settle(index, ended.map_err(Failure::status)),
                None => self.settle(index, Err(Status::Internal("a unit went away".into()))),
            }
            self.next += 1;
            self.patience = None;
        }
        self.next > first
    }

    /// Nothing of it is under way, and no entry is to be had: whether that has gone on for too long.
    fn is_tired(&mut self) -> bool {
        let Some(form) = self.request.place.transform().map(Arc::clone) else { return true };
        let Some(form) = form_of(&*form) else { return true };
        self.patience.get_or_insert_with(|| form.driver.patience_by_time()).is_over()
    }

    fn is_done(&self) -> bool {
        self.open.is_empty() && self.next >= self.results.len()
    }

    fn complete(self) {
        let Self { open, request, results, started, .. } = self;
        drop(open);
        let missing = || Err(Status::Internal("a message was forgotten".into()));
        request.complete(results.into_iter().map(|result| result.unwrap_or_else(missing)).collect(), started);
    }

    /// Lends this thread to a model that has work of it.
    fn help(&self) -> bool {
        self.open.iter().any(|(_, task, _)| task.help())
    }
}

impl Later {
    pub fn new(driver: Arc<Driver>) -> Arc<Self> {
        let bell = EventFd::new().ok();
        Arc::new(Self { driver, state: Mutex::default(), arrived: Condvar::new(), bell })
    }

    /// Requests in its hands.
    pub fn num(&self) -> usize {
        lock(&self.state).num
    }

    /// Begins a request; it is ended later.
    pub fn take(self: &Arc<Self>, request: Request, polls: bool) {
        let mut waiting = Waiting::new(request, polls);
        waiting.look();
        if waiting.is_done() {
            return waiting.complete();
        }
        let mut state = lock(&self.state);
        if state.is_stopping {
            drop(state);
            return drop(waiting); // which sends it elsewhere, or tells its caller that the layer was closed
        }
        if state.thread.is_none() {
            let own = Arc::clone(self);
            let builder = std::thread::Builder::new().name("iaa/completions".into());
            state.thread = builder.spawn(move || own.work()).ok();
        }
        let has_thread = state.thread.is_some();
        state.waiting.push_back(waiting);
        state.num += 1;
        drop(state);
        if has_thread {
            self.ring();
        } else {
            while !self.look_all() {} // no thread is to be had: here, then
        }
    }

    fn ring(&self) {
        self.arrived.notify_all();
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    /// Looks at everything once, and ends what is done. Whether anything moved, or nothing is there.
    pub fn look_all(&self) -> bool {
        let (mut all, aborts) = {
            let mut state = lock(&self.state);
            if state.is_looking {
                return false;
            }
            state.is_looking = true;
            state.looker = Some(std::thread::current().id());
            (std::mem::take(&mut state.waiting), state.aborts)
        };
        let mut has_moved = all.is_empty();
        let mut ended = 0;
        for _ in 0..all.len() {
            let Some(mut waiting) = all.pop_front() else { break };
            has_moved |= catch_unwind(AssertUnwindSafe(|| waiting.look())).unwrap_or(true);
            if waiting.is_done() {
                // Units catch their own panics. Should anything else panic, the request is dropped, which ends it.
                let _ = catch_unwind(AssertUnwindSafe(|| waiting.complete()));
                ended += 1;
            } else {
                all.push_back(waiting);
            }
        }
        if !has_moved {
            has_moved = all.iter().any(Waiting::help);
        }
        let mut state = lock(&self.state);
        if state.aborts != aborts {
            drop(state);
            ended += all.len();
            all.clear(); // given up while they were looked at
            state = lock(&self.state);
        }
        state.num -= ended;
        all.append(&mut state.waiting); // what came meanwhile is younger
        state.waiting = all;
        state.is_looking = false;
        state.looker = None;
        drop(state);
        if ended > 0 {
            self.arrived.notify_all();
        }
        has_moved
    }

    /// The driver's thread.
    fn work(&self) {
        let mut bells: (u64, Vec<RawFd>) = (0, Vec::new());
        let mut vain = 0;
        loop {
            let polls = {
                let mut state = lock(&self.state);
                while state.num == 0 && !state.is_stopping {
                    state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.is_stopping {
                    return;
                }
                state.waiting.is_empty() || state.waiting.iter().any(|waiting| waiting.polls)
            };
            let has_moved = self.look_all();
            if has_moved {
                vain = 0;
            } else if polls {
                vain += 1;
                super::queue::pause(vain, false);
            } else {
                self.sleep(&mut bells);
            }
        }
    }

    /// Until a queue's interrupt, or news.
    fn sleep(&self, bells: &mut (u64, Vec<RawFd>)) {
        if bells.0 != self.driver.epoch() || bells.1.is_empty() {
            let (epoch, queues) = self.driver.queues();
            let own = self.bell.as_ref().map(EventFd::fd);
            *bells = (epoch, own.into_iter().chain(queues.iter().filter_map(|queue| queue.port.interrupt())).collect());
        }
        eventfd::wait_any(&bells.1, HEALTH);
        bells.1.iter().for_each(|bell| eventfd::silence(*bell));
    }

    /// Gives back all that it has, by dropping it.
    pub fn abort(&self) {
        let all = {
            let mut state = lock(&self.state);
            state.aborts += 1;
            let all = std::mem::take(&mut state.waiting);
            state.num -= all.len();
            all
        };
        drop(all);
        self.ring();
    }

    /// Ends the thread and gives back what is left.
    pub fn close(&self) {
        let thread = {
            let mut state = lock(&self.state);
            state.is_stopping = true;
            state.thread.take()
        };
        self.ring();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join(); // it cannot panic: it catches those of what it runs
        }
        self.abort();
        // A caller who polls may have some of them in hand. If it is this one, they are given up when it goes on.
        while self.num() > 0 && lock(&self.state).looker.is_some_and(|looker| looker != std::thread::current().id()) {
            std::thread::yield_now();
        }
        lock(&self.state).is_stopping = false;
    }
}

/// Whether requests of such a transform complete later.
pub fn is_later(form: &Form) -> bool {
    form.settings.sync_mode != SyncMode::Sync
}
