//! What can be asked of the lanes: each job with everything that it reads and writes, checked, and then told to the
//! library in its own words.

use super::job::{self, CIPHER_HASH, DECRYPT, ENCRYPT, HASH_CIPHER, Job, cipher, hash};
use super::keys::{self, AesKey, CmacKey, GcmKey, HmacKey};
use crate::ffi::awslc;
use std::ptr::{null, without_provenance};
use zeroize::Zeroizing;

/// The longest message of whatever runs in lanes: they count in 16 bits.
pub const LANE_MOST: usize = 65_520;
/// The longest message of what the library does one at a time; more is nobody's page or packet.
const WHOLE_MOST: usize = 1 << 30;
/// AES-CCM's additional data share three blocks with their own length.
const CCM_AD_MOST: usize = 46;

/// The hashes that have lanes, in the library's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The kernel's name: `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        self.awslc().size()
    }

    /// Bytes of a block.
    pub fn block(self) -> usize {
        if matches!(self, Self::Sha384 | Self::Sha512) { 128 } else { 64 }
    }

    pub(super) fn awslc(self) -> awslc::Hash {
        match self {
            Self::Sha1 => awslc::Hash::Sha1,
            Self::Sha224 => awslc::Hash::Sha224,
            Self::Sha256 => awslc::Hash::Sha256,
            Self::Sha384 => awslc::Hash::Sha384,
            Self::Sha512 => awslc::Hash::Sha512,
        }
    }

    pub(super) fn of<T>(self, [sha1, sha224, sha256, sha384, sha512]: &[T; 5]) -> &T {
        match self {
            Self::Sha1 => sha1,
            Self::Sha224 => sha224,
            Self::Sha256 => sha256,
            Self::Sha384 => sha384,
            Self::Sha512 => sha512,
        }
    }

    /// How far behind SHA-1 the library counts it.
    fn number(self) -> i32 {
        match self {
            Self::Sha1 => 0,
            Self::Sha224 => 1,
            Self::Sha256 => 2,
            Self::Sha384 => 3,
            Self::Sha512 => 4,
        }
    }
}

