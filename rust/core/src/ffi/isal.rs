//! ISA-L's igzip: deflate in one call (RFC 1951, in gzip's and zlib's wrappers too) and raw inflate in steps.
//!
//! Its two states are large (82 and 87 KiB) but cost nothing to reset: `isal_deflate_stateless_init` and
//! `isal_inflate_reset` store some twenty words. So they are made once, zeroed, and kept by whoever owns the wrapper.
//! No pointer of a caller stays in a state when a method returns.

use super::address;
use super::isal_state::State;
use isal_sys::igzip_lib as sys;
use std::ptr;

/// The most bytes that one call is given: igzip counts in 32 bits.
const PIECE: usize = 1 << 30;

/// The wrapper around the deflate data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    Raw,
    Zlib,
    Gzip,
}

/// How to deflate.
#[derive(Debug, Clone, Copy)]
pub struct Deflate {
    /// 1 to 3; 0 is the fixed Huffman code of RFC 1951 3.2.6.
    pub level: u32,
    pub wrapper: Wrapper,
    /// log2 of the history window; 0 for 32 KiB.
    pub window: u16,
    /// No final block; ends on a byte boundary.
    pub part: bool,
}

/// igzip's level buffers hold structures of 64-bit words and vectors.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A deflate state with its work space, to be used again and again.
pub struct Deflater {
    stream: State,
    work: Vec<Line>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self { stream: State::new(), work: Vec::new() }
    }
}

/// Level 1 with 48 Ki tokens to a block, where igzip takes 64 Ki: 0.16 % smaller output for about 1 % of the speed, so that
/// files made in independent parts are no larger than igzip's.
const LEVEL_1: u32 = sys::ISAL_DEF_LVL1_REQ + sys::ISAL_DEF_LVL1_TOKEN_SIZE * 48 * 1024;

impl Deflater {
    /// Deflates `source` into `space`; gives the number of bytes written, or `None` if they do not fit.
    ///
    /// igzip wants up to a few hundred bytes more than it ends up using, so `None` is certain only with a bound's space.
    pub fn compress(&mut self, how: &Deflate, source: &[u8], space: &mut [u8]) -> Option<usize> {
        if source.len() <= PIECE { self.at_once(how, source, space) } else { self.in_pieces(how, source, space, PIECE) }
    }

    /// Resets the state and sets it up, all but the source and the output.
    fn prepare(&mut self, how: &Deflate, stateless: bool) {
        let level = how.level.min(3);
        let needed = match level {
            1 => LEVEL_1,
            2 => sys::ISAL_DEF_LVL2_DEFAULT,
            3 => sys::ISAL_DEF_LVL3_DEFAULT,
            _ => 0,
        };
        let lines = (needed as usize).div_ceil(size_of::<Line>());
        if self.work.len() < lines {
            self.work = vec![Line([0; 64]); lines];
        }
        let stream: *mut sys::isal_zstream = &mut *self.stream;
        // SAFETY: `stream` points to our own, initialised state; both functions only store to its fields.
        unsafe { if stateless { sys::isal_deflate_stateless_init(stream) } else { sys::isal_deflate_init(stream) } }
        if level == 0 {
            // SAFETY: as above; the static table ignores the custom pointer and the state is ZSTATE_NEW_HDR.
            unsafe {
                sys::isal_deflate_set_hufftables(stream, ptr::null_mut(), sys::IGZIP_HUFFTABLE_STATIC as i32);
            }
        }
        self.stream.level = level;
        self.stream.level_buf = if level == 0 { ptr::null_mut() } else { self.work.as_mut_ptr().cast() };
        self.stream.level_buf_size = needed;
        self.stream.hist_bits = how.window;
        self.stream.gzip_flag = match how.wrapper {
            Wrapper::Raw => sys::IGZIP_DEFLATE,
            Wrapper::Zlib => sys::IGZIP_ZLIB,
            Wrapper::Gzip => sys::IGZIP_GZIP,
        } as u16;
    }

    /// The stateless call: no copy of the history, and stored blocks where deflating does not pay.
    fn at_once(&mut self, how: &Deflate, source: &[u8], space: &mut [u8]) -> Option<usize> {
        self.prepare(how, true);
        let room = space.len().min(u32::MAX as usize) as u32;
        let stream = &mut *self.stream;
        stream.end_of_stream = u16::from(!how.part);
        stream.flush = if how.part { sys::FULL_FLUSH } else { sys::NO_FLUSH } as u16;
        stream.next_in = address::of(source).cast_mut();
        stream.avail_in = source.len() as u32;
        stream.next_out = address::of_mut(space);
        stream.avail_out = room;
        // SAFETY: `next_in` and `next_out` span `source` (which igzip only reads) and `space`, both alive until the call
        // returns; the level buffer is ours and as large as `level_buf_size` says.
        let code = unsafe { sys::isal_deflate_stateless(stream) };
        let written = room - stream.avail_out;
        self.forget();
        (code == sys::COMP_OK as i32).then_some(written as usize)
    }

