//! The threads of a job, what they find to do, and where they put results.

use super::piece::Budget;
use super::rows::Rows;
use super::worker::{self, Bench};
use super::{Failure, Progress, Row, Settings, Task};
use crate::ffi::eventfd::EventFd;
use crate::ring::Bell;
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Results that a waiting taker is woken for, and how long it waits for them to become as many.
const BURST: usize = 32;
const LINGER: Duration = Duration::from_millis(1);

/// A large file that other threads than its own can help with.
pub trait Helped: Send + Sync {
    /// Whether there is something to do right now.
    fn wants_help(&self) -> bool;
    /// Does one piece of it, if there still is one.
    fn help(&self, pool: &Pool, bench: &mut Bench);
}

/// What a thread is to do next.
pub enum Work {
    File(u64, Task),
    Help(Arc<dyn Helped>),
}

struct State {
    tasks: VecDeque<(u64, Task)>,
    helped: Vec<Arc<dyn Helped>>,
    rows: Rows,
    submitted: u64,
    /// Files in work.
    running: usize,
    threads: usize,
    idle: usize,
    /// Results that a taker waits for; none waits for more than there can be.
    wanted: usize,
    /// Whether the bell is heard.
    listens: bool,
}

pub struct Pool {
    workers: usize,
    pub piece: usize,
    budget: Option<Arc<Budget>>,
    state: Mutex<State>,
    /// There is work, or no more will come.
    work: Condvar,
    /// There are results, or a thread has ended.
    told: Condvar,
    cancelled: AtomicBool,
    /// Rings once, for good, when the job is cancelled.
    pub stopped: EventFd,
    pub bell: EventFd,
    files: AtomicU64,
    pub bytes: AtomicU64,
}

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
    condition.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
}

