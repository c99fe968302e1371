//! What a job looks like to the library, and the numbers that it knows things by.
//!
//! The fields up to `next_iv`, 200 bytes, are the whole of version 1.3's `IMB_JOB` and the front of that of 1.5 and
//! 2.0, which have the session's numbers behind (`tests.rs` compares with the installed header). Jobs lie in
//! the manager's own ring, so that their whole size is nobody's affair here.

use std::ptr::{null, null_mut};

/// `IMB_JOB`, as far as all known versions agree.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub enc_keys: *const u8,
    pub dec_keys: *const u8,
    pub key_len: u64,
    pub src: *const u8,
    pub dst: *mut u8,
    pub cipher_offset: u64,
    pub cipher_len: u64,
    pub hash_offset: u64,
    pub hash_len: u64,
    pub iv: *const u8,
    pub iv_len: u64,
    pub tag: *mut u8,
    pub tag_len: u64,
    /// The union `u`: up to three pointers or lengths, by hash.
    pub auth: [*const u8; 3],
    pub status: i32,
    pub cipher: i32,
    pub direction: i32,
    pub hash: i32,
    pub order: i32,
    pub user_data: usize,
    pub user_data2: usize,
    pub cipher_func: usize,
    pub hash_func: usize,
    pub sgl_state: i32,
    pub next_iv: usize,
}

/// `IMB_STATUS_COMPLETED`.
pub(super) const COMPLETED: i32 = 3;

/// `IMB_CIPHER_MODE`.
pub(super) mod cipher {
    pub const CBC: i32 = 1;
    pub const CTR: i32 = 2;
    pub const NULL: i32 = 3;
    pub const GCM: i32 = 5;
    pub const CCM: i32 = 9;
    pub const CHACHA20_POLY1305: i32 = 19;
}

/// `IMB_HASH_ALG`. HMACs are 1 to 5 and plain hashes 13 to 17, both in the order SHA-1, 224, 256, 384, 512.
pub(super) mod hash {
    pub const HMAC_SHA1: i32 = 1;
    pub const NULL: i32 = 8;
    pub const GMAC: i32 = 9;
    pub const CCM: i32 = 11;
    pub const CMAC_128: i32 = 12;
    pub const SHA1: i32 = 13;
    pub const CMAC_256: i32 = 27;
    pub const CHACHA20_POLY1305: i32 = 29;
}

/// `IMB_CIPHER_DIRECTION`.
pub(super) const ENCRYPT: i32 = 1;
pub(super) const DECRYPT: i32 = 2;
/// `IMB_CHAIN_ORDER`.
pub(super) const CIPHER_HASH: i32 = 1;
pub(super) const HASH_CIPHER: i32 = 2;

impl Default for Job {
    /// Nothing to encrypt and nothing to hash.
    fn default() -> Self {
        Self {
            enc_keys: null(),
            dec_keys: null(),
            key_len: 0,
            src: null(),
            dst: null_mut(),
            cipher_offset: 0,
            cipher_len: 0,
            hash_offset: 0,
            hash_len: 0,
            iv: null(),
            iv_len: 0,
            tag: null_mut(),
            tag_len: 0,
            auth: [null(); 3],
            status: 0,
            cipher: cipher::NULL,
            direction: ENCRYPT,
            hash: hash::NULL,
            order: HASH_CIPHER,
            user_data: 0,
            user_data2: 0,
            cipher_func: 0,
            hash_func: 0,
            sgl_state: 0,
            next_iv: 0,
        }
    }
}
