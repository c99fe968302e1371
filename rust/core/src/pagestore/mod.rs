//! A compressed page store, like zswap and zram: pages of one size by key, in memory up to a budget, then in a file.
//!
//! ```text
//!  put ── one word again and again? ── kept as that word
//!   │ no
//!   ├─ batches of 8 ── a layer's transform (any engine, its balancer, its second tries)
//!   │                        │
//!   │              smaller?  ├─ yes: copied to a slab          budget reached: the page used least recently
//!   │                        └─ no, or failed: kept as it is   goes to the file, with a CRC-64, or it stays
//!   ▼
//!  get ── copied out of the slab (or read from the file, and checked) ── batches of 8 ── decompressed
//! ```
//!
//! `pool` holds the pages, `job` takes a put or get through the layer, here or on a device's threads.

use crate::layer::{Bound, Layer};
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

mod flight;
mod job;
mod pool;
mod slabs;
mod spill;
mod statistics;
mod table;

pub use flight::Report;
pub use job::Done;
pub use job::{Job, Lane};
use pool::Pool;
use spill::Spill;
pub use statistics::Rows;
pub use table::Key;

/// What a store is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of a page: a power of two.
    pub page: usize,
    /// Most bytes of memory, tables and all.
    pub max_bytes: u64,
    /// Pages that go to the compressor together.
    pub batch: usize,
    /// A file, and its most bytes.
    pub file: Option<(PathBuf, u64)>,
}

/// Page sizes that there may be.
const SIZES: std::ops::RangeInclusive<usize> = 512..=1 << 20;

/// Pages that may go to the compressor together.
const BATCHES: std::ops::RangeInclusive<usize> = 1..=1024;

/// The most bytes of memory or of the file: 16 TiB, so that numbers of slabs have room in their type.
pub const MOST_BYTES: u64 = 1 << 44;

/// How often the lock is tried before who wants it sleeps: for about 20 us.
const LOOKS: u32 = 50;

type Errand = Box<dyn FnOnce() + Send>;

/// See the head of this file. Shareable between threads.
pub struct Store {
    layer: Arc<Layer>,
    bound: Arc<Bound>,
    page: usize,
    batch: usize,
    pool: Mutex<Pool>,
    /// To the thread that reads the file for who must not wait for it.
    reader: Mutex<Option<Sender<Errand>>>,
}

impl Store {
    pub fn open(layer: Arc<Layer>, bound: Arc<Bound>, settings: Settings) -> Outcome<Arc<Self>> {
        let Settings { page, max_bytes, batch, file } = settings;
        if !SIZES.contains(&page) || !page.is_power_of_two() {
            let told =
                format!("page_size is {page}; it must be a power of two from {} to {}", SIZES.start(), SIZES.end());
            return Err(Status::Usage(told));
        }
        if !BATCHES.contains(&batch) {
            let told = format!("batch is {batch} pages; it must be from {} to {}", BATCHES.start(), BATCHES.end());
            return Err(Status::Usage(told));
        }
        let least = (page * slabs::PAGES * 4 + (64 << 10)) as u64;
        if !(least..=MOST_BYTES).contains(&max_bytes) {
            return Err(Status::Usage(format!(
                "max_bytes is {max_bytes}; for pages of {page} it must be from {least} to {MOST_BYTES}"
            )));
        }
        if let Some((_, most)) = &file
            && !(1..=MOST_BYTES).contains(most)
        {
            return Err(Status::Usage(format!("writeback_bytes is {most}; it must be from 1 to {MOST_BYTES}")));
        }
        let spill = file.map(|(path, most)| Spill::open(&path, page, most)).transpose()?;
        let pool = Mutex::new(Pool::new(page, max_bytes, spill));
        Ok(Arc::new(Self { layer, bound, page, batch, pool, reader: Mutex::default() }))
    }

    /// Who is in there is out soon, and being put to sleep and woken costs more than looking for that long.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        for _ in 0..LOOKS {
            match self.pool.try_lock() {
                Ok(pool) => return pool,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => (0..16).for_each(|_| std::hint::spin_loop()),
            }
        }
        lock(&self.pool)
    }

    pub fn page(&self) -> usize {
        self.page
    }

    pub fn layer(&self) -> &Arc<Layer> {
        &self.layer
    }

    /// Forgets pages; how many there were.
    pub fn invalidate(&self, keys: &[Key]) -> usize {
        let mut pool = self.pool();
        keys.iter().filter(|key| pool.invalidate(**key)).count()
    }

    /// Forgets every page, or all of one area; how many there were.
    pub fn clear(&self, area: Option<u32>) -> usize {
        let mut pool = self.pool();
        let keys = pool.keys();
        keys.into_iter().filter(|key| area.is_none_or(|area| area == key.area) && pool.invalidate(*key)).count()
    }

    /// Writes the so many pages back whose last use is longest ago; how many were. What cannot be written stays.
    pub fn write_back(&self, most: usize) -> Outcome<usize> {
        for done in 0..most {
            let mut pool = self.pool();
            if pool.oldest_first(1).is_empty() {
                return Ok(done);
            }
            pool.write_back()?;
        }
        Ok(most)
    }

    /// Moves pages together until no slab more can be freed; how many were.
    pub fn compact(&self) -> usize {
        let mut freed = 0;
        while self.pool().compact() {
            freed += 1;
        }
        freed
    }

    /// Forgets every page, and removes the file. What comes later is refused.
    pub fn close(&self) {
        self.pool().close();
        lock(&self.reader).take();
    }

    pub fn has(&self, key: Key) -> bool {
        self.pool().has(key)
    }

    pub fn len(&self) -> usize {
        self.pool().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn keys(&self) -> Vec<Key> {
        self.pool().keys()
    }

    /// Pages in memory from the one whose last use is longest ago, at most so many.
    pub fn oldest_first(&self, most: usize) -> Vec<Key> {
        self.pool().oldest_first(most)
    }

    pub fn statistics(&self) -> Rows {
        self.pool().statistics()
    }

    /// Whether one of these pages must be read from the file.
    pub fn must_read(&self, keys: &[Key]) -> bool {
        let pool = self.pool();
        keys.iter().any(|key| pool.is_out(*key))
    }

    /// Runs something on the thread that may wait for the file, started now if there is none; here if it cannot be.
    pub fn run_aside(&self, errand: impl FnOnce() + Send + 'static) {
        let mut reader = lock(&self.reader);
        if reader.is_none() {
            let (sender, receiver) = channel::<Errand>();
            let thread = std::thread::Builder::new().name("acrypto/pages".into());
            if thread.spawn(move || receiver.iter().for_each(|errand| errand())).is_ok() {
                *reader = Some(sender);
            }
        }
        let errand: Errand = Box::new(errand);
        let left = match &*reader {
            Some(sender) => sender.send(errand).err().map(|refused| refused.0),
            None => Some(errand),
        };
        drop(reader);
        if let Some(errand) = left {
            errand();
        }
    }
}
