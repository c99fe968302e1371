//! Safe faces over AWS-LC (aws-lc-sys): digests, HMAC, CMAC, AEADs, CCM, ciphers, HKDF, scrypt, ECDSA over a digest,
//! random bytes.
//!
//! Said once, for every block below. A context is one owned pointer, never null, made by AWS-LC and freed by it on drop;
//! its allocator overwrites memory as it frees it (`OPENSSL_free`), so key schedules do not outlive their owner. A slice
//! passes as pointer and length; an empty one passes a dangling, non-null pointer that is not read. Contexts hold no
//! pointer into Rust memory and no thread-local state, so they may move between threads (`Send`); only those that every
//! call leaves unchanged are shared (`Sync`), which is what AWS-LC documents for them.

mod cipher;
mod derive;
mod hash;

pub use cipher::{AeadKey, AeadKind, Ccm, Cipher, Mode};
pub use derive::{hkdf, scrypt};
pub use hash::{Cmac, Digest, Hash, Hmac, HmacKey, MAX_DIGEST, digest};

use crate::status::{Outcome, Status};
use aws_lc_sys as sys;
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// What went wrong inside AWS-LC, after our own checks had passed: out of memory, or a failed self-test.
#[cold]
fn refused(what: &'static str) -> Status {
    // SAFETY: empties this thread's error queue, which is all it touches.
    unsafe { sys::ERR_clear_error() };
    Status::Engine { engine: "awslc".to_owned(), what: format!("{what} failed") }
}

fn done(code: c_int, what: &'static str) -> Outcome<()> {
    if code == 1 { Ok(()) } else { Err(refused(what)) }
}

fn short(capacity: usize) -> Status {
    Status::OutputTooSmall { capacity }
}

/// Keyed contexts that wait for the next message, so that a message pays for no key schedule and no allocation.
pub struct Spares<T>(Mutex<Vec<T>>);

/// More than this many are never kept: about as many as threads that run at once.
const MOST_SPARES: usize = 64;

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> Spares<T> {
    /// One that waits, if any does.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts one back. Give back only what ended its last message well.
    pub fn give(&self, spare: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_SPARES {
            all.push(spare);
        }
    }
}

/// An ECDSA private key that signs a digest made by anyone.
pub struct EcdsaKey {
    key: NonNull<sys::EVP_PKEY>,
}

// SAFETY: see the module's head.
unsafe impl Send for EcdsaKey {}
// SAFETY: signing takes the key as const; AWS-LC's ec_key.h allows it from many threads at once.
unsafe impl Sync for EcdsaKey {}

impl EcdsaKey {
    /// A key from PKCS#8 DER; `None` if it is not an elliptic curve's.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut reader = MaybeUninit::<sys::CBS>::uninit();
        // SAFETY: initialises the reader with a readable slice, which outlives it.
        unsafe { sys::CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len()) };
        // SAFETY: the reader is initialised; the result is ours to free, or null.
        let key = Self { key: NonNull::new(unsafe { sys::EVP_parse_private_key(reader.as_mut_ptr()) })? };
        // SAFETY: the key is live; borrows its inner key, or returns null if it is of another kind.
        let inner = unsafe { sys::EVP_PKEY_get0_EC_KEY(key.key.as_ptr()) };
        (!inner.is_null()).then_some(key)
    }

    /// The DER signature of a digest.
    pub fn sign(&self, digest: &[u8]) -> Outcome<Vec<u8>> {
        // SAFETY: the key is live and was found to be an elliptic curve's.
        let inner = unsafe { sys::EVP_PKEY_get0_EC_KEY(self.key.as_ptr()) };
        // SAFETY: `inner` is not null.
        let mut signature = vec![0; unsafe { sys::ECDSA_size(inner) }];
        let mut len: c_uint = 0;
        // SAFETY: the digest is readable; `signature` has the `ECDSA_size` bytes that AWS-LC may write.
        let code =
            unsafe { sys::ECDSA_sign(0, digest.as_ptr(), digest.len(), signature.as_mut_ptr(), &mut len, inner) };
        done(code, "sign")?;
        signature.truncate(len as usize);
        Ok(signature)
    }
}

impl Drop for EcdsaKey {
    fn drop(&mut self) {
        // SAFETY: we own the key and nobody uses it after this.
        unsafe { sys::EVP_PKEY_free(self.key.as_ptr()) }
    }
}

/// Fills `bytes` from AWS-LC's generator (SP 800-90A CTR_DRBG, seeded by the system; knows about forks).
pub fn random(bytes: &mut [u8]) -> Outcome<()> {
    // SAFETY: `bytes` is writable for its length.
    done(unsafe { sys::RAND_bytes(bytes.as_mut_ptr(), bytes.len()) }, "random")
}
