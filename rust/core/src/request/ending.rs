//! What is counted when an attempt ends, and what the operation is told when its request does.

use super::{OPEN, Request, STARTED, Unit, Units, Work};
use crate::alg::Direction;
use crate::operation::{Completion, Settled, UnitResult};
use crate::status::Status;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Runs of one size from which a prediction is good enough to call another run an outlier.
const KNOWN: u32 = 4;

impl Request {
    /// Counts an attempt on the device that made it, and tells what was learnt of its costs.
    pub(super) fn account(&mut self, results: &[UnitResult], started: Instant, finished: Instant) {
        let shared = self.rare.as_mut().and_then(|rare| rare.share.take());
        if self.marks & STARTED == 0 {
            return; // it ended before anybody began with it
        }
        let run_ns = finished.saturating_duration_since(started).as_nanos() as u64;
        let waited = started.saturating_duration_since(self.submitted()).as_nanos() as u64;
        let bytes_in = self.source_bytes();
        let (mut done, mut bytes_out) = (0u64, 0u64);
        for (output, _) in results.iter().flatten() {
            done += 1;
            bytes_out += output.len() as u64;
        }
        let first = results.iter().find_map(|result| result.as_ref().err());
        if matches!(first, Some(Status::Cancelled | Status::DeadlineExceeded | Status::Closed(_))) {
            return; // nobody wanted it any more: that says nothing of the device
        }
        let device = &self.place.device;
        device.stats.tally.count(done, results.len() as u64 - done, bytes_in, bytes_out, run_ns);
        device.queue_ns.record(waited);
        device.run_ns.record(run_ns);
        let tally = &self.place.costs.tally;
        tally.count(done, results.len() as u64 - done, bytes_in, bytes_out, run_ns);
        let gap = device.gap(started, finished);
        let mut ran = None;
        if let (Some(direction), None) = (self.direction(), first) {
            // Failures end early: they say nothing of what the work costs.
            let num = results.len().max(1) as u64;
            let bytes = match &self.work {
                Work::Transform { max_output, .. } if direction == Direction::Generate => *max_output as usize,
                _ => self.units.iter().map(Unit::len).sum::<usize>() / num as usize,
            };
            let costs = &self.place.costs;
            if let Some(share) = shared {
                costs.at(share.depth).record(direction, bytes, share.each_ns);
            } else {
                let costs = costs.at(num as usize);
                // What waited inside for others says nothing of how fast the device is.
                let is_alone = gap.is_none() || !device.engine.completes_later();
                let is_known = costs.samples(direction, bytes) >= KNOWN;
                ran = (is_alone && is_known).then(|| (run_ns, costs.predict(direction, bytes).saturating_mul(num)));
                if is_alone {
                    costs.record(direction, bytes, run_ns / num);
                }
                if let Some(gap) = gap {
                    costs.record_gap(direction, bytes, gap / num);
                }
            }
        }
        device.judge(first, ran, self.bound.as_deref());
    }

    /// Ends the request: its operation learns, unless other parts are still out.
    pub(super) fn end(mut self, results: Vec<UnitResult>, started: Instant, finished: Instant) {
        self.mark(OPEN, false);
        let device = Arc::clone(&self.place.device);
        let mut results = results;
        if let Some(kept) = self.journey.as_mut().and_then(|journey| journey.kept.take()?.take()) {
            results = kept.merge(results);
        }
        let (mut started, mut submitted) = (started, self.submitted());
        let mut bytes_in = self.source_bytes();
        let mut told = None;
        if let Some(journey) = self.journey.as_mut().filter(|journey| journey.is_route) {
            (started, submitted, bytes_in) = (journey.started.unwrap_or(started), journey.submitted, journey.bytes_in);
            told = Some(Box::new(std::mem::take(&mut journey.told)));
        }
        let (reason, lane, attempts, driver) = (self.reason, self.lane, self.attempts(), self.driver());
        let gather = self.rare.take().and_then(|rare| rare.gather);
        // The caller's memory is free to go once the operation is released: nothing of it may be left here.
        self.units = Units::default();
        self.journey = None;
        let mut tray = None;
        let mut units: Vec<UnitResult> = match gather {
            None => results,
            Some((gather, first)) => {
                let mut all = gather.state.lock().unwrap_or_else(PoisonError::into_inner);
                if all.results.get(first).is_none_or(Option::is_some) {
                    device.stats.duplicates.fetch_add(1, Ordering::Relaxed);
                    return; // the same part came twice, from two devices
                }
                for (slot, result) in all.results.iter_mut().skip(first).zip(results) {
                    *slot = Some(result);
                }
                all.bytes_in += bytes_in;
                all.started = Some(all.started.map_or(started, |earliest| earliest.min(started)));
                all.parts_out -= 1;
                if all.parts_out > 0 {
                    return;
                }
                bytes_in = all.bytes_in;
                started = all.started.unwrap_or(started);
                tray = gather.tray.clone();
                let lost = || Err(Status::Internal("a unit without a result".into()));
                all.results.drain(..).map(|result| result.unwrap_or_else(lost)).collect()
            }
        };
        let bytes_out = units.iter().flatten().map(|(output, _)| output.len() as u64).sum();
        let num = units.len() as u64;
        let laid = tray.and_then(|tray| tray.lay(std::mem::take(&mut units))).map(Box::new);
        let completion = Completion {
            device: Arc::clone(&device.name),
            driver,
            reason,
            lane,
            queue_ns: started.saturating_duration_since(submitted).as_nanos() as u64,
            run_ns: finished.saturating_duration_since(started).as_nanos() as u64,
            attempts,
            bytes_in,
            bytes_out,
        };
        let stats = &device.stats;
        if self.hold.is_cancelled() {
            stats.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        stats.finished.fetch_add(num, Ordering::Relaxed);
        if !self.hold.settle(Settled { units, completion, route: told, laid }) {
            stats.duplicates.fetch_add(1, Ordering::Relaxed);
        }
    }
}
