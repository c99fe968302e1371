//! zlib-rs through zlib's C interface: streams with every option that zlib has (RFC 1950, 1951, 1952; zlib.h).
//!
//! flate2, which brings the same library, hides half of them: strategies, memory levels, dictionaries of raw streams,
//! copies of a running stream, the partial and the block flush. The stream structures are boxed, since the library may
//! compare their address with one that it keeps, and no address of a caller stays in them when a method returns.

use super::address;
use libz_rs_sys as sys;
use std::ffi::{CStr, c_int};
use std::mem::size_of;
use std::ptr;

pub use sys::{
    Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR, Z_NEED_DICT, Z_NO_FLUSH, Z_OK,
    Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH,
};

/// The most bytes that one call is given: the library counts in 32 bits.
const PIECE: usize = 1 << 30;

/// What zlib.h calls the arguments of `deflateInit2`.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub level: i32,
    pub method: i32,
    pub wbits: i32,
    pub mem_level: i32,
    pub strategy: i32,
}

/// What a step did. The code is zlib.h's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub consumed: usize,
    pub code: i32,
}

/// The library's version, as `zlibVersion` tells it.
pub fn version() -> &'static str {
    // SAFETY: `zlibVersion` gives a static string with a zero at its end.
    unsafe { CStr::from_ptr(sys::zlibVersion()) }.to_str().unwrap_or("1.3.0")
}

/// What was wrong with the data, in zlib's words.
fn message(stream: &sys::z_stream) -> Option<&'static str> {
    if stream.msg.is_null() {
        return None;
    }
    // SAFETY: the library points `msg` at static strings with a zero at their end, and never at anything else.
    let message = unsafe { CStr::from_ptr(stream.msg.cast_const()) }.to_str().ok();
    // Said over what its fast loop found, too.
    message.filter(|message| *message != "repeated call with bad state")
}

/// Drops the caller's addresses. The library takes no null for an output, even where none is to be written.
fn forget(stream: &mut sys::z_stream) {
    (stream.next_in, stream.avail_in) = (ptr::null(), 0);
    (stream.next_out, stream.avail_out) = (address::of_mut(&mut []), 0);
}

/// Runs one call of the library from `source` into the free capacity of `out`, up to `room` bytes of it.
fn step(
    stream: &mut sys::z_stream,
    source: &[u8],
    out: &mut Vec<u8>,
    room: usize,
    call: impl FnOnce(*mut sys::z_stream) -> c_int,
) -> Step {
    let source = source.get(..source.len().min(PIECE)).unwrap_or(source);
    let spare = out.spare_capacity_mut();
    let room = spare.len().min(room).min(PIECE);
    stream.next_in = address::of(source);
    stream.avail_in = source.len() as u32;
    stream.next_out = if room == 0 { address::of_mut(&mut []) } else { spare.as_mut_ptr().cast() };
    stream.avail_out = room as u32;
    let code = call(stream);
    let produced = room.saturating_sub(stream.avail_out as usize);
    let consumed = source.len().saturating_sub(stream.avail_in as usize);
    forget(stream);
    // SAFETY: the library has written `produced` bytes, at most `room`, from the start of the spare capacity on.
    unsafe { out.set_len(out.len() + produced) };
    Step { consumed, code }
}

/// A running deflate stream.
pub struct Deflate {
    stream: Box<sys::z_stream>,
}

// SAFETY: the stream owns its memory, which comes from Rust's global allocator, and between calls holds no other address
// than that and those of static strings; a `&mut` is needed for every call.
unsafe impl Send for Deflate {}

impl Deflate {
    /// A stream; otherwise zlib's code.
    pub fn new(options: Options) -> Result<Self, i32> {
        let mut stream = Box::new(sys::z_stream::default());
        forget(&mut stream);
        // SAFETY: `stream` is ours and holds the default allocator; the version is the library's own.
        let code = unsafe {
            sys::deflateInit2_(
                &raw mut *stream,
                options.level,
                options.method,
                options.wbits,
                options.mem_level,
                options.strategy,
                sys::zlibVersion(),
                size_of::<sys::z_stream>() as c_int,
            )
        };
        if code == Z_OK { Ok(Self { stream }) } else { Err(code) }
    }

