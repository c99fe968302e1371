//! Inflating: raw deflate (RFC 1951), zlib (RFC 1950), gzip (RFC 1952). Whole buffers, parts, and streams.
//!
//! Wrappers are read by `wrapper`, once for all libraries, so that offsets are exact and both ways agree; the
//! deflate data go to libdeflate where the whole lies in memory, to ISA-L's igzip where it comes in steps. libdeflate is
//! 1.1 to 1.3 times as fast but must start anew when its output does not fit, so it gets outputs whose size can be
//! guessed; beyond [`RESTARTED`] bytes igzip takes over, which goes on where it stopped.

use super::Call;
use super::oneshot::{Room, diagnosed, staged};
use super::stream::{Decompressor, Step};
use super::wrapper::{Check, Header};
use crate::buffer::{Output, Source};
use crate::ffi::isal::{Inflater, Wrapper};
use crate::ffi::libdeflate::{self, Inflated};
use crate::status::{Outcome, Status};
use std::cell::RefCell;

/// Outputs up to this size are inflated anew when the guess was too small.
const RESTARTED: usize = 1 << 20;
/// The least first guess, and the largest ratio that deflate can reach (258 bytes for two bits).
const LEAST_GUESS: usize = 64 << 10;
pub(super) const DENSEST: usize = 1032;

fn corrupt(offset: usize, what: &'static str) -> Status {
    Status::Corrupt { offset: offset as u64, what }
}

fn truncated(format: Wrapper) -> &'static str {
    match format {
        Wrapper::Raw => "truncated deflate data",
        Wrapper::Zlib => "truncated zlib data",
        Wrapper::Gzip => "truncated gzip data",
    }
}

pub(super) const GARBAGE: &str = "trailing garbage";

thread_local! {
    static INFLATER: RefCell<Option<libdeflate::Decompressor>> = const { RefCell::new(None) };
}

/// Inflates the raw deflate stream at the start of `source`.
pub(crate) fn inflate(source: &[u8], space: &mut [u8]) -> Outcome<Inflated> {
    INFLATER.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = libdeflate::Decompressor::new();
        }
        match slot {
            Some(inflater) => Ok(inflater.inflate(source, space)),
            None => Err(Status::Engine { engine: "libdeflate".to_owned(), what: "out of memory".to_owned() }),
        }
    })
}

/// A first guess at the size of the output.
pub fn guess(format: Wrapper, call: &Call<'_>) -> usize {
    let last = call.source.segments().last().and_then(|last| last.last_chunk::<4>());
    guessed(format, call.source.len(), last).min(usize::try_from(call.max_output).unwrap_or(usize::MAX))
}

fn guessed(format: Wrapper, len: usize, last: Option<&[u8; 4]>) -> usize {
    if format == Wrapper::Gzip {
        // The last member's size, which is the whole size of most files. Much less than the source: there are more.
        let size = last.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        if (len / 2..=len.saturating_mul(DENSEST)).contains(&size) {
            return size;
        }
    }
    len.saturating_mul(4).max(LEAST_GUESS)
}

/// Inflates the whole of `source`, with every member that it has.
pub fn whole(format: Wrapper, source: &[u8], guess: usize, output: &mut Output, max_output: u64) -> Outcome<()> {
    members(format, source, guess, output, max_output, false)
}

/// Inflates the first member of `source` and looks at nothing behind it. Any size of output, as zlib has it.
pub fn first(format: Wrapper, source: &[u8], output: &mut Output) -> Outcome<()> {
    members(format, source, guessed(format, source.len(), source.last_chunk::<4>()), output, u64::MAX, true)
}

