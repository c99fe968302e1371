//! Several operations of several callers that are run together on one of their threads.
//!
//! Each was short enough to be run at once; they were put off for a moment because an engine with lanes does many for
//! little more than one. Whether that is so for as many as have come is asked again now: who expected sixty and got two
//! is better served one by one.

use super::{Ask, Bound, Chosen, Layer};
use crate::alg::{Direction, Facts, Job};
use crate::cost::depth_class;
use crate::operation::{Completion, Lane};
use crate::request::{Unit, cost_bytes};
use crate::status::{Outcome, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An operation's work, and where it is to be done.
pub struct Gathered {
    pub bound: Arc<Bound>,
    pub chosen: Chosen,
    /// How many it was chosen for.
    pub expected: usize,
    /// Its number among those of its kind.
    pub number: u32,
    pub unit: Unit,
    pub direction: Direction,
    pub max_output: u64,
}

impl Gathered {
    fn bytes(&self) -> usize {
        cost_bytes(&self.unit, self.direction, self.max_output)
    }

    fn is_alike(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bound, &other.bound) && self.direction == other.direction
    }

    fn is_there(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chosen.place.device, &other.chosen.place.device)
    }
}

impl Layer {
    /// Runs them together on this thread; each result is left in its unit's output. `waited` is how long the first of
    /// them was put off.
    pub fn run_gathered(&self, members: &mut [Gathered], waited: Duration) -> Vec<(Outcome<Facts>, Completion)> {
        let total = members.len();
        for alike in members.chunk_by_mut(Gathered::is_alike) {
            self.choose_again(alike, total);
        }
        let mut results = Vec::with_capacity(members.len());
        for group in members.chunk_by_mut(Gathered::is_there) {
            self.run_group(group, waited, &mut results);
        }
        results
    }

    /// Looks whether the device is still the right one for as many as there are.
    fn choose_again(&self, alike: &mut [Gathered], total: usize) {
        let Some(first) = alike.first() else { return };
        if depth_class(first.expected) == depth_class(total) && first.chosen.place.device.is_usable() {
            return;
        }
        let ask = Ask { depth: total, ..Ask::of(first.direction, first.bytes()) };
        // If nobody can be found it goes where it was to go, and that tells why not.
        let Ok(found) = self.choose(&first.bound, &ask) else { return };
        if !found.runs_here && found.place.device.engine.runs_inline() {
            for member in alike {
                member.chosen = Chosen { place: Arc::clone(&found.place), ..found };
            }
        }
    }

    fn run_group(&self, group: &mut [Gathered], waited: Duration, results: &mut Vec<(Outcome<Facts>, Completion)>) {
        let Some(device) = group.first().map(|first| Arc::clone(&first.chosen.place.device)) else { return };
        let started = Instant::now();
        let outcomes = {
            let jobs: Option<Vec<_>> = group
                .iter_mut()
                .map(|member| {
                    let transform = member.chosen.place.transform()?;
                    Some(member.unit.job(&**transform, member.direction, member.max_output))
                })
                .collect();
            // All or none: each outcome is for the message at its place. A panic is a failure of all, told to all.
            let run =
                |mut jobs: Vec<Job<'_>>| catch_unwind(AssertUnwindSafe(|| device.engine.run_many(&mut jobs))).ok();
            jobs.and_then(run).unwrap_or_default()
        };
        let run_ns = started.elapsed().as_nanos() as u64;
        let num = group.len();
        let has_all = outcomes.len() == num && outcomes.iter().all(Result::is_ok);
        let all_bytes: u64 = group.iter().map(|member| weight(member.bytes())).sum();
        let (mut done, mut bytes_in, mut bytes_out) = (0, 0, 0);
        let lost = || Err(Status::Internal("a message without a result".into()));
        let mut outcomes = outcomes.into_iter();
        let mut measured = Vec::new();
        for member in group.iter_mut() {
            let outcome = outcomes.next().unwrap_or_else(lost);
            let place = &member.chosen.place;
            let (own_in, own_out) = (member.unit.source.len() as u64, member.unit.output.len() as u64);
            bytes_in += own_in;
            if outcome.is_ok() {
                (done, bytes_out) = (done + 1, bytes_out + own_out);
            }
            // By their bytes: nobody has measured which took how much of it.
            let each_ns = run_ns as u128 * u128::from(weight(member.bytes())) / u128::from(all_bytes.max(1));
            // However many they are, it is one measurement: a lost time slice must not count as many.
            let of = (Arc::as_ptr(&place.costs), member.direction, member.bytes().leading_zeros());
            if has_all && !measured.contains(&of) {
                measured.push(of);
                place.costs.at(num).record(member.direction, member.bytes(), each_ns as u64);
            }
            let (right, wrong) = (u64::from(outcome.is_ok()), u64::from(outcome.is_err()));
            place.costs.tally.count(right, wrong, own_in, own_out, each_ns as u64);
            let driver = place.transform().map_or("", |transform| transform.driver(member.direction));
            let told = self.told(&member.chosen, driver, Lane::Batch);
            let queue_ns = waited.as_nanos() as u64;
            let told = Completion { queue_ns, run_ns, bytes_in: own_in, bytes_out: own_out, ..told };
            results.push((outcome, told));
        }
        let (all, stats) = (num as u64, &device.stats);
        for counter in [&stats.submitted, &stats.batch, &stats.started, &stats.finished] {
            counter.fetch_add(all, Ordering::Relaxed);
        }
        stats.tally.count(done, all - done, bytes_in, bytes_out, run_ns);
        // Judged as one attempt, as a batch is: by its first failure, or as a success.
        let told = results.get(results.len() - num..).unwrap_or_default();
        let mut judged = group.iter().zip(told.iter().map(|(outcome, _)| outcome.as_ref().err()));
        let judged = judged.clone().find(|(_, failure)| failure.is_some()).or_else(|| judged.next());
        if let Some((member, failure)) = judged {
            device.judge(failure, None, Some(&member.bound));
        }
        if done < all {
            let from = results.len() - num;
            let failed = results.get_mut(from..).unwrap_or_default();
            for (member, result) in group.iter_mut().zip(failed) {
                self.elsewhere(member, result);
            }
        }
    }

    /// Does once more, on another device, what failed on the first if that may help.
    fn elsewhere(&self, member: &mut Gathered, result: &mut (Outcome<Facts>, Completion)) {
        let Err(status) = &result.0 else { return };
        if !status.retryable() || !member.chosen.place.limits.repeatable {
            return;
        }
        let tried = [member.chosen.place.device.number()];
        let ask = Ask { tried: &tried, ..Ask::of(member.direction, member.bytes()) };
        let Ok(other) = self.choose(&member.bound, &ask) else { return };
        if !other.place.device.engine.runs_inline() {
            return;
        }
        let Gathered { bound, unit, direction, max_output, .. } = member;
        if let Some((outcome, told)) = self.run_inline(bound, &other, unit, *direction, *max_output, *max_output) {
            *result = (outcome, Completion { attempts: 2, queue_ns: result.1.queue_ns, ..told });
        }
    }
}

/// What a message weighs when the time of all is shared out: its bytes, and what it costs without any.
fn weight(bytes: usize) -> u64 {
    (bytes as u64).saturating_add(64)
}
