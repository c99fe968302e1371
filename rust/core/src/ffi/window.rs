//! A stretch of a file mapped for reading.
//!
//! Whoever shortens the file meanwhile kills this process: the kernel answers a touch of a page that is gone with SIGBUS,
//! which nobody can handle well in a library. Hence mapping is the caller's choice, and never the default.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Bytes of a file in memory, unmapped when dropped.
pub struct Window {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it, and nobody writes through this one.
unsafe impl Send for Window {}

/// Bytes of a page; offsets of windows are multiples of it.
pub fn page() -> usize {
    // SAFETY: no pointers are passed.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

impl Window {
    /// Maps `len` bytes at `offset` and has the kernel bring them in, at once for all pages.
    ///
    /// # Errors
    /// The file cannot be mapped, ends before the window does, or cannot be read. Reading it tells which.
    pub fn map(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the kernel chooses an address where nothing is; a wrong length, offset or file makes the call fail.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset)
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(address) = NonNull::new(address.cast()) else { return Err(io::ErrorKind::OutOfMemory.into()) };
        let window = Self { address, len };
        // SAFETY: advice about our own mapping of `len` bytes; it changes no contents.
        let outcome = unsafe { libc::madvise(address.as_ptr().cast(), len, libc::MADV_POPULATE_READ) };
        match io::Error::last_os_error() {
            // Kernels before 5.14 do not know this advice: then each page comes in when it is touched.
            error if outcome != 0 && error.raw_os_error() != Some(libc::EINVAL) => Err(error),
            _ => Ok(window),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has this length and lives as long as `self`. Nothing stops another process from writing to
        // the file: the digest is then of no single state of it in practice, and undefined in theory, as for any memory
        // that is borrowed from Python. What is read here is only ever hashed.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: our own mapping, whole, and nobody can hold a slice of it any more.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_the_files_bytes_and_none_beyond_its_end() {
        let path = std::env::temp_dir().join(format!("acrypto-window-{}", std::process::id()));
        std::fs::write(&path, vec![7; 2 * page()]).unwrap();
        let file = File::open(&path).unwrap();
        assert!(Window::map(&file, page() as u64, page()).unwrap().bytes().iter().all(|byte| *byte == 7));
        assert!(Window::map(&file, 1, 1).is_err());
        assert!(Window::map(&file, 0, 4 * page()).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
