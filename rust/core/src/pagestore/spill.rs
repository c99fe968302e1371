//! The file that pages are written back to: bounded, and never believed.
//!
//! Records lie at the places of a [`Slabs`] without memory. Each is what the pool held, compressed or not; its CRC-64 (over
//! key and bytes, so that a record of another page is found out, too) stays in memory. Nothing in the file outlives the
//! store: a regular file is removed when it is closed.

use super::slabs::{Slabs, Spot};
use super::table::Key;
use crate::fork;
use crate::status::{Outcome, Status};
use crc_fast::{CrcAlgorithm, Digest};
use std::fs::{File, OpenOptions, TryLockError, remove_file};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the head of this file.
pub struct Spill {
    file: Arc<File>,
    path: PathBuf,
    is_regular: bool,
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

impl Spill {
    /// Opens a file for at most `most` bytes; what was in it is gone. Nobody else may have it open for this.
    pub fn open(path: &Path, page: usize, most: u64) -> Outcome<Self> {
        let told = |error: io::Error| failed(path, &error);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).mode(0o600).open(path).map_err(told)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let told = format!("{} is the writeback file of another store", path.display());
                return Err(Status::Usage(told));
            }
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        let is_regular = file.metadata().map_err(told)?.is_file();
        if is_regular {
            file.set_len(0).map_err(told)?;
        }
        let slabs = Slabs::new(page, most, false);
        let (file, path, generation) = (Arc::new(file), path.into(), fork::generation());
        Ok(Self { file, path, is_regular, most, generation, slabs })
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
        if self.is_regular && self.generation == fork::generation() {
            let _ = remove_file(&self.path); // whoever removed it before has done what we want
        }
    }
}
