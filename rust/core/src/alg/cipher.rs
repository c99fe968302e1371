//! Ciphers without authentication: AES (FIPS 197) in CTR, CBC and ECB (SP 800-38A); triple DES (SP 800-67, withdrawn) in
//! CBC and ECB. AES-XTS is in `xts`.
//!
//! Names and rules are the kernel's: nothing pads, so that output is as long as input, and what does not fit the mode is
//! refused. CTR's nonce is the whole first counter block. Keyed contexts wait in the transform, so that a message only
//! sets its IV.

use super::*;
use crate::ffi::awslc::{self, Mode, Spares};

pub static ALGORITHMS: &[Algorithm] = &[
    row("ctr(aes)", "ctr-aes-awslc", false, |p| compile("ctr(aes)", p)),
    row("cbc(aes)", "cbc-aes-awslc", false, |p| compile("cbc(aes)", p)),
    row("ecb(aes)", "ecb-aes-awslc", false, |p| compile("ecb(aes)", p)),
    row("cbc(des3_ede)", "cbc-des3_ede-awslc", true, |p| compile("cbc(des3_ede)", p)),
    row("ecb(des3_ede)", "ecb-des3_ede-awslc", true, |p| compile("ecb(des3_ede)", p)),
];

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, driver: &'static str, insecure: bool, compile: Compile) -> Algorithm {
    Algorithm { name, kind: Kind::Cipher, driver, library: "aws-lc", insecure, compile }
}

fn mode(name: &str) -> Option<(Mode, &'static [usize], &'static str)> {
    const AES: (&[usize], &str) = (&[16, 24, 32], "16, 24 or 32");
    const DES: (&[usize], &str) = (&[24], "24");
    let (mode, (keys, listed)) = match name {
        "ctr(aes)" => (Mode::AesCtr, AES),
        "cbc(aes)" => (Mode::AesCbc, AES),
        "ecb(aes)" => (Mode::AesEcb, AES),
        "cbc(des3_ede)" => (Mode::DesCbc, DES),
        "ecb(des3_ede)" => (Mode::DesEcb, DES),
        _ => return None,
    };
    Some((mode, keys, listed))
}

struct Cipher {
    algorithm: &'static Algorithm,
    mode: Mode,
    key: Zeroizing<Vec<u8>>,
    encryptors: Spares<awslc::Cipher>,
    decryptors: Spares<awslc::Cipher>,
}

fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.name == name);
    let (Some(algorithm), Some((mode, keys, listed))) = (algorithm, mode(name)) else {
        return Err(Status::UnknownAlgorithm(format!("no cipher is called {name:?}")));
    };
    params.only(name, &["key"])?;
    let key = params.key(name, || format!("{listed} bytes"))?;
    if !keys.contains(&key.len()) {
        return Err(Status::usage(format!("key is {} bytes, {name} takes {listed}", key.len())));
    }
    let encryptors = Spares::default();
    encryptors.give(awslc::Cipher::new(mode, key, true)?);
    Ok(Arc::new(Cipher { algorithm, mode, key: key.to_vec().into(), encryptors, decryptors: Spares::default() }))
}

impl Cipher {
    fn run(&self, call: &Call<'_>, encrypt: bool, data: &mut [u8]) -> Outcome<()> {
        // CTR decrypts by encrypting, so all its contexts are of one sort.
        let encrypt = encrypt || self.mode == Mode::AesCtr;
        let spares = if encrypt { &self.encryptors } else { &self.decryptors };
        let mut cipher = match spares.take() {
            Some(cipher) => cipher,
            None => awslc::Cipher::new(self.mode, &self.key, encrypt)?,
        };
        cipher.start(call.nonce)?;
        self.feed(&mut cipher, call.source, data)?;
        spares.give(cipher);
        Ok(())
    }

    /// Segment by segment where each is whole blocks; else gathered first, then in place.
    fn feed(&self, cipher: &mut awslc::Cipher, source: &Source, data: &mut [u8]) -> Outcome<()> {
        if let Some(whole) = source.as_slice() {
            return cipher.update(Some(whole), data);
        }
        let block = self.mode.block();
        if source.segments().any(|segment| !segment.len().is_multiple_of(block)) {
            source.copy_to(data)?;
            return cipher.update(None, data);
        }
        let mut rest = data;
        for segment in source.segments() {
            let Some((space, left)) = rest.split_at_mut_checked(segment.len()) else {
                return Err(Status::Internal("output shorter than its source".to_owned()));
            };
            cipher.update(Some(segment), space)?;
            rest = left;
        }
        Ok(())
    }
}

