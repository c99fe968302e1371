//! ISA-L's igzip with Huffman codes of one's own: the body of a deflate block (RFC 1951 3.2.3), without its header or with
//! any bits before it.
//!
//! igzip writes whole streams: a header, a body, an end of block, and if that does not pay a stored block instead. Two
//! things turn that into a body. The header that its tables carry may have any bits, none at all too. And behind the last
//! symbol comes one set bit more, which igzip takes for the end of the code for "end of block": it tells to the bit where
//! the body ends, which igzip itself does not tell, and is taken away here. What igzip writes unasked, a stored block or
//! its blocks for runs of zeros, is seen and made again the longer way, through the stateful calls, which write neither.

use super::address;
use super::isal_state::State;
use isal_sys::igzip_lib as sys;
use std::ptr;

/// Literals, end of block and lengths of RFC 1951.
pub const NUM_LITERALS: usize = 286;
pub const NUM_DISTANCES: usize = 30;
/// The symbol that ends a block.
pub const END_OF_BLOCK: usize = 256;
/// Most bits that can lie before the body.
pub const MOST_HEADER_BITS: usize = 8 * 320;
/// Most bits that igzip writes at once: a literal, a length and a distance with their extra bits.
const MOST_AT_ONCE: usize = 56;
/// Distances of a window of 4 KiB have the symbols below.
const NUM_NEAR: usize = 24;
/// A run of zeros of which igzip makes a block of its own begins with so many.
const RUN: usize = 4096;
/// What igzip wants of space beyond what it uses, and a header.
const SLACK: usize = 512;

/// One symbol of a Huffman code, as it is written: the first bit lowest. Length zero: there is none.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol {
    pub bits: u16,
    pub len: u8,
}

/// The codes of a block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Codes {
    pub literals: [Symbol; NUM_LITERALS],
    pub distances: [Symbol; NUM_DISTANCES],
}

/// Extra bits of each length (RFC 1951 3.2.5), from symbol 257 on, and the first length of each.
pub const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
pub const LENGTH_FIRST: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
/// Extra bits of each distance, and the first distance of each.
pub const DISTANCE_EXTRA: [u8; NUM_DISTANCES] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
pub const DISTANCE_FIRST: [u16; NUM_DISTANCES] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
];

impl Codes {
    /// Whether igzip can write with these: a code for everything within a window of 4 KiB, and short enough together.
    pub fn fit_igzip(&self, with_end: bool) -> bool {
        let most = |symbols: &[Symbol], extra: &[u8]| {
            let total = |(symbol, extra): (&Symbol, &u8)| usize::from(symbol.len) + usize::from(*extra);
            let complete = symbols.iter().all(|symbol| (1..=15).contains(&symbol.len));
            complete.then(|| symbols.iter().zip(extra).map(total).max().unwrap_or(0))
        };
        let literals = most(&self.literals[..END_OF_BLOCK], &[0; END_OF_BLOCK]);
        let lengths = most(&self.literals[END_OF_BLOCK + 1..], &LENGTH_EXTRA);
        let distances = most(&self.distances[..NUM_NEAR], &DISTANCE_EXTRA);
        let end = self.literals[END_OF_BLOCK].len;
        match (literals, lengths, distances) {
            (Some(literal), Some(length), Some(distance)) => {
                literal + length + distance <= MOST_AT_ONCE && (!with_end || (1..=15).contains(&end))
            }
            _ => false,
        }
    }
}

/// igzip's tables of one set of codes, with what is written before and after the body. Costs about ten microseconds to make
/// and is then shared by threads.
pub struct Tables(Box<sys::isal_hufftables>);

impl Tables {
    /// Tables that write the first `header_bits` bits of `header`, the body, and the end of block if wanted. `None` if igzip
    /// cannot write with these codes, or the header is too long.
    pub fn new(codes: &Codes, header: &[u8], header_bits: usize, with_end: bool) -> Option<Self> {
        if !codes.fit_igzip(with_end) || header_bits > MOST_HEADER_BITS {
            return None;
        }
        // SAFETY: integers and arrays of them only, for which zero is a valid value.
        let mut tables: Box<sys::isal_hufftables> = Box::new(unsafe { std::mem::zeroed() });
        let (whole, extra) = (header_bits / 8, header_bits % 8);
        tables.deflate_hdr.get_mut(..whole)?.copy_from_slice(header.get(..whole)?);
        if extra > 0 {
            *tables.deflate_hdr.get_mut(whole)? = header.get(whole)? & ((1 << extra) - 1);
        }
        (tables.deflate_hdr_count, tables.deflate_hdr_extra_bits) = (whole as u32, extra as u32);

        for (index, symbol) in codes.literals.iter().take(END_OF_BLOCK).enumerate() {
            (tables.lit_table[index], tables.lit_table_sizes[index]) = (symbol.bits, symbol.len);
        }
        let end = if with_end { codes.literals[END_OF_BLOCK] } else { Symbol::default() };
        tables.lit_table[END_OF_BLOCK] = end.bits | 1 << end.len;
        tables.lit_table_sizes[END_OF_BLOCK] = end.len + 1;

        // As igzip packs them: the length of all in the five lowest bits, the code above, the extra bits above that.
        let packed = |symbol: Symbol, extra: u8, value: u32| {
            (value << symbol.len | u32::from(symbol.bits)) << 5 | u32::from(symbol.len + extra)
        };
        for (index, symbol) in codes.literals[END_OF_BLOCK + 1..].iter().enumerate() {
            let extra = LENGTH_EXTRA[index];
            for value in 0..1u32 << extra {
                let length = usize::from(LENGTH_FIRST[index]) + value as usize;
                // Symbol 284 could say 258, too, which has one of its own.
                if length < 258 || extra == 0 {
                    *tables.len_table.get_mut(length - 3)? = packed(*symbol, extra, value);
                }
            }
        }
        for index in 0..2 {
            tables.dist_table[index] = packed(codes.distances[index], 0, 0);
        }
        for (index, symbol) in codes.distances.iter().take(NUM_NEAR).enumerate() {
            (tables.dcodes[index], tables.dcodes_sizes[index]) = (symbol.bits, symbol.len);
        }
        Some(Self(tables))
    }
}

