//! What key files and passphrases are made of: HKDF (RFC 5869), scrypt (RFC 7914), Bech32 (BIP 173).
//!
//! Not transforms: nothing here is queued, and what comes out is a secret that its caller wipes.

use crate::ffi::awslc::{self, Hash};
use crate::status::{Outcome, Status};
use bech32::Hrp;
use bech32::primitives::decode::CheckedHrpstring;
use zeroize::Zeroizing;

/// The hash of that name.
fn hash(name: &str) -> Outcome<Hash> {
    match name {
        "sha256" => Ok(Hash::Sha256),
        "sha384" => Ok(Hash::Sha384),
        "sha512" => Ok(Hash::Sha512),
        "sha1" => Ok(Hash::Sha1),
        _ => Err(Status::usage(format!("hash is {name:?}, hkdf takes sha1, sha256, sha384 or sha512"))),
    }
}

/// HKDF: `len` bytes from a secret with enough entropy, bound to salt and info.
pub fn hkdf(name: &str, secret: &[u8], salt: &[u8], info: &[u8], len: usize) -> Outcome<Zeroizing<Vec<u8>>> {
    let hash = hash(name)?;
    // RFC 5869 2.3.
    let most = 255 * hash.size();
    if len > most {
        return Err(Status::usage(format!("length is {len} bytes, hkdf with {name} gives at most {most}")));
    }
    let mut out = Zeroizing::new(vec![0; len]);
    awslc::hkdf(hash, secret, salt, info, &mut out)?;
    Ok(out)
}

/// Fills `bytes` from the kernel's generator: for a key or two it is 30 ms sooner than AWS-LC's own, which gathers
/// entropy of the CPU's timing when it is first asked.
pub fn random(bytes: &mut [u8]) -> Outcome<()> {
    getrandom::fill(bytes).map_err(|error| Status::Internal(format!("the kernel gives no random bytes: {error}")))
}

/// How dear a guess is made.
#[derive(Debug, Clone, Copy)]
pub struct Scrypt {
    /// log2 of N.
    pub n_log2: u32,
    pub r: u32,
    pub p: u32,
    /// The most bytes of memory.
    pub max_memory: u64,
}

/// RFC 7914 6: r times p stays below this.
const MOST_PARALLEL: u64 = 1 << 30;
const MOST_N_LOG2: u32 = 32;
const MOST_LEN: usize = 1 << 20;

/// scrypt: `len` bytes from a passphrase, slowly and in much memory.
pub fn scrypt(password: &[u8], salt: &[u8], how: Scrypt, len: usize) -> Outcome<Zeroizing<Vec<u8>>> {
    let Scrypt { n_log2, r, p, max_memory } = how;
    let (r, p) = (u64::from(r), u64::from(p));
    if !(1..=MOST_N_LOG2).contains(&n_log2) || u64::from(n_log2) >= r.saturating_mul(16).max(1) {
        let most = MOST_N_LOG2.min((r * 16).saturating_sub(1).min(u64::from(u32::MAX)) as u32);
        return Err(Status::usage(format!("n_log2 is {n_log2}, scrypt with r = {r} takes 1 to {most}")));
    }
    if r == 0 || p == 0 || r * p >= MOST_PARALLEL {
        return Err(Status::usage(format!("r is {r} and p is {p}; their product must be 1 to {}", MOST_PARALLEL - 1)));
    }
    if len > MOST_LEN {
        return Err(Status::usage(format!("length is {len} bytes, scrypt gives at most {MOST_LEN} here")));
    }
    let needed = 128 * u128::from(r) * ((1u128 << n_log2) + u128::from(p) + 1);
    let memory = usize::try_from(needed).ok().filter(|_| needed <= u128::from(max_memory)).ok_or_else(|| {
        Status::usage(format!("scrypt with n_log2 = {n_log2}, r = {r} wants {needed} bytes, over {max_memory}"))
    })?;
    let mut out = Zeroizing::new(vec![0; len]);
    awslc::scrypt(password, salt, (1 << n_log2, r, p), memory, &mut out)?;
    Ok(out)
}

/// Bech32 of bytes, in lower case.
pub fn bech32_encode(hrp: &str, data: &[u8]) -> Outcome<Zeroizing<String>> {
    let hrp = Hrp::parse(hrp).map_err(|why| Status::usage(format!("prefix of a Bech32 string: {why}")))?;
    match bech32::encode_lower::<bech32::Bech32>(hrp, data) {
        Ok(text) => Ok(text.into()),
        Err(why) => Err(Status::usage(format!("{} bytes as Bech32: {why}", data.len()))),
    }
}

