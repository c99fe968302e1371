//! Zstandard frames (RFC 8878) by libzstd, with content size and checksum in every frame that we write.
//!
//! Contexts are thread-local: making one costs more than compressing a page. A large one (a high level's, or a decoder's
//! after a wide window) is freed after its request, so that idle threads hold little.

use super::frames::{Codec, Frames, Turn, is_skippable};
use super::oneshot::{Room, diagnosed, fitted, gathered};
use super::stream::Decompressor;
use super::{Algorithm, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::status::{Outcome, Status};
use std::cell::Cell;
use std::sync::Arc;
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};
use zstd_sys::ZSTD_ErrorCode;

pub static ALGORITHMS: &[Algorithm] = &[Algorithm {
    name: "zstd",
    kind: Kind::Compression,
    driver: "zstd-libzstd",
    library: "libzstd",
    insecure: false,
    compile,
}];

const DRIVER: &str = "zstd-libzstd";
const DEFAULT_LEVEL: i32 = 3;
/// A context above this is freed after use.
const KEPT: usize = 16 << 20;
/// libzstd's limits of the window's log2: the least, and what any decoder takes unasked.
const LEAST_WINDOW: u32 = 10;
const MOST_WINDOW: u32 = 27;
/// A block gives at most 128 KiB and takes at least four bytes of its frame, if it gives any (RFC 8878 3.1.1.2).
const BLOCK: u64 = 128 << 10;

struct Zstd {
    level: i32,
    window: Option<u32>,
}

fn compile(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only("zstd", &["level", "window"])?;
    let level = params.level.unwrap_or(DEFAULT_LEVEL);
    if !(-7..=22).contains(&level) {
        return Err(Status::usage(format!("level is {level}, zstd takes -7 to 22")));
    }
    if let Some(window) = params.window.filter(|window| !(LEAST_WINDOW..=MOST_WINDOW).contains(window)) {
        return Err(Status::usage(format!("window is {window}, zstd takes 10 to 27 (log2 of bytes)")));
    }
    Ok(Arc::new(Zstd { level, window: params.window }))
}

thread_local! {
    static COMPRESSOR: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

fn engine(what: impl Into<String>) -> Status {
    Status::Engine { engine: DRIVER.to_owned(), what: what.into() }
}

fn failed(code: usize) -> Status {
    engine(zstd_safe::get_error_name(code))
}

/// Whether a result is this error: libzstd returns its errors negated.
fn is(code: usize, error: ZSTD_ErrorCode) -> bool {
    code.wrapping_neg() == error as usize
}

impl Zstd {
    fn compress(&self, source: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
        let taken = COMPRESSOR.take().or_else(CCtx::try_create);
        let mut context = taken.ok_or_else(|| engine("out of memory"))?;
        context.reset(ResetDirective::SessionAndParameters).map_err(failed)?;
        context.set_parameter(CParameter::CompressionLevel(self.level)).map_err(failed)?;
        context.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
        if let Some(window) = self.window {
            context.set_parameter(CParameter::WindowLog(window)).map_err(failed)?;
        }
        let result = context.compress2(space, source);
        if context.sizeof() <= KEPT {
            COMPRESSOR.set(Some(context));
        }
        match result {
            Ok(written) => Ok(Some(written)),
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => Ok(None),
            Err(code) => Err(failed(code)),
        }
    }
}

impl Transform for Zstd {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        DRIVER
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        if call.direction == Direction::Compress {
            return zstd_safe::compress_bound(call.source.len());
        }
        let first = call.source.segments().next().unwrap_or(&[]);
        let told = zstd_safe::get_frame_content_size(first).ok().flatten();
        guess(told, call.source.len()).min(usize::try_from(call.max_output).unwrap_or(usize::MAX))
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        gathered(call.source, |source| match call.direction {
            Direction::Compress => {
                fitted(output, zstd_safe::compress_bound(source.len()), |space| self.compress(source, space))
            }
            Direction::Decompress => whole(source, output, call.max_output),
            other => Err(Status::usage(format!("zstd cannot {}", other.name()))),
        })?;
        Ok(Facts::default())
    }
}

/// The most bytes that a frame of `len` bytes can give.
fn densest(len: usize) -> u64 {
    (len as u64 / 4 + 1).saturating_mul(BLOCK)
}

/// A first guess at the output's size: what the first frame tells, if it can be true.
fn guess(told: Option<u64>, len: usize) -> usize {
    let guess = told.filter(|&told| told <= densest(len)).and_then(|told| usize::try_from(told).ok());
    guess.unwrap_or_else(|| len.saturating_mul(4).max(64 << 10))
}

