//! What the standard library does not do with file descriptors: wait for one of two, copy a number, give advice.

use super::eventfd::EventFd;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A descriptor of our own for what the caller's number `fd` stands for; both share the position in the file.
///
/// # Errors
/// The number stands for nothing, or too many files are open.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; a number that stands for nothing is an error.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Tells the kernel that the file will be read from its start to its end; that is advice, so it cannot fail.
pub fn read_in_order(file: &File) {
    // SAFETY: no pointers are passed.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
}

/// Waits until `file` has something to read, its end included, or `stop` rings; whether it was not `stop`.
///
/// # Errors
/// The kernel cannot wait.
pub fn wait_readable(file: &File, stop: &EventFd) -> io::Result<bool> {
    let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut both = [entry(file.as_raw_fd()), entry(stop.fd())];
    loop {
        // SAFETY: two entries on our own stack, and the count says two.
        let outcome = unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
        if outcome > 0 {
            return Ok(both[1].revents == 0);
        }
        let error = io::Error::last_os_error();
        if outcome < 0 && error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
