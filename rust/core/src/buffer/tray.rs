//! One piece of memory for all results of a batch: the caller's, or the pool's.
//!
//! In slots each result has a place of its own, which engines that give everything back write to directly. Packed, one
//! follows the other, and where one begins is known only when those before it are done: then, and for engines that may
//! keep what they were given, results lie in the pool's memory first and are copied once.

use super::{Output, Pool};
use crate::copies::{self, Place};
use crate::operation::UnitResult;
use crate::status::Status;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Memory whose owner keeps it in place.
struct Area {
    start: *mut u8,
    capacity: usize,
    /// The owner, if it is not the caller.
    _output: Option<Output>,
}

/// See the head of this file.
pub struct Tray {
    /// Not there yet if it is the pool's and packed: nobody knows how much is needed.
    area: OnceLock<Area>,
    /// Bytes from one result to the next; none if packed.
    slot: Option<usize>,
    /// Slots are where results are written; then they follow one another all the same.
    is_dense: bool,
    pool: Arc<Pool>,
    /// Results there will be, and those that have failed already, by index in order.
    num: usize,
    failed: Mutex<Vec<(usize, Status)>>,
    laid: OnceLock<()>,
}

// SAFETY: the area is exclusive memory that its owner keeps in place; it is written through disjoint outputs and then
// once in `lay`, and read only after that.
unsafe impl Send for Tray {}
// SAFETY: as above; `lay` works for one caller only.
unsafe impl Sync for Tray {}

/// How the results of a batch lie.
pub struct Laid {
    pub tray: Arc<Tray>,
    /// By unit: bytes, or a negative errno.
    pub lengths: Vec<i64>,
    /// By unit: where in the memory it begins.
    pub offsets: Vec<i64>,
    /// Those that failed, by index in order.
    pub errors: Vec<(usize, Status)>,
    /// Where the last result ends.
    pub end: usize,
}

impl Tray {
    /// Memory of the pool; `slot` bytes for each of `num` results, or packed.
    pub fn pooled(pool: &Arc<Pool>, num: usize, slot: Option<usize>) -> Result<Self, Status> {
        let own = Self::empty(pool, num, slot);
        if let Some(slot) = slot {
            let wanted = num.checked_mul(slot).ok_or_else(|| super::no_memory(usize::MAX))?;
            own.take(wanted)?;
        }
        Ok(own)
    }

    /// The caller's memory.
    ///
    /// # Safety
    /// `start..start + capacity` must stay writable and unmoved, and nobody else may touch it, until the operation that
    /// the tray is for is released and every result is laid.
    pub unsafe fn fixed(pool: &Arc<Pool>, start: *mut u8, capacity: usize, num: usize, slot: Option<usize>) -> Self {
        let own = Self::empty(pool, num, slot);
        let _ = own.area.set(Area { start, capacity, _output: None });
        own
    }

    fn empty(pool: &Arc<Pool>, num: usize, slot: Option<usize>) -> Self {
        let (area, laid) = (OnceLock::new(), OnceLock::new());
        Self { area, slot, is_dense: slot.is_none(), pool: Arc::clone(pool), num, failed: Mutex::default(), laid }
    }

    /// Packed in the end, though written in slots: where all results are thought to fill theirs, few have to move.
    pub fn packed(self) -> Self {
        Self { is_dense: true, ..self }
    }

    fn take(&self, wanted: usize) -> Result<(), Status> {
        let mut output = Output::pooled(&self.pool);
        let start = output.exactly(wanted)?.as_mut_ptr();
        let _ = self.area.set(Area { start, capacity: wanted, _output: Some(output) });
        Ok(())
    }

    /// Units that are not there: each fails with its status and is not among the results that are laid.
    pub fn fail(&self, units: Vec<(usize, Status)>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = units;
    }

    /// Where a result may lie; the last slot may be cut short by the end of the memory.
    fn place(&self, index: usize) -> Option<Range<usize>> {
        let (slot, area) = (self.slot?, self.area.get()?);
        let start = index.checked_mul(slot).filter(|start| *start <= area.capacity)?;
        Some(start..start.saturating_add(slot).min(area.capacity))
    }

