//! The driver proper: which queues are bound, which is next, what the settings are, and whether there is anything at all.
//!
//! The rules are those of Linux's iaa_crypto. The first queue enables the driver, and its algorithms are there from then
//! on; without any queue left calls are refused, and the algorithms stay listed. Settings can be changed only while it is
//! disabled, and what exists keeps those that it was made with. Each coming and going of a queue makes all CPUs' tables
//! anew.

use super::modes::{Mode, Modes};
use super::queue::WorkQueue;
use super::statistics::Statistics;
use super::table::{Mapping, Plan, Tables, Topology};
use super::trouble::Trouble;
use crate::alg::Direction;
use crate::alg::huffman::Lengths;
use crate::idxd::port::Queue;
use crate::sync::lock_std as lock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How completions are learnt of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SyncMode {
    /// The caller waits on its own thread.
    Sync,
    /// Somebody polls.
    Async,
    /// An interrupt tells.
    AsyncIrq,
}

impl SyncMode {
    pub const ALL: [(&'static str, Self); 3] =
        [("sync", Self::Sync), ("async", Self::Async), ("async_irq", Self::AsyncIrq)];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// What a transform keeps of the settings that were in force when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub sync_mode: SyncMode,
    pub verify: bool,
}

/// One device's queues, in the order in which they were bound.
struct Bound {
    id: u32,
    queues: Vec<Arc<WorkQueue>>,
}

struct State {
    /// In the order in which they came.
    devices: Vec<Bound>,
    mapping: Mapping,
    plan: Option<Plan>,
    /// Most bytes that every queue takes, or took when there was one.
    max_transfer: u64,
}

/// See the head of this file. Shareable between threads.
pub struct Driver {
    state: Mutex<State>,
    tables: Tables<Arc<WorkQueue>>,
    is_enabled: AtomicBool,
    /// It was enabled once: its algorithms stay until it goes.
    is_registered: AtomicBool,
    verify: AtomicBool,
    sync_mode: AtomicU8,
    /// Looks in vain, and time, after which a device counts as stuck: both.
    poll_limit: AtomicU32,
    poll_ns: AtomicU64,
    /// Counts what was bound and unbound, so that who waits on queues' interrupts notices.
    epoch: AtomicU64,
    /// Why it disabled itself.
    trouble: Mutex<Option<&'static str>>,
    modes: Mutex<Modes>,
    pub statistics: Statistics,
}

/// How often tables are looked into that hold queues which have just gone.
const NEXT_TRIES: u32 = 8;
/// Most bytes before there is any queue (the kernel's `WQ_DEFAULT_MAX_XFER`).
const MAX_TRANSFER: u64 = 2 << 20;
/// Looks between which a device's health is looked at.
const HEALTH_LOOKS: u32 = 0xff;
/// Linux's limit of looks.
const POLL_LIMIT: u32 = 1_000_000;
/// Shorter than the layer waits for what is lost; longer than any process is kept from running by others.
const POLL_TIME: Duration = Duration::from_millis(2_000);

impl Driver {
    pub fn new(topology: Topology, mapping: Mapping) -> Self {
        Self {
            state: Mutex::new(State { devices: Vec::new(), mapping, plan: None, max_transfer: MAX_TRANSFER }),
            tables: Tables::new(topology),
            is_enabled: AtomicBool::new(false),
            is_registered: AtomicBool::new(false),
            verify: AtomicBool::new(true),
            sync_mode: AtomicU8::new(SyncMode::Sync as u8),
            poll_limit: AtomicU32::new(POLL_LIMIT),
            poll_ns: AtomicU64::new(POLL_TIME.as_nanos() as u64),
            epoch: AtomicU64::new(0),
            trouble: Mutex::default(),
            modes: Mutex::default(),
            statistics: Statistics::default(),
        }
    }

    /// Takes a queue: `-EBUSY` if it has it already. The first enables the driver.
    pub fn bind(&self, port: Arc<dyn Queue>) -> Result<(), Trouble> {
        let (device_id, queue_id) = (port.info().device_id, port.info().queue_id);
        let mut state = lock(&self.state);
        let known = state.devices.iter_mut().find(|device| device.id == device_id);
        if known.as_ref().is_some_and(|device| device.queues.iter().any(|queue| queue.id().1 == queue_id)) {
            return Err(Trouble::Busy);
        }
        let own = lock(&self.modes).own();
        let counters = self.statistics.add_queue(device_id, &port.info().name);
        let queue = match WorkQueue::bind(port, Arc::clone(&counters), &own) {
            Ok(queue) => queue,
            Err(trouble) => {
                self.statistics.remove_queue(&counters);
                return Err(trouble);
            }
        };
        match known {
            Some(device) => device.queues.push(queue),
            None => state.devices.push(Bound { id: device_id, queues: vec![queue] }),
        }
        self.rebalance(&mut state);
        *lock(&self.trouble) = None;
        self.is_registered.store(true, Ordering::Release);
        self.is_enabled.store(true, Ordering::Release);
        Ok(())
    }

    /// Lets a queue go. What is under way in it ends as it ends; nothing new gets in. The last one disables the driver.
    pub fn unbind(&self, device_id: u32, queue_id: u32) -> Result<Arc<WorkQueue>, Trouble> {
        let mut state = lock(&self.state);
        let at = |device: &Bound| device.queues.iter().position(|queue| queue.id() == (device_id, queue_id));
        let Some((device, index)) = state.devices.iter_mut().find_map(|device| at(device).map(|index| (device, index)))
        else {
            return Err(Trouble::NoDevice);
        };
        let queue = device.queues.remove(index);
        self.statistics.remove_queue(&queue.counters);
        state.devices.retain(|device| !device.queues.is_empty());
        if state.devices.is_empty() {
            self.is_enabled.store(false, Ordering::Release);
        }
        // Out of the tables first: who gets it from there then finds it open, or is late and takes another.
        self.rebalance(&mut state);
        queue.leave();
        Ok(queue)
    }

    /// Makes the tables anew of the queues that answer.
    fn rebalance(&self, state: &mut State) {
        let open = |device: &Bound| -> Vec<Arc<WorkQueue>> {
            device.queues.iter().filter(|queue| queue.is_open()).map(Arc::clone).collect()
        };
        let lists: Vec<_> = state.devices.iter().map(open).filter(|list| !list.is_empty()).collect();
        state.plan = Some(self.tables.rebalance(&lists, state.mapping));
        let bound = state.devices.iter().flat_map(|device| &device.queues);
        if let Some(most) = bound.map(|queue| queue.port.info().abilities.max_transfer).min() {
            state.max_transfer = most;
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// A queue's device stopped answering: its queues get nothing more until it does.
    /// If it answers again already, all that was sent before is cleared away.
    pub fn lose(&self, queue: &WorkQueue) {
        let mut state = lock(&self.state);
        if queue.is_lost() || queue.port.is_alive() && (!queue.is_unsettled() || queue.answers()) {
            return;
        }
        let same = state.devices.iter().flat_map(|device| &device.queues).filter(|other| !other.port.is_alive());
        same.for_each(|other| other.set_lost(true));
        queue.set_lost(true);
        self.rebalance(&mut state);
        if !state.devices.iter().flat_map(|device| &device.queues).any(|queue| queue.is_open()) {
            self.disable("its devices stopped answering");
        }
    }

    /// Takes up queues again whose device answers again. Those that were lost are asked, or all if one is stuck: one that is
    /// well, and only busy, is left alone. Whether any queue is open then.
    pub fn revive(&self) -> bool {
        let mut state = lock(&self.state);
        let queues: Vec<_> = state.devices.iter().flat_map(|device| device.queues.iter().map(Arc::clone)).collect();
        let asks_all = !self.is_enabled();
        let mut any = false;
        let mut has_changed = asks_all;
        for queue in queues {
            if asks_all || queue.is_lost() {
                let answers = queue.port.is_alive() && queue.answers();
                has_changed |= answers == queue.is_lost();
                queue.set_lost(!answers);
            }
            any |= queue.is_open();
        }
        if has_changed {
            self.rebalance(&mut state);
        }
        if any {
            *lock(&self.trouble) = None;
            self.is_enabled.store(true, Ordering::Release);
        }
        any
    }

    /// A device is stuck: nobody uses the driver any more, as in Linux.
    pub fn disable(&self, why: &'static str) {
        self.is_enabled.store(false, Ordering::Release);
        *lock(&self.trouble) = Some(why);
    }

    /// Adds a way to compress, by the lengths of its codes: `-EBUSY` while a queue is bound, `-EINVAL` for what cannot be.
    pub fn add_mode(&self, name: &str, lengths: &Lengths) -> Result<(), Trouble> {
        let state = lock(&self.state);
        if !state.devices.is_empty() {
            return Err(Trouble::Busy);
        }
        lock(&self.modes).add(name, lengths)
    }

    /// Takes one away, likewise.
    pub fn remove_mode(&self, name: &str) -> Result<(), Trouble> {
        let state = lock(&self.state);
        if !state.devices.is_empty() {
            return Err(Trouble::Busy);
        }
        lock(&self.modes).remove(name)
    }

    pub fn modes(&self) -> Vec<&'static str> {
        lock(&self.modes).names()
    }

    pub fn has_mode(&self, mode: Mode) -> bool {
        lock(&self.modes).has(mode)
    }

    /// Why it disabled itself, if it did.
    pub fn trouble(&self) -> Option<&'static str> {
        *lock(&self.trouble)
    }

    pub fn is_enabled(&self) -> bool {
        self.is_enabled.load(Ordering::Acquire)
    }

    /// Whether its algorithms are listed.
    pub fn is_registered(&self) -> bool {
        self.is_registered.load(Ordering::Acquire)
    }

    /// The queue for the calling thread's next request.
    pub fn next(&self, direction: Direction) -> Result<Arc<WorkQueue>, Trouble> {
        for _ in 0..NEXT_TRIES {
            if !self.is_enabled() {
                return Err(Trouble::NoDevice);
            }
            if let Some(queue) = self.tables.next(direction).filter(|queue| queue.is_open()) {
                return Ok(queue);
            }
            drop(lock(&self.state)); // one has just been lost; whoever noticed is making the tables anew
        }
        Err(Trouble::NoDevice)
    }

    /// All bound queues, and how often that changed.
    pub fn queues(&self) -> (u64, Vec<Arc<WorkQueue>>) {
        let state = lock(&self.state);
        let queues = state.devices.iter().flat_map(|device| device.queues.iter().map(Arc::clone)).collect();
        (self.epoch(), queues)
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Entries of all queues together.
    pub fn entries(&self) -> usize {
        lock(&self.state).devices.iter().flat_map(|device| &device.queues).map(|queue| queue.port.info().size).sum()
    }

    /// Whether some device makes tables of the data itself.
    pub fn has_header_gen(&self) -> bool {
        let state = lock(&self.state);
        state.devices.iter().flat_map(|device| &device.queues).any(|queue| queue.port.info().abilities.header_gen)
    }

    /// Most bytes that every queue takes; without any, what it was with the last.
    pub fn max_transfer(&self) -> u64 {
        lock(&self.state).max_transfer
    }

    /// What the last rebalance came to, and which queues a CPU uses, by device and queue.
    pub fn plan(&self) -> Option<Plan> {
        lock(&self.state).plan.clone()
    }

    pub fn table(&self, cpu: usize, direction: Direction) -> Vec<(u32, u32)> {
        self.tables.queues(cpu, direction).iter().map(|queue| queue.id()).collect()
    }

    pub fn set_mapping(&self, mapping: Mapping) -> Result<(), Trouble> {
        let mut state = lock(&self.state);
        if self.is_enabled() {
            return Err(Trouble::Busy);
        }
        state.mapping = mapping;
        Ok(())
    }

    pub fn settings(&self) -> Settings {
        let mode = self.sync_mode.load(Ordering::Relaxed);
        let sync_mode = SyncMode::ALL.iter().find(|(_, one)| *one as u8 == mode).map_or(SyncMode::Sync, |one| one.1);
        Settings { sync_mode, verify: self.verify.load(Ordering::Relaxed) }
    }

    /// `-EBUSY` while it is enabled.
    pub fn set_sync_mode(&self, mode: SyncMode) -> Result<(), Trouble> {
        let _state = lock(&self.state);
        if self.is_enabled() {
            return Err(Trouble::Busy);
        }
        self.sync_mode.store(mode as u8, Ordering::Relaxed);
        Ok(())
    }

    /// `-EBUSY` while it is enabled.
    pub fn set_verify(&self, verify: bool) -> Result<(), Trouble> {
        let _state = lock(&self.state);
        if self.is_enabled() {
            return Err(Trouble::Busy);
        }
        self.verify.store(verify, Ordering::Relaxed);
        Ok(())
    }

    /// After how many looks in vain, and how long, a device counts as stuck.
    pub fn set_patience(&self, polls: u32, time: Duration) {
        self.poll_limit.store(polls.max(1), Ordering::Relaxed);
        self.poll_ns.store(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn patience_settings(&self) -> (u32, Duration) {
        (self.poll_limit.load(Ordering::Relaxed), Duration::from_nanos(self.poll_ns.load(Ordering::Relaxed)))
    }

    pub fn patience(&self) -> Patience {
        let (polls, time) = self.patience_settings();
        Patience { polls, time, seen: 0, since: None, is_by_time: false }
    }

    /// Of somebody who looks seldom, because an interrupt tells: by time alone.
    pub fn patience_by_time(&self) -> Patience {
        Patience { polls: 1, since: Some(Instant::now()), is_by_time: true, ..self.patience() }
    }

    /// Whether every queue that is bound interrupts.
    pub fn has_interrupts(&self) -> bool {
        let state = lock(&self.state);
        state.devices.iter().flat_map(|device| &device.queues).all(|queue| queue.port.interrupt().is_some())
    }
}

/// How long somebody has looked in vain.
pub struct Patience {
    polls: u32,
    time: Duration,
    seen: u32,
    since: Option<Instant>,
    is_by_time: bool,
}

impl Patience {
    /// Another look in vain: whether that was one too many. The clock is read when the looks are used up.
    #[inline]
    pub fn is_over(&mut self) -> bool {
        self.seen = self.seen.saturating_add(1);
        if self.seen & 0xff == 0 && self.since.is_none() {
            self.since = Some(Instant::now());
        }
        self.seen >= self.polls && self.since.get_or_insert_with(Instant::now).elapsed() >= self.time
    }

    /// Whether it is time to see to the device's health.
    #[inline]
    pub fn is_checking(&self) -> bool {
        self.is_by_time || self.seen & HEALTH_LOOKS == HEALTH_LOOKS
    }

    pub fn looks(&self) -> u32 {
        self.seen
    }
}
