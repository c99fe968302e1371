//! Running work on the caller's thread, and queueing it.

use super::{Ask, Bound, Chosen, Layer};
use crate::alg::{self, Direction, Facts};
use crate::buffer::Tray;
use crate::device::State;
use crate::operation::{Completion, Hold, Lane, Settled, WITHDRAWN};
use crate::queue::{Item, Refused};
use crate::request::{Gather, Request, Stepper, Steps, Unit, Units, Work, cost_bytes};
use crate::route::{Journey, Stage};
use crate::status::{Outcome, Status};
use crate::verify::is_right;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A sum that cannot overflow: guesses of output sizes may be as large as the caller's limit.
fn total(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

/// A batch is cut into parts of at least this many bytes, and into at most so many for each worker.
const PART_BYTES: usize = 128 << 10;
const TURNS: usize = 4;

/// What the caller asks for beside the work itself.
#[derive(Debug, Default, Clone, Copy)]
pub struct Wishes {
    pub priority: i32,
    pub deadline: Option<Duration>,
    /// Whose work it is, for fair shares; 0 for nobody's in particular.
    pub client: u32,
    /// Bounce instead of waiting when the queue is full.
    pub must_not_wait: bool,
    /// The device was named: nothing else is tried.
    pub is_bound: bool,
}

impl Layer {
    /// Whether work of this predicted time runs on the caller's own thread.
    pub fn is_inline(&self, chosen: &Chosen, predicted_ns: u64) -> bool {
        chosen.runs_here || (chosen.place.device.engine.runs_inline() && predicted_ns < self.settings.inline_ns)
    }

    /// Whether what failed on the caller's thread should be tried elsewhere.
    pub fn goes_on(&self, outcome: &Outcome<Facts>, wishes: &Wishes) -> bool {
        let failed = outcome.as_ref().err().is_some_and(Status::retryable);
        failed && !wishes.is_bound && self.devices().len() > 1
    }

    /// Runs a unit on this thread; its result is left in its output. `None` if it has reached `limit` without reaching
    /// the caller's own `max_output`: it is too large for this lane, nothing was counted, and it is to be submitted.
    pub fn run_inline(
        &self,
        bound: &Bound,
        chosen: &Chosen,
        unit: &mut Unit,
        direction: Direction,
        limit: u64,
        max_output: u64,
    ) -> Option<(Outcome<Facts>, Completion)> {
        let place = &chosen.place;
        let transform = match chosen.transform() {
            Ok(transform) => transform,
            Err(status) => return Some((Err(status), self.told(chosen, "", Lane::Inline))),
        };
        let bytes = cost_bytes(unit, direction, limit);
        let bytes_in = unit.source.len() as u64;
        let started = Instant::now();
        let mut outcome = unit.attempt(&**transform, direction, limit);
        if limit < max_output && outcome == Err(Status::LimitExceeded { limit }) {
            return None;
        }
        let run_ns = started.elapsed().as_nanos() as u64;
        if bound.verify && outcome.is_ok() {
            outcome = self.verified(bound, chosen, unit, direction, max_output).and(outcome);
        }
        let mut bytes_out = 0;
        if outcome.is_ok() {
            // Failures end early: they say nothing of what the work costs.
            place.costs.record(direction, bytes, run_ns);
            bytes_out = unit.output.len() as u64;
        }
        let done = u64::from(outcome.is_ok());
        // Counted once, by algorithm: a counter more costs as much as a tenth of the shortest work.
        place.costs.inline.count(done, 1 - done, bytes_in, bytes_out, run_ns);
        let driver = transform.driver(direction);
        let told = Completion { run_ns, bytes_in, bytes_out, ..self.told(chosen, driver, Lane::Inline) };
        Some((outcome, told))
    }

    pub(super) fn told(&self, chosen: &Chosen, driver: &'static str, lane: Lane) -> Completion {
        Completion {
            device: Arc::clone(&chosen.place.device.name),
            driver,
            reason: chosen.reason,
            lane,
            queue_ns: 0,
            run_ns: 0,
            attempts: 1,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    fn verified(
        &self,
        bound: &Bound,
        chosen: &Chosen,
        unit: &mut Unit,
        direction: Direction,
        max_output: u64,
    ) -> Outcome<()> {
        let device = &chosen.place.device;
        match bound.checker() {
            Some(checker) if !is_right(&*checker, unit, &unit.output, direction, max_output) => {
                device.lied(bound);
                let written = unit.output.len();
                unit.output.wipe(written);
                Err(Status::Engine { engine: device.name.to_string(), what: "gave a wrong result".into() })
            }
            _ => Ok(()),
        }
    }

    /// Runs several units on this thread, one after the other.
    pub fn run_batch(
        &self,
        bound: &Bound,
        chosen: &Chosen,
        units: Vec<Unit>,
        direction: Direction,
        max_output: u64,
    ) -> Settled {
        let place = &chosen.place;
        let transform = match chosen.transform() {
            Ok(transform) => transform,
            Err(status) => return Settled::failed(status, &place.device.name, chosen.reason),
        };
        let num = units.len() as u64;
        let bytes_in: usize = units.iter().map(|unit| unit.source.len()).sum();
        let first = units.first().map_or(0, |unit| cost_bytes(unit, direction, max_output));
        let started = Instant::now();
        let mut results = Vec::with_capacity(units.len());
        let (mut bytes_out, mut failed) = (0, 0);
        let mut units = units;
        let outcomes = {
            let mut jobs: Vec<_> = units.iter_mut().map(|unit| unit.job(&**transform, direction, max_output)).collect();
            place.device.engine.run_many(&mut jobs)
        };
        for (mut unit, mut outcome) in units.into_iter().zip(outcomes) {
            if bound.verify && outcome.is_ok() {
                outcome = self.verified(bound, chosen, &mut unit, direction, max_output).and(outcome);
            }
            match &outcome {
                Ok(_) => bytes_out += unit.output.len() as u64,
                Err(_) => failed += 1,
            }
            results.push(outcome.map(|facts| (unit.output, facts)));
        }
        let run_ns = started.elapsed().as_nanos() as u64;
        if failed == 0 {
            place.costs.at(num as usize).record(direction, first, run_ns / num.max(1));
        }
        let stats = &place.device.stats;
        stats.submitted.fetch_add(num, Ordering::Relaxed);
        stats.batch.fetch_add(num, Ordering::Relaxed);
        stats.started.fetch_add(num, Ordering::Relaxed);
        stats.finished.fetch_add(num, Ordering::Relaxed);
        stats.tally.count(num - failed, failed, bytes_in as u64, bytes_out, run_ns);
        place.costs.tally.count(num - failed, failed, bytes_in as u64, bytes_out, run_ns);
        let told = self.told(chosen, transform.driver(direction), Lane::Batch);
        let completion = Completion { run_ns, bytes_in: bytes_in as u64, bytes_out, ..told };
        Settled { units: results, completion, route: None, laid: None }
    }

    /// Queues work; several units are shared among the device's workers and settle together.
    #[allow(clippy::too_many_arguments)] // the one place where everything a request needs comes together
    pub fn submit(
        &self,
        bound: &Arc<Bound>,
        chosen: &Chosen,
        units: impl Into<Units>,
        direction: Direction,
        max_output: u64,
        wishes: Wishes,
        hold: Hold,
    ) -> Outcome<()> {
        self.submit_laid(bound, chosen, units, direction, max_output, wishes, None, hold)
    }

    /// [`submit`](Self::submit), with all results in one piece of memory.
    #[allow(clippy::too_many_arguments)] // as `submit`
    pub fn submit_laid(
        &self,
        bound: &Arc<Bound>,
        chosen: &Chosen,
        units: impl Into<Units>,
        direction: Direction,
        max_output: u64,
        wishes: Wishes,
        tray: Option<Arc<Tray>>,
        mut hold: Hold,
    ) -> Outcome<()> {
        if let Err(status) = self.alive() {
            hold.waive();
            return Err(status);
        }
        let units: Units = units.into();
        let lane = if units.len() > 1 { Lane::Batch } else { Lane::Queued };
        let make = |own: Units, gather, hold| {
            let work = Work::Transform { direction, max_output };
            let mut request = Request::new(Arc::clone(&chosen.place), work, own, hold, chosen.reason);
            request.bound = Some(Arc::clone(bound));
            request.lane = lane;
            request.set_gather(gather);
            self.wish(&mut request, wishes);
            if let Some(deadline) = request.deadline()
                && request.gather().is_none_or(|gather| gather.1 == 0)
            {
                self.alarm.set(deadline, request.operation());
            }
            request
        };
        let device = &chosen.place.device;
        let fair = units.len().div_ceil(device.options.workers.max(1));
        let bytes = total(units.iter().map(Unit::len));
        // Of much work each worker gets several parts: who is done early takes another.
        let part = (units.len() as u128 * PART_BYTES as u128 / bytes.max(1) as u128).min(fair as u128) as usize;
        let share = fair.div_ceil(TURNS).max(part).max(device.engine.lanes()).max(1);
        let parts = units.len().div_ceil(share); // fewer than workers, if there is less to do
        if parts <= 1 && tray.is_none() {
            return self.enqueue(std::iter::once(make(units, None, hold)), wishes.must_not_wait);
        }
        let gather = Gather::new(units.len(), parts, tray);
        let mut units = units.into_vec().into_iter();
        let mut next = |part: usize| {
            let own: Vec<Unit> = units.by_ref().take(share).collect();
            let hold = if part + 1 < parts { hold.clone() } else { hold.take() };
            make(own.into(), Some((Arc::clone(&gather), part * share)), hold)
        };
        // One by one: the first is begun while the others are made.
        self.enqueue((0..parts).map(&mut next), wishes.must_not_wait)
    }

    fn wish(&self, request: &mut Request, wishes: Wishes) {
        request.priority = wishes.priority;
        request.client = wishes.client;
        request.is_bound = wishes.is_bound;
        let deadline = wishes.deadline.and_then(|deadline| request.submitted().checked_add(deadline));
        request.set_deadline(deadline);
        self.measure(request);
    }

    /// Sets what a request weighs where it is now: its bytes, and the time that it will hold up others.
    pub fn measure(&self, request: &mut Request) {
        let place = Arc::clone(&request.place);
        let read = total(request.units.iter().map(Unit::len));
        let (bytes, expected) = match (&request.work, place.transform()) {
            (Work::Transform { direction, max_output }, Some(transform)) => {
                let out =
                    total(request.units.iter().map(|unit| transform.capacity(&unit.call(*direction, *max_output))));
                let num = request.units.len().max(1);
                let mean = match direction {
                    Direction::Generate => usize::try_from(*max_output).unwrap_or(usize::MAX),
                    _ => read / num,
                };
                let costs = place.costs.at(num);
                let one = if place.device.engine.completes_later() {
                    costs.predict_gap(*direction, mean)
                } else {
                    costs.predict(*direction, mean) / place.device.options.workers.max(1) as u64
                };
                (read.saturating_add(out), one.saturating_mul(num as u64))
            }
            _ => (read, 0),
        };
        request.bytes = bytes;
        request.expect(expected);
    }

    /// Queues the next step of a stream.
    pub fn submit_step(&self, chosen: &Chosen, stepper: Box<dyn Stepper>, unit: Unit, mut hold: Hold) -> Outcome<()> {
        if let Err(status) = self.alive() {
            hold.waive();
            return Err(status);
        }
        let work = Work::Step(Box::new(Steps(stepper)));
        let mut request = Request::new(Arc::clone(&chosen.place), work, unit, hold, chosen.reason);
        self.measure(&mut request);
        self.enqueue(std::iter::once(request), false)
    }

    /// Starts a route: its first stage is queued, or run here if all is predicted to be short.
    #[allow(clippy::too_many_arguments)] // as `submit`
    pub fn submit_route(
        self: &Arc<Self>,
        stages: Vec<Stage>,
        mut unit: Unit,
        wishes: Wishes,
        device: Option<&str>,
        asks: bool,
        may_run_here: bool,
        mut hold: Hold,
    ) -> Outcome<()> {
        if let Err(status) = self.alive() {
            hold.waive();
            return Err(status);
        }
        let mut stages: VecDeque<Stage> = stages.into();
        let Some(first) = stages.pop_front() else {
            hold.waive();
            return Err(Status::usage("a route of no stages; at least one is needed"));
        };
        let now = Instant::now();
        let target = unit.output.is_fixed().then(|| unit.take_output());
        let cargo = std::mem::take(&mut unit.source);
        let journey = Journey {
            is_route: true,
            rest: stages,
            target,
            asks,
            bytes_in: cargo.len() as u64,
            submitted: now,
            ..Journey::default()
        };
        let ask =
            Ask { device, priority: wishes.priority, client: wishes.client, ..Ask::of(first.direction, cargo.len()) };
        // A route that is bound to a device is so with all its stages, and learns now if it has one of them not.
        let all_there = match device {
            None => Ok(()),
            Some(_) => journey.rest.iter().try_for_each(|stage| {
                let ask = Ask { device, is_peek: true, ..Ask::of(stage.direction, 0) };
                self.choose(&stage.bound, &ask).map(|_| ())
            }),
        };
        let chosen = match all_there.and_then(|()| self.choose(&first.bound, &ask)) {
            Ok(chosen) => chosen,
            Err(status) => {
                hold.waive();
                return Err(status);
            }
        };
        let work = Work::Transform { direction: first.direction, max_output: first.max_output };
        let mut request = Request::new(Arc::clone(&chosen.place), work, unit, hold, chosen.reason);
        request.journey = Some(Box::new(journey));
        let filled = crate::route::fill(&mut request, cargo, first).and_then(|()| {
            crate::route::aim(&mut request);
            crate::route::check(&request)
        });
        if let Err(status) = filled {
            request.waive();
            return Err(status);
        }
        self.wish(&mut request, wishes);
        if let Some(deadline) = request.deadline() {
            self.alarm.set(deadline, request.operation());
        }
        let predicted = request.journey.as_ref().map_or(0, |journey| self.predict_route(&request, journey));
        if may_run_here && self.is_inline(&chosen, predicted) {
            request.lane = Lane::Inline;
            chosen.place.device.stats.inline.fetch_add(1, Ordering::Relaxed);
            chosen.place.device.count_start(&mut request);
            request.run();
            return Ok(());
        }
        self.enqueue(std::iter::once(request), wishes.must_not_wait)
    }

    /// What all stages of a route are thought to take, as if each ran where it would go first.
    fn predict_route(&self, request: &Request, journey: &Journey) -> u64 {
        let bytes = request.units.first().map_or(0, Unit::len);
        let own = request.direction().map_or(0, |direction| request.place.costs.predict(direction, bytes));
        let rest = journey.rest.iter().map(|stage| {
            let place = self.first_place(&stage.bound).ok();
            place.map_or(u64::MAX, |place| place.costs.predict(stage.direction, bytes))
        });
        rest.fold(own, u64::saturating_add)
    }

    /// Queues one request that is under way; only a closed queue gives it back.
    pub fn enqueue_one(&self, request: Request) -> Result<(), (Request, Status)> {
        let device = Arc::clone(&request.place.device);
        let is_movable = request.is_movable();
        self.push(request)?;
        if is_movable && device.state() == State::Broken {
            device.sweep(); // it went out of use just now, after its queue had been emptied
        }
        Ok(())
    }

    /// Queues one request on its device, whatever state that is in.
    pub fn push(&self, request: Request) -> Result<(), (Request, Status)> {
        let units = request.units.len() as u64;
        let device = Arc::clone(&request.place.device);
        let mut request = request;
        request.count(true);
        match device.queue.push(request, WITHDRAWN.load(Ordering::Acquire)) {
            Ok(()) => {
                device.stats.submitted.fetch_add(units, Ordering::Relaxed);
                device.stats.queued.fetch_add(units, Ordering::Relaxed);
                Ok(())
            }
            Err(Refused::Full(mut request) | Refused::Closed(mut request)) => {
                request.count(false);
                let lost = match self.alive() {
                    Err(status) => status,
                    Ok(()) => Status::DeviceLost(device.name.to_string()),
                };
                Err((request, lost))
            }
        }
    }

    fn enqueue(&self, mut requests: impl Iterator<Item = Request>, must_not_wait: bool) -> Outcome<()> {
        while let Some(mut request) = requests.next() {
            let device = Arc::clone(&request.place.device);
            let stats = &device.stats;
            let units = request.units.len() as u64;
            let counter = if request.lane == Lane::Batch { &stats.batch } else { &stats.queued };
            let withdrawn = WITHDRAWN.load(Ordering::Acquire);
            let is_movable = request.is_movable();
            let first_of_many = request.gather().is_none_or(|gather| gather.1 == 0);
            request.count(true);
            let refused = if must_not_wait && first_of_many {
                device.queue.try_push(request, withdrawn)
            } else {
                device.queue.push(request, withdrawn)
            };
            match refused {
                Ok(()) => {
                    counter.fetch_add(units, Ordering::Relaxed);
                    stats.submitted.fetch_add(units, Ordering::Relaxed);
                    if is_movable && device.state() == State::Broken {
                        // It went out of use just now. Not on the caller's thread, which may hold what others need.
                        let _ = std::thread::Builder::new().name("acrypto/sweep".into()).spawn(move || device.sweep());
                        continue;
                    }
                }
                Err(Refused::Full(request)) => {
                    stats.bounced.fetch_add(units, Ordering::Relaxed);
                    let budget = device.queue.budget();
                    let most = budget.operations.min(request.place.limits.queue);
                    request.waive();
                    requests.by_ref().for_each(Request::waive);
                    return Err(Status::QueueFull(format!(
                        "the queue of {} is full ({most} operations, {} bytes)",
                        device.name, budget.bytes
                    )));
                }
                Err(Refused::Closed(request)) => {
                    if first_of_many && self.alive().is_err() {
                        request.waive();
                        requests.by_ref().for_each(Request::waive);
                        return Err(Status::Closed("the layer is closed"));
                    }
                    // The device has just left: dropping a request sends it elsewhere. Siblings that are on their way
                    // end the operation together with it.
                    drop(request);
                }
            }
        }
        Ok(())
    }

    /// What an algorithm's kind is here; for cost tables that come from a file.
    pub fn kind_of(&self, algorithm: &str) -> Option<alg::Kind> {
        self.registry.resolve(algorithm).map(|(_, bid)| bid.offer.kind)
    }
}
