//! What is kept of a request that an engine may lose, so that it can be done again though it never comes back.

use crate::alg::Direction;
use crate::buffer::{Output, Spare};
use crate::layer::{Bound, Place};
use crate::operation::{Lane, Operation};
use crate::request::{Extra, Gather, Request, Unit, Work};
use crate::route::Journey;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

const AWAY: u8 = 0;
const CAME_BACK: u8 = 1;
const REPLACED: u8 = 2;

/// Ties a request in the hands of an engine that may lose it to what is kept of it. Exactly one of the two ends it.
pub struct Watch {
    pub since: Instant,
    pub operation: Weak<Operation>,
    /// What it holds of its device's budget, and its share of the backlog: given back when it is replaced, or what an
    /// engine keeps would keep others waiting.
    pub budget: Option<usize>,
    pub backlog_ns: u64,
    state: AtomicU8,
    kept: Mutex<Kept>,
}

/// What is done again, if it may be; and what it was submitted through.
type Kept = (Option<Box<SpareRequest>>, Option<Arc<Bound>>);

impl Watch {
    /// Of a request that is about to be handed to its engine.
    pub fn over(request: &Request) -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            operation: Arc::downgrade(request.operation()),
            budget: request.budget(),
            backlog_ns: request.backlog_ns(),
            state: AtomicU8::new(AWAY),
            kept: Mutex::new((SpareRequest::of(request), request.bound.clone())),
        })
    }

    /// Whether the engine still has it.
    pub fn is_away(&self) -> bool {
        self.state.load(Ordering::Acquire) == AWAY
    }

    /// Whether the engine still has it, though another may have taken its place.
    pub fn is_out(&self) -> bool {
        self.state.load(Ordering::Acquire) != CAME_BACK
    }

    /// The engine has given it back; false if it was replaced before. What was kept of it is let go of.
    pub fn came_back(&self) -> bool {
        let was_away = self.state.swap(CAME_BACK, Ordering::AcqRel) == AWAY;
        drop(self.take());
        was_away
    }

    /// The engine has kept it for too long: what is to be done again instead, if it may be. `None` if it came back.
    pub fn replace(&self) -> Option<Kept> {
        let replaced = self.state.compare_exchange(AWAY, REPLACED, Ordering::AcqRel, Ordering::Acquire);
        replaced.is_ok().then(|| self.take())
    }

    fn take(&self) -> Kept {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One message: what it reads, and an empty output of the same pool.
struct SpareUnit {
    source: Spare,
    extra: Option<Box<Extra>>,
    output: Output,
}

/// See the head of this file.
pub struct SpareRequest {
    direction: Direction,
    max_output: u64,
    units: Vec<SpareUnit>,
    place: Arc<Place>,
    bound: Arc<Bound>,
    gather: Option<(Arc<Gather>, usize)>,
    journey: Option<Box<Journey>>,
    deadline: Option<Instant>,
    submitted: Instant,
    bytes: usize,
    priority: i32,
    client: u32,
    attempts: u32,
    lane: Lane,
}

impl SpareRequest {
    /// Of a request that may be done twice. One that writes into the caller's memory may not: the engine that keeps it
    /// could still be writing there.
    pub fn of(request: &Request) -> Option<Box<Self>> {
        let Work::Transform { direction, max_output } = request.work else { return None };
        let bound = Arc::clone(request.bound.as_ref()?);
        if request.is_bound || !request.is_repeatable() || request.units.iter().any(|unit| unit.output.is_fixed()) {
            return None;
        }
        let journey = match &request.journey {
            Some(journey) => Some(Box::new(journey.spare()?)),
            None => None,
        };
        let unit = |unit: &Unit| SpareUnit {
            source: Spare::of(&unit.source),
            extra: unit.extra.clone(),
            output: unit.output.sibling(),
        };
        Some(Box::new(Self {
            direction,
            max_output,
            units: request.units.iter().map(unit).collect(),
            place: Arc::clone(&request.place),
            bound,
            gather: request.gather().cloned(),
            journey,
            deadline: request.deadline(),
            submitted: request.submitted(),
            bytes: request.bytes,
            priority: request.priority,
            client: request.client,
            attempts: request.attempts(),
            lane: request.lane,
        }))
    }

    /// The request again, if its operation is still held.
    pub fn revive(self, operation: &Arc<Operation>) -> Option<Request> {
        let hold = operation.hold()?;
        let unit = |unit: SpareUnit| Unit { source: unit.source.revive(&hold), extra: unit.extra, output: unit.output };
        let units: Vec<Unit> = self.units.into_iter().map(unit).collect();
        let work = Work::Transform { direction: self.direction, max_output: self.max_output };
        let mut request = Request::new(self.place, work, units, hold, "");
        request.bound = Some(self.bound);
        request.set_gather(self.gather);
        request.journey = self.journey;
        request.set_deadline(self.deadline);
        request.set_submitted(self.submitted);
        request.bytes = self.bytes;
        request.priority = self.priority;
        request.client = self.client;
        request.set_attempts(self.attempts);
        request.lane = self.lane;
        Some(request)
    }
}
