//! Records of codec state that a descriptor's second source is: the "analytics engine configuration and state".
//!
//! Of a compression 1568 bytes, as QPL's `hw_iaa_aecs_compress` and Linux's `struct aecs_comp_table_record` have them: CRC and
//! XOR of what came before, bits that wait to be written (a header), and the codes of all symbols, each as its length times
//! 2^15 plus the code. Of a decompression 1088 bytes in format 1 and 1248 in format 2; a device makes it, and nobody else
//! looks inside. Its checksums, waiting bits and parser state lie where QPL's `hw_iaa_aecs_analytic` has them. The codes lie in
//! the place of the device's tables, in a form of our own: their lengths, four bits each.

use crate::alg::huffman::{self, CANNED, CANNED_HEADER, Flaw, Lengths, MOST_LEN, reversed};
use crate::ffi::isal_body::{Codes, NUM_DISTANCES, NUM_LITERALS, Symbol};

/// Bytes of the record of a compression, and of a decompression in either format.
pub const COMPRESS_SIZE: usize = 1568;
pub const DECOMPRESS_SIZE: usize = 1088;
pub const DECOMPRESS_SIZE_2: usize = 1248;
/// What records must be aligned to.
pub const ALIGNMENT: usize = 32;

/// A record where the hardware wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Record<const N: usize>(pub [u8; N]);

/// The record of compressions.
pub type CompressRecord = Record<COMPRESS_SIZE>;

const CRC: usize = 0;
const XOR: usize = 4;
/// Bits that wait, and how many.
const NUM_BITS: usize = 28;
const WAITING: usize = 32;
const NUM_WAITING: usize = 256;
const LITERALS: usize = 288;
const DISTANCES: usize = 1440;
const LEN_SHIFT: u32 = 15;

/// The fixed code, with the header of a final fixed block waiting.
pub fn fixed() -> Result<Box<CompressRecord>, Flaw> {
    Ok(from_codes(&huffman::fixed()?, &[0b011], 3))
}

/// The canned code, without header: see [`crate::alg::canned`].
pub fn canned() -> Result<Box<CompressRecord>, Flaw> {
    from_lengths(&CANNED, &[], 0)
}

/// A dynamic header of whole bytes that brings the canned code, for the decompression that makes its state.
pub fn canned_header() -> &'static [u8] {
    &CANNED_HEADER
}

/// Codes of these lengths, given out as RFC 1951 3.2.2 has it, with the first `header_bits` bits of `header` waiting.
pub fn from_lengths(lengths: &Lengths, header: &[u8], header_bits: usize) -> Result<Box<CompressRecord>, Flaw> {
    Ok(from_codes(&lengths.codes()?, header, header_bits))
}

/// Any codes. Of `header` at most 2048 bits.
pub fn from_codes(codes: &Codes, header: &[u8], header_bits: usize) -> Box<CompressRecord> {
    let mut record = Box::new(Record([0; COMPRESS_SIZE]));
    let header_bits = header_bits.min(8 * NUM_WAITING).min(8 * header.len());
    put(&mut record.0, NUM_BITS, header_bits as u32);
    for (place, byte) in record.0.iter_mut().skip(WAITING).zip(header.iter().take(header_bits.div_ceil(8))) {
        *place = *byte;
    }
    for (base, symbols) in [(LITERALS, &codes.literals[..]), (DISTANCES, &codes.distances[..])] {
        for (index, symbol) in symbols.iter().enumerate() {
            let code = u32::from(reversed(u32::from(symbol.bits), symbol.len));
            put(&mut record.0, base + 4 * index, u32::from(symbol.len) << LEN_SHIFT | code);
        }
    }
    record
}