impl Transform for Cipher {
    fn kind(&self) -> Kind {
        Kind::Cipher
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.algorithm.driver
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        let name = self.algorithm.name;
        let (nonce, iv) = (call.nonce.len(), self.mode.iv());
        if nonce != iv {
            return Err(Status::usage(format!("nonce is {nonce} bytes, {name} takes {iv}")));
        }
        if !call.ad.is_empty() {
            return Err(Status::usage(format!("{name} authenticates nothing, so it takes no additional data")));
        }
        let (len, block) = (call.source.len(), self.mode.block());
        if !len.is_multiple_of(block) {
            return Err(Status::usage(format!("message is {len} bytes, {name} takes a multiple of {block}")));
        }
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        call.source.len()
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        same_length(self.algorithm.name, call, output, |encrypt, data| Cipher::run(self, call, encrypt, data))
    }
}

/// Runs what gives as many bytes as it reads; `work` is told whether to encrypt, and where to. What fails is wiped.
pub(super) fn same_length(
    name: &str,
    call: &Call<'_>,
    output: &mut Output,
    work: impl FnOnce(bool, &mut [u8]) -> Outcome<()>,
) -> Outcome<Facts> {
    let encrypt = match call.direction {
        Direction::Encrypt => true,
        Direction::Decrypt => false,
        other => return Err(Status::usage(format!("{name} cannot {}", other.name()))),
    };
    let len = call.source.len();
    if let Err(status) = work(encrypt, output.exactly(len)?) {
        output.wipe(len);
        return Err(status);
    }
    output.set_len(len);
    Ok(Facts::default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, run, unhex};
    use super::*;

    /// SP 800-38A appendix F.
    const MESSAGE: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                           30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    const KEYS: [&str; 3] = [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
    ];
    const IV: &str = "000102030405060708090a0b0c0d0e0f";
    const COUNTER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

    fn keyed(key: &[u8]) -> Params {
        Params { key: Some(key.to_vec().into()), ..Params::default() }
    }

    /// Encrypts twice, for a second message owes nothing to the first, and decrypts.
    fn both_ways(name: &str, key: &[u8], nonce: &[u8], message: &[u8]) -> String {
        let transform = super::super::compile(name, &keyed(key)).unwrap();
        let ask = Ask { nonce, ..PLAIN };
        let encrypted = run(&*transform, Direction::Encrypt, message, &ask).unwrap();
        assert_eq!(run(&*transform, Direction::Encrypt, message, &ask).unwrap(), encrypted);
        for _ in 0..2 {
            assert_eq!(run(&*transform, Direction::Decrypt, &encrypted, &ask).unwrap(), message);
        }
        hex(&encrypted)
    }

    #[test]
    fn aes_known_answers() {
        // The first block of each of SP 800-38A's examples, and the last.
        let answers = [
            ("ecb(aes)", 0, "", "3ad77bb40d7a3660a89ecaf32466ef97", "7b0c785e27e8ad3f8223207104725dd4"),
            ("ecb(aes)", 1, "", "bd334f1d6e45f25ff712a214571fa5cc", "9a4b41ba738d6c72fb16691603c18e0e"),
            ("ecb(aes)", 2, "", "f3eed1bdb5d2a03c064b5a7e3db181f8", "23304b7a39f9f3ff067d8d8f9e24ecc7"),
            ("cbc(aes)", 0, IV, "7649abac8119b246cee98e9b12e9197d", "3ff1caa1681fac09120eca307586e1a7"),
            ("cbc(aes)", 1, IV, "4f021db243bc633d7178183a9fa071e8", "08b0e27988598881d920a9e64f5615cd"),
            ("cbc(aes)", 2, IV, "f58c4c04d6e5f1ba779eabfb5f7bfbd6", "b2eb05e2c39be9fcda6c19078c6a9d1b"),
            ("ctr(aes)", 0, COUNTER, "874d6191b620e3261bef6864990db6ce", "1e031dda2fbe03d1792170a0f3009cee"),
            ("ctr(aes)", 1, COUNTER, "1abc932417521ca24f2b0459fe7e6e0b", "4f78a7f6d29809585a97daec58c6b050"),
            ("ctr(aes)", 2, COUNTER, "601ec313775789a5b7a7f504bbf3d228", "dfc9c58db67aada613c2dd08457941a6"),
        ];
        for (name, key, nonce, first, last) in answers {
            let encrypted = both_ways(name, &unhex(KEYS[key]), &unhex(nonce), &unhex(MESSAGE));
            assert_eq!(first, &encrypted[..32], "{name} {key}");
            assert_eq!(last, &encrypted[96..], "{name} {key}");
        }
    }

    #[test]
    fn triple_des_known_answers() {
        // SP 800-67's example keys over SP 800-38A's message; checked with OpenSSL 3.0.
        let key = unhex("0123456789abcdef23456789abcdef01456789abcdef0123");
        let ecb = both_ways("ecb(des3_ede)", &key, b"", &unhex(MESSAGE));
        assert!(ecb.starts_with("714772f339841d34267fcc4bd2949cc3") && ecb.ends_with("0533463c6f961f25"), "{ecb}");
        let cbc = both_ways("cbc(des3_ede)", &key, &unhex("f69f2445df4f9b17"), &unhex(MESSAGE));
        assert!(cbc.starts_with("2079c3d53aa763e193b79e2569ab5262") && cbc.ends_with("8154b96ed90f2bc1e"), "{cbc}");
        assert!(super::super::find("cbc(des3_ede)").unwrap().insecure);
    }

    #[test]
    fn long_messages_agree_in_pieces() {
        let message: Vec<u8> = (0..96_000u32).map(|i| (i * 13 % 253) as u8).collect();
        for (name, key, nonce) in [("ctr(aes)", 32, 16), ("cbc(aes)", 32, 16), ("ecb(aes)", 32, 0)] {
            let key: Vec<u8> = (0..key).collect();
            for len in [96_000, 48, 16] {
                both_ways(name, &key, &vec![6; nonce], &message[..len]);
            }
        }
        both_ways("ctr(aes)", &[1; 16], &[0xff; 16], &message[..70_001]);
        both_ways("ctr(aes)", &[1; 16], &[0xff; 16], b"");
        both_ways("cbc(aes)", &[1; 16], &[0xff; 16], b"");
    }

    #[test]
    fn wrong_lengths_are_told_before_anything_is_queued() {
        let compiled = |name, key: &[u8]| super::super::compile(name, &keyed(key)).err().unwrap().to_string();
        assert_eq!("key is 17 bytes, ctr(aes) takes 16, 24 or 32", compiled("ctr(aes)", &[0; 17]));
        assert_eq!("key is 16 bytes, cbc(des3_ede) takes 24", compiled("cbc(des3_ede)", &[0; 16]));

        let key: Vec<u8> = (0..64).collect();
        let asked = |name, key_len: usize, nonce: &[u8], len, ad| {
            let transform = super::super::compile(name, &keyed(&key[..key_len])).unwrap();
            let ask = Ask { nonce, ad, ..PLAIN };
            run(&*transform, Direction::Encrypt, &vec![0; len], &ask).err().unwrap().to_string()
        };
        assert_eq!("nonce is 12 bytes, ctr(aes) takes 16", asked("ctr(aes)", 16, &[0; 12], 1, b""));
        assert_eq!("nonce is 16 bytes, ecb(aes) takes 0", asked("ecb(aes)", 16, &[0; 16], 16, b""));
        assert_eq!("message is 17 bytes, cbc(aes) takes a multiple of 16", asked("cbc(aes)", 16, &[0; 16], 17, b""));
        assert_eq!(
            "message is 12 bytes, ecb(des3_ede) takes a multiple of 8",
            asked("ecb(des3_ede)", 24, b"", 12, b"")
        );
        assert_eq!(
            "ctr(aes) authenticates nothing, so it takes no additional data",
            asked("ctr(aes)", 16, &[0; 16], 1, b"ad")
        );
    }

    #[test]
    fn threads_share_a_transform() {
        let transform = super::super::compile("cbc(aes)", &keyed(&[7; 32])).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let transform = &transform;
                scope.spawn(move || {
                    for i in 0..200u8 {
                        let ask = Ask { nonce: &[thread ^ i; 16], ..PLAIN };
                        let encrypted = run(&**transform, Direction::Encrypt, &[i; 96], &ask).unwrap();
                        assert_eq!(run(&**transform, Direction::Decrypt, &encrypted, &ask).unwrap(), [i; 96]);
                    }
                });
            }
        });
    }
}
