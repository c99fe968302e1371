//! One unit of work on its way: what falls through the queue, and how it ends.

use crate::alg::{Call, Direction, Facts, Transform};
use crate::buffer::{Output, Source};
use crate::device::Device;
use crate::operation::{Completion, Lane, Operation, Settled, UnitResult};
use crate::queue::Item;
use crate::registry::Bid;
use crate::status::{Outcome, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What only some units have.
#[derive(Default)]
pub struct Extra {
    pub nonce: Vec<u8>,
    pub ad: Source,
    pub tag: Vec<u8>,
}

/// One message of a request.
pub struct Unit {
    pub source: Source,
    pub extra: Option<Box<Extra>>,
    pub output: Output,
}

static NO_AD: std::sync::LazyLock<Source> = std::sync::LazyLock::new(Source::default);

fn call<'a>(source: &'a Source, extra: Option<&'a Extra>, direction: Direction, max_output: u64) -> Call<'a> {
    let (nonce, ad, tag) = match extra {
        Some(extra) => (extra.nonce.as_slice(), &extra.ad, extra.tag.as_slice()),
        None => (&[][..], &*NO_AD, &[][..]),
    };
    Call { direction, source, nonce, ad, tag, max_output }
}

impl Unit {
    /// The unit as an algorithm sees it.
    pub fn call(&self, direction: Direction, max_output: u64) -> Call<'_> {
        call(&self.source, self.extra.as_deref(), direction, max_output)
    }

    /// Bytes that are read: the message, and an AEAD's additional data.
    pub fn len(&self) -> usize {
        self.source.len().saturating_add(self.extra.as_ref().map_or(0, |extra| extra.ad.len()))
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs the unit in this thread, with its result left in its output; after a failure it may be run again. A panic
    /// below becomes a failed result, never an abort.
    pub fn attempt(&mut self, transform: &dyn Transform, direction: Direction, max_output: u64) -> Outcome<Facts> {
        let Self { source, extra, output } = self;
        let call = call(source, extra.as_deref(), direction, max_output);
        let outcome = catch_unwind(AssertUnwindSafe(|| transform.run(&call, output)));
        outcome.unwrap_or_else(|panic| Err(Status::Internal(panic_message(&panic))))
    }

    /// Runs the unit in this thread.
    pub fn run(mut self, transform: &dyn Transform, direction: Direction, max_output: u64) -> UnitResult {
        self.attempt(transform, direction, max_output).map(|facts| (self.output, facts))
    }
}

/// The bytes that a unit's cost depends on.
pub fn cost_bytes(unit: &Unit, direction: Direction, max_output: u64) -> usize {
    match direction {
        Direction::Generate => usize::try_from(max_output).unwrap_or(usize::MAX),
        _ => unit.len(),
    }
}

/// What a panic said.
pub fn panic_message(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic in an engine: {}", text.unwrap_or("no message"))
}

/// Work that keeps its state from call to call, run by [`Work::Step`]: a stream's next piece.
pub trait Stepper: Send {
    /// Takes the unit's source, writes its output.
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<Facts>;
}

/// What a request does.
pub enum Work {
    /// Each unit through the transform.
    Transform { transform: Arc<dyn Transform>, direction: Direction, max_output: u64 },
    /// One unit through a stream.
    Step(Box<dyn Stepper>),
}

/// Collects the parts of an operation that was split among workers.
pub struct Gather {
    pub state: Mutex<Gathered>,
}

/// What has come in so far.
pub struct Gathered {
    /// By unit.
    pub results: Vec<Option<UnitResult>>,
    pub parts_out: usize,
    pub bytes_in: u64,
    /// When the first part was begun.
    pub started: Option<Instant>,
}

impl Gather {
    pub fn new(units: usize, parts: usize) -> Arc<Self> {
        let results = (0..units).map(|_| None).collect();
        Arc::new(Self { state: Mutex::new(Gathered { results, parts_out: parts, bytes_in: 0, started: None }) })
    }
}

/// Something that falls through a device's queue. Dropping one that was not completed fails its operation, so no
/// request is ever left unsettled.
pub struct Request {
    pub work: Work,
    pub units: Vec<Unit>,
    pub operation: Arc<Operation>,
    pub device: Arc<Device>,
    /// The bid that it runs on, which counts it among its users.
    pub bid: Option<Arc<Bid>>,
    pub costs: Arc<crate::cost::Costs>,
    /// Where this part's results go, if the operation was split; and the index of its first unit.
    pub gather: Option<(Arc<Gather>, usize)>,
    pub priority: i32,
    pub deadline: Option<Instant>,
    pub submitted: Instant,
    pub driver: &'static str,
    pub reason: &'static str,
    pub lane: Lane,
    pub bytes: usize,
    pub source_bytes: u64,
    pub attempts: u32,
    /// False once it is completed: its budget is returned and its operation told.
    pub open: bool,
    /// Whether it holds some of its queue's budget.
    pub budgeted: bool,
}

impl Item for Request {
    fn priority(&self) -> i32 {
        self.priority
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn is_cancelled(&self) -> bool {
        self.operation.is_cancelled()
    }
    fn set_budgeted(&mut self, holds: bool) {
        self.budgeted = holds;
    }
}

impl Request {
    /// Runs all units in this thread and completes.
    pub fn run(mut self) {
        if let Some(status) = self.must_not_start() {
            return self.fail(status);
        }
        let (results, started) = self.execute();
        self.complete(results, started);
    }

    /// Runs all units in this thread; the results are still to be handed to [`complete`](Self::complete).
    pub fn execute(&mut self) -> (Vec<UnitResult>, Instant) {
        let started = Instant::now();
        let units = std::mem::take(&mut self.units);
        let mut results = Vec::with_capacity(units.len());
        match &mut self.work {
            Work::Transform { transform, direction, max_output } => {
                let first = units.first().map_or(0, |unit| cost_bytes(unit, *direction, *max_output));
                for unit in units {
                    let result = unit.run(&**transform, *direction, *max_output);
                    let is_sample = results.is_empty() && result.is_ok();
                    results.push(result);
                    if is_sample {
                        // One sample per request is enough, and a clock per unit would cost more than a small unit.
                        self.costs.record(*direction, first, started.elapsed().as_nanos() as u64);
                    }
                }
            }
            Work::Step(stepper) => {
                for mut unit in units {
                    let outcome = catch_unwind(AssertUnwindSafe(|| stepper.step(&unit.source, &mut unit.output)));
                    results.push(match outcome {
                        Ok(outcome) => outcome.map(|facts| (unit.output, facts)),
                        Err(panic) => Err(Status::Internal(panic_message(&panic))),
                    });
                }
            }
        }
        (results, started)
    }

    /// Why the request must not be started any more, if it must not.
    pub fn must_not_start(&self) -> Option<Status> {
        if !self.operation.is_pending() {
            Some(Status::Cancelled) // or given up as lost: either way its caller has gone
        } else if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            Some(Status::DeadlineExceeded)
        } else {
            None
        }
    }

    /// Ends the request with the same failure for all its units.
    pub fn fail(mut self, status: Status) {
        self.fail_now(status);
    }

    fn fail_now(&mut self, status: Status) {
        let num = self.units.len().max(1);
        self.units.clear();
        let results = (0..num).map(|_| Err(status.clone())).collect();
        self.complete_now(results, Instant::now());
    }

    /// Ends the request with its units' results.
    pub fn complete(mut self, results: Vec<UnitResult>, started: Instant) {
        self.complete_now(results, started);
    }

    fn complete_now(&mut self, results: Vec<UnitResult>, started: Instant) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let finished = Instant::now();
        self.units.clear();
        let stats = &self.device.stats;
        let mut bytes_out = 0u64;
        let mut failed = 0u64;
        for result in &results {
            match result {
                Ok((output, _)) => bytes_out += output.len() as u64,
                Err(_) => failed += 1,
            }
            if matches!(result, Err(Status::Internal(_))) {
                self.device.suspect();
            }
        }
        stats.completed.fetch_add(results.len() as u64 - failed, Ordering::Relaxed);
        stats.failed.fetch_add(failed, Ordering::Relaxed);
        stats.bytes_in.fetch_add(self.source_bytes, Ordering::Relaxed);
        stats.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
        let run_ns = finished.duration_since(started).as_nanos() as u64;
        stats.busy_ns.fetch_add(run_ns, Ordering::Relaxed);
        // The budget first: whoever learns of the completion may submit at once and must find room.
        if std::mem::replace(&mut self.budgeted, false) {
            self.device.queue.release(1, self.bytes);
        }
        let (mut started, mut bytes_in) = (started, self.source_bytes);
        let (units, bytes_out) = match self.gather.take() {
            None => (results, bytes_out),
            Some((gather, first)) => {
                let mut all = gather.state.lock().unwrap_or_else(PoisonError::into_inner);
                for (slot, result) in all.results.iter_mut().skip(first).zip(results) {
                    *slot = Some(result);
                }
                all.bytes_in += self.source_bytes;
                all.started = Some(all.started.map_or(started, |earliest| earliest.min(started)));
                all.parts_out -= 1;
                if all.parts_out > 0 {
                    return;
                }
                bytes_in = all.bytes_in;
                started = all.started.unwrap_or(started);
                let lost = || Err(Status::Internal("a unit without a result".into()));
                let units: Vec<UnitResult> = all.results.drain(..).map(|r| r.unwrap_or_else(lost)).collect();
                let bytes_out = units.iter().flatten().map(|(output, _)| output.len() as u64).sum();
                (units, bytes_out)
            }
        };
        let run_ns = finished.duration_since(started).as_nanos() as u64;
        let completion = Completion {
            device: Arc::clone(&self.device.name),
            driver: self.driver,
            reason: self.reason,
            lane: self.lane,
            queue_ns: started.saturating_duration_since(self.submitted).as_nanos() as u64,
            run_ns,
            attempts: self.attempts,
            bytes_in,
            bytes_out,
        };
        if self.operation.is_cancelled() {
            self.device.stats.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        if !self.operation.settle(Settled { units, completion }) {
            self.device.stats.duplicates.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.open {
            let status = if self.operation.is_cancelled() {
                Status::Cancelled
            } else if self.device.queue.is_closed() {
                Status::Closed("the layer was closed before the operation was done")
            } else {
                Status::DeviceLost(self.device.name.to_string())
            };
            self.fail_now(status);
        }
    }
}
