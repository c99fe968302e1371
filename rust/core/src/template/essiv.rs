//! `essiv(cipher,hash)`: IVs that nobody can foretell, for disks. The IV that is used is the caller's, encrypted under
//! the hash of the key (the salt). Over `authenc` the caller's IV also ends the additional data, where the encrypted
//! one takes its place; the salt is then the hash of the cipher's key followed by the MAC's.

use super::*;

pub(super) static TEMPLATES: &[Template] = &[Template { name: "essiv", validate, compile }];

/// The algorithm with the IV, the hash, and the block cipher as its ECB mode.
fn parts(composition: &Composition) -> Outcome<[&dyn Part; 3]> {
    let over_aead = composition.parts.first().is_some_and(|part| part.kind() == Kind::Aead);
    let first = if over_aead { Kind::Aead } else { Kind::Cipher };
    composition.parts([first, Kind::Digest, Kind::Cipher])
}

fn validate(composition: &Composition) -> Outcome<()> {
    let name = &composition.name;
    let [inner, _, cipher] = parts(composition)?;
    if inner.kind() == Kind::Aead && !inner.name().starts_with("authenc(") {
        return Err(Status::usage(format!("of the AEADs essiv takes authenc(...), not {}", inner.name())));
    }
    let (iv, block) = (inner.shape().nonce, cipher.shape().block);
    if iv == 0 || iv != block {
        return Err(Status::usage(format!(
            "{name}: the IV is {iv} bytes and the cipher's block {block}; must be equal"
        )));
    }
    Ok(())
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let name = &composition.name;
    let [inner, digest, cipher] = parts(composition)?;
    let is_aead = inner.kind() == Kind::Aead;
    params.only(name, if is_aead { &["key", "tag_len"] } else { &["key"] })?;
    let key = params.key(name, || format!("as {} takes it", inner.name()))?;
    let keyed_inner = inner.compile(params)?;
    let salt = if is_aead {
        let keys = authenc::split_key(name, key)?;
        digest_of(digest, &View::of(keys.enc).then(keys.auth))?
    } else {
        digest_of(digest, &View::of(key))?
    };
    let block = cipher.compile(&Params { key: Some(salt), ..Params::default() }).map_err(|status| match status {
        Status::Usage(why) => Status::usage(format!("{name}: its hash gives no key for its cipher: {why}")),
        other => other,
    })?;
    Ok(composition.made(Essiv { inner: keyed_inner, block, iv_len: inner.shape().nonce, is_aead }))
}

struct Essiv {
    inner: Arc<dyn Transform>,
    /// The block cipher under the salt.
    block: Arc<dyn Transform>,
    iv_len: usize,
    is_aead: bool,
}