fn members(
    format: Wrapper,
    source: &[u8],
    guess: usize,
    output: &mut Output,
    max_output: u64,
    alone: bool,
) -> Outcome<()> {
    let mut room = Room::new(output, guess, max_output);
    let mut at = 0;
    for member in 0u64.. {
        let start = at;
        let mut header = Header::new(format);
        at += header
            .feed(source.get(at..).unwrap_or(&[]))
            .map_err(|(sound, what)| if member > 0 { corrupt(start, GARBAGE) } else { corrupt(start + sound, what) })?;
        if !header.done() {
            return Err(corrupt(source.len(), truncated(format)));
        }
        let body = source.get(at..).unwrap_or(&[]);
        let (consumed, produced) = loop {
            match inflate(body, room.free())? {
                Inflated::Done { consumed, produced } => break (consumed, produced),
                Inflated::Full if room.left() > RESTARTED && !room.is_final() => {
                    room.fill(&mut Stream { alone, ..Stream::at(format, start, member) }, source, start)?;
                    room.finish();
                    return Ok(());
                }
                Inflated::Full => {
                    let total = room.written() + room.left().max(LEAST_GUESS).saturating_mul(4);
                    room.grow(total)?;
                }
                Inflated::Bad => {
                    let mut stream = Stream::at(format, start, member);
                    return Err(diagnosed(&mut stream, source, start, "invalid deflate data"));
                }
            }
        };
        at += consumed;
        let mut check = Check::new(format);
        check.update(room.free().get(..produced).unwrap_or(&[]));
        room.wrote(produced);
        let Some(trailer) = source.get(at..at + check.trailer_len()) else {
            return Err(corrupt(source.len(), truncated(format)));
        };
        at += trailer.len();
        check.verify(trailer).map_err(|what| corrupt(at, what))?;
        if at == source.len() || alone {
            break;
        }
        if format != Wrapper::Gzip {
            return Err(corrupt(at, GARBAGE));
        }
    }
    room.finish();
    Ok(())
}

/// An empty, final, stored block.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// Inflates a part of a longer stream: whole blocks that refer to nothing before them and end on a byte boundary, with
/// or without a final one. Gives the CRC-32 of the output, of which there may be at most `expected` bytes.
pub fn inflate_part(source: &Source, expected: usize, output: &mut Output) -> Outcome<u32> {
    let guess = source.len().saturating_mul(16).max(RESTARTED);
    let mut room = Room::new(output, guess, expected as u64);
    staged(source.len() + LAST_BLOCK.len(), |joined| {
        // libdeflate wants a final block, and all in one piece. A copy of the compressed side costs a hundredth of the
        // time.
        if let Some((part, last)) = joined.split_at_mut_checked(source.len()) {
            source.copy_to(part)?;
            last.copy_from_slice(&LAST_BLOCK);
        }
        loop {
            match inflate(joined, room.free())? {
                Inflated::Done { consumed, produced } => {
                    if consumed != joined.len() {
                        // A final block inside, where every other reader ends the stream and we would go on with the
                        // next part; or the part does not end on its last byte's boundary.
                        return Err(corrupt(consumed.min(source.len()), GARBAGE));
                    }
                    let sum = libdeflate::crc32(0, room.free().get(..produced).unwrap_or(&[]));
                    room.wrote(produced);
                    return Ok(sum);
                }
                Inflated::Full => room.grow(room.left().saturating_mul(4))?,
                Inflated::Bad => break,
            }
        }
        match diagnosed(&mut Stream::at(Wrapper::Raw, 0, 0), joined, 0, "invalid deflate data") {
            Status::Corrupt { offset, what } => Err(corrupt((offset as usize).min(source.len()), what)),
            other => Err(other),
        }
    })
    .inspect(|_| room.finish())
}

/// A decompressor for `gzip`, `zlib` or `deflate`.
pub fn decompressor(format: &str) -> Outcome<Box<dyn Decompressor>> {
    let format = match format {
        "gzip" => Wrapper::Gzip,
        "zlib" => Wrapper::Zlib,
        "deflate" => Wrapper::Raw,
        _ => return Err(Status::UnknownAlgorithm(format!("{format:?} is no form of deflate"))),
    };
    Ok(Box::new(Stream::at(format, 0, 0)))
}

