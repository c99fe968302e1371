//! The file that pages are written back to: bounded, and never believed.
//!
//! Records lie at the places of a [`Slabs`] without memory. Each is what the pool held, compressed or not; its CRC-64 (over
//! key and bytes, so that a record of another page is found out, too) stays in memory. Nothing in the file outlives the
//! store: the file is removed when it is closed, unless another is there by then.
//!
//! Directories for such files are often everybody's, so whoever may write there may have put something there before:
//! nothing but a regular file of this user's with this one name is taken, and no link is followed.

use super::slabs::{Slabs, Spot};
use super::table::Key;
use crate::ffi::user;
use crate::fork;
use crate::status::{Outcome, Status};
use crc_fast::{CrcAlgorithm, Digest};
use std::fs::{File, OpenOptions, Permissions, TryLockError, remove_file};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

/// See the head of this file.
pub struct Spill {
    file: Arc<File>,
    /// Absolute, since the process may go elsewhere meanwhile.
    path: PathBuf,
    /// The device and inode of the file.
    identity: (u64, u64),
    most: u64,
    generation: u64,
    pub slabs: Slabs,
}

/// The checksum of what is written for a page.
pub fn check(key: Key, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&key.area.to_le_bytes());
    digest.update(&key.offset.to_le_bytes());
    digest.update(bytes);
    digest.finalize()
}

fn failed(path: &Path, error: &io::Error) -> Status {
    Status::Engine { engine: "writeback".into(), what: format!("{}: {error}", path.display()) }
}

/// Who may read and write the file: its owner.
const MODE: u32 = 0o600;

/// Opens what is there, or makes a file; what was opened is not yet known to be one that may be written to.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads is not waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    options.read(true).write(true).mode(MODE).custom_flags(flags);
    match options.open(path) {
        // What another puts there meanwhile is not taken.
        Err(error) if error.kind() == io::ErrorKind::NotFound => options.create_new(true).open(path),
        other => other,
    }
}

impl Spill {
    /// Opens a file for at most `most` bytes; what was in it is gone. Nobody else may have it open for this.
    pub fn open(path: &Path, page: usize, most: u64) -> Outcome<Self> {
        let path = absolute(path).map_err(|error| failed(path, &error))?;
        let told = |error: io::Error| failed(&path, &error);
        let refused = |what: &str| Err(Status::Usage(format!("{} {what}", path.display())));
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return refused("is a symbolic link; a writeback file is a regular file");
            }
            // A directory cannot be written to, a socket not be opened.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EISDIR | libc::ENXIO)) => {
                return refused("is no regular file; a writeback file is");
            }
            Err(error) => return Err(told(error)),
        };
        let facts = file.metadata().map_err(told)?;
        if !facts.is_file() {
            return refused("is no regular file; a writeback file is");
        }
        let ours = user::effective();
        if facts.uid() != ours {
            return refused(&format!(
                "belongs to user {}; a writeback file belongs to the caller, {ours}",
                facts.uid()
            ));
        }
        if facts.nlink() > 1 {
            return refused(&format!("has {} names; a writeback file has one", facts.nlink()));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return refused("is the writeback file of another store"),
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        file.set_permissions(Permissions::from_mode(MODE)).map_err(told)?;
        file.set_len(0).map_err(told)?;
        let slabs = Slabs::new(page, most, false);
        let identity = (facts.dev(), facts.ino());
        Ok(Self { file: Arc::new(file), path, identity, most, generation: fork::generation(), slabs })
    }

    /// Whether the file is still what its path names.
    fn is_there(&self) -> bool {
        let facts = self.path.symlink_metadata();
        facts.is_ok_and(|facts| (facts.dev(), facts.ino()) == self.identity)
    }

    /// Whether the bound leaves room for a record.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.slabs.end_with(bytes) <= self.most
    }

    /// Writes a record; nothing is taken if that fails.
    pub fn write(&mut self, owner: u32, bytes: &[u8]) -> Outcome<Spot> {
        if !self.has_room(bytes.len()) {
            let told = format!("{} is full: {} bytes at most", self.path.display(), self.most);
            return Err(Status::QueueFull(told));
        }
        let spot = self.slabs.take(bytes.len(), owner)?;
        if let Err(error) = self.file.write_all_at(bytes, self.slabs.offset(spot)) {
            self.slabs.give(spot);
            return Err(failed(&self.path, &error));
        }
        Ok(spot)
    }

    /// What is needed to read a record without the store's lock.
    pub fn reading(&self, spot: Spot) -> (Arc<File>, u64) {
        (Arc::clone(&self.file), self.slabs.offset(spot))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // A forked child's copy of the store is not who opened it.
        if self.generation == fork::generation() && self.is_there() {
            let _ = remove_file(&self.path); // whoever removed it before has done what we want
        }
    }
}
