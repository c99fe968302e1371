//! A transform of another device, for compositions: each call is a request in that device's queue.
//!
//! Used where a part of a composition cannot run on the composition's own thread: engines written in Python, devices that
//! complete later. Messages are copied: a device that loses a completion keeps its memory, and the caller's may be gone.
//! The thread that calls waits, so a composition with such a part runs on a device whose workers are there to wait; a
//! device that gives no answer is given up after the time that its layer has for lost completions.

use crate::alg::{Call, Direction, Facts, Kind, Transform};
use crate::buffer::{Output, Pool, Source};
use crate::copies;
use crate::cost::Costs;
use crate::layer::Place;
use crate::operation::{Hold, Operation, WITHDRAWN};
use crate::queue::Refused;
use crate::registry::Bid;
use crate::request::{Extra, Request, Short, Unit, Work};
use crate::status::{Outcome, Status};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often whoever waits looks whether its device is still there.
const SLICE: Duration = Duration::from_millis(20);

/// See the head of this file.
pub struct Via {
    bid: Arc<Bid>,
    transform: Arc<dyn Transform>,
    place: Arc<Place>,
    pool: Arc<Pool>,
}

impl Via {
    pub fn new(bid: Arc<Bid>, transform: Arc<dyn Transform>) -> Self {
        let costs = Arc::new(Costs::new(transform.kind()));
        let held = Some(Arc::clone(&bid));
        let place = Arc::new(Place::of(&bid.device, held, Arc::clone(&transform), costs));
        Self { bid, transform, place, pool: Pool::new(0) }
    }

    fn request(&self, call: &Call<'_>, hold: Hold) -> Request {
        let copied = |source: &Source| {
            let mut bytes = vec![0; source.len()];
            source.copy_to(&mut bytes).map(|()| Source::from(bytes)).unwrap_or_default()
        };
        let extra = Extra::new(Short::from_slice(call.nonce), copied(call.ad), Short::from_slice(call.tag));
        let unit =
            Unit { source: copied(call.source), extra: Some(Box::new(extra)), output: Output::pooled(&self.pool) };
        let bytes = unit.len().saturating_add(self.transform.capacity(call));
        let work = Work::Transform { direction: call.direction, max_output: call.max_output };
        let mut request = Request::new(Arc::clone(&self.place), work, vec![unit], hold, "part of a composition");
        request.bytes = bytes;
        request
    }
}

impl Transform for Via {
    fn kind(&self) -> Kind {
        self.transform.kind()
    }

    fn driver(&self, direction: Direction) -> &'static str {
        self.transform.driver(direction)
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        self.transform.check(call)
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        self.transform.capacity(call)
    }

    fn knows_sizes(&self) -> bool {
        self.transform.knows_sizes()
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        if !self.bid.device.is_running() {
            return Err(Status::DeviceLost(self.bid.device.name.to_string()));
        }
        let (operation, hold) = Operation::new(None, 0);
        let stats = &self.bid.device.stats;
        match self.bid.device.queue.push(self.request(call, hold), WITHDRAWN.load(Ordering::Acquire)) {
            Ok(()) => {
                stats.queued.fetch_add(1, Ordering::Relaxed);
                stats.submitted.fetch_add(1, Ordering::Relaxed);
            }
            Err(Refused::Full(request) | Refused::Closed(request)) => {
                request.discard();
                return Err(Status::Closed("the layer is closed"));
            }
        }
        let started = Instant::now();
        while !operation.wait(Some(SLICE)) {
            if !self.bid.device.is_running() || started.elapsed() >= self.bid.device.options.lost_after {
                operation.cancel(); // what it has of the message is its own copy
                return Err(Status::DeviceLost(self.bid.device.name.to_string()));
            }
        }
        let settled = operation.take().and_then(|mut settled| settled.units.pop());
        let (result, facts) = settled.unwrap_or_else(|| Err(Status::Internal("a part without a result".into())))?;
        output.exactly(result.len())?.copy_from_slice(result.as_slice());
        copies::count(copies::Place::Aside, result.len());
        output.set_len(result.len());
        Ok(facts)
    }
}
