//! Opening and reading what is to be hashed.

use super::Failure;
use super::pool::Pool;
use crate::copies::{self, Place};
use crate::ffi::descriptor::{duplicate, read_in_order, wait};
use crate::status::Status;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// What to hash: a file by its path, or an open one from where it stands to its end.
#[derive(Debug)]
pub enum Input {
    Path(PathBuf),
    Open(OwnedFd),
    /// An open file that could not be had, with the error number: a failure of this file and of no other.
    Lost(i32),
}

impl Input {
    /// The open file that the caller's number stands for; it shares the position in the file.
    pub fn descriptor(fd: RawFd) -> Self {
        match duplicate(fd) {
            Ok(copy) => Self::Open(copy),
            Err(error) => Self::Lost(error.raw_os_error().unwrap_or(libc::EBADF)),
        }
    }
}

/// An open file.
pub struct Source {
    file: File,
    /// Where in the file its first byte for us is.
    pub start: u64,
    /// Bytes of a regular file when it was opened; what has no size is read in order, as it comes.
    pub size: Option<u64>,
}

fn failed(error: &io::Error, offset: Option<u64>) -> Failure {
    match error.raw_os_error() {
        Some(errno) => Failure::Os { errno, offset },
        None => match error.kind() {
            // A path with a zero byte in it: no file has such a name.
            io::ErrorKind::InvalidInput => Failure::Os { errno: libc::EINVAL, offset },
            kind => Failure::Status(Status::Internal(format!("reading failed: {kind}"))),
        },
    }
}

impl Source {
    pub fn open(input: Input) -> Result<Self, Failure> {
        Self::opened(input).map_err(|error| failed(&error, None))
    }

    fn opened(input: Input) -> io::Result<Self> {
        let mut file = match input {
            // Without blocking: a FIFO whose writer never comes must not keep us from being cancelled.
            Input::Path(path) => {
                OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?
            }
            Input::Open(descriptor) => File::from(descriptor),
            Input::Lost(errno) => return Err(io::Error::from_raw_os_error(errno)),
        };
        let facts = file.metadata()?;
        if facts.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        if !facts.is_file() {
            return Ok(Self { file, start: 0, size: None });
        }
        let start = file.stream_position()?;
        Ok(Self { file, start, size: Some(facts.len().saturating_sub(start)) })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// That all of it will be read; worth a call to the kernel for large ones.
    pub fn read_in_order(&self) {
        read_in_order(self.file.as_fd());
    }

    /// Fills `space` from `offset`, or up to where the file ends; gives the bytes read. Of regular files.
    pub fn fill(&self, offset: u64, space: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while let Some(rest) = space.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.start + offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => {
                    copies::count_all(Place::Read, count);
                    filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&error, Some(offset + filled as u64))),
            }
        }
        Ok(filled)
    }

    /// Reads on where the last reading ended; 0 at the end. Cancelling the job ends it, too.
    pub fn read(&self, offset: u64, space: &mut [u8], pool: &Pool) -> Result<usize, Failure> {
        loop {
            pool.check()?;
            let fd = self.file.as_fd();
            if self.size.is_none() && wait(fd, false, pool.stopped.as_fd()).map_err(|e| failed(&e, Some(offset)))? {
                continue;
            }
            match (&self.file).read(space) {
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                outcome => {
                    let count = outcome.map_err(|error| failed(&error, Some(offset)))?;
                    copies::count_all(Place::Read, count);
                    return Ok(count);
                }
            }
        }
    }

    /// Has [`Self::read`] go on at an offset. Of regular files.
    pub fn go_to(&self, offset: u64) -> Result<(), Failure> {
        let sought = (&self.file).seek(SeekFrom::Start(self.start + offset));
        sought.map(|_| ()).map_err(|error| failed(&error, Some(offset)))
    }
}
