//! The layer: devices, their offers, measured costs, the balancer, and the way of each request through them.
//!
//! `place` says which devices could take a request and which does; `submit` runs or queues it; `again` takes it
//! elsewhere when its device fails, leaves, or is joined by another.

use crate::alg;
use crate::balancers::{Balancer, Event, Fastest};
use crate::buffer::{Output, Pool, Source};
use crate::cost::{Costs, Rivalry};
use crate::device::Device;
use crate::fork;
use crate::operation::is_telling;
use crate::registry::Registry;
use crate::request::Unit;
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

mod again;
mod alarm;
mod gathered;
mod place;
mod submit;

pub use gathered::Gathered;
pub use place::{Ask, Bound, Chosen, Place};
pub use submit::Wishes;

/// What a layer is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Work predicted below this many nanoseconds runs on the caller's thread.
    pub inline_ns: u64,
    /// Unused output memory kept for reuse, in bytes.
    pub pool_bytes: usize,
    /// Whether algorithms that are broken or outdated may be used.
    pub allow_insecure: bool,
    /// Most devices that one request is tried on.
    pub attempts: u32,
    /// One in so many results is checked on a second device; 0 for none.
    pub crosscheck: u64,
    /// Failures in a row that quarantine a device; 0 for never.
    pub quarantine_errors: u32,
    /// Runs that take so many times as long as predicted, several in a row, quarantine a device; 0 for never.
    pub quarantine_factor: f64,
    /// Good completions after which a device that was readmitted counts as up.
    pub trickle: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inline_ns: 30_000,
            pool_bytes: 64 << 20,
            allow_insecure: false,
            attempts: 3,
            crosscheck: 0,
            quarantine_errors: 4,
            quarantine_factor: 50.0,
            trickle: 16,
        }
    }
}

/// What happened to a device, for whoever looks after devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Arrived,
    Broke,
    Quarantined,
    Back,
    Left,
    Closed,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Broke => "broke",
            Self::Quarantined => "quarantined",
            Self::Back => "back",
            Self::Left => "left",
            Self::Closed => "closed",
        }
    }
}

/// One thing that happened: what, to which device, why.
pub type Happened = (What, String, String);

/// Most events that are kept for somebody who does not ask for them.
const MOST_EVENTS: usize = 1024;

/// See the head of this file. Shareable between threads.
pub struct Layer {
    pub settings: Settings,
    pub pool: Arc<Pool>,
    devices: RwLock<Vec<Arc<Device>>>,
    /// How many they are, without the lock.
    num_devices: AtomicUsize,
    pub registry: Registry,
    costs: Mutex<HashMap<String, Arc<Costs>>>,
    rivalries: Mutex<HashMap<String, Arc<Rivalry>>>,
    balancer: RwLock<Arc<dyn Balancer>>,
    alarm: alarm::Alarm,
    events: Mutex<VecDeque<Happened>>,
    news: Condvar,
    /// How often a request went where it would not have gone, by the reason.
    fallbacks: Mutex<BTreeMap<&'static str, u64>>,
    sampled: AtomicU64,
    numbers: AtomicU32,
    generation: u64,
    closed: AtomicBool,
    /// Held through closing, so that a second closer waits for the first.
    closing: Mutex<()>,
}