/// The first frame's length in `bytes` and, where its header tells it, its content's; `None` if no frame lies whole in
/// `bytes`. A skippable frame has no content.
pub fn frame_size(bytes: &[u8]) -> Option<(usize, Option<u64>)> {
    let len = zstd_safe::find_frame_compressed_size(bytes).ok()?;
    let content = if is_skippable(bytes) { Some(0) } else { zstd_safe::get_frame_content_size(bytes).ok()? };
    Some((len, content))
}

fn whole(source: &[u8], output: &mut Output, max_output: u64) -> Outcome<()> {
    let told = zstd_safe::get_frame_content_size(source).ok().flatten();
    let mut room = Room::new(output, guess(told, source.len()), max_output);
    let mut at = 0;
    while at < source.len() || at == 0 {
        let rest = source.get(at..).unwrap_or(&[]);
        let wrong = || match Decoder::new() {
            Ok(decoder) => diagnosed(&mut Frames::new(decoder, at), source, at, DAMAGED),
            Err(status) => status,
        };
        let Some((len, content)) = frame_size(rest) else { return Err(wrong()) };
        let frame = rest.get(..len).unwrap_or(&[]);
        match content.map(|content| (content, content <= densest(len))) {
            Some((content, true)) => {
                let content = usize::try_from(content).unwrap_or(usize::MAX);
                room.reserve(content)?;
                if !is_skippable(frame) {
                    let space = room.free().get_mut(..content).unwrap_or(&mut []);
                    if decompress(frame, space)? != Some(content) {
                        return Err(wrong());
                    }
                    room.wrote(content);
                }
            }
            // Told a size that cannot be: the stream finds out what is wrong.
            Some((_, false)) => return Err(wrong()),
            None => {
                let frame = source.get(..at + len).unwrap_or(&[]);
                room.fill(&mut Frames::new(Decoder::new()?, at), frame, at)?;
            }
        }
        at += len;
    }
    room.finish();
    Ok(())
}

const DAMAGED: &str = "damaged zstd frame";

/// One frame in one call; `None` if it is damaged.
fn decompress(frame: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
    let taken = DECOMPRESSOR.take().or_else(DCtx::try_create);
    let mut context = taken.ok_or_else(|| engine("out of memory"))?;
    let result = context.decompress(space, frame);
    if context.sizeof() <= KEPT {
        DECOMPRESSOR.set(Some(context));
    }
    match result {
        Ok(written) => Ok(Some(written)),
        Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) => Err(failed(code)),
        Err(_) => Ok(None),
    }
}

/// A decompressor of any number of frames.
pub fn decompressor() -> Outcome<Box<dyn Decompressor>> {
    Ok(Box::new(Frames::new(Decoder::new()?, 0)))
}

/// libzstd's streaming decoder.
///
/// It takes sixteen calls without progress for a mistake of the caller and then refuses even those that could go on. So
/// it is asked only when what it lacked the last time is there.
struct Decoder {
    context: DCtx<'static>,
    lacks_source: bool,
    lacks_space: bool,
}

impl Decoder {
    fn new() -> Outcome<Self> {
        let mut context = DCtx::try_create().ok_or_else(|| engine("out of memory"))?;
        context.set_parameter(DParameter::WindowLogMax(MOST_WINDOW)).map_err(failed)?;
        Ok(Self { context, lacks_source: false, lacks_space: false })
    }
}

impl Codec for Decoder {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const DRIVER: &'static str = DRIVER;
    const TRUNCATED: &'static str = "truncated zstd data";
    const FOREIGN: &'static str = "not zstd data";