    /// The stateful call, `piece` bytes at a time: for what one stateless call cannot count.
    fn in_pieces(&mut self, how: &Deflate, source: &[u8], space: &mut [u8], piece: usize) -> Option<usize> {
        self.prepare(how, false);
        let mut written = 0;
        let mut pieces = source.chunks(piece).peekable();
        let mut fits = true;
        while let (true, Some(bytes)) = (fits, pieces.next()) {
            let last = pieces.peek().is_none();
            let stream = &mut *self.stream;
            stream.end_of_stream = u16::from(last && !how.part);
            stream.flush = if last && how.part { sys::FULL_FLUSH } else { sys::NO_FLUSH } as u16;
            stream.next_in = bytes.as_ptr().cast_mut();
            stream.avail_in = bytes.len() as u32;
            loop {
                let room = space.get_mut(written..).unwrap_or(&mut []);
                let avail = room.len().min(PIECE) as u32;
                stream.next_out = address::of_mut(room);
                stream.avail_out = avail;
                // SAFETY: as in `at_once`; what igzip needs of earlier pieces it has copied into its state.
                let code = unsafe { sys::isal_deflate(stream) };
                written += (avail - stream.avail_out) as usize;
                fits = code == sys::COMP_OK as i32 && avail != 0;
                // igzip leaves room only when it has nothing more to write.
                if !fits || stream.avail_out != 0 {
                    break;
                }
            }
        }
        self.forget();
        fits.then_some(written)
    }

    /// Drops the caller's addresses.
    fn forget(&mut self) {
        self.stream.next_in = ptr::null_mut();
        self.stream.next_out = ptr::null_mut();
        self.stream.level_buf = ptr::null_mut();
    }
}

/// What a step of inflating did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inflated {
    pub consumed: usize,
    pub produced: usize,
    /// The final block has ended and all of its bytes are out; what was not consumed does not belong to the stream.
    pub ended: bool,
}

/// Bad deflate data: what was wrong, and how many bytes of the source had been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    pub consumed: usize,
    pub what: &'static str,
}

/// A raw inflate state, for data that comes in steps.
pub struct Inflater {
    state: Box<sys::inflate_state>,
    /// What was found once is told ever after: igzip does not promise to survive being asked again.
    damage: Option<Damage>,
}

// SAFETY: between calls the state holds no pointer (`step` clears them), so it is plain data.
unsafe impl Send for Inflater {}

impl Default for Inflater {
    fn default() -> Self {
        // SAFETY: `inflate_state` holds integers, byte arrays and raw pointers only, for which zero is a valid value.
        let mut state: Box<sys::inflate_state> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: `state` is ours and initialised; the call only stores to its fields.
        unsafe { sys::isal_inflate_init(&mut *state) };
        Self { state, damage: None }
    }
}

impl Inflater {
    /// Forgets everything, to begin another stream.
    pub fn reset(&mut self) {
        self.damage = None;
        // SAFETY: `state` is ours and initialised; the call only stores to its fields.
        unsafe { sys::isal_inflate_reset(&mut *self.state) };
    }

    /// Forgets everything and takes the last 32 KiB of `dictionary` for the output that came before.
    pub fn reset_with(&mut self, dictionary: &[u8]) {
        self.reset();
        let window = dictionary.len().saturating_sub(sys::ISAL_DEF_HIST_SIZE as usize);
        if let Some(bytes) = dictionary.get(window..).filter(|bytes| !bytes.is_empty()) {
            // SAFETY: the call copies at most 32 KiB from `bytes`, which it does not change, into the state. It cannot
            // refuse: the state is new.
            unsafe {
                sys::isal_inflate_set_dict(&mut *self.state, bytes.as_ptr().cast_mut(), bytes.len() as u32);
            }
        }
    }

    /// Inflates some of `source` into `space`: until one is used up, the other is full, or the stream ends.
    pub fn step(&mut self, source: &[u8], space: &mut [u8]) -> Result<Inflated, Damage> {
        let (mut consumed, mut produced) = (0, 0);
        loop {
            let rest = source.get(consumed..).unwrap_or(&[]);
            let room = space.get_mut(produced..).unwrap_or(&mut []);
            let (rest_len, room_len) = (rest.len().min(PIECE), room.len().min(PIECE));
            let call = self.call(rest.get(..rest_len).unwrap_or(&[]), room.get_mut(..room_len).unwrap_or(&mut []));
            let done = call.map_err(|damage| Damage { consumed: consumed + damage.consumed, ..damage })?;
            consumed += done.consumed;
            produced += done.produced;
            let more = rest_len < rest.len() || room_len < room.len();
            if done.ended || !more || done.consumed + done.produced == 0 {
                return Ok(Inflated { consumed, produced, ended: done.ended });
            }
        }
    }

