//! LZ4 by liblz4: `lz4`, the frame format (lz4_Frame_format.md 1.6.4), and `lz4-block`, its bare blocks
//! (lz4_Block_format.md).
//!
//! Frames tell their content's size and checksum and have independent blocks. A block tells nothing: whoever decompresses
//! one should set `max_output` to its size.

use super::frames::{Codec, Frames, Turn};
use super::oneshot::{Room, fitted, gathered};
use super::stream::Decompressor;
use super::{Algorithm, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::ffi::lz4;
use crate::status::{Outcome, Status};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        name: "lz4",
        kind: Kind::Compression,
        driver: FRAME_DRIVER,
        library: "liblz4",
        insecure: false,
        compile: |params| Ok(Arc::new(Frame { level: level("lz4", params)? })),
    },
    Algorithm {
        name: "lz4-block",
        kind: Kind::Compression,
        driver: BLOCK_DRIVER,
        library: "liblz4",
        insecure: false,
        compile: |params| Ok(Arc::new(Block { level: level("lz4-block", params)? })),
    },
];

const FRAME_DRIVER: &str = "lz4-liblz4";
const BLOCK_DRIVER: &str = "lz4-block-liblz4";
const LEAST_GUESS: usize = 64 << 10;
/// One byte of a block adds at most 255 to a match's length.
const DENSEST: usize = 255;
/// A decoder that has seen more output than this is freed: it may hold two blocks of 4 MiB.
const KEPT: usize = 4 << 20;

fn level(name: &str, params: &Params) -> Outcome<i32> {
    params.only(name, &["level"])?;
    match params.level.unwrap_or(0) {
        level @ 0..=12 => Ok(level),
        level => Err(Status::usage(format!("level is {level}, {name} takes 0 to 12"))),
    }
}

fn limited(guess: usize, max_output: u64) -> usize {
    guess.min(usize::try_from(max_output).unwrap_or(usize::MAX))
}

/// Frames, at a level.
struct Frame {
    level: i32,
}

impl Transform for Frame {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        FRAME_DRIVER
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        if call.direction == Direction::Compress {
            return lz4::frame_bound(self.level, call.source.len());
        }
        let first = call.source.segments().next().unwrap_or(&[]);
        limited(frame_guess(first, call.source.len()), call.max_output)
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        gathered(call.source, |source| match call.direction {
            Direction::Compress => fitted(output, lz4::frame_bound(self.level, source.len()), |space| {
                Ok(lz4::compress_frame(self.level, source, space))
            }),
            Direction::Decompress => frames(source, output, call.max_output),
            other => Err(Status::usage(format!("lz4 cannot {}", other.name()))),
        })?;
        Ok(Facts::default())
    }
}

/// A first guess at the output's size: what the first frame's header tells, if it can be true.
fn frame_guess(head: &[u8], len: usize) -> usize {
    let told = match head {
        // Magic, flags with the content size's bit, block descriptor.
        [4, 0x22, 0x4d, 0x18, flags, _, rest @ ..] if flags & 8 != 0 => rest.first_chunk::<8>(),
        _ => None,
    };
    let told = told.and_then(|bytes| usize::try_from(u64::from_le_bytes(*bytes)).ok());
    told.filter(|&told| told <= len.saturating_mul(DENSEST)).unwrap_or_else(|| len.saturating_mul(4).max(LEAST_GUESS))
}

thread_local! {
    static DECODER: Cell<Option<lz4::Decoder>> = const { Cell::new(None) };
    static BLOCKS: RefCell<lz4::Blocks> = RefCell::default();
}

fn frames(source: &[u8], output: &mut Output, max_output: u64) -> Outcome<()> {
    let mut room = Room::new(output, limited(frame_guess(source, source.len()), max_output), max_output);
    let mut decoder = DECODER.take().or_else(lz4::Decoder::new).ok_or_else(out_of_memory)?;
    decoder.reset();
    let mut frames = Frames::new(Decoder { inner: decoder, wanted: FIRST }, 0);
    let result = room.fill(&mut frames, source, 0);
    if room.written() <= KEPT {
        DECODER.set(Some(frames.codec.inner));
    }
    result?;
    room.finish();
    Ok(())
}

fn out_of_memory() -> Status {
    Status::Engine { engine: FRAME_DRIVER.to_owned(), what: "out of memory".to_owned() }
}

/// A decompressor of any number of frames.
pub fn decompressor() -> Outcome<Box<dyn Decompressor>> {
    let inner = lz4::Decoder::new().ok_or_else(out_of_memory)?;
    Ok(Box::new(Frames::new(Decoder { inner, wanted: FIRST }, 0)))
}

