//! Inflating bodies of deflate blocks whose header is not in the stream, with ISA-L's igzip.
//!
//! igzip builds its lookup tables of a block's header, for about the cost of inflating a page. Here the header is read once,
//! and each body starts where igzip stands behind it: in the middle of a block. It then inflates straight into the caller's
//! memory; a stateful call would go through a buffer of its own first, so that buffer is told to be full and passed on.

use super::address;
use isal_sys::igzip_lib as sys;
use std::ptr;

/// How a body was inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// The end of the block was reached.
    Done { consumed: usize, produced: usize },
    /// The space is full and there is more.
    Full,
    /// The source ended before the block.
    Short { produced: usize },
    /// What was found after so many bytes of source.
    Bad { consumed: usize, what: &'static str },
}

/// An inflate state that stands behind a header.
pub struct Prepared {
    state: Box<sys::inflate_state>,
}

// SAFETY: between calls the state holds no pointer (`inflate` clears them), so it is plain data.
unsafe impl Send for Prepared {}

/// Everything in igzip's own buffer of output has been passed on, and no room is left there.
const PASSED_ON: i32 = 2 * sys::ISAL_DEF_HIST_SIZE as i32;
/// The most bytes that one call is given: igzip counts in 32 bits.
const MOST: usize = 1 << 30;

impl Prepared {
    /// Reads a header of a block with Huffman codes that ends with its last byte. `None` if it is damaged or does not.
    pub fn new(header: &[u8]) -> Option<Self> {
        // SAFETY: integers, byte arrays and raw pointers only, for which zero is a valid value.
        let mut state: Box<sys::inflate_state> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: `state` is ours and initialised; the call only stores to its fields.
        unsafe { sys::isal_inflate_init(&mut *state) };
        let mut nothing = [];
        state.next_in = address::of(header).cast_mut();
        state.avail_in = u32::try_from(header.len()).ok()?;
        state.next_out = address::of_mut(&mut nothing);
        state.avail_out = 0;
        // SAFETY: `next_in` spans `header`, which igzip only reads, and no output is asked for.
        let code = unsafe { sys::isal_inflate(&mut *state) };
        state.next_in = ptr::null_mut();
        state.next_out = ptr::null_mut();
        let is_behind = state.block_state == sys::isal_block_state_ISAL_BLOCK_CODED;
        (code == 0 && is_behind && state.read_in_length == 0 && state.total_out == 0).then_some(Self { state })
    }

    /// Inflates a body at the start of `source` into `space`.
    pub fn inflate(&mut self, source: &[u8], space: &mut [u8]) -> Body {
        self.inflate_behind(0, 0, source, space)
    }

    /// The same of a body that begins with the lowest `num_bits` of `bits`, at most seven.
    pub fn inflate_behind(&mut self, bits: u8, num_bits: u8, source: &[u8], space: &mut [u8]) -> Body {
        let state = &mut *self.state;
        let (source, room) = (source.get(..source.len().min(MOST)).unwrap_or(&[]), space.len().min(MOST));
        let num_bits = num_bits.min(7);
        (state.read_in, state.read_in_length) = (u64::from(bits & ((1 << num_bits) - 1)), i32::from(num_bits));
        (state.total_out, state.dict_length, state.tmp_in_size) = (0, 0, 0);
        state.block_state = sys::isal_block_state_ISAL_BLOCK_CODED;
        state.bfinal = 1;
        (state.write_overflow_lits, state.write_overflow_len) = (0, 0);
        (state.copy_overflow_length, state.copy_overflow_distance) = (0, 0);
        (state.tmp_out_valid, state.tmp_out_processed) = (PASSED_ON, PASSED_ON);
        state.next_in = address::of(source).cast_mut();
        state.avail_in = source.len() as u32;
        state.next_out = address::of_mut(space);
        state.avail_out = room as u32;
        // SAFETY: `next_in` and `next_out` span `source` (which igzip only reads) and `space`, both alive until the call
        // returns. It looks back no further than where `next_out` begins, and keeps what does not fit (less than a
        // match) in its own buffer, which has that much room behind `PASSED_ON`.
        let code = unsafe { sys::isal_inflate(state) };
        let moved = |to: *mut u8, from: usize, most: usize| (to as usize).saturating_sub(from).min(most);
        let produced = moved(state.next_out, address::of(space) as usize, room);
        let consumed = moved(state.next_in, address::of(source) as usize, source.len());
        // igzip reads up to eight bytes ahead.
        let consumed = consumed.saturating_sub(usize::try_from(state.read_in_length / 8).unwrap_or(0));
        state.next_in = ptr::null_mut();
        state.next_out = ptr::null_mut();
        let ended = state.block_state == sys::isal_block_state_ISAL_BLOCK_FINISH
            || state.block_state == sys::isal_block_state_ISAL_BLOCK_INPUT_DONE;
        let is_over = state.tmp_out_valid != state.tmp_out_processed;
        match code {
            0.. if is_over => Body::Full,
            0.. if ended => Body::Done { consumed, produced },
            0.. => Body::Short { produced },
            sys::ISAL_INVALID_LOOKBACK => Body::Bad { consumed, what: "deflate distance too far back" },
            _ => Body::Bad { consumed, what: "invalid deflate symbol" },
        }
    }
}
