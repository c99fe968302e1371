//! What the codecs share when a whole message lies in memory: gathering segments, fitting a result into the caller's
//! buffer, and an output that grows up to a limit.
//!
//! Scratch memory is thread-local and kept while it is small, so that a page-sized request allocates nothing.

use super::stream::{Decompressor, Step};
use crate::buffer::{Output, Source};
use crate::copies::{self, Place};
use crate::status::{Outcome, Status};
use std::cell::Cell;

/// Scratch larger than this is freed after use.
const KEPT: usize = 4 << 20;

thread_local! {
    static GATHERED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static STAGED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` on the whole message as one slice.
pub fn gathered<R>(source: &Source, work: impl FnOnce(&[u8]) -> R) -> R {
    if let Some(slice) = source.as_slice() {
        return work(slice);
    }
    // Taken, not borrowed: should `work` come back here, it finds an empty vector instead of a panic.
    let mut scratch = GATHERED.take();
    let result = work(source.contiguous(&mut scratch));
    keep(&GATHERED, scratch);
    result
}

/// Runs `work` on scratch memory of `len` bytes, of whatever content.
pub fn staged<R>(len: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut scratch = STAGED.take();
    if scratch.len() < len {
        scratch.resize(len, 0);
    }
    let result = work(scratch.get_mut(..len).unwrap_or(&mut []));
    keep(&STAGED, scratch);
    result
}

fn keep(slot: &'static std::thread::LocalKey<Cell<Vec<u8>>>, scratch: Vec<u8>) {
    if scratch.capacity() <= KEPT {
        slot.set(scratch);
    }
}

/// Puts what `compress` writes into `output`. `bound` bytes always suffice it; `None` says that the space did not.
///
/// Libraries want more space than they end up using. If the caller's buffer is smaller than the bound and refused, the
/// result is made aside and copied, so that whatever fits is accepted.
pub fn fitted(
    output: &mut Output,
    bound: usize,
    mut compress: impl FnMut(&mut [u8]) -> Outcome<Option<usize>>,
) -> Outcome<()> {
    let space = output.space(bound);
    let capacity = space.len();
    let written = match compress(space)? {
        Some(written) => written,
        None if capacity >= bound => {
            return Err(Status::Internal(format!("a compressor wanted more than its bound of {bound} bytes")));
        }
        None => staged(bound, |aside| {
            let too_small = Status::OutputTooSmall { capacity };
            let Some(written) = compress(aside)? else { return Err(too_small) };
            match (output.space(bound).get_mut(..written), aside.get(..written)) {
                (Some(to), Some(from)) => to.copy_from_slice(from),
                _ => return Err(too_small),
            }
            copies::count(Place::Aside, written);
            Ok(written)
        })?,
    };
    output.set_len(written);
    output.shrink();
    Ok(())
}

/// The output of a decompression: grows as needed, up to a limit.
pub struct Room<'a> {
    output: &'a mut Output,
    limit: usize,
    written: usize,
}

impl<'a> Room<'a> {
    /// A room that begins with `guess` bytes and ends with `max_output`.
    pub fn new(output: &'a mut Output, guess: usize, max_output: u64) -> Self {
        let limit = usize::try_from(max_output).unwrap_or(usize::MAX);
        output.space(guess.min(limit));
        Self { output, limit, written: 0 }
    }

    fn end(&self) -> usize {
        self.output.capacity().min(self.limit)
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Bytes that can be written without growing.
    pub fn left(&self) -> usize {
        self.end().saturating_sub(self.written)
    }

    /// The space behind what is written.
    pub fn free(&mut self) -> &mut [u8] {
        let (written, end) = (self.written, self.end());
        self.output.space(0).get_mut(written..end).unwrap_or(&mut [])
    }

    /// Declares the next `count` bytes written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count.min(self.left());
    }

    /// More space: about `total` bytes in all, at least one more than now.
    pub fn grow(&mut self, total: usize) -> Outcome<()> {
        let end = self.end();
        if end >= self.limit {
            return Err(Status::LimitExceeded { limit: self.limit as u64 });
        }
        self.output.grow(total.clamp(end + 1, self.limit), self.written).map(drop)
    }

    /// Space for `count` more bytes.
    pub fn reserve(&mut self, count: usize) -> Outcome<()> {
        let total = self.written.saturating_add(count);
        if total > self.limit {
            return Err(Status::LimitExceeded { limit: self.limit as u64 });
        }
        if total > self.end() { self.grow(total) } else { Ok(()) }
    }

    /// Whether growing is in vain.
    pub fn is_final(&self) -> bool {
        self.output.is_fixed() || self.end() >= self.limit
    }

    /// Lets `decoder` read all of `source` from `at` on.
    pub fn fill(&mut self, decoder: &mut dyn Decompressor, source: &[u8], mut at: usize) -> Outcome<()> {
        loop {
            let rest = source.get(at..).unwrap_or(&[]);
            let Step { consumed, produced, finished } = if self.left() > 0 {
                let step = decoder.step(rest, self.free(), true)?;
                self.wrote(step.produced);
                step
            } else {
                // The end may have been reached exactly: only one more byte tells.
                let mut spare = [0];
                let step = decoder.step(rest, &mut spare, true)?;
                if step.produced > 0 {
                    let total = self.expected(at + step.consumed, source.len());
                    self.grow(total)?;
                    if let Some(first) = self.free().first_mut() {
                        [*first] = spare;
                    }
                    self.wrote(1);
                }
                step
            };
            at += consumed;
            if finished {
                return Ok(());
            }
            if consumed + produced == 0 {
                return Err(Status::Internal("a decompressor makes no progress".to_owned()));
            }
        }
    }

    /// The size in all, if the rest is as dense as what was read; at least twice and at most eight times what there is.
    fn expected(&self, read: usize, source_len: usize) -> usize {
        let dense = (self.written as u128 * source_len as u128 * 9 / 8) / read.max(1) as u128;
        let now = self.written.max(4096);
        usize::try_from(dense).unwrap_or(usize::MAX).clamp(now.saturating_mul(2), now.saturating_mul(8))
    }

    /// Declares the result complete.
    pub fn finish(self) {
        self.output.set_len(self.written);
        self.output.shrink();
    }
}

/// Finds out where and why `source` is damaged, by reading it step by step from `at` on.
pub fn diagnosed(decoder: &mut dyn Decompressor, source: &[u8], mut at: usize, what: &'static str) -> Status {
    let begin = at as u64;
    staged(64 << 10, |space| {
        loop {
            match decoder.step(source.get(at..).unwrap_or(&[]), space, true) {
                Err(status) => return status,
                // The libraries disagree: the stricter one has the word.
                Ok(Step { finished: true, .. } | Step { consumed: 0, produced: 0, .. }) => {
                    return Status::Corrupt { offset: begin, what };
                }
                Ok(step) => at += step.consumed,
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::buffer::Pool;

    #[test]
    fn a_result_that_fits_is_accepted_though_its_bound_does_not() {
        let pool = Pool::new(1 << 20);
        let compress = |space: &mut [u8]| {
            Ok(space.get_mut(..20).map(|space| {
                space.fill(7);
                10
            }))
        };
        for (size, fits) in [(9, false), (10, true), (19, true), (20, true)] {
            let mut memory = vec![1u8; size];
            // SAFETY: `memory` outlives `output`.
            #[allow(unsafe_code)]
            let mut output = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), size) };
            assert_eq!(fitted(&mut output, 20, compress).is_ok(), fits, "{size}");
            assert_eq!(output.len(), if fits { 10 } else { 0 });
        }
    }

    #[test]
    fn a_room_grows_to_its_limit_and_not_beyond() {
        let pool = Pool::new(1 << 20);
        let mut output = Output::pooled(&pool);
        let mut room = Room::new(&mut output, 100, 1000);
        assert!(room.left() >= 100);
        room.reserve(1000).unwrap();
        assert_eq!(room.left(), 1000);
        assert_eq!(room.reserve(1001), Err(Status::LimitExceeded { limit: 1000 }));
        assert_eq!(room.grow(5000), Err(Status::LimitExceeded { limit: 1000 }));
    }
}

/// Laws that every codec's decompression keeps; each codec's tests apply them to its own data.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod laws {
    use super::*;
    use crate::alg::deflate::tests::{compiled, run};
    use crate::alg::{Direction, Params, stream};
    use crate::buffer::Pool;

    fn whole(name: &str, packed: &[u8], max_output: u64) -> Outcome<Vec<u8>> {
        run(&*compiled(name, &Params::default()), Direction::Decompress, packed, max_output).map(|(bytes, _)| bytes)
    }

    /// Reads `packed` in steps of changing size; `sizes` is any number that picks them.
    pub fn stepped(mut decoder: Box<dyn Decompressor>, packed: &[u8], mut sizes: u64) -> Outcome<Vec<u8>> {
        let (mut all, mut at) = (Vec::new(), 0);
        let mut pick = |most: u64| {
            sizes = sizes.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((sizes >> 33) % most) as usize
        };
        let scale = [3, 40, 700, 30_000][pick(4)];
        loop {
            let until = (at + pick(scale)).min(packed.len());
            let end = until == packed.len();
            let mut space = vec![0; pick(scale)];
            let step = decoder.step(&packed[at..until], &mut space, end)?;
            assert!(step.consumed <= until - at && step.produced <= space.len());
            at += step.consumed;
            all.extend_from_slice(&space[..step.produced]);
            if step.finished {
                assert_eq!(at, packed.len());
                return Ok(all);
            }
        }
    }

    pub fn streams_like_whole(name: &str, packed: &[u8], plain: &[u8]) {
        assert!(whole(name, packed, u64::MAX).unwrap() == plain, "{name}");
        for sizes in 0..24 {
            let back = stepped(stream::decompressor(name).unwrap(), packed, sizes).unwrap();
            assert!(back == plain, "{name} {sizes}");
        }
        empty_steps_do_nothing(name, packed, plain);
    }

    fn empty_steps_do_nothing(name: &str, packed: &[u8], plain: &[u8]) {
        let mut decoder = stream::decompressor(name).unwrap();
        let (first, second) = packed.split_at(packed.len() / 2);
        let mut space = vec![0; plain.len() + 1];
        let mut produced = 0;
        for (source, end) in [(first, false), (second, true)] {
            let mut at = 0;
            loop {
                for _ in 0..40 {
                    let step = decoder.step(&[], &mut space[produced..], false).unwrap();
                    produced += step.produced;
                    let step = decoder.step(&source[at..], &mut [], end).unwrap();
                    at += step.consumed;
                }
                let step = decoder.step(&source[at..], &mut space[produced..], end).unwrap();
                (at, produced) = (at + step.consumed, produced + step.produced);
                if at == source.len() && (step.finished || !end) {
                    break;
                }
            }
        }
        assert!(space[..produced] == *plain, "{name}");
    }

    /// `allowed` says where a cut leaves whole data.
    pub fn truncation_is_told(name: &str, packed: &[u8], allowed: &[usize]) {
        for cut in (0..packed.len()).filter(|cut| !allowed.contains(cut)) {
            let part = &packed[..cut];
            let told = |status: Status| {
                let told = matches!(&status, Status::Corrupt { offset, what }
                    if *offset as usize == cut && what.contains("truncated"));
                assert!(told, "{name} cut at {cut}: {status}");
            };
            told(whole(name, part, u64::MAX).unwrap_err());
            told(stepped(stream::decompressor(name).unwrap(), part, cut as u64).unwrap_err());
        }
    }

    pub fn flipped_bits_are_survived(name: &str, packed: &[u8], max_output: u64) {
        let mut bytes = packed.to_vec();
        for bit in 0..8 * packed.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = whole(name, &bytes, max_output);
            let _ = stepped(stream::decompressor(name).unwrap(), &bytes, bit as u64);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    pub fn the_limit_holds(name: &str, packed: &[u8], size: usize) {
        assert_eq!(whole(name, packed, size as u64).unwrap().len(), size);
        for limit in [0, 1, size / 2, size - 1] {
            let limit = limit as u64;
            assert_eq!(whole(name, packed, limit), Err(Status::LimitExceeded { limit }), "{name}");
        }
    }

    pub fn the_callers_buffer_bounds(name: &str, packed: &[u8], size: usize) {
        let pool = Pool::new(1 << 20);
        let source = Source::from(packed.to_vec());
        for capacity in [0, 1, size / 2, size - 1, size, size + 1] {
            let mut memory = vec![0xa5u8; capacity + 64];
            // SAFETY: `memory` outlives `output`.
            #[allow(unsafe_code)]
            let mut output = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), capacity) };
            let call = crate::alg::deflate::tests::call(Direction::Decompress, &source, u64::MAX);
            let result = compiled(name, &Params::default()).run(&call, &mut output).map(drop);
            let wanted = if capacity < size { Err(Status::OutputTooSmall { capacity }) } else { Ok(()) };
            assert_eq!(result, wanted, "{name}");
            drop(output);
            assert!(memory[capacity..].iter().all(|&guard| guard == 0xa5), "{name}");
        }
    }

    pub fn garbage_is_told(name: &str, packed: &[u8]) {
        for tail in [&b"\0"[..], b"garbage", &[0x1f, 0x8a, 8, 0], &[0x1f, 0]] {
            let bytes = [packed, tail].concat();
            let wanted = Err(Status::Corrupt { offset: packed.len() as u64, what: "trailing garbage" });
            assert_eq!(whole(name, &bytes, u64::MAX), wanted, "{name} {tail:?}");
            assert_eq!(stepped(stream::decompressor(name).unwrap(), &bytes, 5), wanted, "{name} {tail:?}");
        }
    }
}
