//! Routes: several transforms as one request, each stage on its own device.
//!
//! What a stage gave is what the next one reads: its memory, from the pool, goes along and back to the pool, and no byte is
//! copied between stages. A MAC stage appends its tag to what it read, and its reverse checks and cuts it; a digest stage
//! passes its message on and leaves the digest in the completion. A stage that runs where the one before it ran goes on
//! on the same thread, while the data is in the cache; any other is queued on its device.
//!
//! A failure repeats a stage, not the route: what the stage reads is still there. Before the end the caller may be asked
//! for more stages ([`Journey::asks`]), as the sessions of 2005 could be given more routes in their callback.

use crate::alg::Direction;
use crate::buffer::{Output, Source};
use crate::layer::{Bound, Layer};
use crate::operation::{Hold, RouteTold, StageTold, UnitResult};
use crate::request::{Extra, Request, Unit, Work};
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What becomes of a stage's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is what goes on.
    Replace,
    /// It is appended to what was read: a MAC's tag.
    Append,
    /// What was read ended with a tag of so many bytes, which was checked and is gone.
    Strip(usize),
    /// It is noted, and what was read goes on: a digest.
    Note,
}

/// One transform of a route, with what it needs beside the message.
#[derive(Clone)]
pub struct Stage {
    pub bound: Arc<Bound>,
    pub direction: Direction,
    pub role: Role,
    pub extra: Option<Box<Extra>>,
    pub max_output: u64,
}

/// Results of a batch of which some units are done again.
pub struct Kept {
    /// By unit; `None` where it is done again.
    results: Vec<Option<UnitResult>>,
}

/// Shared with a spare, so that whoever ends the operation has them.
pub struct SharedKept(Mutex<Option<Kept>>);

