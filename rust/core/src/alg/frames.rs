//! What zstd and lz4 share: frames one after the other, some of them skippable, each begun by four magic bytes.

use super::stream::{Decompressor, Step};
use crate::status::{Outcome, Status};

/// The magic number of a skippable frame, whose first byte's low four bits are free (RFC 8878 3.1.2).
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
pub const GARBAGE: &str = "trailing garbage";

/// Whether `bytes` begin with a skippable frame.
pub fn is_skippable(bytes: &[u8]) -> bool {
    bytes.len() >= SKIPPABLE.len() && may_skip(bytes)
}

fn may_skip(bytes: &[u8]) -> bool {
    bytes.iter().zip(SKIPPABLE).enumerate().all(|(at, (byte, magic))| byte & if at == 0 { 0xf0 } else { 0xff } == magic)
}

/// One turn of a library's decoder.
pub struct Turn {
    pub read: usize,
    pub written: usize,
    /// A frame has ended with the last byte read.
    pub ended: bool,
}

/// A library's decoder of one frame after the other.
pub trait Codec: Send {
    const MAGIC: [u8; 4];
    const DRIVER: &'static str;
    const TRUNCATED: &'static str;
    const FOREIGN: &'static str;

    /// Takes some of `source`, writes some of `space`; neither, when it needs more of one. `at` is where `source` begins.
    fn turn(&mut self, source: &[u8], space: &mut [u8], at: u64) -> Outcome<Turn>;
}

/// Decompresses any number of frames in steps.
pub struct Frames<C> {
    pub codec: C,
    /// Source bytes taken, in all and up to this frame.
    offset: u64,
    start: u64,
    frames: u64,
    /// The first bytes of this frame, to tell a frame cut short from garbage.
    head: [u8; 4],
    failed: Option<Status>,
}

impl<C: Codec> Frames<C> {
    /// Begins with the frame at `offset`.
    pub fn new(codec: C, offset: usize) -> Self {
        let offset = offset as u64;
        Self { codec, offset, start: offset, frames: u64::from(offset > 0), head: [0; 4], failed: None }
    }

    /// Bytes of this frame that were taken.
    fn taken(&self) -> u64 {
        self.offset - self.start
    }

    /// Notes the first bytes of a frame as they pass, and refuses what cannot be one.
    fn note(&mut self, rest: &[u8]) -> Outcome<()> {
        let have = self.taken().min(4) as usize;
        let Some(missing) = self.head.get_mut(have..).filter(|missing| !missing.is_empty()) else { return Ok(()) };
        let count = missing.len().min(rest.len());
        if let (Some(to), Some(from)) = (missing.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        let head = self.head.get(..have + count).unwrap_or(&[]);
        if C::MAGIC.starts_with(head) || may_skip(head) {
            return Ok(());
        }
        let what = if self.frames > 0 { GARBAGE } else { C::FOREIGN };
        Err(Status::Corrupt { offset: self.start, what })
    }

    fn advance(&mut self, source: &[u8], space: &mut [u8], end: bool) -> Outcome<Step> {
        let (mut consumed, mut produced) = (0, 0);
        loop {
            let rest = source.get(consumed..).unwrap_or(&[]);
            if self.taken() == 0 && rest.is_empty() {
                break;
            }
            self.note(rest)?;
            let room = space.get_mut(produced..).unwrap_or(&mut []);
            let Turn { read, written, ended } = self.codec.turn(rest, room, self.offset)?;
            (consumed, produced, self.offset) = (consumed + read, produced + written, self.offset + read as u64);
            if ended {
                self.frames += 1;
                self.start = self.offset;
            } else if read + written == 0 {
                break;
            }
        }
        let between = self.taken() == 0 && self.frames > 0;
        let all = end && consumed == source.len();
        if all && !between && (produced < space.len() || self.taken() == 0) {
            return Err(Status::Corrupt { offset: self.offset, what: C::TRUNCATED });
        }
        Ok(Step { consumed, produced, finished: all && between })
    }
}

impl<C: Codec> Decompressor for Frames<C> {
    fn step(&mut self, source: &[u8], space: &mut [u8], end: bool) -> Outcome<Step> {
        // After an error the libraries' states are undefined.
        if let Some(status) = &self.failed {
            return Err(status.clone());
        }
        self.advance(source, space, end).inspect_err(|status| self.failed = Some(status.clone()))
    }

    fn driver(&self) -> &'static str {
        C::DRIVER
    }
}