/// A decompressor of raw deflate that knows the output before it (its last 32 KiB). It finishes with the final block,
/// whatever follows, and leaves that unconsumed.
pub fn resume(dictionary: &[u8]) -> Outcome<Box<dyn Decompressor>> {
    let mut stream = Stream::at(Wrapper::Raw, 0, 0);
    stream.raw.reset_with(dictionary);
    stream.alone = true;
    Ok(Box::new(stream))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Body,
    Trailer,
    /// Behind a whole member.
    Between,
}

/// Output inflated before it is checked: little enough to be in the cache still.
const CHECKED: usize = 256 << 10;

/// Inflating in steps.
struct Stream {
    raw: Inflater,
    stage: Stage,
    header: Header,
    check: Check,
    trailer: [u8; 8],
    trailer_len: usize,
    /// Source bytes taken in all steps, and up to this member.
    offset: u64,
    start: u64,
    member: u64,
    /// What follows the first member does not belong to the data.
    alone: bool,
}

impl Stream {
    /// A stream whose first byte lies at `offset` and begins the given member.
    fn at(format: Wrapper, offset: usize, member: u64) -> Self {
        Self {
            raw: Inflater::default(),
            stage: Stage::Header,
            header: Header::new(format),
            check: Check::new(format),
            trailer: [0; 8],
            trailer_len: 0,
            offset: offset as u64,
            start: offset as u64,
            member,
            alone: false,
        }
    }

    fn format(&self) -> Wrapper {
        self.check.format()
    }

    /// Takes bytes of the header; an error says where.
    fn header(&mut self, bytes: &[u8]) -> Outcome<usize> {
        let taken = self.header.feed(bytes).map_err(|(sound, what)| {
            if self.member > 0 {
                Status::Corrupt { offset: self.start, what: GARBAGE }
            } else {
                Status::Corrupt { offset: self.offset + sound as u64, what }
            }
        })?;
        self.offset += taken as u64;
        if self.header.done() {
            self.stage = Stage::Body;
        }
        Ok(taken)
    }

    fn body(&mut self, bytes: &[u8], space: &mut [u8]) -> Outcome<(usize, usize)> {
        let (mut consumed, mut produced) = (0, 0_usize);
        loop {
            let rest = bytes.get(consumed..).unwrap_or(&[]);
            let end = space.len().min(produced.saturating_add(CHECKED));
            let room = space.get_mut(produced..end).unwrap_or(&mut []);
            let done = self.raw.step(rest, room).map_err(|damage| Status::Corrupt {
                offset: self.offset + damage.consumed as u64,
                what: damage.what,
            })?;
            self.offset += done.consumed as u64;
            self.check.update(room.get(..done.produced).unwrap_or(&[]));
            let filled = done.produced == room.len();
            consumed += done.consumed;
            produced += done.produced;
            if done.ended {
                self.stage = Stage::Trailer;
            }
            if done.ended || !filled || produced == space.len() {
                return Ok((consumed, produced));
            }
        }
    }

    fn trailer(&mut self, bytes: &[u8]) -> Outcome<usize> {
        let needed = self.check.trailer_len();
        let taken = bytes.len().min(needed - self.trailer_len);
        if let (Some(to), Some(from)) =
            (self.trailer.get_mut(self.trailer_len..self.trailer_len + taken), bytes.get(..taken))
        {
            to.copy_from_slice(from);
        }
        self.trailer_len += taken;
        self.offset += taken as u64;
        if self.trailer_len == needed {
            let trailer = self.trailer.get(..needed).unwrap_or(&[]);
            self.check.verify(trailer).map_err(|what| Status::Corrupt { offset: self.offset, what })?;
            self.stage = Stage::Between;
        }
        Ok(taken)
    }

    /// Prepares for the member that begins here, if one can.
    fn next_member(&mut self) -> Outcome<()> {
        let format = self.format();
        if format != Wrapper::Gzip {
            return Err(Status::Corrupt { offset: self.offset, what: GARBAGE });
        }
        self.raw.reset();
        (self.stage, self.header, self.check) = (Stage::Header, Header::new(format), Check::new(format));
        (self.trailer_len, self.start) = (0, self.offset);
        self.member += 1;
        Ok(())
    }
}