    /// Takes what is likely to occur in the data; allowed before the first step. Gives zlib's code.
    pub fn set_dictionary(&mut self, bytes: &[u8]) -> i32 {
        let Ok(len) = u32::try_from(bytes.len()) else { return Z_STREAM_ERROR };
        // SAFETY: the stream is initialised; the call reads `bytes` and copies what it needs.
        unsafe { sys::deflateSetDictionary(&raw mut *self.stream, address::of(bytes), len) }
    }

    /// Deflates some of `source` behind what `out` holds, into its free capacity.
    pub fn step(&mut self, source: &[u8], out: &mut Vec<u8>, flush: i32) -> Step {
        // SAFETY: the stream is initialised, and `step` has set both buffers.
        step(&mut self.stream, source, out, usize::MAX, |stream| unsafe { sys::deflate(stream, flush) })
    }

    /// Another stream that goes on from the same state; otherwise zlib's code.
    pub fn copy(&mut self) -> Result<Self, i32> {
        let mut copy = Box::new(sys::z_stream::default());
        // SAFETY: both are ours and the source is initialised; the call fills the destination when it succeeds.
        let code = unsafe { sys::deflateCopy(&raw mut *copy, &raw mut *self.stream) };
        if code == Z_OK { Ok(Self { stream: copy }) } else { Err(code) }
    }

    /// What zlib has to say about the last failure.
    pub fn message(&self) -> Option<&'static str> {
        message(&self.stream)
    }
}

impl Drop for Deflate {
    fn drop(&mut self) {
        // SAFETY: the stream is initialised and ends once. What it still holds is given up.
        unsafe { sys::deflateEnd(&raw mut *self.stream) };
    }
}

/// A running inflate stream.
pub struct Inflate {
    stream: Box<sys::z_stream>,
}

// SAFETY: as for `Deflate`.
unsafe impl Send for Inflate {}

impl Inflate {
    /// A stream with zlib's window bits, which tell the wrapper too; otherwise zlib's code.
    pub fn new(wbits: i32) -> Result<Self, i32> {
        let mut stream = Box::new(sys::z_stream::default());
        forget(&mut stream);
        // SAFETY: `stream` is ours and holds the default allocator; the version is the library's own.
        let code = unsafe {
            sys::inflateInit2_(&raw mut *stream, wbits, sys::zlibVersion(), size_of::<sys::z_stream>() as c_int)
        };
        if code == Z_OK { Ok(Self { stream }) } else { Err(code) }
    }

    /// Takes the dictionary that the data were deflated with. Gives zlib's code.
    pub fn set_dictionary(&mut self, bytes: &[u8]) -> i32 {
        let Ok(len) = u32::try_from(bytes.len()) else { return Z_STREAM_ERROR };
        // SAFETY: the stream is initialised; the call reads `bytes` and copies what it needs.
        unsafe { sys::inflateSetDictionary(&raw mut *self.stream, address::of(bytes), len) }
    }

    /// Inflates some of `source` behind what `out` holds, into at most `room` bytes of its free capacity.
    pub fn step(&mut self, source: &[u8], out: &mut Vec<u8>, room: usize, flush: i32) -> Step {
        // SAFETY: the stream is initialised, and `step` has set both buffers.
        step(&mut self.stream, source, out, room, |stream| unsafe { sys::inflate(stream, flush) })
    }

    /// Another stream that goes on from the same state; otherwise zlib's code.
    pub fn copy(&self) -> Result<Self, i32> {
        let mut copy = Box::new(sys::z_stream::default());
        // SAFETY: both are ours and the source is initialised; the call fills the destination when it succeeds.
        let code = unsafe { sys::inflateCopy(&raw mut *copy, &raw const *self.stream) };
        if code == Z_OK { Ok(Self { stream: copy }) } else { Err(code) }
    }

    /// What zlib has to say about the last failure.
    pub fn message(&self) -> Option<&'static str> {
        message(&self.stream)
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        // SAFETY: the stream is initialised and ends once.
        unsafe { sys::inflateEnd(&raw mut *self.stream) };
    }
}

