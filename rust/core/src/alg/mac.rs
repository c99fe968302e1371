//! Message authentication codes: HMAC (FIPS 198-1, RFC 2104) and AES-CMAC (SP 800-38B, RFC 4493).
//!
//! The key is worked in once, when the transform is made. A message then copies an HMAC's state onto its stack, or
//! borrows a keyed CMAC context from those that wait in the transform.

use super::*;
use crate::ffi::awslc::{Cmac, Hmac, HmacKey, MAX_DIGEST, Spares};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::ops::RangeInclusive;

pub static ALGORITHMS: &[Algorithm] = &[
    row("hmac(sha1)", "hmac-sha1-awslc", |p| compile("hmac(sha1)", p)),
    row("hmac(sha224)", "hmac-sha224-awslc", |p| compile("hmac(sha224)", p)),
    row("hmac(sha256)", "hmac-sha256-awslc", |p| compile("hmac(sha256)", p)),
    row("hmac(sha384)", "hmac-sha384-awslc", |p| compile("hmac(sha384)", p)),
    row("hmac(sha512)", "hmac-sha512-awslc", |p| compile("hmac(sha512)", p)),
    row("hmac(sha3-224)", "hmac-sha3-224-awslc", |p| compile("hmac(sha3-224)", p)),
    row("hmac(sha3-256)", "hmac-sha3-256-awslc", |p| compile("hmac(sha3-256)", p)),
    row("hmac(sha3-384)", "hmac-sha3-384-awslc", |p| compile("hmac(sha3-384)", p)),
    row("hmac(sha3-512)", "hmac-sha3-512-awslc", |p| compile("hmac(sha3-512)", p)),
    row("cmac(aes)", "cmac-aes-awslc", |p| compile("cmac(aes)", p)),
];

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, driver: &'static str, compile: Compile) -> Algorithm {
    Algorithm { name, kind: Kind::Mac, driver, library: "aws-lc", insecure: false, compile }
}

/// Tags shorter than 32 bits stop nobody; a full tag is the other end.
fn tag_lengths(full: usize) -> RangeInclusive<usize> {
    4..=full
}

const CMAC_SIZE: usize = 16;

/// The state that a key leaves.
enum Keyed {
    Hmac(HmacKey),
    Cmac { key: Zeroizing<Vec<u8>>, spares: Spares<Cmac> },
}

impl Keyed {
    fn new(name: &str, params: &Params) -> Outcome<Self> {
        if let Some(hash) = hmac_hash(name) {
            return Ok(Self::Hmac(HmacKey::new(hash, params.key(name, || "any number of bytes".into())?)?));
        }
        let key = params.key(name, || "16, 24 or 32 bytes".into())?;
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(Status::usage(format!("key is {} bytes, {name} takes 16, 24 or 32", key.len())));
        }
        let spares = Spares::default();
        spares.give(Cmac::new(key)?);
        Ok(Self::Cmac { key: key.to_vec().into(), spares })
    }

    fn size(&self) -> usize {
        match self {
            Self::Hmac(key) => key.size(),
            Self::Cmac { .. } => CMAC_SIZE,
        }
    }

    /// The whole tag, at the front of the array.
    fn tag(&self, source: &Source) -> Outcome<[u8; MAX_DIGEST]> {
        match self {
            Self::Hmac(key) => key.tag(source.segments()),
            Self::Cmac { key, spares } => {
                let mut cmac = match spares.take() {
                    Some(cmac) => cmac,
                    None => Cmac::new(key)?,
                };
                source.segments().try_for_each(|segment| cmac.update(segment))?;
                let tag = cmac.finish()?;
                spares.give(cmac);
                Ok(widen(tag))
            }
        }
    }
}

fn widen(tag: [u8; CMAC_SIZE]) -> [u8; MAX_DIGEST] {
    let mut wide = [0; MAX_DIGEST];
    wide.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
    wide
}

/// The hash inside `hmac(...)`, if that is what the name is and AWS-LC has it.
fn hmac_hash(name: &str) -> Option<crate::ffi::awslc::Hash> {
    super::digest::hash(name.strip_prefix("hmac(")?.strip_suffix(')')?)
}

struct Mac {
    algorithm: &'static Algorithm,
    keyed: Keyed,
    tag_len: usize,
}

