//! The contract of an engine, as the core sees it: code that can do some algorithms, opened as a device.
//!
//! A synchronous library implements `compile` and lets the device's own workers run what it compiled. Asynchronous
//! hardware overrides `submit`: it takes what it can hold and completes each request later, from any thread. Taking
//! fewer than offered is ordinary back-pressure.

use crate::alg::{Algorithm, Direction, Facts, Job, Kind, Params, Transform};
use crate::request::Request;
use crate::status::{Outcome, Status};
use crate::template::Shape;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// What an offer can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one message; more go elsewhere.
    pub max_bytes: u64,
    /// Most requests on the device at which it takes one more of these.
    pub queue: usize,
    /// Which directions it has: bit `Direction as u8`.
    pub directions: u16,
    /// Whether doing it twice does no harm: a pure function of source, key and nonce.
    pub repeatable: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: u64::MAX, queue: usize::MAX, directions: u16::MAX, repeatable: true }
    }
}

impl Limits {
    /// Whether a message of this size may go there.
    pub fn takes(&self, direction: Direction, bytes: usize) -> bool {
        self.directions & (1 << direction as u16) != 0 && bytes as u64 <= self.max_bytes
    }
}

/// One engine's bid for one algorithm.
#[derive(Debug, Clone)]
pub struct Offer {
    pub algorithm: String,
    pub kind: Kind,
    pub driver: String,
    pub priority: i32,
    /// Broken or outdated: refused unless the layer's settings ask for it.
    pub insecure: bool,
    pub shape: Shape,
    pub limits: Limits,
}

impl Offer {
    /// A bid for an algorithm of this crate.
    pub fn of(algorithm: &Algorithm, driver: impl Into<String>, priority: i32) -> Self {
        Self {
            algorithm: algorithm.name.into(),
            kind: algorithm.kind,
            driver: driver.into(),
            priority,
            insecure: algorithm.insecure,
            shape: Shape::default(),
            limits: Limits::default(),
        }
    }
}

/// A name that lives as long as the process, so that completions need not own theirs. Driver names are few.
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(name.to_string().into_boxed_str());
            names.insert(kept);
            kept
        }
    }
}

/// See the head of this file.
pub trait Engine: Send + Sync {
    /// The engine's name: `software`.
    fn name(&self) -> &str;

    /// What it can do here.
    fn offers(&self) -> Vec<Offer>;

    /// Its own form of something that it offers, with parameters and key.
    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>>;

    /// Whether a request may run on the caller's own thread, past the queue.
    fn runs_inline(&self) -> bool {
        true
    }

    /// Whether it runs the steps of streams, which are the core's own code.
    fn runs_steps(&self) -> bool {
        true
    }

    /// Takes requests off the front of the burst; each one taken is completed exactly once, now or later.
    fn submit(&self, burst: &mut VecDeque<Request>) {
        while let Some(request) = burst.pop_front() {
            if request.device().queue.is_closed() {
                drop(request); // which sends it elsewhere, or tells its caller that the layer was closed
            } else {
                request.run();
            }
        }
    }

    /// How many messages it does at once in one thread, where many together are cheaper than each alone.
    fn lanes(&self) -> usize {
        1
    }

    /// Does several calls in this thread, of whatever transforms of its own; their results, in order.
    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        let mut results = Vec::with_capacity(jobs.len());
        for alike in jobs.chunk_by_mut(|one, next| std::ptr::addr_eq(one.transform, next.transform)) {
            if let Some(transform) = alike.first().map(|job| job.transform) {
                results.append(&mut transform.run_many(alike));
            }
        }
        results
    }

    /// Whether completions may fail to come, so that the device must watch for lost ones.
    fn may_lose(&self) -> bool {
        false
    }

    /// Whether requests complete later, of themselves: then what one waits for inside is not its own cost.
    fn completes_later(&self) -> bool {
        false
    }

    /// Whether a route's next stage may follow at once on the thread that completed the one before, by
    /// [`Request::go_on`]: several stages in one pass.
    fn chains(&self) -> bool {
        !self.completes_later()
    }

    /// How many requests it works on at once, with so many workers of ours.
    fn parallel(&self, workers: usize) -> usize {
        if self.completes_later() { 1 } else { workers }
    }

    /// Whether its results are what others are compared with, and its workers may be lent to that.
    fn is_reference(&self) -> bool {
        false
    }

    /// Whether it only runs what is made of other devices' offers.
    fn is_host(&self) -> bool {
        false
    }

    /// Its device broke: gives back, by dropping them, the requests in its hands that it can let go of.
    fn abort(&self) {}

    /// Looks for completions, on the thread of a caller who polls.
    fn poll(&self) {}

    /// Whether it is well.
    fn health(&self) -> Outcome<()> {
        Ok(())
    }

    /// Takes work again after its device broke.
    fn revive(&self) -> Outcome<()> {
        Ok(())
    }

    /// Turns a knob while it runs; for engines that have some.
    fn tune(&self, knob: &str, _value: f64) -> Outcome<()> {
        Err(Status::usage(format!("{} has no knob called {knob:?}", self.name())))
    }

    /// Lets go of everything still held. Called when the device closes, after the last `submit` has returned.
    fn close(&self) {}
}
