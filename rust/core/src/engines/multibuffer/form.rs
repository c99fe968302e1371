//! What each algorithm makes of a call: a job, and of its end a result.
//!
//! Tags are computed, compared here in constant time, and never told. What was decrypted before its tag was found
//! wrong is wiped before anybody sees it.

use super::twin;
use crate::alg::{Call, Direction, Facts, Params};
use crate::buffer::Output;
use crate::copies::{self, Place};
use crate::ffi::ipsec_mb::{self as mb, AesKey, CmacKey, GcmKey, Hash, HmacKey, LANE_MOST, Library, Work};
use crate::status::{Outcome, Status};
use crate::template::split_authenc_key;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::{Zeroize, Zeroizing};

/// AES-CBC and HMAC, in one pass.
pub struct Chain {
    key: AesKey,
    mac: HmacKey,
    tag_len: usize,
}

/// An algorithm with its key.
pub enum Form {
    Digest(Hash),
    Hmac { key: HmacKey, tag_len: usize },
    Cmac { key: CmacKey, tag_len: usize },
    Cbc(AesKey),
    Ctr(AesKey),
    Aead { key: AeadKey, tag_len: usize },
    Authenc(Chain),
}

/// Of the AEADs that are one algorithm.
pub enum AeadKey {
    Gcm(GcmKey),
    Ccm(AesKey),
    Chacha(Zeroizing<[u8; 32]>),
}

/// What a call needs beside its output, until its job is done.
pub struct Scratch {
    /// A computed tag, whole.
    tag: [u8; 64],
    /// Additional data and message in one piece, for authenc.
    text: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { tag: [0; 64], text: Vec::new() }
    }
}

impl Scratch {
    /// Is as good as new for the next call, and holds little memory meanwhile.
    pub fn forget(&mut self) {
        self.tag.fill(0);
        if self.text.capacity() > 0 {
            self.text = Vec::new();
        }
    }

    /// Forgets what was written.
    pub fn wipe(&mut self) {
        self.tag.zeroize();
        self.text.zeroize();
    }
}

const FULL_TAG: usize = 16;

impl Form {
    /// With the key that is in `params`, which have been checked; `None` if the library does not take such a key.
    pub fn new(library: &Library, name: &str, params: &Params) -> Outcome<Option<Self>> {
        if let Some(hash) = Hash::ALL.into_iter().find(|hash| hash.name() == name) {
            return Ok(Some(Self::Digest(hash)));
        }
        let key = params.key(name, String::new)?;
        if let Some(hash) = twin::authenc_hash(name) {
            let (auth, enc) = split_authenc_key(name, key)?;
            let mac = HmacKey::new(library, hash, auth)?;
            let tag_len = params.tag_len.unwrap_or(hash.size());
            return Ok(AesKey::new(library, enc).map(|key| Self::Authenc(Chain { key, mac, tag_len })));
        }
        if let Some(hash) = twin::hash_of(name) {
            let key = HmacKey::new(library, hash, key)?;
            return Ok(Some(Self::Hmac { key, tag_len: params.tag_len.unwrap_or(hash.size()) }));
        }
        let tag_len = params.tag_len.unwrap_or(FULL_TAG);
        let aead = |key| Self::Aead { key, tag_len };
        Ok(match name {
            "cmac(aes)" => CmacKey::new(library, key).map(|key| Self::Cmac { key, tag_len }),
            "cbc(aes)" => AesKey::new(library, key).map(Self::Cbc),
            "ctr(aes)" => AesKey::new(library, key).map(Self::Ctr),
            "gcm(aes)" => GcmKey::new(library, key).map(AeadKey::Gcm).map(aead),
            "ccm(aes)" => AesKey::new(library, key).map(AeadKey::Ccm).map(aead),
            _ => <[u8; 32]>::try_from(key).ok().map(Zeroizing::new).map(AeadKey::Chacha).map(aead),
        })
    }

