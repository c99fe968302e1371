//! A Linux eventfd: the bell of an event loop's completion ring.

use crate::ring::Bell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A non-blocking, close-on-exec eventfd.
pub struct EventFd(OwnedFd);

impl EventFd {
    /// # Errors
    /// Whatever the kernel says, usually that too many files are open.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits until one of these rings, or for so long. Which rang is found out by looking.
pub fn wait_any(bells: &[RawFd], timeout: std::time::Duration) {
    let mut all: Vec<libc::pollfd> =
        bells.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array is ours and as long as said. An error (a signal, a descriptor closed meanwhile) ends the wait early.
    unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, ms) };
}

/// Quiets a bell that belongs to somebody else.
pub fn silence(bell: RawFd) {
    let mut count = 0u64;
    // SAFETY: eight writable bytes on our own stack. Nothing to read, or no such descriptor, needs no look.
    unsafe { libc::read(bell, (&raw mut count).cast(), 8) };
}

impl Bell for EventFd {
    fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes on our own stack. The counter cannot overflow: `silence` resets it, and a ring
        // rings once per burst, so the result needs no look.
        unsafe { libc::write(self.fd(), (&raw const one).cast(), 8) };
    }

    fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes on our own stack. Nothing to read is EAGAIN, which is fine.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), 8) };
    }
}
