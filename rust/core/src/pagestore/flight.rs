//! A job whose batches are with devices: what comes back is stored by the thread that brings it, and the last one settles
//! the caller's operation. So a put is done whether or not anybody waits for it.

use super::job::{Done, Job};
use super::lock;
use crate::layer::Wishes;
use crate::operation::{Completion, Hold, Operation, Settled, Told};
use crate::status::Status;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Where the caller finds how it ended.
pub type Report = Arc<Mutex<Option<Done>>>;

struct Flight {
    job: Mutex<Option<Job>>,
    /// Keeps the caller's memory in place. Taken by the end; a copy is left while an engine still has some of it.
    hold: Mutex<Option<Hold>>,
    report: Report,
    /// Batches that have not come back, and one for who launches them.
    left: AtomicUsize,
    /// Batches that an engine may still touch.
    held: AtomicUsize,
}

/// One batch on its way.
struct Part {
    flight: Arc<Flight>,
    batch: Vec<u32>,
    /// 1 once its engine has let go.
    released: AtomicUsize,
}

impl Told for Part {
    fn told(&self, operation: &Arc<Operation>) {
        if operation.is_released() && self.released.swap(1, Ordering::AcqRel) == 0 {
            self.flight.held.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some(settled) = operation.take() {
            if let Some(job) = &mut *lock(&self.flight.job) {
                job.settle(&self.batch, settled.units, Some(settled.completion), false);
            }
            self.flight.one_less();
        }
    }
}

impl Flight {
    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let (Some(job), Some(mut hold)) = (lock(&self.job).take(), lock(&self.hold).take()) else { return };
        let done = job.finish();
        let completion: Completion = done.told.clone();
        *lock(&self.report) = Some(done);
        if self.held.load(Ordering::Acquire) > 0 {
            // Some engine keeps a batch that was done elsewhere: what it may read stays until it lets go.
            *lock(&self.hold) = Some(hold.clone());
        }
        hold.settle(Settled { units: Vec::new(), completion, route: None, laid: None });
    }
}

impl Job {
    /// Hands all that is left to devices; `hold` is settled when the last batch is back, and `report` says how.
    pub fn launch(mut self, hold: Hold, report: &Report) {
        self.enter();
        let store = Arc::clone(&self.store);
        let (direction, max_output) = (self.direction(), self.max_output());
        let mut parts = Vec::new();
        while let Some(batch) = self.next_batch() {
            let (ask, units) = (self.ask(&batch), self.units(&batch, &hold));
            parts.push((batch, ask, units));
        }
        let flight = Arc::new(Flight {
            job: Mutex::new(Some(self)),
            hold: Mutex::new(Some(hold)),
            report: Arc::clone(report),
            left: AtomicUsize::new(parts.len() + 1),
            held: AtomicUsize::new(parts.len()),
        });
        for (batch, ask, units) in parts {
            let layer = &store.layer;
            let part =
                Arc::new(Part { flight: Arc::clone(&flight), batch: batch.clone(), released: AtomicUsize::new(0) });
            let submitted = layer.alive().and_then(|()| layer.choose(&store.bound, &ask)).and_then(|chosen| {
                let port: Arc<dyn Told> = Arc::clone(&part) as Arc<dyn Told>;
                let hold = Operation::new(Some(port), 0).1;
                layer.submit(&store.bound, &chosen, units, direction, max_output, Wishes::default(), hold)
            });
            if let Err(status) = submitted {
                part.refused(&status);
            }
        }
        flight.one_less();
    }
}

impl Part {
    /// It was never submitted.
    fn refused(&self, status: &Status) {
        self.flight.held.fetch_sub(1, Ordering::AcqRel);
        if let Some(job) = &mut *lock(&self.flight.job) {
            let results = self.batch.iter().map(|_| Err(status.clone())).collect();
            job.settle(&self.batch, results, None, false);
        }
        self.flight.one_less();
    }
}
