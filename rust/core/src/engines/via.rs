//! A transform of another device, for compositions: each call is a request in that device's queue.
//!
//! Used where a part of a composition cannot run on the composition's own thread: engines written in Python, devices that
//! complete later. Messages are copied: a device that loses a completion keeps its memory, and the caller's may be gone.
//! The thread that calls waits, so a composition with such a part runs on a device whose workers are there to wait; a
//! device that gives no answer is given up after the time that its layer has for lost completions.

use crate::alg::{Call, Direction, Facts, Kind, Transform};
use crate::buffer::{Output, Pool, Source};
use crate::cost::Costs;
use crate::operation::{Lane, Operation, WITHDRAWN};
use crate::queue::Refused;
use crate::registry::Bid;
use crate::request::{Extra, Request, Unit, Work};
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
    costs: Arc<Costs>,
    pool: Arc<Pool>,
}

impl Via {
    pub fn new(bid: Arc<Bid>, transform: Arc<dyn Transform>) -> Self {
        let costs = Arc::new(Costs::new(transform.kind()));
        Self { bid, transform, costs, pool: Pool::new(0) }
    }

    fn request(&self, call: &Call<'_>, operation: &Arc<Operation>) -> Request {
        let copied = |source: &Source| {
            let mut bytes = vec![0; source.len()];
            source.copy_to(&mut bytes).map(|()| Source::from(bytes)).unwrap_or_default()
        };
        let extra = Extra { nonce: call.nonce.to_vec(), ad: copied(call.ad), tag: call.tag.to_vec() };
        let unit =
            Unit { source: copied(call.source), extra: Some(Box::new(extra)), output: Output::pooled(&self.pool) };
        let (direction, max_output) = (call.direction, call.max_output);
        let capacity = self.transform.capacity(call);
        Request {
            bytes: unit.len().saturating_add(capacity),
            source_bytes: unit.source.len() as u64,
            work: Work::Transform { transform: Arc::clone(&self.transform), direction, max_output },
            units: vec![unit],
            operation: Arc::clone(operation),
            device: Arc::clone(&self.bid.device),
            bid: Some(Arc::clone(&self.bid)),
            costs: Arc::clone(&self.costs),
            gather: None,
            priority: 0,
            deadline: None,
            submitted: Instant::now(),
            driver: self.transform.driver(direction),
            reason: "part of a composition",
            lane: Lane::Queued,
            attempts: 1,
            open: true,
            budgeted: false,
        }
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

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        if !self.bid.device.is_usable() {
            return Err(Status::DeviceLost(self.bid.device.name.to_string()));
        }
        let operation = Operation::new(None, 0);
        let stats = &self.bid.device.stats;
        match self.bid.device.queue.push(self.request(call, &operation), WITHDRAWN.load(Ordering::Acquire)) {
            Ok(()) => {
                stats.queued.fetch_add(1, Ordering::Relaxed);
                stats.submitted.fetch_add(1, Ordering::Relaxed);
            }
            Err(Refused::Full(mut request) | Refused::Closed(mut request)) => {
                request.open = false;
                return Err(Status::Closed("the layer is closed"));
            }
        }
        let started = Instant::now();
        while !operation.wait(Some(SLICE)) {
            if !self.bid.device.is_usable() || started.elapsed() >= self.bid.device.options.lost_after {
                operation.cancel(); // what it has of the message is its own copy
                return Err(Status::DeviceLost(self.bid.device.name.to_string()));
            }
        }
        let settled = operation.take().and_then(|mut settled| settled.units.pop());
        let (result, facts) = settled.unwrap_or_else(|| Err(Status::Internal("a part without a result".into())))?;
        output.exactly(result.len())?.copy_from_slice(result.as_slice());
        output.set_len(result.len());
        Ok(facts)
    }
}
