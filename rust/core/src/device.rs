//! An opened engine: a name, a state, a queue, workers, statistics.

use crate::engine::Engine;
use crate::operation::{Completion, Lane, Operation, Settled};
use crate::queue::{Budget, Queue};
use crate::request::Request;
use crate::status::Status;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a device takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Up = 0,
    /// An engine panicked in it; it goes on, but is worth a look.
    Suspect = 1,
    /// It died; nothing new goes there.
    Broken = 2,
    Closed = 3,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Broken => "broken",
            Self::Closed => "closed",
        }
    }
}

/// Counters, each only ever growing.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units handed to this device but for the inline ones, which have a counter of their own.
    pub submitted: AtomicU64,
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    /// Operations whose caller had withdrawn them by the time the device let go.
    pub cancelled: AtomicU64,
    /// Times the engine took fewer requests than offered.
    pub refused: AtomicU64,
    /// Completions beyond the first, ignored.
    pub duplicates: AtomicU64,
    pub inline: AtomicU64,
    pub batch: AtomicU64,
    pub queued: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub busy_ns: AtomicU64,
}

/// What a device is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads of ours that feed the engine; none for one that is fed from outside.
    pub workers: usize,
    pub budget: Budget,
    /// How long a worker without work spins before it sleeps.
    pub spin: Duration,
    /// Most requests a worker takes at once.
    pub burst: usize,
    /// How long an engine that may lose completions is waited for.
    pub lost_after: Duration,
}

/// See the head of this file. Shareable between threads.
pub struct Device {
    pub name: Arc<str>,
    pub engine: Arc<dyn Engine>,
    pub queue: Queue<Request>,
    pub stats: Stats,
    pub options: Options,
    state: AtomicU8,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Operations in the hands of an engine that may lose them.
    watched: Mutex<Vec<(Instant, Arc<Operation>)>>,
    bedtime: Condvar,
}

impl Device {
    /// Opens an engine and starts its workers.
    pub fn open(name: &str, engine: Arc<dyn Engine>, options: Options) -> std::io::Result<Arc<Self>> {
        let device = Arc::new(Self {
            name: Arc::from(name),
            engine,
            queue: Queue::new(options.budget),
            stats: Stats::default(),
            options,
            state: AtomicU8::new(State::Up as u8),
            workers: Mutex::new(Vec::new()),
            watched: Mutex::new(Vec::new()),
            bedtime: Condvar::new(),
        });
        if let Err(error) = device.start() {
            device.close(); // ends the threads that did start
            return Err(error);
        }
        Ok(device)
    }

    fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let spawn = |name: String, body: fn(Arc<Self>)| {
            let own = Arc::clone(self);
            let thread = std::thread::Builder::new().name(name).spawn(move || body(own))?;
            lock(&self.workers).push(thread);
            Ok(())
        };
        if self.engine.may_lose() {
            spawn(format!("{}/watch", self.name), Self::watch)?;
        }
        (0..self.options.workers).try_for_each(|index| spawn(format!("{}/{index}", self.name), Self::work))
    }

    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Up,
            1 => State::Suspect,
            2 => State::Broken,
            _ => State::Closed,
        }
    }

    /// Whether it takes work now.
    pub fn is_usable(&self) -> bool {
        matches!(self.state(), State::Up | State::Suspect)
    }

    /// Marks a device whose engine panicked.
    pub fn suspect(&self) {
        self.move_state(State::Up, State::Suspect);
    }

    fn move_state(&self, from: State, to: State) {
        let _ = self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Marks a device that died. Requests queued on it end with [`Status::DeviceLost`].
    pub fn break_down(&self) {
        self.move_state(State::Up, State::Broken);
        self.move_state(State::Suspect, State::Broken);
        // Failing some lets in others that waited behind the budget.
        loop {
            let burst = self.queue.take_now(usize::MAX);
            if burst.is_empty() {
                return;
            }
            self.lose_all(burst);
        }
    }

    /// Ends requests that a dead device cannot serve.
    pub fn lose_all(&self, burst: VecDeque<Request>) {
        for request in burst {
            request.fail(Status::DeviceLost(self.name.to_string()));
        }
    }

    fn work(self: Arc<Self>) {
        loop {
            let mut since = None;
            let mut turns = 0u32;
            let mut burst = self.queue.take(self.options.burst, self.options.workers, || {
                turns = turns.wrapping_add(1);
                if turns.is_multiple_of(64) {
                    // Not at the first look: reading the clock costs as much as a hand-over.
                    return since.get_or_insert_with(Instant::now).elapsed() < self.options.spin;
                }
                std::hint::spin_loop();
                true
            });
            if burst.is_empty() {
                return;
            }
            if self.state() == State::Broken {
                self.lose_all(burst);
                continue;
            }
            if self.engine.may_lose() {
                let offered: Vec<_> = burst.iter().map(|request| Arc::clone(&request.operation)).collect();
                self.engine.submit(&mut burst);
                let accepted = offered.len() - burst.len();
                let now = Instant::now();
                lock(&self.watched).extend(offered.into_iter().take(accepted).map(|operation| (now, operation)));
            } else {
                self.engine.submit(&mut burst);
            }
            if !burst.is_empty() {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                if self.queue.is_closed() || !self.is_usable() {
                    drop(burst); // dropping a request fails its operation
                } else {
                    self.queue.put_back(burst);
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }

    /// Ends operations whose completion does not come.
    fn watch(self: Arc<Self>) {
        let mut watched = lock(&self.watched);
        while self.state() != State::Closed {
            let now = Instant::now();
            watched.retain(|(since, operation)| {
                let is_late = now.duration_since(*since) >= self.options.lost_after;
                if is_late {
                    operation.lose(self.lost());
                }
                !is_late && !operation.is_released()
            });
            let nap = self.options.lost_after / 4;
            watched = self.bedtime.wait_timeout(watched, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lost(&self) -> Settled {
        let completion = Completion {
            device: Arc::clone(&self.name),
            driver: "",
            reason: "no completion came in time",
            lane: Lane::Queued,
            queue_ns: 0,
            run_ns: self.options.lost_after.as_nanos() as u64,
            attempts: 1,
            bytes_in: 0,
            bytes_out: 0,
        };
        Settled { units: vec![Err(Status::DeviceLost(self.name.to_string()))], completion }
    }

    /// Takes nothing more and fails what is queued. What runs goes on.
    pub fn shut(&self) {
        let rest = self.queue.close();
        self.state.store(State::Closed as u8, Ordering::Release);
        drop(rest);
        // Under the lock, or the watcher could look at the state before and fall asleep after this call.
        drop(lock(&self.watched));
        self.bedtime.notify_all();
    }

    /// Takes nothing more, fails what is queued, and waits until what runs has ended.
    pub fn close(&self) {
        self.shut();
        let own = std::thread::current().id();
        let workers = std::mem::take(&mut *lock(&self.workers));
        for worker in workers {
            // A worker may drop the last reference to its own device.
            if worker.thread().id() != own {
                let _ = worker.join(); // a worker cannot panic: engines' panics are caught per unit
            }
        }
        // Only now: until its last worker has ended an engine may be given more to hold.
        self.engine.close();
    }
}
