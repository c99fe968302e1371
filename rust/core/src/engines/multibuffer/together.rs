//! Calls of one thread, done together: all go into the lanes, and all are out when it returns.

use super::form::Scratch;
use super::laned::{Fate, Laned};
use super::{give_lanes, take_lanes};
use crate::alg::{self, Facts, Job};
use crate::ffi::ipsec_mb::{Done, Library};
use crate::status::Outcome;

/// The results of all jobs, in order.
pub fn run(library: &'static Library, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
    let mut scratch: Vec<Scratch> = Vec::new();
    scratch.resize_with(jobs.len(), Scratch::default);
    let mut fates = vec![Fate::Aside; jobs.len()];
    match take_lanes(library) {
        Err(_) => {} // then all of it is done by the twins
        Ok(mut lanes) => {
            let mut done: Vec<Done> = Vec::with_capacity(jobs.len());
            lanes.batch(&mut done, |batch| {
                for (index, ((job, scratch), fate)) in jobs.iter_mut().zip(&mut scratch).zip(&mut fates).enumerate() {
                    let work = Laned::of(job.transform).and_then(|own| own.work(&job.call, job.output, scratch));
                    if work.is_some_and(|work| batch.put(work, index)) {
                        *fate = Fate::Failed;
                    }
                }
            });
            give_lanes(lanes);
            for done in done.into_iter().filter(|done| done.is_right) {
                if let Some(fate) = fates.get_mut(done.user) {
                    *fate = Fate::Done;
                }
            }
        }
    }
    let finish = |((job, scratch), fate): ((&mut Job<'_>, &mut Scratch), Fate)| match Laned::of(job.transform) {
        Some(own) if fate != Fate::Aside => own.finish(&job.call, job.output, scratch, fate),
        Some(own) => alg::attempt(own.twin(), &job.call, job.output),
        None => alg::attempt(job.transform, &job.call, job.output),
    };
    jobs.iter_mut().zip(&mut scratch).zip(fates).map(finish).collect()
}