fn put(bytes: &mut [u8], at: usize, word: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

fn get(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// CRC and XOR of what came before, which both records begin with.
pub fn checksums(record: &[u8]) -> (u32, u16) {
    (get(record, CRC), get(record, XOR) as u16)
}

pub fn set_checksums(record: &mut [u8], crc: u32, xor: u16) {
    put(record, CRC, crc);
    put(record, XOR, u32::from(xor));
}

/// The part of the record of a compression that says how to write: all but the checksums.
pub fn recipe(record: &[u8; COMPRESS_SIZE]) -> &[u8] {
    &record[NUM_BITS..]
}

/// Replaces the bits that wait.
pub fn set_waiting(record: &mut [u8; COMPRESS_SIZE], bits: u8, num_bits: usize) {
    put(record, NUM_BITS, num_bits as u32);
    record[WAITING..WAITING + NUM_WAITING].fill(0);
    record[WAITING] = bits;
}

/// The codes and the waiting bits of a record of a compression. `None` if it is damaged: a length beyond 15, a code longer
/// than its length, more bits waiting than there is room.
pub fn parse(record: &[u8; COMPRESS_SIZE]) -> Option<(Codes, &[u8], usize)> {
    let num_bits = get(record, NUM_BITS) as usize;
    let waiting = record.get(WAITING..WAITING + num_bits.div_ceil(8)).filter(|_| num_bits <= 8 * NUM_WAITING)?;
    let symbol = |at: usize| {
        let entry = get(record, at);
        let (len, code) = (entry >> LEN_SHIFT, entry & ((1 << LEN_SHIFT) - 1));
        let is_sound = len <= MOST_LEN as u32 && code >> len == 0;
        is_sound.then(|| Symbol { bits: reversed(code, len as u8), len: len as u8 })
    };
    let mut codes =
        Codes { literals: [Symbol::default(); NUM_LITERALS], distances: [Symbol::default(); NUM_DISTANCES] };
    for (index, place) in codes.literals.iter_mut().enumerate() {
        *place = symbol(LITERALS + 4 * index)?;
    }
    for (index, place) in codes.distances.iter_mut().enumerate() {
        *place = symbol(DISTANCES + 4 * index)?;
    }
    Some((codes, waiting, num_bits))
}

/// Bits of input that wait in the record of a decompression, how many, its format, and its parser's state.
const INPUT: usize = 184;
const INPUT_BITS: usize = 440;
const FORMAT: usize = 477;
const TABLES: usize = 480;
const PARSER: usize = 1076;
/// Marks lengths as ours.
const MARK: u32 = 0x4c54_4c48;

/// Where a decompression goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the header of a block.
    Header,
    /// At the first symbol of a block with such codes; some bits of it were read with the header.
    Body { lengths: Box<Lengths>, bits: u8, num_bits: u8, is_final: bool },
    /// Behind the end of the last block.
    Ended,
}

/// What the parser says of its place, as QPL names it.
mod parser {
    pub const BODY: u16 = 0;
    pub const HEADER: u16 = 1;
    pub const FINAL_BODY: u16 = 4;
    pub const ENDED: u16 = 8;
}

/// A record of a decompression.
pub fn decompress_state(place: &Place, is_format_2: bool) -> Vec<u8> {
    let mut record = vec![0; if is_format_2 { DECOMPRESS_SIZE_2 } else { DECOMPRESS_SIZE }];
    record[FORMAT] = u8::from(is_format_2);
    let state = match place {
        Place::Header => parser::HEADER,
        Place::Ended => parser::ENDED,
        Place::Body { lengths, bits, num_bits, is_final } => {
            (record[INPUT], record[INPUT_BITS]) = (*bits, *num_bits);
            put(&mut record, TABLES, MARK);
            let all = lengths.literals.iter().chain(&lengths.distances);
            for (index, len) in all.enumerate() {
                record[TABLES + 4 + index / 2] |= (len & 15) << (4 * (index % 2));
            }
            if *is_final { parser::FINAL_BODY } else { parser::BODY }
        }
    };
    record[PARSER..PARSER + 2].copy_from_slice(&state.to_le_bytes());
    record
}

/// Where the record of a decompression says to go on; `None` if it is damaged, or of another make.
pub fn place(record: &[u8]) -> Option<Place> {
    let state = get(record, PARSER) as u16;
    match state {
        parser::HEADER => Some(Place::Header),
        parser::ENDED => Some(Place::Ended),
        parser::BODY | parser::FINAL_BODY if get(record, TABLES) == MARK => {
            let nibble =
                |index: usize| record.get(TABLES + 4 + index / 2).map_or(0, |byte| byte >> (4 * (index % 2)) & 15);
            let lengths = Lengths {
                literals: std::array::from_fn(nibble),
                distances: std::array::from_fn(|index| nibble(NUM_LITERALS + index)),
            };
            let (bits, num_bits) = (*record.get(INPUT)?, *record.get(INPUT_BITS)?);
            let is_sound = num_bits < 8 && u32::from(bits) >> num_bits == 0;
            let is_final = state == parser::FINAL_BODY;
            is_sound.then(|| Place::Body { lengths: Box::new(lengths), bits, num_bits, is_final })
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_that_of_the_driver() {
        let record = fixed().unwrap();
        assert_eq!((size_of_val(&*record), align_of_val(&*record)), (1568, 32));
        let entry = |base: usize, index: usize| get(&record.0, base + 4 * index);
        assert_eq!((get(&record.0, 28), record.0[32]), (3, 0b011));
        // Length and code, as the driver's table has them.
        for (first, last, len, code) in [(0, 143, 8, 0x30), (144, 255, 9, 0x190), (256, 279, 7, 0), (280, 285, 8, 0xc0)]
        {
            for symbol in first..=last {
                assert_eq!(entry(288, symbol), len << 15 | (code + (symbol - first) as u32), "{symbol}");
            }
        }
        for symbol in 0..30 {
            assert_eq!(entry(1440, symbol), 5 << 15 | symbol as u32);
        }
        assert_eq!((entry(288, 286), entry(288, 287), entry(1440, 30), entry(1440, 31)), (0, 0, 0, 0));
    }

    #[test]
    fn what_is_built_is_parsed() {
        for (record, codes, num_bits) in [
            (fixed(), huffman::fixed(), 3),
            (canned(), CANNED.codes(), 0),
            (from_lengths(&CANNED, &[9; 256], 2048), CANNED.codes(), 2048),
        ] {
            let record = record.unwrap();
            let (parsed, _, bits) = parse(&record.0).unwrap();
            assert_eq!((parsed, bits), (codes.unwrap(), num_bits));
        }
    }

    #[test]
    fn damage_is_seen() {
        let sound = canned().unwrap();
        for (at, word) in [(288, 16 << 15), (288 + 4, 1 << 15 | 2), (1440, u32::MAX), (28, 2049), (28, u32::MAX)] {
            let mut record = sound.0;
            put(&mut record, at, word);
            assert!(parse(&record).is_none(), "{at}");
        }
    }

    #[test]
    fn a_state_of_decompression_comes_back() {
        let body = Place::Body { lengths: Box::new(CANNED), bits: 5, num_bits: 3, is_final: true };
        for known in [Place::Header, Place::Ended, body] {
            for is_format_2 in [false, true] {
                let record = decompress_state(&known, is_format_2);
                assert_eq!(record.len(), if is_format_2 { 1248 } else { 1088 });
                assert_eq!(place(&record), Some(known.clone()));
            }
        }
        assert_eq!(place(&[0; 1088]), None);
        assert_eq!(place(&[]), None);
    }
}