/// The prefix, as it was written, and the bytes. The error says nothing of the text, which may be a secret.
pub fn bech32_decode(text: &str) -> Outcome<(String, Zeroizing<Vec<u8>>)> {
    let corrupt = |what| Status::Corrupt { offset: 0, what };
    let parsed = CheckedHrpstring::new::<bech32::Bech32>(text).map_err(|_| corrupt("not a Bech32 string"))?;
    // Eight bits of every five: what is left must be less than a symbol, and nothing but zeros.
    parsed.validate_segwit_padding().map_err(|_| corrupt("a Bech32 string that does not end with a whole byte"))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(parsed.byte_iter());
    Ok((parsed.hrp().to_string(), bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::digest::tests::{hex, unhex};

    const SMALL: Scrypt = Scrypt { n_log2: 4, r: 1, p: 1, max_memory: 1 << 20 };

    #[test]
    fn hkdf_known_answers() {
        // RFC 5869 A.1 and A.3.
        let secret = [0x0b; 22];
        let okm = hkdf("sha256", &secret, &unhex("000102030405060708090a0b0c"), &unhex("f0f1f2f3f4f5f6f7f8f9"), 42);
        let answer = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(answer, hex(&okm.unwrap()));
        let okm = hkdf("sha256", &secret, b"", b"", 42).unwrap();
        let answer = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(answer, hex(&okm));
        assert!(hkdf("sha256", &secret, b"", b"", 8160).is_ok());
        let told = |name, len| hkdf(name, &secret, b"", b"", len).unwrap_err().to_string();
        assert_eq!("length is 8161 bytes, hkdf with sha256 gives at most 8160", told("sha256", 8161));
        assert_eq!("hash is \"md5\", hkdf takes sha1, sha256, sha384 or sha512", told("md5", 1));
    }

    #[test]
    fn scrypt_known_answers() {
        // RFC 7914 12.
        let answer = "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442\
                      fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906";
        assert_eq!(answer, hex(&scrypt(b"", b"", SMALL, 64).unwrap()));
        let how = Scrypt { n_log2: 10, r: 8, p: 16, max_memory: 1 << 24 };
        let key = hex(&scrypt(b"password", b"NaCl", how, 64).unwrap());
        assert!(key.starts_with("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"));
    }

    #[test]
    fn scrypt_tells_its_limits() {
        let told = |how| scrypt(b"password", b"", how, 32).unwrap_err().to_string();
        assert_eq!("n_log2 is 0, scrypt with r = 1 takes 1 to 15", told(Scrypt { n_log2: 0, ..SMALL }));
        assert_eq!("n_log2 is 16, scrypt with r = 1 takes 1 to 15", told(Scrypt { n_log2: 16, ..SMALL }));
        assert_eq!("n_log2 is 33, scrypt with r = 8 takes 1 to 32", told(Scrypt { n_log2: 33, r: 8, ..SMALL }));
        assert_eq!("r is 1 and p is 0; their product must be 1 to 1073741823", told(Scrypt { p: 0, ..SMALL }));
        let how = Scrypt { n_log2: 15, r: 8, p: 1, max_memory: 1 << 20 };
        assert_eq!("scrypt with n_log2 = 15, r = 8 wants 33556480 bytes, over 1048576", told(how));
        assert!(told(Scrypt { n_log2: 32, r: u32::MAX, p: 0, ..SMALL }).contains("product"));
    }

    #[test]
    fn bech32_known_answers() {
        // The age specification's examples.
        let identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        let (hrp, secret) = bech32_decode(identity).unwrap();
        assert_eq!(("AGE-SECRET-KEY-", [0x42; 32].as_slice()), (hrp.as_str(), secret.as_slice()));
        assert_eq!(identity, bech32_encode(&hrp, &secret).unwrap().to_uppercase());
        let (hrp, share) = bech32_decode(recipient).unwrap();
        assert_eq!(("age", 32), (hrp.as_str(), share.len()));
        assert_eq!(recipient, *bech32_encode("age", &share).unwrap());
        let mixed = recipient.replace("age1z", "age1Z");
        for wrong in
            [&mixed, "", "age", "age1", "1qqqqqq", &recipient[..50], &recipient.replace('z', "x"), "\u{e9}1qqqq"]
        {
            assert!(matches!(bech32_decode(wrong), Err(Status::Corrupt { offset: 0, .. })), "{wrong}");
        }
    }

    #[test]
    fn what_is_left_of_a_bech32_string_is_zero() {
        let encode = |symbols: &[u8]| {
            use bech32::Fe32;
            use bech32::primitives::iter::Fe32IterExt;
            let hrp = Hrp::parse("x").unwrap();
            let symbols = symbols.iter().map(|symbol| Fe32::try_from(*symbol).unwrap());
            symbols.with_checksum::<bech32::Bech32>(&hrp).chars().collect::<String>()
        };
        assert_eq!(*bech32_decode(&encode(&[31, 28])).unwrap().1, [0xff]);
        assert!(bech32_decode(&encode(&[31, 29])).is_err());
        assert!(bech32_decode(&encode(&[31, 28, 0])).is_err());
        assert!(bech32_decode(&encode(&[0])).is_err());
    }
}
