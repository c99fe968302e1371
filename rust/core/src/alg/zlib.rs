//! Deflating and inflating call by call, as Python's `zlib` module has it: any split of the data into calls, limits on the
//! output, dictionaries that are asked for, copies. Also its two functions for whole messages.
//!
//! Calls go to zlib-rs, since only a zlib has every option and tells exactly what it has consumed. Whole messages with
//! the full window go to the faster libraries of `deflate` and `inflate`; whatever those refuse is done again here, so
//! that what is accepted and what is said of the rest are zlib's.

use super::{Call, Direction, Params, inflate};
use crate::buffer::{EMPTY, Output, Source};
use crate::ffi::isal::Wrapper;
use crate::ffi::zlib::{self, Deflate, Inflate, Options, Step};
use crate::status::{Outcome, Status};
use std::cell::Cell;
use std::sync::Arc;

/// Bytes of the blocks that an output is made of; the last size repeats. Memory grows with what is written, not with what
/// the data or the caller announce.
const BLOCKS: [usize; 7] = [32 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20];

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An output of any length, in blocks.
pub struct Blocks {
    full: Vec<Vec<u8>>,
    current: Vec<u8>,
    /// Bytes in the full blocks.
    before: usize,
    limit: usize,
}

impl Blocks {
    /// An output of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        // Most outputs fit the first block, which this thread has used before.
        Self { full: Vec::new(), current: SCRATCH.take(), before: 0, limit }
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.before + self.current.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written, in order.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.full.iter().chain([&self.current]).map(Vec::as_slice)
    }

    /// Bytes that the current block may take.
    fn room(&self) -> usize {
        (self.current.capacity() - self.current.len()).min(self.limit.saturating_sub(self.len()))
    }

    /// A block with room and how much; `None` at the limit.
    fn space(&mut self) -> Result<Option<(&mut Vec<u8>, usize)>, Fault> {
        if self.len() >= self.limit {
            return Ok(None);
        }
        if self.current.len() == self.current.capacity() {
            let index = self.full.len() + usize::from(self.current.capacity() > 0);
            let size = BLOCKS.get(index).copied().unwrap_or(16 << 20);
            let mut fresh = Vec::new();
            fresh.try_reserve_exact(size).map_err(|_| Fault::Memory)?;
            let old = std::mem::replace(&mut self.current, fresh);
            if old.capacity() > 0 {
                self.before += old.len();
                self.full.push(old);
            }
        }
        let room = self.room();
        Ok(Some((&mut self.current, room)))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let mut first = if self.full.is_empty() { std::mem::take(&mut self.current) } else { self.full.swap_remove(0) };
        if first.capacity() == BLOCKS[0] {
            first.clear();
            SCRATCH.set(first);
        }
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Memory,
    /// The code of zlib.h and what zlib had to say.
    Zlib {
        code: i32,
        message: Option<&'static str>,
    },
}

impl Fault {
    fn of(code: i32, message: Option<&'static str>) -> Self {
        if code == zlib::Z_MEM_ERROR { Self::Memory } else { Self::Zlib { code, message } }
    }

    /// A stream that has ended, or was never given a state that allows the call.
    const INCONSISTENT: Self = Self::Zlib { code: zlib::Z_STREAM_ERROR, message: None };

    /// What CPython says: the code, what was being done, what was wrong.
    pub fn told(&self, doing: &str) -> String {
        let Self::Zlib { code, message } = self else { return format!("out of memory {doing}") };
        let known = message.or(match *code {
            zlib::Z_BUF_ERROR => Some("incomplete or truncated stream"),
            zlib::Z_STREAM_ERROR => Some("inconsistent stream state"),
            zlib::Z_DATA_ERROR => Some("invalid input data"),
            _ => None,
        });
        match known {
            Some(known) => format!("Error {code} {doing}: {known}"),
            None => format!("Error {code} {doing}"),
        }
    }
}

/// A stream that is deflated call by call.
pub struct Deflating {
    /// None behind the end.
    stream: Option<Deflate>,
}

impl Deflating {
    /// A stream, perhaps with a dictionary; the code is zlib's, and told apart whether the dictionary was refused.
    pub fn new(options: Options, dictionary: Option<&[u8]>) -> Result<Self, (i32, bool)> {
        let mut stream = Deflate::new(options).map_err(|code| (code, false))?;
        match dictionary.map_or(zlib::Z_OK, |dictionary| stream.set_dictionary(dictionary)) {
            zlib::Z_OK => Ok(Self { stream: Some(stream) }),
            code => Err((code, true)),
        }
    }

    /// Takes all of `source`; what comes out goes to `out`.
    pub fn compress(&mut self, mut source: &[u8], out: &mut Blocks) -> Result<(), Fault> {
        let stream = self.stream.as_mut().ok_or(Fault::INCONSISTENT)?;
        loop {
            let Some((block, _)) = out.space()? else { return Err(Fault::INCONSISTENT) };
            let Step { consumed, code } = stream.step(source, block, zlib::Z_NO_FLUSH);
            if code == zlib::Z_STREAM_ERROR {
                return Err(Fault::of(code, stream.message()));
            }
            source = source.get(consumed..).unwrap_or(&[]);
            if out.room() == 0 {
                continue;
            }
            match (source.is_empty(), consumed) {
                (true, _) => return Ok(()),
                (false, 0) => return Err(Fault::INCONSISTENT),
                (false, _) => {}
            }
        }
    }

