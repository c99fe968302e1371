//! Wraps another engine and misbehaves on a schedule: for tests of everything above it.
//!
//! It refuses, delays, fails, corrupts, drops or duplicates a completion, or dies in mid-burst. Requests are counted as
//! they are offered; the first fault of the schedule that is due for a request's number is applied to it.

use crate::alg::{Params, Transform};
use crate::engine::{Engine, Offer};
use crate::operation::Settled;
use crate::request::Request;
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Refuse,
    Delay(Duration),
    Fail,
    Corrupt,
    Drop,
    Duplicate,
    Die,
}

/// One line of a schedule: `kind` befalls every `every`-th request after the first `after`, at most `times` times.
#[derive(Debug)]
pub struct Fault {
    pub kind: Kind,
    pub every: u64,
    pub after: u64,
    pub times: u64,
    pub done: AtomicU64,
}

impl Fault {
    fn is_due(&self, number: u64) -> bool {
        let due = number > self.after && (number - self.after).is_multiple_of(self.every.max(1));
        due && self
            .done
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < self.times).then_some(n + 1))
            .is_ok()
    }
}

/// See the head of this file.
pub struct Faulty {
    inner: Arc<dyn Engine>,
    schedule: Vec<Fault>,
    number: AtomicU64,
    /// Requests whose completion was dropped: held, as hardware would hold the memory, until the device closes.
    limbo: Mutex<Vec<Request>>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Engine>, schedule: Vec<Fault>) -> Self {
        Self { inner, schedule, number: AtomicU64::new(0), limbo: Mutex::new(Vec::new()) }
    }

    fn due(&self) -> Option<Kind> {
        let number = self.number.fetch_add(1, Ordering::AcqRel) + 1;
        self.schedule.iter().find(|fault| fault.is_due(number)).map(|fault| fault.kind)
    }
}

impl Engine for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn offers(&self) -> Vec<Offer> {
        let rename = |offer: Offer| Offer { driver: format!("faulty({})", offer.driver), priority: -2, ..offer };
        self.inner.offers().into_iter().map(rename).collect()
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        self.inner.compile(offer, params)
    }

    fn runs_inline(&self) -> bool {
        false
    }

    fn may_lose(&self) -> bool {
        true
    }

    fn submit(&self, burst: &mut VecDeque<Request>) {
        while let Some(mut request) = burst.pop_front() {
            if let Some(status) = request.must_not_start() {
                request.fail(status);
                continue;
            }
            match self.due() {
                None => request.run(),
                Some(Kind::Refuse) => {
                    burst.push_front(request);
                    return;
                }
                Some(Kind::Delay(time)) => {
                    std::thread::sleep(time); // being slow is the fault, not a wait for something
                    request.run();
                }
                Some(Kind::Fail) => {
                    request.fail(Status::Engine { engine: "faulty".into(), what: "failed on schedule".into() });
                }
                Some(Kind::Corrupt) => {
                    let (mut results, started) = request.execute();
                    for (output, _) in results.iter_mut().flatten() {
                        if let Some(byte) = output.as_mut_slice().first_mut() {
                            *byte ^= 1;
                        }
                    }
                    request.complete(results, started);
                }
                Some(Kind::Drop) => self.limbo.lock().unwrap_or_else(PoisonError::into_inner).push(request),
                Some(Kind::Duplicate) => {
                    let (device, mut hold) = (Arc::clone(request.device()), request.hold());
                    request.run();
                    // One that goes on (other parts, other stages, another try) has not ended, and cannot end twice yet.
                    let again = || Settled::failed(Status::Cancelled, &device.name, "a duplicate");
                    if !hold.is_pending() && !hold.settle(again()) {
                        device.stats.duplicates.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Some(Kind::Die) => {
                    let device = Arc::clone(request.device());
                    device.break_down(); // first: who learns of the loss must find the device broken
                    burst.push_front(request);
                    device.lose_all(std::mem::take(burst));
                    return;
                }
            }
        }
    }

    fn close(&self) {
        self.limbo.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