    /// The call as a job; `None` if the twin must do it. What does not fit the output is for the twin to tell, too.
    pub fn work<'a>(&'a self, call: &Call<'a>, output: &'a mut Output, scratch: &'a mut Scratch) -> Option<Work<'a>> {
        let source = call.source.as_slice().filter(|source| !source.is_empty())?;
        let len = source.len();
        let encrypt = match call.direction {
            Direction::Encrypt => true,
            Direction::Decrypt => false,
            Direction::Digest | Direction::Mac | Direction::Verify => return self.hash(call, source, output, scratch),
            _ => return None,
        };
        match self {
            Self::Cbc(key) if call.ad.is_empty() => {
                let target = output.exactly(len).ok()?;
                Some(Work::Cbc { key, encrypt, iv: call.nonce, source, target })
            }
            Self::Ctr(key) if call.ad.is_empty() => {
                let target = output.exactly(len).ok()?;
                Some(Work::Ctr { key, iv: call.nonce, source, target })
            }
            Self::Aead { key, tag_len } => {
                let (nonce, ad, key) = (call.nonce, call.ad.as_slice()?, key.lent());
                let (source, target, tag) = if encrypt {
                    let (target, tag) = output.exactly(len.checked_add(*tag_len)?).ok()?.split_at_mut_checked(len)?;
                    (source, target, tag)
                } else {
                    let len = len.checked_sub(*tag_len)?;
                    (source.get(..len)?, output.exactly(len).ok()?, scratch.tag.get_mut(..*tag_len)?)
                };
                Some(Work::Aead { key, encrypt, nonce, ad, source, target, tag })
            }
            Self::Authenc(chain) if encrypt => chain.seal(call, source, output, scratch),
            Self::Authenc(chain) => chain.open(call, source, output, scratch),
            _ => None,
        }
    }

    fn hash<'a>(
        &'a self,
        call: &Call<'a>,
        source: &'a [u8],
        output: &'a mut Output,
        scratch: &'a mut Scratch,
    ) -> Option<Work<'a>> {
        match (self, call.direction) {
            (Self::Digest(hash), Direction::Digest) => {
                Some(Work::Hash { hash: *hash, source, digest: output.exactly(hash.size()).ok()? })
            }
            (Self::Hmac { key, .. }, Direction::Mac | Direction::Verify) => {
                Some(Work::Hmac { key, source, tag: scratch.tag.get_mut(..key.hash().size())? })
            }
            (Self::Cmac { key, .. }, Direction::Mac | Direction::Verify) => {
                Some(Work::Cmac { key, source, tag: scratch.tag.get_mut(..FULL_TAG)? })
            }
            _ => None,
        }
    }

    /// The result of a job that is done.
    pub fn finish(&self, call: &Call<'_>, output: &mut Output, scratch: &mut Scratch) -> Outcome<Facts> {
        let len = call.source.len();
        match self {
            Self::Digest(hash) => output.set_len(hash.size()),
            Self::Hmac { tag_len, .. } | Self::Cmac { tag_len, .. } => {
                let tag = scratch.tag.get(..*tag_len).unwrap_or_default();
                if call.direction == Direction::Verify {
                    let is_right = verify_slices_are_equal(tag, call.tag);
                    scratch.wipe();
                    is_right.map_err(|_| Status::AuthenticationFailed)?;
                    output.set_len(0);
                } else {
                    output.exactly(*tag_len)?.copy_from_slice(tag);
                    output.set_len(*tag_len);
                }
            }
            Self::Cbc(_) | Self::Ctr(_) => output.set_len(len),
            Self::Aead { tag_len, .. } if call.direction == Direction::Encrypt => {
                output.set_len(len.saturating_add(*tag_len));
            }
            Self::Aead { tag_len, .. } => compare(call, *tag_len, output, scratch)?,
            Self::Authenc(chain) if call.direction == Direction::Encrypt => chain.sealed(call, output, scratch)?,
            Self::Authenc(chain) => compare(call, chain.tag_len, output, scratch)?,
        }
        Ok(Facts::default())
    }
}

