//! Deflate: raw (RFC 1951), zlib (RFC 1950), gzip (RFC 1952), and parts of longer deflate streams.
//!
//! Three libraries share the levels, each where it was measured best. One core of a Xeon with AVX-512; a tar of shared
//! objects and Python sources in 4 KiB pages and 1 MiB pieces; MB/s (ratio):
//!
//! | level | served by | 4 KiB | 1 MiB | the others at 1 MiB |
//! |---|---|---|---|---|
//! | fixed | ISA-L 0, fixed Huffman code | 538 (2.05) | 568 (2.53) | |
//! | 0 | libdeflate 0, stored | 56600 (1.00) | 25100 (1.00) | zlib-rs 0: 23000 |
//! | 1 | ISA-L 1 | 210 (2.40) | 529 (2.83) | libdeflate 1: 227 (3.02), zlib-rs 1: 245 (2.43) |
//! | 2 | ISA-L 2 | 213 (2.40) | 500 (2.88) | zlib-rs 2: 145 (2.94) |
//! | 3 | ISA-L 3 | 166 (2.39) | 289 (2.93) | zlib-rs 3: 121 (3.09) |
//! | 4 | libdeflate 4 | 121 (2.52) | 139 (3.20) | zlib-rs 4: 100 (3.14) |
//! | 5 | libdeflate 5 | 109 (2.56) | 118 (3.29) | zlib-rs 5: 84 (3.21) |
//! | 6 | libdeflate 6 | 101 (2.56) | 98 (3.32) | zlib-rs 6: 74 (3.22) |
//! | 7 | libdeflate 7 | 86 (2.57) | 73 (3.34) | zlib-rs 7: 47 (3.25) |
//! | 8 | libdeflate 8 | 58 (2.57) | 44 (3.35) | zlib-rs 8: 23 (3.26) |
//! | 9 | libdeflate 9 | 44 (2.57) | 32 (3.36) | zlib-rs 9: 27 (3.32), libdeflate 10: 13 (3.47), 12: 6 (3.47) |
//!
//! libdeflate's levels 10 to 12 give another 3 % for two fifths of the speed and less, so 9 is 9. libdeflate can neither
//! leave out the final block nor narrow the window: parts, and windows below 32 KiB, at levels 0 and 4 to 9 go to
//! zlib-rs. ISA-L has the level buffers that it calls default: larger ones cost 0.5 % of the ratio for 2 % of speed.

pub use super::inflate::{decompressor, inflate_part, resume};

use super::oneshot::{fitted, gathered};
use super::{Algorithm, Call, Direction, Facts, Kind, Params, Transform, inflate};
use crate::buffer::Output;
use crate::ffi::isal::{self, Wrapper};
use crate::ffi::libdeflate;
use crate::status::{Outcome, Status};
use flate2::{Compress, Compression, FlushCompress, Status as Flate};
use std::cell::RefCell;
use std::sync::Arc;

pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        name: "deflate",
        kind: Kind::Compression,
        driver: "deflate-libdeflate",
        library: "libdeflate, ISA-L, zlib-rs",
        insecure: false,
        compile: |params| compile(Wrapper::Raw, params),
    },
    Algorithm {
        name: "zlib",
        kind: Kind::Compression,
        driver: "zlib-libdeflate",
        library: "libdeflate, ISA-L, zlib-rs",
        insecure: false,
        compile: |params| compile(Wrapper::Zlib, params),
    },
    Algorithm {
        name: "gzip",
        kind: Kind::Compression,
        driver: "gzip-libdeflate",
        library: "libdeflate, ISA-L, zlib-rs",
        insecure: false,
        compile: |params| compile(Wrapper::Gzip, params),
    },
];

/// As gzip has it.
const DEFAULT_LEVEL: i32 = 6;
/// log2 of the history that deflate can refer to at most.
const FULL_WINDOW: u32 = 15;
/// Stored blocks hold at most this many bytes, and cost five more.
const STORED_BLOCK: usize = 65535;
/// The most bytes that one call of zlib-rs is given: it counts in 32 bits.
const PIECE: usize = 1 << 30;
/// What a flush ends with: an empty stored block (RFC 1951 3.2.4), here from its own byte boundary on.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// The library that compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    /// Its levels 1 to 3; 0 for the fixed Huffman code.
    Isal,
    Libdeflate,
    ZlibRs,
}

/// A compiled deflate, zlib or gzip.
pub(super) struct Deflate {
    format: Wrapper,
    library: Library,
    level: i32,
    window: u32,
    part: bool,
}

