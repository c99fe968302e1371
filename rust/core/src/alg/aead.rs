//! Authenticated encryption: AES-GCM (SP 800-38D), AES-CCM (SP 800-38C, RFC 3610), ChaCha20-Poly1305 (RFC 8439).
//!
//! Encrypting gives ciphertext and then tag; decrypting takes the same. A failed open gives nothing: its output is
//! wiped, and its error says no more than that. `rfc7539(chacha20,poly1305)` is the kernel's name for
//! `chacha20-poly1305`. Nobody here chooses or counts nonces: one used twice with a key breaks all three.

use super::*;
use crate::ffi::awslc::{AeadKey, AeadKind, Ccm, Spares};
use std::ops::RangeInclusive;

pub static ALGORITHMS: &[Algorithm] = &[
    row("gcm(aes)", "gcm-aes-awslc", |p| compile("gcm(aes)", p)),
    row("ccm(aes)", "ccm-aes-awslc", |p| compile("ccm(aes)", p)),
    row("chacha20-poly1305", "chacha20-poly1305-awslc", |p| compile("chacha20-poly1305", p)),
    row("rfc7539(chacha20,poly1305)", "rfc7539-chacha20-poly1305-awslc", |p| compile("rfc7539(chacha20,poly1305)", p)),
];

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, driver: &'static str, compile: Compile) -> Algorithm {
    Algorithm { name, kind: Kind::Aead, driver, library: "aws-lc", insecure: false, compile }
}

/// What an AEAD accepts.
struct Rules {
    keys: &'static [usize],
    tags: &'static [usize],
    nonces: RangeInclusive<usize>,
}

const DEFAULT_TAG: usize = 16;

/// Tags as in SP 800-38D 5.2.1.2. GCM takes any nonce; beyond 12 bytes it is hashed, and 128 is more than anyone uses.
const GCM: Rules = Rules { keys: &[16, 24, 32], tags: &[4, 8, 12, 13, 14, 15, 16], nonces: 1..=128 };
/// SP 800-38C A.1.
const CCM: Rules = Rules { keys: &[16, 24, 32], tags: &[4, 6, 8, 10, 12, 14, 16], nonces: 7..=13 };
/// RFC 8439 2.8.
const CHACHA: Rules = Rules { keys: &[32], tags: &[16], nonces: 12..=12 };

/// SP 800-38D 5.2.1.1: 2^39 - 256 bits.
const GCM_MOST: u64 = (1 << 36) - 32;
/// RFC 8439 2.8: 2^32 - 1 blocks of key stream.
const CHACHA_MOST: u64 = ((1 << 32) - 1) * 64;
/// AWS-LC counts a CCM message, and its additional data, in an `int`.
const CCM_MOST: u64 = i32::MAX as u64;

/// The library's half.
enum Engine {
    Shared { key: AeadKey, most: u64 },
    Ccm { key: Zeroizing<Vec<u8>>, sealers: Spares<Ccm>, openers: Spares<Ccm> },
}

struct Aead {
    algorithm: &'static Algorithm,
    engine: Engine,
    tag_len: usize,
    nonces: RangeInclusive<usize>,
}

/// "16, 24 or 32".
fn list(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.name == name) else {
        return Err(Status::UnknownAlgorithm(format!("no AEAD is called {name:?}")));
    };
    let rules = match name {
        "gcm(aes)" => GCM,
        "ccm(aes)" => CCM,
        _ => CHACHA,
    };
    params.only(name, &["key", "tag_len"])?;
    let key = params.key(name, || format!("{} bytes", list(rules.keys)))?;
    if !rules.keys.contains(&key.len()) {
        return Err(Status::usage(format!("key is {} bytes, {name} takes {}", key.len(), list(rules.keys))));
    }
    let tag_len = params.tag_len.unwrap_or(DEFAULT_TAG);
    if !rules.tags.contains(&tag_len) {
        return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {}", list(rules.tags))));
    }
    let engine = match name {
        "gcm(aes)" => Engine::Shared { key: AeadKey::new(AeadKind::AesGcm, key, tag_len)?, most: GCM_MOST },
        "ccm(aes)" => {
            let sealers = Spares::default();
            sealers.give(Ccm::new(key, true)?);
            Engine::Ccm { key: key.to_vec().into(), sealers, openers: Spares::default() }
        }
        _ => Engine::Shared { key: AeadKey::new(AeadKind::ChaCha20Poly1305, key, tag_len)?, most: CHACHA_MOST },
    };
    Ok(Arc::new(Aead { algorithm, engine, tag_len, nonces: rules.nonces }))
}

