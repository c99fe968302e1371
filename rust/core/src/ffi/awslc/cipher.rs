//! AEADs, CCM and plain ciphers. The module above says what holds for every unsafe block.

use super::{done, refused, short, sys};
use crate::status::{Outcome, Status};
use std::ffi::{c_int, c_void};
use std::ptr::{NonNull, null, null_mut};

/// The AEADs that AWS-LC runs without changing their context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AeadKind {
    /// AES-GCM with the key's length: 16, 24 or 32 bytes.
    AesGcm,
    ChaCha20Poly1305,
}

/// A keyed AEAD, shared by all threads.
pub struct AeadKey {
    ctx: NonNull<sys::EVP_AEAD_CTX>,
    tag_len: usize,
}

// SAFETY: see the module's head.
unsafe impl Send for AeadKey {}
// SAFETY: sealing and opening take the context as const; AWS-LC's aead.h allows both from many threads at once.
unsafe impl Sync for AeadKey {}

impl AeadKey {
    pub fn new(kind: AeadKind, key: &[u8], tag_len: usize) -> Outcome<Self> {
        // SAFETY: these take nothing and return pointers to static tables.
        let aead = unsafe {
            match (kind, key.len()) {
                (AeadKind::ChaCha20Poly1305, _) => sys::EVP_aead_chacha20_poly1305(),
                (AeadKind::AesGcm, 16) => sys::EVP_aead_aes_128_gcm(),
                (AeadKind::AesGcm, 24) => sys::EVP_aead_aes_192_gcm(),
                (AeadKind::AesGcm, _) => sys::EVP_aead_aes_256_gcm(),
            }
        };
        // SAFETY: the key is readable; AWS-LC refuses one of another length than the AEAD's. Null means refused.
        let ctx = NonNull::new(unsafe { sys::EVP_AEAD_CTX_new(aead, key.as_ptr(), key.len(), tag_len) });
        Ok(Self { ctx: ctx.ok_or_else(|| refused("aead key setup"))?, tag_len })
    }

    /// Encrypts `source`, or `data` in place, into `data`, and writes the tag.
    pub fn seal(&self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8], tag: &mut [u8]) -> Outcome<()> {
        if source.is_some_and(|s| s.len() != data.len()) || tag.len() != self.tag_len {
            return Err(short(data.len()));
        }
        let target = data.as_mut_ptr();
        let from = source.map_or(target.cast_const(), <[u8]>::as_ptr);
        let mut written = 0;
        // SAFETY: `from` and `target` each span `data.len()` bytes and are the same or do not overlap; `tag` is writable
        // for the length given, which is the context's; nonce and additional data are readable; no extra input.
        let code = unsafe {
            sys::EVP_AEAD_CTX_seal_scatter(
                self.ctx.as_ptr(),
                target,
                tag.as_mut_ptr(),
                &mut written,
                tag.len(),
                nonce.as_ptr(),
                nonce.len(),
                from,
                data.len(),
                null(),
                0,
                ad.as_ptr(),
                ad.len(),
            )
        };
        done(code, "seal")
    }

    /// Decrypts `source`, or `data` in place, into `data`. On failure AWS-LC has overwritten `data` with zeros.
    pub fn open(&self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8], tag: &[u8]) -> Outcome<()> {
        if source.is_some_and(|s| s.len() != data.len()) {
            return Err(short(data.len()));
        }
        let target = data.as_mut_ptr();
        let from = source.map_or(target.cast_const(), <[u8]>::as_ptr);
        // SAFETY: as in `seal`; the tag is only read, and refused if its length is not the context's.
        let code = unsafe {
            sys::EVP_AEAD_CTX_open_gather(
                self.ctx.as_ptr(),
                target,
                nonce.as_ptr(),
                nonce.len(),
                from,
                data.len(),
                tag.as_ptr(),
                tag.len(),
                ad.as_ptr(),
                ad.len(),
            )
        };
        done(code, "open").map_err(|_| Status::AuthenticationFailed)
    }
}

impl Drop for AeadKey {
    fn drop(&mut self) {
        // SAFETY: we own `ctx` and nobody uses it after this.
        unsafe { sys::EVP_AEAD_CTX_free(self.ctx.as_ptr()) }
    }
}

