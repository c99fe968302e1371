//! Signatures and key agreement: Ed25519 (RFC 8032), ECDSA over P-256 (FIPS 186-5; DER signatures), RSA-PSS and RSA
//! PKCS #1 v1.5 (RFC 8017), X25519 (RFC 7748).
//!
//! A private key is PKCS #8 DER, or for Ed25519 and X25519 its raw 32 bytes too. A public key is SubjectPublicKeyInfo
//! DER: raw, Ed25519's could not be told from a private one. A transform made from a public key can only verify.

use super::*;
use crate::ffi::awslc::{self, EcdsaKey, Hash};
use aws_lc_rs::agreement::{self, ParsedPublicKey as Peer, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as scheme, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaEncoding, RsaKeyPair, RsaParameters,
    RsaSubjectPublicKey, VerificationAlgorithm,
};
use std::borrow::Cow;

pub static ALGORITHMS: &[Algorithm] = &[
    row(ED25519, Kind::Signature, "ed25519-awslc", compile_ed25519),
    row(ECDSA, Kind::Signature, "ecdsa-nist-p256-awslc", compile_ecdsa),
    row(RSA, Kind::Signature, "rsa-awslc", compile_rsa),
    row(X25519, Kind::Agreement, "x25519-awslc", compile_x25519),
];

const ED25519: &str = "ed25519";
const ECDSA: &str = "ecdsa-nist-p256";
const RSA: &str = "rsa";
const X25519: &str = "x25519";

const ED25519_SIGNATURE: usize = 64;
/// Two integers of up to 33 bytes, each under a header of 2, under one more.
const ECDSA_SIGNATURE: usize = 72;
/// A raw private key, public key and shared secret of both Curve25519 algorithms.
const RAW: usize = 32;
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;
const RSA_DEFAULT_BITS: u32 = 2048;

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, kind: Kind, driver: &'static str, compile: Compile) -> Algorithm {
    Algorithm { name, kind, driver, library: "aws-lc", insecure: false, compile }
}

fn driver(name: &str) -> &'static str {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name).map_or("", |algorithm| algorithm.driver)
}

fn failed(what: &str) -> Status {
    Status::Engine { engine: "awslc".to_owned(), what: format!("{what} failed") }
}

/// A fresh private key, PKCS #8 DER, for any algorithm of this file; RSA's has 2048 bits.
pub fn generate(name: &str, params: &Params) -> Outcome<Zeroizing<Vec<u8>>> {
    params.only(name, &["hash", "padding"])?;
    let broken = |_: Unspecified| failed("key generation");
    match name {
        ED25519 => {
            let document = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(broken)?;
            Ok(document.as_ref().to_vec().into())
        }
        ECDSA => {
            let pair = EcdsaKeyPair::generate(&scheme::ECDSA_P256_SHA256_ASN1_SIGNING);
            let document = pair.and_then(|pair| pair.to_pkcs8v1()).map_err(broken)?;
            Ok(document.as_ref().to_vec().into())
        }
        RSA => generate_rsa(RSA_DEFAULT_BITS),
        X25519 => {
            let private = PrivateKey::generate(&agreement::X25519).map_err(broken)?;
            let raw: Curve25519SeedBin<'_> = private.as_be_bytes().map_err(broken)?;
            Ok([&X25519_PKCS8[..], raw.as_ref()].concat().into())
        }
        _ => Err(Status::UnknownAlgorithm(format!("{name:?} has no keys to generate"))),
    }
}

/// A fresh RSA private key, PKCS #8 DER, of 2048, 3072, 4096 or 8192 bits. The longest takes seconds.
pub fn generate_rsa(bits: u32) -> Outcome<Zeroizing<Vec<u8>>> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        8192 => KeySize::Rsa8192,
        _ => return Err(Status::usage(format!("rsa has keys of 2048, 3072, 4096 or 8192 bits, not {bits}"))),
    };
    let pair = RsaKeyPair::generate(size).map_err(|_| failed("key generation"))?;
    let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed("key generation"))?;
    Ok(document.as_ref().to_vec().into())
}