/// The CRC-32 of two messages one after the other, from theirs.
pub fn crc32_combine(first: u32, second: u32, second_len: i64) -> u32 {
    sys::crc32_combine64(first.into(), second.into(), second_len) as u32
}

/// The Adler-32 of two messages one after the other, from theirs.
pub fn adler32_combine(first: u32, second: u32, second_len: i64) -> u32 {
    sys::adler32_combine64(first.into(), second.into(), second_len) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn deflated(options: Options, dictionary: &[u8], source: &[u8]) -> Vec<u8> {
        let mut stream = Deflate::new(options).unwrap();
        if !dictionary.is_empty() {
            assert_eq!(stream.set_dictionary(dictionary), Z_OK);
        }
        let mut out = Vec::with_capacity(2 * source.len() + 100);
        assert_eq!(stream.step(source, &mut out, Z_FINISH), Step { consumed: source.len(), code: Z_STREAM_END });
        out
    }

    const PLAIN: Options = Options { level: 6, method: 8, wbits: 15, mem_level: 8, strategy: 0 };

    #[test]
    fn a_dictionary_is_asked_for_and_serves() {
        let packed = deflated(PLAIN, b"a sentence that is known", b"is known a sentence that");
        let mut stream = Inflate::new(15).unwrap();
        let mut out = Vec::with_capacity(100);
        let first = stream.step(&packed, &mut out, 100, Z_SYNC_FLUSH);
        assert_eq!(first.code, Z_NEED_DICT);
        assert_eq!(stream.set_dictionary(b"another"), Z_DATA_ERROR);
        assert_eq!(stream.set_dictionary(b"a sentence that is known"), Z_OK);
        let second = stream.step(&packed[first.consumed..], &mut out, 100, Z_SYNC_FLUSH);
        assert_eq!(second.code, Z_STREAM_END);
        assert_eq!(out, b"is known a sentence that");
    }

    #[test]
    fn copies_go_on_alone() {
        let mut first = Deflate::new(PLAIN).unwrap();
        let mut out = Vec::with_capacity(1000);
        first.step(b"common, ", &mut out, Z_NO_FLUSH);
        let (mut second, mut other) = (first.copy().unwrap(), Vec::with_capacity(1000));
        other.extend_from_slice(&out);
        assert_eq!(first.step(b"one", &mut out, Z_FINISH).code, Z_STREAM_END);
        drop(first);
        assert_eq!(second.step(b"two", &mut other, Z_FINISH).code, Z_STREAM_END);
        for (packed, plain) in [(out, b"common, one"), (other, b"common, two")] {
            let stream = Inflate::new(15).unwrap();
            let (mut copy, mut back) = (stream.copy().unwrap(), Vec::with_capacity(100));
            drop(stream);
            assert_eq!(copy.step(&packed, &mut back, 100, Z_SYNC_FLUSH).code, Z_STREAM_END);
            assert_eq!(back, plain);
        }
    }

    #[test]
    fn the_room_bounds_and_no_room_is_survived() {
        let packed = deflated(PLAIN, b"", &[7; 1000]);
        let mut stream = Inflate::new(15).unwrap();
        let mut out = Vec::with_capacity(1000);
        assert_eq!(stream.step(&packed, &mut Vec::new(), 0, Z_SYNC_FLUSH).code, Z_OK);
        stream.step(&packed[2..], &mut out, 10, Z_SYNC_FLUSH);
        assert_eq!(out.len(), 10);
    }

    #[test]
    fn bad_options_and_bad_data_are_told() {
        assert_eq!(Deflate::new(Options { level: 10, ..PLAIN }).map(drop), Err(Z_STREAM_ERROR));
        assert_eq!(Inflate::new(7).map(drop), Err(Z_STREAM_ERROR));
        let mut stream = Inflate::new(15).unwrap();
        assert_eq!(stream.step(b"not zlib", &mut Vec::with_capacity(10), 10, Z_SYNC_FLUSH).code, Z_DATA_ERROR);
        assert_eq!(stream.message(), Some("incorrect header check"));
    }
}
