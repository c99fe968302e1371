//! Addresses of slices for C.
//!
//! An empty slice of Rust may lie at address 1, and C code that computes "twelve bytes before the end" then wraps around
//! (liblz4's high-compression method crashes so). Here it gets an address in the middle of real memory.

static NOTHING: [u8; 2048] = [0; 2048];

/// Where `bytes` begin.
pub fn of(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() { NOTHING.as_ptr().wrapping_add(NOTHING.len() / 2) } else { bytes.as_ptr() }
}

/// Where `bytes` begin, for writing as many as there are.
pub fn of_mut(bytes: &mut [u8]) -> *mut u8 {
    if bytes.is_empty() { of(bytes).cast_mut() } else { bytes.as_mut_ptr() }
}
