//! Disk I/O of pipelines: pieces read ahead and written behind, in order, in bounded memory.
//!
//! [`Reader`] keeps some transfers in flight and gives their pieces in order; [`Writer`] borrows what it is given until
//! it is written. Both stand on a *carrier*, which runs transfers, each between memory and a range of a file, and which
//! owns that memory meanwhile: nobody can free or reuse what the kernel still writes to. Two carriers exist: `uring`,
//! and `threads` where there is no io_uring (old kernels, containers that forbid it) and for pipes and their like.
//!
//! Pieces are memory of the layer's pool, which begins on a page; all offsets but the tail's are page multiples, since
//! no transfer ends within a page unless the data do. (A loop over `read` drifts: one call moves at most 2 GiB less
//! *one page*, and whoever asks for 2 GiB less one byte is 4095 bytes off for good.)
//!
//! Rejected: mapping files, which turns a failing disk into SIGBUS and a truncated file likewise; an async runtime,
//! which would bring its own scheduler to a loop of one file; `splice`, which avoids copies of bytes that nobody looks
//! at, but ours are compressed or encrypted on their way; signals to interrupt blocked threads, which a library must
//! not do to its host.

mod job;
mod reader;
mod stop;
mod target;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod threads;
mod uring;
mod writer;

pub use job::Loan;
pub use reader::{Reader, Reading};
pub use writer::{Spent, Writer, Writing};

use crate::fork;
use crate::status::Status;
use job::Carrier;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use target::{Access, Target};
use threads::Threads;

/// Which carrier runs the transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// io_uring where the kernel allows it and the file has offsets, else threads.
    #[default]
    Auto,
    /// io_uring; an error where it cannot be had. What has no offsets goes through a thread all the same.
    Uring,
    Threads,
}

/// Why there is no piece, or no more room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The system's number, and how far into the file.
    System { errno: i32, offset: u64 },
    /// Ours.
    Status(Status),
}

impl Trouble {
    fn at(error: &io::Error, offset: u64) -> Self {
        Self::System { errno: error.raw_os_error().unwrap_or(libc::EIO), offset }
    }
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

const CANCELLED: Status = Status::Closed("reading or writing was cancelled, or closed");

/// What a look, which lasts no longer than it was allowed to, has found.
#[derive(Debug)]
pub enum Look<T> {
    Is(T),
    /// Nothing in that time, or until a signal came; look again.
    Later,
}

/// Threads for transfers at offsets: more only help where each waits for the disk.
const CACHED: usize = 1;
const DIRECT: usize = 4;

fn carrier(target: &Arc<Target>, stop: &Arc<Stop>, via: Via, depth: usize) -> io::Result<Box<dyn Carrier>> {
    let (target, stop) = (Arc::clone(target), Arc::clone(stop));
    let threads = match target.access {
        Access::AtOnce => 0,
        Access::InOrder | Access::Waits => 1,
        Access::Offsets => {
            if via != Via::Threads {
                match uring::Uring::new(Arc::clone(&target), Arc::clone(&stop), depth) {
                    Ok(uring) => return Ok(Box::new(uring)),
                    Err(error) if via == Via::Uring => return Err(error),
                    Err(_) => {}
                }
            }
            if target.is_direct() { DIRECT } else { CACHED }
        }
    };
    Ok(Box::new(Threads::new(target, stop, threads.min(depth))))
}

/// Waits, at each transfer no longer than `time`, until nothing is in flight; then the descriptor is as it was.
fn withdrawn(carrier: &mut dyn Carrier, target: &Target, time: Duration) -> Look<()> {
    while carrier.in_flight() > 0 {
        if carrier.wait(time).is_none() {
            return Look::Later;
        }
    }
    target.restore();
    Look::Is(())
}

/// A state that its process alone may touch: after a fork there are neither its threads nor the kernel's end of it.
struct Ours<T> {
    inner: std::sync::Mutex<Option<T>>,
    generation: u64,
}

impl<T> Ours<T> {
    fn new(inner: T) -> Self {
        Self { inner: std::sync::Mutex::new(Some(inner)), generation: fork::generation() }
    }

    /// Before the lock is taken, which a thread may hold that does not exist here.
    fn with<R>(&self, work: impl FnOnce(&mut Option<T>) -> Result<R, Trouble>) -> Result<R, Trouble> {
        if self.generation != fork::generation() {
            return Err(Status::Closed("it belongs to the parent of this forked process").into());
        }
        work(&mut crate::sync::lock_std(&self.inner))
    }
}

impl<T> Drop for Ours<T> {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // The parent's kernel work goes on in the parent's memory; this copy of it is left alone.
            std::mem::forget(self.inner.get_mut().map(Option::take));
        }
    }
}
