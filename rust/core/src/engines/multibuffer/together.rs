//! Calls of one thread, done together: all go into the lanes, and all are out when it returns.

use super::form::Scratch;
use super::laned::{Fate, Laned};
use super::{give_lanes, take_lanes};
use crate::alg::{self, Facts, Job};
use crate::ffi::ipsec_mb::{Done, Library};
use crate::status::Outcome;
use std::cell::Cell;

/// So many jobs' room is kept for the next ones: the allocator is slow with what is larger than a kilobyte.
const KEPT: usize = 256;

/// Room that a thread's calls need each time.
#[derive(Default)]
struct Room {
    scratch: Vec<Scratch>,
    fates: Vec<Fate>,
    done: Vec<Done>,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

/// The results of all jobs, in order.
pub fn run(library: &'static Library, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
    let mut room = ROOM.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let results = run_in(&mut room, library, jobs);
    if room.scratch.len() <= KEPT {
        // A thread that ends has no place for it any more.
        let _ = ROOM.try_with(|kept| kept.set(Some(room)));
    }
    results
}

fn run_in(room: &mut Room, library: &'static Library, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
    let Room { scratch, fates, done } = room;
    if scratch.len() < jobs.len() {
        scratch.resize_with(jobs.len(), Scratch::default);
    }
    fates.clear();
    fates.resize(jobs.len(), Fate::Aside);
    done.clear();
    // If there are no lanes all of it is done by the twins.
    if let Ok(mut lanes) = take_lanes(library) {
        lanes.batch(done, |batch| {
            for (index, ((job, scratch), fate)) in jobs.iter_mut().zip(&mut *scratch).zip(&mut *fates).enumerate() {
                let work = Laned::of(job.transform).and_then(|own| own.work(&job.call, job.output, scratch));
                if work.is_some_and(|work| batch.put(work, index)) {
                    *fate = Fate::Failed;
                }
            }
        });
        give_lanes(lanes);
        for done in done.iter().filter(|done| done.is_right) {
            if let Some(fate) = fates.get_mut(done.user) {
                *fate = Fate::Done;
            }
        }
    }
    let finish = |((job, scratch), fate): ((&mut Job<'_>, &mut Scratch), Fate)| {
        let outcome = match Laned::of(job.transform) {
            Some(own) if fate != Fate::Aside => own.finish(&job.call, job.output, scratch, fate),
            Some(own) => alg::attempt(own.twin(), &job.call, job.output),
            None => alg::attempt(job.transform, &job.call, job.output),
        };
        scratch.forget();
        outcome
    };
    jobs.iter_mut().zip(scratch).zip(fates.iter().copied()).map(finish).collect()
}
