//! One unit of work on its way: what falls through the queue, from device to device if need be, and how it ends.
//!
//! A request is a box, so that moving it between queues moves a pointer. It owns what its engine needs until it has
//! ended: a failure leaves its units in place, and another device can do them again. What only some requests need (a
//! route's stages, the devices that failed) lies in a [`Journey`] beside it.
//!
//! `advance` is where every attempt ends, whichever thread it ended on: results are checked, counted, and then the request
//! goes to another device, to its next stage, to its caller for more stages, or to its end. Dropping a request that has
//! not ended counts as an attempt that lost its device: no request is ever left unsettled.

use crate::alg::{Direction, Facts, Kind, Transform, panic_message};
use crate::buffer::{Output, Source};
use crate::engine::Engine;
use crate::layer::{Bound, Place};
use crate::moment::Moment;
use crate::operation::{Hold, Lane, UnitResult};
use crate::queue::Item;
use crate::route::{Journey, Step};
use crate::spare::Watch;
use crate::status::{Outcome, Status};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

mod body;
mod ending;
mod gather;
mod unit;
pub use gather::{Gather, Gathered};
pub use unit::{Extra, Short, Unit, Units, cost_bytes};

/// Work that keeps its state from call to call, run by [`Work::Step`]: a stream's next piece.
pub trait Stepper: Send {
    /// Takes the unit's source, writes its output.
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<Facts>;
}

/// The stream that a step belongs to; boxed twice, so that all other work is small.
pub struct Steps(pub Box<dyn Stepper>);

/// What a request does.
pub enum Work {
    /// Each unit through the transform that its place has compiled.
    Transform { direction: Direction, max_output: u64 },
    /// One unit through a stream.
    Step(Box<Steps>),
    /// Looks whether what another device gave is right. See `verify.rs`.
    Check(Box<crate::verify::Checking>),
}

/// What a message cost of a run that many shared.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// How many messages travelled together.
    pub depth: usize,
    pub each_ns: u64,
}

/// What only few requests have. They are kept small: a million of them may wait at once.
#[derive(Default)]
struct Rare {
    share: Option<Share>,
    /// Where this part's results go, if the operation was split; and the index of its first unit.
    gather: Option<(Arc<Gather>, usize)>,
    watch: Option<Arc<Watch>>,
    deadline: Option<Instant>,
}

/// What a request is; see the head of this file.
pub struct Body {
    pub work: Work,
    pub units: Units,
    pub place: Arc<Place>,
    /// What it was submitted through, to find other places for it; none for parts of compositions.
    pub bound: Option<Arc<Bound>>,
    pub journey: Option<Box<Journey>>,
    rare: Option<Box<Rare>>,
    /// While it is in the hands of an engine that may lose it.
    submitted: Moment,
    pub reason: &'static str,
    pub bytes: usize,
    /// By how much, in nanoseconds, it is thought to delay those behind it; counted in its device's backlog while it is
    /// there. Seven digits are enough for a guess.
    expected_ns: f32,
    pub priority: i32,
    pub client: u32,
    attempts: u8,
    pub lane: Lane,
    /// It was bound to its device by the caller: nothing else is tried.
    pub is_bound: bool,
    /// [`OPEN`], [`BUDGETED`], [`COUNTED`], [`STARTED`].
    marks: u8,
    /// The last field: what it keeps in place may be pointed to by those before.
    hold: Hold,
}

/// Not completed: its budget is not returned and its operation not told yet.
const OPEN: u8 = 1;
/// Holds some of its queue's budget.
const BUDGETED: u8 = 2;
/// Counted in its device's backlog.
const COUNTED: u8 = 4;
/// Its device has counted it as given to its engine.
const STARTED: u8 = 8;

/// See the head of this file.
pub struct Request(Box<Body>);

impl Deref for Request {
    type Target = Body;
    fn deref(&self) -> &Body {
        &self.0
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.0
    }
}

