//! `authenc(mac,cipher)`: encrypt, then MAC over additional data and ciphertext. `authencesn`: the same for ESP with
//! extended sequence numbers (RFC 4303 2.2.1), whose high half is not sent and is authenticated last.
//!
//! The IV is authenticated only where the caller repeats it in the additional data, as ESP does. A message is read
//! twice, by the cipher and by the MAC: the parts are whole-message transforms, and no mode can be cut without knowing
//! it.

use super::*;

pub(super) static TEMPLATES: &[Template] =
    &[Template { name: "authenc", validate, compile }, Template { name: "authencesn", validate, compile }];

/// Tags shorter than 32 bits stop nobody.
const LEAST_TAG: usize = 4;
/// SPI and both halves of the sequence number.
const ESN_HEADER: usize = 8;

fn parts(composition: &Composition) -> Outcome<[&dyn Part; 2]> {
    composition.parts([Kind::Mac, Kind::Cipher])
}

fn validate(composition: &Composition) -> Outcome<()> {
    parts(composition).map(|_| ())
}

/// The two keys in one.
pub(super) struct Keys<'a> {
    pub auth: &'a [u8],
    pub enc: &'a [u8],
}

/// Cuts the key: a header of length 8 and type 1 (16 bits each, little-endian), which holds the length of the second
/// key (32 bits, big-endian), then the MAC's key and the cipher's.
pub(super) fn split_key<'a>(name: &str, blob: &'a [u8]) -> Outcome<Keys<'a>> {
    let [8, 0, 1, 0, e0, e1, e2, e3, keys @ ..] = blob else {
        let len = blob.len();
        // The bytes are not told: they may be those of a key without a header.
        return Err(Status::usage(format!(
            "key is {len} bytes, and {name} takes one that begins with a header: length 8 and type 1 as 16 bits \
             little-endian each, the length of the cipher's key as 32 bits big-endian"
        )));
    };
    let enc_len = u32::from_be_bytes([*e0, *e1, *e2, *e3]) as usize;
    let cut = keys.len().checked_sub(enc_len).and_then(|auth_len| keys.split_at_checked(auth_len));
    let Some((auth, enc)) = cut else {
        let len = keys.len();
        return Err(Status::usage(format!("the key of {name} announces {enc_len} bytes of {len} for its cipher")));
    };
    Ok(Keys { auth, enc })
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let name = &composition.name;
    let [mac, cipher] = parts(composition)?;
    params.only(name, &["key", "tag_len"])?;
    let keys = split_key(name, params.key(name, || "a header and two keys".into())?)?;
    let full = mac.shape().digest;
    let tag_len = params.tag_len.unwrap_or(full);
    if !(LEAST_TAG..=full).contains(&tag_len) {
        return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {LEAST_TAG} to {full}")));
    }
    let short = (tag_len != full).then_some(tag_len);
    Ok(composition.made(Authenc {
        mac: mac.compile(&Params { tag_len: short, ..keyed(keys.auth) })?,
        cipher: cipher.compile(&keyed(keys.enc))?,
        tag_len,
        nonce_len: cipher.shape().nonce,
        extended: composition.template == "authencesn",
    }))
}

struct Authenc {
    mac: Arc<dyn Transform>,
    cipher: Arc<dyn Transform>,
    tag_len: usize,
    nonce_len: usize,
    /// Whether sequence numbers are extended.
    extended: bool,
}

impl Authenc {
    /// What the MAC is computed over.
    fn covered<'a>(&self, ad: &'a Source, text: &'a Source) -> View<'a> {
        if self.extended {
            View::part(ad, 0..4).then_part(ad, ESN_HEADER..ad.len()).then_all(text).then_part(ad, 4..ESN_HEADER)
        } else {
            View::of(&[]).then_all(ad).then_all(text)
        }
    }

    fn seal(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let len = call.source.len();
        output.exactly(len.saturating_add(self.tag_len))?;
        let inner = super::call(Direction::Encrypt, call.source, call.nonce, &EMPTY);
        perform_exactly(&*self.cipher, &inner, output, len)?;
        let mut tag = output.sibling();
        let text = View::of(output.as_slice());
        let covered = self.covered(call.ad, &text);
        perform_exactly(&*self.mac, &super::call(Direction::Mac, &covered, &[], &EMPTY), &mut tag, self.tag_len)?;
        output.append(tag.as_slice())
    }

