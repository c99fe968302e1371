//! Ciphers as ESP uses them: the key ends with a salt, which begins each nonce; the caller gives the 8 bytes that are
//! sent. `rfc4106(gcm)`, `rfc4309(ccm)`, `rfc4543(gcm)` (GMAC: authenticates and does not encrypt), `rfc7539esp` (RFC
//! 7634) and `rfc3686(ctr)`, whose counter begins with 1.

use super::*;

pub(super) static TEMPLATES: &[Template] =
    &[row("rfc3686"), row("rfc4106"), row("rfc4309"), row("rfc4543"), row("rfc7539esp")];

const fn row(name: &'static str) -> Template {
    Template { name, validate, compile }
}

/// The part of the nonce that is sent.
const IV: usize = 8;
/// RFC 4543 3: no other.
const GMAC_TAG: usize = 16;
/// The longest nonce of a part: a whole counter block.
const MOST_NONCE: usize = 16;

/// What a template asks for.
struct Rules {
    kind: Kind,
    salt: usize,
    /// What follows the IV in the part's nonce.
    tail: &'static [u8],
    tags: &'static [usize],
    /// SPI and sequence number, short or extended; none where any additional data will do.
    ads: &'static [usize],
    /// Whether the message is additional data of the part.
    clear: bool,
}

const GCM: Rules = Rules { kind: Kind::Aead, salt: 4, tail: &[], tags: &[8, 12, 16], ads: &[8, 12], clear: false };

fn rules(template: &str) -> Outcome<Rules> {
    Ok(match template {
        "rfc3686" => Rules { kind: Kind::Cipher, tail: &[0, 0, 0, 1], tags: &[], ads: &[], ..GCM },
        "rfc4106" => GCM,
        "rfc4309" => Rules { salt: 3, ..GCM },
        "rfc4543" => Rules { tags: &[GMAC_TAG], clear: true, ..GCM },
        "rfc7539esp" => Rules { tags: &[16], ads: &[], ..GCM },
        other => return Err(Status::UnknownAlgorithm(format!("no template is called {other:?}"))),
    })
}

fn validate(composition: &Composition) -> Outcome<()> {
    let rules = rules(&composition.template)?;
    let [part] = composition.parts([rules.kind])?;
    let (template, name) = (&composition.template, part.name());
    // CCM takes nonces of several sizes, so its shape does not tell.
    let fits = match composition.template.as_str() {
        "rfc4309" => name.starts_with("ccm("),
        _ => part.shape().nonce == rules.salt + IV + rules.tail.len(),
    };
    if !fits {
        let (nonce, wanted) = (part.shape().nonce, rules.salt + IV + rules.tail.len());
        return Err(Status::usage(format!("{template} gives nonces of {wanted} bytes, {name} takes {nonce}")));
    }
    Ok(())
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let rules = rules(&composition.template)?;
    let name = &composition.name;
    let [part] = composition.parts([rules.kind])?;
    let salt_len = rules.salt;
    params.only(name, if rules.kind == Kind::Aead { &["key", "tag_len"] } else { &["key"] })?;
    let whole = params.key(name, || format!("that of {} and {salt_len} bytes more", part.name()))?;
    let Some((key, salt)) = whole.len().checked_sub(salt_len).and_then(|len| whole.split_at_checked(len)) else {
        let (len, inner) = (whole.len(), part.name());
        return Err(Status::usage(format!("key is {len} bytes, {name} takes that of {inner} and {salt_len} more")));
    };
    if let Some(tag_len) = params.tag_len.filter(|tag_len| !rules.tags.contains(tag_len)) {
        return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {}", list(rules.tags))));
    }
    let inner = part.compile(&Params { tag_len: params.tag_len, ..keyed(key) }).map_err(|status| match status {
        Status::Usage(why) => Status::usage(format!("{name}, without the {salt_len} bytes that end its key: {why}")),
        other => other,
    })?;
    let salt = salt.to_vec().into();
    Ok(if rules.clear {
        composition.made(Clear(Salted { inner, salt, rules }))
    } else {
        composition.made(Salted { inner, salt, rules })
    })
}