impl Engine {
    /// The longest plaintext; a longer nonce leaves CCM fewer bytes to count it with.
    fn most(&self, nonce_len: usize) -> u64 {
        match self {
            Self::Shared { most, .. } => *most,
            Self::Ccm { .. } => match nonce_len {
                13 => (1 << 16) - 1,
                12 => (1 << 24) - 1,
                _ => CCM_MOST,
            },
        }
    }

    /// Encrypts `source`, or `data` in place, into `data`.
    fn seal(&self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8], tag: &mut [u8]) -> Outcome<()> {
        match self {
            Self::Shared { key, .. } => key.seal(nonce, ad, source, data, tag),
            Self::Ccm { key, sealers, .. } => {
                let mut ccm = take(sealers, key, true)?;
                ccm.seal(nonce, ad, source, data, tag)?;
                sealers.give(ccm);
                Ok(())
            }
        }
    }

    /// Decrypts `source`, or `data` in place, into `data`.
    fn open(&self, nonce: &[u8], ad: &[u8], source: Option<&[u8]>, data: &mut [u8], tag: &[u8]) -> Outcome<()> {
        match self {
            Self::Shared { key, .. } => key.open(nonce, ad, source, data, tag),
            Self::Ccm { key, openers, .. } => {
                let mut ccm = take(openers, key, false)?;
                // A context that failed is not kept.
                ccm.open(nonce, ad, source, data, tag)?;
                openers.give(ccm);
                Ok(())
            }
        }
    }
}

fn take(spares: &Spares<Ccm>, key: &[u8], encrypt: bool) -> Outcome<Ccm> {
    match spares.take() {
        Some(ccm) => Ok(ccm),
        None => Ccm::new(key, encrypt),
    }
}

impl Aead {
    fn seal(&self, call: &Call<'_>, ad: &[u8], output: &mut Output) -> Outcome<()> {
        let len = call.source.len();
        let Some(total) = len.checked_add(self.tag_len) else {
            return Err(Status::OutputTooSmall { capacity: output.capacity() });
        };
        let Some((data, tag)) = output.exactly(total)?.split_at_mut_checked(len) else {
            return Err(Status::Internal("output shorter than asked for".to_owned()));
        };
        let whole = call.source.as_slice();
        if whole.is_none() {
            call.source.copy_to(data)?;
        }
        self.engine.seal(call.nonce, ad, whole, data, tag)?;
        output.set_len(total);
        Ok(())
    }

    fn open(&self, call: &Call<'_>, ad: &[u8], output: &mut Output) -> Outcome<()> {
        // What is shorter than a tag cannot be authentic.
        let len = call.source.len().checked_sub(self.tag_len).ok_or(Status::AuthenticationFailed)?;
        let data = output.exactly(len)?;
        match call.source.as_slice() {
            Some(whole) => {
                let (body, tag) = whole.split_at_checked(len).ok_or(Status::AuthenticationFailed)?;
                self.engine.open(call.nonce, ad, Some(body), data, tag)?;
            }
            None => {
                let mut tag = [0; DEFAULT_TAG];
                let tag = tag.get_mut(..self.tag_len).unwrap_or_default();
                divide(call.source, data, tag);
                self.engine.open(call.nonce, ad, None, data, tag)?;
            }
        }
        output.set_len(len);
        Ok(())
    }
}

/// Copies the source's front to `head` and what follows to `tail`; together they are as long as the source.
fn divide(source: &Source, head: &mut [u8], tail: &mut [u8]) {
    let (mut head, mut tail) = (head, tail);
    for segment in source.segments() {
        let (front, back) = segment.split_at(segment.len().min(head.len()));
        head = fill(head, front);
        tail = fill(tail, back);
    }
}

/// Copies as much as fits and returns the space that is left.
fn fill<'a>(space: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let len = space.len().min(bytes.len());
    let (used, left) = space.split_at_mut(len);
    used.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    left
}

