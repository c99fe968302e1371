//! liblz4: raw blocks, and frames by its official frame interface (LZ4F).
//!
//! Only the calls that begin with a fresh state are used: their fast variants give bytes that depend on what was
//! compressed before.

use super::address;
use lz4_sys as sys;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

unsafe extern "C" {
    // In liblz4 (lz4frame.h, lz4hc.h), but not in the bindings.
    fn LZ4F_compressFrame(
        space: *mut c_void,
        capacity: usize,
        source: *const c_void,
        len: usize,
        preferences: *const sys::LZ4FPreferences,
    ) -> usize;
    fn LZ4F_compressFrameBound(len: usize, preferences: *const sys::LZ4FPreferences) -> usize;
    fn LZ4_sizeofStateHC() -> c_int;
    fn LZ4_compress_HC_extStateHC(
        state: *mut c_void,
        source: *const c_void,
        space: *mut c_void,
        len: c_int,
        capacity: c_int,
        level: c_int,
    ) -> c_int;
}

/// The most bytes that a block can be made of (LZ4_MAX_INPUT_SIZE).
pub const LONGEST_BLOCK: usize = 0x7e00_0000;
/// The least level of the high-compression method (LZ4HC_CLEVEL_MIN).
const LEAST_HIGH: i32 = 3;

fn count(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// Compresses blocks; keeps the high-compression method's quarter of a megabyte.
#[derive(Default)]
pub struct Blocks {
    high: Vec<u64>,
}

impl Blocks {
    /// Compresses `source`, of at most [`LONGEST_BLOCK`] bytes; `None` if it does not fit.
    pub fn compress(&mut self, level: i32, source: &[u8], space: &mut [u8]) -> Option<usize> {
        if source.len() > LONGEST_BLOCK {
            return None;
        }
        let (from, to) = (address::of(source), address::of_mut(space));
        let (len, capacity) = (count(source.len()), count(space.len()));
        let written = if level < LEAST_HIGH {
            // SAFETY: reads `len` bytes of `source` and writes at most `capacity` bytes of `space`.
            unsafe { sys::LZ4_compress_default(from.cast(), to.cast(), len, capacity) }
        } else {
            // SAFETY: takes nothing, gives a constant.
            let size = usize::try_from(unsafe { LZ4_sizeofStateHC() }).unwrap_or(0);
            self.high.resize(size.div_ceil(size_of::<u64>()), 0);
            let state = self.high.as_mut_ptr().cast();
            // SAFETY: as above; `state` has the size asked for and a word's alignment, and is initialised by the call.
            unsafe { LZ4_compress_HC_extStateHC(state, from.cast(), to.cast(), len, capacity, level) }
        };
        usize::try_from(written).ok().filter(|&written| written > 0)
    }
}

/// The most bytes that a block of `len` bytes can become.
pub fn block_bound(len: usize) -> usize {
    // LZ4_COMPRESSBOUND
    len + len / 255 + 16
}

/// Decompresses a whole block; `None` if it is damaged or does not fit.
pub fn decompress_block(source: &[u8], space: &mut [u8]) -> Option<usize> {
    let len = c_int::try_from(source.len()).ok()?;
    let capacity = count(space.len());
    // SAFETY: reads at most `len` bytes of `source` and writes at most `capacity` bytes of `space`, whatever they hold.
    let written =
        unsafe { sys::LZ4_decompress_safe(address::of(source).cast(), address::of_mut(space).cast(), len, capacity) };
    usize::try_from(written).ok()
}

/// Independent blocks of up to 4 MiB (fewer for a smaller source), content size and checksum.
fn preferences(level: i32, len: usize) -> sys::LZ4FPreferences {
    sys::LZ4FPreferences {
        frame_info: sys::LZ4FFrameInfo {
            block_size_id: sys::BlockSize::Max4MB,
            block_mode: sys::BlockMode::Independent,
            content_checksum_flag: sys::ContentChecksum::ChecksumEnabled,
            frame_type: sys::FrameType::Frame,
            content_size: len as u64,
            dict_id: 0,
            block_checksum_flag: sys::BlockChecksum::NoBlockChecksum,
        },
        compression_level: u32::try_from(level).unwrap_or(0),
        auto_flush: 0,
        favor_dec_speed: 0,
        reserved: [0; 3],
    }
}

/// The most bytes that a frame of `len` bytes can become.
pub fn frame_bound(level: i32, len: usize) -> usize {
    // SAFETY: reads the preferences only.
    unsafe { LZ4F_compressFrameBound(len, &preferences(level, len)) }
}

/// Compresses `source` to one frame; `None` if `space` is smaller than [`frame_bound`].
pub fn compress_frame(level: i32, source: &[u8], space: &mut [u8]) -> Option<usize> {
    let preferences = preferences(level, source.len());
    // SAFETY: reads `source` and the preferences, writes at most `space.len()` bytes of `space`.
    let code = unsafe {
        LZ4F_compressFrame(
            address::of_mut(space).cast(),
            space.len(),
            address::of(source).cast(),
            source.len(),
            &preferences,
        )
    };
    error(code).is_none().then_some(code)
}

/// The name of an error, if `code` is one.
fn error(code: usize) -> Option<&'static str> {
    // SAFETY: takes a number.
    if unsafe { sys::LZ4F_isError(code) } == 0 {
        return None;
    }
    // SAFETY: gives a string constant of the library, whatever the number.
    let name = unsafe { CStr::from_ptr(sys::LZ4F_getErrorName(code)) };
    Some(name.to_str().unwrap_or("ERROR_GENERIC"))
}