impl Mac {
    fn new(name: &str, params: &Params) -> Outcome<Self> {
        let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.name == name) else {
            return Err(Status::UnknownAlgorithm(format!("no MAC is called {name:?}")));
        };
        params.only(name, &["key", "tag_len"])?;
        let keyed = Keyed::new(name, params)?;
        let lengths = tag_lengths(keyed.size());
        let tag_len = params.tag_len.unwrap_or(keyed.size());
        if !lengths.contains(&tag_len) {
            let (least, most) = (lengths.start(), lengths.end());
            return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {least} to {most}")));
        }
        Ok(Self { algorithm, keyed, tag_len })
    }
}

fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    Ok(Arc::new(Mac::new(name, params)?))
}

impl Transform for Mac {
    fn kind(&self) -> Kind {
        Kind::Mac
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.algorithm.driver
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        if call.direction == Direction::Mac { self.tag_len } else { 0 }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let whole = self.keyed.tag(call.source)?;
        let tag = whole.get(..self.tag_len).unwrap_or_default();
        match call.direction {
            Direction::Mac => {
                output.exactly(self.tag_len)?.copy_from_slice(tag);
                output.set_len(self.tag_len);
            }
            // The lengths are no secret; equal ones are compared in constant time.
            Direction::Verify => {
                verify_slices_are_equal(tag, call.tag).map_err(|_| Status::AuthenticationFailed)?;
                output.set_len(0);
            }
            other => return Err(Status::usage(format!("{} cannot {}", self.algorithm.name, other.name()))),
        }
        Ok(Facts::default())
    }
}

/// A MAC computed piece by piece; `None` if the name is no MAC's.
pub fn hasher(name: &str, params: &Params) -> Option<Outcome<Box<dyn stream::Hasher>>> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name)?;
    let start = |mac: Mac| -> Outcome<Box<dyn stream::Hasher>> {
        let state = match &mac.keyed {
            Keyed::Hmac(key) => State::Hmac(key.start()?),
            Keyed::Cmac { key, .. } => State::Cmac(Cmac::new(key)?),
        };
        Ok(Box::new(Hasher { driver: mac.algorithm.driver, tag_len: mac.tag_len, state, failed: false }))
    };
    Some(Mac::new(name, params).and_then(start))
}

/// A MAC in the making.
enum State {
    Hmac(Hmac),
    Cmac(Cmac),
}

struct Hasher {
    driver: &'static str,
    tag_len: usize,
    state: State,
    failed: bool,
}