impl Pool {
    pub fn new(settings: Settings, piece: usize, stopped: EventFd, bell: EventFd) -> Self {
        let state = State {
            tasks: VecDeque::new(),
            helped: Vec::new(),
            rows: Rows::new(settings.ordered),
            submitted: 0,
            running: 0,
            threads: 0,
            idle: 0,
            wanted: usize::MAX,
            listens: false,
        };
        Self {
            workers: settings.workers,
            piece,
            budget: settings.mapped.then(Arc::default),
            state: Mutex::new(state),
            work: Condvar::new(),
            told: Condvar::new(),
            cancelled: AtomicBool::new(false),
            stopped,
            bell,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Fails once the job is cancelled; looked at between pieces.
    pub fn check(&self) -> Outcome<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Status::Cancelled) } else { Ok(()) }
    }

    /// What counts mapped bytes, where pieces are to be mapped.
    pub fn budget(&self) -> Option<&Arc<Budget>> {
        self.budget.as_ref()
    }

    pub fn progress(&self) -> Progress {
        Progress {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            most_mapped: self.budget.as_ref().map_or(0, |budget| budget.most()),
        }
    }

    pub fn submit(self: &Arc<Self>, tasks: Vec<Task>) -> Outcome<()> {
        self.check()?;
        let mut state = lock(&self.state);
        for task in tasks {
            let index = state.submitted;
            state.submitted += 1;
            state.tasks.push_back((index, task));
        }
        let waiting = state.tasks.len();
        self.rouse(&mut state, waiting)
    }

    /// Sees to it that so many threads look for work, as far as there may be so many.
    fn rouse(self: &Arc<Self>, state: &mut State, wanted: usize) -> Outcome<()> {
        match wanted.min(state.idle) {
            0 => {}
            1 => self.work.notify_one(),
            _ => self.work.notify_all(),
        }
        for _ in state.idle..wanted {
            if state.threads >= self.workers {
                break;
            }
            let pool = Arc::clone(self);
            match std::thread::Builder::new().name("acrypto-files".into()).spawn(move || worker::run(&pool)) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    return Err(Status::Internal(format!("no thread for a job: {error}")));
                }
                Err(_) => break, // fewer do it as well
            }
        }
        Ok(())
    }

    /// Waits for something to do; `None` when the thread is to end.
    pub fn next(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                state.threads -= 1;
                self.told.notify_all();
                return None;
            }
            if let Some((index, task)) = state.tasks.pop_front() {
                state.running += 1;
                return Some(Work::File(index, task));
            }
            if let Some(helped) = state.helped.iter().find(|helped| helped.wants_help()) {
                return Some(Work::Help(Arc::clone(helped)));
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Lets up to so many threads help with a file until [`Self::helped_out`].
    pub fn ask_for_help(self: &Arc<Self>, helped: &Arc<dyn Helped>, helpers: usize) {
        let mut state = lock(&self.state);
        state.helped.push(Arc::clone(helped));
        // Nothing is lost where no thread can be started: the file's own thread does it all.
        let _ = self.rouse(&mut state, helpers);
    }

    /// Wakes a thread, if one sleeps, for help that is wanted again.
    pub fn ask_again(&self) {
        if lock(&self.state).idle > 0 {
            self.work.notify_one();
        }
    }

    pub fn helped_out(&self, helped: &Arc<dyn Helped>) {
        lock(&self.state).helped.retain(|other| !Arc::ptr_eq(other, helped));
    }

    /// Other threads than the caller's that a file may have.
    pub fn helpers(&self) -> usize {
        self.workers - 1
    }

    /// A file has ended.
    pub fn finished(&self, row: Row) {
        self.files.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        state.running -= 1;
        let before = state.rows.ready();
        state.rows.put(row);
        let ready = state.rows.ready();
        let is_quiet = state.running == 0 && state.tasks.is_empty();
        if state.wanted != usize::MAX && (ready >= state.wanted || is_quiet) {
            state.wanted = usize::MAX;
            self.told.notify_all();
        }
        if state.listens && before == 0 && ready > 0 {
            self.bell.ring();
        }
    }

    pub fn take(&self, most: usize, patience: Duration) -> Outcome<Vec<Row>> {
        let started = Instant::now();
        let mut has_lingered = false;
        let mut state = lock(&self.state);
        loop {
            self.check()?;
            let ready = state.rows.ready();
            let left = patience.saturating_sub(started.elapsed());
            let is_quiet = state.running == 0 && state.tasks.is_empty();
            if ready >= BURST.min(most) || left.is_zero() || (ready > 0 && (is_quiet || has_lingered)) {
                return Ok(state.rows.take(most));
            }
            let (wanted, most) = if ready == 0 { (1, left) } else { (BURST, left.min(LINGER)) };
            has_lingered |= ready > 0;
            state.wanted = state.wanted.min(wanted);
            state = wait(&self.told, state, most);
        }
    }

    pub fn listen(&self) {
        let mut state = lock(&self.state);
        state.listens = true;
        if state.rows.ready() > 0 {
            self.bell.ring();
        }
    }

    pub fn stop(&self) {
        let mut state = lock(&self.state);
        self.cancelled.store(true, Ordering::Relaxed);
        let left = std::mem::take(&mut state.tasks);
        self.work.notify_all();
        self.told.notify_all();
        self.stopped.ring();
        self.bell.ring();
        drop(state);
        drop(left); // outside the lock: descriptors are closed
    }

    pub fn wait_ended(&self, patience: Duration) -> bool {
        let started = Instant::now();
        let mut state = lock(&self.state);
        while state.threads > 0 {
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            state = wait(&self.told, state, left);
        }
        true
    }

    /// Counts bytes that were hashed.
    pub fn hashed(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Takes back bytes that are hashed once more.
    pub fn unhashed(&self, count: u64) {
        self.bytes.fetch_sub(count, Ordering::Relaxed);
    }
}

/// What a panic of our own is told as.
pub fn broken() -> Failure {
    Failure::Status(Status::Internal("a thread that hashed a file panicked".into()))
}