/// The private half, with what signing needs.
enum Signer {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    /// The safe crate signs over P-256 with SHA-256 alone.
    EcdsaSha384(EcdsaKey),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

struct Signature {
    name: &'static str,
    signer: Option<Signer>,
    verifier: ParsedPublicKey,
    /// Bytes of the longest signature.
    size: usize,
}

/// What a key failed to be; the bytes themselves are not told.
fn bad_key(name: &str) -> Status {
    let raw = if name == ED25519 { ", nor raw private bytes" } else { "" };
    Status::usage(format!(
        "key is neither a PKCS #8 private key for {name} nor a SubjectPublicKeyInfo public key for it{raw}"
    ))
}

fn wanted_key(name: &str) -> String {
    match name {
        X25519 => format!("a private one, PKCS #8 DER or {RAW} raw bytes"),
        ED25519 => format!("private, PKCS #8 DER or {RAW} raw bytes; or public, SubjectPublicKeyInfo DER"),
        _ => "private, PKCS #8 DER; or public, SubjectPublicKeyInfo DER".to_owned(),
    }
}

fn verifier(name: &str, algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> Outcome<ParsedPublicKey> {
    ParsedPublicKey::new(algorithm, key).map_err(|_| bad_key(name))
}

fn compile_ed25519(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only(ED25519, &["key"])?;
    let key = params.key(ED25519, || wanted_key(ED25519))?;
    let pair: Result<_, KeyRejected> =
        if key.len() == RAW { Ed25519KeyPair::from_seed_unchecked(key) } else { Ed25519KeyPair::from_pkcs8(key) };
    let public = pair.as_ref().map_or(Cow::Borrowed(key), |pair| pair.public_key().as_ref().to_vec().into());
    let verifier = verifier(ED25519, &scheme::ED25519, &public)?;
    let signer = pair.ok().map(Signer::Ed25519);
    Ok(Arc::new(Signature { name: ED25519, signer, verifier, size: ED25519_SIGNATURE }))
}

fn compile_ecdsa(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only(ECDSA, &["key", "hash"])?;
    let sha384 = match params.hash.as_deref() {
        None | Some("sha256") => false,
        Some("sha384") => true,
        Some(other) => return Err(Status::usage(format!("hash is {other:?}, {ECDSA} takes sha256 or sha384"))),
    };
    let key = params.key(ECDSA, || wanted_key(ECDSA))?;
    let pair = EcdsaKeyPair::from_pkcs8(&scheme::ECDSA_P256_SHA256_ASN1_SIGNING, key);
    let public = pair.as_ref().map_or(Cow::Borrowed(key), |pair| pair.public_key().as_ref().to_vec().into());
    let algorithm = if sha384 { &scheme::ECDSA_P256_SHA384_ASN1 } else { &scheme::ECDSA_P256_SHA256_ASN1 };
    let verifier = verifier(ECDSA, algorithm, &public)?;
    let signer = match pair {
        Ok(_) if sha384 => Some(Signer::EcdsaSha384(EcdsaKey::from_pkcs8(key).ok_or_else(|| bad_key(ECDSA))?)),
        Ok(pair) => Some(Signer::Ecdsa(pair)),
        Err(_) => None,
    };
    Ok(Arc::new(Signature { name: ECDSA, signer, verifier, size: ECDSA_SIGNATURE }))
}

/// How an RSA signature is padded, for signing and for verifying. PSS's salt is as long as its hash.
fn rsa_scheme(params: &Params) -> Outcome<(&'static dyn RsaEncoding, &'static RsaParameters)> {
    let hash = params.hash.as_deref().unwrap_or("sha256");
    match (params.padding.as_deref().unwrap_or("pss"), hash) {
        ("pss", "sha256") => Ok((&scheme::RSA_PSS_SHA256, &scheme::RSA_PSS_2048_8192_SHA256)),
        ("pss", "sha384") => Ok((&scheme::RSA_PSS_SHA384, &scheme::RSA_PSS_2048_8192_SHA384)),
        ("pss", "sha512") => Ok((&scheme::RSA_PSS_SHA512, &scheme::RSA_PSS_2048_8192_SHA512)),
        ("pkcs1", "sha256") => Ok((&scheme::RSA_PKCS1_SHA256, &scheme::RSA_PKCS1_2048_8192_SHA256)),
        ("pkcs1", "sha384") => Ok((&scheme::RSA_PKCS1_SHA384, &scheme::RSA_PKCS1_2048_8192_SHA384)),
        ("pkcs1", "sha512") => Ok((&scheme::RSA_PKCS1_SHA512, &scheme::RSA_PKCS1_2048_8192_SHA512)),
        ("pss" | "pkcs1", _) => Err(Status::usage(format!("hash is {hash:?}, {RSA} takes sha256, sha384 or sha512"))),
        (padding, _) => Err(Status::usage(format!("padding is {padding:?}, {RSA} takes pss or pkcs1"))),
    }
}

fn compile_rsa(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only(RSA, &["key", "hash", "padding"])?;
    let (encoding, parameters) = rsa_scheme(params)?;
    let key = params.key(RSA, || wanted_key(RSA))?;
    let pair = RsaKeyPair::from_pkcs8(key).ok();
    let public = match &pair {
        Some(pair) => pair.public_key().clone(),
        None => RsaSubjectPublicKey::from_der(key).map_err(|_| bad_key(RSA))?,
    };
    let bits = RsaParameters::public_modulus_len(public.as_ref()).map_err(|_| bad_key(RSA))?;
    if !RSA_BITS.contains(&bits) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(Status::usage(format!("key is {bits} bits, {RSA} takes {least} to {most}")));
    }
    let verifier = verifier(RSA, parameters, public.as_ref())?;
    let signer = pair.map(|pair| Signer::Rsa(pair, encoding));
    Ok(Arc::new(Signature { name: RSA, signer, verifier, size: bits.div_ceil(8) as usize }))
}

impl Signer {
    fn sign(&self, message: &[u8], output: &mut Output) -> Outcome<()> {
        let broken = |_: Unspecified| failed("signing");
        match self {
            Self::Ed25519(pair) => write(pair.try_sign(message).map_err(broken)?.as_ref(), output),
            Self::Ecdsa(pair) => write(pair.sign(&SystemRandom::new(), message).map_err(broken)?.as_ref(), output),
            Self::EcdsaSha384(key) => {
                let mut digest = [0; Hash::Sha384.size()];
                awslc::digest(Hash::Sha384, message, &mut digest)?;
                write(&key.sign(&digest)?, output)
            }
            Self::Rsa(pair, encoding) => {
                let size = pair.public_modulus_len();
                let space = output.exactly(size)?;
                pair.sign(*encoding, &SystemRandom::new(), message, space).map_err(broken)?;
                output.set_len(size);
                Ok(())
            }
        }
    }
}

fn write(bytes: &[u8], output: &mut Output) -> Outcome<()> {
    output.exactly(bytes.len())?.copy_from_slice(bytes);
    output.set_len(bytes.len());
    Ok(())
}

impl Signature {
    fn signer(&self) -> Outcome<&Signer> {
        self.signer.as_ref().ok_or_else(|| {
            Status::usage(format!("{} cannot sign: its key is a public one, which only verifies", self.name))
        })
    }
}

impl Transform for Signature {
    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        driver(self.name)
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        if call.direction == Direction::Sign { self.signer().map(|_| ()) } else { Ok(()) }
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        if call.direction == Direction::Sign { self.size } else { 0 }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let mut scratch = Vec::new();
        match call.direction {
            Direction::Sign => self.signer()?.sign(call.source.contiguous(&mut scratch), output)?,
            Direction::Verify => {
                let message = call.source.contiguous(&mut scratch);
                self.verifier.verify_sig(message, call.tag).map_err(|_| Status::AuthenticationFailed)?;
                output.set_len(0);
            }
            other => return Err(Status::usage(format!("{} cannot {}", self.name, other.name()))),
        }
        Ok(Facts::default())
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = self.verifier.as_der().ok()?;
        Some(der.as_ref().to_vec())
    }
}

