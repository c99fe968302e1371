//! The tokens of deflate data (RFC 1951), read without inflating them: to find out what is wrong with data that a library
//! refused, to check how far matches reach back, and to write a body anew with other codes.
//!
//! No codec: it makes no output, and nothing that it says of good data is needed to inflate them. About a fifth as fast as
//! the libraries.

use super::{FIXED_DISTANCES, FIXED_LITERALS, Lengths, MOST_LEN};
use crate::ffi::isal_body::{
    DISTANCE_EXTRA, DISTANCE_FIRST, END_OF_BLOCK, LENGTH_EXTRA, LENGTH_FIRST, NUM_DISTANCES, NUM_LITERALS,
};

/// What is wrong with deflate data; numbered as Intel's analytics accelerator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Problem {
    /// More symbols for lengths of codes than there can be.
    HeaderTooBig = 1,
    /// Bits that are no code for a length of a code.
    UndefinedLengthCode = 2,
    /// "Repeat" where nothing came before.
    FirstLiteralRepeats = 3,
    FirstDistanceRepeats = 4,
    /// No literal or length has a code, or the end of block has none.
    NoLiteralCode = 5,
    TooManyLiterals = 6,
    TooManyDistances = 7,
    BadLengthCodeLengths = 8,
    BadLiteralLengths = 9,
    BadDistanceLengths = 10,
    BadLiteralCode = 11,
    BadDistanceCode = 12,
    BadBlockType = 13,
    BadStoredLength = 14,
    /// The data end before the final block does.
    EndsEarly = 15,
    BadLength = 16,
    /// A distance that the format does not have, or beyond the window.
    BadDistance = 17,
    BeforeStart = 18,
}

/// One thing that a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Literal(u8),
    Match { len: u16, distance: u16 },
}

/// Bits of bytes, the lowest of each first.
#[derive(Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Bits<'a> {
    /// The first `end` bits of `bytes`.
    pub fn new(bytes: &'a [u8], end: usize) -> Self {
        Self { bytes, at: 0, end: end.min(bytes.len().saturating_mul(8)) }
    }

    /// How many have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// The next 16 bits and more; zeros behind the end.
    fn peek(&self) -> u32 {
        let start = self.at / 8;
        let word = match self.bytes.get(start..start + 4) {
            Some(bytes) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)),
            None => (0..4).rev().fold(0, |word, at| word << 8 | u32::from(*self.bytes.get(start + at).unwrap_or(&0))),
        };
        word >> (self.at % 8)
    }

    fn skip(&mut self, count: usize) -> Result<(), Problem> {
        if count > self.left() {
            return Err(Problem::EndsEarly);
        }
        self.at += count;
        Ok(())
    }

    /// A number of up to 16 bits.
    pub fn take(&mut self, count: usize) -> Result<u32, Problem> {
        let word = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Ok(word)
    }

    fn align(&mut self) {
        self.at = self.end.min(self.at.next_multiple_of(8));
    }
}

/// Reads symbols of one Huffman code.
#[derive(Clone)]
pub struct Decoder {
    /// Symbol and length by the next bits, for short codes: length in the low four bits, zero where there is none.
    short: [u16; 1 << Self::SHORT],
    /// Number of codes of each length, and their symbols in the order of the codes.
    count: [u16; MOST_LEN + 1],
    symbols: [u16; NUM_LITERALS + 2],
    /// Codes that are not given to a symbol, of 2^15.
    spare: i32,
    num_codes: usize,
}

impl Decoder {
    const SHORT: usize = 9;

