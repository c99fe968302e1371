//! Digests, HMAC and CMAC. The module above says what holds for every unsafe block.

use super::{done, refused, short, sys};
use crate::status::Outcome;
use std::ffi::c_uint;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null, null_mut};

/// The hashes of AWS-LC that we offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// The longest digest and the longest HMAC.
pub const MAX_DIGEST: usize = 64;

impl Hash {
    /// Bytes of the digest.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    pub(super) fn md(self) -> *const sys::EVP_MD {
        // SAFETY: these take nothing and return pointers to static tables.
        unsafe {
            match self {
                Self::Sha1 => sys::EVP_sha1(),
                Self::Sha224 => sys::EVP_sha224(),
                Self::Sha256 => sys::EVP_sha256(),
                Self::Sha384 => sys::EVP_sha384(),
                Self::Sha512 => sys::EVP_sha512(),
                Self::Sha3_224 => sys::EVP_sha3_224(),
                Self::Sha3_256 => sys::EVP_sha3_256(),
                Self::Sha3_384 => sys::EVP_sha3_384(),
                Self::Sha3_512 => sys::EVP_sha3_512(),
            }
        }
    }
}

/// The digest of one slice, into the first `hash.size()` bytes of `out`. No allocation for the SHA-1 and SHA-2 family.
pub fn digest(hash: Hash, bytes: &[u8], out: &mut [u8]) -> Outcome<()> {
    let capacity = out.len();
    let out = out.get_mut(..hash.size()).ok_or(short(capacity))?.as_mut_ptr();
    let (data, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: `data..data + len` is readable; `out` has room for exactly the `hash.size()` bytes that each call writes.
    let worked = unsafe {
        match hash {
            Hash::Sha1 => !sys::SHA1(data, len, out).is_null(),
            Hash::Sha224 => !sys::SHA224(data, len, out).is_null(),
            Hash::Sha256 => !sys::SHA256(data, len, out).is_null(),
            Hash::Sha384 => !sys::SHA384(data, len, out).is_null(),
            Hash::Sha512 => !sys::SHA512(data, len, out).is_null(),
            _ => sys::EVP_Digest(data.cast(), len, out, null_mut(), hash.md(), null_mut()) == 1,
        }
    };
    if worked { Ok(()) } else { Err(refused("digest")) }
}

/// A digest computed piece by piece.
pub struct Digest {
    ctx: NonNull<sys::EVP_MD_CTX>,
    hash: Hash,
}

// SAFETY: see the module's head.
unsafe impl Send for Digest {}

impl Digest {
    pub fn new(hash: Hash) -> Outcome<Self> {
        // SAFETY: allocates, or returns null.
        let ctx = NonNull::new(unsafe { sys::EVP_MD_CTX_new() }).ok_or_else(|| refused("allocation"))?;
        let mut digest = Self { ctx, hash };
        digest.restart()?;
        Ok(digest)
    }

    fn restart(&mut self) -> Outcome<()> {
        // SAFETY: `ctx` is live and `md` is static.
        done(unsafe { sys::EVP_DigestInit_ex(self.ctx.as_ptr(), self.hash.md(), null_mut()) }, "digest")
    }

    pub fn update(&mut self, bytes: &[u8]) -> Outcome<()> {
        // SAFETY: `ctx` is live and initialised, the slice readable.
        done(unsafe { sys::EVP_DigestUpdate(self.ctx.as_ptr(), bytes.as_ptr().cast(), bytes.len()) }, "digest")
    }

    /// Writes the digest to the front of `out` and starts anew.
    pub fn finish(&mut self, out: &mut [u8]) -> Outcome<()> {
        let capacity = out.len();
        let out = out.get_mut(..self.hash.size()).ok_or(short(capacity))?.as_mut_ptr();
        // SAFETY: `ctx` is live and initialised; `out` has room for the digest; the length pointer may be null.
        done(unsafe { sys::EVP_DigestFinal_ex(self.ctx.as_ptr(), out, null_mut()) }, "digest")?;
        self.restart()
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        // SAFETY: we own `ctx` and nobody uses it after this.
        unsafe { sys::EVP_MD_CTX_free(self.ctx.as_ptr()) }
    }
}

/// An HMAC key with its two pads already hashed. Copied for each message, never changed.
pub struct HmacKey {
    ctx: NonNull<sys::HMAC_CTX>,
    size: usize,
}

// SAFETY: see the module's head.
unsafe impl Send for HmacKey {}
// SAFETY: `HMAC_CTX_copy_ex` takes it as const and is a plain copy; nothing else touches it until drop.
unsafe impl Sync for HmacKey {}

/// An HMAC context on the stack, overwritten when it goes out of scope. AWS-LC's are flat: no pointers to themselves.
struct StackHmac(MaybeUninit<sys::HMAC_CTX>);

impl Drop for StackHmac {
    fn drop(&mut self) {
        // SAFETY: overwrites the context's own memory and frees nothing; its previous contents do not matter.
        unsafe { sys::HMAC_CTX_cleanup(self.0.as_mut_ptr()) }
    }
}

impl HmacKey {
    /// Keys an HMAC; any length of key, none included.
    pub fn new(hash: Hash, key: &[u8]) -> Outcome<Self> {
        // SAFETY: allocates a zeroed context, or returns null.
        let ctx = NonNull::new(unsafe { sys::HMAC_CTX_new() }).ok_or_else(|| refused("allocation"))?;
        let keyed = Self { ctx, size: hash.size() };
        // SAFETY: `ctx` is live, the key readable, `md` static. A slice's pointer is not null, so an empty key is a key.
        let code =
            unsafe { sys::HMAC_Init_ex(keyed.ctx.as_ptr(), key.as_ptr().cast(), key.len(), hash.md(), null_mut()) };
        done(code, "hmac")?;
        Ok(keyed)
    }

    /// Bytes of the whole tag.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The whole tag of one message, at the front of the returned array. Takes no lock and allocates nothing.
    pub fn tag<'a>(&self, segments: impl Iterator<Item = &'a [u8]>) -> Outcome<[u8; MAX_DIGEST]> {
        let mut ctx = StackHmac(MaybeUninit::uninit());
        let ctx = ctx.0.as_mut_ptr();
        // SAFETY: a plain copy from our live context; it initialises the whole of `ctx`.
        done(unsafe { sys::HMAC_CTX_copy_ex(ctx, self.ctx.as_ptr()) }, "hmac")?;
        for segment in segments {
            // SAFETY: `ctx` was initialised above; the slice is readable.
            done(unsafe { sys::HMAC_Update(ctx, segment.as_ptr(), segment.len()) }, "hmac")?;
        }
        let mut tag = [0; MAX_DIGEST];
        let mut len: c_uint = 0;
        // SAFETY: as above; no HMAC is longer than `tag`.
        done(unsafe { sys::HMAC_Final(ctx, tag.as_mut_ptr(), &mut len) }, "hmac")?;
        Ok(tag)
    }

    /// An HMAC to be computed piece by piece.
    pub fn start(&self) -> Outcome<Hmac> {
        // SAFETY: allocates a zeroed context, or returns null.
        let ctx = NonNull::new(unsafe { sys::HMAC_CTX_new() }).ok_or_else(|| refused("allocation"))?;
        let hmac = Hmac { ctx };
        // SAFETY: a plain copy between two live contexts.
        done(unsafe { sys::HMAC_CTX_copy_ex(hmac.ctx.as_ptr(), self.ctx.as_ptr()) }, "hmac")?;
        Ok(hmac)
    }
}

