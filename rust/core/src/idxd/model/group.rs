//! A group: queues, and engines that serve them. What happens here happens under the group's lock, and is short.
//!
//! An engine is idle, or has taken a descriptor (`Loaded`), or some thread is at work for it (`Busy`), or the work is done
//! and the time has not come to say so (`Due`). Any thread may carry any engine forward: it asks for a [`Job`], does it
//! without the lock, and brings back how it [`Ended`].

use super::arbiter::{Credit, pick};
use super::statistics::{Counts, EngineStatistics, QueueStatistics, Statistics};
use super::work::Work;
use crate::clock::Clock;
use crate::ffi::eventfd::EventFd;
use crate::idxd::operation::Limits;
use crate::idxd::wire::{Completion, Descriptor, flag, opcode};
use crate::sync::lock_std as lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A descriptor in the hands of an engine.
pub(super) struct Load {
    pub engine: usize,
    pub queue: usize,
    pub descriptor: Descriptor,
    /// When it began, if the model has a sense of time.
    pub began: Option<u64>,
    pub limits: Limits,
    /// To be rung after the record, if it asks for that.
    pub bell: Option<Arc<EventFd>>,
}

/// What a thread may do for an engine.
pub(super) enum Job {
    Execute(Load),
    /// Its time has come.
    Record(Load, Completion, u64),
}

/// How that went.
pub(super) enum Ended {
    /// With that status, told or not; the engine was at it from when to when.
    Done { engine: usize, queue: usize, status: Option<u8>, began: Option<u64>, ended: u64 },
    /// The record is to be written then.
    Later { load: Load, completion: Completion, due: u64 },
    /// Never.
    Stuck { engine: usize },
}

enum State {
    Idle,
    Loaded(Load),
    Busy,
    Due(Load, Completion, u64),
    Stuck,
}

struct Engine {
    number: usize,
    state: State,
    /// Whose descriptor it has or had last.
    queue: usize,
    free_at: u64,
    busy_ns: u64,
    taken: u64,
}

struct Lane {
    work: Arc<Work>,
    credit: Credit,
    in_flight: u64,
    /// In the model's time: when its last descriptor was begun, and when the last of them was done.
    began_at: u64,
    ended_at: u64,
    /// Nothing more is taken from it.
    is_closing: bool,
    counts: Counts,
}

impl Lane {
    /// Whether its next descriptor may be taken now. Fences and drains wait until all before them are done.
    fn is_ready(&self) -> bool {
        if self.is_closing {
            return false;
        }
        self.work.peek().is_some_and(|first| self.in_flight == 0 || !waits_for_others((first >> 32) as u32))
    }
}

/// Whether a descriptor of these flags and opcode is begun only when all before it in its queue are done.
fn waits_for_others(flags_opcode: u32) -> bool {
    flags_opcode & flag::FENCE != 0 || (flags_opcode >> 24) as u8 == opcode::DRAIN
}

/// See the head of this file.
pub(super) struct Group {
    number: usize,
    inner: Mutex<Inner>,
    /// When the next record is due, for who has no time to take the lock.
    next_due: AtomicU64,
}

#[derive(Default)]
pub(super) struct Inner {
    /// By the number of the queue.
    lanes: Vec<Option<Lane>>,
    /// The numbers of those that are there.
    enabled: Vec<usize>,
    engines: Vec<Engine>,
    /// Engines in each state, as bits.
    idle: u64,
    loaded: u64,
    due: u64,
    next_due: u64,
    is_halted: bool,
}

