//! `canned-by_n`: one buffer compressed as N parts that a device's engines work on at once.
//!
//! The container is a table of N numbers of 32 bits in the machine's byte order, and behind it N canned bodies. The
//! first number is N; number i is where body i begins, counted from the table's own beginning; body 0 begins right
//! behind the table, and the last ends with the data. (RFC of Linux's driver, 1 May 2024.)
//!
//! Where the RFC gives each part `len / N` bytes and so loses what is left over, here the first `len % N` parts have one
//! byte more: nothing is lost, whatever divides gives the very same container, and a result buffer that is larger than
//! needed has room for every part at its place. Of a container nothing is believed before it has been checked: N before
//! it divides anything, offsets before they cut.

use std::fmt;
use std::ops::Range;

/// The most parts.
pub const MAX_PARTS: usize = 64;
/// Bytes of one number of the table.
pub const ENTRY: usize = 4;

/// What is wrong with a container, or with what one is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// N is not 1 to 64.
    Parts { num: u64 },
    /// The data ends inside the table or right behind it.
    Short { len: usize, needed: usize },
    /// Offset `index` is not above the one before it, or not below the end.
    Offset { index: usize, value: u64, above: u64, below: u64 },
    /// There are fewer bytes than parts, and a part cannot be empty.
    Empty { len: usize, num: usize },
    /// Offsets of 32 bits cannot reach the end.
    Long { len: usize },
    /// The table and the bodies do not fit the buffer.
    Room { capacity: usize, needed: usize },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts { num } => write!(f, "{num} parts; a container has 1 to {MAX_PARTS}"),
            Self::Short { len, needed } => write!(f, "{len} bytes; the table and one byte per part need {needed}"),
            Self::Offset { index, value, above, below } => {
                write!(f, "part {index} begins at {value}; it has to be above {above} and below {below}")
            }
            Self::Empty { len, num } => write!(f, "{len} bytes cannot be split in {num} parts"),
            Self::Long { len } => write!(f, "{len} bytes; a container's offsets have 32 bits"),
            Self::Room { capacity, needed } => write!(f, "{needed} bytes or more do not fit {capacity}"),
        }
    }
}

/// Up to 64 stretches of a buffer, one per part, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    num: usize,
    /// Part i is from entry i to entry i + 1.
    bounds: [usize; MAX_PARTS + 1],
}

impl Parts {
    pub fn num(&self) -> usize {
        self.num
    }

    /// Where part `index` lies; empty beyond the last.
    pub fn get(&self, index: usize) -> Range<usize> {
        match (self.bounds.get(index), self.bounds.get(index + 1)) {
            (Some(start), Some(end)) if index < self.num => *start..*end,
            _ => 0..0,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.num).map(|index| self.get(index))
    }

