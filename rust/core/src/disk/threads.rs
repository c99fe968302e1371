//! Jobs on threads of our own, or on the caller's: where io_uring is not to be had, and for all that is read or written
//! in order.
//!
//! A thread that waits for a pipe waits for the bell of [`Stop`] too, so that cancelling needs neither signals nor a
//! pipe that is switched to non-blocking under the feet of others who share it. Each call moves only what there is (or
//! fits) now: once inside a blocking write the kernel would not listen any more.

use super::job::{Carrier, Job};
use super::stop::Stop;
use super::target::{Access, Target};
use crate::ffi::descriptor;
use crate::sync::lock_std;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// What the threads share.
struct Bench {
    target: Arc<Target>,
    stop: Arc<Stop>,
    jobs: Mutex<Receiver<Job>>,
    done: Sender<Job>,
    /// The data have ended: a terminal would be asked for more otherwise.
    ended: AtomicBool,
}

/// Runs jobs on up to so many threads, which start when they are needed.
pub(super) struct Threads {
    bench: Arc<Bench>,
    jobs: Option<Sender<Job>>,
    done: Receiver<Job>,
    /// Done on the caller's thread.
    here: VecDeque<Job>,
    threads: Vec<JoinHandle<()>>,
    most: usize,
    in_flight: usize,
}

impl Threads {
    /// With 0 threads, jobs run as they are submitted.
    pub fn new(target: Arc<Target>, stop: Arc<Stop>, most: usize) -> Self {
        let (jobs, taken) = channel();
        let (given, done) = channel();
        let bench = Bench { target, stop, jobs: Mutex::new(taken), done: given, ended: AtomicBool::new(false) };
        let (bench, jobs) = (Arc::new(bench), Some(jobs));
        Self { bench, jobs, done, here: VecDeque::new(), threads: Vec::new(), most, in_flight: 0 }
    }

    fn grow(&mut self) {
        if self.threads.len() >= self.most || self.in_flight < self.threads.len() {
            return;
        }
        let bench = Arc::clone(&self.bench);
        // Where no thread can be had, those that there are do the work, or the caller does.
        self.threads.extend(Builder::new().name("acrypto/disk".into()).spawn(move || bench.work()).ok());
    }
}

impl Carrier for Threads {
    fn submit(&mut self, job: Job) {
        self.grow();
        self.in_flight += 1;
        match &self.jobs {
            Some(jobs) if !self.threads.is_empty() => {
                if let Err(refused) = jobs.send(job) {
                    self.here.push_back(refused.0.withdraw());
                }
            }
            _ => self.here.push_back(self.bench.perform(job)),
        }
    }

    fn wait(&mut self, time: Duration) -> Option<Job> {
        if self.in_flight == 0 {
            return None;
        }
        let job = match self.here.pop_front() {
            Some(job) => job,
            None => self.done.recv_timeout(time).ok()?,
        };
        self.in_flight -= 1;
        Some(job)
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn via(&self) -> &'static str {
        "threads"
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.bench.stop.stop();
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Bench {
    fn work(&self) {
        loop {
            let Ok(job) = lock_std(&self.jobs).recv() else { return };
            if self.done.send(self.perform(job)).is_err() {
                return;
            }
        }
    }

    fn perform(&self, mut job: Job) -> Job {
        let mut must_wait = false;
        loop {
            if self.stop.is_stopped() {
                return job.withdraw();
            }
            if self.ended.load(Ordering::Relaxed) {
                return job;
            }
            let (offset, at, len) = job.rest();
            let result = match self.target.access {
                Access::Offsets => self.at(&mut job, offset, at, len),
                Access::InOrder | Access::AtOnce => self.next(&mut job, at, len),
                Access::Waits => self.now(&mut job, at, len, must_wait),
            };
            must_wait = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            if job.took(at, result) {
                let short = !job.writes && job.moved < job.wanted;
                self.ended.fetch_or(short && self.target.access != Access::Offsets, Ordering::Relaxed);
                return job;
            }
        }
    }

    fn at(&self, job: &mut Job, offset: u64, at: usize, len: usize) -> io::Result<usize> {
        let file = &self.target.file;
        if job.writes { file.write_at(job.bytes(at, len), offset) } else { file.read_at(job.space(at, len), offset) }
    }

    fn next(&self, job: &mut Job, at: usize, len: usize) -> io::Result<usize> {
        let mut file = &self.target.file;
        if job.writes { file.write(job.bytes(at, len)) } else { file.read(job.space(at, len)) }
    }

    /// What can be moved without waiting; `must_wait` first waits until something can.
    fn now(&self, job: &mut Job, at: usize, len: usize, must_wait: bool) -> io::Result<usize> {
        let file = self.target.file.as_fd();
        if must_wait && descriptor::wait(file, job.writes, self.stop.bell())? {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if job.writes {
            descriptor::write_now(file, job.bytes(at, len), must_wait)
        } else {
            descriptor::read_now(file, job.space(at, len), must_wait)
        }
    }
}