impl Group {
    pub fn new(number: usize, queues: usize) -> Self {
        let lanes = (0..queues).map(|_| None).collect();
        let inner = Inner { lanes, next_due: u64::MAX, ..Inner::default() };
        Self { number, inner: Mutex::new(inner), next_due: AtomicU64::new(u64::MAX) }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// When the next record is due; `u64::MAX` if none is.
    pub fn next_due(&self) -> u64 {
        self.next_due.load(Ordering::Acquire)
    }

    /// To be called before the lock is given back, if a job was taken or ended.
    pub fn publish(&self, inner: &Inner) {
        if self.next_due.load(Ordering::Relaxed) != inner.next_due {
            self.next_due.store(inner.next_due, Ordering::Release);
        }
    }

    /// Gives it the engines of these numbers, all idle.
    pub fn set_engines(&self, numbers: impl Iterator<Item = usize>) {
        let engine = |number| Engine { number, state: State::Idle, queue: 0, free_at: 0, busy_ns: 0, taken: 0 };
        let mut inner = self.lock();
        inner.engines = numbers.map(engine).collect();
        inner.idle = if inner.engines.len() >= 64 { u64::MAX } else { (1 << inner.engines.len()) - 1 };
        inner.loaded = 0;
        inner.due = 0;
        inner.next_due = u64::MAX;
        self.publish(&inner);
    }

    pub fn has_engines(&self) -> bool {
        !self.lock().engines.is_empty()
    }

    pub fn add(&self, work: Arc<Work>) {
        let mut inner = self.lock();
        let number = work.info.queue_id as usize;
        let counts = Counts::default();
        let lane =
            Lane { work, credit: Credit::default(), in_flight: 0, began_at: 0, ended_at: 0, is_closing: false, counts };
        if let Some(place) = inner.lanes.get_mut(number) {
            *place = Some(lane);
            inner.enabled.push(number);
        }
    }

    /// To be called once nothing of it is in flight.
    pub fn remove(&self, queue: usize) {
        let mut inner = self.lock();
        inner.enabled.retain(|number| *number != queue);
        if let Some(place) = inner.lanes.get_mut(queue) {
            *place = None;
        }
    }

    /// Stops, or goes on. When this returns from stopping, no thread is at work here.
    pub fn halt(&self, is_halted: bool) {
        self.lock().is_halted = is_halted;
        if is_halted {
            self.wait_until(|inner| !inner.engines.iter().any(|engine| matches!(engine.state, State::Busy)));
        }
    }

    /// Waits for other threads to get there; each of them is about to finish one job.
    fn wait_until(&self, is_so: impl Fn(&Inner) -> bool) {
        while !is_so(&self.lock()) {
            std::thread::yield_now();
        }
    }

    /// Whether nothing of a queue is waiting or in flight, but for what is stuck for ever.
    pub fn is_done(&self, queue: usize) -> bool {
        let inner = self.lock();
        let Some(Some(lane)) = inner.lanes.get(queue).filter(|_| !inner.is_halted) else { return true };
        let is_stuck = |engine: &&Engine| engine.queue == queue && matches!(engine.state, State::Stuck);
        let stuck = inner.engines.iter().filter(is_stuck).count() as u64;
        // A fence behind what is stuck is stuck, too.
        let is_blocked = inner.is_stuck() || stuck > 0 && !lane.is_ready();
        lane.in_flight == stuck && (lane.work.waiting() == 0 || is_blocked)
    }

    /// Drops what a queue has waiting and in flight. When this returns no thread is at work for it, and none will be for
    /// what was stored before.
    pub fn abort(&self, queue: usize) {
        if let Some(Some(lane)) = self.lock().lanes.get_mut(queue) {
            lane.is_closing = true;
        }
        let is_busy = |engine: &Engine| engine.queue == queue && matches!(engine.state, State::Busy);
        self.wait_until(|inner| !inner.engines.iter().any(is_busy));
        let mut inner = self.lock();
        inner.release(queue);
        let Some(Some(lane)) = inner.lanes.get_mut(queue) else { return };
        lane.counts.aborted += lane.in_flight;
        lane.in_flight = 0;
        // A store that has its ticket is about to arrive, and must not be taken for one of later.
        let until = lane.work.tail();
        while lane.work.head() < until {
            match lane.work.take() {
                Some(_) => lane.counts.aborted += 1,
                None => std::thread::yield_now(),
            }
        }
        lane.is_closing = false;
        self.publish(&inner);
    }

    /// Adds what it counted.
    pub fn count(&self, statistics: &mut Statistics) {
        let inner = self.lock();
        for lane in inner.lanes.iter().flatten() {
            let work = &lane.work;
            statistics.queues.push(QueueStatistics {
                queue: work.info.queue.clone(),
                queue_id: work.info.queue_id,
                accepted: work.tail(),
                lost: work.lost(),
                retried: work.retried(),
                completed: lane.counts.completed,
                aborted: lane.counts.aborted,
                waiting: work.waiting(),
                in_flight: lane.in_flight,
                by_status: lane.counts.by_status(),
            });
        }
        statistics.engines.extend(inner.engines.iter().map(|engine| EngineStatistics {
            engine: engine.number,
            group: self.number,
            taken: engine.taken,
            busy_ns: engine.busy_ns,
        }));
    }
}

impl Inner {
    /// Something to do. `timed` if the model has a sense of time; `most` descriptors are taken from queues at once.
    pub fn next(&mut self, clock: &dyn Clock, timed: bool, most: u32) -> Option<Job> {
        if self.is_halted {
            return None;
        }
        if self.due != 0 && self.next_due <= clock.now() {
            return self.next_record();
        }
        if self.loaded == 0 && self.idle != 0 {
            self.load(clock, timed, most);
        }
        if self.loaded == 0 {
            return None;
        }
        let place = self.loaded.trailing_zeros() as usize;
        let engine = self.engines.get_mut(place)?;
        self.loaded &= !(1 << place);
        match std::mem::replace(&mut engine.state, State::Busy) {
            State::Loaded(load) => Some(Job::Execute(load)),
            _ => None,
        }
    }