impl Transform for Aead {
    fn kind(&self) -> Kind {
        Kind::Aead
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.algorithm.driver
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        let name = self.algorithm.name;
        if !self.nonces.contains(&call.nonce.len()) {
            let takes = match (self.nonces.start(), self.nonces.end()) {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(Status::usage(format!("nonce is {} bytes, {name} takes {takes}", call.nonce.len())));
        }
        let (len, most) = (call.source.len(), self.engine.most(call.nonce.len()));
        let tag_len = if call.direction == Direction::Decrypt { self.tag_len } else { 0 };
        if len.saturating_sub(tag_len) as u64 > most {
            let nonce = call.nonce.len();
            let limit = format!("{name} takes {most} with a nonce of {nonce}");
            return Err(Status::usage(format!("message is {} bytes, {limit}", len.saturating_sub(tag_len))));
        }
        if matches!(self.engine, Engine::Ccm { .. }) && call.ad.len() as u64 > CCM_MOST {
            return Err(Status::usage(format!("additional data is {} bytes, {name} takes {CCM_MOST}", call.ad.len())));
        }
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Encrypt => call.source.len().saturating_add(self.tag_len),
            _ => call.source.len().saturating_sub(self.tag_len),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        let mut scratch = Vec::new();
        let ad = call.ad.contiguous(&mut scratch);
        let outcome = match call.direction {
            Direction::Encrypt => self.seal(call, ad, output),
            Direction::Decrypt => self.open(call, ad, output),
            other => Err(Status::usage(format!("{} cannot {}", self.algorithm.name, other.name()))),
        };
        wiped(outcome, output, self.capacity(call))
    }
}

/// How sealing or opening ended, with nothing of a failure left in the output: plaintext of which the tag was wrong, say.
/// What does not fit was found before anything was written.
pub(super) fn wiped(outcome: Outcome<()>, output: &mut Output, most: usize) -> Outcome<Facts> {
    if outcome.as_ref().is_err_and(|status| !matches!(status, Status::OutputTooSmall { .. })) {
        output.wipe(most);
    }
    outcome.map(|()| Facts::default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, pieces, run, unhex};
    use super::*;
    use crate::buffer::Pool;

    fn keyed(key: &[u8]) -> Params {
        Params { key: Some(key.to_vec().into()), ..Params::default() }
    }

    fn tagged(key: &[u8], tag_len: usize) -> Params {
        Params { tag_len: Some(tag_len), ..keyed(key) }
    }

    /// Seals and opens; gives ciphertext and tag in hexadecimal.
    fn both_ways(name: &str, params: &Params, nonce: &[u8], ad: &[u8], message: &[u8]) -> String {
        let transform = super::super::compile(name, params).unwrap();
        let ask = Ask { nonce, ad, ..PLAIN };
        let sealed = run(&*transform, Direction::Encrypt, message, &ask).unwrap();
        assert_eq!(run(&*transform, Direction::Decrypt, &sealed, &ask).unwrap(), message);
        // Each part counts, and a failure spoils nothing for the next message.
        let failed = Err(Status::AuthenticationFailed);
        for at in [0, sealed.len() / 2, sealed.len() - 1] {
            let mut forged = sealed.clone();
            forged[at] ^= 0x80;
            assert_eq!(run(&*transform, Direction::Decrypt, &forged, &ask), failed);
        }
        let longer_ad = [ad, b"!"].concat();
        assert_eq!(run(&*transform, Direction::Decrypt, &sealed, &Ask { nonce, ad: &longer_ad, ..PLAIN }), failed);
        let mut other_nonce = nonce.to_vec();
        other_nonce[0] ^= 1;
        assert_eq!(run(&*transform, Direction::Decrypt, &sealed, &Ask { nonce: &other_nonce, ad, ..PLAIN }), failed);
        assert_eq!(run(&*transform, Direction::Decrypt, &sealed[..3], &ask), failed);
        assert_eq!(run(&*transform, Direction::Decrypt, &sealed, &ask).unwrap(), message);
        hex(&sealed)
    }

    #[test]
    fn gcm_known_answers() {
        // The GCM specification (McGrew and Viega), test cases 2, 4, 10, 13, 16 and 18.
        let zero = [0; 16];
        let key = unhex("feffe9928665731c6d6a8f9467308308");
        let nonce = unhex("cafebabefacedbaddecaf888");
        let ad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let message = unhex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
             b16aedf5aa0de657ba637b39",
        );
        assert_eq!(
            "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
            both_ways("gcm(aes)", &keyed(&zero), &zero[..12], b"", &zero)
        );
        assert_eq!(
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05\
             1ba30b396a0aac973d58e091"
                .to_owned()
                + "5bc94fbc3221a5db94fae95ae7121a47",
            both_ways("gcm(aes)", &keyed(&key), &nonce, &ad, &message)
        );
        let key_192 = unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c");
        let sealed = both_ways("gcm(aes)", &keyed(&key_192), &nonce, &ad, &message);
        assert!(sealed.ends_with("2519498e80f1478f37ba55bd6d27618c"));
        let transform = super::super::compile("gcm(aes)", &keyed(&[0; 32])).unwrap();
        let tag_only = run(&*transform, Direction::Encrypt, b"", &Ask { nonce: &zero[..12], ..PLAIN }).unwrap();
        assert_eq!("530f8afbc74536b9a963b4f1c4cb738b", hex(&tag_only));
        let key_256 = [key.clone(), key.clone()].concat();
        let sealed = both_ways("gcm(aes)", &keyed(&key_256), &nonce, &ad, &message);
        assert!(sealed.ends_with("76fc6ece0f4e1768cddf8853bb2d551b"));
        let long_nonce = unhex(
            "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b5254\
             16aedbf5a0de6a57a637b39b",
        );
        let sealed = both_ways("gcm(aes)", &keyed(&key_256), &long_nonce, &ad, &message);
        assert!(sealed.ends_with("a44a8266ee1c8eb0c8b5d4cf5ae9f19a"));
    }

