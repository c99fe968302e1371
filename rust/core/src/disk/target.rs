//! The file that is read or written: a descriptor of our own, and what kind of thing it is.
//!
//! The descriptor is a duplicate, so that the caller may close theirs, and its number be given to another file, while
//! the kernel still works for us. The open file behind it is shared: position, and the flag for direct I/O.

use crate::ffi::descriptor;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};

/// Devices that never wait, by major and minor number: null, zero, full, random, urandom.
const AT_ONCE: [(u32, u32); 5] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)];

/// How bytes get to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// At any offset, several at once: files and block devices.
    Offsets,
    /// In order, and a transfer may have to wait for the other side: pipes, sockets, terminals.
    Waits,
    /// In order: files opened for appending.
    InOrder,
    /// In order, and not worth a thread: `/dev/null`, `/dev/zero` and the like.
    AtOnce,
}

/// See the head of this file.
pub(super) struct Target {
    pub file: File,
    pub access: Access,
    direct: AtomicBool,
    /// Whether we set the flag, and so take it away again.
    flagged: AtomicBool,
}

impl Target {
    /// Looks at what `fd` is.
    pub fn open(fd: RawFd, writes: bool) -> io::Result<Self> {
        let file = File::from(descriptor::duplicate(fd)?);
        let flags = descriptor::flags(file.as_fd())?;
        let mode = flags & libc::O_ACCMODE;
        if (writes && mode == libc::O_RDONLY) || (!writes && mode == libc::O_WRONLY) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        let facts = file.metadata()?;
        let kind = facts.file_type();
        if kind.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        let access = if kind.is_file() || kind.is_block_device() {
            if writes && flags & libc::O_APPEND != 0 { Access::InOrder } else { Access::Offsets }
        } else if kind.is_char_device() && AT_ONCE.contains(&(libc::major(facts.rdev()), libc::minor(facts.rdev()))) {
            Access::AtOnce
        } else {
            Access::Waits
        };
        let direct = flags & libc::O_DIRECT != 0 && access == Access::Offsets;
        Ok(Self { file, access, direct: AtomicBool::new(direct), flagged: AtomicBool::new(false) })
    }

    /// Bytes in it, as far as it tells; it may change at any time.
    pub fn size(&self) -> u64 {
        match self.file.metadata() {
            Ok(facts) if facts.file_type().is_file() => facts.len(),
            _ => u64::MAX,
        }
    }

    /// Where its descriptor stands.
    pub fn stands(&self) -> io::Result<u64> {
        (&self.file).stream_position()
    }

    /// Moves the descriptor, for whoever uses it next.
    pub fn stand(&self, at: u64) -> io::Result<()> {
        (&self.file).seek(SeekFrom::Start(at)).map(drop)
    }

    /// Whether I/O passes the page cache by.
    pub fn is_direct(&self) -> bool {
        self.direct.load(Ordering::Relaxed)
    }

    /// Asks for direct I/O, or ends it; tells whether it is as asked now.
    pub fn set_direct(&self, on: bool) -> bool {
        if self.access != Access::Offsets {
            return !on;
        }
        if self.is_direct() != on {
            if descriptor::set_direct(self.file.as_fd(), on).is_err() {
                return false;
            }
            self.direct.store(on, Ordering::Relaxed);
            self.flagged.fetch_xor(true, Ordering::Relaxed);
        }
        true
    }

    /// Gives the open file the flags back that it had.
    pub fn restore(&self) {
        if self.flagged.load(Ordering::Relaxed) {
            self.set_direct(!self.is_direct());
        }
    }
}
