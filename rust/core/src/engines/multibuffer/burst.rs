//! A burst of requests through the lanes: whatever they are and whosever, each completed when its last message is.

use super::form::Scratch;
use super::laned::{Fate, Laned};
use super::{LANES, give_lanes, take_lanes};
use crate::alg::{self, Direction, Facts, Transform};
use crate::device::Device;
use crate::ffi::ipsec_mb::{Cargo, Flight, Library, Loader, Returned};
use crate::operation::UnitResult;
use crate::request::{Request, Share, Unit, Work};
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most messages of one request that go into lanes here; the numbers of jobs are small.
const MOST_UNITS: usize = 1 << 15;

/// A request on its way through the lanes.
struct Load {
    request: Request,
    scratch: Vec<Scratch>,
    fates: Vec<Fate>,
    started: Instant,
}

impl Load {
    fn new(request: Request) -> Box<Self> {
        let count = request.units.len();
        let mut scratch = Vec::new();
        scratch.resize_with(count, Scratch::default);
        Box::new(Self { request, scratch, fates: vec![Fate::Aside; count], started: Instant::now() })
    }

    /// What it weighs when time is shared out: a message costs even if it is short.
    fn weight(&self) -> f64 {
        self.request.units.iter().map(|unit| (unit.len() + 128) as f64).sum()
    }
}

impl Cargo for Load {
    fn load<'a>(&'a mut self, loader: &mut Loader<'_, 'a>) {
        let Self { request, scratch, fates, .. } = self;
        let body = &mut **request;
        let (&mut Work::Transform { direction, max_output }, Some(transform)) =
            (&mut body.work, body.place.transform())
        else {
            return;
        };
        let Some(own) = Laned::of(&**transform) else { return };
        for (number, ((unit, scratch), fate)) in body.units.iter_mut().zip(scratch).zip(fates).enumerate() {
            let job = unit.job(own, direction, max_output);
            if own.work(&job.call, job.output, scratch).is_some_and(|work| loader.put(work, number)) {
                *fate = Fate::Done;
            }
        }
    }
}

/// Whether a request is for the lanes.
fn is_laned(request: &Request) -> bool {
    let transform = match request.work {
        Work::Transform { .. } => request.place.transform(),
        _ => None,
    };
    transform.is_some_and(|transform| Laned::of(&**transform).is_some()) && request.units.len() <= MOST_UNITS
}

/// Does all requests of a burst, and those that come meanwhile while there is room.
pub fn submit(library: &'static Library, gather_ns: u64, burst: &mut VecDeque<Request>) {
    let Some(device) = burst.front().map(|request| Arc::clone(request.device())) else { return };
    let Ok(lanes) = take_lanes(library) else {
        return burst.drain(..).for_each(Request::run); // one by one, then, and by the twins
    };
    let mut round = Round { flight: Flight::new(lanes), aside: Vec::new(), last: Instant::now() };
    loop {
        burst.drain(..).for_each(|request| round.begin(request));
        round.take_back();
        if round.flight.out() == 0 || !round.gather(&device, gather_ns, burst) {
            break;
        }
    }
    round.end();
}

/// One filling of the lanes.
struct Round {
    flight: Flight<Load>,
    /// What is not for the lanes: done when they are empty, so that nobody in them waits for it.
    aside: Vec<Request>,
    /// Until when time has been shared out.
    last: Instant,
}

impl Round {
    fn begin(&mut self, request: Request) {
        if request.device().queue.is_closed() {
            drop(request); // which sends it elsewhere, or tells its caller that the layer was closed
        } else if let Some(status) = request.must_not_start() {
            request.fail(status);
        } else if is_laned(&request) {
            self.flight.put(Load::new(request));
            self.take_back();
        } else {
            self.aside.push(request);
        }
    }

    /// Looks for company for few messages; true if some came. One that is alone waits for nobody.
    fn gather(&self, device: &Arc<Device>, gather_ns: u64, burst: &mut VecDeque<Request>) -> bool {
        let out = self.flight.out();
        if out >= LANES || device.queue.is_closed() || !device.is_usable() {
            return false;
        }
        let until = Instant::now() + Duration::from_nanos(gather_ns);
        loop {
            let mut more = if device.queue.has_queued() { device.queue.take_now(LANES - out) } else { VecDeque::new() };
            if !more.is_empty() {
                more.iter_mut().for_each(|request| device.start_one(request));
                burst.append(&mut more);
                return true;
            }
            if out < 2 || Instant::now() >= until {
                return false;
            }
            std::hint::spin_loop();
        }
    }

    /// Completes what has come back.
    fn take_back(&mut self) {
        let returned = self.flight.returned();
        if !returned.is_empty() {
            let depth = self.flight.out() + returned.iter().map(|back| back.cargo.fates.len()).sum::<usize>();
            self.share(&returned).into_iter().zip(returned).for_each(|(ns, back)| complete(back, depth, ns));
        }
    }

    /// The time since the last completions, shared among these.
    fn share(&mut self, returned: &[Returned<Load>]) -> Vec<f64> {
        let now = Instant::now();
        let spent = now.saturating_duration_since(self.last).as_nanos() as f64;
        self.last = now;
        let whole: f64 = returned.iter().map(|back| back.cargo.weight()).sum();
        returned.iter().map(|back| spent * back.cargo.weight() / whole.max(1.0)).collect()
    }

    fn end(mut self) {
        self.flight.flush();
        self.take_back();
        let (rest, lanes) = self.flight.land();
        if let Some(lanes) = lanes {
            give_lanes(lanes);
        }
        rest.into_iter().for_each(|back| complete(back, 1, 0.0));
        self.aside.into_iter().for_each(Request::run);
    }
}

/// Makes the results of a request of what its jobs have left, and ends the attempt.
fn complete(back: Returned<Load>, depth: usize, ns: f64) {
    let Load { mut request, mut scratch, mut fates, started } = *back.cargo;
    for number in back.failed {
        if let Some(fate) = fates.get_mut(number).filter(|fate| **fate == Fate::Done) {
            *fate = Fate::Failed;
        }
    }
    let body = &mut *request;
    let (&mut Work::Transform { direction, max_output }, Some(transform)) = (&mut body.work, body.place.transform())
    else {
        return; // dropped, and told as lost: it was another's to begin with
    };
    let units = body.units.iter_mut().zip(&mut scratch).zip(&fates);
    let results: Vec<UnitResult> = units
        .map(|((unit, scratch), fate)| {
            let outcome =
                catch_unwind(AssertUnwindSafe(|| finish(unit, &**transform, direction, max_output, scratch, *fate)));
            outcome
                .unwrap_or_else(|panic| Err(Status::Internal(alg::panic_message(&*panic))))
                .map(|facts| (unit.take_output(), facts))
        })
        .collect();
    let each_ns = ns / results.len().max(1) as f64;
    request.complete_shared(results, started, Share { depth, each_ns: each_ns as u64 });
}

fn finish(
    unit: &mut Unit,
    transform: &dyn Transform,
    direction: Direction,
    max_output: u64,
    scratch: &mut Scratch,
    fate: Fate,
) -> Outcome<Facts> {
    let job = unit.job(transform, direction, max_output);
    match Laned::of(transform) {
        Some(own) => own.finish(&job.call, job.output, scratch, fate),
        None => transform.run(&job.call, job.output),
    }
}