impl SharedKept {
    pub fn take(&self) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Kept {
    pub fn share(self) -> Arc<SharedKept> {
        Arc::new(SharedKept(Mutex::new(Some(self))))
    }

    /// Splits results into those that stand and, for the others, the indices of their units.
    pub fn split(results: Vec<UnitResult>, is_over: impl Fn(&UnitResult) -> bool) -> (Self, Vec<usize>) {
        let mut again = Vec::new();
        let mut kept = Vec::with_capacity(results.len());
        for (index, result) in results.into_iter().enumerate() {
            if is_over(&result) {
                kept.push(Some(result));
            } else {
                again.push(index);
                kept.push(None);
            }
        }
        (Self { results: kept }, again)
    }

    /// Everything, with the results of the units that were done again.
    pub fn merge(self, again: Vec<UnitResult>) -> Vec<UnitResult> {
        let mut again = again.into_iter();
        let lost = || Err(Status::Internal("a unit without a result".into()));
        self.results.into_iter().map(|kept| kept.unwrap_or_else(|| again.next().unwrap_or_else(lost))).collect()
    }

    /// As `self`, where what was missing is `inner`, which lacks some itself.
    pub fn nest(self, inner: Self) -> Self {
        let mut inner = inner.results.into_iter();
        Self { results: self.results.into_iter().map(|kept| kept.or_else(|| inner.next().flatten())).collect() }
    }
}

/// What a request carries that is more than one attempt of one stage.
pub struct Journey {
    /// Numbers of the devices that failed at this stage.
    pub tried: Vec<u32>,
    pub kept: Option<Arc<SharedKept>>,
    /// Whether this is a route, or just a request that had to be done again.
    pub is_route: bool,
    pub role: Role,
    pub rest: VecDeque<Stage>,
    /// The caller's memory for the last result.
    pub target: Option<Output>,
    /// Whether the caller is asked for more stages before the end.
    pub asks: bool,
    pub told: RouteTold,
    pub bytes_in: u64,
    pub submitted: Instant,
    pub started: Option<Instant>,
}

impl Default for Journey {
    fn default() -> Self {
        Self {
            tried: Vec::new(),
            kept: None,
            is_route: false,
            role: Role::Replace,
            rest: VecDeque::new(),
            target: None,
            asks: false,
            told: RouteTold::default(),
            bytes_in: 0,
            submitted: Instant::now(),
            started: None,
        }
    }
}

impl Journey {
    /// A copy for a second try, unless that could write where the first one still does.
    pub fn spare(&self) -> Option<Self> {
        if self.target.is_some() {
            return None;
        }
        let told = RouteTold { stages: self.told.stages.clone(), digests: self.told.digests.clone() };
        Some(Self {
            tried: self.tried.clone(),
            kept: self.kept.clone(),
            target: None,
            rest: self.rest.clone(),
            told,
            is_route: self.is_route,
            role: self.role,
            asks: self.asks,
            bytes_in: self.bytes_in,
            submitted: self.submitted,
            started: self.started,
        })
    }
}

/// What comes after a stage.
pub enum Step {
    /// The next stage runs on this thread.
    Here(Request),
    /// It is on its way elsewhere, or its caller is being asked.
    Away,
    /// There is none.
    End(Request, Vec<UnitResult>),
}

/// Makes the first unit of a stage out of what it is to read.
pub fn fill(request: &mut Request, cargo: Source, stage: Stage) -> Outcome<()> {
    let Stage { bound, direction, role, mut extra, max_output } = stage;
    let mut source = cargo;
    if let Role::Strip(tag_len) = role {
        let tag = source.split_tail(tag_len).ok_or(Status::AuthenticationFailed)?;
        extra.get_or_insert_default().tag = tag.into();
    }
    request.bound = Some(bound);
    request.work = Work::Transform { direction, max_output };
    request.set_attempts(1);
    let Some(unit) = request.units.first_mut() else { return Err(Status::Internal("a route without a unit".into())) };
    unit.source = source;
    unit.extra = extra;
    unit.output = unit.output.sibling();
    let Some(journey) = &mut request.journey else { return Ok(()) };
    (journey.role, journey.tried) = (role, Vec::new());
    Ok(())
}

/// Lets the last stage write where the caller wants the end, if its result is the end.
pub fn aim(request: &mut Request) {
    let is_last = |journey: &Journey| journey.rest.is_empty() && journey.role == Role::Replace && !journey.asks;
    let journey = request.journey.as_mut().filter(|journey| is_last(journey));
    if let Some(target) = journey.and_then(|journey| journey.target.take())
        && let Some(unit) = request.units.first_mut()
    {
        unit.output = target;
    }
}

/// Looks whether the device that a request is at takes its units as they are: lengths, mostly.
pub fn check(request: &Request) -> Outcome<()> {
    let (Work::Transform { direction, max_output }, Some(transform)) = (&request.work, request.place.transform())
    else {
        return Ok(());
    };
    request.units.iter().try_for_each(|unit| transform.check(&unit.call(*direction, *max_output)))
}

/// Goes on after an attempt of a stage.
pub fn step(
    mut request: Request,
    results: Vec<UnitResult>,
    judged: (Instant, Instant),
    layer: Option<&Arc<Layer>>,
    is_here: bool,
) -> Step {
    let Some(journey) = request.journey.as_ref().filter(|journey| journey.is_route) else {
        return Step::End(request, results);
    };
    let (role, is_last) = (journey.role, journey.rest.is_empty());
    let lost = || Err(Status::Internal("a stage without a result".into()));
    let (output, facts) = match results.into_iter().next().unwrap_or_else(lost) {
        Ok(result) => result,
        Err(status) => return failed(request, status),
    };
    tell(&mut request, judged, &output, role);
    let asks = request.journey.as_ref().is_some_and(|journey| journey.asks);
    if is_last && role == Role::Replace && !asks {
        return Step::End(request, vec![Ok((output, facts))]);
    }
    let cargo = match cargo(&mut request, output, role) {
        Ok(cargo) => cargo,
        Err(status) => return failed(request, status),
    };
    if is_last {
        return last(request, cargo, asks);
    }
    match next(request, cargo, layer, is_here) {
        Ok(step) => step,
        Err((request, status)) => failed(request, status),
    }
}

fn failed(request: Request, status: Status) -> Step {
    Step::End(request, vec![Err(status)])
}

fn tell(request: &mut Request, judged: (Instant, Instant), output: &Output, role: Role) {
    let (started, finished) = judged;
    let Some(bound) = &request.bound else { return };
    let stage = StageTold {
        algorithm: Arc::clone(&bound.shared_name),
        device: Arc::clone(&request.place.device.name),
        driver: request.driver(),
        reason: request.reason,
        attempts: request.attempts(),
        queue_ns: started.saturating_duration_since(request.submitted()).as_nanos() as u64,
        run_ns: finished.saturating_duration_since(started).as_nanos() as u64,
    };
    let digest = (role == Role::Note).then(|| (Arc::clone(&bound.shared_name), output.as_slice().to_vec()));
    if let Some(journey) = &mut request.journey {
        journey.started.get_or_insert(started);
        journey.told.stages.push(stage);
        journey.told.digests.extend(digest);
    }
}

/// What goes on to the next stage.
fn cargo(request: &mut Request, output: Output, role: Role) -> Outcome<Source> {
    let Some(unit) = request.units.first_mut() else { return Ok(Source::default()) };
    Ok(match role {
        Role::Replace => Source::from(output),
        Role::Append => {
            let read = std::mem::take(&mut unit.source);
            let mut whole = read.into_output(output.sibling())?;
            whole.append(output.as_slice())?;
            Source::from(whole)
        }
        Role::Strip(_) | Role::Note => std::mem::take(&mut unit.source),
    })
}

/// The end of the stages there were: asks the caller for more, or hands over what there is.
fn last(mut request: Request, cargo: Source, asks: bool) -> Step {
    if asks {
        if let Some(unit) = request.units.first_mut() {
            unit.source = cargo;
        }
        request.leave_device();
        let operation = Arc::clone(request.operation());
        return match Hold::pause(&operation, request) {
            Ok(()) => Step::Away,
            Err(request) => failed(request, Status::Cancelled),
        };
    }
    let target = request.journey.as_mut().and_then(|journey| journey.target.take());
    let output = target.or_else(|| request.units.first().map(|unit| unit.output.sibling()));
    let result = match output {
        Some(output) => cargo.into_output(output).map(|output| (output, Default::default())),
        None => Err(Status::Internal("a route without a unit".into())),
    };
    Step::End(request, vec![result])
}

fn next(
    mut request: Request,
    cargo: Source,
    layer: Option<&Arc<Layer>>,
    is_here: bool,
) -> Result<Step, (Request, Status)> {
    let Some(stage) = request.journey.as_mut().and_then(|journey| journey.rest.pop_front()) else {
        return Err((request, Status::Internal("a stage is missing".into())));
    };
    let Some(layer) = layer else {
        return Err((request, Status::Closed("the layer was closed before the operation was done")));
    };
    if let Err(status) = fill(&mut request, cargo, stage) {
        return Err((request, status));
    }
    aim(&mut request);
    let before = Arc::clone(&request.place.device);
    request = layer.seat(request, true)?;
    let stays = is_here && Arc::ptr_eq(&before, &request.place.device) && before.engine.chains();
    if stays {
        request.set_submitted(Instant::now());
        before.count_start(&mut request);
        return Ok(Step::Here(request));
    }
    request.set_submitted(Instant::now());
    layer.enqueue_one(request)?;
    Ok(Step::Away)
}

/// Goes on with a request whose caller was asked for more stages.
pub fn resume(mut request: Request, more: Vec<Stage>, layer: &Arc<Layer>) {
    let cargo = request.units.first_mut().map(|unit: &mut Unit| std::mem::take(&mut unit.source)).unwrap_or_default();
    let is_over = more.is_empty();
    if let Some(journey) = &mut request.journey {
        journey.rest.extend(more);
        journey.asks = !is_over;
    }
    let step = if is_over {
        last(request, cargo, false)
    } else {
        match next(request, cargo, Some(layer), false) {
            Ok(step) => step,
            Err((request, status)) => failed(request, status),
        }
    };
    match step {
        Step::End(request, results) => request.finish(results),
        Step::Here(request) => request.run(),
        Step::Away => {}
    }
}