/// An owned cipher context.
struct CipherCtx(NonNull<sys::EVP_CIPHER_CTX>);

impl CipherCtx {
    fn new(cipher: *const sys::EVP_CIPHER, key: &[u8], encrypt: bool) -> Outcome<Self> {
        // SAFETY: `cipher` is one of AWS-LC's static tables.
        let wanted = unsafe { sys::EVP_CIPHER_key_length(cipher) };
        if usize::try_from(wanted) != Ok(key.len()) {
            return Err(Status::usage(format!("key is {} bytes, this cipher takes {wanted}", key.len())));
        }
        // SAFETY: allocates, or returns null.
        let ctx = NonNull::new(unsafe { sys::EVP_CIPHER_CTX_new() }).ok_or_else(|| refused("allocation"))?;
        let ctx = Self(ctx);
        let encrypt = c_int::from(encrypt);
        // SAFETY: `ctx` is live; the key has the length that the cipher reads; no IV yet.
        let code = unsafe { sys::EVP_CipherInit_ex(ctx.0.as_ptr(), cipher, null_mut(), key.as_ptr(), null(), encrypt) };
        done(code, "cipher key setup")?;
        // SAFETY: `ctx` is live; sets a flag.
        done(unsafe { sys::EVP_CIPHER_CTX_set_padding(ctx.0.as_ptr(), 0) }, "cipher key setup")?;
        Ok(ctx)
    }

    /// Sets the IV and forgets the previous message.
    ///
    /// # Safety
    /// `iv` is null, for a cipher without one, or readable for as many bytes as the cipher's IV has.
    unsafe fn restart(&mut self, iv: *const u8) -> Outcome<()> {
        // SAFETY: `ctx` is live and keyed; the caller answers for `iv`; -1 keeps the direction.
        done(unsafe { sys::EVP_CipherInit_ex(self.0.as_ptr(), null(), null_mut(), null(), iv, -1) }, "cipher")
    }

    /// Feeds bytes.
    ///
    /// # Safety
    /// `from` is readable and `to` writable for `len` bytes (or null where the cipher gives that a meaning), the same or
    /// not overlapping; and the cipher writes no more than `len` bytes for them.
    unsafe fn feed(&mut self, to: *mut u8, from: *const u8, len: usize) -> Outcome<()> {
        let len = c_int::try_from(len).map_err(|_| refused("cipher"))?;
        let mut written = 0;
        // SAFETY: `ctx` is live and keyed; the caller answers for the rest.
        done(unsafe { sys::EVP_CipherUpdate(self.0.as_ptr(), to, &mut written, from, len) }, "cipher")
    }

    /// # Safety
    /// `data` is what the command asks for.
    unsafe fn control(&mut self, command: c_int, number: c_int, data: *mut c_void) -> Outcome<()> {
        // SAFETY: `ctx` is live; the caller answers for the rest.
        done(unsafe { sys::EVP_CIPHER_CTX_ctrl(self.0.as_ptr(), command, number, data) }, "cipher")
    }
}

impl Drop for CipherCtx {
    fn drop(&mut self) {
        // SAFETY: we own the context and nobody uses it after this.
        unsafe { sys::EVP_CIPHER_CTX_free(self.0.as_ptr()) }
    }
}

/// A keyed AES-CCM for one direction. AWS-LC's EVP_AEAD knows CCM only with 13-byte nonces, hence the cipher interface.
pub struct Ccm {
    ctx: CipherCtx,
    encrypt: bool,
}

// SAFETY: see the module's head.
unsafe impl Send for Ccm {}

impl Ccm {
    /// Keys a CCM with 16, 24 or 32 bytes.
    pub fn new(key: &[u8], encrypt: bool) -> Outcome<Self> {
        // SAFETY: these take nothing and return pointers to static tables.
        let cipher = unsafe {
            match key.len() {
                16 => sys::EVP_aes_128_ccm(),
                24 => sys::EVP_aes_192_ccm(),
                _ => sys::EVP_aes_256_ccm(),
            }
        };
        Ok(Self { ctx: CipherCtx::new(cipher, key, encrypt)?, encrypt })
    }

