//! BGZF (SAM specification 4.1; RFC 1952): gzip members of at most 64 KiB that tell their own length, so that a reader can
//! begin at any of them. Any gzip tool reads the whole.
//!
//! Each block is deflated on its own, by the library that deflate's table names for the level. One that would not shrink
//! is stored; so every block fits, whatever the data. A message ends with an empty block, by which truncation is told;
//! with `part` it does not, so that the results of many requests make one file.

use super::deflate::{self, Deflate};
use super::inflate::{self, DENSEST};
use super::oneshot::{Room, diagnosed, fitted, gathered};
use super::wrapper::Header;
use super::{Algorithm, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::{Output, Source};
use crate::copies::{self, Place};
use crate::ffi::isal::Wrapper;
use crate::ffi::libdeflate::{self, Inflated};
use crate::status::{Outcome, Status};
use std::sync::Arc;

pub static ALGORITHMS: &[Algorithm] = &[Algorithm {
    name: "bgzf",
    kind: Kind::Compression,
    driver: "bgzf-libdeflate",
    library: "libdeflate, ISA-L",
    insecure: false,
    compile,
}];

/// Source bytes of a block, as htslib has it: stored, they and all around them still fit into 64 KiB.
const CONTENT: usize = 0xff00;
/// The most bytes of a block, on either side.
const LARGEST: usize = 1 << 16;
/// A header with the subfield that tells the block's length less one, which is put behind it.
const HEAD: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0];
const HEAD_LEN: usize = 18;
const TRAILER_LEN: usize = 8;
/// The header of a stored block.
const STORED: usize = 5;
/// What a message ends with (SAM specification 4.1.2): a block of nothing.
const END: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const TRUNCATED: &str = "truncated bgzf data";

struct Bgzf {
    deflate: Deflate,
    part: bool,
}

fn compile(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only("bgzf", &["level", "part"])?;
    Ok(Arc::new(Bgzf { deflate: deflate::blocks("bgzf", params.level)?, part: params.part }))
}

/// The most bytes that `len` bytes become, with the room that the libraries want for the last block.
fn bound(len: usize) -> usize {
    let around = HEAD_LEN + STORED + TRAILER_LEN;
    let blocks = len.div_ceil(CONTENT).saturating_mul(around);
    len.saturating_add(blocks).saturating_add(deflate::bound(Wrapper::Raw, len.min(CONTENT))).saturating_add(END.len())
}

impl Bgzf {
    fn compress(&self, source: &Source, space: &mut [u8]) -> Outcome<Option<usize>> {
        let mut at = 0;
        let mut segments = source.segments();
        let mut rest = segments.next().unwrap_or(&[]);
        let mut left = source.len();
        // Only a block that lies in several segments is gathered, not the message.
        let mut gathered = Vec::new();
        while left > 0 {
            let size = left.min(CONTENT);
            let content = if let Some((content, behind)) = rest.split_at_checked(size) {
                rest = behind;
                content
            } else {
                gathered.clear();
                while gathered.len() < size {
                    let (some, behind) = rest.split_at(rest.len().min(size - gathered.len()));
                    gathered.extend_from_slice(some);
                    rest = behind;
                    if rest.is_empty() && gathered.len() < size {
                        let Some(next) = segments.next() else { break };
                        rest = next;
                    }
                }
                copies::count(Place::Gather, gathered.len());
                gathered.as_slice()
            };
            let Some(room) = space.get_mut(at..) else { return Ok(None) };
            match self.block(content, room)? {
                Some(written) => at += written,
                None => return Ok(None),
            }
            left -= size;
        }
        Ok(if self.part { Some(at) } else { deflate::put(space, at, &END) })
    }

    fn block(&self, content: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
        // Always the same room, whatever there is: which blocks are stored must not depend on the caller's memory.
        let wanted = HEAD_LEN + deflate::bound(Wrapper::Raw, content.len());
        let Some(room) = space.get_mut(HEAD_LEN..wanted) else { return Ok(None) };
        let least = content.len() + STORED;
        let written = self.deflate.compress(content, room)?.filter(|&written| written < least);
        let Some(body) = written.or_else(|| stored(content, room)) else { return Ok(None) };
        let end = HEAD_LEN + body + TRAILER_LEN;
        let Ok(told) = u16::try_from(end - 1) else {
            return Err(Status::Internal(format!("a block of {end} bytes")));
        };
        let sum = libdeflate::crc32(0, content).to_le_bytes();
        let size = (content.len() as u32).to_le_bytes();
        let parts: [(usize, &[u8]); 4] = [
            (0, &HEAD),
            (HEAD.len(), &told.to_le_bytes()),
            (HEAD_LEN + body, &sum),
            (HEAD_LEN + body + sum.len(), &size),
        ];
        Ok(parts.iter().all(|(at, bytes)| deflate::put(space, *at, bytes).is_some()).then_some(end))
    }
}