impl Item for Request {
    fn priority(&self) -> i32 {
        self.priority
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn is_cancelled(&self) -> bool {
        !self.operation().is_pending()
    }
    fn set_budgeted(&mut self, holds: bool) {
        self.mark(BUDGETED, holds);
    }
    fn client(&self) -> u32 {
        self.client
    }
    fn is_movable(&self) -> bool {
        let may_move = self.bound.as_ref().is_some_and(|bound| !bound.is_proof());
        !self.is_bound && may_move && matches!(self.work, Work::Transform { .. })
    }
    fn most_operations(&self) -> usize {
        self.place.limits.queue
    }
    fn queued_at(&self) -> Instant {
        self.submitted.instant()
    }
}

impl Request {
    /// A request for one place, to be adjusted by its maker.
    pub fn new(place: Arc<Place>, work: Work, units: impl Into<Units>, hold: Hold, reason: &'static str) -> Self {
        Self(Box::new(Body {
            work,
            units: units.into(),
            place,
            bound: None,
            journey: None,
            rare: None,
            submitted: Moment::now(),
            reason,
            bytes: 0,
            expected_ns: 0.0,
            priority: 0,
            client: 0,
            attempts: 1,
            lane: Lane::Queued,
            is_bound: false,
            marks: OPEN,
            hold,
        }))
    }

    /// Forgets it: it was refused before it was under way, and its operation is told by whoever made it.
    pub fn waive(mut self) {
        self.mark(OPEN, false);
        self.count(false);
        self.hold.waive();
    }

    /// Forgets it: another has taken its place, and what it held of its device has been given back.
    pub fn discard_replaced(mut self) {
        self.mark(BUDGETED, false);
        self.mark(COUNTED, false);
        self.discard();
    }

    /// Forgets it: its operation is, or will be, ended otherwise.
    pub fn discard(mut self) {
        self.mark(OPEN, false);
        self.leave_device();
    }

    /// Ends it with these results, whatever they are.
    pub fn finish(self, results: Vec<UnitResult>) {
        let now = Instant::now();
        self.end(results, now, now);
    }

    /// Runs it in this thread, as many stages as are to run here, and completes.
    pub fn run(self) {
        let mut request = self;
        loop {
            if let Some(status) = request.must_not_start() {
                return request.fail(status);
            }
            let (results, started) = request.execute();
            match request.advance(results, started, true) {
                Some(next) => request = next,
                None => return,
            }
        }
    }

    /// Runs all units in this thread; the results are still to be handed to [`complete`](Self::complete).
    pub fn execute(&mut self) -> (Vec<UnitResult>, Instant) {
        let started = Instant::now();
        let body = &mut **self;
        let results = match &mut body.work {
            Work::Transform { direction, max_output } => match body.place.transform() {
                Some(transform) => {
                    run_units(&*body.place.device.engine, &**transform, &mut body.units, *direction, *max_output)
                }
                None => vec![Err(Status::Internal("a request for a place that was never met".into()))],
            },
            Work::Step(stepper) => body
                .units
                .iter_mut()
                .map(|unit| {
                    let outcome = catch_unwind(AssertUnwindSafe(|| stepper.0.step(&unit.source, &mut unit.output)));
                    let outcome = outcome.unwrap_or_else(|panic| Err(Status::Internal(panic_message(&*panic))));
                    outcome.map(|facts| (unit.take_output(), facts))
                })
                .collect(),
            Work::Check(checking) => checking.run(&mut body.units),
        };
        (results, started)
    }

    /// Ends this attempt with the same failure for all its units.
    pub fn fail(self, status: Status) {
        let num = self.units.len().max(1);
        self.advance((0..num).map(|_| Err(status.clone())).collect(), Instant::now(), false);
    }

    /// Ends this attempt with its units' results. Gives the request back if its next stage is to run here as well.
    pub fn go_on(self, results: Vec<UnitResult>, started: Instant) -> Option<Self> {
        self.advance(results, started, true)
    }

    /// Ends this attempt with its units' results.
    pub fn complete(self, results: Vec<UnitResult>, started: Instant) {
        self.advance(results, started, false);
    }

    /// Like [`complete`](Self::complete), of a run that it shared with other requests.
    pub fn complete_shared(mut self, results: Vec<UnitResult>, started: Instant, share: Share) {
        self.rare().share = Some(share);
        self.advance(results, started, false);
    }

