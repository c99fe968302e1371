//! An opened engine: a name, a state, a queue, workers, statistics; and what happens when it falters.
//!
//! | state | takes work | becomes |
//! |---|---|---|
//! | up | yes | suspect when its engine panicked |
//! | suspect | yes | |
//! | trickle | little: it was readmitted, and must do well for a while | up; quarantined at the first failure |
//! | quarantined | no; what runs goes on, what is queued goes elsewhere | trickle, when it was found well again |
//! | broken | no; what is queued, and what it had in its hands, is done elsewhere | trickle, when it was revived |
//! | draining | no; what runs and what is bound to it goes on | closed |
//! | closed | no | |

use crate::engine::Engine;
use crate::histogram::Histogram;
use crate::layer::{Bound, Layer, What};
use crate::operation::{Operation, Settled};
use crate::queue::{Budget, Queue};
use crate::request::Request;
use crate::spare::Watch;
use crate::status::Status;
use crate::sync::lock_std as lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

mod state;
mod stats;
pub use state::State;
pub use stats::Stats;

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
    /// Waiting so long counts as one priority more; none for never.
    pub aging: Option<Duration>,
}

/// See the head of this file. Shareable between threads.
pub struct Device {
    pub name: Arc<str>,
    /// Its own in its layer, never used again there.
    number: OnceLock<u32>,
    pub engine: Arc<dyn Engine>,
    pub queue: Queue<Request>,
    pub stats: Stats,
    /// How long requests waited before they were begun, and how long they ran, in nanoseconds.
    pub queue_ns: Histogram,
    pub run_ns: Histogram,
    pub options: Options,
    home: OnceLock<Weak<Layer>>,
    state: AtomicU8,
    /// Why it is in that state.
    why: Mutex<String>,
    opened: Instant,
    /// What is ahead of a newcomer, in nanoseconds.
    backlog_ns: AtomicU64,
    /// When the last request completed, in nanoseconds since it was opened.
    last_completed: AtomicU64,
    /// Failures, and latency outliers, in a row.
    strikes: AtomicU32,
    outliers: AtomicU32,
    /// Good completions since it was readmitted.
    good: AtomicU32,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Requests in the hands of an engine that may lose them.
    watched: Mutex<Vec<Arc<Watch>>>,
    bedtime: Condvar,
    /// A result of it was found wrong since it was last proven.
    is_liar: AtomicBool,
}