/// Writes one final stored block (RFC 1951 3.2.4).
fn stored(content: &[u8], space: &mut [u8]) -> Option<usize> {
    let len = u16::try_from(content.len()).ok()?;
    let [low, high] = len.to_le_bytes();
    let at = deflate::put(space, 0, &[1, low, high, !low, !high])?;
    deflate::put(space, at, content)
}

/// Where a block's deflate data begin and where the block ends, from its start; what is wrong, and where, otherwise.
fn extent(bytes: &[u8]) -> Result<(usize, usize), (usize, &'static str)> {
    let mut header = Header::new(Wrapper::Gzip);
    let begin = header.feed(bytes)?;
    if !header.done() {
        return Err((bytes.len(), TRUNCATED));
    }
    let told = subfield(bytes.get(..begin).unwrap_or(&[])).ok_or((0, "no bgzf block"))?;
    let end = usize::from(told) + 1;
    if end < begin + TRAILER_LEN {
        return Err((begin, "wrong bgzf block length"));
    }
    if end > bytes.len() {
        return Err((bytes.len(), TRUNCATED));
    }
    Ok((begin, end))
}

/// What the subfield `BC` of a gzip header's extra field tells.
fn subfield(header: &[u8]) -> Option<u16> {
    let extra = header.get(3).filter(|&flags| flags & 4 != 0).and_then(|_| header.get(10..))?;
    let (len, extra) = extra.split_first_chunk::<2>()?;
    let mut rest = extra.get(..usize::from(u16::from_le_bytes(*len)))?;
    while let Some(([a, b, low, high], behind)) = rest.split_first_chunk::<4>() {
        let (value, next) = behind.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        if (*a, *b) == (b'B', b'C') {
            return <[u8; 2]>::try_from(value).ok().map(u16::from_le_bytes);
        }
        rest = next;
    }
    None
}

/// CRC-32 and size at a block's end.
fn trailer(block: &[u8]) -> Option<(u32, usize)> {
    let (rest, size) = block.split_last_chunk::<4>()?;
    let sum = rest.last_chunk::<4>()?;
    Some((u32::from_le_bytes(*sum), u32::from_le_bytes(*size) as usize))
}

/// The size that all blocks tell, as far as it can be true.
fn told(source: &[u8]) -> usize {
    let (mut rest, mut size) = (source, 0usize);
    while let Ok((_, end)) = extent(rest) {
        let Some((block, behind)) = rest.split_at_checked(end) else { break };
        let content = trailer(block).map_or(0, |(_, size)| size);
        size = size.saturating_add(content.min(LARGEST).min(end * DENSEST));
        rest = behind;
    }
    size
}

fn decompress(source: &[u8], part: bool, output: &mut Output, max_output: u64) -> Outcome<()> {
    let corrupt = |offset: usize, what| Status::Corrupt { offset: offset as u64, what };
    let mut room = Room::new(output, told(source), max_output);
    let (mut at, mut last) = (0, None);
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let (begin, end) = extent(rest).map_err(|(sound, what)| match last {
            Some(_) if what != TRUNCATED && !rest.starts_with(&HEAD) => corrupt(at, inflate::GARBAGE),
            _ => corrupt(at + sound, what),
        })?;
        let block = rest.get(..end).unwrap_or(&[]);
        let (sum, size) = trailer(block).unwrap_or_default();
        if size > LARGEST {
            return Err(corrupt(at + end, "bgzf block of more than 64 KiB"));
        }
        room.reserve(size)?;
        let body = block.get(begin..end - TRAILER_LEN).unwrap_or(&[]);
        let content = room.free().get_mut(..size).unwrap_or(&mut []);
        match inflate::inflate(body, content)? {
            Inflated::Done { consumed, produced } if consumed == body.len() && produced == size => {}
            Inflated::Done { consumed, .. } if consumed < body.len() => {
                return Err(corrupt(at + begin + consumed, "wrong bgzf block length"));
            }
            Inflated::Done { .. } | Inflated::Full => return Err(corrupt(at + end, "wrong gzip length")),
            Inflated::Bad => return Err(damaged(source, at, at + end)),
        }
        if libdeflate::crc32(0, content) != sum {
            return Err(corrupt(at + end, "wrong gzip CRC-32"));
        }
        room.wrote(size);
        at += end;
        last = Some(size);
    }
    if !part && last != Some(0) {
        return Err(corrupt(at, TRUNCATED));
    }
    room.finish();
    Ok(())
}