impl Decompressor for Stream {
    fn step(&mut self, source: &[u8], space: &mut [u8], end: bool) -> Outcome<Step> {
        let (mut consumed, mut produced) = (0, 0);
        loop {
            let rest = source.get(consumed..).unwrap_or(&[]);
            let before = self.stage;
            match self.stage {
                Stage::Header => consumed += self.header(rest)?,
                Stage::Body => {
                    let (taken, written) = self.body(rest, space.get_mut(produced..).unwrap_or(&mut []))?;
                    consumed += taken;
                    produced += written;
                }
                Stage::Trailer => consumed += self.trailer(rest)?,
                Stage::Between if rest.is_empty() || self.alone => break,
                Stage::Between => self.next_member()?,
            }
            if self.stage == before {
                break;
            }
        }
        let finished = self.stage == Stage::Between && (self.alone || (end && consumed == source.len()));
        let stalled = self.stage != Stage::Body || produced < space.len();
        if end && !finished && consumed == source.len() && stalled {
            return Err(Status::Corrupt { offset: self.offset, what: truncated(self.format()) });
        }
        Ok(Step { consumed, produced, finished })
    }

    fn driver(&self) -> &'static str {
        match self.format() {
            Wrapper::Raw => "deflate-isal",
            Wrapper::Zlib => "zlib-isal",
            Wrapper::Gzip => "gzip-isal",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::{compiled, params, run, sample};
    use crate::alg::oneshot::laws;
    use crate::alg::{Direction, Params};
    use crate::buffer::Pool;

    const NAMES: [&str; 3] = ["deflate", "zlib", "gzip"];

    fn packed(name: &str, level: i32, bytes: &[u8]) -> Vec<u8> {
        run(&*compiled(name, &params(Some(level), None, None, false)), Direction::Compress, bytes, 0).unwrap().0
    }

    #[test]
    fn streams_give_what_the_whole_gives() {
        for name in NAMES {
            for level in [0, 1, 6] {
                for (size, kind) in [(0, 0), (1, 0), (4096, 3), (70_000, 0), (70_000, 1), (70_000, 3), (300_000, 2)] {
                    let plain = sample(size, kind);
                    laws::streams_like_whole(name, &packed(name, level, &plain), &plain);
                }
            }
        }
    }

    #[test]
    fn members_are_read_to_the_end() {
        let plain = sample(30_000, 3);
        let mut joined = Vec::new();
        for (at, piece) in plain.chunks(7000).enumerate() {
            joined.extend(packed("gzip", at as i32, piece));
            joined.extend(packed("gzip", 1, b""));
        }
        laws::streams_like_whole("gzip", &joined, &plain);
        laws::the_limit_holds("gzip", &joined, plain.len());
        laws::the_callers_buffer_bounds("gzip", &joined, plain.len());
        laws::garbage_is_told("gzip", &joined);
    }

    #[test]
    fn damage_is_told() {
        for name in NAMES {
            for level in [0, 1, 6] {
                let packed = packed(name, level, &sample(300, 3));
                laws::truncation_is_told(name, &packed, &[]);
                laws::flipped_bits_are_survived(name, &packed, 1 << 20);
                laws::garbage_is_told(name, &packed);
            }
        }
        let two = [packed("gzip", 6, b"one"), packed("gzip", 6, b"two")].concat();
        laws::truncation_is_told("gzip", &two, &[two.len() / 2]);
    }

    #[test]
    fn a_wrong_checksum_is_told_behind_it() {
        for (name, from_end) in [("gzip", 8), ("gzip", 4), ("zlib", 4)] {
            let mut bytes = packed(name, 6, b"checked");
            let (len, at) = (bytes.len(), bytes.len() - from_end);
            bytes[at] ^= 1;
            let whole = run(&*compiled(name, &Params::default()), Direction::Decompress, &bytes, 100).map(drop);
            assert!(
                matches!(whole, Err(Status::Corrupt { offset, what }) if offset == len as u64 && what.contains("wrong"))
            );
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        // 8 MiB from 8 KiB: beyond what is inflated anew.
        for name in NAMES {
            let size = 8 << 20;
            let packed = packed(name, 6, &vec![0; size]);
            laws::the_limit_holds(name, &packed, size);
            laws::the_callers_buffer_bounds(name, &packed, size);
        }
    }

    #[test]
    fn large_outputs_of_unknown_size_are_streamed() {
        let plain = sample(9 << 20, 3);
        for name in NAMES {
            let mut bytes = packed(name, 1, &plain);
            if name == "gzip" {
                // Hides the size from the guess.
                bytes.extend(packed(name, 1, b""));
            }
            let way = compiled(name, &Params::default());
            assert!(run(&*way, Direction::Decompress, &bytes, u64::MAX).unwrap().0 == plain);
            assert!(run(&*way, Direction::Decompress, &bytes, plain.len() as u64).unwrap().0 == plain);
        }
    }

    #[test]
    fn a_resumed_stream_knows_what_came_before_and_stops_at_its_end() {
        let plain = sample(90_000, 3);
        // As one stream, cut at a byte that begins a block: the first half ends with a flush that keeps the history.
        let mut state = flate2::Compress::new(flate2::Compression::new(6), false);
        let (mut first, mut second) = (Vec::with_capacity(100_000), Vec::with_capacity(100_000));
        state.compress_vec(&plain[..40_000], &mut first, flate2::FlushCompress::Sync).unwrap();
        state.compress_vec(&plain[40_000..], &mut second, flate2::FlushCompress::Finish).unwrap();
        let len = second.len();
        second.extend_from_slice(b"what follows");
        let mut decoder = resume(&plain[..40_000]).unwrap();
        let (mut at, mut all, mut space) = (0, Vec::new(), [0; 1000]);
        loop {
            let until = (at + 333).min(second.len());
            let step = decoder.step(&second[at..until], &mut space, until == second.len()).unwrap();
            at += step.consumed;
            all.extend_from_slice(&space[..step.produced]);
            if step.finished {
                break;
            }
        }
        assert_eq!(at, len);
        assert!(all == plain[40_000..]);
    }

    #[test]
    fn parts_are_inflated_and_bounded() {
        let pool = Pool::new(1 << 20);
        let plain = sample(50_000, 3);
        let part = compiled("deflate", &params(Some(1), None, None, true));
        let (bytes, facts) = run(&*part, Direction::Compress, &plain, 0).unwrap();
        let inflated = |bytes: &[u8], expected| {
            let mut output = Output::pooled(&pool);
            inflate_part(&Source::from(bytes.to_vec()), expected, &mut output)
                .map(|sum| (sum, output.as_slice().to_vec()))
        };
        assert_eq!(inflated(&bytes, 50_000).unwrap(), (facts.checksum.unwrap(), plain.clone()));
        assert_eq!(inflated(&bytes, 90_000).unwrap().1, plain);
        assert_eq!(inflated(&bytes, 49_999), Err(Status::LimitExceeded { limit: 49_999 }));
        let last = [&bytes[..], &LAST_BLOCK].concat();
        let wanted = Err(Status::Corrupt { offset: last.len() as u64, what: GARBAGE });
        assert_eq!(inflated(&last, 50_000), wanted);
        let more = [&last[..], &bytes].concat();
        let wanted = Err(Status::Corrupt { offset: last.len() as u64, what: GARBAGE });
        assert_eq!(inflated(&more, 200_000), wanted);
        for cut in 1..bytes.len() - 5 {
            assert!(inflated(&bytes[..cut], 50_000).map_or(true, |(_, out)| out.len() < plain.len()), "{cut}");
        }
        let zeros = vec![0; 40 << 20];
        let (bytes, _) = run(&*part, Direction::Compress, &zeros, 0).unwrap();
        assert!(inflated(&bytes, usize::MAX).unwrap().1 == zeros);
    }
}
