//! What a request tells of itself, and how it stands with the device that it is at.

use super::{BUDGETED, Body, COUNTED, Gather, Rare, STARTED, Work, cost_bytes};
use crate::alg::Direction;
use crate::device::Device;
use crate::moment::Moment;
use crate::operation::{Hold, Operation};
use crate::spare::Watch;
use crate::status::Status;
use std::sync::Arc;
use std::time::Instant;

impl Body {
    pub fn operation(&self) -> &Arc<Operation> {
        &self.hold
    }

    /// One more hold on its operation.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }

    pub fn device(&self) -> &Arc<Device> {
        &self.place.device
    }

    pub fn direction(&self) -> Option<Direction> {
        match &self.work {
            Work::Transform { direction, .. } => Some(*direction),
            Work::Check(checking) => Some(checking.direction),
            Work::Step(_) => None,
        }
    }

    /// Bytes of all messages, additional data left out.
    pub fn source_bytes(&self) -> u64 {
        self.units.iter().map(|unit| unit.source.len() as u64).sum()
    }

    /// The driver that runs it where it is.
    pub fn driver(&self) -> &'static str {
        match (&self.work, self.place.transform()) {
            (Work::Step(_), _) | (_, None) => self.place.step_driver.unwrap_or(""),
            (Work::Check(checking), _) => checking.driver,
            (Work::Transform { direction, .. }, Some(transform)) => transform.driver(*direction),
        }
    }

    /// Why nobody needs it any more, if that is so.
    pub fn is_over(&self) -> Option<Status> {
        if !self.operation().is_pending() {
            return Some(Status::Cancelled); // or given up: either way its caller has gone
        }
        self.deadline().filter(|deadline| *deadline <= Instant::now()).map(|_| Status::DeadlineExceeded)
    }

    /// Why the request must not be started any more, if it must not.
    pub fn must_not_start(&self) -> Option<Status> {
        if let Some(status) = self.is_over() {
            return Some(status);
        }
        let left = self.deadline()?.saturating_duration_since(Instant::now());
        match self.work {
            // What has been measured often enough to be sure is not begun in vain.
            Work::Transform { direction, max_output } => {
                let bytes = self.units.first().map_or(0, |unit| cost_bytes(unit, direction, max_output));
                let costs = self.place.costs.at(self.units.len());
                let is_sure = costs.samples(direction, bytes) >= SURE;
                let run_ns = costs.predict(direction, bytes).saturating_mul(self.units.len() as u64);
                // Now and then one is begun all the same, or nobody would learn that the device is faster now.
                let is_vain = is_sure && u128::from(run_ns) > left.as_nanos() && !self.place.tries_anyway();
                is_vain.then_some(Status::DeadlineExceeded)
            }
            _ => None,
        }
    }

    /// Sets a mark, and tells whether it was set.
    pub(super) fn mark(&mut self, mark: u8, is_set: bool) -> bool {
        let before = self.marks & mark != 0;
        self.marks = if is_set { self.marks | mark } else { self.marks & !mark };
        before
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Where this part's results go, if the operation was split; and the index of its first unit.
    pub fn gather(&self) -> Option<&(Arc<Gather>, usize)> {
        self.rare.as_ref().and_then(|rare| rare.gather.as_ref())
    }

    pub fn set_gather(&mut self, gather: Option<(Arc<Gather>, usize)>) {
        if gather.is_some() {
            self.rare().gather = gather;
        }
    }

    pub fn set_watch(&mut self, watch: Arc<Watch>) {
        self.rare().watch = Some(watch);
    }

    pub fn watch(&self) -> Option<&Arc<Watch>> {
        self.rare.as_ref().and_then(|rare| rare.watch.as_ref())
    }

    pub fn take_watch(&mut self) -> Option<Arc<Watch>> {
        self.rare.as_mut().and_then(|rare| rare.watch.take())
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|rare| rare.deadline)
    }

    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        if deadline.is_some() {
            self.rare().deadline = deadline;
        }
    }

    /// Since when it waits.
    pub fn submitted(&self) -> Instant {
        self.submitted.instant()
    }

    pub fn set_submitted(&mut self, submitted: Instant) {
        self.submitted = Moment::of(submitted);
    }

    /// By how much it is thought to delay those behind it, in nanoseconds.
    pub fn expected_ns(&self) -> u64 {
        self.expected_ns as u64
    }

    /// Not to be changed while it is counted.
    pub fn expect(&mut self, ns: u64) {
        self.expected_ns = ns as f32;
    }

    /// How often it was tried, this time included; beyond 255 they are not counted.
    pub fn attempts(&self) -> u32 {
        u32::from(self.attempts)
    }

    pub fn set_attempts(&mut self, attempts: u32) {
        self.attempts = u8::try_from(attempts).unwrap_or(u8::MAX);
    }

    /// Is tried once more.
    pub fn count_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Notes whether its device has counted it as given to its engine, and tells whether that was so.
    pub fn start(&mut self, is_started: bool) -> bool {
        self.mark(STARTED, is_started)
    }

    /// Counts it in its device's backlog, or no longer.
    pub fn count(&mut self, is_there: bool) {
        if self.mark(COUNTED, is_there) != is_there {
            self.place.device.load_changed(self.expected_ns(), is_there);
        }
    }

    /// The bytes that it holds of its device's budget, if it holds any.
    pub fn budget(&self) -> Option<usize> {
        (self.marks & BUDGETED != 0).then_some(self.bytes)
    }

    /// By how much it is counted in its device's backlog.
    pub fn backlog_ns(&self) -> u64 {
        if self.marks & COUNTED == 0 { 0 } else { self.expected_ns() }
    }

    /// It will be begun anew: that counts again.
    pub fn forget_start(&mut self) {
        self.mark(STARTED, false);
    }

    /// Gives back what it holds of its device's queue.
    pub fn leave_device(&mut self) {
        self.count(false);
        if self.mark(BUDGETED, false) {
            self.place.device.queue.release(1, self.bytes);
        }
    }
}

/// Samples of one size from which a prediction is trusted enough to refuse work by it.
const SURE: u32 = 8;
