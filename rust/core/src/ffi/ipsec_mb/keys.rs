//! Keys as the library wants them: worked out once, aligned, and overwritten when nobody needs them any more.

use super::library::Library;
use super::work::Hash;
use crate::ffi::awslc;
use crate::status::Outcome;
use zeroize::{Zeroize, Zeroizing};

/// The strictest alignment that the library asks for: a register of AVX-512.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; 64]);

/// Zeroed, aligned memory that is overwritten on drop.
pub struct Secret(Box<[Line]>);

impl Secret {
    fn new(bytes: usize) -> Self {
        Self(vec![Line([0; 64]); bytes.div_ceil(64)].into())
    }

    /// Bytes from `at` on, for the library to read while `self` lives.
    pub(super) fn at(&self, at: usize) -> *const u8 {
        debug_assert!(at < 64 * self.0.len());
        self.0.as_ptr().cast::<u8>().wrapping_add(at)
    }

    fn at_mut(&mut self, at: usize) -> *mut u8 {
        debug_assert!(at < 64 * self.0.len());
        self.0.as_mut_ptr().cast::<u8>().wrapping_add(at)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|line| line.0.zeroize());
    }
}

/// An AES schedule: 15 round keys of 16 bytes at most.
const SCHEDULE: usize = 256;

fn size_index(key: &[u8]) -> Option<usize> {
    [16, 24, 32].iter().position(|&len| len == key.len())
}

/// AES round keys (FIPS 197 5.2), to encrypt and to decrypt.
pub struct AesKey {
    schedules: Secret,
    len: usize,
}

impl AesKey {
    /// Expands a key; `None` if it is not of 16, 24 or 32 bytes.
    pub fn new(library: &Library, key: &[u8]) -> Option<Self> {
        let expand = library.table.key_expand.get(size_index(key)?)?;
        let mut schedules = Secret::new(2 * SCHEDULE);
        // SAFETY: reads the key, of the length that this function is for, and writes at most 15 round keys to each of
        // the two halves, which are aligned.
        unsafe { expand(key.as_ptr(), schedules.at_mut(0), schedules.at_mut(SCHEDULE)) };
        Some(Self { schedules, len: key.len() })
    }

    /// Bytes of the key itself.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No key has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn encryption(&self) -> *const u8 {
        self.schedules.at(0)
    }

    pub(super) fn decryption(&self) -> *const u8 {
        self.schedules.at(SCHEDULE)
    }
}

/// AES-CMAC's round keys and its two subkeys (SP 800-38B 6.1).
pub struct CmacKey {
    key: AesKey,
    subkeys: Secret,
}

impl CmacKey {
    /// Of a key of 16 or 32 bytes; `None` for others, which the library does not take.
    pub fn new(library: &Library, key: &[u8]) -> Option<Self> {
        let [short, long] = &library.table.cmac_subkeys;
        let subkeys_of = match key.len() {
            16 => short,
            32 => long,
            _ => return None,
        };
        let key = AesKey::new(library, key)?;
        let mut subkeys = Secret::new(128);
        // SAFETY: reads an encryption schedule of the length that this function is for, and writes 16 bytes to each.
        unsafe { subkeys_of(key.encryption(), subkeys.at_mut(0), subkeys.at_mut(64)) };
        Some(Self { key, subkeys })
    }

    /// Whether the key has 32 bytes.
    pub(super) fn is_long(&self) -> bool {
        self.key.len == 32
    }

    pub(super) fn parts(&self) -> [*const u8; 3] {
        [self.key.encryption(), self.subkeys.at(0), self.subkeys.at(64)]
    }
}

/// What a key leaves of HMAC: the hash's state after each of the two padded blocks (RFC 2104 4).
pub struct HmacKey {
    states: Secret,
    hash: Hash,
}

impl HmacKey {
    /// Works in a key of any length.
    pub fn new(library: &Library, hash: Hash, key: &[u8]) -> Outcome<Self> {
        let mut block = Zeroizing::new([0u8; 128]);
        let len = hash.block();
        if key.len() > len {
            let mut digest = Zeroizing::new([0u8; 64]);
            awslc::digest(hash.awslc(), key, digest.as_mut_slice())?;
            block.iter_mut().zip(digest.iter().take(hash.size())).for_each(|(to, from)| *to = *from);
        } else {
            block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        }
        let mut states = Secret::new(128);
        for (pad, at) in [(0x36, 0), (0x5c, 64)] {
            let mut padded = block.clone();
            padded.iter_mut().for_each(|byte| *byte ^= pad);
            let one_block = hash.of(&library.table.one_block);
            // SAFETY: reads one block of the hash, 128 bytes at most, and writes its state, 64 bytes at most.
            unsafe { one_block(padded.as_ptr(), states.at_mut(at)) };
        }
        Ok(Self { states, hash })
    }

    /// The hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn inner(&self) -> *const u8 {
        self.states.at(0)
    }

    pub(super) fn outer(&self) -> *const u8 {
        self.states.at(64)
    }
}

/// AES-GCM's round keys and powers of its hash key.
pub struct GcmKey {
    data: Secret,
    len: usize,
}

/// `struct gcm_key_data`: 1008 bytes in version 1.3, 1264 in 1.5 and 2.0; with room to spare.
const GCM_DATA: usize = 2048;

impl GcmKey {
    /// Of a key of 16, 24 or 32 bytes; `None` for others.
    pub fn new(library: &Library, key: &[u8]) -> Option<Self> {
        let prepare = library.table.gcm_prepare.get(size_index(key)?)?;
        let mut data = Secret::new(GCM_DATA);
        // SAFETY: reads the key, of the length that this function is for, and writes `struct gcm_key_data`, which is
        // aligned and larger than in any known version.
        unsafe { prepare(key.as_ptr(), data.at_mut(0)) };
        Some(Self { data, len: key.len() })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn data(&self) -> *const u8 {
        self.data.at(0)
    }
}

/// ChaCha20's key, which needs no work.
pub(super) fn chacha_key(key: &Zeroizing<[u8; 32]>) -> *const u8 {
    key.as_ptr()
}
