//! The word to stop, which may come from any thread while others wait.

use crate::ffi::eventfd::EventFd;
use crate::fork;
use crate::ring::Bell;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Said once; whoever waits for a file waits for its bell too.
pub(super) struct Stop {
    said: AtomicBool,
    bell: EventFd,
    generation: u64,
}

impl Stop {
    /// # Errors
    /// Too many files are open.
    pub fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { said: AtomicBool::new(false), bell: EventFd::new()?, generation: fork::generation() }))
    }

    pub fn stop(&self) {
        self.said.store(true, Ordering::SeqCst);
        // A forked child has its own word, but the bell is its parent's too, which nobody would silence.
        if self.generation == fork::generation() {
            self.bell.ring();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.said.load(Ordering::SeqCst)
    }

    /// Readable from then on.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