/// The least that a frame's header may have.
const FIRST: usize = 7;

/// liblz4's decoder, fed what it asks for: one block at a time, so that an error is known to its block.
struct Decoder {
    inner: lz4::Decoder,
    wanted: usize,
}

impl Codec for Decoder {
    const MAGIC: [u8; 4] = [4, 0x22, 0x4d, 0x18];
    const DRIVER: &'static str = FRAME_DRIVER;
    const TRUNCATED: &'static str = "truncated lz4 data";
    const FOREIGN: &'static str = "not lz4 data";

    fn turn(&mut self, source: &[u8], space: &mut [u8], at: u64) -> Outcome<Turn> {
        let piece = source.get(..source.len().min(self.wanted.max(1))).unwrap_or(&[]);
        let done = self.inner.decode(piece, space).map_err(|name| match name {
            "ERROR_allocation_failed" => out_of_memory(),
            "ERROR_headerChecksum_invalid" => Status::Corrupt { offset: at, what: "wrong lz4 header checksum" },
            "ERROR_contentChecksum_invalid" => Status::Corrupt { offset: at, what: "wrong lz4 content checksum" },
            "ERROR_blockChecksum_invalid" => Status::Corrupt { offset: at, what: "wrong lz4 block checksum" },
            "ERROR_frameSize_wrong" => Status::Corrupt { offset: at, what: "wrong lz4 content size" },
            _ => Status::Corrupt { offset: at, what: "damaged lz4 frame" },
        })?;
        let ended = done.wanted == 0;
        self.wanted = if ended { FIRST } else { done.wanted };
        Ok(Turn { read: done.consumed, written: done.produced, ended })
    }
}

/// Bare blocks, at a level.
struct Block {
    level: i32,
}

impl Transform for Block {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        BLOCK_DRIVER
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        let len = call.source.len();
        if len > lz4::LONGEST_BLOCK {
            let most = lz4::LONGEST_BLOCK;
            return Err(Status::usage(format!("source is {len} bytes, lz4-block takes at most {most}")));
        }
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Compress => lz4::block_bound(call.source.len()),
            _ => limited(call.source.len().saturating_mul(4).max(LEAST_GUESS), call.max_output),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        gathered(call.source, |source| match call.direction {
            Direction::Compress => fitted(output, lz4::block_bound(source.len()), |space| {
                Ok(BLOCKS.with_borrow_mut(|blocks| blocks.compress(self.level, source, space)))
            }),
            Direction::Decompress => {
                let mut room = Room::new(output, self.capacity(call), call.max_output);
                block(source, &mut room)?;
                room.finish();
                Ok(())
            }
            other => Err(Status::usage(format!("lz4-block cannot {}", other.name()))),
        })?;
        Ok(Facts::default())
    }
}

fn block(source: &[u8], room: &mut Room<'_>) -> Outcome<()> {
    if let Some(written) = lz4::decompress_block(source, room.free()) {
        room.wrote(written);
        return Ok(());
    }
    // liblz4 does not say whether the block is damaged or the space too small.
    let size = measure(source)?;
    if size > room.left() {
        room.reserve(size)?;
        if let Some(written) = lz4::decompress_block(source, room.free()) {
            room.wrote(written);
            return Ok(());
        }
    }
    // It holds together but breaks a rule of its last bytes (lz4_Block_format.md, "End of block conditions").
    Err(Status::Corrupt { offset: source.len() as u64, what: "lz4 block ends against the rules" })
}

/// The size of a block's content, by its lengths alone.
fn measure(source: &[u8]) -> Outcome<usize> {
    let mut bytes = source.iter().copied();
    let at = |rest: &dyn ExactSizeIterator<Item = u8>| (source.len() - rest.len()) as u64;
    let truncated = || Status::Corrupt { offset: source.len() as u64, what: "truncated lz4 block" };
    let mut size = 0usize;
    loop {
        let token = usize::from(bytes.next().ok_or_else(truncated)?);
        let literals = length(token >> 4, &mut bytes).ok_or_else(truncated)?;
        if literals > bytes.len() {
            return Err(truncated());
        }
        if literals > 0 {
            bytes.nth(literals - 1);
        }
        size = size.saturating_add(literals);
        if bytes.len() == 0 {
            return Ok(size);
        }
        let (low, high) = (bytes.next().ok_or_else(truncated)?, bytes.next().ok_or_else(truncated)?);
        let distance = usize::from(u16::from_le_bytes([low, high]));
        if distance == 0 || distance > size {
            return Err(Status::Corrupt { offset: at(&bytes), what: "lz4 distance too far back" });
        }
        size = size.saturating_add(length(token & 15, &mut bytes).ok_or_else(truncated)?).saturating_add(4);
    }
}