struct Salted {
    inner: Arc<dyn Transform>,
    salt: Zeroizing<Vec<u8>>,
    rules: Rules,
}

impl Salted {
    /// The part's nonce, at the front of the array, and its length.
    fn nonce(&self, iv: &[u8]) -> ([u8; MOST_NONCE], usize) {
        let mut nonce = [0; MOST_NONCE];
        let bytes = self.salt.iter().chain(iv).chain(self.rules.tail);
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        (nonce, (self.salt.len() + iv.len() + self.rules.tail.len()).min(MOST_NONCE))
    }

    /// Lets `work` have the call with the part's nonce.
    fn with<T>(&self, call: &Call<'_>, work: impl FnOnce(&Call<'_>) -> T) -> T {
        let (nonce, len) = self.nonce(call.nonce);
        work(&super::call(call.direction, call.source, nonce.get(..len).unwrap_or_default(), call.ad))
    }

    fn check_lengths(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        let (nonce, ad, ads) = (call.nonce.len(), call.ad.len(), self.rules.ads);
        if nonce != IV {
            return Err(Status::usage(format!("nonce is {nonce} bytes, {name} takes {IV}")));
        }
        if !ads.is_empty() && !ads.contains(&ad) {
            return Err(Status::usage(format!("additional data is {ad} bytes, {name} takes {}", list(ads))));
        }
        Ok(())
    }
}

impl Work for Salted {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        self.check_lengths(name, call)?;
        self.with(call, |inner| self.inner.check(inner))
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        self.with(call, |inner| self.inner.capacity(inner))
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        self.with(call, |inner| perform(&*self.inner, inner, output))
    }
}

/// GMAC: the message stays as it is, and its tag follows.
struct Clear(Salted);

impl Clear {
    /// Seals or opens nothing at all (`sealed` is empty or the tag) with all that is authenticated beside it.
    fn authenticate(&self, call: &Call<'_>, text: &Source, sealed: &Source, tag: &mut Output) -> Outcome<()> {
        let covered = View::of(&[]).then_all(call.ad).then(call.nonce).then_all(text);
        let len = if call.direction == Direction::Encrypt { GMAC_TAG } else { 0 };
        let inner = Call { source: sealed, ad: &covered, ..super::call(call.direction, sealed, call.nonce, &covered) };
        self.0.with(&inner, |inner| perform_exactly(&*self.0.inner, inner, tag, len))
    }
}

impl Work for Clear {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        self.0.check_lengths(name, call)
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Encrypt => call.source.len().saturating_add(GMAC_TAG),
            _ => call.source.len().saturating_sub(GMAC_TAG),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let (source, mut tag) = (call.source, output.sibling());
        if call.direction == Direction::Encrypt {
            let len = source.len();
            output.exactly(len.saturating_add(GMAC_TAG))?;
            self.authenticate(call, source, &EMPTY, &mut tag)?;
            source.copy_to(output.exactly(len)?)?;
            output.set_len(len);
            return output.append(tag.as_slice());
        }
        let len = source.len().checked_sub(GMAC_TAG).ok_or(Status::AuthenticationFailed)?;
        output.exactly(len)?;
        let text = View::part(source, 0..len);
        self.authenticate(call, &text, &View::part(source, len..source.len()), &mut tag)?;
        text.copy_to(output.exactly(len)?)?;
        output.set_len(len);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    /// The draft that became RFC 4106 (draft-mcgrew-gcm-test-01), its first case.
    const KEY: &str = "4c80cdefbb5d10da906ac73c3613a634 2e443b68";
    const IV: &str = "4956ed7e3b244cfe";
    const AD: &str = "000043218765432100000000";
    const PACKET: &str = "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f7564\
                          70037369700963796265726369747902646b000021000101020201";

    fn aead(template: &str, part: &str) -> Composition {
        of(template, Kind::Aead, &[part])
    }