    #[test]
    fn ccm_known_answers() {
        // SP 800-38C appendix C, examples 1 to 3 and (524288 bits of additional data) 4.
        let key = unhex("404142434445464748494a4b4c4d4e4f");
        let message: Vec<u8> = (0x20..0x40).collect();
        let ad: Vec<u8> = (0..0x14).collect();
        let nonce: Vec<u8> = (0x10..0x1d).collect();
        assert_eq!("7162015b4dac255d", both_ways("ccm(aes)", &tagged(&key, 4), &nonce[..7], &ad[..8], &message[..4]));
        assert_eq!(
            "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd",
            both_ways("ccm(aes)", &tagged(&key, 6), &nonce[..8], &ad[..16], &message[..16])
        );
        assert_eq!(
            "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
            both_ways("ccm(aes)", &tagged(&key, 8), &nonce[..12], &ad, &message[..24])
        );
        let long_ad: Vec<u8> = (0..=255).cycle().take(65536).collect();
        assert_eq!(
            "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
            both_ways("ccm(aes)", &tagged(&key, 14), &nonce, &long_ad, &message)
        );
    }

    #[test]
    fn ccm_takes_every_key_and_no_data() {
        for key in [16, 24, 32] {
            both_ways("ccm(aes)", &keyed(&vec![9; key]), &[1; 12], b"", &[5; 1000]);
            both_ways("ccm(aes)", &keyed(&vec![9; key]), &[1; 12], b"ad", b"");
        }
    }

    #[test]
    fn chacha20_poly1305_known_answer() {
        // RFC 8439 2.8.2.
        let key: Vec<u8> = (0x80..0xa0).collect();
        let (nonce, ad) = (unhex("070000004041424344454647"), unhex("50515253c0c1c2c3c4c5c6c7"));
        let message = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                        sunscreen would be it.";
        let answer = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b\
                      1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                      3ff4def08e4b7a9de576d26586cec64b6116"
            .to_owned()
            + "1ae10b594f09e26a7e902ecbd0600691";
        for name in ["chacha20-poly1305", "rfc7539(chacha20,poly1305)"] {
            assert_eq!(answer, both_ways(name, &keyed(&key), &nonce, &ad, message));
        }
    }

    #[test]
    fn every_tag_length_works() {
        for &len in GCM.tags {
            both_ways("gcm(aes)", &tagged(&[3; 32], len), &[7; 12], b"ad", &[1; 100]);
        }
        for &len in CCM.tags {
            both_ways("ccm(aes)", &tagged(&[3; 24], len), &[7; 11], b"ad", &[1; 100]);
        }
    }

    #[test]
    fn long_messages_agree_in_pieces() {
        let message: Vec<u8> = (0..70_001u32).map(|i| (i * 13 % 253) as u8).collect();
        for algorithm in ALGORITHMS {
            both_ways(algorithm.name, &keyed(&[1; 32]), &[2; 12], b"header", &message);
        }
    }

