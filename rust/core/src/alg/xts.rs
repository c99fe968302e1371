//! AES-XTS (IEEE 1619, SP 800-38E), one data unit a message or a run of sectors.
//!
//! The nonce is the tweak of the first data unit. Without the parameter `unit` the message is one data unit of at least a
//! block, and ciphertext stealing lets it have any length. With it the message is a run of data units of that many bytes,
//! and the tweak grows by one from each to the next, as a number of 128 bits, the least significant byte first, which
//! begins again at 0 after its largest: so dm-crypt's `plain64` numbers sectors. Keyed contexts wait in the transform, so
//! that a sector costs its tweak and its bytes.
//!
//! AWS-LC has XTS for AES-256. For AES-128 there is the system's OpenSSL, and the crate `xts-mode` where that is missing.

use super::cipher::same_length;
use super::reading::Reading;
use super::*;
use crate::ffi::awslc::{self, Mode, Spares};
use crate::ffi::openssl;
use aes::Aes128;
use aes::cipher::KeyInit;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use xts_mode::{Array, Xts128};

pub static ALGORITHMS: &[Algorithm] =
    &[Algorithm { name: NAME, kind: Kind::Cipher, driver: AWSLC_DRIVER, library: "aws-lc", insecure: false, compile }];

const NAME: &str = "xts(aes)";
const AWSLC_DRIVER: &str = "xts-aes-awslc";
const OPENSSL_DRIVER: &str = "xts-aes-128-openssl";
const RUSTCRYPTO_DRIVER: &str = "xts-aes-128-rustcrypto";
const KEY_128: usize = 32;
const KEY_256: usize = 64;
const TWEAK: usize = 16;
const BLOCK: usize = 16;
/// Bytes of a data unit: 2^20 blocks (SP 800-38E 4).
const MOST_UNIT: usize = BLOCK << 20;

/// Who does it.
#[derive(Clone)]
enum Library {
    AwsLc,
    OpenSsl,
    RustCrypto(Arc<Xts128<Aes128>>),
}

/// A keyed cipher for one direction.
enum Keyed {
    AwsLc(awslc::Cipher),
    OpenSsl(openssl::Xts),
    RustCrypto { xts: Arc<Xts128<Aes128>>, encrypt: bool },
}

struct Xts {
    library: Library,
    key: Zeroizing<Vec<u8>>,
    /// Bytes of a sector; none: every message is one data unit.
    unit: Option<usize>,
    encryptors: Spares<Keyed>,
    decryptors: Spares<Keyed>,
}

fn compile(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only(NAME, &["key", "unit"])?;
    let key = params.key(NAME, || "32 or 64 bytes".to_owned())?;
    let library = match key.len() {
        KEY_256 => Library::AwsLc,
        KEY_128 if openssl::is_usable() => Library::OpenSsl,
        KEY_128 => rustcrypto(key)?,
        len => return Err(Status::usage(format!("key is {len} bytes, {NAME} takes 32 or 64"))),
    };
    Ok(Arc::new(Xts::new(library, key, params.unit)?))
}

fn rustcrypto(key: &[u8]) -> Outcome<Library> {
    let (data, tweak) = key.split_at(key.len() / 2);
    let half = |half| Aes128::new_from_slice(half).map_err(|e| Status::Internal(format!("half a key: {e}")));
    Ok(Library::RustCrypto(Arc::new(Xts128::new(half(data)?, half(tweak)?))))
}

impl Xts {
    fn new(library: Library, key: &[u8], unit: Option<usize>) -> Outcome<Self> {
        let (data, tweak) = key.split_at(key.len() / 2);
        if verify_slices_are_equal(data, tweak).is_ok() {
            return Err(Status::usage(format!("the halves of a key for {NAME} must differ")));
        }
        if let Some(unit) = unit.filter(|unit| !(BLOCK..=MOST_UNIT).contains(unit) || !unit.is_multiple_of(BLOCK)) {
            let rule = format!("{NAME} takes a multiple of {BLOCK}, {BLOCK} to {MOST_UNIT}");
            return Err(Status::usage(format!("unit is {unit} bytes, {rule}")));
        }
        let xts = Self {
            library,
            key: key.to_vec().into(),
            unit,
            encryptors: Spares::default(),
            decryptors: Spares::default(),
        };
        xts.encryptors.give(Keyed::new(&xts.library, key, true)?);
        Ok(xts)
    }

    fn run(&self, call: &Call<'_>, encrypt: bool, data: &mut [u8]) -> Outcome<()> {
        let nonce = <[u8; TWEAK]>::try_from(call.nonce).map_err(|_| wrong_tweak(call.nonce.len()))?;
        let spares = if encrypt { &self.encryptors } else { &self.decryptors };
        let mut keyed = match spares.take() {
            Some(keyed) => keyed,
            None => Keyed::new(&self.library, &self.key, encrypt)?,
        };
        let unit = self.unit.unwrap_or(data.len()).max(BLOCK);
        let mut reading = Reading::of(call.source.segments());
        let mut tweak = u128::from_le_bytes(nonce);
        for data in data.chunks_mut(unit) {
            keyed.unit(&tweak.to_le_bytes(), reading.next(data), data)?;
            tweak = tweak.wrapping_add(1);
        }
        spares.give(keyed);
        Ok(())
    }
}

