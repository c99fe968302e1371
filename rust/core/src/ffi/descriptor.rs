//! What the standard library does not offer on file descriptors: waiting that can be woken, reads and writes that never
//! wait, and the flag for I/O past the page cache.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Bytes of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no pointers are passed.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A descriptor of our own for the same open file, closed on exec. Any number may be asked about.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; a number that is no descriptor is an error.
    let own = checked(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(own) })
}

/// The flags of the open file: `O_APPEND`, `O_DIRECT` ...
pub fn flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: no pointers are passed.
    checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })
}

/// Lets I/O pass the page cache by, or not; fails where the file system cannot.
pub fn set_direct(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let now = flags(fd)?;
    let wanted = if on { now | libc::O_DIRECT } else { now & !libc::O_DIRECT };
    // SAFETY: no pointers are passed.
    checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, wanted) }).map(drop)
}

/// Tells the kernel that the file will be read from its start to its end; that is advice, so it cannot fail.
pub fn read_in_order(fd: BorrowedFd<'_>) {
    // SAFETY: no pointers are passed.
    unsafe { libc::posix_fadvise(fd.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
}

/// Waits until `fd` can be read (or written) without waiting, or `wake` can be read. True if it was `wake`.
pub fn wait(fd: BorrowedFd<'_>, writes: bool, wake: BorrowedFd<'_>) -> io::Result<bool> {
    let events = if writes { libc::POLLOUT } else { libc::POLLIN };
    let mut both = [
        libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 },
        libc::pollfd { fd: wake.as_raw_fd(), events: libc::POLLIN, revents: 0 },
    ];
    loop {
        // SAFETY: two valid entries on our own stack.
        match checked(unsafe { libc::poll(both.as_mut_ptr(), 2, -1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(both.last().is_some_and(|entry| entry.revents != 0)),
        }
    }
}

/// Bytes that a pipe takes without waiting once it can be written at all.
const ATOMIC: usize = libc::PIPE_BUF;

fn moved(count: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Whether this kind of file does not know how not to wait.
fn cannot(result: &io::Result<usize>) -> bool {
    let code = result.as_ref().err().and_then(io::Error::raw_os_error);
    matches!(code, Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ESPIPE))
}

/// Reads what is there; an error of the kind `WouldBlock` if nothing is, or if that cannot be known before [`wait`] has
/// told: `is_ready`.
pub fn read_now(fd: BorrowedFd<'_>, space: &mut [u8], is_ready: bool) -> io::Result<usize> {
    let part = libc::iovec { iov_base: space.as_mut_ptr().cast(), iov_len: space.len() };
    // SAFETY: one part, which is `space`, writable and exclusive during the call. The offset -1 is "where it stands".
    let result = moved(unsafe { libc::preadv2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) });
    if !cannot(&result) {
        return result;
    }
    if !is_ready {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // SAFETY: `space` is writable and exclusive during the call. It waits only if somebody else reads meanwhile.
    moved(unsafe { libc::read(fd.as_raw_fd(), space.as_mut_ptr().cast(), space.len()) })
}

/// Writes as much as fits; an error as [`read_now`] gives it.
pub fn write_now(fd: BorrowedFd<'_>, bytes: &[u8], is_ready: bool) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: one part, which is `bytes` and only read. The offset -1 is "where it stands".
    let result = moved(unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) });
    if !cannot(&result) {
        return result;
    }
    if !is_ready {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // SAFETY: `bytes` is readable during the call; so few of them a pipe takes without waiting.
    moved(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len().min(ATOMIC)) })
}