/// Which AEAD, and its key.
#[derive(Clone, Copy)]
pub enum Aead<'a> {
    /// Nonces of 12 bytes.
    Gcm(&'a GcmKey),
    /// Keys of 16 and 32 bytes, nonces of 7 to 13, at most 46 bytes of additional data.
    Ccm(&'a AesKey),
    /// ChaCha20-Poly1305: nonces of 12 bytes.
    Chacha(&'a Zeroizing<[u8; 32]>),
}

/// One job. What it reads and writes is borrowed until the job is done.
pub enum Work<'a> {
    /// A digest, written to as many bytes as it has.
    Hash { hash: Hash, source: &'a [u8], digest: &'a mut [u8] },
    /// A whole tag.
    Hmac { key: &'a HmacKey, source: &'a [u8], tag: &'a mut [u8] },
    /// A whole tag, of 16 bytes.
    Cmac { key: &'a CmacKey, source: &'a [u8], tag: &'a mut [u8] },
    /// Whole blocks under an IV of 16 bytes.
    Cbc { key: &'a AesKey, encrypt: bool, iv: &'a [u8], source: &'a [u8], target: &'a mut [u8] },
    /// Any bytes; the first counter block is `iv`, whose last 4 bytes must not overflow on the way.
    Ctr { key: &'a AesKey, iv: &'a [u8], source: &'a [u8], target: &'a mut [u8] },
    /// The tag is written, never compared, and as long as its slice; what is decrypted must not be shown before
    /// somebody has compared.
    Aead {
        key: Aead<'a>,
        encrypt: bool,
        nonce: &'a [u8],
        ad: &'a [u8],
        source: &'a [u8],
        target: &'a mut [u8],
        tag: &'a mut [u8],
    },
    /// Encrypts `source` by CBC to `text` from `skip` on, which is as long; then the tag over all of `text`.
    Seal {
        key: &'a AesKey,
        mac: &'a HmacKey,
        iv: &'a [u8],
        source: &'a [u8],
        skip: usize,
        text: &'a mut [u8],
        tag: &'a mut [u8],
    },
    /// The tag over all of `text`, written and not compared; then decrypts it from `skip` on to `target`.
    Open {
        key: &'a AesKey,
        mac: &'a HmacKey,
        iv: &'a [u8],
        skip: usize,
        text: &'a [u8],
        target: &'a mut [u8],
        tag: &'a mut [u8],
    },
}

const BLOCK: usize = 16;

fn fits(len: usize, most: usize) -> bool {
    (1..=most).contains(&len)
}

fn blocks(len: usize, most: usize) -> bool {
    fits(len, most) && len.is_multiple_of(BLOCK)
}

impl Work<'_> {
    /// The job, if the library can do it; all lengths are looked at here, and nowhere below.
    pub(super) fn job(self) -> Option<Job> {
        match self {
            Self::Hash { hash, source, digest } => {
                let is_right = digest.len() == hash.size();
                let number = hash::SHA1 + hash.number();
                is_right.then(|| hashing(number, [null(); 3], source, digest)).flatten()
            }
            Self::Hmac { key, source, tag } => {
                let is_right = tag.len() == key.hash().size();
                let number = hash::HMAC_SHA1 + key.hash().number();
                is_right.then(|| hashing(number, [key.inner(), key.outer(), null()], source, tag)).flatten()
            }
            Self::Cmac { key, source, tag } => {
                let number = if key.is_long() { hash::CMAC_256 } else { hash::CMAC_128 };
                (tag.len() == BLOCK).then(|| hashing(number, key.parts(), source, tag)).flatten()
            }
            Self::Cbc { key, encrypt, iv, source, target } => {
                let most = if encrypt { LANE_MOST } else { WHOLE_MOST };
                let is_right = iv.len() == BLOCK && blocks(source.len(), most) && source.len() == target.len();
                is_right.then(|| ciphering(cipher::CBC, encrypt, key, iv, source, target))
            }
            Self::Ctr { key, iv, source, target } => {
                let is_right = iv.len() == BLOCK && fits(source.len(), WHOLE_MOST) && source.len() == target.len();
                (is_right && !counter_overflows(iv, source.len()))
                    .then(|| ciphering(cipher::CTR, true, key, iv, source, target))
            }
            Self::Aead { key, encrypt, nonce, ad, source, target, tag } => {
                let is_right = source.len() == target.len() && (4..=BLOCK).contains(&tag.len());
                let template = is_right.then(|| aead(&key, encrypt, nonce, ad, source.len(), tag.len())).flatten()?;
                Some(Job {
                    src: source.as_ptr(),
                    dst: target.as_mut_ptr(),
                    cipher_len: source.len() as u64,
                    hash_len: source.len() as u64,
                    iv: nonce.as_ptr(),
                    iv_len: nonce.len() as u64,
                    tag: tag.as_mut_ptr(),
                    tag_len: tag.len() as u64,
                    auth: [ad.as_ptr(), without_provenance(ad.len()), null()],
                    direction: if encrypt { ENCRYPT } else { DECRYPT },
                    ..template
                })
            }
            Self::Seal { key, mac, iv, source, skip, text, tag } => {
                let (len, start, src) = (source.len(), text.as_mut_ptr(), source.as_ptr());
                let is_right = blocks(len, LANE_MOST) && fits(text.len(), LANE_MOST);
                let is_whole = text.len().checked_sub(skip) == Some(len);
                let job = chained(key, mac, true, iv, src, (skip, text.len()), start.wrapping_add(skip), tag);
                (is_right && is_whole && iv.len() == BLOCK && tag.len() == mac.hash().size()).then_some(Job {
                    order: CIPHER_HASH,
                    cipher_offset: 0,
                    // It hashes from there on after its source: where the ciphertext lies, around the end of all
                    // addresses if that is before it. DPDK's driver counts so, too.
                    hash_offset: (start as u64).wrapping_sub(src as u64),
                    ..job
                })
            }
            Self::Open { key, mac, iv, skip, text, target, tag } => {
                let len = text.len().checked_sub(skip)?;
                let is_right = blocks(len, LANE_MOST) && fits(text.len(), LANE_MOST) && target.len() == len;
                (is_right && iv.len() == BLOCK && tag.len() == mac.hash().size()).then(|| Job {
                    order: HASH_CIPHER,
                    ..chained(key, mac, false, iv, text.as_ptr(), (skip, text.len()), target.as_mut_ptr(), tag)
                })
            }
        }
    }
}

/// The library counts in the last 4 bytes alone.
fn counter_overflows(iv: &[u8], len: usize) -> bool {
    let first = iv.last_chunk().map_or(u32::MAX, |last| u32::from_be_bytes(*last));
    u64::from(first) + len.div_ceil(BLOCK) as u64 > u64::from(u32::MAX)
}

fn hashing(number: i32, auth: [*const u8; 3], source: &[u8], tag: &mut [u8]) -> Option<Job> {
    fits(source.len(), LANE_MOST).then(|| Job {
        src: source.as_ptr(),
        hash_len: source.len() as u64,
        tag: tag.as_mut_ptr(),
        tag_len: tag.len() as u64,
        auth,
        hash: number,
        ..Job::default()
    })
}

fn ciphering(mode: i32, encrypt: bool, key: &AesKey, iv: &[u8], source: &[u8], target: &mut [u8]) -> Job {
    Job {
        enc_keys: key.encryption(),
        dec_keys: key.decryption(),
        key_len: key.len() as u64,
        src: source.as_ptr(),
        dst: target.as_mut_ptr(),
        cipher_len: source.len() as u64,
        iv: iv.as_ptr(),
        iv_len: iv.len() as u64,
        cipher: mode,
        direction: if encrypt { ENCRYPT } else { DECRYPT },
        order: CIPHER_HASH,
        ..Job::default()
    }
}

/// What depends on the AEAD: keys, modes, order; `None` for what it does not take.
fn aead(key: &Aead<'_>, encrypt: bool, nonce: &[u8], ad: &[u8], len: usize, tag: usize) -> Option<Job> {
    let (most, nonces, ads) = match key {
        Aead::Gcm(_) => (WHOLE_MOST, 12..=12, WHOLE_MOST),
        Aead::Ccm(_) => (LANE_MOST, 7..=13, CCM_AD_MOST),
        Aead::Chacha(_) => (WHOLE_MOST, 12..=12, WHOLE_MOST),
    };
    if !fits(len, most) || !nonces.contains(&nonce.len()) || ad.len() > ads {
        return None;
    }
    let (before, behind) = if encrypt { (CIPHER_HASH, HASH_CIPHER) } else { (HASH_CIPHER, CIPHER_HASH) };
    let base = Job::default();
    match key {
        Aead::Gcm(key) => Some(Job {
            enc_keys: key.data(),
            dec_keys: key.data(),
            key_len: key.len() as u64,
            cipher: cipher::GCM,
            hash: hash::GMAC,
            order: before,
            ..base
        }),
        // Its MAC is over the plaintext.
        Aead::Ccm(key) => (key.len() != 24 && tag.is_multiple_of(2)).then(|| Job {
            enc_keys: key.encryption(),
            dec_keys: key.decryption(),
            key_len: key.len() as u64,
            cipher: cipher::CCM,
            hash: hash::CCM,
            order: behind,
            ..base
        }),
        Aead::Chacha(key) => (tag == BLOCK).then(|| Job {
            enc_keys: keys::chacha_key(key),
            dec_keys: keys::chacha_key(key),
            key_len: key.len() as u64,
            cipher: cipher::CHACHA20_POLY1305,
            hash: hash::CHACHA20_POLY1305,
            order: before,
            ..base
        }),
    }
}

/// CBC from `skip` on, and HMAC over the whole.
#[allow(clippy::too_many_arguments)]
fn chained(
    key: &AesKey,
    mac: &HmacKey,
    encrypt: bool,
    iv: &[u8],
    src: *const u8,
    (skip, whole): (usize, usize),
    dst: *mut u8,
    tag: &mut [u8],
) -> Job {
    Job {
        enc_keys: key.encryption(),
        dec_keys: key.decryption(),
        key_len: key.len() as u64,
        src,
        dst,
        cipher_offset: skip as u64,
        cipher_len: whole.saturating_sub(skip) as u64,
        hash_len: whole as u64,
        iv: iv.as_ptr(),
        iv_len: iv.len() as u64,
        tag: tag.as_mut_ptr(),
        tag_len: tag.len() as u64,
        auth: [mac.inner(), mac.outer(), null()],
        cipher: cipher::CBC,
        direction: if encrypt { ENCRYPT } else { DECRYPT },
        hash: job::hash::HMAC_SHA1 + mac.hash().number(),
        ..Job::default()
    }
}
