//! Digests, checksums and MACs of many files: one job with threads of its own, several files in work at once.
//!
//! A file that fits one piece is read and hashed by one thread. Of a larger one, BLAKE3's subtrees go to every thread that
//! has no file of its own; any other algorithm has one thread that hashes and others that read ahead for it.
//!
//! Memory is bounded: a thread has one piece, a file that is read ahead some more, and whoever submits waits with more
//! until results were taken. Pieces are read with pread into memory that serves again. Mapping them instead is a choice:
//! a file that somebody shortens meanwhile then kills the process (`ffi::window`), so it is not the default.
//!
//! A file that grows or shrinks meanwhile has the digest of what was read up to where its end was met, as with any tool
//! that reads.

mod ahead;
mod input;
mod piece;
mod pool;
mod rows;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod tree;
mod worker;

use crate::alg::stream::{self, Hasher};
use crate::alg::{Params, subtrees};
use crate::ffi::eventfd::EventFd;
use crate::ffi::window;
use crate::fork;
use crate::ring::Bell;
use crate::status::{Outcome, Status};
pub use input::Input;
pub use piece::MOST_MAPPED;
use pool::Pool;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// Most threads of a job.
pub const MOST_WORKERS: usize = 1024;

/// How a job works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub workers: usize,
    /// Map large files, at most [`MOST_MAPPED`] bytes at once, instead of reading them.
    pub mapped: bool,
    /// Give results in the order of submission, or as they come.
    pub ordered: bool,
    /// Bytes of a piece, a power of two; a fitting one if not given.
    pub piece: Option<usize>,
}

/// An algorithm with its parameters, known to be computable piece by piece.
pub struct Spec {
    name: String,
    params: Params,
    driver: &'static str,
    /// Bytes of the digest where subtrees can make it.
    tree: Option<usize>,
}

impl Spec {
    /// # Errors
    /// The name is unknown or has no incremental form; a parameter is wrong, missing, or not the algorithm's.
    pub fn new(name: &str, params: Params) -> Outcome<Arc<Self>> {
        let driver = stream::hasher(name, &params)?.driver();
        let tree = subtrees::digest_size(name, &params);
        Ok(Arc::new(Self { name: name.into(), params, driver, tree }))
    }

    pub fn driver(&self) -> &'static str {
        self.driver
    }

    fn hasher(&self) -> Outcome<Box<dyn Hasher>> {
        stream::hasher(&self.name, &self.params)
    }
}

/// A file to be hashed.
pub struct Task {
    pub input: Input,
    pub spec: Arc<Spec>,
}

/// Why a file has no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The system's error number, and how far the file had been read if that is where it broke.
    Os {
        errno: i32,
        offset: Option<u64>,
    },
    Status(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What became of one file.
#[derive(Debug)]
pub struct Row {
    /// Of the task: the first one submitted has 0.
    pub index: u64,
    pub outcome: Result<Vec<u8>, Failure>,
    /// Bytes hashed.
    pub bytes: u64,
    /// From opening to the end.
    pub elapsed: Duration,
}

/// What a job has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files done, those that failed included.
    pub files: u64,
    /// Bytes hashed, of files still in work too.
    pub bytes: u64,
    /// The most bytes that were mapped at once.
    pub most_mapped: usize,
}

/// A job. Any thread may use it; dropping it cancels it.
pub struct Digests {
    pool: Arc<Pool>,
    generation: u64,
}

impl Digests {
    /// # Errors
    /// A setting is out of its range, or too many files are open.
    pub fn new(settings: Settings) -> Outcome<Self> {
        let Settings { workers, mapped, piece, .. } = settings;
        if workers == 0 || workers > MOST_WORKERS {
            return Err(Status::usage(format!("workers is {workers}; it must be in 1 to {MOST_WORKERS}")));
        }
        let least = if mapped { window::page() } else { 1024 };
        let piece = piece.unwrap_or_else(|| piece::fitting(mapped, workers));
        if !subtrees::is_piece(piece as u64) || piece < least || piece > MOST_MAPPED {
            let range = format!("a power of two in {least} to {MOST_MAPPED}");
            return Err(Status::usage(format!("piece is {piece} bytes; it must be {range}")));
        }
        let bell = || EventFd::new().map_err(|e| Status::Internal(format!("no eventfd for a job: {e}")));
        let pool = Arc::new(Pool::new(settings, piece, bell()?, bell()?));
        Ok(Self { pool, generation: fork::generation() })
    }

    /// Whether this process started the job; a forked child has none of its threads.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    fn ours(&self) -> Outcome<&Arc<Pool>> {
        if self.is_ours() { Ok(&self.pool) } else { Err(Status::Closed("the job belongs to a parent process")) }
    }

    /// Hands in files. How many may be under way is the caller's to say: nothing waits here.
    ///
    /// # Errors
    /// The job was cancelled or closed, or no thread can be started.
    pub fn submit(&self, tasks: Vec<Task>) -> Outcome<()> {
        self.ours()?.submit(tasks)
    }

    /// Takes up to `most` results, waiting until there is one but not for longer than `wait`. Once there is one it waits
    /// for a burst of them, a millisecond at most: each waking costs as much as hashing a small file.
    ///
    /// # Errors
    /// The job was cancelled or closed.
    pub fn take(&self, most: usize, wait: Duration) -> Outcome<Vec<Row>> {
        self.ours()?.take(most, wait)
    }

    /// A descriptor that is readable when results have come since [`Self::take`] was called last.
    pub fn bell(&self) -> RawFd {
        self.pool.bell.fd()
    }

    /// Has the bell rung for results from now on.
    pub fn listen(&self) {
        self.pool.listen();
    }

    pub fn silence(&self) {
        self.pool.bell.silence();
    }

    pub fn progress(&self) -> Progress {
        self.pool.progress()
    }

    /// Gives up what is not done: a thread ends with the piece that it is at.
    pub fn cancel(&self) {
        if self.is_ours() {
            self.pool.stop();
        }
    }

    /// After cancelling: waits for the threads to end, but not for longer than `wait`; whether they have.
    pub fn wait_ended(&self, wait: Duration) -> bool {
        !self.is_ours() || self.pool.wait_ended(wait)
    }
}

impl Drop for Digests {
    fn drop(&mut self) {
        self.cancel();
    }
}
