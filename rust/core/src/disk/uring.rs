//! Jobs in io_uring: the kernel does them at once where it can (cached data), and on its own threads or by interrupt
//! where it cannot, without threads of ours.
//!
//! Large reads go to a thread of the kernel at once (`IOSQE_ASYNC`) where there is more than one CPU: cached data would be
//! copied in the submission otherwise, on the thread that drives a whole pipeline. Writes do not: measured, it cost more
//! than it gave. Registered files and buffers were not tried: at a mebibyte a piece the copy, about a
//! hundred microseconds, outweighs looking a descriptor up. Neither was a polled queue, which costs a core.
//!
//! This module says `unsafe`, for the kernel must be told addresses. The argument is one for all: what is in the
//! kernel's hands is a [`Job`], which owns its memory (pool memory that does not move, or a loan that promises the
//! same); it lies in `slots` from the moment it is submitted until its completion is taken, whatever else happens; and
//! dropping the ring withdraws all and waits for every completion. A forked child, which shares the queues with its
//! parent, never comes here (see [`Ours`](super::Ours)).
//!
//! A kernel request dies with the *thread* that submitted it, and may come back short at any time: [`Job::took`] asks
//! again for what is missing.

#![allow(unsafe_code)]

use super::job::{Carrier, Job};
use super::stop::Stop;
use super::target::Target;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// More in the kernel's hands at once makes no disk faster.
const DEEPEST: usize = 32;
/// Reads of so many bytes are worth a thread of the kernel.
const LARGE: u32 = 256 << 10;
/// What completions of withdrawals carry instead of a slot.
const WITHDRAWAL: u64 = u64::MAX;

/// A job in the kernel's hands, and where in its memory the call began.
type Flying = (Job, usize);

/// See the head of this file.
pub(super) struct Uring {
    ring: IoUring,
    target: Arc<Target>,
    stop: Arc<Stop>,
    slots: Vec<Option<Flying>>,
    free: Vec<usize>,
    waiting: VecDeque<Job>,
    done: VecDeque<Job>,
    withdrawn: bool,
    /// Whether large reads go to another thread of the kernel.
    hands_over: bool,
}

impl Uring {
    /// # Errors
    /// The kernel is too old, forbids it, or has no memory for it.
    pub fn new(target: Arc<Target>, stop: Arc<Stop>, depth: usize) -> io::Result<Self> {
        let depth = depth.clamp(1, DEEPEST);
        // Twice, so that each can be withdrawn too.
        let ring = IoUring::new(2 * depth as u32)?;
        // Both are younger than the operations used here; 5.11.
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        Ok(Self {
            ring,
            target,
            stop,
            slots: (0..depth).map(|_| None).collect(),
            free: (0..depth).collect(),
            waiting: VecDeque::new(),
            done: VecDeque::new(),
            withdrawn: false,
            hands_over: std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1),
        })
    }

    fn flying(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the memory that `entry` names belongs to a job in `slots` (see the head of this file), or it names
        // none.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            // Full: an interrupted or short-of-memory kernel takes them later.
            let _ = self.ring.submit();
        }
    }

    /// Puts jobs into the kernel's hands while there are slots.
    fn start(&mut self) {
        while let Some(mut job) = self.waiting.pop_front() {
            if self.stop.is_stopped() {
                self.done.push_back(job.withdraw());
                continue;
            }
            let Some(slot) = self.free.pop() else {
                self.waiting.push_front(job);
                return;
            };
            let (offset, at, len) = job.rest();
            let fd = Fd(self.target.file.as_raw_fd());
            let writes = job.writes;
            let (start, len) = job.memory(at, len);
            let len = u32::try_from(len).unwrap_or(0);
            let entry = if writes {
                opcode::Write::new(fd, start, len).offset(offset).build()
            } else {
                let read = opcode::Read::new(fd, start, len).offset(offset).build();
                if self.hands_over && len >= LARGE { read.flags(squeue::Flags::ASYNC) } else { read }
            };
            if let Some(place) = self.slots.get_mut(slot) {
                *place = Some((job, at));
            }
            self.push(&entry.user_data(slot as u64));
        }
    }

    /// Takes completions in.
    fn reap(&mut self) {
        loop {
            let Some((slot, result)) = self.ring.completion().next().map(|entry| (entry.user_data(), entry.result()))
            else {
                return;
            };
            let slot = usize::try_from(slot).unwrap_or(usize::MAX);
            let Some((mut job, at)) = self.slots.get_mut(slot).and_then(Option::take) else { continue };
            self.free.push(slot);
            let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            match job.took(at, result) {
                true => self.done.push_back(job),
                false => self.waiting.push_front(job),
            }
        }
    }

    fn withdraw(&mut self) {
        if std::mem::replace(&mut self.withdrawn, true) {
            return;
        }
        for slot in 0..self.slots.len() {
            if self.slots.get(slot).is_some_and(Option::is_some) {
                self.push(&opcode::AsyncCancel::new(slot as u64).build().user_data(WITHDRAWAL));
            }
        }
    }

    /// Hands over what is queued, and waits for so many completions; does not enter the kernel for nothing.
    fn enter(&mut self, want: usize, time: Duration) -> io::Result<usize> {
        if want == 0 && self.ring.submission().is_empty() {
            return Ok(0);
        }
        let time = Timespec::from(time);
        self.ring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(&time))
    }
}

impl Carrier for Uring {
    fn submit(&mut self, job: Job) {
        self.waiting.push_back(job);
        self.start();
        // What is not taken now is taken by the next call that enters the kernel.
        let _ = self.ring.submit();
    }

    fn wait(&mut self, time: Duration) -> Option<Job> {
        self.reap();
        self.start();
        while self.done.is_empty() && self.flying() > 0 {
            if self.stop.is_stopped() {
                self.withdraw();
            }
            let entered = self.enter(usize::from(!time.is_zero()), time);
            self.reap();
            self.start();
            if entered.is_err() || time.is_zero() {
                break; // over time, or interrupted
            }
        }
        self.done.pop_front()
    }

    fn in_flight(&self) -> usize {
        self.flying() + self.waiting.len() + self.done.len()
    }

    fn via(&self) -> &'static str {
        "uring"
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.stop.stop();
        self.waiting.clear();
        while self.flying() > 0 {
            self.withdraw();
            let _ = self.enter(1, Duration::from_secs(1));
            self.reap();
            self.waiting.clear();
        }
    }
}