    /// An output that is one slot.
    ///
    /// # Safety
    /// Each index is asked for once, and the tray lives until the output is dropped, which is before all is laid, or as
    /// a result that is given to [`lay`](Self::lay).
    pub unsafe fn output(&self, index: usize) -> Option<Output> {
        let place = self.place(index)?;
        let start = self.area.get()?.start;
        // SAFETY: the place lies inside the area, which stays as it is as long as the tray; no other slot overlaps it.
        Some(unsafe { Output::fixed(&self.pool, start.add(place.start), place.len()) })
    }

    /// Puts results where they belong, unless they lie there. Works once.
    pub fn lay(self: &Arc<Self>, results: Vec<UnitResult>) -> Option<Laid> {
        self.laid.set(()).ok()?;
        let mut absent = std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
        let mut next_absent = absent.next();
        let mut results = results.into_iter();
        let mut laid = Laid {
            tray: Arc::clone(self),
            lengths: Vec::with_capacity(self.num),
            offsets: Vec::with_capacity(self.num),
            errors: Vec::new(),
            end: 0,
        };
        if self.area.get().is_none() {
            let total =
                results.as_slice().iter().flatten().fold(0usize, |sum, (output, _)| sum.saturating_add(output.len()));
            // Without memory every result is one that does not fit.
            let _ = self.take(total);
        }
        for index in 0..self.num {
            let result = match next_absent.take_if(|(absent, _)| *absent == index) {
                Some((_, status)) => {
                    next_absent = absent.next();
                    Err(status)
                }
                None => results.next().unwrap_or_else(|| Err(Status::Internal("a unit without a result".into()))),
            };
            let at = match self.slot.filter(|_| !self.is_dense) {
                Some(slot) => index.saturating_mul(slot),
                None => laid.end, // never behind its slot, so that those that are still to come are not touched
            };
            let put = result.and_then(|(output, _)| self.put(index, at, &output));
            laid.offsets.push(i64::try_from(at).unwrap_or(i64::MAX));
            match put {
                Ok(len) => {
                    laid.end = at.saturating_add(len);
                    laid.lengths.push(i64::try_from(len).unwrap_or(i64::MAX));
                }
                Err(status) => {
                    laid.lengths.push(-i64::from(status.errno()));
                    laid.errors.push((index, status));
                }
            }
        }
        Some(laid)
    }