/// Why the faster way was not gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declined {
    /// The source begins with a run of zeros, or of bytes 255, of which igzip would make a block of its own.
    Run,
    /// The space did not suffice, for which igzip wants eight bytes more than it uses, or the body is hardly shorter than
    /// the source, or longer: where igzip would rather store.
    TooLong,
}

fn starts_with_run(source: &[u8]) -> bool {
    let start = source.get(..RUN.min(source.len())).unwrap_or(&[]);
    start.first().is_none_or(|first| [0, 0xff].contains(first) && start.iter().all(|byte| byte == first))
}

/// A deflate state that writes bodies with a window of 4 KiB; to be used again and again.
pub struct BodyWriter {
    stream: State,
}

impl Default for BodyWriter {
    fn default() -> Self {
        Self { stream: State::new() }
    }
}

/// log2 of the window.
const WINDOW_BITS: u16 = 12;

impl BodyWriter {
    /// Space that suffices for any `len` bytes.
    pub fn bound(len: usize) -> usize {
        len.saturating_mul(2).saturating_add(SLACK)
    }

    /// Space from which on [`write`](Self::write) no longer depends on how much there is: that of a stored block.
    pub fn least(len: usize) -> usize {
        len.saturating_add(5 * len.div_ceil(0xffff).max(1))
    }

    /// Writes `source` with `tables` into `space`; gives the bits written, of which the last byte may hold fewer than eight
    /// and then zeros. Where it declines, [`write_surely`](Self::write_surely) does it.
    pub fn write(&mut self, tables: &Tables, source: &[u8], space: &mut [u8]) -> Result<usize, Declined> {
        if starts_with_run(source) {
            return Err(Declined::Run);
        }
        let written = self.at_once(tables, source, space);
        self.end(written, space).ok_or(Declined::TooLong)
    }

    /// The same, which always works in [`bound`](Self::bound) bytes of space and takes half as long again. At most 2^31
    /// bytes of source.
    pub fn write_surely(&mut self, tables: &Tables, source: &[u8], space: &mut [u8]) -> Option<usize> {
        let written = self.in_steps(tables, source, space);
        self.end(written, space)
    }

    /// Drops the caller's addresses, and takes the set bit away that marks the end.
    fn end(&mut self, written: Option<usize>, space: &mut [u8]) -> Option<usize> {
        self.stream.next_in = ptr::null_mut();
        self.stream.next_out = ptr::null_mut();
        self.stream.hufftables = ptr::null_mut();
        let written = written?;
        let last = space.get_mut(written.checked_sub(1)?)?;
        let bits = 7u32.checked_sub(last.leading_zeros())?;
        *last &= !(1 << bits);
        Some(8 * (written - 1) + bits as usize)
    }

    fn prepare(&mut self, tables: &Tables, source: &[u8], space: &mut [u8]) {
        let stream = &mut *self.stream;
        stream.hufftables = ptr::from_ref(&*tables.0).cast_mut();
        stream.hist_bits = WINDOW_BITS;
        stream.end_of_stream = 1;
        stream.flush = sys::NO_FLUSH as u16;
        stream.next_in = address::of(source).cast_mut();
        stream.avail_in = source.len() as u32;
        stream.next_out = address::of_mut(space);
        stream.avail_out = space.len().min(u32::MAX as usize) as u32;
    }

    /// The stateless call, which copies no history; `None` if it stored, or had no room.
    fn at_once(&mut self, tables: &Tables, source: &[u8], space: &mut [u8]) -> Option<usize> {
        if source.len() > i32::MAX as usize {
            return None;
        }
        // SAFETY: the state is ours and initialised; the call only stores to its fields.
        unsafe { sys::isal_deflate_stateless_init(&mut *self.stream) };
        self.prepare(tables, source, space);
        let avail = self.stream.avail_out;
        // SAFETY: `next_in` and `next_out` span `source` (which igzip only reads) and `space`, and `hufftables` is `tables`
        // (which it only reads), all alive until the call returns. Level 0 has no further buffer.
        let code = unsafe { sys::isal_deflate_stateless(&mut *self.stream) };
        // In place of a body that does not fit igzip may have stored the data; it counts those in this field.
        let is_stored = self.stream.internal_state.block_next != 0;
        (code == sys::COMP_OK as i32 && !is_stored).then(|| (avail - self.stream.avail_out) as usize)
    }

    /// The stateful call, which never stores.
    fn in_steps(&mut self, tables: &Tables, source: &[u8], space: &mut [u8]) -> Option<usize> {
        if source.len() > i32::MAX as usize {
            return None;
        }
        // SAFETY: as above.
        unsafe { sys::isal_deflate_init(&mut *self.stream) };
        self.prepare(tables, source, space);
        let avail = self.stream.avail_out;
        // SAFETY: as in `at_once`; what igzip keeps of `source` it has copied.
        let code = unsafe { sys::isal_deflate(&mut *self.stream) };
        let is_done = self.stream.internal_state.state == sys::isal_zstate_state_ZSTATE_END;
        (code == sys::COMP_OK as i32 && is_done).then(|| (avail - self.stream.avail_out) as usize)
    }
}
