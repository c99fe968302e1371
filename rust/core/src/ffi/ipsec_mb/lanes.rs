//! One manager of the library: jobs go in, and come out when they are done, in the order in which they went in.

use super::job::{COMPLETED, Job};
use super::library::{Library, Manager};
use super::work::Work;
use std::marker::PhantomData;

/// Jobs that a manager holds at most; one more makes it finish the first.
pub const MOST_OUT: usize = 255;

/// A job that came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// What it was put in with.
    pub user: usize,
    /// Whether its result is there.
    pub is_right: bool,
}

/// See the head of this file. Nothing is in it but inside [`Lanes::batch`] and a [`Flight`](super::Flight).
pub struct Lanes {
    manager: Manager,
    library: &'static Library,
    /// Jobs in the library's hands.
    out: usize,
}

// SAFETY: see the module's head: a manager is bound to no thread.
unsafe impl Send for Lanes {}

impl Lanes {
    /// A manager of the library; `None` without memory.
    pub fn of(library: &'static Library) -> Option<Self> {
        let manager = library.make()?;
        let own = Self { manager, library, out: 0 };
        (library.error(manager) == 0).then_some(own)
    }

    /// The library that it is of.
    pub fn library(&self) -> &'static Library {
        self.library
    }

    /// Jobs that are in it.
    pub fn out(&self) -> usize {
        self.out
    }

    /// Lets `fill` put jobs in, then takes all of them out, into `done`: whatever happens, nothing that was borrowed is
    /// in the library's hands when this returns.
    pub fn batch<'env>(&mut self, done: &mut Vec<Done>, fill: impl FnOnce(&mut Batch<'_, 'env>)) {
        let mut batch = Batch { lanes: self, done, env: PhantomData };
        fill(&mut batch);
        // Its drop, which a panic in `fill` comes through as well, takes the rest out.
        drop(batch);
    }

    /// Puts a job in, and takes out what is done by then. False if the library cannot do it; it is not in, then.
    ///
    /// # Safety
    /// What the work borrows must stay, and be touched by nobody else, until the job has come out.
    pub(super) unsafe fn put(&mut self, work: Work<'_>, user: usize, done: &mut Vec<Done>) -> bool {
        let Some(mut job) = work.job() else { return false };
        job.user_data = user;
        let manager = self.manager.as_ptr();
        // SAFETY: the manager is live and ours.
        let slot = unsafe { (self.library.table.get_next_job)(manager) };
        if slot.is_null() {
            return false;
        }
        // SAFETY: a free job in the manager's ring, at least as long as ours, which is the front of it.
        unsafe { slot.write(job) };
        self.out += 1;
        // SAFETY: the job is filled in, and what it points to stays, as told.
        let first = unsafe { (self.library.table.submit_job)(manager) };
        self.take(first, done);
        true
    }

    /// Takes out all that is done, beginning with the one that the library has just given.
    fn take(&mut self, first: *mut Job, done: &mut Vec<Done>) {
        let mut job = first;
        // SAFETY: a job that came out, which is ours to read until the next one is asked for; or null.
        while let Some(told) = unsafe { job.as_ref() } {
            done.push(Done { user: told.user_data, is_right: told.status == COMPLETED });
            self.out = self.out.saturating_sub(1);
            // SAFETY: the manager is live and ours.
            job = unsafe { (self.library.table.get_completed_job)(self.manager.as_ptr()) };
        }
    }

    /// Finishes all that is in, and takes it out. What the library has lost, if it ever does, is told by nobody and
    /// touched by nobody: the manager is made anew.
    pub fn flush(&mut self, done: &mut Vec<Done>) {
        while self.out > 0 {
            // SAFETY: the manager is live and ours.
            let first = unsafe { (self.library.table.flush_job)(self.manager.as_ptr()) };
            if first.is_null() {
                return self.renew();
            }
            self.take(first, done);
        }
    }

    #[cold]
    fn renew(&mut self) {
        self.out = 0;
        if let Some(fresh) = self.library.make() {
            let old = std::mem::replace(&mut self.manager, fresh);
            // SAFETY: it came from `make`, and is forgotten.
            unsafe { self.library.end(old) };
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.flush(&mut Vec::new());
        // SAFETY: it came from `make`, and is forgotten.
        unsafe { self.library.end(self.manager) };
    }
}

/// The lanes while somebody's memory is borrowed. Cannot be leaked: only a reference to it is ever lent.
pub struct Batch<'m, 'env> {
    lanes: &'m mut Lanes,
    done: &'m mut Vec<Done>,
    /// Neither longer nor shorter.
    env: PhantomData<&'env mut &'env ()>,
}

impl<'env> Batch<'_, 'env> {
    /// Puts a job in. False if the library cannot do it; nothing has happened, then.
    pub fn put(&mut self, work: Work<'env>, user: usize) -> bool {
        // SAFETY: all is borrowed for longer than the batch, whose drop waits for it.
        unsafe { self.lanes.put(work, user, self.done) }
    }
}

impl Drop for Batch<'_, '_> {
    fn drop(&mut self) {
        self.lanes.flush(self.done);
    }
}