    /// Brings out what waits inside; with `Z_FINISH` the stream ends.
    pub fn flush(&mut self, mode: i32, out: &mut Blocks) -> Result<(), Fault> {
        if mode == zlib::Z_NO_FLUSH {
            return Ok(());
        }
        let stream = self.stream.as_mut().ok_or(Fault::INCONSISTENT)?;
        loop {
            let Some((block, _)) = out.space()? else { return Err(Fault::INCONSISTENT) };
            let code = stream.step(&[], block, mode).code;
            match code {
                zlib::Z_STREAM_ERROR => return Err(Fault::of(code, stream.message())),
                _ if out.room() == 0 => {}
                zlib::Z_STREAM_END if mode == zlib::Z_FINISH => {
                    self.stream = None;
                    return Ok(());
                }
                zlib::Z_OK | zlib::Z_BUF_ERROR => return Ok(()),
                _ => return Err(Fault::of(code, stream.message())),
            }
        }
    }

    /// Another stream that goes on from here.
    pub fn copy(&mut self) -> Result<Self, Fault> {
        let stream = self.stream.as_mut().ok_or(Fault::INCONSISTENT)?;
        stream.copy().map(|copy| Self { stream: Some(copy) }).map_err(|code| Fault::of(code, None))
    }
}

/// What a call did with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub consumed: usize,
    /// The end of the stream is behind it.
    pub ended: bool,
}

/// A stream that is inflated call by call.
pub struct Inflating {
    /// None behind a flush at the end.
    stream: Option<Inflate>,
    dictionary: Option<Arc<[u8]>>,
}

impl Inflating {
    /// A stream, perhaps with a dictionary; the code is zlib's, and told apart whether the dictionary was refused.
    pub fn new(wbits: i32, dictionary: Option<Arc<[u8]>>) -> Result<Self, (i32, bool)> {
        let mut stream = Inflate::new(wbits).map_err(|code| (code, false))?;
        if let (Some(dictionary), true) = (&dictionary, wbits < 0) {
            // Raw data do not ask for theirs.
            match stream.set_dictionary(dictionary) {
                zlib::Z_OK => {}
                code => return Err((code, true)),
            }
        }
        Ok(Self { stream: Some(stream), dictionary })
    }

    /// Inflates until `source` is used up, `out` is at its limit, or the stream ends. A fault comes with what was
    /// consumed before it.
    pub fn decompress(&mut self, source: &[u8], out: &mut Blocks) -> (Taken, Result<(), Fault>) {
        self.run(source, zlib::Z_SYNC_FLUSH, out)
    }

    /// Inflates the last of the data. What is wrong with them is not told, since CPython does not either.
    pub fn finish(&mut self, source: &[u8], out: &mut Blocks) -> (Taken, Result<(), Fault>) {
        let (taken, result) = self.run(source, zlib::Z_FINISH, out);
        if taken.ended {
            self.stream = None;
        }
        (taken, if result == Err(Fault::Memory) { result } else { Ok(()) })
    }

    fn run(&mut self, source: &[u8], flush: i32, out: &mut Blocks) -> (Taken, Result<(), Fault>) {
        let mut taken = Taken { consumed: 0, ended: false };
        let Some(stream) = self.stream.as_mut() else { return (taken, Err(Fault::INCONSISTENT)) };
        loop {
            let (block, room) = match out.space() {
                Ok(Some(space)) => space,
                Ok(None) => return (taken, Ok(())),
                Err(fault) => return (taken, Err(fault)),
            };
            let rest = source.get(taken.consumed..).unwrap_or(&[]);
            let Step { consumed, code } = stream.step(rest, block, room, flush);
            taken.consumed += consumed;
            match (code, &self.dictionary) {
                (zlib::Z_STREAM_END, _) => {
                    taken.ended = true;
                    return (taken, Ok(()));
                }
                (zlib::Z_OK | zlib::Z_BUF_ERROR, _) => {
                    let more = consumed > 0 && taken.consumed < source.len();
                    if out.room() > 0 && !more {
                        return (taken, Ok(()));
                    }
                }
                (zlib::Z_NEED_DICT, Some(dictionary)) if flush != zlib::Z_FINISH => {
                    let code = stream.set_dictionary(dictionary);
                    if code != zlib::Z_OK {
                        return (taken, Err(Fault::of(code, stream.message())));
                    }
                }
                _ => return (taken, Err(Fault::of(code, stream.message()))),
            }
        }
    }

    /// Another stream that goes on from here.
    pub fn copy(&self) -> Result<Self, Fault> {
        let stream = self.stream.as_ref().ok_or(Fault::INCONSISTENT)?;
        let copy = stream.copy().map_err(|code| Fault::of(code, None))?;
        Ok(Self { stream: Some(copy), dictionary: self.dictionary.clone() })
    }
}