/// All of a PKCS #8 v1 X25519 key before its 32 bytes (RFC 8410 7). Fixed, so no parser is needed; AWS-LC's reads and
/// writes X25519 only raw.
const X25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20];
/// Bytes of a SubjectPublicKeyInfo of X25519, always the same number.
const X25519_SPKI: usize = 44;

struct Agreement {
    private: PrivateKey,
}

fn compile_x25519(params: &Params) -> Outcome<Arc<dyn Transform>> {
    params.only(X25519, &["key"])?;
    let key = params.key(X25519, || wanted_key(X25519))?;
    let raw = key.strip_prefix(&X25519_PKCS8).unwrap_or(key);
    let private = PrivateKey::from_private_key(&agreement::X25519, raw)
        .map_err(|_| Status::usage(format!("key is not for {X25519}, which takes {}", wanted_key(X25519))))?;
    Ok(Arc::new(Agreement { private }))
}

impl Transform for Agreement {
    fn kind(&self) -> Kind {
        Kind::Agreement
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        driver(X25519)
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        match call.source.len() {
            RAW | X25519_SPKI => Ok(()),
            len => Err(Status::usage(format!(
                "public key is {len} bytes, {X25519} takes {RAW}, or {X25519_SPKI} as SubjectPublicKeyInfo"
            ))),
        }
    }