    #[test]
    fn wrong_lengths_are_told_before_anything_is_queued() {
        let compiled = |name, params| super::super::compile(name, &params).err().unwrap().to_string();
        assert_eq!("key is 15 bytes, gcm(aes) takes 16, 24 or 32", compiled("gcm(aes)", keyed(&[0; 15])));
        assert_eq!("chacha20-poly1305 needs a key: 32 bytes", compiled("chacha20-poly1305", Params::default()));
        assert_eq!("tag_len is 5, ccm(aes) takes 4, 6, 8, 10, 12, 14 or 16", compiled("ccm(aes)", tagged(&[0; 16], 5)));
        assert_eq!("tag_len is 12, chacha20-poly1305 takes 16", compiled("chacha20-poly1305", tagged(&[0; 32], 12)));

        let asked = |name, nonce: &[u8], len| {
            let transform = super::super::compile(name, &keyed(&[0; 32])).unwrap();
            run(&*transform, Direction::Encrypt, &vec![0; len], &Ask { nonce, ..PLAIN }).err().unwrap().to_string()
        };
        assert_eq!("nonce is 8 bytes, chacha20-poly1305 takes 12", asked("chacha20-poly1305", &[0; 8], 1));
        assert_eq!("nonce is 0 bytes, gcm(aes) takes 1 to 128", asked("gcm(aes)", &[], 1));
        assert_eq!("nonce is 14 bytes, ccm(aes) takes 7 to 13", asked("ccm(aes)", &[0; 14], 1));
        assert_eq!(
            "message is 65536 bytes, ccm(aes) takes 65535 with a nonce of 13",
            asked("ccm(aes)", &[0; 13], 65536)
        );
    }

    #[test]
    fn a_failed_open_leaves_nothing_behind() {
        for (name, split) in [("gcm(aes)", false), ("gcm(aes)", true), ("ccm(aes)", false), ("ccm(aes)", true)] {
            let transform = super::super::compile(name, &keyed(&[4; 16])).unwrap();
            let ask = Ask { nonce: &[1; 12], ..PLAIN };
            let mut sealed = run(&*transform, Direction::Encrypt, &[0x55; 64], &ask).unwrap();
            sealed[70] ^= 1;
            let source = if split { pieces(&sealed) } else { sealed.clone().into() };
            let ad = Source::default();
            let mut memory = [0xee; 64];
            // SAFETY: `memory` outlives the output and is looked at only after it is gone.
            #[allow(unsafe_code)]
            let mut output = unsafe { Output::fixed(&Pool::new(0), memory.as_mut_ptr(), memory.len()) };
            let direction = Direction::Decrypt;
            let call = Call { direction, source: &source, nonce: ask.nonce, ad: &ad, tag: &[], max_output: 0 };
            assert_eq!(transform.run(&call, &mut output).err(), Some(Status::AuthenticationFailed));
            assert!(output.is_empty());
            drop(output);
            assert_eq!(memory, [0; 64]);
        }
    }

    #[test]
    fn the_callers_buffer_is_not_overrun() {
        let transform = super::super::compile("gcm(aes)", &keyed(&[4; 16])).unwrap();
        let (source, ad) = (Source::from(vec![1; 64]), Source::default());
        let mut memory = [0xee; 96];
        // SAFETY: `memory` outlives the output and is looked at only after it is gone.
        #[allow(unsafe_code)]
        let mut output = unsafe { Output::fixed(&Pool::new(0), memory.as_mut_ptr(), 79) };
        let direction = Direction::Encrypt;
        let call = Call { direction, source: &source, nonce: &[0; 12], ad: &ad, tag: &[], max_output: 0 };
        assert_eq!(transform.run(&call, &mut output).err(), Some(Status::OutputTooSmall { capacity: 79 }));
        drop(output);
        assert_eq!(memory[79..], [0xee; 17]);
    }

    #[test]
    fn threads_share_a_transform() {
        for name in ["gcm(aes)", "ccm(aes)"] {
            let transform = super::super::compile(name, &keyed(&[7; 32])).unwrap();
            std::thread::scope(|scope| {
                for thread in 0..4u8 {
                    let transform = &transform;
                    scope.spawn(move || {
                        for i in 0..200u8 {
                            let nonce = [thread, i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                            let ask = Ask { nonce: &nonce, ad: &[thread], ..PLAIN };
                            let sealed = run(&**transform, Direction::Encrypt, &[i; 99], &ask).unwrap();
                            assert_eq!(run(&**transform, Direction::Decrypt, &sealed, &ask).unwrap(), [i; 99]);
                        }
                    });
                }
            });
        }
    }
}