fn name(format: Wrapper) -> &'static str {
    match format {
        Wrapper::Raw => "deflate",
        Wrapper::Zlib => "zlib",
        Wrapper::Gzip => "gzip",
    }
}

fn compile(format: Wrapper, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let name = name(format);
    let known: &[&str] = match format {
        Wrapper::Raw => &["level", "strategy", "window", "part"],
        _ => &["level", "strategy", "window"],
    };
    params.only(name, known)?;
    let level = checked(name, params.level)?;
    let window = params.window.unwrap_or(FULL_WINDOW);
    if !(9..=FULL_WINDOW).contains(&window) {
        return Err(Status::usage(format!("window is {window}, {name} takes 9 to 15 (log2 of bytes)")));
    }
    let fixed = match params.strategy.as_deref() {
        None | Some("default") => false,
        Some("fixed") if matches!(params.level, None | Some(1)) => true,
        Some("fixed") => {
            return Err(Status::usage(format!("level is {level}, {name} with strategy \"fixed\" has only level 1")));
        }
        Some(other) => {
            return Err(Status::usage(format!("strategy is {other:?}, {name} takes \"default\" or \"fixed\"")));
        }
    };
    let library = match level {
        _ if fixed => Library::Isal,
        1..=3 => Library::Isal,
        _ if params.part || window < FULL_WINDOW => Library::ZlibRs,
        _ => Library::Libdeflate,
    };
    Ok(Arc::new(Deflate { format, library, level: if fixed { 0 } else { level }, window, part: params.part }))
}

fn checked(name: &str, level: Option<i32>) -> Outcome<i32> {
    match level.unwrap_or(DEFAULT_LEVEL) {
        level @ 0..=9 => Ok(level),
        level => Err(Status::usage(format!("level is {level}, {name} takes 0 to 9"))),
    }
}

/// Raw deflate of whole small messages, for the formats that wrap such.
pub(super) fn blocks(name: &str, level: Option<i32>) -> Outcome<Deflate> {
    let level = checked(name, level)?;
    let library = if (1..=3).contains(&level) { Library::Isal } else { Library::Libdeflate };
    Ok(Deflate { format: Wrapper::Raw, library, level, window: FULL_WINDOW, part: false })
}

/// The most bytes that `len` bytes can become, whatever library.
pub(crate) fn bound(format: Wrapper, len: usize) -> usize {
    // libdeflate's bound covers ISA-L's, which is that of stored blocks; zlib-rs may spend nine bits on a byte.
    let nine_bits = len.saturating_add(len / 8);
    let stored = len.saturating_add(len.div_ceil(STORED_BLOCK).saturating_mul(5));
    libdeflate::bound(format, len).max(nine_bits).max(stored).saturating_add(64)
}

thread_local! {
    static ISAL: RefCell<isal::Deflater> = RefCell::default();
    static LIBDEFLATE: RefCell<[Option<libdeflate::Compressor>; 10]> = const { RefCell::new([const { None }; 10]) };
    static ZLIB_RS: RefCell<Option<(i32, u32, Compress)>> = const { RefCell::new(None) };
}

impl Deflate {
    pub(super) fn compress(&self, source: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
        if self.part && source.is_empty() {
            return Ok(put(space, 0, &EMPTY_BLOCK));
        }
        match self.library {
            Library::Isal => Ok(self.isal(source, space)),
            Library::Libdeflate => self.libdeflate(source, space),
            Library::ZlibRs => Ok(self.zlib_rs(source, space)),
        }
    }

    fn isal(&self, source: &[u8], space: &mut [u8]) -> Option<usize> {
        let window = if self.window == FULL_WINDOW { 0 } else { self.window as u16 };
        let how = isal::Deflate { level: self.level as u32, wrapper: self.format, window, part: self.part };
        let written = ISAL.with_borrow_mut(|deflater| deflater.compress(&how, source, space))?;
        // After stored blocks, which end on a byte anyway, igzip writes no empty one.
        let flushed = space.get(..written).is_some_and(|bytes| bytes.ends_with(&EMPTY_BLOCK[1..]));
        if self.part && !flushed { put(space, written, &EMPTY_BLOCK) } else { Some(written) }
    }

    fn libdeflate(&self, source: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
        LIBDEFLATE.with_borrow_mut(|compressors| {
            let slot = compressors.get_mut(self.level as usize);
            let slot = slot.ok_or_else(|| Status::Internal("a level without a slot".to_owned()))?;
            if slot.is_none() {
                *slot = libdeflate::Compressor::new(self.level);
            }
            match slot {
                Some(compressor) => Ok(compressor.compress(self.format, source, space)),
                None => Err(Status::Engine { engine: "libdeflate".to_owned(), what: "out of memory".to_owned() }),
            }
        })
    }