/// zlib's level for "as you like".
const DEFAULT_LEVEL: i32 = -1;

/// Compresses a whole message where a faster library than zlib does it with the same meaning; `None` if none does.
pub fn compress_whole(source: &Source, level: i32, wbits: i32, output: &mut Output) -> Option<Outcome<()>> {
    let name = match wbits {
        15 => "zlib",
        -15 => "deflate",
        31 => "gzip",
        _ => return None,
    };
    let level = match level {
        DEFAULT_LEVEL => 6,
        0..=9 => level,
        _ => return None,
    };
    let transform = match super::compile(name, &Params { level: Some(level), ..Params::default() }) {
        Ok(transform) => transform,
        Err(status) => return Some(Err(status)),
    };
    let call = Call { direction: Direction::Compress, source, nonce: &[], ad: &EMPTY, tag: &[], max_output: u64::MAX };
    Some(transform.run(&call, output).map(drop))
}

/// Decompresses a whole message, or the first of several, with the fast libraries; whatever they refuse may still please
/// zlib, which also knows what is wrong.
pub fn decompress_whole(source: &[u8], wbits: i32, output: &mut Output) -> Outcome<()> {
    let is_gzip = source.starts_with(&[0x1f, 0x8b]);
    let format = match wbits {
        0 | 15 => Wrapper::Zlib,
        -15 => Wrapper::Raw,
        16 | 31 => Wrapper::Gzip,
        32 | 47 if is_gzip => Wrapper::Gzip,
        32 | 47 => Wrapper::Zlib,
        _ => return Err(Status::usage("a window that only zlib has".to_owned())),
    };
    inflate::first(format, source, output)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::sample;
    use crate::buffer::Pool;

    const PLAIN: Options = Options { level: 6, method: 8, wbits: 15, mem_level: 8, strategy: 0 };

    fn joined(out: &Blocks) -> Vec<u8> {
        let all = out.parts().collect::<Vec<_>>().concat();
        assert_eq!(all.len(), out.len());
        all
    }

    fn packed(plain: &[u8], wbits: i32) -> Vec<u8> {
        let mut stream = Deflating::new(Options { wbits, ..PLAIN }, None).unwrap();
        let mut out = Blocks::new(usize::MAX);
        stream.compress(plain, &mut out).unwrap();
        stream.flush(zlib::Z_FINISH, &mut out).unwrap();
        assert_eq!(stream.flush(zlib::Z_FINISH, &mut out), Err(Fault::INCONSISTENT));
        joined(&out)
    }

    #[test]
    fn outputs_of_many_blocks_are_whole() {
        for (size, kind) in [(0, 0), (1, 0), (32 << 10, 1), (100_000, 1), (3 << 20, 3)] {
            let plain = sample(size, kind);
            let packed = packed(&plain, 15);
            let mut stream = Inflating::new(15, None).unwrap();
            let mut out = Blocks::new(usize::MAX);
            let (taken, result) = stream.decompress(&packed, &mut out);
            assert_eq!((taken, result), (Taken { consumed: packed.len(), ended: true }, Ok(())));
            assert!(joined(&out) == plain, "{size}");
        }
    }

    #[test]
    fn limits_hold_and_lose_nothing() {
        let plain = sample(200_000, 3);
        let packed = packed(&plain, -15);
        for limit in [1000, 32 << 10, 70_000, 199_999] {
            let mut stream = Inflating::new(-15, None).unwrap();
            let (mut all, mut at) = (Vec::new(), 0);
            loop {
                let mut out = Blocks::new(limit);
                let (taken, result) = stream.decompress(&packed[at..], &mut out);
                assert_eq!(result, Ok(()));
                assert!(out.len() <= limit);
                at += taken.consumed;
                all.extend(joined(&out));
                if taken.ended {
                    break;
                }
            }
            assert!(all == plain, "{limit}");
        }
    }

    #[test]
    fn whole_messages_take_the_first_member_alone() {
        let pool = Pool::new(1 << 20);
        for (wbits, read) in [(15, 0), (15, 47), (-15, -15), (31, 31), (31, 32)] {
            for size in [0, 1, 5000, 5 << 20] {
                let plain = sample(size, 3);
                let mut output = Output::pooled(&pool);
                compress_whole(&Source::from(plain.clone()), -1, wbits, &mut output).unwrap().unwrap();
                for tail in [&b""[..], b"tail", &[0; 20]] {
                    let mut back = Output::pooled(&pool);
                    decompress_whole(&[output.as_slice(), tail].concat(), read, &mut back).unwrap();
                    assert!(back.as_slice() == plain, "{wbits} {size}");
                }
            }
        }
    }

    #[test]
    fn faults_are_told_as_cpython_tells_them() {
        let (_, fault) = Inflating::new(15, None).unwrap().decompress(b"not zlib", &mut Blocks::new(10));
        let told = fault.unwrap_err().told("while decompressing data");
        assert_eq!(told, "Error -3 while decompressing data: incorrect header check");
        assert_eq!(Fault::INCONSISTENT.told("while flushing"), "Error -2 while flushing: inconsistent stream state");
    }
}