    #[test]
    fn rfc4106_known_answers() {
        let (iv, ad, packet) = (unhex(IV), unhex(AD), unhex(PACKET));
        let transform = aead("rfc4106", "gcm(aes)").compile(&keyed(&unhex(KEY))).unwrap();
        assert_eq!(
            "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d\
             15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad, tag: &[] }, &packet, 16)
        );
        // By pyca/cryptography: AES-256, and a short sequence number.
        let key: Vec<u8> = (0..36).collect();
        let transform = aead("rfc4106", "gcm(aes)").compile(&keyed(&key)).unwrap();
        let ask = Ask { nonce: &iv, ad: &ad[..8], tag: &[] };
        assert_eq!(
            "148c5d8c6b50d110a9cba1b6043890126d6d14944bfd868bb4ff10a00cd22c951f4fdb5d",
            sealed_and_opened(&*transform, ask, &packet[..20], 16)
        );
        let transform = aead("rfc4106", "gcm(aes)").compile(&tagged(&key, 8)).unwrap();
        assert_eq!(
            "148c5d8c6b50d110a9cba1b6043890126d6d14944bfd868bb4ff10a0",
            sealed_and_opened(&*transform, ask, &packet[..20], 8)
        );
    }

    #[test]
    fn rfc4309_known_answers() {
        // By pyca/cryptography.
        let key = [&unhex(KEY)[..16], &unhex("2e443b")].concat();
        let (iv, ad, packet) = (unhex(IV), unhex(AD), unhex(PACKET));
        let answers =
            [(8, "9415f6902f8209f9"), (12, "a2c76d8a51bbc8052071d9f7"), (16, "0f88c51ac3b9a3beb7104c24b78a5159")];
        for (tag_len, tag) in answers {
            let transform = aead("rfc4309", "ccm(aes)").compile(&tagged(&key, tag_len)).unwrap();
            assert_eq!(
                format!("89ba3eefe6d6cfdb8360f5ba3a5679e67e0c53cf{tag}"),
                sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad[..8], tag: &[] }, &packet[..20], tag_len)
            );
        }
    }

    #[test]
    fn rfc4543_known_answers() {
        // By pyca/cryptography: GCM of nothing, over additional data, IV and message.
        let (iv, ad, packet) = (unhex(IV), unhex(AD), unhex(PACKET));
        let transform = aead("rfc4543", "gcm(aes)").compile(&keyed(&unhex(KEY))).unwrap();
        for (ad, message, tag) in [
            (&ad[..], &packet[..], "5156ca512961c33fada1b5e44cef79d6"),
            (&ad[..8], &packet[..21], "06ca1991a6f3ef07dc493a7bd105db45"),
        ] {
            let ask = Ask { nonce: &iv, ad, tag: &[] };
            assert_eq!(hex(message) + tag, sealed_and_opened(&*transform, ask, message, 16));
            let other = Ask { nonce: &[0; 8], ..ask };
            let sealed = run(&*transform, Direction::Encrypt, message, ask).unwrap();
            assert_eq!(run(&*transform, Direction::Decrypt, &sealed, other), Err(Status::AuthenticationFailed));
        }
    }

    #[test]
    fn rfc7539esp_known_answers() {
        // RFC 7634, appendix A.
        let key = [(0x80..0xa0).collect(), unhex("a0a1a2a3")].concat();
        let message = unhex(
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f1011121314151617\
             18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
        );
        let transform = aead("rfc7539esp", "rfc7539(chacha20,poly1305)").compile(&keyed(&key)).unwrap();
        let (iv, ad) = (unhex("1011121314151617"), unhex("0102030400000005"));
        assert_eq!(
            "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7\
             2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0\
             76aaa8266b7fb0f7b11b369907e1ad43",
            sealed_and_opened(&*transform, Ask { nonce: &iv, ad: &ad, tag: &[] }, &message, 16)
        );
    }

    #[test]
    fn rfc3686_known_answers() {
        // RFC 3686 section 6, vectors 1, 2 and 7.
        let counting: Vec<u8> = (0..32).collect();
        let answers = [
            (
                "ae6852f8121067cc4bf7a5765577f39e 00000030",
                "0000000000000000",
                &b"Single block msg"[..],
                "e4095d4fb7a7b3792d6175a3261311b8",
            ),
            (
                "7e24067817fae0d743d6ce1f32539163 006cb6db",
                "c0543b59da48d90b",
                &counting,
                "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
            ),
            (
                "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104 00000060",
                "db5672c97aa8f0b2",
                b"Single block msg",
                "145ad01dbf824ec7560863dc71e3e0c0",
            ),
        ];
        let ctr = of("rfc3686", Kind::Cipher, &["ctr(aes)"]);
        for (key, iv, message, answer) in answers {
            let transform = ctr.compile(&keyed(&unhex(key))).unwrap();
            assert_eq!(answer, both_ways(&*transform, Ask { nonce: &unhex(iv), ..Ask::default() }, message));
        }
    }

    #[test]
    fn wrong_keys_and_tags_are_told() {
        let gcm = aead("rfc4106", "gcm(aes)");
        let name = "rfc4106(gcm(aes))";
        assert_eq!(format!("key is 3 bytes, {name} takes that of gcm(aes) and 4 more"), refused(&gcm, &keyed(&[1; 3])));
        assert_eq!(
            format!("{name}, without the 4 bytes that end its key: key is 12 bytes, gcm(aes) takes 16, 24 or 32"),
            refused(&gcm, &keyed(&[1; 16]))
        );
        assert_eq!(format!("{name} needs a key: that of gcm(aes) and 4 bytes more"), refused(&gcm, &Params::default()));
        for (template, part, tag_len, takes) in [
            ("rfc4106", "gcm(aes)", 15, "8, 12 or 16"),
            ("rfc4309", "ccm(aes)", 4, "8, 12 or 16"),
            ("rfc4543", "gcm(aes)", 12, "16"),
            ("rfc7539esp", "rfc7539(chacha20,poly1305)", 8, "16"),
        ] {
            let told = format!("tag_len is {tag_len}, {template}({part}) takes {takes}");
            assert_eq!(told, refused(&aead(template, part), &tagged(&[1; 36], tag_len)));
        }
        let ctr = of("rfc3686", Kind::Cipher, &["ctr(aes)"]);
        assert_eq!("rfc3686(ctr(aes)) takes no parameter tag_len", refused(&ctr, &tagged(&[1; 20], 16)));
    }

    #[test]
    fn wrong_lengths_are_told() {
        for (template, part) in [("rfc4106", "gcm(aes)"), ("rfc4309", "ccm(aes)"), ("rfc4543", "gcm(aes)")] {
            let composition = aead(template, part);
            let salt = if template == "rfc4309" { 3 } else { 4 };
            let transform = composition.compile(&keyed(&vec![1; 16 + salt])).unwrap();
            let told = |nonce: &[u8], ad: &[u8]| {
                run(&*transform, Direction::Encrypt, b"", Ask { nonce, ad, tag: &[] }).unwrap_err().to_string()
            };
            assert_eq!(format!("nonce is 12 bytes, {template}({part}) takes 8"), told(&[0; 12], &[0; 8]));
            for len in [0, 7, 9, 16, 20] {
                let expected = format!("additional data is {len} bytes, {template}({part}) takes 8 or 12");
                assert_eq!(expected, told(&[0; 8], &vec![0; len]));
            }
        }
    }

    #[test]
    fn a_part_with_another_nonce_is_refused_without_a_key() {
        let told = |composition: Composition| composition.validate().unwrap_err().to_string();
        assert_eq!("rfc4309 gives nonces of 11 bytes, gcm(aes) takes 12", told(aead("rfc4309", "gcm(aes)")));
        assert_eq!("rfc4106 gives nonces of 12 bytes, ccm(aes) takes 16", told(aead("rfc4106", "ccm(aes)")));
        let cbc = of("rfc3686", Kind::Cipher, &["cbc(des3_ede)"]);
        assert_eq!("rfc3686 gives nonces of 16 bytes, cbc(des3_ede) takes 8", told(cbc));
    }
}