    fn call(&mut self, source: &[u8], space: &mut [u8]) -> Result<Inflated, Damage> {
        if let Some(damage) = self.damage {
            return Err(Damage { consumed: 0, ..damage });
        }
        let state = &mut *self.state;
        state.next_in = address::of(source).cast_mut();
        state.avail_in = source.len() as u32;
        state.next_out = address::of_mut(space);
        state.avail_out = space.len() as u32;
        // SAFETY: `next_in` and `next_out` span `source` (which igzip only reads) and `space`, both alive until the call
        // returns. History and pending bytes live inside the state.
        let code = unsafe { sys::isal_inflate(state) };
        // By address: after a bad distance `avail_in` and `avail_out` lack the eight and more bytes that the fast loop
        // sets aside.
        let moved = |to: *mut u8, from: usize, most: usize| (to as usize).saturating_sub(from).min(most);
        let produced = moved(state.next_out, address::of(space) as usize, space.len());
        let mut consumed = moved(state.next_in, address::of(source) as usize, source.len());
        state.next_in = ptr::null_mut();
        state.next_out = ptr::null_mut();
        let ended = state.block_state == sys::isal_block_state_ISAL_BLOCK_FINISH;

        // igzip reads up to eight bytes ahead. When it stopped for want of input, they belong to the symbol that it could
        // not finish; when it stopped at the end or for want of room, they may lie beyond the stream: hand them back.
        // Whoever stopped so has read them in this call, since every earlier one has either handed its own back or has
        // seen them needed. In the state BLOCK_HDR all input waits in a buffer of the header, which needs it.
        let waits = state.block_state == sys::isal_block_state_ISAL_BLOCK_HDR;
        if ended || code < 0 || (state.avail_out == 0 && !waits) {
            let ahead = usize::try_from(state.read_in_length / 8).unwrap_or(0).min(consumed);
            consumed -= ahead;
            state.read_in_length -= (8 * ahead) as i32;
            // Above its length `read_in` may hold bits of the next byte; they would be read again.
            state.read_in &= 1u64.checked_shl(state.read_in_length.max(0) as u32).map_or(u64::MAX, |bit| bit - 1);
        }
        let what = match code {
            0.. => return Ok(Inflated { consumed, produced, ended }),
            sys::ISAL_INVALID_LOOKBACK => "deflate distance too far back",
            sys::ISAL_INVALID_SYMBOL => "invalid deflate symbol",
            _ => "invalid deflate block",
        };
        let damage = Damage { consumed, what };
        self.damage = Some(damage);
        Err(damage)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| b"asynchronous "[i % 13] ^ ((i / 997) as u8 & 3)).collect()
    }

    fn inflate(mut bytes: &[u8], step: usize, room: usize) -> Vec<u8> {
        let mut inflater = Inflater::default();
        let (mut all, mut space) = (Vec::new(), vec![0; room]);
        loop {
            let done = inflater.step(&bytes[..step.min(bytes.len())], &mut space).unwrap();
            all.extend_from_slice(&space[..done.produced]);
            bytes = &bytes[done.consumed..];
            if done.ended {
                assert!(bytes.is_empty());
                return all;
            }
            assert!(done.consumed + done.produced > 0, "no progress");
        }
    }

    #[test]
    fn pieces_join_to_one_stream() {
        let source = text(300_000);
        for level in 0..=3 {
            let how = Deflate { level, wrapper: Wrapper::Raw, window: 0, part: false };
            let mut space = vec![0; 400_000];
            let len = Deflater::default().in_pieces(&how, &source, &mut space, 70_001).unwrap();
            assert_eq!(inflate(&space[..len], 1000, 777), source, "level {level}");
        }
    }

    #[test]
    fn pieces_that_do_not_fit_are_refused() {
        let how = Deflate { level: 1, wrapper: Wrapper::Raw, window: 0, part: false };
        let mut space = vec![0; 100];
        assert_eq!(Deflater::default().in_pieces(&how, &text(300_000), &mut space, 70_001), None);
    }

    #[test]
    fn bytes_beyond_the_end_are_handed_back() {
        let how = Deflate { level: 1, wrapper: Wrapper::Raw, window: 0, part: false };
        let (source, mut space) = (text(5000), vec![0; 8000]);
        let len = Deflater::default().compress(&how, &source, &mut space).unwrap();
        let mut joined = space[..len].to_vec();
        joined.extend_from_slice(&[0xaa; 40]);
        for room in [1, 7, 4999, 5000, 5001, 9000] {
            let (mut inflater, mut out) = (Inflater::default(), vec![0; room]);
            let (mut at, mut produced) = (0, 0);
            while let Ok(done) = inflater.step(&joined[at..], &mut out) {
                at += done.consumed;
                produced += done.produced;
                if done.ended {
                    break;
                }
            }
            assert_eq!((at, produced), (len, 5000), "room {room}");
        }
    }
}