    fn turn(&mut self, source: &[u8], space: &mut [u8], at: u64) -> Outcome<Turn> {
        let (no_source, no_space) = (source.is_empty(), space.is_empty());
        if (no_source && (no_space || self.lacks_source)) || (no_space && self.lacks_space) {
            return Ok(Turn { read: 0, written: 0, ended: false });
        }
        let mut input = InBuffer::around(source);
        let mut output = OutBuffer::around(space);
        let result = self.context.decompress_stream(&mut output, &mut input);
        let (read, written) = (input.pos(), output.pos());
        let stuck = read + written == 0;
        (self.lacks_source, self.lacks_space) = (stuck && no_source, stuck && no_space);
        let what = match result {
            Ok(left) => return Ok(Turn { read, written, ended: left == 0 }),
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) => return Err(failed(code)),
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_checksum_wrong) => "wrong zstd content checksum",
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge) => {
                "zstd window above 128 MiB"
            }
            Err(code) if is(code, ZSTD_ErrorCode::ZSTD_error_dictionary_wrong) => "zstd frame with a dictionary",
            Err(_) => DAMAGED,
        };
        Err(Status::Corrupt { offset: at + read as u64, what })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::{compiled, params, run, sample};
    use crate::alg::oneshot::laws;

    fn packed(level: i32, window: Option<u32>, bytes: &[u8]) -> Vec<u8> {
        run(&*compiled("zstd", &params(Some(level), None, window, false)), Direction::Compress, bytes, 0).unwrap().0
    }

    /// A frame that does not tell its content's size.
    fn untold(bytes: &[u8]) -> Vec<u8> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let mut space = vec![0; zstd_safe::compress_bound(bytes.len())];
        let len = context.compress2(&mut space[..], bytes).unwrap();
        space.truncate(len);
        space
    }

    fn skippable(len: u8) -> Vec<u8> {
        [&[0x53, 0x2a, 0x4d, 0x18, len, 0, 0, 0][..], &vec![9; len.into()]].concat()
    }

    #[test]
    fn what_was_compressed_decompresses() {
        for (level, window) in [(-7, None), (1, None), (3, Some(10)), (3, None), (9, None), (19, None), (22, Some(20))]
        {
            for (size, kind) in [(0, 0), (1, 0), (4095, 3), (4096, 1), (70_000, 2), (70_000, 3)] {
                let plain = sample(size, kind);
                laws::streams_like_whole("zstd", &packed(level, window, &plain), &plain);
            }
        }
    }

    #[test]
    fn frames_are_read_to_the_end() {
        let plain = sample(500_000, 3);
        let (a, b) = plain.split_at(200_000);
        let joined =
            [skippable(5), packed(3, None, a), skippable(0), packed(1, None, b""), untold(b), skippable(200)].concat();
        laws::streams_like_whole("zstd", &joined, &plain);
        laws::the_limit_holds("zstd", &joined, plain.len());
        laws::the_callers_buffer_bounds("zstd", &joined, plain.len());
        laws::garbage_is_told("zstd", &joined);
        laws::streams_like_whole("zstd", &skippable(7), b"");
    }

    #[test]
    fn damage_is_told() {
        for bytes in [packed(3, None, &sample(300, 3)), packed(1, None, &sample(150, 1)), untold(&sample(300, 3))] {
            laws::truncation_is_told("zstd", &bytes, &[]);
            laws::flipped_bits_are_survived("zstd", &bytes, 1 << 20);
            laws::garbage_is_told("zstd", &bytes);
        }
        let two = [packed(3, None, b"one"), skippable(3)].concat();
        laws::truncation_is_told("zstd", &two, &[two.len() - 11]);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let size = 8 << 20;
        for bytes in [packed(3, None, &vec![0; size]), untold(&vec![0; size])] {
            laws::the_limit_holds("zstd", &bytes, size);
            laws::the_callers_buffer_bounds("zstd", &bytes, size);
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_not_allocated() {
        // A frame header that tells 2^60 bytes, and one raw block of three.
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x00];
        bytes.extend_from_slice(&(1u64 << 60).to_le_bytes());
        bytes.extend_from_slice(&[0x19, 0, 0, b'a', b'b', b'c']);
        let way = compiled("zstd", &Params::default());
        let result = run(&*way, Direction::Decompress, &bytes, u64::MAX).map(drop);
        assert!(matches!(result, Err(Status::Corrupt { .. })), "{result:?}");
    }

    #[test]
    fn the_first_frame_is_measured() {
        let frame = packed(3, None, &[7; 1000]);
        let two = [frame.clone(), untold(b"x")].concat();
        assert_eq!(frame_size(&two), Some((frame.len(), Some(1000))));
        assert_eq!(frame_size(&two[frame.len()..]), Some((two.len() - frame.len(), None)));
        assert_eq!(frame_size(&frame[..frame.len() - 1]), None);
        assert_eq!(frame_size(&skippable(9)), Some((17, Some(0))));
        assert_eq!(frame_size(b""), None);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused = |params: &Params| matches!(crate::alg::compile("zstd", params), Err(Status::Usage(_)));
        assert!(refused(&params(Some(23), None, None, false)));
        assert!(refused(&params(Some(-8), None, None, false)));
        assert!(refused(&params(None, None, Some(28), false)));
        assert!(refused(&params(None, Some("default"), None, false)));
    }
}