    fn zlib_rs(&self, source: &[u8], space: &mut [u8]) -> Option<usize> {
        if self.format == Wrapper::Raw {
            return self.zlib_rs_raw(source, space);
        }
        // RFC 1950 2.2 and RFC 1952 2.3: flate2 keeps one state for all formats, so the wrappers are put around it here.
        let head = match self.format {
            Wrapper::Gzip => put(space, 0, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?,
            _ => {
                let method = ((self.window - 8) << 12) | 0x800;
                let strength: u32 = if self.level >= 6 { 0x80 } else { 0x40 };
                let word = method | strength;
                put(space, 0, &((word + 31 - word % 31) as u16).to_be_bytes())?
            }
        };
        let body = self.zlib_rs_raw(source, space.get_mut(head..)?)?;
        match self.format {
            Wrapper::Gzip => {
                let sum = libdeflate::crc32(0, source).to_le_bytes();
                let at = put(space, head + body, &sum)?;
                put(space, at, &(source.len() as u32).to_le_bytes())
            }
            _ => put(space, head + body, &libdeflate::adler32(1, source).to_be_bytes()),
        }
    }

    fn zlib_rs_raw(&self, source: &[u8], space: &mut [u8]) -> Option<usize> {
        let (flush, complete) = match self.part {
            true => (FlushCompress::Full, Flate::Ok),
            false => (FlushCompress::Finish, Flate::StreamEnd),
        };
        ZLIB_RS.with_borrow_mut(|slot| {
            if !matches!(slot, Some((level, window, _)) if (*level, *window) == (self.level, self.window)) {
                let level = Compression::new(self.level as u32);
                *slot =
                    Some((self.level, self.window, Compress::new_with_window_bits(level, false, self.window as u8)));
            }
            let (_, _, state) = slot.as_mut()?;
            state.reset();
            let (mut read, mut written) = (0, 0);
            loop {
                let rest = source.get(read..)?;
                let piece = rest.get(..rest.len().min(PIECE))?;
                let last = piece.len() == rest.len();
                let room = space.get_mut(written..)?;
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let status = state.compress(piece, room, if last { flush } else { FlushCompress::None }).ok()?;
                let taken = (state.total_in() - before_in) as usize;
                let made = (state.total_out() - before_out) as usize;
                // A flush is complete if it left room (zlib.h, deflate); asked again it would write one more empty block.
                let done = last && taken == piece.len() && status == complete && (!self.part || made < room.len());
                (read, written) = (read + taken, written + made);
                if done {
                    return Some(written);
                }
                if taken + made == 0 {
                    return None;
                }
            }
        })
    }
}

/// Copies `bytes` into `space` at `at`; gives the position behind them, or `None` if they do not fit.
pub(super) fn put(space: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    space.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

impl Transform for Deflate {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, direction: Direction) -> &'static str {
        let library = if direction == Direction::Compress { self.library } else { Library::Libdeflate };
        match (self.format, library) {
            (Wrapper::Raw, Library::Isal) => "deflate-isal",
            (Wrapper::Raw, Library::Libdeflate) => "deflate-libdeflate",
            (Wrapper::Raw, Library::ZlibRs) => "deflate-zlib-rs",
            (Wrapper::Zlib, Library::Isal) => "zlib-isal",
            (Wrapper::Zlib, Library::Libdeflate) => "zlib-libdeflate",
            (Wrapper::Zlib, Library::ZlibRs) => "zlib-zlib-rs",
            (Wrapper::Gzip, Library::Isal) => "gzip-isal",
            (Wrapper::Gzip, Library::Libdeflate) => "gzip-libdeflate",
            (Wrapper::Gzip, Library::ZlibRs) => "gzip-zlib-rs",
        }
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Compress => bound(self.format, call.source.len()),
            _ => inflate::guess(self.format, call),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        match call.direction {
            Direction::Compress => gathered(call.source, |source| {
                // First, since it also brings the source into the cache.
                let checksum = self.part.then(|| libdeflate::crc32(0, source));
                fitted(output, bound(self.format, source.len()), |space| self.compress(source, space))?;
                Ok(Facts { checksum })
            }),
            Direction::Decompress if self.part => {
                let expected = usize::try_from(call.max_output).unwrap_or(usize::MAX);
                Ok(Facts { checksum: Some(inflate_part(call.source, expected, output)?) })
            }
            Direction::Decompress => gathered(call.source, |source| {
                inflate::whole(self.format, source, inflate::guess(self.format, call), output, call.max_output)?;
                Ok(Facts::default())
            }),
            other => Err(Status::usage(format!("{} cannot {}", name(self.format), other.name()))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::buffer::{Pool, Source};
    use flate2::{Decompress, FlushDecompress};

    pub fn params(level: Option<i32>, strategy: Option<&str>, window: Option<u32>, part: bool) -> Params {
        Params { level, strategy: strategy.map(str::to_owned), window, part, ..Params::default() }
    }

    /// Every way of each format: name, level, strategy, window, part.
    pub fn ways() -> Vec<(&'static str, Params)> {
        let mut ways = Vec::new();
        for name in ["deflate", "zlib", "gzip"] {
            for level in 0..=9 {
                ways.push((name, params(Some(level), None, None, false)));
                if name == "deflate" {
                    ways.push((name, params(Some(level), None, None, true)));
                }
                if [0, 1, 3, 6].contains(&level) {
                    ways.push((name, params(Some(level), None, Some(12), false)));
                }
            }
            ways.push((name, params(None, Some("fixed"), None, false)));
        }
        ways.push(("deflate", params(None, Some("fixed"), None, true)));
        ways
    }

    pub fn sample(len: usize, kind: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u64 + len as u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        match kind {
            0 => (0..len).map(|i| b"the quick brown fox jumps over "[(i + i / 41) % 31]).collect(),
            1 => (0..len).map(|_| random()).collect(),
            2 => vec![0; len],
            _ => (0..len).map(|i| if i % 7 < 5 { (i / 300) as u8 } else { random() & 15 }).collect(),
        }
    }

    pub fn call(direction: Direction, source: &Source, max_output: u64) -> Call<'_> {
        static NONE: std::sync::OnceLock<Source> = std::sync::OnceLock::new();
        Call { direction, source, nonce: &[], ad: NONE.get_or_init(Source::default), tag: &[], max_output }
    }

    pub fn run(way: &dyn Transform, direction: Direction, bytes: &[u8], max_output: u64) -> Outcome<(Vec<u8>, Facts)> {
        let pool = Pool::new(1 << 20);
        let source = Source::from(bytes.to_vec());
        let mut output = Output::pooled(&pool);
        let facts = way.run(&call(direction, &source, max_output), &mut output)?;
        Ok((output.as_slice().to_vec(), facts))
    }

    pub fn compiled(name: &str, params: &Params) -> Arc<dyn Transform> {
        crate::alg::compile(name, params).unwrap()
    }

    fn independent(name: &str, packed: &[u8], size: usize) -> Vec<u8> {
        let mut inflater = match name {
            "gzip" => Decompress::new_gzip(15),
            name => Decompress::new(name == "zlib"),
        };
        let mut out = vec![0; size + 1];
        assert_eq!(inflater.decompress(packed, &mut out, FlushDecompress::Finish).unwrap(), Flate::StreamEnd);
        assert_eq!(inflater.total_in(), packed.len() as u64);
        out.truncate(inflater.total_out() as usize);
        out
    }

    const SIZES: [usize; 24] = [
        0, 1, 2, 3, 7, 8, 9, 31, 255, 258, 259, 1000, 4095, 4096, 4097, 8191, 32767, 32768, 32769, 65534, 65535, 65536,
        65537, 70000,
    ];

    #[test]
    fn what_was_compressed_decompresses() {
        for (name, params) in ways() {
            let way = compiled(name, &params);
            for size in SIZES {
                for kind in 0..4 {
                    let source = sample(size, kind);
                    let (packed, facts) = run(&*way, Direction::Compress, &source, 0).unwrap();
                    let (back, also) = run(&*way, Direction::Decompress, &packed, size as u64).unwrap();
                    assert!(back == source, "{name} {:?} part {} {size} {kind}", params.level, params.part);
                    assert_eq!(facts.checksum.is_some(), params.part);
                    assert_eq!(facts.checksum, also.checksum);
                }
            }
        }
    }

    #[test]
    fn another_library_reads_what_we_write() {
        for (name, params) in ways() {
            let way = compiled(name, &params);
            for (size, kind) in [(0, 0), (1, 1), (4096, 0), (4096, 1), (70000, 2), (70000, 3)] {
                let source = sample(size, kind);
                let (mut packed, facts) = run(&*way, Direction::Compress, &source, 0).unwrap();
                if params.part {
                    assert!(packed.ends_with(&EMPTY_BLOCK[1..]));
                    assert_eq!(facts.checksum, Some(libdeflate::crc32(0, &source)));
                    packed.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
                }
                assert_eq!(independent(name, &packed, size), source, "{name} {:?} {size} {kind}", params.level);
            }
        }
    }

    #[test]
    fn parts_join_to_one_stream_and_refer_to_nothing_before_them() {
        let source = sample(200_000, 3);
        for (name, params) in ways().into_iter().filter(|(_, params)| params.part) {
            let way = compiled(name, &params);
            let mut joined = Vec::new();
            for piece in source.chunks(33_333) {
                joined.extend(run(&*way, Direction::Compress, piece, 0).unwrap().0);
            }
            joined.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
            assert_eq!(independent("deflate", &joined, source.len()), source, "{:?}", params.level);
        }
    }

    #[test]
    fn segments_give_the_bytes_of_the_whole() {
        let (source, pool) = (sample(50_000, 3), Pool::new(1 << 20));
        for (name, params) in ways() {
            let way = compiled(name, &params);
            let (whole, _) = run(&*way, Direction::Compress, &source, 0).unwrap();
            for cut in [0, 1, 4096, 49_999] {
                let (a, b) = source.split_at(cut);
                // SAFETY: `source` outlives `segments`.
                #[allow(unsafe_code)]
                let segments = unsafe { Source::borrowed(&[(a.as_ptr(), a.len()), (b.as_ptr(), b.len())]) };
                let mut output = Output::pooled(&pool);
                way.run(&call(Direction::Compress, &segments, 0), &mut output).unwrap();
                assert!(output.as_slice() == whole, "{name} {:?} {cut}", params.level);
            }
        }
    }

    #[test]
    fn the_callers_buffer_is_never_overrun() {
        let pool = Pool::new(1 << 20);
        for (name, params) in ways() {
            let way = compiled(name, &params);
            for (size, kind) in [(0, 0), (100, 0), (4096, 1), (4096, 3)] {
                let bytes = sample(size, kind);
                let (packed, _) = run(&*way, Direction::Compress, &bytes, 0).unwrap();
                let bytes = Source::from(bytes);
                for capacity in [0, 1, packed.len() - 1, packed.len(), packed.len() + 1, packed.len() + 9] {
                    let mut memory = vec![0xa5u8; capacity + 64];
                    // SAFETY: `memory` outlives `output`.
                    #[allow(unsafe_code)]
                    let mut output = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), capacity) };
                    let result = way.run(&call(Direction::Compress, &bytes, 0), &mut output);
                    match result {
                        Ok(_) => assert!(output.len() <= capacity),
                        Err(status) => {
                            assert_eq!(status, Status::OutputTooSmall { capacity });
                            assert!(capacity < packed.len());
                        }
                    }
                    drop(output);
                    assert!(memory[capacity..].iter().all(|&guard| guard == 0xa5), "{name} {:?}", params.level);
                }
            }
        }
    }

    #[test]
    fn a_window_is_honoured() {
        // Noise, and the same again 1500 bytes later: within 1 KiB there is nothing to refer to.
        let mut source = sample(1500, 1);
        source.extend_from_within(..);
        for (level, strategy) in [(Some(1), None), (Some(3), None), (Some(6), None), (None, Some("fixed"))] {
            let len = |window| {
                let way = compiled("zlib", &params(level, strategy, window, false));
                run(&*way, Direction::Compress, &source, 0).unwrap().0.len()
            };
            assert!(len(None) < 2000, "{level:?}");
            assert!(len(Some(10)) >= 3000, "{level:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let refused = |name: &str, params: &Params| match crate::alg::compile(name, params) {
            Err(Status::Usage(message)) => message,
            _ => String::new(),
        };
        assert!(refused("gzip", &params(Some(10), None, None, false)).contains("10"));
        assert!(refused("gzip", &params(Some(-1), None, None, false)).contains("0 to 9"));
        assert!(refused("gzip", &params(None, None, None, true)).contains("part"));
        assert!(refused("zlib", &params(None, None, Some(16), false)).contains("16"));
        assert!(refused("zlib", &params(None, Some("rle"), None, false)).contains("rle"));
        assert!(refused("zlib", &params(Some(6), Some("fixed"), None, false)).contains("fixed"));
        assert!(refused("deflate", &Params { tag_len: Some(1), ..Params::default() }).contains("tag_len"));
    }

    #[test]
    fn the_driver_names_the_library() {
        let driver = |name: &str, params: &Params| compiled(name, params).driver(Direction::Compress);
        assert_eq!(driver("deflate", &params(Some(1), None, None, true)), "deflate-isal");
        assert_eq!(driver("deflate", &params(Some(6), None, None, true)), "deflate-zlib-rs");
        assert_eq!(driver("gzip", &Params::default()), "gzip-libdeflate");
        assert_eq!(driver("zlib", &params(None, Some("fixed"), None, false)), "zlib-isal");
    }
}