/// Shows what was decrypted if its tag is right, and wipes it if not.
fn compare(call: &Call<'_>, tag_len: usize, output: &mut Output, scratch: &mut Scratch) -> Outcome<()> {
    let len = call.source.len().saturating_sub(tag_len);
    let sent = call.source.as_slice().and_then(|source| source.get(len..)).unwrap_or_default();
    let computed = scratch.tag.get(..tag_len).unwrap_or_default();
    let is_right = sent.len() == tag_len && verify_slices_are_equal(computed, sent).is_ok();
    scratch.wipe();
    if !is_right {
        output.wipe(len);
        return Err(Status::AuthenticationFailed);
    }
    output.set_len(len);
    Ok(())
}

impl AeadKey {
    fn lent(&self) -> mb::Aead<'_> {
        match self {
            Self::Gcm(key) => mb::Aead::Gcm(key),
            Self::Ccm(key) => mb::Aead::Ccm(key),
            Self::Chacha(key) => mb::Aead::Chacha(key),
        }
    }
}

impl Chain {
    /// What is hashed lies in one piece: behind the additional data, if there are any, and at once in its place if not.
    fn seal<'a>(
        &'a self,
        call: &Call<'a>,
        source: &'a [u8],
        output: &'a mut Output,
        scratch: &'a mut Scratch,
    ) -> Option<Work<'a>> {
        let (ad, len) = (call.ad.as_slice()?, source.len());
        let whole = ad.len().checked_add(len)?;
        if whole > LANE_MOST {
            return None;
        }
        let target = output.exactly(len.checked_add(self.tag_len)?).ok()?;
        let Scratch { tag, text } = scratch;
        let text = if ad.is_empty() {
            target.get_mut(..len)?
        } else {
            text.extend_from_slice(ad);
            text.resize(whole, 0);
            text.as_mut_slice()
        };
        let tag = tag.get_mut(..self.mac.hash().size())?;
        Some(Work::Seal { key: &self.key, mac: &self.mac, iv: call.nonce, source, skip: ad.len(), text, tag })
    }

    fn sealed(&self, call: &Call<'_>, output: &mut Output, scratch: &Scratch) -> Outcome<()> {
        let len = call.source.len();
        let total = len.saturating_add(self.tag_len);
        let lost = || Status::Internal("output shorter than asked for".to_owned());
        let (text, tag) = output.exactly(total)?.split_at_mut_checked(len).ok_or_else(lost)?;
        if !call.ad.is_empty() {
            text.copy_from_slice(scratch.text.get(call.ad.len()..).filter(|it| it.len() == len).ok_or_else(lost)?);
            copies::count(Place::Aside, len);
        }
        tag.copy_from_slice(scratch.tag.get(..self.tag_len).ok_or_else(lost)?);
        output.set_len(total);
        Ok(())
    }

    fn open<'a>(
        &'a self,
        call: &Call<'a>,
        source: &'a [u8],
        output: &'a mut Output,
        scratch: &'a mut Scratch,
    ) -> Option<Work<'a>> {
        let (ad, len) = (call.ad.as_slice()?, source.len().checked_sub(self.tag_len)?);
        if ad.len().checked_add(len)? > LANE_MOST {
            return None;
        }
        let target = output.exactly(len).ok()?;
        let Scratch { tag, text } = scratch;
        let sealed = source.get(..len)?;
        let text = if ad.is_empty() {
            sealed
        } else {
            text.extend_from_slice(ad);
            text.extend_from_slice(sealed);
            copies::count(Place::Aside, len);
            text.as_slice()
        };
        let tag = tag.get_mut(..self.mac.hash().size())?;
        Some(Work::Open { key: &self.key, mac: &self.mac, iv: call.nonce, skip: ad.len(), text, target, tag })
    }
}