/// What is wrong in the block from `at` to `end`.
fn damaged(source: &[u8], at: usize, end: usize) -> Status {
    const WHAT: &str = "invalid deflate data";
    let block = source.get(at..end).unwrap_or(&[]);
    let found = match inflate::decompressor("gzip") {
        Ok(mut decoder) => diagnosed(&mut *decoder, block, 0, WHAT),
        Err(status) => status,
    };
    match found {
        // The block is whole: it is its deflate data that do not end.
        Status::Corrupt { offset, what } if what.contains("truncated") => {
            Status::Corrupt { offset: offset + at as u64, what: WHAT }
        }
        Status::Corrupt { offset, what } => Status::Corrupt { offset: offset + at as u64, what },
        other => other,
    }
}

impl Transform for Bgzf {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, direction: Direction) -> &'static str {
        match self.deflate.driver(direction) {
            "deflate-isal" => "bgzf-isal",
            _ => "bgzf-libdeflate",
        }
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        let len = call.source.len();
        match call.direction {
            Direction::Compress => bound(len),
            _ => {
                let guess = call.source.as_slice().map_or(len.saturating_mul(4), told);
                guess.min(usize::try_from(call.max_output).unwrap_or(usize::MAX))
            }
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        match call.direction {
            Direction::Compress => {
                fitted(output, bound(call.source.len()), |space| self.compress(call.source, space))?;
            }
            Direction::Decompress => {
                gathered(call.source, |source| decompress(source, self.part, output, call.max_output))?;
            }
            other => return Err(Status::usage(format!("bgzf cannot {}", other.name()))),
        }
        Ok(Facts::default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::{compiled, params, run, sample};
    use crate::alg::oneshot::laws;

    const SIZES: [usize; 12] = [0, 1, 2, 100, 4096, 65_279, 65_280, 65_281, 65_536, 130_560, 130_561, 300_000];

    fn way(level: i32, part: bool) -> Arc<dyn Transform> {
        compiled("bgzf", &params(Some(level), None, None, part))
    }

    fn packed(level: i32, part: bool, bytes: &[u8]) -> Vec<u8> {
        run(&*way(level, part), Direction::Compress, bytes, 0).unwrap().0
    }

    fn unpacked(part: bool, bytes: &[u8], max_output: u64) -> Outcome<Vec<u8>> {
        run(&*way(6, part), Direction::Decompress, bytes, max_output).map(|(bytes, _)| bytes)
    }

    fn lengths(mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !bytes.is_empty() {
            let (_, end) = extent(bytes).unwrap();
            lengths.push(end);
            bytes = &bytes[end..];
        }
        lengths
    }

    #[test]
    fn what_was_compressed_decompresses_here_and_as_gzip() {
        for level in 0..=9 {
            for (size, kind) in SIZES.into_iter().flat_map(|size| (0..4).map(move |kind| (size, kind))) {
                let plain = sample(size, kind);
                let whole = packed(level, false, &plain);
                assert!(whole.ends_with(&END));
                assert!(unpacked(false, &whole, size as u64).unwrap() == plain, "{level} {size} {kind}");
                let gzip = compiled("gzip", &Params::default());
                assert!(run(&*gzip, Direction::Decompress, &whole, size as u64).unwrap().0 == plain);
                assert_eq!(lengths(&whole).len(), size.div_ceil(CONTENT) + 1);
                let most = CONTENT + HEAD_LEN + STORED + TRAILER_LEN;
                assert!(lengths(&whole).iter().all(|&len| len <= most), "{level} {size} {kind}");
            }
        }
    }

    #[test]
    fn parts_of_whole_blocks_join_to_the_bytes_of_the_whole() {
        let plain = sample(200_000, 3);
        for level in [0, 1, 6] {
            let mut joined: Vec<u8> = plain.chunks(2 * CONTENT).flat_map(|piece| packed(level, true, piece)).collect();
            assert_eq!(packed(level, true, b""), b"");
            assert!(unpacked(true, &joined, u64::MAX).unwrap() == plain);
            joined.extend_from_slice(&END);
            assert!(joined == packed(level, false, &plain));
            assert!(unpacked(true, &joined, u64::MAX).unwrap() == plain);
        }
    }

    #[test]
    fn segments_give_the_bytes_of_the_whole() {
        let (source, pool) = (sample(200_000, 3), crate::buffer::Pool::new(1 << 20));
        let whole = packed(1, false, &source);
        for cuts in [vec![0], vec![1, 1], vec![65_279, 65_281], vec![65_280, 65_280, 130_560], vec![50_000, 199_999]] {
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts.iter().copied().chain([source.len()]) {
                parts.push((source[from..cut].as_ptr(), cut - from));
                from = cut;
            }
            // SAFETY: `source` outlives `segments`.
            #[allow(unsafe_code)]
            let segments = unsafe { Source::borrowed(&parts) };
            let mut output = Output::pooled(&pool);
            let call = crate::alg::deflate::tests::call(Direction::Compress, &segments, 0);
            way(1, false).run(&call, &mut output).unwrap();
            assert!(output.as_slice() == whole, "{cuts:?}");
        }
    }

    #[test]
    fn damage_is_told() {
        for level in [0, 1, 6] {
            let whole = packed(level, false, &sample(400, 3));
            laws::the_limit_holds("bgzf", &whole, 400);
            laws::the_callers_buffer_bounds("bgzf", &whole, 400);
            for cut in 0..whole.len() {
                let told = unpacked(false, &whole[..cut], 1000);
                let wanted = Err(Status::Corrupt { offset: cut as u64, what: TRUNCATED });
                assert_eq!(told, wanted, "{cut}");
            }
            let plain = unpacked(false, &whole, 1000).unwrap();
            for bit in 0..8 * whole.len() {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                match unpacked(false, &bytes, 1000) {
                    Ok(back) => assert!(back == plain),
                    Err(status) => assert!(matches!(status, Status::Corrupt { .. } | Status::LimitExceeded { .. })),
                }
            }
            for tail in [&b"\0"[..], b"garbage", &[0x1f, 0x8a, 8, 0]] {
                let wanted = Err(Status::Corrupt { offset: whole.len() as u64, what: inflate::GARBAGE });
                assert_eq!(unpacked(false, &[&whole, tail].concat(), 1000), wanted, "{tail:?}");
            }
        }
    }

    #[test]
    fn a_block_that_lies_about_itself_is_refused() {
        let whole = packed(6, true, &sample(400, 3));
        let changed = |at: usize, bytes: &[u8]| {
            let mut whole = whole.clone();
            whole[at..at + bytes.len()].copy_from_slice(bytes);
            match unpacked(true, &whole, 100_000) {
                Err(Status::Corrupt { what, .. }) => what,
                _ => "",
            }
        };
        let (len, end) = (whole.len() as u16 - 1, whole.len());
        assert_eq!(changed(16, &(len + 1).to_le_bytes()), TRUNCATED);
        assert_eq!(changed(16, &20u16.to_le_bytes()), "wrong bgzf block length");
        assert_eq!(changed(12, b"XY"), "no bgzf block");
        assert_eq!(changed(3, &[0]), "no bgzf block");
        assert_eq!(changed(end - 4, &401u32.to_le_bytes()), "wrong gzip length");
        assert_eq!(changed(end - 4, &399u32.to_le_bytes()), "wrong gzip length");
        assert_eq!(changed(end - 4, &65_537u32.to_le_bytes()), "bgzf block of more than 64 KiB");
        assert_eq!(changed(end - 8, &[whole[end - 8] ^ 1]), "wrong gzip CRC-32");
    }

    #[test]
    fn other_fields_of_the_header_are_passed_over() {
        let (plain, whole) = (sample(400, 3), packed(6, true, &sample(400, 3)));
        let extra = [&b"XY\x03\0abc"[..], &whole[12..16]].concat();
        let total = (whole.len() + 7 + 5 - 1) as u16;
        let mut bytes = whole[..10].to_vec();
        bytes[3] = 4 | 8;
        bytes.extend_from_slice(&(extra.len() as u16 + 2).to_le_bytes());
        bytes.extend_from_slice(&extra);
        bytes.extend_from_slice(&total.to_le_bytes());
        bytes.extend_from_slice(b"name\0");
        bytes.extend_from_slice(&whole[18..]);
        assert_eq!(unpacked(true, &bytes, 1000).unwrap(), plain);
    }

    #[test]
    fn a_short_block_costs_no_more_than_it_holds_can_give() {
        // Twenty-eight bytes that promise 64 KiB are believed as far as deflate could go.
        let mut liar = END.to_vec();
        liar[24..].copy_from_slice(&65_536u32.to_le_bytes());
        assert_eq!(told(&liar), 28 * DENSEST);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused = |params: &Params| crate::alg::compile("bgzf", params).err().unwrap().to_string();
        assert!(refused(&params(Some(10), None, None, false)).contains("0 to 9"));
        assert!(refused(&params(None, Some("fixed"), None, false)).contains("strategy"));
        assert_eq!(way(1, false).driver(Direction::Compress), "bgzf-isal");
        assert_eq!(way(6, true).driver(Direction::Decompress), "bgzf-libdeflate");
    }
}
