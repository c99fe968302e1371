//! libdeflate: whole buffers to deflate, zlib and gzip (RFC 1951, 1950, 1952), raw inflate, and the two checksums.

use super::address;
use super::isal::Wrapper;
use libdeflate_sys as sys;
use std::ptr::{self, NonNull};

/// A compressor of one level, to be used again and again.
pub struct Compressor {
    handle: NonNull<sys::libdeflate_compressor>,
}

impl Compressor {
    /// A compressor of `level`, 0 to 12; `None` if there is no such level or no memory.
    pub fn new(level: i32) -> Option<Self> {
        // SAFETY: takes a number; gives null or a handle that is ours to free.
        NonNull::new(unsafe { sys::libdeflate_alloc_compressor(level) }).map(|handle| Self { handle })
    }

    /// Compresses `source` into `space`; gives the number of bytes written, or `None` if they do not fit.
    pub fn compress(&mut self, wrapper: Wrapper, source: &[u8], space: &mut [u8]) -> Option<usize> {
        let function = match wrapper {
            Wrapper::Raw => sys::libdeflate_deflate_compress,
            Wrapper::Zlib => sys::libdeflate_zlib_compress,
            Wrapper::Gzip => sys::libdeflate_gzip_compress,
        };
        // SAFETY: reads `source`, writes at most `space.len()` bytes to `space`, and uses the handle that we alone own.
        let written = unsafe {
            function(
                self.handle.as_ptr(),
                address::of(source).cast(),
                source.len(),
                address::of_mut(space).cast(),
                space.len(),
            )
        };
        (written != 0).then_some(written)
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: the handle came from `libdeflate_alloc_compressor` and is freed once.
        unsafe { sys::libdeflate_free_compressor(self.handle.as_ptr()) };
    }
}

/// The most bytes that `len` bytes can become, at any level.
pub fn bound(wrapper: Wrapper, len: usize) -> usize {
    let function = match wrapper {
        Wrapper::Raw => sys::libdeflate_deflate_compress_bound,
        Wrapper::Zlib => sys::libdeflate_zlib_compress_bound,
        Wrapper::Gzip => sys::libdeflate_gzip_compress_bound,
    };
    // SAFETY: a null compressor is allowed and asks for the bound of all levels.
    unsafe { function(ptr::null_mut(), len) }
}

/// How inflating ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inflated {
    /// The final block has ended.
    Done { consumed: usize, produced: usize },
    /// The data are damaged or cut off; libdeflate does not say where.
    Bad,
    /// The output is longer than the space.
    Full,
}

/// A raw inflate state, to be used again and again.
pub struct Decompressor {
    handle: NonNull<sys::libdeflate_decompressor>,
}

impl Decompressor {
    /// A decompressor; `None` if there is no memory.
    pub fn new() -> Option<Self> {
        // SAFETY: gives null or a handle that is ours to free.
        NonNull::new(unsafe { sys::libdeflate_alloc_decompressor() }).map(|handle| Self { handle })
    }

    /// Inflates the raw deflate stream at the start of `source` into `space`.
    pub fn inflate(&mut self, source: &[u8], space: &mut [u8]) -> Inflated {
        let (mut consumed, mut produced) = (0, 0);
        // SAFETY: reads `source`, writes at most `space.len()` bytes to `space` and the two counts, and uses the handle
        // that we alone own.
        let code = unsafe {
            sys::libdeflate_deflate_decompress_ex(
                self.handle.as_ptr(),
                address::of(source).cast(),
                source.len(),
                address::of_mut(space).cast(),
                space.len(),
                &mut consumed,
                &mut produced,
            )
        };
        match code {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS => Inflated::Done { consumed, produced },
            sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Inflated::Full,
            _ => Inflated::Bad,
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: the handle came from `libdeflate_alloc_decompressor` and is freed once.
        unsafe { sys::libdeflate_free_decompressor(self.handle.as_ptr()) };
    }
}

/// The CRC-32 of gzip, continued from `init` (0 to begin).
pub fn crc32(init: u32, bytes: &[u8]) -> u32 {
    // SAFETY: reads `bytes` and nothing else.
    unsafe { sys::libdeflate_crc32(init, address::of(bytes).cast(), bytes.len()) }
}

/// The Adler-32 of zlib, continued from `init` (1 to begin).
pub fn adler32(init: u32, bytes: &[u8]) -> u32 {
    // SAFETY: reads `bytes` and nothing else.
    unsafe { sys::libdeflate_adler32(init, address::of(bytes).cast(), bytes.len()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_gzips_and_zlibs() {
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(1, b"123456789"), 0x091e_01de);
        assert_eq!(adler32(1, b""), 1);
    }

    #[test]
    fn an_exact_space_suffices_and_one_byte_less_does_not() {
        let mut packed = vec![0; bound(Wrapper::Raw, 1000)];
        let len = Compressor::new(6).unwrap().compress(Wrapper::Raw, &[7; 1000], &mut packed).unwrap();
        let mut inflater = Decompressor::new().unwrap();
        let mut space = [0; 1000];
        let done = Inflated::Done { consumed: len, produced: 1000 };
        assert_eq!(inflater.inflate(&packed, &mut space), done);
        assert_eq!(inflater.inflate(&packed[..len], &mut space[..999]), Inflated::Full);
        assert_eq!(inflater.inflate(&packed[..len - 1], &mut space), Inflated::Bad);
    }

    #[test]
    fn there_is_no_level_13() {
        assert!(Compressor::new(13).is_none());
    }
}
