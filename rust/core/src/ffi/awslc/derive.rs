//! Keys out of keys and out of passphrases. The module above says what holds for every unsafe block.

use super::{Hash, done, sys};
use crate::status::Outcome;

/// HKDF (RFC 5869): extracts with the salt, expands with the info, fills `out`.
pub fn hkdf(hash: Hash, secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Outcome<()> {
    // SAFETY: every slice is readable, `out` writable, for the length beside it; the hash is a static table.
    let code = unsafe {
        sys::HKDF(
            out.as_mut_ptr(),
            out.len(),
            hash.md(),
            secret.as_ptr(),
            secret.len(),
            salt.as_ptr(),
            salt.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    done(code, "hkdf")
}

/// scrypt (RFC 7914) with N = `n`, a power of two, within `memory` bytes, which AWS-LC wipes.
pub fn scrypt(password: &[u8], salt: &[u8], (n, r, p): (u64, u64, u64), memory: usize, out: &mut [u8]) -> Outcome<()> {
    // SAFETY: as above; AWS-LC checks the numbers and allocates for itself.
    let code = unsafe {
        sys::EVP_PBE_scrypt(
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr(),
            salt.len(),
            n,
            r,
            p,
            memory,
            out.as_mut_ptr(),
            out.len(),
        )
    };
    done(code, "scrypt")
}