impl stream::Hasher for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        let outcome = match &mut self.state {
            State::Hmac(hmac) => hmac.update(bytes),
            State::Cmac(cmac) => cmac.update(bytes),
        };
        self.failed |= outcome.is_err();
    }

    /// Empty if the library failed: never a wrong tag.
    fn finish(&mut self) -> Vec<u8> {
        let tag = match &mut self.state {
            State::Hmac(hmac) => hmac.finish(),
            State::Cmac(cmac) => cmac.finish().map(widen),
        };
        match tag {
            Ok(tag) if !self.failed => tag.get(..self.tag_len).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        }
    }

    fn driver(&self) -> &'static str {
        self.driver
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, run, unhex};
    use super::*;

    fn keyed(key: &[u8]) -> Params {
        Params { key: Some(key.to_vec().into()), ..Params::default() }
    }

    fn mac(name: &str, params: &Params, message: &[u8]) -> String {
        let transform = super::super::compile(name, params).unwrap();
        let tag = run(&*transform, Direction::Mac, message, &PLAIN).unwrap();
        // A transform keeps nothing of a message: the second is like the first.
        assert_eq!(run(&*transform, Direction::Mac, message, &PLAIN).unwrap(), tag);
        let mut hasher = hasher(name, params).unwrap().unwrap();
        message.chunks(3).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), tag);
        message.chunks(4).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), tag, "a finished hasher starts anew");

        let ask = |tag: &[u8]| run(&*transform, Direction::Verify, message, &Ask { tag, ..PLAIN });
        assert_eq!(ask(&tag), Ok(Vec::new()));
        let mut wrong = tag.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(ask(&wrong), Err(Status::AuthenticationFailed));
        assert_eq!(ask(&tag[1..]), Err(Status::AuthenticationFailed));
        assert_eq!(ask(&[]), Err(Status::AuthenticationFailed));
        hex(&tag)
    }

    #[test]
    fn hmac_known_answers() {
        // RFC 2202 and RFC 4231, test case 2; NIST's "what do ya want for nothing?" for SHA-3.
        let answers = [
            ("hmac(sha1)", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            ("hmac(sha224)", "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            ("hmac(sha256)", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "hmac(sha384)",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                "hmac(sha512)",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            ("hmac(sha3-224)", "7fdb8dd88bd2f60d1b798634ad386811c2cfc85bfaf5d52bbace5e66"),
            ("hmac(sha3-256)", "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5"),
            (
                "hmac(sha3-384)",
                "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce48c045dc007f26a21b3f5e0e9df4c20a",
            ),
            (
                "hmac(sha3-512)",
                "5a4bfeab6166427c7a3647b747292b8384537cdb89afb3bf5665e4c5e709350b\
                 287baec921fd7ca0ee7a0c31d022a95e1fc92ba9d77df883960275beb4e62024",
            ),
        ];
        for (name, answer) in answers {
            assert_eq!(answer, mac(name, &keyed(b"Jefe"), b"what do ya want for nothing?"), "{name}");
        }
    }

    #[test]
    fn hmac_takes_long_and_empty_keys() {
        // RFC 4231 test case 6; the well-known value for no key and no data.
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let answer = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(answer, mac("hmac(sha256)", &keyed(&[0xaa; 131]), message));
        let answer = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        let transform = super::super::compile("hmac(sha256)", &keyed(b"")).unwrap();
        assert_eq!(answer, hex(&run(&*transform, Direction::Mac, b"", &PLAIN).unwrap()));
    }

    #[test]
    fn cmac_known_answers() {
        // SP 800-38B appendix D / RFC 4493.
        let message = unhex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411\
             e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let key_128 = keyed(&unhex("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!("dfa66747de9ae63030ca32611497c827", mac("cmac(aes)", &key_128, &message[..40]));
        assert_eq!("51f0bebf7e3b9d92fc49741779363cfe", mac("cmac(aes)", &key_128, &message));
        let empty = super::super::compile("cmac(aes)", &key_128).unwrap();
        assert_eq!("bb1d6929e95937287fa37d129b756746", hex(&run(&*empty, Direction::Mac, b"", &PLAIN).unwrap()));
        let key_192 = keyed(&unhex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"));
        assert_eq!("a1d5df0eed790f794d77589659f39a11", mac("cmac(aes)", &key_192, &message));
        let key_256 = keyed(&unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"));
        assert_eq!("e1992190549f6ed5696a2c056c315410", mac("cmac(aes)", &key_256, &message));
    }

    #[test]
    fn tags_are_cut_from_the_right() {
        // RFC 4231 test case 5.
        let params = Params { tag_len: Some(16), ..keyed(&[0x0c; 20]) };
        assert_eq!("a3b6167473100ee06e0c796c2955552b", mac("hmac(sha256)", &params, b"Test With Truncation"));
    }

    #[test]
    fn bad_keys_and_lengths_are_told() {
        let tag_len = |tag_len| Params { tag_len: Some(tag_len), ..keyed(&[1; 16]) };
        let cases = [
            ("hmac(sha256)", Params::default(), "hmac(sha256) needs a key: any number of bytes"),
            ("hmac(sha256)", tag_len(33), "tag_len is 33, hmac(sha256) takes 4 to 32"),
            ("cmac(aes)", tag_len(3), "tag_len is 3, cmac(aes) takes 4 to 16"),
            ("cmac(aes)", keyed(&[1; 17]), "key is 17 bytes, cmac(aes) takes 16, 24 or 32"),
            ("cmac(aes)", Params { level: Some(1), ..keyed(&[1; 16]) }, "cmac(aes) takes no parameter level"),
        ];
        for (name, params, message) in cases {
            let error = super::super::compile(name, &params).err().unwrap();
            assert_eq!(message, error.to_string());
        }
    }

    #[test]
    fn threads_share_a_transform() {
        let transform = super::super::compile("cmac(aes)", &keyed(&[7; 32])).unwrap();
        let expected = run(&*transform, Direction::Mac, &[3; 1000], &PLAIN).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert_eq!(run(&*transform, Direction::Mac, &[3; 1000], &PLAIN).unwrap(), expected);
                    }
                });
            }
        });
    }
}