    fn even(from: usize, len: usize, num: usize) -> Self {
        let (each, more) = (len / num.max(1), len % num.max(1));
        let mut bounds = [from; MAX_PARTS + 1];
        for (index, bound) in bounds.iter_mut().enumerate().take(num + 1) {
            *bound = from + index * each + index.min(more);
        }
        Self { num, bounds }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The algorithm's and the driver's name for `num` parts: `deflate-canned-by_8` and `deflate-iaa-canned-by_8`.
///
/// # Errors
/// There are not that many parts.
pub fn names(num: usize) -> Result<(String, String), Wrong> {
    let num = check(num as u64)?;
    Ok((format!("deflate-canned-by_{num}"), format!("deflate-iaa-canned-by_{num}")))
}

/// `num` as a number of parts.
///
/// # Errors
/// It is not 1 to 64.
pub fn check(num: u64) -> Result<usize, Wrong> {
    match usize::try_from(num) {
        Ok(parts @ 1..=MAX_PARTS) => Ok(parts),
        _ => Err(Wrong::Parts { num }),
    }
}

/// How `len` bytes of source are split for compression.
///
/// # Errors
/// No such number of parts, fewer bytes than parts, or more bytes than offsets can count.
pub fn split(len: usize, num: usize) -> Result<Parts, Wrong> {
    let num = check(num as u64)?;
    if len < num {
        return Err(Wrong::Empty { len, num });
    }
    if u32::try_from(len).is_err() {
        return Err(Wrong::Long { len });
    }
    Ok(Parts::even(0, len, num))
}

/// Where in a destination of `capacity` bytes the bodies are written before [`close`] moves them together.
///
/// # Errors
/// No such number of parts, or no room for the table and a byte per part.
pub fn places(capacity: usize, num: usize) -> Result<Parts, Wrong> {
    let num = check(num as u64)?;
    let table = num * ENTRY;
    if capacity < table + num {
        return Err(Wrong::Room { capacity, needed: table + num });
    }
    Ok(Parts::even(table, (capacity - table).min(u32::MAX as usize - table), num))
}

/// Where in a destination of `capacity` bytes the parts of a container of `num` parts are decompressed to.
///
/// If it is as long as the source was, every part lands where it belongs; if it is longer, [`join`] moves them.
///
/// # Errors
/// No such number of parts.
pub fn room(capacity: usize, num: usize) -> Result<Parts, Wrong> {
    Ok(Parts::even(0, capacity, check(num as u64)?))
}

/// Moves what was written at `places` (of part i, `sizes[i]` bytes) down to `from` on; where it ends.
fn gather(dst: &mut [u8], from: usize, places: &Parts, sizes: &[usize]) -> Result<usize, Wrong> {
    let mut end = from;
    let capacity = dst.len();
    for (index, place) in places.iter().enumerate() {
        let size = sizes.get(index).copied().unwrap_or(0);
        let next = end.saturating_add(size);
        // A device that says that it wrote more than it was given is not believed.
        if size > place.len() || place.end > capacity || end > place.start {
            return Err(Wrong::Room { capacity: place.len(), needed: size });
        }
        if end != place.start {
            dst.copy_within(place.start..place.start + size, end);
        }
        end = next;
    }
    Ok(end)
}

/// Makes a container of the bodies that lie at `places`, of which part i has `sizes[i]` bytes; its length.
///
/// # Errors
/// A size that its place has no room for, or an empty body: then `dst` is of no use.
pub fn close(dst: &mut [u8], places: &Parts, sizes: &[usize]) -> Result<usize, Wrong> {
    let num = places.num();
    if sizes.len() != num {
        return Err(Wrong::Parts { num: sizes.len() as u64 });
    }
    if sizes.contains(&0) {
        return Err(Wrong::Empty { len: 0, num });
    }
    let total = gather(dst, num * ENTRY, places, sizes)?;
    if u32::try_from(total).is_err() {
        return Err(Wrong::Long { len: total });
    }
    let mut offset = num * ENTRY;
    for (index, entry) in dst.chunks_exact_mut(ENTRY).enumerate().take(num) {
        let value = if index == 0 { num } else { offset };
        entry.copy_from_slice(&(value as u32).to_ne_bytes());
        offset += sizes.get(index).copied().unwrap_or(0);
    }
    Ok(total)
}

/// Joins the parts that were decompressed to `room`, of which part i has `sizes[i]` bytes; how many there are.
///
/// # Errors
/// A size that its room is too small for.
pub fn join(dst: &mut [u8], room: &Parts, sizes: &[usize]) -> Result<usize, Wrong> {
    if sizes.len() != room.num() {
        return Err(Wrong::Parts { num: sizes.len() as u64 });
    }
    gather(dst, 0, room, sizes)
}

/// Where the bodies of the container `src` lie.
///
/// Every number is read once, so that memory which changes meanwhile cannot get past the checks.
///
/// # Errors
/// It is not a container: too short for its table, no such number of parts, or offsets that do not ascend inside it.
pub fn parse(src: &[u8]) -> Result<Parts, Wrong> {
    let len = src.len();
    let mut numbers = src.chunks_exact(ENTRY).map(|entry| entry.try_into().map_or(0, u32::from_ne_bytes));
    let num = check(u64::from(numbers.next().ok_or(Wrong::Short { len, needed: ENTRY + 1 })?))?;
    let table = num * ENTRY;
    if len < table + num {
        return Err(Wrong::Short { len, needed: table + num });
    }
    let mut bounds = [len; MAX_PARTS + 1];
    let mut above = table;
    for (index, bound) in bounds.iter_mut().enumerate().take(num) {
        let value = if index == 0 { table } else { numbers.next().map_or(0, |value| value as usize) };
        if index > 0 && (value <= above || value >= len) {
            return Err(Wrong::Offset { index, value: value as u64, above: above as u64, below: len as u64 });
        }
        *bound = value;
        above = value;
    }
    Ok(Parts { num, bounds })
}

#[cfg(test)]
mod tests;
