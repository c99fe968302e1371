//! Taking requests elsewhere: after a failure, from a device that leaves, to one that has just come.

use super::{Ask, Layer};
use crate::device::Device;
use crate::operation::UnitResult;
use crate::request::{Request, Unit, Work, cost_bytes};
use crate::route::Kept;
use crate::status::Status;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why a failed attempt goes on elsewhere, as its completion tells.
fn reason(status: &Status) -> &'static str {
    match status {
        Status::DeviceLost(_) => "done again: its device was lost",
        Status::Engine { what, .. } if what == "gave a wrong result" => "done again: the result was wrong",
        Status::Engine { .. } => "done again: its device failed",
        _ => "done again: its engine panicked",
    }
}

impl Layer {
    /// Finds a place for a request, for its first stage, its next, or another try; the request is not queued yet.
    ///
    /// # Errors
    /// The request and why nobody takes it.
    pub fn seat(&self, mut request: Request, stays: bool) -> Result<Request, (Request, Status)> {
        let (Some(bound), Work::Transform { direction, max_output }) = (request.bound.clone(), &request.work) else {
            return Err((request, Status::Internal("a request that cannot move was to be placed".into())));
        };
        let (direction, max_output) = (*direction, *max_output);
        let bytes = request.units.iter().map(|unit| cost_bytes(unit, direction, max_output)).max().unwrap_or(0);
        let here = Arc::clone(&request.place.device);
        let chosen = {
            let tried: &[u32] = request.journey.as_ref().map_or(&[], |journey| &journey.tried);
            let ask = Ask {
                priority: request.priority,
                client: request.client,
                tried,
                device: request.is_bound.then_some(&*here.name),
                here: stays.then_some(&*here),
                ..Ask::of(direction, bytes)
            };
            self.choose(&bound, &ask)
        };
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(status) => return Err((request, status)),
        };
        let before = (Arc::clone(&request.place), request.reason);
        request.leave_device();
        request.start(false);
        (request.place, request.reason) = (chosen.place, chosen.reason);
        if let Err(status) = crate::route::check(&request) {
            (request.place, request.reason) = before;
            return Err((request, status));
        }
        self.measure(&mut request);
        Ok(request)
    }

    /// Does again elsewhere those units of an attempt that failed for their device's sake.
    ///
    /// # Errors
    /// The request and its results, if that may not be, or nobody else takes it.
    pub fn redo(&self, mut request: Request, results: Vec<UnitResult>) -> Result<(), (Request, Vec<UnitResult>)> {
        let failure = results.iter().find_map(|result| result.as_ref().err().filter(|status| status.retryable()));
        let Some(failure) = failure.cloned() else { return Err((request, results)) };
        if let Some(Status::DeadlineExceeded) = request.is_over() {
            let num = results.len();
            return Err((request, (0..num).map(|_| Err(Status::DeadlineExceeded)).collect()));
        }
        let is_final = request.is_bound || !request.is_repeatable() || request.is_over().is_some();
        if is_final || request.attempts() >= self.settings.attempts.min(255) || self.alive().is_err() {
            return Err((request, results));
        }
        let from = Arc::clone(&request.place.device);
        let before = (Arc::clone(&request.place), request.reason);
        request.journey.get_or_insert_default().tried.push(from.number());
        request = match self.seat(request, false) {
            Ok(request) => request,
            Err((mut request, _)) => {
                // Nobody else; the same device may do better the next time, if it still takes work.
                (request.place, request.reason) = before;
                if let Some(journey) = &mut request.journey {
                    journey.tried.clear();
                }
                let others = request.bound.as_ref().map_or(0, |bound| bound.num_places(self));
                if others < 2 || !from.is_usable() {
                    return Err((request, results));
                }
                self.measure(&mut request);
                request.forget_start();
                request
            }
        };
        from.stats.redone.fetch_add(1, Ordering::Relaxed);
        self.fell_back(reason(&failure));
        request.reason = reason(&failure);
        request.count_attempt();
        let (kept, again) =
            Kept::split(results, |result| result.as_ref().err().is_none_or(|status| !status.retryable()));
        if again.len() < request.units.len() {
            let units = std::mem::take(&mut request.units).into_vec();
            let left = units.into_iter().enumerate().filter(|(index, _)| again.contains(index)).map(|(_, unit)| unit);
            request.units = left.collect::<Vec<Unit>>().into();
            let journey = request.journey.get_or_insert_default();
            journey.kept = Some(Kept::share(match journey.kept.take().and_then(|outer| outer.take()) {
                Some(outer) => outer.nest(kept),
                None => kept,
            }));
        }
        for unit in request.units.iter_mut() {
            let written = unit.output.len();
            unit.output.wipe(written);
        }
        match self.enqueue_one(request) {
            Ok(()) => Ok(()),
            Err((request, status)) => {
                let num = request.units.len().max(1);
                Err((request, (0..num).map(|_| Err(status.clone())).collect()))
            }
        }
    }

    /// Does again a request that its device keeps to itself; false if nobody else takes it.
    pub fn redo_lost(&self, mut request: Request) -> bool {
        let from = Arc::clone(&request.place.device);
        if request.attempts() >= self.settings.attempts.min(255) {
            request.discard();
            return false;
        }
        request.journey.get_or_insert_default().tried.push(from.number());
        let seated = self.seat(request, false).and_then(|mut request| {
            request.count_attempt();
            request.reason = "done again: no completion came in time";
            self.enqueue_one(request)
        });
        match seated {
            Ok(()) => {
                from.stats.redone.fetch_add(1, Ordering::Relaxed);
                self.fell_back("done again: no completion came in time");
                true
            }
            Err((request, _)) => {
                request.discard();
                false
            }
        }
    }

    /// Queues elsewhere a request that was not begun; this is no attempt.
    ///
    /// # Errors
    /// The request, if it may not move or nobody takes it.
    pub fn rehome(&self, request: Request, why: &'static str) -> Result<(), Request> {
        use crate::queue::Item;
        if !request.is_movable() || request.is_over().is_some() || self.alive().is_err() {
            return Err(request);
        }
        let from = Arc::clone(&request.place.device);
        let mut request = self.seat(request, false).map_err(|(request, _)| request)?;
        request.reason = why;
        let is_elsewhere = !Arc::ptr_eq(&from, &request.place.device);
        self.enqueue_one(request).map_err(|(request, _)| request)?;
        if is_elsewhere {
            from.stats.moved.fetch_add(1, Ordering::Relaxed);
            self.fell_back(why);
        }
        Ok(())
    }

    /// Places anew what is queued on a device and not bound to it: it leaves, or another has come.
    pub fn move_queued(&self, device: &Device) {
        let is_leaving = !device.is_usable();
        let why = if is_leaving { "moved: its device takes no more work" } else { "moved: another device has come" };
        for request in device.queue.take_movable() {
            let mut request = request;
            request.count(false);
            if let Err(request) = self.rehome(request, why) {
                // Nobody else takes it: it stays, and its device does it, or fails it.
                if let Err((request, status)) = self.push(request) {
                    request.fail(status);
                }
            }
        }
    }
}
