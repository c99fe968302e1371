//! Bodies of deflate blocks in codes of one's own, a window of 4 KiB back.
//!
//! igzip finds the matches. With codes that its bit buffer can take it writes them, too; for all others it writes the body in
//! the fixed code, which is read again token by token and written anew: an eighth of the speed, for tables that no driver
//! of pages has.

use super::tokens::{Bits, Decoders, Token};
use super::{Flaw, fixed};
use crate::alg::oneshot::staged;
use crate::ffi::isal_body::{
    BodyWriter, Codes, DISTANCE_EXTRA, DISTANCE_FIRST, Declined, END_OF_BLOCK, LENGTH_EXTRA, LENGTH_FIRST,
    MOST_HEADER_BITS, Symbol, Tables,
};
use std::cell::RefCell;
use std::sync::LazyLock;

thread_local! {
    static WRITER: RefCell<BodyWriter> = RefCell::default();
}

/// Sources from this size on must save three bytes if they get no more space than they have themselves. To find out whether
/// one or two can be saved takes twice as long as all else, and pages that do not compress are many.
const PAID: usize = 1024;

/// Why no body was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not fit into the space.
    Full,
    /// Something occurs that has no code.
    NoCode,
}

/// How to write a body: its codes, the bits before it, and whether it ends with the end of block. Immutable; threads share
/// it.
pub struct Recipe {
    codes: Codes,
    header: Vec<u8>,
    header_bits: usize,
    with_end: bool,
    tables: Option<Tables>,
}

/// The fixed code without header or end, as transcoding wants it.
static PLAIN: LazyLock<Result<Recipe, Flaw>> = LazyLock::new(|| Ok(Recipe::new(fixed()?, &[], 0, false)));
static FIXED_DECODERS: LazyLock<Decoders> = LazyLock::new(Decoders::fixed);

impl Recipe {
    /// The first `header_bits` bits of `header` come before the body; what of them is not there are zeros.
    pub fn new(codes: Codes, header: &[u8], header_bits: usize, with_end: bool) -> Self {
        let header_bits = header_bits.min(MOST_HEADER_BITS);
        let mut own = header.get(..header_bits.div_ceil(8).min(header.len())).unwrap_or(&[]).to_vec();
        own.resize(header_bits.div_ceil(8), 0);
        let tables = Tables::new(&codes, &own, header_bits, with_end);
        Self { codes, header: own, header_bits, with_end, tables }
    }

    /// Whether igzip writes with these codes itself.
    pub fn is_direct(&self) -> bool {
        self.tables.is_some()
    }

    /// Writes the header, the body of `source` and the end into `space`; gives the bits written. The last byte is filled up
    /// with zeros. Whatever fits is accepted, but for what saves less than three bytes of a kilobyte and more.
    pub fn write(&self, source: &[u8], space: &mut [u8]) -> Result<usize, Refusal> {
        let Some(tables) = &self.tables else { return self.transcode(source, space) };
        // The matches that igzip finds in a short message depend on the call; which one is made must not depend on the space.
        if space.len() >= BodyWriter::least(source.len()) {
            if let Ok(bits) = WRITER.with_borrow_mut(|writer| writer.write(tables, source, space)) {
                return Ok(bits);
            }
        }
        staged(BodyWriter::bound(source.len()), |aside| {
            let bits = WRITER.with_borrow_mut(|writer| match writer.write(tables, source, aside) {
                Ok(bits) => Ok(bits),
                Err(Declined::TooLong) if space.len() <= source.len() && source.len() >= PAID => Err(Refusal::Full),
                Err(_) => writer.write_surely(tables, source, aside).ok_or(Refusal::Full),
            })?;
            let from = aside.get(..bits.div_ceil(8)).ok_or(Refusal::Full)?;
            space.get_mut(..from.len()).ok_or(Refusal::Full)?.copy_from_slice(from);
            Ok(bits)
        })
    }

    fn transcode(&self, source: &[u8], space: &mut [u8]) -> Result<usize, Refusal> {
        let plain = PLAIN.as_ref().map_err(|_| Refusal::NoCode)?;
        let mut fixed = vec![0; BodyWriter::bound(source.len())];
        let mut bits = Bits::new(&fixed, 0);
        if !source.is_empty() {
            let end = plain.write(source, &mut fixed)?;
            bits = Bits::new(&fixed, end);
        }

        let mut out = Out { space, at: 0 };
        for (index, byte) in self.header.iter().enumerate() {
            out.put(u32::from(*byte), 8.min(self.header_bits - 8 * index) as u8)?;
        }
        let mut done = 0;
        while bits.left() > 0 {
            match FIXED_DECODERS.next(&mut bits) {
                Ok(Some(Token::Literal(byte))) => {
                    out.symbol(self.literal(byte)?)?;
                    done += 1;
                }
                Ok(Some(Token::Match { len, distance })) => {
                    let reach = usize::from(len);
                    if !self.repeat(&mut out, len, distance)? {
                        for byte in source.get(done..done + reach).unwrap_or(&[]) {
                            out.symbol(self.literal(*byte)?)?;
                        }
                    }
                    done += reach;
                }
                // It is our own body, without an end.
                Ok(None) | Err(_) => return Err(Refusal::NoCode),
            }
        }
        if self.with_end {
            out.symbol(Some(self.codes.literals[END_OF_BLOCK]).filter(|end| end.len > 0).ok_or(Refusal::NoCode)?)?;
        }
        Ok(out.at)
    }

    fn literal(&self, byte: u8) -> Result<Symbol, Refusal> {
        let symbol = self.codes.literals[usize::from(byte)];
        if symbol.len == 0 { Err(Refusal::NoCode) } else { Ok(symbol) }
    }

    /// Writes a match; false if one of its symbols has no code.
    fn repeat(&self, out: &mut Out<'_>, len: u16, distance: u16) -> Result<bool, Refusal> {
        let index = LENGTH_FIRST.partition_point(|first| *first <= len) - 1;
        let near = DISTANCE_FIRST.partition_point(|first| *first <= distance) - 1;
        let (length, back) = (self.codes.literals[END_OF_BLOCK + 1 + index], self.codes.distances[near]);
        if length.len == 0 || back.len == 0 {
            return Ok(false);
        }
        out.symbol(length)?;
        out.put(u32::from(len - LENGTH_FIRST[index]), LENGTH_EXTRA[index])?;
        out.symbol(back)?;
        out.put(u32::from(distance - DISTANCE_FIRST[near]), DISTANCE_EXTRA[near])?;
        Ok(true)
    }
}

/// Bits into bytes, the lowest of each first.
struct Out<'a> {
    space: &'a mut [u8],
    at: usize,
}

impl Out<'_> {
    fn symbol(&mut self, symbol: Symbol) -> Result<(), Refusal> {
        self.put(u32::from(symbol.bits), symbol.len)
    }

    fn put(&mut self, bits: u32, len: u8) -> Result<(), Refusal> {
        let (mut bits, mut left) = (bits & ((1 << len) - 1), usize::from(len));
        while left > 0 {
            let (byte, shift) = (self.at / 8, self.at % 8);
            let place = self.space.get_mut(byte).ok_or(Refusal::Full)?;
            if shift == 0 {
                *place = 0;
            }
            *place |= (bits << shift) as u8;
            let count = left.min(8 - shift);
            (bits, left) = (bits >> count, left - count);
            self.at += count;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "body_tests.rs"]
mod tests;
