//! Huffman codes of deflate by their lengths (RFC 1951 3.2.2), and the two that are agreed beforehand: the fixed one and the
//! canned one of Intel's analytics accelerator.

pub mod body;
pub mod tokens;

use crate::ffi::isal_body::{Codes, NUM_DISTANCES, NUM_LITERALS, Symbol};

/// Longest code of deflate.
pub const MOST_LEN: usize = 15;

/// Lengths of the codes of a block; zero for symbols that have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lengths {
    pub literals: [u8; NUM_LITERALS],
    pub distances: [u8; NUM_DISTANCES],
}

/// Lengths of the fixed code (RFC 1951 3.2.6). The last two symbols have codes and never occur.
pub const FIXED_LITERALS: [u8; NUM_LITERALS + 2] = fixed_literals();
/// The fixed code of distances; there, too, two more have codes.
pub const FIXED_DISTANCES: [u8; NUM_DISTANCES + 2] = [5; NUM_DISTANCES + 2];

const fn fixed_literals() -> [u8; NUM_LITERALS + 2] {
    let mut lengths = [8; NUM_LITERALS + 2];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    lengths
}

/// The codes of a fixed block.
pub fn fixed() -> Result<Codes, Flaw> {
    let (literals, distances) = (assign(&FIXED_LITERALS)?, assign(&FIXED_DISTANCES)?);
    Ok(Codes { literals: std::array::from_fn(|at| literals[at]), distances: std::array::from_fn(|at| distances[at]) })
}

/// The canned code: of "deflate-canned" as the Linux driver iaa_crypto was proposed with it (2024), for memory pages. Both
/// codes are complete; distances beyond 4 KiB have none.
pub const CANNED: Lengths = Lengths {
    literals: canned_literals(),
    distances: [7, 4, 9, 3, 8, 3, 6, 4, 4, 5, 4, 5, 4, 5, 5, 4, 4, 5, 5, 5, 5, 6, 6, 9, 0, 0, 0, 0, 0, 0],
};

const fn canned_literals() -> [u8; NUM_LITERALS] {
    const SEVEN: [u16; 15] = [1, 32, 48, 49, 56, 63, 64, 97, 99, 100, 101, 265, 266, 269, 270];
    const EIGHT: [u16; 60] = [
        2, 3, 4, 6, 8, 10, 16, 24, 40, 46, 50, 51, 52, 53, 54, 55, 57, 58, 60, 61, 62, 65, 68, 70, 72, 80, 88, 96, 98,
        102, 104, 105, 108, 109, 110, 111, 112, 114, 115, 116, 117, 120, 128, 136, 144, 152, 160, 176, 184, 191, 192,
        200, 208, 224, 240, 255, 263, 264, 268, 271,
    ];
    const fn set(lengths: &mut [u8; NUM_LITERALS], symbols: &[u16], len: u8) {
        let mut index = 0;
        while index < symbols.len() {
            lengths[symbols[index] as usize] = len;
            index += 1;
        }
    }
    let mut lengths = [9; NUM_LITERALS];
    set(&mut lengths, &[257], 4);
    set(&mut lengths, &[0, 258, 260, 261, 262, 272], 5);
    set(&mut lengths, &[259, 267], 6);
    set(&mut lengths, &SEVEN, 7);
    set(&mut lengths, &EIGHT, 8);
    set(&mut lengths, &[256], 10);
    set(&mut lengths, &[251], 11);
    set(&mut lengths, &[273, 274, 285], 14);
    set(&mut lengths, &[275, 276, 277, 278, 279, 280, 281, 282, 283, 284], 15);
    lengths
}

/// The header of a final dynamic block (RFC 1951 3.2.7) with the canned code: 624 bits, so that a body may follow on a byte.
pub const CANNED_HEADER: [u8; 78] = [
    0xed, 0xfc, 0x75, 0x40, 0x54, 0xcf, 0x17, 0x06, 0x8c, 0xcf, 0x02, 0x22, 0x62, 0x61, 0x63, 0xaf, 0x8d, 0x85, 0xbb,
    0xe4, 0x82, 0xc0, 0x2e, 0x8a, 0x88, 0x8d, 0x8d, 0xcd, 0xb2, 0xbb, 0x08, 0x4a, 0x49, 0x28, 0x36, 0x36, 0x36, 0x36,
    0x36, 0x76, 0x2b, 0x36, 0x26, 0xd8, 0xd8, 0xd8, 0xad, 0xd8, 0xad, 0xd8, 0xf1, 0x55, 0xf9, 0x9c, 0xb9, 0x33, 0x03,
    0xbb, 0x97, 0x5d, 0xe6, 0x7d, 0x7f, 0x1d, 0xef, 0x1e, 0x1f, 0x9e, 0x7b, 0xce, 0x9c, 0x39, 0x33, 0xe7, 0x4c, 0xdc,
    0xeb, 0x5f,
];

/// Why lengths make no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// More symbols than there are codes of these lengths.
    Oversubscribed,
    /// Codes are left over.
    Incomplete,
    TooLong,
}

/// Gives each symbol its code, in the order of RFC 1951 3.2.2. Codes may be left over.
pub fn assign<const N: usize>(lengths: &[u8; N]) -> Result<[Symbol; N], Flaw> {
    let mut count = [0u32; MOST_LEN + 1];
    for len in lengths {
        *count.get_mut(usize::from(*len)).ok_or(Flaw::TooLong)? += 1;
    }
    let mut next = [0u32; MOST_LEN + 2];
    let mut code = 0;
    for len in 1..=MOST_LEN {
        next[len] = code;
        code = (code + count[len]) << 1;
        if code > 2 << len {
            return Err(Flaw::Oversubscribed);
        }
    }
    let mut symbols = [Symbol::default(); N];
    for (symbol, len) in symbols.iter_mut().zip(lengths).filter(|(_, len)| **len > 0) {
        let slot = &mut next[usize::from(*len)];
        *symbol = Symbol { bits: reversed(*slot, *len), len: *len };
        *slot += 1;
    }
    Ok(symbols)
}

/// The lowest `len` bits, the other way round: codes are numbers with their first bit highest, and written lowest first.
pub fn reversed(code: u32, len: u8) -> u16 {
    ((code.reverse_bits()).checked_shr(32 - u32::from(len)).unwrap_or(0)) as u16
}

impl Lengths {
    pub fn codes(&self) -> Result<Codes, Flaw> {
        Ok(Codes { literals: assign(&self.literals)?, distances: assign(&self.distances)? })
    }

    /// The header of a final dynamic block with these codes that fills whole bytes: three empty fixed blocks (30 bits), and a
    /// dynamic header that gives every length in four bits (1338).
    pub fn header(&self) -> [u8; 171] {
        let mut header = [0u8; 171];
        let mut at = 0;
        let mut put = |value: u32, len: usize| {
            for bit in 0..len {
                if let Some(byte) = header.get_mut((at + bit) / 8) {
                    *byte |= ((value >> bit & 1) as u8) << ((at + bit) % 8);
                }
            }
            at += len;
        };
        for _ in 0..3 {
            put(0b010, 10);
        }
        put(0b101, 3);
        // 286 literals, 30 distances, 19 lengths; of those 16, 17 and 18 come first and have no code.
        put(29 | 29 << 5 | 15 << 10, 14);
        put(0, 9);
        for _ in 0..16 {
            put(4, 3);
        }
        for len in self.literals.iter().chain(&self.distances) {
            put(u32::from(len.reverse_bits() >> 4), 4);
        }
        header
    }
}