    /// Encrypts `source`, or `data` in place, into `data`, and writes the tag.
    pub fn seal(
        &mut self,
        nonce: &[u8],
        ad: &[u8],
        source: Option<&[u8]>,
        data: &mut [u8],
        tag: &mut [u8],
    ) -> Outcome<()> {
        if !self.encrypt {
            return Err(refused("seal"));
        }
        let tag_len = c_int::try_from(tag.len()).map_err(|_| refused("seal"))?;
        // SAFETY: when encrypting, the command takes a length and no data; AWS-LC refuses odd and excessive ones.
        unsafe { self.ctx.control(sys::EVP_CTRL_AEAD_SET_TAG, tag_len, null_mut()) }?;
        self.message(nonce, ad, source, data)?;
        // SAFETY: writes `tag_len` bytes to `tag`, which has as many.
        unsafe { self.ctx.control(sys::EVP_CTRL_AEAD_GET_TAG, tag_len, tag.as_mut_ptr().cast()) }
    }

    /// Decrypts `source`, or `data` in place, into `data`. On failure AWS-LC has overwritten `data` with zeros.
    pub fn open(&mut self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8], tag: &[u8]) -> Outcome<()> {
        if self.encrypt {
            return Err(refused("open"));
        }
        let tag_len = c_int::try_from(tag.len()).map_err(|_| refused("open"))?;
        // SAFETY: copies `tag_len` bytes out of `tag` and writes none; AWS-LC refuses more than its own 16.
        unsafe { self.ctx.control(sys::EVP_CTRL_AEAD_SET_TAG, tag_len, tag.as_ptr().cast_mut().cast()) }?;
        self.message(nonce, ad, source, data).map_err(|_| Status::AuthenticationFailed)
    }

    fn message(&mut self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8]) -> Outcome<()> {
        if source.is_some_and(|s| s.len() != data.len()) {
            return Err(short(data.len()));
        }
        let nonce_len = c_int::try_from(nonce.len()).map_err(|_| refused("ccm"))?;
        // SAFETY: the command takes a length and no data; AWS-LC refuses all but 7 to 13.
        unsafe { self.ctx.control(sys::EVP_CTRL_AEAD_SET_IVLEN, nonce_len, null_mut()) }?;
        // SAFETY: the context reads as many bytes as the line above told it.
        unsafe { self.ctx.restart(nonce.as_ptr()) }?;
        // SAFETY: both pointers null: only announces the message's length.
        unsafe { self.ctx.feed(null_mut(), null(), data.len()) }?;
        // SAFETY: no output: additional data, which is readable. Also fed when empty: it starts the MAC afresh, so that
        // nothing of an earlier message is left in it.
        unsafe { self.ctx.feed(null_mut(), ad.as_ptr(), ad.len()) }?;
        let target = data.as_mut_ptr();
        let from = source.map_or(target.cast_const(), <[u8]>::as_ptr);
        // SAFETY: both span `data.len()` bytes, the same or not overlapping; CCM writes as much as it reads.
        unsafe { self.ctx.feed(target, from, data.len()) }
    }
}

/// A cipher and its mode. None of them pads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    AesCtr,
    AesCbc,
    AesEcb,
    /// AES-256 only: 64 bytes of key. One data unit per message: [`Cipher::unit`].
    AesXts,
    DesEcb,
    DesCbc,
}

impl Mode {
    /// What the length of a piece must be a multiple of.
    pub const fn block(self) -> usize {
        match self {
            Self::AesCtr | Self::AesXts => 1,
            Self::AesCbc | Self::AesEcb => 16,
            Self::DesEcb | Self::DesCbc => 8,
        }
    }

    /// Bytes of IV, counter block or tweak.
    pub const fn iv(self) -> usize {
        match self {
            Self::AesCtr | Self::AesCbc | Self::AesXts => 16,
            Self::DesCbc => 8,
            Self::AesEcb | Self::DesEcb => 0,
        }
    }