#[cold]
fn wrong_tweak(len: usize) -> Status {
    Status::usage(format!("nonce is {len} bytes, {NAME} takes {TWEAK}"))
}

impl Keyed {
    fn new(library: &Library, key: &[u8], encrypt: bool) -> Outcome<Self> {
        match library {
            Library::AwsLc => awslc::Cipher::new(Mode::AesXts, key, encrypt).map(Self::AwsLc),
            Library::OpenSsl => {
                let key = key.try_into().map_err(|_| Status::Internal("key of another length".to_owned()))?;
                openssl::Xts::new(key, encrypt).map(Self::OpenSsl)
            }
            Library::RustCrypto(xts) => Ok(Self::RustCrypto { xts: Arc::clone(xts), encrypt }),
        }
    }

    /// One data unit, from `source`, or from `data` in place, into `data`.
    fn unit(&mut self, tweak: &[u8; TWEAK], source: Option<&[u8]>, data: &mut [u8]) -> Outcome<()> {
        match self {
            Self::AwsLc(cipher) => cipher.unit(tweak, source, data),
            Self::OpenSsl(xts) => xts.unit(tweak, source, data),
            Self::RustCrypto { xts, encrypt } => {
                if let Some(source) = source {
                    data.copy_from_slice(source);
                }
                let tweak = Array(*tweak);
                if *encrypt {
                    xts.encrypt_sector(data, tweak)
                } else {
                    xts.decrypt_sector(data, tweak)
                }
                Ok(())
            }
        }
    }
}

impl Transform for Xts {
    fn kind(&self) -> Kind {
        Kind::Cipher
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        match self.library {
            Library::AwsLc => AWSLC_DRIVER,
            Library::OpenSsl => OPENSSL_DRIVER,
            Library::RustCrypto(_) => RUSTCRYPTO_DRIVER,
        }
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        if call.nonce.len() != TWEAK {
            return Err(wrong_tweak(call.nonce.len()));
        }
        if !call.ad.is_empty() {
            return Err(Status::usage(format!("{NAME} authenticates nothing, so it takes no additional data")));
        }
        let len = call.source.len();
        match self.unit {
            Some(unit) if !len.is_multiple_of(unit) => {
                Err(Status::usage(format!("message is {len} bytes, {NAME} takes whole units of {unit}")))
            }
            None if !(BLOCK..=MOST_UNIT).contains(&len) => {
                Err(Status::usage(format!("message is {len} bytes, {NAME} takes {BLOCK} to {MOST_UNIT}")))
            }
            _ => Ok(()),
        }
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        call.source.len()
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        same_length(NAME, call, output, |encrypt, data| Xts::run(self, call, encrypt, data))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, pieces, run, unhex};
    use super::*;
    use crate::buffer::Pool;