impl Work for Essiv {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        let (nonce, ad, iv) = (call.nonce.len(), call.ad.len(), self.iv_len);
        if nonce != iv {
            return Err(Status::usage(format!("nonce is {nonce} bytes, {name} takes {iv}")));
        }
        if self.is_aead && ad < iv {
            let message = format!("additional data is {ad} bytes, {name} takes {iv} or more: it ends with the IV");
            return Err(Status::usage(message));
        }
        self.inner.check(call)
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        self.inner.capacity(call)
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let mut derived = output.sibling();
        let iv = View::of(call.nonce);
        perform_exactly(&*self.block, &super::call(Direction::Encrypt, &iv, &[], &EMPTY), &mut derived, self.iv_len)?;
        let nonce = derived.as_slice();
        let ad = if self.is_aead {
            View::part(call.ad, 0..call.ad.len().saturating_sub(self.iv_len)).then(nonce)
        } else {
            View::of(&[])
        };
        perform(&*self.inner, &super::call(call.direction, call.source, nonce, &ad), output)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const KEY: &str = "06a9214036b8a15b512e03d534120006";
    /// A sector's number.
    const IV: [u8; 16] = [0x67, 0x45, 0x23, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn essiv(cipher: &str, hash: &str) -> Composition {
        let mut made = of("essiv", Kind::Cipher, &[cipher, hash, "ecb(aes)"]);
        made.name = format!("essiv({cipher},{hash})");
        made
    }

    fn over_authenc() -> Composition {
        let shape = Shape { block: 16, nonce: 16, tag: 32, digest: 0 };
        let authenc = composed("authenc", Kind::Aead, shape, vec![row("hmac(sha256)"), row("cbc(aes)")]);
        composed("essiv", Kind::Aead, shape, vec![Arc::new(authenc), row("sha256"), row("ecb(aes)")])
    }

    fn blob() -> Vec<u8> {
        [vec![8, 0, 1, 0, 0, 0, 0, 16], (0..32).collect(), unhex(KEY)].concat()
    }

    #[test]
    fn known_answers() {
        // Computed with pyca/cryptography and hashlib.
        let message: Vec<u8> = (0..48).collect();
        let ask = Ask { nonce: &IV, ..Ask::default() };
        let answers = [
            (
                unhex(KEY),
                "e29e376e1d56832364e09ddfccc7fd70341a7e25e6402dfd5282273ab34140e3b20786c7069a6be26ba8461254c785b4",
            ),
            (
                (0..32).collect(),
                "1aa4b9a7a86c8ef151026ed6c82e649eae20ff6c9f3aeaebb4ddfedcc8558576ef8fe555c8cee4b2595b3f616b9cdce5",
            ),
        ];
        for (key, answer) in answers {
            let transform = essiv("cbc(aes)", "sha256").compile(&keyed(&key)).unwrap();
            assert_eq!(answer, both_ways(&*transform, ask, &message));
        }
    }

    #[test]
    fn over_authenc_the_encrypted_iv_is_what_is_authenticated() {
        // Computed with pyca/cryptography, hashlib and hmac.
        let message: Vec<u8> = (0..48).collect();
        let transform = over_authenc().compile(&keyed(&blob())).unwrap();
        let ad = [unhex("0102030405060708"), IV.to_vec()].concat();
        let ask = Ask { nonce: &IV, ad: &ad, tag: &[] };
        let sealed = both_ways(&*transform, ask, &message);
        assert_eq!(
            "3002e427bd362e182abb43831084a17029bc4f8f6817975fb28917ab8ee54e1ffe4d3cbf6589cc049c4291e2d16dced7\
             a3632dd0f27090867d6bed803d28d3936588f2ac87e48149707ca2804dbc3efc",
            sealed
        );
        // The IV that ends the additional data is replaced, so that only the one that is used counts.
        let sealed = unhex(&sealed);
        for at in [0, sealed.len() - 1] {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(run(&*transform, Direction::Decrypt, &forged, ask), Err(Status::AuthenticationFailed));
        }
        let (other_ad, other_iv) = ([&[9], &ad[1..]].concat(), [&[9], &IV[1..]].concat());
        for ask in [Ask { ad: &other_ad, ..ask }, Ask { nonce: &other_iv, ..ask }] {
            assert_eq!(run(&*transform, Direction::Decrypt, &sealed, ask), Err(Status::AuthenticationFailed));
        }
        let short = run(&*transform, Direction::Encrypt, &message, Ask { ad: &ad[..15], ..ask }).unwrap_err();
        let name = "essiv(authenc(hmac(sha256),cbc(aes)),sha256,ecb(aes))";
        let told = format!("additional data is 15 bytes, {name} takes 16 or more: it ends with the IV");
        assert_eq!(told, short.to_string());
        let transform = over_authenc().compile(&tagged(&blob(), 16)).unwrap();
        assert_eq!(96 + 32, both_ways(&*transform, ask, &message).len());
    }

    #[test]
    fn what_it_does_not_take_is_told() {
        let told = |composition: Composition| composition.validate().unwrap_err().to_string();
        assert_eq!(
            "essiv(ecb(aes),sha256): the IV is 0 bytes and the cipher's block 16; must be equal",
            told(essiv("ecb(aes)", "sha256"))
        );
        assert_eq!("of the AEADs essiv takes authenc(...), not gcm(aes)", told(essiv("gcm(aes)", "sha256")));
        assert_eq!("essiv needs kind digest, hmac(sha1) is of kind mac", told(essiv("cbc(aes)", "hmac(sha1)")));
        assert_eq!(
            "essiv(cbc(aes),sha1): its hash gives no key for its cipher: key is 20 bytes, ecb(aes) takes 16, 24 or 32",
            refused(&essiv("cbc(aes)", "sha1"), &keyed(&[1; 16]))
        );
        assert_eq!(
            "key is 15 bytes, cbc(aes) takes 16, 24 or 32",
            refused(&essiv("cbc(aes)", "sha256"), &keyed(&[1; 15]))
        );
        let transform = essiv("cbc(aes)", "sha256").compile(&keyed(&[1; 16])).unwrap();
        let nonce = run(&*transform, Direction::Encrypt, &[0; 16], Ask { nonce: &[0; 8], ..Ask::default() });
        assert_eq!("nonce is 8 bytes, essiv(cbc(aes),sha256) takes 16", nonce.unwrap_err().to_string());
    }
}