/// A length that begins with four bits of the token.
fn length(first: usize, bytes: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut length = first;
    if first == 15 {
        loop {
            let byte = bytes.next()?;
            length = length.saturating_add(byte.into());
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::{compiled, params, run, sample};
    use crate::alg::oneshot::laws;

    fn packed(name: &str, level: i32, bytes: &[u8]) -> Vec<u8> {
        run(&*compiled(name, &params(Some(level), None, None, false)), Direction::Compress, bytes, 0).unwrap().0
    }

    fn unpacked(bytes: &[u8], max_output: u64) -> Outcome<Vec<u8>> {
        let way = compiled("lz4-block", &Params::default());
        run(&*way, Direction::Decompress, bytes, max_output).map(|(bytes, _)| bytes)
    }

    fn skippable(len: u8) -> Vec<u8> {
        [&[0x5f, 0x2a, 0x4d, 0x18, len, 0, 0, 0][..], &vec![9; len.into()]].concat()
    }

    #[test]
    fn what_was_compressed_decompresses() {
        for level in [0, 1, 3, 9, 12] {
            for (size, kind) in [(0, 0), (1, 0), (12, 0), (4095, 3), (4096, 1), (65_537, 0), (70_000, 2), (300_000, 3)]
            {
                let plain = sample(size, kind);
                laws::streams_like_whole("lz4", &packed("lz4", level, &plain), &plain);
                let block = packed("lz4-block", level, &plain);
                for limit in [size as u64, u64::MAX] {
                    assert!(unpacked(&block, limit).unwrap() == plain, "{level} {size} {kind}");
                }
            }
        }
    }

    #[test]
    fn frames_are_read_to_the_end() {
        let plain = sample(500_000, 3);
        let (a, b) = plain.split_at(200_000);
        let joined = [
            skippable(5),
            packed("lz4", 0, a),
            skippable(0),
            packed("lz4", 1, b""),
            packed("lz4", 9, b),
            skippable(99),
        ];
        let joined = joined.concat();
        laws::streams_like_whole("lz4", &joined, &plain);
        laws::the_limit_holds("lz4", &joined, plain.len());
        laws::the_callers_buffer_bounds("lz4", &joined, plain.len());
        laws::garbage_is_told("lz4", &joined);
    }

    #[test]
    fn damage_is_told() {
        for bytes in [packed("lz4", 0, &sample(300, 3)), packed("lz4", 9, &sample(150, 1))] {
            laws::truncation_is_told("lz4", &bytes, &[]);
            laws::flipped_bits_are_survived("lz4", &bytes, 1 << 20);
            laws::garbage_is_told("lz4", &bytes);
        }
        let two = [packed("lz4", 3, b"one"), skippable(3)].concat();
        laws::truncation_is_told("lz4", &two, &[two.len() - 11]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let size = 8 << 20;
        for name in ["lz4", "lz4-block"] {
            let bytes = packed(name, 0, &vec![0; size]);
            laws::the_limit_holds(name, &bytes, size);
            laws::the_callers_buffer_bounds(name, &bytes, size);
        }
    }

    #[test]
    fn a_damaged_block_is_told_from_a_small_space() {
        let bytes = packed("lz4-block", 0, &sample(300, 3));
        for cut in 0..bytes.len() {
            match unpacked(&bytes[..cut], u64::MAX) {
                Err(Status::Corrupt { offset, .. }) => assert_eq!(offset, cut as u64),
                // Cut after literals, a block may look whole.
                other => assert!(other.unwrap().len() < 300),
            }
        }
        let mut flipped = bytes.clone();
        for bit in 0..8 * bytes.len() {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = unpacked(&flipped, 1 << 20);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        let wanted = Err(Status::Corrupt { offset: 4, what: "lz4 distance too far back" });
        assert_eq!(unpacked(&[0x10, b'a', 2, 0, 0x50, 1, 2, 3, 4, 5][..], u64::MAX), wanted);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for name in ["lz4", "lz4-block"] {
            let refused = |params: &Params| matches!(crate::alg::compile(name, params), Err(Status::Usage(_)));
            assert!(refused(&params(Some(13), None, None, false)));
            assert!(refused(&params(Some(-1), None, None, false)));
            assert!(refused(&params(None, None, Some(15), false)));
        }
    }
}