    fn counting(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 13 % 253) as u8).collect()
    }

    /// All that this machine has for a key of that length.
    fn all(key: &[u8], unit: Option<usize>) -> Vec<Xts> {
        let libraries = match key.len() {
            KEY_256 => vec![Library::AwsLc],
            _ if openssl::is_usable() => vec![rustcrypto(key).unwrap(), Library::OpenSsl],
            _ => vec![rustcrypto(key).unwrap()],
        };
        libraries.into_iter().map(|library| Xts::new(library, key, unit).unwrap()).collect()
    }

    /// Encrypts twice, for a second message owes nothing to the first, and decrypts.
    fn both_ways(xts: &Xts, nonce: &[u8], message: &[u8]) -> Vec<u8> {
        let ask = Ask { nonce, ..PLAIN };
        let encrypted = run(xts, Direction::Encrypt, message, &ask).unwrap();
        assert_eq!(run(xts, Direction::Encrypt, message, &ask).unwrap(), encrypted);
        for _ in 0..2 {
            assert_eq!(run(xts, Direction::Decrypt, &encrypted, &ask).unwrap(), message);
        }
        encrypted
    }

    #[test]
    fn known_answers() {
        // IEEE 1619 B, vector 2; then both key sizes with ciphertext stealing, checked with OpenSSL 3.0.
        let key = [[0x11; 16], [0x22; 16]].concat();
        let tweak = unhex("33333333330000000000000000000000");
        for xts in all(&key, None) {
            assert_eq!(
                "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
                hex(&both_ways(&xts, &tweak, &[0x44; 32]))
            );
        }
        let counting: Vec<u8> = (0..64).collect();
        let answers = [
            (32, 16, "b62412371f8d7cf1e27c05af1a83d9b9"),
            (32, 17, "2095a3d6b9bd62e3a31d6f77ca674531b6"),
            (32, 31, "6893fb9867b3982bf0415031253b1cacb62412371f8d7cf1e27c05af1a83d9"),
            (32, 40, "b62412371f8d7cf1e27c05af1a83d9b961e51a12b61a98d6bd1d80db4233954cec410e71eb4525fb"),
            (64, 16, "b82298441f93d2a0ad34668c7df66e4c"),
            (64, 17, "02044b67146e6a91bf0cc1fee7cd8812b8"),
            (64, 31, "e0974e818d442f9dff82aedfbdd2a4f7b82298441f93d2a0ad34668c7df66e"),
            (64, 40, "b82298441f93d2a0ad34668c7df66e4ce2647a08dc46de5bac5a2ca57b279dfc9ce4d6a936a41f0f"),
        ];
        for (key, len, answer) in answers {
            for xts in all(&counting[..key], None) {
                assert_eq!(answer, hex(&both_ways(&xts, &counting[..16], &counting[..len])));
            }
        }
    }

    #[test]
    fn a_run_is_its_sectors_one_by_one() {
        let key: Vec<u8> = (0..64).collect();
        // The carry into the upper half, and the end of all numbers.
        for first in [0, 7, (1 << 64) - 2, u128::MAX - 1] {
            for (key_len, unit) in [(32, 16), (32, 512), (64, 48), (64, 512), (64, 4096)] {
                let message = counting(6 * unit);
                for (xts, single) in all(&key[..key_len], Some(unit)).iter().zip(all(&key[..key_len], None)) {
                    let sectors = message.chunks(unit).zip(0..).flat_map(|(sector, number)| {
                        both_ways(&single, &first.wrapping_add(number).to_le_bytes(), sector)
                    });
                    let sectors: Vec<u8> = sectors.collect();
                    let tweak = first.to_le_bytes();
                    assert_eq!(both_ways(xts, &tweak, &message), sectors, "{first} {key_len} {unit}");
                    assert_eq!(both_ways(xts, &tweak, &message[..unit]), sectors[..unit]);
                    assert_eq!(both_ways(xts, &tweak, b""), b"");
                    // In three segments: cut at sectors, and within them.
                    for units in [6, 5] {
                        let source = pieces(&message[..units * unit]);
                        let ad = Source::default();
                        let call = Call {
                            direction: Direction::Encrypt,
                            source: &source,
                            nonce: &tweak,
                            ad: &ad,
                            tag: &[],
                            max_output: 0,
                        };
                        let mut output = Output::pooled(&Pool::new(1 << 20));
                        Transform::run(xts, &call, &mut output).unwrap();
                        assert_eq!(output.as_slice(), &sectors[..units * unit]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_library_for_a_key_gives_the_same() {
        let key: Vec<u8> = (1..33).collect();
        for len in [16, 17, 47, 512, 4096, 5000, 96_000] {
            let made: Vec<_> = all(&key, None).iter().map(|xts| both_ways(xts, &[9; 16], &counting(len))).collect();
            assert!(made.iter().all(|one| *one == made[0]), "{len}");
        }
    }

    #[test]
    fn wrong_lengths_are_told_before_anything_is_queued() {
        let key: Vec<u8> = (0..64).collect();
        let compiled = |key: &[u8], unit| {
            let params = Params { key: Some(key.to_vec().into()), unit, ..Params::default() };
            compile(&params).err().unwrap().to_string()
        };
        assert_eq!("key is 48 bytes, xts(aes) takes 32 or 64", compiled(&key[..48], None));
        for len in [32, 64] {
            assert_eq!("the halves of a key for xts(aes) must differ", compiled(&vec![0; len], None));
        }
        for unit in [0, 8, 15, 17, 520, (16 << 20) + 16] {
            let told = format!("unit is {unit} bytes, xts(aes) takes a multiple of 16, 16 to 16777216");
            assert_eq!(told, compiled(&key, Some(unit)));
        }
        let asked = |unit, nonce: &[u8], len, ad| {
            let xts = Xts::new(Library::AwsLc, &key, unit).unwrap();
            let ask = Ask { nonce, ad, ..PLAIN };
            run(&xts, Direction::Encrypt, &vec![0; len], &ask).err().unwrap().to_string()
        };
        assert_eq!("nonce is 12 bytes, xts(aes) takes 16", asked(None, &[0; 12], 16, b""));
        let range = "xts(aes) takes 16 to 16777216";
        assert_eq!(format!("message is 15 bytes, {range}"), asked(None, &[0; 16], 15, b""));
        assert_eq!(format!("message is 16777217 bytes, {range}"), asked(None, &[0; 16], (16 << 20) + 1, b""));
        assert_eq!("message is 511 bytes, xts(aes) takes whole units of 512", asked(Some(512), &[0; 16], 511, b""));
        assert_eq!("message is 513 bytes, xts(aes) takes whole units of 512", asked(Some(512), &[0; 16], 513, b""));
        let told = asked(Some(512), &[0; 16], 512, b"ad");
        assert_eq!("xts(aes) authenticates nothing, so it takes no additional data", told);
    }
}
