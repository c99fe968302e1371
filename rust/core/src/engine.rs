//! The contract of an engine, as the core sees it: code that can do some algorithms, opened as a device.
//!
//! A synchronous library implements `compile` and lets the device's own workers run what it compiled. Asynchronous
//! hardware overrides `submit`: it takes what it can hold and completes each request later, from any thread. Taking
//! fewer than offered is ordinary back-pressure.

use crate::alg::{Algorithm, Params, Transform};
use crate::request::Request;
use crate::status::Outcome;
use std::collections::VecDeque;
use std::sync::Arc;

/// One engine's bid for one algorithm.
#[derive(Debug, Clone)]
pub struct Offer {
    pub algorithm: String,
    pub driver: String,
    pub priority: i32,
}

/// See the head of this file.
pub trait Engine: Send + Sync {
    /// The engine's name: `software`.
    fn name(&self) -> &str;

    /// What it can do here.
    fn offers(&self) -> Vec<Offer>;

    /// Its own form of an algorithm with parameters and key.
    fn compile(&self, algorithm: &Algorithm, params: &Params) -> Outcome<Arc<dyn Transform>>;

    /// Whether a request may run on the caller's own thread, past the queue.
    fn runs_inline(&self) -> bool {
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
