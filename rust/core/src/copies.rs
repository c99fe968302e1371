//! How many bytes the core has copied since the process started, by place: what docs and tests say of zero copy.
//!
//! One relaxed addition a copy, and none for copies below [`LEAST`], so that small messages do not pay for being
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Smaller copies are not counted by [`count`].
pub const LEAST: usize = 4096;

/// Why bytes were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// From the kernel to us. Reads that bypass the page cache copy nothing.
    Read,
    /// From us to the kernel; likewise.
    Write,
    /// Segments of a source that had to lie in one piece, or in the output to be changed there.
    Gather,
    /// Made in other memory than the result's, because of a library's or a disk's wishes.
    Aside,
    /// A result that moved to a larger or a smaller buffer.
    Grow,
    /// To a `bytes` object.
    Bytes,
    /// In Python code, as told by it.
    Python,
}

impl Place {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Write, Self::Gather, Self::Aside, Self::Grow, Self::Bytes, Self::Python];

    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Gather => "gather",
            Self::Aside => "aside",
            Self::Grow => "grow",
            Self::Bytes => "bytes",
            Self::Python => "python",
        }
    }

    /// The place of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }
}

static COPIED: [AtomicU64; Place::ALL.len()] = [const { AtomicU64::new(0) }; Place::ALL.len()];

/// Notes a copy that is large enough to matter.
#[inline]
pub fn count(place: Place, nbytes: usize) {
    if nbytes >= LEAST {
        count_all(place, nbytes);
    }
}

/// Notes a copy of any size.
pub fn count_all(place: Place, nbytes: usize) {
    if let Some(copied) = COPIED.get(place as usize) {
        copied.fetch_add(nbytes as u64, Ordering::Relaxed);
    }
}

/// Bytes copied so far, by place.
pub fn copied() -> [(Place, u64); Place::ALL.len()] {
    let load = |place: Place| COPIED.get(place as usize).map_or(0, |copied| copied.load(Ordering::Relaxed));
    Place::ALL.map(|place| (place, load(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_own_name_and_count() {
        for (index, place) in Place::ALL.into_iter().enumerate() {
            assert_eq!((place as usize, Place::named(place.name())), (index, Some(place)));
        }
        let before = copied()[Place::Python as usize].1;
        count(Place::Python, LEAST - 1);
        count(Place::Python, LEAST);
        count_all(Place::Python, 1);
        assert_eq!(copied()[Place::Python as usize].1 - before, LEAST as u64 + 1);
    }
}