    fn table(self, key_len: usize) -> *const sys::EVP_CIPHER {
        // SAFETY: these take nothing and return pointers to static tables.
        unsafe {
            match (self, key_len) {
                (Self::AesCtr, 16) => sys::EVP_aes_128_ctr(),
                (Self::AesCtr, 24) => sys::EVP_aes_192_ctr(),
                (Self::AesCtr, _) => sys::EVP_aes_256_ctr(),
                (Self::AesCbc, 16) => sys::EVP_aes_128_cbc(),
                (Self::AesCbc, 24) => sys::EVP_aes_192_cbc(),
                (Self::AesCbc, _) => sys::EVP_aes_256_cbc(),
                (Self::AesEcb, 16) => sys::EVP_aes_128_ecb(),
                (Self::AesEcb, 24) => sys::EVP_aes_192_ecb(),
                (Self::AesEcb, _) => sys::EVP_aes_256_ecb(),
                (Self::AesXts, _) => sys::EVP_aes_256_xts(),
                (Self::DesEcb, _) => sys::EVP_des_ede3_ecb(),
                (Self::DesCbc, _) => sys::EVP_des_ede3_cbc(),
            }
        }
    }
}

/// The most that one call to AWS-LC is given, whose lengths are `int`; a multiple of every block.
const MOST_AT_ONCE: usize = 1 << 30;

/// A keyed cipher for one direction.
pub struct Cipher {
    ctx: CipherCtx,
    mode: Mode,
}

// SAFETY: see the module's head.
unsafe impl Send for Cipher {}

impl Cipher {
    pub fn new(mode: Mode, key: &[u8], encrypt: bool) -> Outcome<Self> {
        Ok(Self { ctx: CipherCtx::new(mode.table(key.len()), key, encrypt)?, mode })
    }

    /// Starts a message.
    pub fn start(&mut self, iv: &[u8]) -> Outcome<()> {
        if iv.len() != self.mode.iv() {
            return Err(Status::usage(format!("nonce is {} bytes, this cipher takes {}", iv.len(), self.mode.iv())));
        }
        // SAFETY: `iv` has the cipher's length; where that is nothing, the cipher reads none.
        unsafe { self.ctx.restart(iv.as_ptr()) }
    }

    /// A data unit of XTS, at most 2^20 blocks: one message, from `source`, or from `data` in place, into `data`.
    pub fn unit(&mut self, tweak: &[u8; 16], source: Option<&[u8]>, data: &mut [u8]) -> Outcome<()> {
        if source.is_some_and(|s| s.len() != data.len()) || self.mode != Mode::AesXts {
            return Err(short(data.len()));
        }
        // SAFETY: the tweak has the 16 bytes that XTS reads.
        unsafe { self.ctx.restart(tweak.as_ptr()) }?;
        let target = data.as_mut_ptr();
        let from = source.map_or(target.cast_const(), <[u8]>::as_ptr);
        // SAFETY: both span `data.len()` bytes, the same or not overlapping; XTS writes as much as it reads.
        unsafe { self.ctx.feed(target, from, data.len()) }
    }

    /// The next piece, a multiple of the block, from `source`, or from `data` in place, into `data`.
    pub fn update(&mut self, source: Option<&[u8]>, data: &mut [u8]) -> Outcome<()> {
        if source.is_some_and(|s| s.len() != data.len()) || !data.len().is_multiple_of(self.mode.block()) {
            return Err(short(data.len()));
        }
        match source {
            Some(source) => {
                for (from, to) in source.chunks(MOST_AT_ONCE).zip(data.chunks_mut(MOST_AT_ONCE)) {
                    // SAFETY: both span `to.len()` bytes and do not overlap. Whole blocks in, none held back (there is
                    // no padding): as many bytes out.
                    unsafe { self.ctx.feed(to.as_mut_ptr(), from.as_ptr(), to.len()) }?;
                }
            }
            None => {
                for chunk in data.chunks_mut(MOST_AT_ONCE) {
                    let bytes = chunk.as_mut_ptr();
                    // SAFETY: as above, with both pointers the same.
                    unsafe { self.ctx.feed(bytes, bytes.cast_const(), chunk.len()) }?;
                }
            }
        }
        Ok(())
    }
}