/// What a turn of the frame decoder did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    pub consumed: usize,
    pub produced: usize,
    /// Bytes that it would like next; 0 at the end of a frame.
    pub wanted: usize,
}

/// A decoder of frames, one after the other.
pub struct Decoder {
    context: sys::LZ4FDecompressionContext,
}

// SAFETY: the context is heap memory of the library, tied to no thread and owned by this value alone.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder; `None` if there is no memory.
    pub fn new() -> Option<Self> {
        let mut context = sys::LZ4FDecompressionContext(ptr::null_mut());
        // SAFETY: stores a new context into `context`, or says why not.
        let code = unsafe { sys::LZ4F_createDecompressionContext(&mut context, sys::LZ4F_VERSION) };
        (error(code).is_none() && !context.0.is_null()).then_some(Self { context })
    }

    /// Forgets everything, to begin another frame. Needed after an error.
    pub fn reset(&mut self) {
        // SAFETY: the context is ours and alive.
        unsafe { sys::LZ4F_resetDecompressionContext(self.context) };
    }

    /// Decodes some of `source` into `space`; an error is the library's name for it.
    pub fn decode(&mut self, source: &[u8], space: &mut [u8]) -> Result<Decoded, &'static str> {
        let (mut consumed, mut produced) = (source.len(), space.len());
        // SAFETY: reads at most `consumed` bytes of `source` and writes at most `produced` bytes of `space`, then stores
        // how many it did. Without options it keeps no pointer into either: history that a later block needs is copied.
        let code = unsafe {
            sys::LZ4F_decompress(
                self.context,
                address::of_mut(space),
                &mut produced,
                address::of(source),
                &mut consumed,
                ptr::null(),
            )
        };
        match error(code) {
            Some(name) => Err(name),
            None => Ok(Decoded { consumed, produced, wanted: code }),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context came from `LZ4F_createDecompressionContext` and is freed once.
        unsafe { sys::LZ4F_freeDecompressionContext(self.context) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_the_librarys() {
        for len in [0, 1, 254, 255, 256, 70_000, LONGEST_BLOCK] {
            // SAFETY: takes a number.
            assert_eq!(block_bound(len), unsafe { sys::LZ4_compressBound(len as c_int) } as usize);
        }
    }

    #[test]
    fn what_is_too_small_is_refused() {
        let source = [7; 1000];
        let mut space = vec![0; frame_bound(0, 1000) - 1];
        assert_eq!(compress_frame(0, &source, &mut space), None);
        assert_eq!(Blocks::default().compress(9, &source, &mut space[..3]), None);
        assert_eq!(decompress_block(&[0x10], &mut space), None);
    }
}