impl Device {
    /// Opens an engine and starts its workers.
    pub fn open(name: &str, engine: Arc<dyn Engine>, options: Options) -> std::io::Result<Arc<Self>> {
        let device = Arc::new(Self {
            name: Arc::from(name),
            number: OnceLock::new(),
            engine,
            queue: Queue::new(options.budget, options.aging),
            stats: Stats::default(),
            queue_ns: Histogram::default(),
            run_ns: Histogram::default(),
            options,
            home: OnceLock::new(),
            state: AtomicU8::new(State::Up as u8),
            why: Mutex::default(),
            opened: Instant::now(),
            backlog_ns: AtomicU64::new(0),
            last_completed: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
            outliers: AtomicU32::new(0),
            good: AtomicU32::new(0),
            workers: Mutex::new(Vec::new()),
            watched: Mutex::new(Vec::new()),
            bedtime: Condvar::new(),
            is_liar: AtomicBool::new(false),
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

    /// Tells it which layer it belongs to, and its number there.
    pub fn settle_in(&self, layer: Weak<Layer>, number: u32) {
        let _ = self.home.set(layer); // a device is opened for one layer
        let _ = self.number.set(number);
    }

    /// A small number of its own, never used again in its layer.
    pub fn number(&self) -> u32 {
        self.number.get().copied().unwrap_or(u32::MAX)
    }

    fn home(&self) -> Option<Arc<Layer>> {
        self.home.get().and_then(Weak::upgrade)
    }

    // ---- State

    pub fn state(&self) -> State {
        let state = usize::from(self.state.load(Ordering::Acquire));
        State::ALL.get(state).copied().unwrap_or(State::Closed)
    }

    /// Why it is in its state, if there is more to say.
    pub fn why(&self) -> String {
        lock(&self.why).clone()
    }

    /// Whether it may still serve when nobody else can: it is out of use, but not dead; and not found wrong either,
    /// unless every result is checked.
    pub fn is_last_resort(&self, is_checked: bool) -> bool {
        self.state() == State::Quarantined && (is_checked || !self.is_liar.load(Ordering::Acquire))
    }

    /// Whether it takes work now.
    pub fn is_usable(&self) -> bool {
        self.state.load(Ordering::Acquire) <= State::Trickle as u8
    }

    /// Whether what was bound to it may still be run.
    pub fn is_running(&self) -> bool {
        !matches!(self.state(), State::Broken | State::Closed)
    }

    /// Moves on from one of these states; false if it is in another.
    fn move_state(&self, from: &[State], to: State, why: &str) -> bool {
        let moved = from.iter().any(|&from| {
            self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
        });
        if moved {
            why.clone_into(&mut lock(&self.why));
            self.strikes.store(0, Ordering::Relaxed);
            self.outliers.store(0, Ordering::Relaxed);
            self.good.store(0, Ordering::Relaxed);
        }
        moved
    }

    /// Marks a device whose engine panicked.
    pub fn suspect(&self) {
        self.move_state(&[State::Up], State::Suspect, "its engine panicked");
    }

    /// Marks a device that died. What is queued on it, and what its engine had in its hands, is done elsewhere if it may
    /// be; the rest ends with [`Status::DeviceLost`].
    pub fn break_down(&self) {
        let alive = [State::Up, State::Suspect, State::Trickle, State::Quarantined, State::Draining];
        if !self.move_state(&alive, State::Broken, "it broke") {
            return;
        }
        if let Some(layer) = self.home() {
            layer.happened(What::Broke, self, "");
        }
        self.engine.abort();
        self.send_away(Duration::ZERO);
        self.lose_queued();
    }

    /// Ends, or sends elsewhere, all that is queued, or waits behind a budget that will not be given back.
    fn lose_queued(&self) {
        self.lose_all(self.queue.take_all().into());
    }

    /// Gives no new work to a device that cannot be trusted now; what runs goes on. False if it was not in use.
    pub fn quarantine(&self, why: &str) -> bool {
        let moved = self.move_state(&[State::Up, State::Suspect, State::Trickle], State::Quarantined, why);
        if moved && let Some(layer) = self.home() {
            layer.happened(What::Quarantined, self, why);
            layer.move_queued(self);
        }
        moved
    }

    /// Brings a broken device back as far as quarantine: it may be proven, and is given no work yet.
    pub fn revive(&self) -> crate::status::Outcome<bool> {
        self.engine.revive()?;
        Ok(self.move_state(&[State::Broken], State::Quarantined, "it was revived"))
    }

    /// Gives a little work to a device that was found well again, and more when it does well.
    pub fn readmit(&self) -> bool {
        let moved = self.move_state(&[State::Quarantined, State::Draining], State::Trickle, "readmitted");
        if moved {
            self.is_liar.store(false, Ordering::Release);
        }
        if moved && let Some(layer) = self.home() {
            layer.happened(What::Back, self, "");
        }
        moved
    }

    /// Gives no new work to a device that is to leave.
    pub fn drain(&self) -> bool {
        let alive = [State::Up, State::Suspect, State::Trickle, State::Quarantined, State::Broken];
        let moved = self.move_state(&alive, State::Draining, "it is being removed");
        if moved && let Some(layer) = self.home() {
            layer.move_queued(self);
        }
        moved
    }

    /// Judges the device by how an attempt ended; see the settings for the thresholds.
    /// `ran` is how long it ran and how long that was thought to take, if both are known and it waited for nobody inside.
    pub fn judge(&self, failure: Option<&Status>, ran: Option<(u64, u64)>, bound: Option<&Bound>) {
        let Some((bound, layer)) = bound.and_then(|bound| Some((bound, bound.layer()?))) else {
            if matches!(failure, Some(Status::Internal(_))) {
                self.suspect();
            }
            return;
        };
        let settings = &layer.settings;
        match failure {
            Some(status) if status.retryable() => {
                if matches!(status, Status::Internal(_)) {
                    self.suspect();
                }
                let strikes = self.strikes.fetch_add(1, Ordering::Relaxed) + 1;
                let is_over = settings.quarantine_errors > 0 && strikes >= settings.quarantine_errors;
                // A device that is alone is better than none.
                if (is_over || self.state() == State::Trickle) && bound.has_another(&layer, self) {
                    self.quarantine("it failed too often in a row");
                }
            }
            _ => {
                if self.strikes.load(Ordering::Relaxed) > 0 {
                    self.strikes.store(0, Ordering::Relaxed);
                }
                if let Some((run_ns, expected_ns)) = ran {
                    self.judge_latency(run_ns, expected_ns, bound, &layer);
                }
                let is_trickle = self.state.load(Ordering::Relaxed) == State::Trickle as u8;
                if is_trickle && self.good.fetch_add(1, Ordering::AcqRel) + 1 >= settings.trickle {
                    self.move_state(&[State::Trickle], State::Up, "");
                }
            }
        }
    }

    fn judge_latency(&self, run_ns: u64, expected_ns: u64, bound: &Bound, layer: &Layer) {
        let factor = layer.settings.quarantine_factor;
        let limit = (expected_ns as f64 * factor).max(OUTLIER_NS);
        if factor <= 0.0 || expected_ns == 0 || (run_ns as f64) < limit {
            if self.outliers.load(Ordering::Relaxed) > 0 {
                self.outliers.store(0, Ordering::Relaxed);
            }
        } else if self.outliers.fetch_add(1, Ordering::Relaxed) + 1 >= OUTLIERS && bound.has_another(layer, self) {
            self.quarantine("it became far slower than it was");
        }
    }

    /// A result of it was found wrong.
    pub fn lied(&self, bound: &Bound) {
        self.stats.lied.fetch_add(1, Ordering::Relaxed);
        if bound.layer().is_some() {
            // Even if it is alone: no result is better than a wrong one.
            self.is_liar.store(true, Ordering::Release);
            self.quarantine("it gave a wrong result");
        }
    }

    /// Operations whose callers have gone, and whose memory its engine still has.
    pub fn lingering(&self) -> usize {
        let watched = lock(&self.watched);
        let is_kept = |operation: &Arc<Operation>| !operation.is_released() && !operation.is_pending();
        watched.iter().filter_map(|watch| watch.operation.upgrade()).filter(is_kept).count()
    }

    /// Requests that it keeps to itself, and that were ended, or are done elsewhere.
    pub fn kept_back(&self) -> usize {
        lock(&self.watched).iter().filter(|watch| watch.is_out() && !watch.is_away()).count()
    }

    /// Whether a device that was just readmitted should get one more request now.
    pub fn may_trickle(&self) -> bool {
        self.state.load(Ordering::Acquire) != State::Trickle as u8 || self.queue.is_empty()
    }

    // ---- Load

    /// Nanoseconds until a newcomer would be begun.
    pub fn ready_ns(&self) -> u64 {
        let operations = self.queue.len();
        if operations < self.engine.parallel(self.options.workers) && !self.engine.completes_later() {
            return 0;
        }
        self.backlog_ns.load(Ordering::Relaxed)
    }

    /// A request came, or left.
    pub fn load_changed(&self, expected_ns: u64, is_there: bool) {
        if is_there {
            self.backlog_ns.fetch_add(expected_ns, Ordering::Relaxed);
        } else {
            let less = |backlog: u64| Some(backlog.saturating_sub(expected_ns));
            let _ = self.backlog_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less); // it never refuses
        }
    }

    /// By how much a completion followed the one before it, if the two overlapped; counts it as the last one.
    pub fn gap(&self, started: Instant, finished: Instant) -> Option<u64> {
        let since = |at: Instant| at.saturating_duration_since(self.opened).as_nanos() as u64;
        let (started, finished) = (since(started), since(finished));
        let before = self.last_completed.fetch_max(finished, Ordering::Relaxed);
        (before > started).then(|| finished.saturating_sub(before))
    }

    // ---- Work

    /// Ends requests that a dead device cannot serve; those that may be are done elsewhere.
    pub fn lose_all(&self, burst: VecDeque<Request>) {
        let layer = self.home();
        for request in burst {
            let lost = || Status::DeviceLost(self.name.to_string());
            match &layer {
                Some(layer) => {
                    if let Err(request) = layer.rehome(request, "its device broke before it was begun") {
                        request.fail(lost());
                    }
                }
                None => request.fail(lost()),
            }
        }
    }

    fn work(self: Arc<Self>) {
        loop {
            let mut since = None;
            let mut turns = 0u32;
            // With lanes to fill, enough for all, and then some: they empty at different times.
            let (least, most) = match self.engine.lanes() {
                1 => (1, self.options.burst),
                lanes => (lanes, self.options.burst.max(LANE_TURNS * lanes)),
            };
            let mut burst = self.queue.take(least..=most, self.options.workers, || {
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
            self.hand_over(&mut burst);
            if !burst.is_empty() {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                if self.queue.is_closed() || !self.is_running() {
                    drop(burst); // dropping a request sends it elsewhere, or fails its operation
                } else {
                    self.queue.put_back(burst);
                    self.sweep();
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }

    /// Sends elsewhere what came, or was put back, while the device went out of use.
    pub fn sweep(&self) {
        match self.state() {
            State::Up | State::Suspect | State::Trickle => {}
            State::Broken => self.lose_queued(),
            State::Quarantined | State::Draining | State::Closed => {
                if let Some(layer) = self.home() {
                    layer.move_queued(self);
                }
            }
        }
    }

    /// Offers a burst to the engine, and watches over what it takes if that may be lost.
    pub fn hand_over(&self, burst: &mut VecDeque<Request>) {
        burst.iter_mut().for_each(|request| self.start_one(request));
        self.engine.submit(burst);
        // What was refused is ours again, unless it was given up and replaced meanwhile.
        let refused = std::mem::take(burst);
        for mut request in refused {
            if request.take_watch().is_none_or(|watch| watch.came_back()) {
                burst.push_back(request);
            } else {
                request.discard_replaced();
            }
        }
    }

    /// A request is given to the engine: it is counted once, however often that has no room for it.
    pub fn start_one(&self, request: &mut Request) {
        self.count_start(request);
        if self.engine.may_lose() {
            self.watch_over(request);
        }
    }

    /// Counts a request as begun here.
    pub fn count_start(&self, request: &mut Request) {
        if !request.start(true) {
            self.stats.started.fetch_add(request.units.len() as u64, Ordering::Relaxed);
        }
    }

    /// Keeps what is needed to do a request again though its engine never gives it back.
    fn watch_over(&self, request: &mut Request) {
        let watch = Watch::over(request);
        request.set_watch(Arc::clone(&watch));
        let mut all = lock(&self.watched);
        if all.len() >= 64 && all.len().is_power_of_two() {
            all.retain(|watch| watch.is_out());
        }
        all.push(watch);
    }

    /// Ends operations whose completion does not come.
    fn watch(self: Arc<Self>) {
        while self.state() != State::Closed {
            self.send_away(self.options.lost_after);
            self.bury();
            let nap = self.options.lost_after / 4;
            let watched = lock(&self.watched);
            if self.state() != State::Closed {
                drop(self.bedtime.wait_timeout(watched, nap).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Breaks a device that keeps what it was given and completes nothing, while others wait for it.
    fn bury(&self) {
        let age = self.options.lost_after;
        let now = self.opened.elapsed();
        let is_silent = now.saturating_sub(Duration::from_nanos(self.last_completed.load(Ordering::Relaxed))) >= age;
        if !is_silent || self.kept_back() == 0 || !self.is_running() {
            return;
        }
        let mut is_waited_for = false;
        self.queue.for_each(|request, _| is_waited_for |= request.submitted().elapsed() >= age);
        if is_waited_for {
            self.break_down();
        }
    }

    /// Waits no longer for what its engine has: it is done elsewhere, or ends.
    pub fn give_up(&self) {
        self.send_away(Duration::ZERO);
    }

    /// Does elsewhere, or ends, what the engine has kept to itself for so long.
    fn send_away(&self, age: Duration) {
        let mut late = Vec::new();
        {
            let now = Instant::now();
            let mut watched = lock(&self.watched);
            let is_late = |watch: &Arc<Watch>| watch.is_away() && now.saturating_duration_since(watch.since) >= age;
            watched.retain(|watch| watch.is_out());
            late.extend(watched.iter().filter(|watch| is_late(watch)).map(Arc::clone));
        }
        let layer = self.home();
        for watch in late {
            // Held until its caller knows: whoever lets go last must find it ended. One that came back meanwhile has
            // ended, or goes on, by itself.
            let Some(hold) = watch.operation.upgrade().and_then(|operation| operation.hold()) else { continue };
            let Some((spare, bound)) = watch.replace() else { continue };
            self.load_changed(watch.backlog_ns, false);
            if let Some(bytes) = watch.budget {
                self.queue.release(1, bytes);
            }
            self.stats.lost.fetch_add(1, Ordering::Relaxed);
            let lost = Status::DeviceLost(self.name.to_string());
            self.judge(Some(&lost), None, bound.as_deref());
            let again = spare.and_then(|spare| spare.revive(&hold));
            let went = match (again, &layer) {
                (Some(request), Some(layer)) => layer.redo_lost(request),
                _ => false,
            };
            if !went {
                let is_open = layer.as_ref().is_none_or(|layer| layer.alive().is_ok());
                let closed = Status::Closed("the layer was closed before the operation was done");
                let status = if is_open { lost } else { closed };
                hold.tell(Settled::failed(status, &self.name, "no completion came in time"));
            }
        }
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
        if self.home().is_some_and(|layer| layer.alive().is_ok()) {
            self.send_away(Duration::ZERO); // it leaves: what it has still not let go of goes elsewhere
        }
        lock(&self.watched).clear();
    }
}

/// How many times the lanes of an engine are filled in one burst.
const LANE_TURNS: usize = 4;
/// Latency outliers in a row that make a device suspicious, and the least time that can be one: below it, it is the
/// machine that was busy.
const OUTLIERS: u32 = 3;
const OUTLIER_NS: f64 = 20e6;
