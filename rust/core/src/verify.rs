//! Looking whether a result is right: what was compressed or encrypted is turned back, what was computed is computed again.
//!
//! Done with this crate's own algorithm where there is one, whoever made the result: a device does not judge itself. Where
//! the result came on a thread that others wait for (hardware's completions), the check is queued on a device whose
//! workers are ours. A wrong result never reaches the caller: its device is quarantined, and the work is done elsewhere.

use crate::alg::{Direction, Kind, Transform};
use crate::buffer::{EMPTY, Output, View};
use crate::layer::{Bound, Layer, Place};
use crate::operation::UnitResult;
use crate::request::{Request, Unit, Work};
use crate::status::Status;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Results on their way to be checked.
pub struct Checking {
    results: Vec<UnitResult>,
    bound: Arc<Bound>,
    checker: Arc<dyn Transform>,
    pub direction: Direction,
    pub max_output: u64,
    /// Who made them, and when.
    pub place: Arc<Place>,
    pub judged: (Instant, Instant),
    pub driver: &'static str,
}

impl Checking {
    /// Whether nobody has looked yet.
    pub fn is_unrun(&self) -> bool {
        !self.results.is_empty()
    }

    /// The results, with what is wrong replaced by a failure.
    pub fn run(&mut self, units: &mut [Unit]) -> Vec<UnitResult> {
        let results = std::mem::take(&mut self.results);
        let mut was_wrong = false;
        let mut judge = |(result, unit): (UnitResult, &mut Unit)| match result {
            Ok((output, facts)) if !is_right(&*self.checker, unit, &output, self.direction, self.max_output) => {
                let _ = facts;
                was_wrong = true;
                unit.output = output; // to be tried again, perhaps into the caller's own memory
                unit.output.wipe(unit.output.len());
                Err(Status::Engine { engine: self.place.device.name.to_string(), what: "gave a wrong result".into() })
            }
            other => other,
        };
        let checked = results.into_iter().zip(units.iter_mut()).map(&mut judge).collect();
        if was_wrong {
            self.place.device.lied(&self.bound);
        }
        checked
    }
}

/// Whether a unit's result is what it should be.
pub fn is_right(checker: &dyn Transform, unit: &Unit, output: &Output, direction: Direction, max_output: u64) -> bool {
    let mut again = output.sibling();
    let result = View::of(output.as_slice());
    let call = unit.call(direction, max_output);
    let mut run = |call: &crate::alg::Call<'_>| {
        catch_unwind(AssertUnwindSafe(|| checker.run(call, &mut again))).is_ok_and(|outcome| outcome.is_ok())
    };
    match direction {
        Direction::Compress | Direction::Encrypt => {
            let inverse = if direction == Direction::Compress { Direction::Decompress } else { Direction::Decrypt };
            let max_output = unit.source.len() as u64;
            let right = run(&crate::alg::Call { direction: inverse, source: &result, max_output, ..call });
            let right = right && unit.source.is(again.as_slice());
            again.wipe(again.len()); // it may be plaintext
            right
        }
        Direction::Sign => {
            let tag = output.as_slice();
            run(&crate::alg::Call { direction: Direction::Verify, tag, ad: &EMPTY, ..call })
        }
        Direction::Generate => true,
        Direction::Verify => run(&call),
        _ => {
            let right = run(&call) && again.as_slice() == output.as_slice();
            again.wipe(again.len());
            right
        }
    }
}

/// Whether this attempt's results are to be looked at: always if the transform asks for it, else now and then.
pub fn is_due(request: &Request, results: &[UnitResult], layer: Option<&Layer>) -> bool {
    let (Some(bound), Some(layer), Work::Transform { .. }) = (&request.bound, layer, &request.work) else {
        return false;
    };
    let is_asked = bound.verify || (!request.place.device.engine.is_reference() && layer.samples_now());
    is_asked && bound.kind != Kind::Random && results.iter().any(Result::is_ok) && bound.checker().is_some()
}

/// Looks at results: here, or on a device that has workers for it; then the request comes back by itself.
///
/// # Errors
/// The request and its results, when they were looked at here.
pub fn begin(
    mut request: Request,
    results: Vec<UnitResult>,
    judged: (Instant, Instant),
    layer: Option<&Layer>,
) -> Result<(), (Request, Vec<UnitResult>)> {
    let bound = request.bound.clone();
    let checker = bound.as_ref().and_then(|bound| bound.checker());
    let (Some(bound), Some(checker), Work::Transform { direction, max_output }) = (bound, checker, &request.work)
    else {
        return Err((request, results));
    };
    let (direction, max_output) = (*direction, *max_output);
    let (place, driver) = (Arc::clone(&request.place), request.driver());
    let mut checking = Checking { results, bound, checker, direction, max_output, place, judged, driver };
    let elsewhere = layer.filter(|_| request.place.device.engine.completes_later()).and_then(Layer::checking_device);
    let Some(device) = elsewhere else {
        let checked = checking.run(&mut request.units);
        return Err((request, checked));
    };
    request.leave_device();
    request.place = Arc::new(Place::plain(&device, checking.checker.kind()));
    request.work = Work::Check(Box::new(checking));
    match device.queue.push(request, 0) {
        Ok(()) => Ok(()),
        // Dropping it ends it: the device was closed meanwhile.
        Err(crate::queue::Refused::Full(request) | crate::queue::Refused::Closed(request)) => {
            drop(request);
            Ok(())
        }
    }
}
