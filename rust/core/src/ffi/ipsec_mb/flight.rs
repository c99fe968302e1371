//! Jobs that own what they point to: cargo of different owners shares the lanes, and each comes back as soon as the
//! last of its jobs is done.

use super::lanes::{Done, Lanes};
use super::work::Work;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

/// What owns everything that its jobs read and write.
pub trait Cargo: Send + 'static {
    /// Puts its jobs in; it is not touched by anybody until it is given back.
    fn load<'a>(&'a mut self, loader: &mut Loader<'_, 'a>);
}

/// Takes one cargo's jobs.
pub struct Loader<'m, 'a> {
    lanes: &'m mut Lanes,
    done: &'m mut Vec<Done>,
    slot: usize,
    count: usize,
    cargo: std::marker::PhantomData<&'a mut &'a ()>,
}

impl<'a> Loader<'_, 'a> {
    /// Puts a job in, with a number that tells it from the cargo's others, below 65536. False if the library cannot do
    /// it; nothing has happened, then.
    pub fn put(&mut self, work: Work<'a>, number: usize) -> bool {
        let user = self.slot << BITS | number & MASK;
        // SAFETY: all is borrowed from a cargo that its flight keeps until its last job is out.
        let is_in = number <= MASK && unsafe { self.lanes.put(work, user, self.done) };
        self.count += usize::from(is_in);
        is_in
    }
}

/// Bits of a job's number inside its cargo; those above name the cargo.
const BITS: u32 = 16;
const MASK: usize = (1 << BITS) - 1;

struct Slot<T> {
    /// Out of a box, and made one again when nothing points into it any more.
    cargo: NonNull<T>,
    out: usize,
    failed: Vec<usize>,
}

/// A cargo that came back.
pub struct Returned<T> {
    pub cargo: Box<T>,
    /// The numbers of its jobs that have no result.
    pub failed: Vec<usize>,
}

/// See the head of this file. Dropping it finishes everything first.
pub struct Flight<T: Cargo> {
    /// Always there but in `land`.
    lanes: Option<Lanes>,
    slots: Vec<Option<Slot<T>>>,
    done: Vec<Done>,
    ready: Vec<Returned<T>>,
}

impl<T: Cargo> Flight<T> {
    /// Over lanes of its own.
    pub fn new(lanes: Lanes) -> Self {
        Self { lanes: Some(lanes), slots: Vec::new(), done: Vec::new(), ready: Vec::new() }
    }

    /// Jobs that are in the lanes.
    pub fn out(&self) -> usize {
        self.lanes.as_ref().map_or(0, Lanes::out)
    }

    /// Puts all jobs of a cargo in.
    pub fn put(&mut self, cargo: Box<T>) {
        let Some(lanes) = &mut self.lanes else { return };
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        // SAFETY: a box is never null.
        let mut pointer = unsafe { NonNull::new_unchecked(Box::into_raw(cargo)) };
        let mut loader = Loader { lanes, done: &mut self.done, slot, count: 0, cargo: std::marker::PhantomData };
        // SAFETY: it is ours alone; what is borrowed of it ends when its last job is out, and only then is it touched.
        let owned: &mut T = unsafe { pointer.as_mut() };
        let lent = &mut loader;
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            let (owned, lent) = (owned, lent); // called once
            owned.load(lent);
        }));
        let entry = Some(Slot { cargo: pointer, out: loader.count, failed: Vec::new() });
        match self.slots.get_mut(slot) {
            Some(free) => *free = entry,
            None => self.slots.push(entry),
        }
        self.settle(Some(slot));
        if let Err(panic) = outcome {
            self.flush();
            resume_unwind(panic);
        }
    }

    /// Finishes everything that is in.
    pub fn flush(&mut self) {
        if let Some(lanes) = &mut self.lanes {
            lanes.flush(&mut self.done);
        }
        self.settle(None);
        // Nothing is out: whatever the library has not told of is lost, and not touched any more.
        for slot in &mut self.slots {
            if let Some(mut slot) = slot.take() {
                slot.failed.extend(0..=MASK);
                self.ready.push(slot.back());
            }
        }
    }

    /// Counts what came out; `fresh` is there though nothing of it may have gone in.
    fn settle(&mut self, fresh: Option<usize>) {
        for done in self.done.drain(..) {
            if let Some(Some(slot)) = self.slots.get_mut(done.user >> BITS) {
                slot.out = slot.out.saturating_sub(1);
                if !done.is_right {
                    slot.failed.push(done.user & MASK);
                }
                if slot.out == 0
                    && let Some(slot) = self.slots.get_mut(done.user >> BITS).and_then(Option::take)
                {
                    self.ready.push(slot.back());
                }
            }
        }
        if let Some(slot) = fresh.and_then(|fresh| self.slots.get_mut(fresh))
            && slot.as_ref().is_some_and(|slot| slot.out == 0)
            && let Some(slot) = slot.take()
        {
            self.ready.push(slot.back());
        }
    }

    /// What has come back since the last call.
    pub fn returned(&mut self) -> Vec<Returned<T>> {
        std::mem::take(&mut self.ready)
    }

    /// Ends it, with nothing in the lanes any more.
    pub fn land(mut self) -> (Vec<Returned<T>>, Option<Lanes>) {
        self.flush();
        (std::mem::take(&mut self.ready), self.lanes.take())
    }
}

impl<T> Slot<T> {
    fn back(self) -> Returned<T> {
        // SAFETY: it came out of a box, and nothing points into it any more.
        Returned { cargo: unsafe { Box::from_raw(self.cargo.as_ptr()) }, failed: self.failed }
    }
}

impl<T: Cargo> Drop for Flight<T> {
    fn drop(&mut self) {
        self.flush();
    }
}