    pub fn new(lengths: &[u8]) -> Self {
        let mut decoder = Self {
            short: [0; 1 << Self::SHORT],
            count: [0; MOST_LEN + 1],
            symbols: [0; NUM_LITERALS + 2],
            spare: 1 << MOST_LEN,
            num_codes: 0,
        };
        for len in lengths.iter().filter(|len| **len > 0) {
            decoder.count[usize::from(*len).min(MOST_LEN)] += 1;
            decoder.spare -= 1 << (MOST_LEN - usize::from(*len).min(MOST_LEN));
            decoder.num_codes += 1;
        }
        let mut next = [0usize; MOST_LEN + 2];
        let mut first = [0u32; MOST_LEN + 2];
        for len in 1..=MOST_LEN {
            next[len + 1] = next[len] + usize::from(decoder.count[len]);
            first[len + 1] = (first[len] + u32::from(decoder.count[len])) << 1;
        }
        if decoder.spare < 0 {
            return decoder;
        }
        for (symbol, len) in lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
            let len = usize::from(*len).min(MOST_LEN);
            if let Some(place) = decoder.symbols.get_mut(next[len]) {
                *place = symbol as u16;
            }
            next[len] += 1;
            if len <= Self::SHORT {
                let code = usize::from(super::reversed(first[len], len as u8));
                for entry in decoder.short.iter_mut().skip(code).step_by(1 << len) {
                    *entry = (symbol << 4 | len) as u16;
                }
            }
            first[len] += 1;
        }
        decoder
    }

    pub fn is_oversubscribed(&self) -> bool {
        self.spare < 0
    }

    /// Codes are left over, and it is not the one case that RFC 1951 has: a single code of one bit, or none.
    fn is_incomplete(&self) -> bool {
        self.spare > 0 && !(self.num_codes <= 1 && self.count[2..].iter().all(|count| *count == 0))
    }

    /// The next symbol, or `None` if the bits are no code.
    fn read(&self, bits: &mut Bits<'_>) -> Result<Option<usize>, Problem> {
        let word = bits.peek();
        if let Some(entry) = self.short.get(word as usize & ((1 << Self::SHORT) - 1)).filter(|entry| **entry > 0) {
            bits.skip(usize::from(*entry & 15))?;
            return Ok(Some(usize::from(*entry >> 4)));
        }
        let (mut code, mut first, mut index) = (0i64, 0i64, 0i64);
        for len in 1..=MOST_LEN {
            code |= i64::from(word >> (len - 1) & 1);
            let count = i64::from(self.count[len]);
            if code - first < count {
                bits.skip(len)?;
                return Ok(self.symbols.get((index + code - first) as usize).map(|symbol| usize::from(*symbol)));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        // Too few bits are no code either.
        if bits.left() < MOST_LEN { Err(Problem::EndsEarly) } else { Ok(None) }
    }
}

/// Both codes of a block.
#[derive(Clone)]
pub struct Decoders {
    literals: Decoder,
    distances: Decoder,
}

impl Decoders {
    pub fn new(lengths: &Lengths) -> Self {
        Self { literals: Decoder::new(&lengths.literals), distances: Decoder::new(&lengths.distances) }
    }

    pub fn fixed() -> Self {
        Self { literals: Decoder::new(&FIXED_LITERALS), distances: Decoder::new(&FIXED_DISTANCES) }
    }

    /// The next token, or `None` at the end of the block.
    pub fn next(&self, bits: &mut Bits<'_>) -> Result<Option<Token>, Problem> {
        let symbol = self.literals.read(bits)?.ok_or(Problem::BadLiteralCode)?;
        if symbol < END_OF_BLOCK {
            return Ok(Some(Token::Literal(symbol as u8)));
        }
        let Some(index) = symbol.checked_sub(END_OF_BLOCK + 1) else { return Ok(None) };
        let (Some(extra), Some(first)) = (LENGTH_EXTRA.get(index), LENGTH_FIRST.get(index)) else {
            return Err(Problem::BadLength);
        };
        let len = first + bits.take(usize::from(*extra))? as u16;
        let index = self.distances.read(bits)?.ok_or(Problem::BadDistanceCode)?;
        let (Some(extra), Some(first)) = (DISTANCE_EXTRA.get(index), DISTANCE_FIRST.get(index)) else {
            return Err(Problem::BadDistance);
        };
        let distance = first + bits.take(usize::from(*extra))? as u16;
        Ok(Some(Token::Match { len, distance }))
    }
}

/// What kind of block begins.
pub enum Block {
    Stored(usize),
    Coded(Box<Decoders>),
}

/// Reads the header of a block; whether it is the final one, and its kind. Of a stored block the bytes follow.
pub fn header(bits: &mut Bits<'_>) -> Result<(bool, Block), Problem> {
    let is_final = bits.take(1)? == 1;
    let block = match bits.take(2)? {
        0 => {
            bits.align();
            let (len, inverse) = (bits.take(16)?, bits.take(16)?);
            if len != !inverse & 0xffff {
                return Err(Problem::BadStoredLength);
            }
            Block::Stored(len as usize)
        }
        1 => Block::Coded(Box::new(Decoders::fixed())),
        2 => Block::Coded(Box::new(Decoders::new(&dynamic(bits)?))),
        _ => return Err(Problem::BadBlockType),
    };
    Ok((is_final, block))
}

/// Reads the codes of a dynamic block (RFC 1951 3.2.7), behind its first three bits.
pub fn dynamic(bits: &mut Bits<'_>) -> Result<Lengths, Problem> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let num_literals = bits.take(5)? as usize + 257;
    let num_distances = bits.take(5)? as usize + 1;
    let num_lengths = bits.take(4)? as usize + 4;
    if num_literals > NUM_LITERALS {
        return Err(Problem::TooManyLiterals);
    }
    if num_distances > NUM_DISTANCES {
        return Err(Problem::TooManyDistances);
    }
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(num_lengths) {
        lengths[*place] = bits.take(3)? as u8;
    }
    let decoder = Decoder::new(&lengths);
    if decoder.is_oversubscribed() || decoder.spare > 0 && decoder.num_codes != 1 {
        return Err(Problem::BadLengthCodeLengths);
    }

    let total = num_literals + num_distances;
    let mut all = [0u8; NUM_LITERALS + NUM_DISTANCES];
    let mut at = 0;
    while at < total {
        let symbol = decoder.read(bits)?.ok_or(Problem::UndefinedLengthCode)?;
        let (len, count) = match symbol {
            0..16 => (symbol as u8, 1),
            16 if at == 0 => return Err(Problem::FirstLiteralRepeats),
            16 => (all[at - 1], 3 + bits.take(2)? as usize),
            17 => (0, 3 + bits.take(3)? as usize),
            _ => (0, 11 + bits.take(7)? as usize),
        };
        let places = all.get_mut(at..at + count).filter(|_| at + count <= total).ok_or(Problem::HeaderTooBig)?;
        places.fill(len);
        at += count;
    }
    let mut lengths = Lengths { literals: [0; NUM_LITERALS], distances: [0; NUM_DISTANCES] };
    lengths.literals[..num_literals].copy_from_slice(&all[..num_literals]);
    lengths.distances[..num_distances].copy_from_slice(&all[num_literals..total]);
    if lengths.literals[END_OF_BLOCK] == 0 {
        return Err(Problem::NoLiteralCode);
    }
    let literals = Decoder::new(&lengths.literals);
    if literals.is_oversubscribed() || literals.is_incomplete() {
        return Err(Problem::BadLiteralLengths);
    }
    let distances = Decoder::new(&lengths.distances);
    if distances.is_oversubscribed() || distances.is_incomplete() {
        return Err(Problem::BadDistanceLengths);
    }
    Ok(lengths)
}

/// What reading to the end, or to the first problem, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bits read, at the end of the final block or at the problem.
    pub bits: usize,
    /// Bytes that the tokens so far stand for.
    pub produced: usize,
    pub problem: Option<Problem>,
}