impl Layer {
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            pool: Pool::new(settings.pool_bytes),
            devices: RwLock::new(Vec::new()),
            num_devices: AtomicUsize::new(0),
            registry: Registry::default(),
            costs: Mutex::default(),
            rivalries: Mutex::default(),
            balancer: RwLock::new(Arc::new(Fastest)),
            alarm: alarm::Alarm::default(),
            events: Mutex::default(),
            news: Condvar::new(),
            fallbacks: Mutex::default(),
            sampled: AtomicU64::new(0),
            numbers: AtomicU32::new(0),
            generation: fork::generation(),
            closed: AtomicBool::new(false),
            closing: Mutex::new(()),
        })
    }

    /// Whether this is still the process that opened the layer.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Refuses to go on in a forked child or after closing.
    pub fn alive(&self) -> Outcome<()> {
        if !self.is_ours() {
            return Err(Status::Closed("the layer was opened by the parent process; open a fresh one after a fork"));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Status::Closed("the layer is closed"));
        }
        Ok(())
    }

    // ---- Devices

    /// Adds an opened device. What it offers is entered in the registry, by whoever proves it.
    pub fn add_device(self: &Arc<Self>, device: &Arc<Device>) {
        device.settle_in(Arc::downgrade(self), self.numbers.fetch_add(1, Ordering::AcqRel));
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.push(Arc::clone(device));
        self.num_devices.store(devices.len(), Ordering::Relaxed);
    }

    /// Adds an opened device and publishes all its engine's offers unproven: for tests of the core.
    pub fn add(self: &Arc<Self>, device: &Arc<Device>) {
        for id in self.registry.enter(device, device.engine.offers()) {
            self.registry.publish(id, true);
        }
        self.add_device(device);
        self.welcome(device);
    }

    /// A device's offers are published now: queued work of others may go there.
    pub fn welcome(&self, device: &Device) {
        self.happened(What::Arrived, device, "");
    }

    /// Gives no new work to a device, and waits until it has none; false if the time runs out first. What its engine has
    /// kept for too long, and is done elsewhere or was given up, is not waited for.
    pub fn drain_device(&self, device: &Device, timeout: Option<Duration>) -> bool {
        device.drain();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while !device.queue.is_empty() {
            // Whoever is told of an end may be on the very thread that the rest waits for.
            let is_over = until.is_some_and(|until| Instant::now() >= until);
            if is_over || self.alive().is_err() || is_telling() {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// Closes a device and forgets it. Its bids have been withdrawn.
    pub fn remove_device(&self, device: &Arc<Device>) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let before = devices.len();
        devices.retain(|other| !Arc::ptr_eq(other, device));
        let was_here = devices.len() < before;
        self.num_devices.store(devices.len(), Ordering::Relaxed);
        drop(devices);
        let own = format!("{}/", device.name);
        lock(&self.costs).retain(|key, _| !key.starts_with(&own));
        device.drain();
        device.give_up();
        device.close();
        if was_here {
            self.happened(What::Left, device, "");
        }
    }

    pub fn devices(&self) -> Vec<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A device whose workers may be given results of others to check.
    pub fn checking_device(&self) -> Option<Arc<Device>> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        devices.iter().find(|device| device.is_usable() && device.engine.is_reference()).map(Arc::clone)
    }

    // ---- Events

    /// Something happened to a device: the balancer is told, queued work may move, and whoever waits for events learns.
    pub fn happened(&self, what: What, device: &Device, why: &str) {
        self.registry.changed();
        {
            let mut events = lock(&self.events);
            if events.len() >= MOST_EVENTS {
                events.pop_front();
            }
            events.push_back((what, device.name.to_string(), why.to_string()));
        }
        self.news.notify_all();
        if self.alive().is_err() {
            return;
        }
        let event = match what {
            What::Arrived | What::Back => Event::Arrived(&device.name),
            What::Broke | What::Quarantined => Event::Broke(&device.name),
            What::Left | What::Closed => Event::Left(&device.name),
        };
        if self.balancer().rehash(event) && matches!(event, Event::Arrived(_)) {
            for other in self.devices().iter().filter(|other| !std::ptr::eq(&***other, device)) {
                self.move_queued(other);
            }
        }
    }

    /// The next thing that happened; waits for one so long. After closing that is [`What::Closed`].
    pub fn wait_event(&self, timeout: Duration) -> Option<Happened> {
        let until = Instant::now().checked_add(timeout);
        let mut events = lock(&self.events);
        loop {
            if let Some(event) = events.pop_front() {
                return Some(event);
            }
            if self.alive().is_err() {
                return Some((What::Closed, String::new(), String::new()));
            }
            let left = until.map_or(Duration::from_secs(3600), |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            events = self.news.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // ---- Balancing

    pub fn balancer(&self) -> Arc<dyn Balancer> {
        Arc::clone(&self.balancer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every request after this is placed by another balancer; what is queued stays where it is.
    pub fn set_balancer(&self, balancer: Arc<dyn Balancer>) {
        let before = std::mem::replace(&mut *self.balancer.write().unwrap_or_else(PoisonError::into_inner), balancer);
        drop(before); // outside the lock: its end may run any code
    }

    fn costs(&self, key: &str, kind: alg::Kind) -> Arc<Costs> {
        let mut costs = lock(&self.costs);
        Arc::clone(costs.entry(key.to_string()).or_insert_with(|| Arc::new(Costs::new(kind))))
    }

    fn rivalry(&self, key: &str) -> Arc<Rivalry> {
        Arc::clone(lock(&self.rivalries).entry(key.to_string()).or_default())
    }

    /// Drops the tables of an algorithm and its parameters, on all devices, unless somebody uses them.
    fn forget_costs(&self, cost_key: &str) {
        let is_it = |key: &String| key.split_once('/').is_some_and(|(_, key)| key == cost_key);
        lock(&self.costs).retain(|key, costs| !is_it(key) || Arc::strong_count(costs) > 1 || costs.has_samples());
        lock(&self.rivalries).retain(|key, rivalry| key != cost_key || Arc::strong_count(rivalry) > 1);
    }

    /// Every cost table, by device and algorithm.
    pub fn all_costs(&self) -> Vec<(String, Arc<Costs>)> {
        let mut all: Vec<_> = lock(&self.costs).iter().map(|(key, costs)| (key.clone(), Arc::clone(costs))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The cost table of one device and algorithm, to be filled with what was measured before.
    pub fn cost_table(&self, device: &str, key: &str, kind: alg::Kind) -> Arc<Costs> {
        self.costs(&format!("{device}/{key}"), kind)
    }

    /// Counts that a request went where it would not have gone.
    pub fn fell_back(&self, reason: &'static str) {
        *lock(&self.fallbacks).entry(reason).or_default() += 1;
    }

    pub fn fallbacks(&self) -> Vec<(&'static str, u64)> {
        lock(&self.fallbacks).iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// Whether it is this result's turn to be checked on a second device.
    pub fn samples_now(&self) -> bool {
        let every = self.settings.crosscheck;
        every > 0 && self.sampled.fetch_add(1, Ordering::Relaxed).is_multiple_of(every)
    }

    /// Shares a client's work more, or less, than others' of the same priority.
    pub fn set_weight(&self, client: u32, weight: u32) {
        self.devices().iter().for_each(|device| device.queue.set_weight(client, weight));
    }

    // ---- Memory

    /// An output for one unit from the pool.
    pub fn output(&self) -> Output {
        Output::pooled(&self.pool)
    }

    /// A unit without extras, from the pool.
    pub fn unit(&self, source: Source) -> Unit {
        Unit { source, extra: None, output: self.output() }
    }

    // ---- Life

    /// Ends everything: queued requests fail, running ones are waited for. Idempotent; does nothing in a forked child.
    ///
    /// Called by who is just being told of an end, perhaps on a device's own thread, it waits for nothing; the next who
    /// closes, or drops, the layer does.
    pub fn close(&self) {
        if !self.is_ours() {
            return;
        }
        let devices = self.devices();
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Under the lock, or who waits for events could look before and fall asleep after this.
            drop(lock(&self.events));
            self.news.notify_all();
            // All shut before any is waited for: the workers of one may be waiting for another.
            devices.iter().for_each(|device| device.shut());
        }
        if is_telling() {
            return;
        }
        let _turn = lock(&self.closing);
        self.alarm.close();
        devices.iter().for_each(|device| device.close());
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.close();
    }
}