    /// The record that is due first.
    fn next_record(&mut self) -> Option<Job> {
        let due = |engine: &Engine| if let State::Due(.., due) = engine.state { due } else { u64::MAX };
        let first = self.engines.iter().enumerate().min_by_key(|(_, engine)| due(engine))?.0;
        let engine = self.engines.get_mut(first)?;
        let state = std::mem::replace(&mut engine.state, State::Busy);
        self.due &= !(1 << first);
        self.next_due = self.engines.iter().map(due).min().unwrap_or(u64::MAX);
        match state {
            State::Due(load, completion, due) => Some(Job::Record(load, completion, due)),
            _ => None,
        }
    }

    /// Idle engines take from the queues.
    fn load(&mut self, clock: &dyn Clock, timed: bool, most: u32) {
        let mut now = None;
        for _ in 0..most {
            if self.idle == 0 {
                return;
            }
            let Some(queue) = self.next_queue() else { return };
            let Some(Some(lane)) = self.lanes.get_mut(queue) else { return };
            let Some((words, arrived)) = lane.work.take() else { return };
            lane.in_flight += 1;
            let descriptor = Descriptor::from_words(words);
            let idle = self.idle;
            let free = self.engines.iter_mut().enumerate().filter(|(place, _)| idle >> place & 1 == 1);
            // Of several, the one that has waited longest.
            let engine = if timed { free.min_by_key(|(_, engine)| engine.free_at) } else { free.into_iter().next() };
            let Some((place, engine)) = engine else { return };
            // It began when the engine was free and the descriptor there, though nobody may have looked at once.
            let began = timed.then(|| {
                let now = *now.get_or_insert_with(|| clock.now());
                let arrived = if arrived == 0 { now } else { arrived };
                let fenced = if waits_for_others(descriptor.flags_opcode) { lane.ended_at } else { 0 };
                let began = arrived.max(engine.free_at).max(lane.began_at).max(fenced).min(now);
                lane.began_at = began;
                began
            });
            let bell = descriptor.has(flag::RCI).then(|| Arc::clone(&lane.work.interrupt));
            engine.queue = queue;
            engine.taken += 1;
            engine.state =
                State::Loaded(Load { engine: place, queue, descriptor, began, limits: lane.work.limits, bell });
            self.idle &= !(1 << place);
            self.loaded |= 1 << place;
        }
    }

    /// Whose turn it is, of those that have something ready.
    fn next_queue(&mut self) -> Option<usize> {
        if let [only] = self.enabled[..] {
            return self.lanes.get(only)?.as_ref()?.is_ready().then_some(only);
        }
        let lanes = self.lanes.iter_mut().enumerate();
        pick(lanes.filter_map(|(number, lane)| {
            let lane = lane.as_mut().filter(|lane| lane.is_ready())?;
            Some((number, lane.work.config.priority, &mut lane.credit))
        }))
    }

    /// Takes back what a thread was given.
    pub fn finish(&mut self, ended: Ended) {
        match ended {
            Ended::Done { engine: place, queue, status, began, ended } => {
                if let Some(Some(lane)) = self.lanes.get_mut(queue) {
                    lane.in_flight = lane.in_flight.saturating_sub(1);
                    lane.ended_at = lane.ended_at.max(ended);
                    match status {
                        Some(status) => lane.counts.complete(status),
                        None => lane.counts.completed += 1,
                    }
                }
                if let Some(engine) = self.engines.get_mut(place) {
                    if let Some(began) = began {
                        engine.free_at = ended;
                        engine.busy_ns += ended.saturating_sub(began);
                    }
                    engine.state = State::Idle;
                    self.idle |= 1 << place;
                }
            }
            Ended::Later { load, completion, due } => {
                let place = load.engine;
                if let Some(engine) = self.engines.get_mut(place) {
                    engine.state = State::Due(load, completion, due);
                    self.due |= 1 << place;
                    self.next_due = self.next_due.min(due);
                }
            }
            Ended::Stuck { engine } => {
                if let Some(engine) = self.engines.get_mut(engine) {
                    engine.state = State::Stuck;
                }
            }
        }
    }

    /// Engines let go of a queue's descriptors.
    fn release(&mut self, queue: usize) {
        for (place, engine) in self.engines.iter_mut().enumerate() {
            let lets_go = !matches!(engine.state, State::Idle | State::Busy);
            if engine.queue == queue && lets_go {
                engine.state = State::Idle;
                self.idle |= 1 << place;
                self.loaded &= !(1 << place);
                self.due &= !(1 << place);
            }
        }
        let due = self.engines.iter().filter_map(|engine| match engine.state {
            State::Due(.., due) => Some(due),
            _ => None,
        });
        self.next_due = due.min().unwrap_or(u64::MAX);
    }

    /// Whether no engine will ever take anything again.
    fn is_stuck(&self) -> bool {
        self.engines.iter().all(|engine| matches!(engine.state, State::Stuck))
    }
}