/// Reads all tokens of `bits`, in the middle of a final block with `first` or from a header on, and checks every distance
/// against `window` and the start.
pub fn read(mut bits: Bits<'_>, first: Option<&Decoders>, window: usize) -> Reading {
    let mut produced = 0usize;
    let problem = blocks(&mut bits, first, window, &mut produced).err();
    Reading { bits: bits.position(), produced, problem }
}

fn blocks(bits: &mut Bits<'_>, first: Option<&Decoders>, window: usize, produced: &mut usize) -> Result<(), Problem> {
    if let Some(decoders) = first {
        return body(bits, decoders, window, produced);
    }
    loop {
        let (is_final, block) = header(bits)?;
        match block {
            Block::Stored(len) => {
                bits.skip(8 * len)?;
                *produced += len;
            }
            Block::Coded(decoders) => body(bits, &decoders, window, produced)?,
        }
        if is_final {
            return Ok(());
        }
    }
}

fn body(bits: &mut Bits<'_>, decoders: &Decoders, window: usize, produced: &mut usize) -> Result<(), Problem> {
    while let Some(token) = decoders.next(bits)? {
        match token {
            Token::Literal(_) => *produced += 1,
            Token::Match { distance, .. } if usize::from(distance) > *produced => return Err(Problem::BeforeStart),
            Token::Match { distance, .. } if usize::from(distance) > window => return Err(Problem::BadDistance),
            Token::Match { len, .. } => *produced += usize::from(len),
        }
    }
    Ok(())
}