    fn open(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let source = call.source;
        // What is shorter than a tag cannot be authentic.
        let len = source.len().checked_sub(self.tag_len).ok_or(Status::AuthenticationFailed)?;
        output.exactly(len)?;
        let text = View::part(source, 0..len);
        let (tag, mut scratch) = (View::part(source, len..source.len()), Vec::new());
        let covered = self.covered(call.ad, &text);
        let verify =
            Call { tag: tag.contiguous(&mut scratch), ..super::call(Direction::Verify, &covered, &[], &EMPTY) };
        perform_exactly(&*self.mac, &verify, &mut output.sibling(), 0)?;
        let inner = super::call(Direction::Decrypt, &text, call.nonce, &EMPTY);
        perform_exactly(&*self.cipher, &inner, output, len)
    }
}

impl Work for Authenc {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        let ad = call.ad.len();
        if self.extended && ad < ESN_HEADER {
            return Err(Status::usage(format!("additional data is {ad} bytes, {name} takes {ESN_HEADER} or more")));
        }
        if call.direction == Direction::Encrypt {
            return self.cipher.check(&super::call(Direction::Encrypt, call.source, call.nonce, &EMPTY));
        }
        // The length of a box is its sender's choice: one that the cipher would not take is only not authentic.
        let nonce = call.nonce.len();
        if nonce != self.nonce_len {
            return Err(Status::usage(format!("nonce is {nonce} bytes, {name} takes {}", self.nonce_len)));
        }
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Encrypt => call.source.len().saturating_add(self.tag_len),
            _ => call.source.len().saturating_sub(self.tag_len),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        match call.direction {
            Direction::Encrypt => self.seal(call, output),
            _ => self.open(call, output),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    /// RFC 3602, case 1.
    const CIPHER_KEY: &str = "06a9214036b8a15b512e03d534120006";
    const IV: &str = "3dafba429d9eb430b422da802c9fac41";
    const MESSAGE: &[u8] = b"Single block msg";

    fn blob(auth: &[u8], enc: &[u8]) -> Vec<u8> {
        let header = [8, 0, 1, 0, 0, 0, 0, enc.len() as u8];
        [&header, auth, enc].concat()
    }

    fn cbc(mac: &str) -> Composition {
        of("authenc", Kind::Aead, &[mac, "cbc(aes)"])
    }

    #[test]
    fn known_answers() {
        // The ciphertexts of RFC 3602, cases 1 and 2; tags by Python's hmac.
        let (key, iv) = (unhex(CIPHER_KEY), unhex(IV));
        let mac_key: Vec<u8> = (0..32).collect();
        let ad = [unhex("0000432187654321"), iv.clone()].concat();
        let transform = cbc("hmac(sha256)").compile(&keyed(&blob(&mac_key, &key))).unwrap();
        assert_eq!(
            "e353779c1079aeb82708942dbe77181a9a82fb2c784b8d683b496184777c57ad1b7736ce65c169ab70066387fc5b9cf0",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad, tag: &[] }, MESSAGE, 32)
        );
        let transform = cbc("hmac(sha1)").compile(&tagged(&blob(&[0x0b; 20], &key), 12)).unwrap();
        assert_eq!(
            "e353779c1079aeb82708942dbe77181a2870a8dcf98ad8b0679b930e",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad, tag: &[] }, MESSAGE, 12)
        );
        let (key, iv) = (unhex("c286696d887c9aa0611bbb3e2025a45a"), unhex("562e17996d093d28ddb3ba695a2e6f58"));
        let counting: Vec<u8> = (0..32).collect();
        let transform = cbc("hmac(sha512)").compile(&keyed(&blob(b"", &key))).unwrap();
        assert_eq!(
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1\
             0e1ba04abfe7e9a7776b76d647fc56561ef1153ba4971e10d08242fcb7de50e3\
             e6c2c10ad6cc70d8b06fdc5a18f078eb80a5bcbb4a9f7064a4debee81dc23d25",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ..Ask::default() }, &counting, 64)
        );
    }

    #[test]
    fn the_high_half_of_a_sequence_number_is_authenticated_last() {
        let (key, iv) = (unhex(CIPHER_KEY), unhex(IV));
        let mac_key: Vec<u8> = (0..32).collect();
        let ad = [unhex("112233440000000789abcdef"), iv.clone()].concat();
        let esn = of("authencesn", Kind::Aead, &["hmac(sha256)", "cbc(aes)"]);
        let transform = esn.compile(&tagged(&blob(&mac_key, &key), 16)).unwrap();
        assert_eq!(
            "e353779c1079aeb82708942dbe77181a955cacb09d9e0ab3016a499468eff0e4",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad, tag: &[] }, MESSAGE, 16)
        );
        let short = run(&*transform, Direction::Encrypt, MESSAGE, Ask { nonce: &iv, ad: &ad[..7], tag: &[] });
        let told = "additional data is 7 bytes, authencesn(hmac(sha256),cbc(aes)) takes 8 or more";
        assert_eq!(told, short.unwrap_err().to_string());
    }

    #[test]
    fn it_agrees_with_its_parts_at_any_length() {
        let ctr = of("authenc", Kind::Aead, &["hmac(sha256)", "ctr(aes)"]);
        let (mac_key, key, nonce) = ([1; 40], [2; 24], [3; 16]);
        let transform = ctr.compile(&keyed(&blob(&mac_key, &key))).unwrap();
        let cipher = row("ctr(aes)").compile(&keyed(&key)).unwrap();
        let mac = row("hmac(sha256)").compile(&keyed(&mac_key)).unwrap();
        for len in [0, 1, 63, 4096, 100_001] {
            let message: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
            for ad in [&b""[..], b"13 bytes here"] {
                let ask = Ask { nonce: &nonce, ad, tag: &[] };
                let text =
                    run(&*cipher, Direction::Encrypt, &message, Ask { nonce: &nonce, ..Ask::default() }).unwrap();
                let tag = run(&*mac, Direction::Mac, &[ad, &text].concat(), Ask::default()).unwrap();
                assert_eq!(hex(&[text, tag].concat()), both_ways(&*transform, ask, &message));
            }
        }
    }

    #[test]
    fn wrong_keys_are_told_without_their_bytes() {
        let cbc = cbc("hmac(sha256)");
        let header = "begins with a header: length 8 and type 1 as 16 bits little-endian each, the length of the \
                      cipher's key as 32 bits big-endian";
        let name = "authenc(hmac(sha256),cbc(aes))";
        for bytes in [&b""[..], b"\x08\0\x01\0\0\0\0", b"\x08\0\x02\0\0\0\0\x10", &[0x61; 48]] {
            let told = format!("key is {} bytes, and {name} takes one that {header}", bytes.len());
            assert_eq!(told, refused(&cbc, &keyed(bytes)));
        }
        let announced = b"\x08\0\x01\0\0\0\0\x1112345678";
        assert_eq!(
            format!("the key of {name} announces 17 bytes of 8 for its cipher"),
            refused(&cbc, &keyed(announced))
        );
        assert_eq!("key is 8 bytes, cbc(aes) takes 16, 24 or 32", refused(&cbc, &keyed(&blob(&[1; 32], &[2; 8]))));
        assert_eq!(format!("{name} needs a key: a header and two keys"), refused(&cbc, &Params::default()));
        for tag_len in [3, 33] {
            let told = format!("tag_len is {tag_len}, {name} takes 4 to 32");
            assert_eq!(told, refused(&cbc, &tagged(&blob(&[1; 32], &[2; 16]), tag_len)));
        }
        let leveled = Params { level: Some(1), ..keyed(&blob(&[1; 32], &[2; 16])) };
        assert_eq!(format!("{name} takes no parameter level"), refused(&cbc, &leveled));
    }

    #[test]
    fn wrong_parts_are_told_without_a_key() {
        let told = |parts: &[&str]| of("authenc", Kind::Aead, parts).validate().unwrap_err().to_string();
        assert_eq!("authenc is made of 2 algorithms, not of 1", told(&["hmac(sha256)"]));
        assert_eq!("authenc needs kind mac, sha256 is of kind digest", told(&["sha256", "cbc(aes)"]));
        assert_eq!("authenc needs kind cipher, gcm(aes) is of kind aead", told(&["hmac(sha256)", "gcm(aes)"]));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_queued() {
        // But for a box's, which is its sender's choice: the MAC refuses it, as it refuses all that was cut.
        let transform = cbc("hmac(sha256)").compile(&keyed(&blob(&[1; 32], &[2; 16]))).unwrap();
        let told = |direction, len, nonce: &[u8]| {
            let source = Source::from(vec![0; len]);
            transform.check(&call(direction, &source, nonce, &EMPTY)).err().map(|status| status.to_string())
        };
        let odd = Some("message is 17 bytes, cbc(aes) takes a multiple of 16".to_owned());
        assert_eq!(odd, told(Direction::Encrypt, 17, &[0; 16]));
        assert_eq!(None, told(Direction::Decrypt, 17 + 32, &[0; 16]));
        assert_eq!(None, told(Direction::Decrypt, 31, &[0; 16]));
        let nonce = Some("nonce is 12 bytes, cbc(aes) takes 16".to_owned());
        assert_eq!(nonce, told(Direction::Encrypt, 16, &[0; 12]));
        let nonce = Some("nonce is 12 bytes, authenc(hmac(sha256),cbc(aes)) takes 16".to_owned());
        assert_eq!(nonce, told(Direction::Decrypt, 16 + 32, &[0; 12]));
        let verb = Some("authenc(hmac(sha256),cbc(aes)) cannot digest".to_owned());
        assert_eq!(verb, told(Direction::Digest, 16, &[0; 16]));
    }
}