    fn capacity(&self, _call: &Call<'_>) -> usize {
        RAW
    }

    /// Fails with `AuthenticationFailed` if the secret is all zero, which RFC 7748 6.1 tells to look for: then the peer
    /// sent a point of small order, and whoever it is, it is not one who holds a private key.
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        if call.direction != Direction::Agree {
            return Err(Status::usage(format!("{X25519} cannot {}", call.direction.name())));
        }
        self.check(call)?;
        let mut scratch = Vec::new();
        let bytes = call.source.contiguous(&mut scratch);
        let peer = Peer::try_from(UnparsedPublicKey::new(&agreement::X25519, bytes))
            .map_err(|_| Status::Corrupt { offset: 0, what: "not a public key for x25519" })?;
        agreement::agree(&self.private, peer, Status::AuthenticationFailed, |secret| write(secret, output))?;
        Ok(Facts::default())
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = self.private.compute_public_key().ok()?.as_der().ok()?;
        Some(der.as_ref().to_vec())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, run, unhex};
    use super::*;

    /// RFC 8410's and RFC 5480's SubjectPublicKeyInfo before the key itself.
    const ED25519_SPKI: &str = "302a300506032b6570032100";
    const X25519_SPKI: &str = "302a300506032b656e032100";
    const P256_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

    fn keyed(key: &[u8]) -> Params {
        Params { key: Some(key.to_vec().into()), ..Params::default() }
    }

    fn hashed(key: &[u8], hash: &str) -> Params {
        Params { hash: Some(hash.to_owned()), ..keyed(key) }
    }

    fn padded(key: &[u8], hash: &str, padding: &str) -> Params {
        Params { padding: Some(padding.to_owned()), ..hashed(key, hash) }
    }

    fn sign(name: &str, params: &Params, message: &[u8]) -> Outcome<Vec<u8>> {
        run(&*super::super::compile(name, params)?, Direction::Sign, message, &PLAIN)
    }

    fn verify(name: &str, params: &Params, message: &[u8], tag: &[u8]) -> Outcome<Vec<u8>> {
        run(&*super::super::compile(name, params)?, Direction::Verify, message, &Ask { tag, ..PLAIN })
    }

    fn public(name: &str, params: &Params) -> Vec<u8> {
        super::super::compile(name, params).unwrap().public_key().unwrap()
    }

    #[test]
    fn ed25519_known_answers() {
        // RFC 8032 7.1, tests 1 and 2.
        let answers = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                 5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ];
        for (seed, public_key, message, signature) in answers {
            let (private, message) = (keyed(&unhex(seed)), unhex(message));
            assert_eq!(signature, hex(&sign(ED25519, &private, &message).unwrap()));
            let spki = public(ED25519, &private);
            assert_eq!(format!("{ED25519_SPKI}{public_key}"), hex(&spki));
            assert_eq!(verify(ED25519, &keyed(&spki), &message, &unhex(signature)), Ok(Vec::new()));
        }
    }

    #[test]
    fn ecdsa_known_answers() {
        // RFC 6979 A.2.5, "sample".
        let spki = unhex(&format!(
            "{P256_SPKI}04\
             60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
             7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        ));
        let sha256 = unhex(
            "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        );
        let sha384 = unhex(
            "304402200eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719\
             02204861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954",
        );
        assert_eq!(verify(ECDSA, &keyed(&spki), b"sample", &sha256), Ok(Vec::new()));
        assert_eq!(verify(ECDSA, &hashed(&spki, "sha384"), b"sample", &sha384), Ok(Vec::new()));
        assert_eq!(verify(ECDSA, &keyed(&spki), b"sample", &sha384), Err(Status::AuthenticationFailed));
        assert_eq!(public(ECDSA, &keyed(&spki)), spki);
    }

    #[test]
    fn rsa_known_answers() {
        // Made by OpenSSL 3.0, of "sample": PKCS #1 with SHA-256, PSS with SHA-384.
        let spki = unhex(
            "30820122300d06092a864886f70d01010105000382010f003082010a0282010100d05aa80049370ab3b3d809561f50e348c2\
        d200bd03d847a530dd559f5755a59634efe10606627c0d11b431e4b30936f5382bd8d92fbe080573a93a2d9efb2833295886\
        f0ef7a0e12b9ebb1313a11651d542d92f2a7de297dcc40dc58bfdd8e711ba2e7e6463e1a731c1aac1917bf2d4fd22e114566\
        ec07484ea09dbe406d5213c2d0d6de3af178acd9e471599ebf92a1dcfe9cf2097733b6ea72775413eb16c21757d5b8d2c406\
        b03e9ce245903ed2f9d871900259b5c82d59df8fd88eb6a193affd1c6fa11d498859a66ea3cd7b16a8eb33246b8c05f02a6d\
        ad6f6f4c82cfda9fbf8582c633699dd36a25dc4942132099e2d4c31991ed6d76276abec4784f630203010001",
        );
        let pkcs1 = unhex(
            "769f503641456cbb121a204b1d4fa741753224d0d909c9e710c4338a1f5a622b6b5c13e220a73260cc1e8cfa9b9dd0559513\
        ad14d472c1b691395f2e9f868a648b5d6070e3c63a103f24a5ec3866e70b50c52e0792709c711cdcd3b9e6600538cb9e123c\
        1d46dbefdfd337a3e4642995339b1299c983f7895307f460a6324ffddbec977ff8fcc2c74ae1df2283de8e62227ee8609964\
        73637e1b5c9c8649befca434584a28b86887500553698f02b25eb3c49691dd31fa0e7f7d1a752aaf72977f7343af7329d595\
        d77c6d93deb15ece5ecf83f0a18a73e884aa9091d319dc886ac3f68b8a4075e447498a80ee0ff16d86a4771b2516e0846ac0\
        6336b7c248f9",
        );
        let pss = unhex(
            "991e101fc7b2c3bc2b01a473d8d255bcb2c8883f536107ad7552eaab859d8649cbb9bd48517eb82ad544cb05e07808a3836f\
        ca484ff73fc06b26c954eeb0f62652a14b50f157af1cdc7d12bfe24feeee11694900f969abd41946092ed5cbb914a3a1bbcc\
        897ca313941aadced3b6f0fcd8fb40b0165c2f3c4cb673b284bb6566fd945e75ebfceec228ece6a3240843882735b5a71260\
        a9bff6fb74cc28da209e4544e6d443bf8d7929d9c93aff792e3eff2bd832e3648098ec723960c679a059cac65a44a2fe6b16\
        5b1ae23ee67cfcb9a6b4e9a2b9f795f82dc6e1d0f94f6579ea42aee7173e521e3d6f1eeb6e011d7833f3e8c901725312f29a\
        a8f39849604f",
        );
        assert_eq!(verify(RSA, &padded(&spki, "sha256", "pkcs1"), b"sample", &pkcs1), Ok(Vec::new()));
        assert_eq!(verify(RSA, &hashed(&spki, "sha384"), b"sample", &pss), Ok(Vec::new()));
        assert_eq!(verify(RSA, &keyed(&spki), b"sample", &pss), Err(Status::AuthenticationFailed));
        assert_eq!(verify(RSA, &keyed(&spki), b"sample", &pkcs1), Err(Status::AuthenticationFailed));
        assert_eq!(public(RSA, &keyed(&spki)), spki);
    }

    #[test]
    fn fresh_keys_sign_what_their_public_halves_verify() {
        let rsa = generate(RSA, &Params::default()).unwrap();
        let ecdsa = generate(ECDSA, &Params::default()).unwrap();
        let ed25519 = generate(ED25519, &Params::default()).unwrap();
        type WithKey<'a> = Box<dyn Fn(&[u8]) -> Params + 'a>;
        let mut cases: Vec<(&str, &[u8], WithKey)> = vec![
            (ED25519, &ed25519, Box::new(keyed)),
            (ECDSA, &ecdsa, Box::new(keyed)),
            (ECDSA, &ecdsa, Box::new(|key| hashed(key, "sha384"))),
            (RSA, &rsa, Box::new(keyed)),
        ];
        for padding in ["pss", "pkcs1"] {
            for hash in ["sha256", "sha384", "sha512"] {
                cases.push((RSA, &rsa, Box::new(move |key| padded(key, hash, padding))));
            }
        }
        for (name, private, with_key) in cases {
            let spki = public(name, &with_key(private));
            let signature = sign(name, &with_key(private), b"message").unwrap();
            for key in [private, &spki] {
                assert_eq!(verify(name, &with_key(key), b"message", &signature), Ok(Vec::new()), "{name}");
                let failed = Err(Status::AuthenticationFailed);
                assert_eq!(verify(name, &with_key(key), b"massage", &signature), failed, "{name}");
                assert_eq!(verify(name, &with_key(key), b"message", &signature[1..]), failed, "{name}");
                assert_eq!(verify(name, &with_key(key), b"message", b""), failed, "{name}");
            }
            assert_eq!(
                format!("{name} cannot sign: its key is a public one, which only verifies"),
                sign(name, &with_key(&spki), b"message").unwrap_err().to_string()
            );
        }
    }

    fn agree(private: &[u8], peer: &[u8]) -> Outcome<Vec<u8>> {
        run(&*super::super::compile(X25519, &keyed(private))?, Direction::Agree, peer, &PLAIN)
    }

    #[test]
    fn x25519_known_answers() {
        // RFC 7748 5.2 and 6.1.
        assert_eq!(
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            hex(&agree(
                &unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                &unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
            )
            .unwrap())
        );
        let alice = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let (to_alice, to_bob) = (public(X25519, &keyed(&alice)), public(X25519, &keyed(&bob)));
        assert_eq!(
            format!("{X25519_SPKI}8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
            hex(&to_alice)
        );
        let secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        assert_eq!(secret, hex(&agree(&alice, &to_bob).unwrap()));
        assert_eq!(secret, hex(&agree(&bob, &to_alice[12..]).unwrap()));
    }

    #[test]
    fn x25519_refuses_points_of_small_order() {
        let private = generate(X25519, &Params::default()).unwrap();
        assert_eq!(agree(&private, &[0; 32]), Err(Status::AuthenticationFailed));
        assert!(matches!(agree(&private, &[9; 44]), Err(Status::Corrupt { .. })));
        assert_eq!(
            "public key is 31 bytes, x25519 takes 32, or 44 as SubjectPublicKeyInfo",
            agree(&private, &[9; 31]).unwrap_err().to_string()
        );
    }

    #[test]
    fn bad_keys_and_parameters_are_told() {
        let small = unhex(
            "30819f300d06092a864886f70d010101050003818d0030818902818100c02981b55c042545fe98412e87e4c29e6bb3db304f\
        2698615e626104f5f55825c088011720aa841a73dbdaeeaa3dbc204858ad9fdf7f5db937b0e8f48239d84eb564ea2251b5fa\
        318cdf75e2577efea5374a7204be70bcb6ce3fc6ed4db4aba3aa6cdd0fb70f332a95c66e0c4dc14e69c29367aab6a4c14eb5\
        b3adcf78249dfd0203010001",
        );
        let ecdsa = generate(ECDSA, &Params::default()).unwrap();
        let not = |name: &str, raw: &str| {
            format!("key is neither a PKCS #8 private key for {name} nor a SubjectPublicKeyInfo public key for it{raw}")
        };
        let cases = [
            (ED25519, keyed(&ecdsa), not(ED25519, ", nor raw private bytes")),
            (ED25519, keyed(b""), not(ED25519, ", nor raw private bytes")),
            (ECDSA, keyed(&[1; 32]), not(ECDSA, "")),
            (RSA, keyed(&ecdsa), not(RSA, "")),
            (RSA, keyed(&small), "key is 1024 bits, rsa takes 2048 to 8192".to_owned()),
            (RSA, padded(&small, "sha1", "pss"), "hash is \"sha1\", rsa takes sha256, sha384 or sha512".to_owned()),
            (RSA, padded(&small, "sha256", "oaep"), "padding is \"oaep\", rsa takes pss or pkcs1".to_owned()),
            (ECDSA, hashed(&ecdsa, "sha1"), "hash is \"sha1\", ecdsa-nist-p256 takes sha256 or sha384".to_owned()),
            (ED25519, hashed(&[1; 32], "sha256"), "ed25519 takes no parameter hash".to_owned()),
            (
                X25519,
                keyed(&[1; 31]),
                "key is not for x25519, which takes a private one, PKCS #8 DER or 32 raw bytes".to_owned(),
            ),
        ];
        for (name, params, message) in cases {
            assert_eq!(message, super::super::compile(name, &params).err().unwrap().to_string());
        }
        assert!(matches!(generate("sha256", &Params::default()), Err(Status::UnknownAlgorithm(_))));
        assert!(matches!(generate_rsa(1024), Err(Status::Usage(_))));
    }
}