    fn put(&self, index: usize, at: usize, output: &Output) -> Result<usize, Status> {
        let (bytes, area) = (output.as_slice(), self.area.get());
        let room = match (self.slot.filter(|_| !self.is_dense), area) {
            (Some(_), _) => self.place(index).map_or(0, |place| place.len()),
            (None, Some(area)) => area.capacity.saturating_sub(at),
            (None, None) => 0,
        };
        let Some(area) = area.filter(|_| bytes.len() <= room) else {
            return Err(Status::OutputTooSmall { capacity: room });
        };
        // SAFETY: `at` and the bytes behind it lie inside the area: `room` was counted from there.
        let to = unsafe { area.start.add(at) };
        if bytes.as_ptr() != to.cast_const() && !bytes.is_empty() {
            // SAFETY: as above, and `bytes` are the pool's, or another slot of nobody's; `copy` allows any overlap.
            unsafe { std::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
            copies::count(Place::Aside, bytes.len());
        }
        Ok(bytes.len())
    }

    /// The first `len` bytes, once all results are laid; nothing before, nor of the caller's own memory.
    pub fn bytes(&self, len: usize) -> &[u8] {
        match self.area.get() {
            // SAFETY: initialised memory of the pool that `_output` owns; after `lay` nobody writes to it any more.
            Some(area) if self.laid.get().is_some() && area._output.is_some() => unsafe {
                std::slice::from_raw_parts(area.start.cast_const(), len.min(area.capacity))
            },
            _ => &[],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::Facts;

    fn result(pool: &Arc<Pool>, bytes: &[u8]) -> UnitResult {
        let mut output = Output::pooled(pool);
        output.append(bytes).unwrap();
        Ok((output, Facts::default()))
    }

    #[test]
    fn packed_results_follow_one_another_and_failures_take_no_room() {
        let pool = Pool::new(1 << 20);
        let tray = Arc::new(Tray::pooled(&pool, 4, None).unwrap());
        tray.fail(vec![(1, Status::Cancelled)]);
        let results = vec![result(&pool, b"ab"), Err(Status::DeadlineExceeded), result(&pool, b"cde")];
        assert!(tray.bytes(9).is_empty());
        let laid = tray.lay(results).unwrap();
        assert_eq!((laid.offsets.as_slice(), laid.end), ([0, 2, 2, 2].as_slice(), 5));
        assert_eq!((laid.lengths.first(), laid.lengths.last()), (Some(&2), Some(&3)));
        assert_eq!(laid.errors, [(1, Status::Cancelled), (2, Status::DeadlineExceeded)]);
        assert_eq!(tray.bytes(laid.end), b"abcde");
        assert!(tray.lay(Vec::new()).is_none());
    }

    #[test]
    fn what_is_packed_and_was_written_in_slots_moves_up_to_what_is_before_it() {
        let pool = Pool::new(1 << 20);
        let tray = Arc::new(Tray::pooled(&pool, 5, Some(4)).unwrap().packed());
        tray.fail(vec![(0, Status::Cancelled)]);
        let messages = [b"abcd".as_slice(), b"", b"efg", b"hijk"];
        let results = messages.iter().zip(1..).map(|(bytes, index)| {
            // SAFETY: once for each index, and dropped in `lay`.
            let mut output = unsafe { tray.output(index) }.unwrap();
            output.append(bytes)?;
            if bytes.is_empty() { Err(Status::AuthenticationFailed) } else { Ok((output, Facts::default())) }
        });
        let laid = tray.lay(results.collect()).unwrap();
        assert_eq!((laid.offsets.as_slice(), laid.end), ([0, 0, 4, 4, 7].as_slice(), 11));
        assert_eq!(tray.bytes(laid.end), b"abcdefghijk");
    }

    #[test]
    fn what_is_written_in_its_slot_stays_there_and_the_last_slot_may_be_short() {
        let pool = Pool::new(1 << 20);
        let mut memory = [9u8; 10];
        // SAFETY: `memory` outlives the tray and is not touched before the assertions.
        let tray = Arc::new(unsafe { Tray::fixed(&pool, memory.as_mut_ptr(), 10, 3, Some(4)) });
        let results = (0..3)
            .map(|index| {
                // SAFETY: once for each index, and dropped in `lay`.
                let mut output = unsafe { tray.output(index) }.unwrap();
                assert_eq!(output.capacity(), if index == 2 { 2 } else { 4 });
                output.append(b"xy")?;
                Ok((output, Facts::default()))
            })
            .collect();
        let laid = tray.lay(results).unwrap();
        assert_eq!((laid.offsets, laid.lengths, laid.end), (vec![0, 4, 8], vec![2; 3], 10));
        drop(tray);
        assert_eq!(&memory, b"xy\x09\x09xy\x09\x09xy");
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_room_there_was() {
        let pool = Pool::new(1 << 20);
        let mut memory = [0u8; 5];
        for (slot, expected) in [(None, [(1, 2)].as_slice()), (Some(3), &[(0, 3), (1, 2)])] {
            let long: &[u8] = if slot.is_none() { b"abc" } else { b"abcd" };
            // SAFETY: as above.
            let tray = Arc::new(unsafe { Tray::fixed(&pool, memory.as_mut_ptr(), 5, 2, slot) });
            let laid = tray.lay(vec![result(&pool, long), result(&pool, b"def")]).unwrap();
            let told: Vec<_> =
                expected.iter().map(|(at, capacity)| (*at, Status::OutputTooSmall { capacity: *capacity })).collect();
            assert_eq!(laid.errors, told);
        }
    }
}