    /// What comes after an attempt; the request itself if its next stage is to run on this thread.
    fn advance(mut self, mut results: Vec<UnitResult>, started: Instant, is_here: bool) -> Option<Self> {
        if self.marks & OPEN == 0 {
            return None;
        }
        let finished = Instant::now();
        let came_back = self.take_watch().is_none_or(|watch| watch.came_back());
        if !came_back {
            // Another has taken its place, and is the only one that ends the operation.
            if results.iter().any(Result::is_ok) {
                self.place.device.stats.duplicates.fetch_add(1, Ordering::Relaxed); // not one that was only dropped
            }
            self.discard_replaced();
            return None;
        }
        let layer = self.bound.as_ref().and_then(|bound| bound.layer());
        let mut judged = (started, finished);
        let mut was_checked = false;
        let body = &mut *self;
        if let Work::Check(checking) = &mut body.work {
            // The attempt was another's: its times are told, and its device is judged.
            if checking.is_unrun() {
                results = checking.run(&mut body.units); // its device was lost: here, then
            }
            judged = checking.judged;
            was_checked = true;
            let back = Arc::clone(&checking.place);
            let work = Work::Transform { direction: checking.direction, max_output: checking.max_output };
            self.leave_device();
            self.place = back;
            self.work = work;
        } else if crate::verify::is_due(&self, &results, layer.as_deref()) {
            match crate::verify::begin(self, results, judged, layer.as_deref()) {
                Ok(()) => return None,
                Err((request, checked)) => (self, results) = (request, checked),
            }
        }
        self.account(&results, judged.0, judged.1);
        if !was_checked {
            // The budget first: whoever learns of the completion may submit at once and must find room.
            self.leave_device();
        }
        if let Some(layer) = &layer {
            match layer.redo(self, results) {
                Ok(()) => return None,
                Err((request, left)) => (self, results) = (request, left),
            }
        }
        if self.journey.is_some() {
            match crate::route::step(self, results, judged, layer.as_ref(), is_here) {
                Step::Here(request) => return Some(request),
                Step::Away => return None,
                Step::End(request, ended) => (self, results) = (request, ended),
            }
        }
        self.end(results, judged.0, judged.1);
        None
    }

    /// Whether doing it again elsewhere does no harm.
    pub fn is_repeatable(&self) -> bool {
        let Work::Transform { direction, .. } = self.work else { return false };
        let kind = self.bound.as_ref().map(|bound| bound.kind);
        self.place.limits.repeatable && direction != Direction::Sign && kind != Some(Kind::Random)
    }
}

/// Runs units together in this thread and takes their results.
fn run_units(
    engine: &dyn Engine,
    transform: &dyn Transform,
    units: &mut [Unit],
    direction: Direction,
    max_output: u64,
) -> Vec<UnitResult> {
    if let [unit] = units {
        return vec![unit.run(transform, direction, max_output)];
    }
    let mut jobs: Vec<_> = units.iter_mut().map(|unit| unit.job(transform, direction, max_output)).collect();
    let outcomes = engine.run_many(&mut jobs);
    let take = |(unit, outcome): (&mut Unit, Outcome<Facts>)| outcome.map(|facts| (unit.take_output(), facts));
    units.iter_mut().zip(outcomes).map(take).collect()
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.mark(OPEN, false) {
            return;
        }
        let is_closed = self.bound.as_ref().map_or(self.place.device.queue.is_closed(), |bound| {
            bound.layer().is_none_or(|layer| layer.alive().is_err())
        });
        let status = if !self.hold.is_pending() {
            Status::Cancelled
        } else if is_closed {
            Status::Closed("the layer was closed before the operation was done")
        } else {
            Status::DeviceLost(self.place.device.name.to_string())
        };
        let nothing = Work::Transform { direction: Direction::Generate, max_output: 0 };
        let again = Body {
            work: std::mem::replace(&mut self.work, nothing),
            units: std::mem::take(&mut self.units),
            place: Arc::clone(&self.place),
            bound: self.bound.take(),
            journey: self.journey.take(),
            rare: self.rare.take(),
            submitted: self.submitted,
            reason: self.reason,
            bytes: self.bytes,
            expected_ns: self.expected_ns,
            priority: self.priority,
            client: self.client,
            attempts: self.attempts,
            lane: self.lane,
            is_bound: self.is_bound,
            marks: std::mem::take(&mut self.marks) | OPEN,
            hold: self.hold.take(),
        };
        Request(Box::new(again)).fail(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million may wait at once: with the allocator's own, 160 bytes for the request and 80 for its operation.
    #[test]
    fn a_waiting_request_is_small() {
        assert_eq!((size_of::<Source>(), size_of::<Output>(), size_of::<Unit>()), (24, 16, 48));
        assert_eq!((size_of::<Units>(), size_of::<Work>()), (48, 16));
        assert!(size_of::<Body>() <= 152);
        assert!(size_of::<crate::operation::Operation>() <= 56);
    }
}
