//! The contract of an engine, as the core sees it: code that can do some algorithms, opened as a device.
//!
//! A synchronous library implements `compile` and lets the device's own workers run what it compiled. Asynchronous
//! hardware overrides `submit`: it takes what it can hold and completes each request later, from any thread. Taking
//! fewer than offered is ordinary back-pressure.

use crate::alg::{Algorithm, Kind, Params, Transform};
use crate::request::Request;
use crate::status::Outcome;
use crate::template::Shape;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

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
            if request.device.queue.is_closed() {
                drop(request); // which tells its caller that the layer was closed
            } else {
                request.run();
            }
        }
    }

    /// Whether completions may fail to come, so that the device must watch for lost ones.
    fn may_lose(&self) -> bool {
        false
    }

    /// Lets go of everything still held. Called when the device closes, after the last `submit` has returned.
    fn close(&self) {}
}