impl Drop for HmacKey {
    fn drop(&mut self) {
        // SAFETY: we own `ctx` and nobody uses it after this.
        unsafe { sys::HMAC_CTX_free(self.ctx.as_ptr()) }
    }
}

/// A running HMAC.
pub struct Hmac {
    ctx: NonNull<sys::HMAC_CTX>,
}

// SAFETY: see the module's head.
unsafe impl Send for Hmac {}

impl Hmac {
    pub fn update(&mut self, bytes: &[u8]) -> Outcome<()> {
        // SAFETY: `ctx` is live; AWS-LC refuses one that is not initialised; the slice is readable.
        done(unsafe { sys::HMAC_Update(self.ctx.as_ptr(), bytes.as_ptr(), bytes.len()) }, "hmac")
    }

    /// The whole tag, at the front of the array; starts anew with the same key.
    pub fn finish(&mut self) -> Outcome<[u8; MAX_DIGEST]> {
        let mut tag = [0; MAX_DIGEST];
        let mut len: c_uint = 0;
        // SAFETY: `ctx` is live; no HMAC is longer than `tag`.
        done(unsafe { sys::HMAC_Final(self.ctx.as_ptr(), tag.as_mut_ptr(), &mut len) }, "hmac")?;
        // SAFETY: `ctx` is live; a null key and digest mean those it has.
        done(unsafe { sys::HMAC_Init_ex(self.ctx.as_ptr(), null(), 0, null(), null_mut()) }, "hmac")?;
        Ok(tag)
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        // SAFETY: we own `ctx` and nobody uses it after this.
        unsafe { sys::HMAC_CTX_free(self.ctx.as_ptr()) }
    }
}

/// A keyed AES-CMAC, ready for a message.
pub struct Cmac {
    ctx: NonNull<sys::CMAC_CTX>,
}

// SAFETY: see the module's head.
unsafe impl Send for Cmac {}

impl Cmac {
    /// Keys a CMAC with 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Outcome<Self> {
        // SAFETY: these take nothing and return pointers to static tables.
        let cipher = unsafe {
            match key.len() {
                16 => sys::EVP_aes_128_cbc(),
                24 => sys::EVP_aes_192_cbc(),
                _ => sys::EVP_aes_256_cbc(),
            }
        };
        // SAFETY: allocates, or returns null.
        let ctx = NonNull::new(unsafe { sys::CMAC_CTX_new() }).ok_or_else(|| refused("allocation"))?;
        let cmac = Self { ctx };
        // SAFETY: `ctx` is live, the key readable; AWS-LC refuses a key of another length than the cipher's.
        let code = unsafe { sys::CMAC_Init(cmac.ctx.as_ptr(), key.as_ptr().cast(), key.len(), cipher, null_mut()) };
        done(code, "cmac")?;
        Ok(cmac)
    }

    pub fn update(&mut self, bytes: &[u8]) -> Outcome<()> {
        // SAFETY: `ctx` is live and keyed, the slice readable.
        done(unsafe { sys::CMAC_Update(self.ctx.as_ptr(), bytes.as_ptr(), bytes.len()) }, "cmac")
    }

    /// The tag; starts anew with the same key.
    pub fn finish(&mut self) -> Outcome<[u8; 16]> {
        let mut tag = [0; 16];
        let mut len = 0;
        // SAFETY: `ctx` is live and keyed; an AES-CMAC is 16 bytes.
        done(unsafe { sys::CMAC_Final(self.ctx.as_ptr(), tag.as_mut_ptr(), &mut len) }, "cmac")?;
        // SAFETY: `ctx` is live and keyed.
        done(unsafe { sys::CMAC_Reset(self.ctx.as_ptr()) }, "cmac")?;
        Ok(tag)
    }
}

impl Drop for Cmac {
    fn drop(&mut self) {
        // SAFETY: we own `ctx` and nobody uses it after this.
        unsafe { sys::CMAC_CTX_free(self.ctx.as_ptr()) }
    }
}
