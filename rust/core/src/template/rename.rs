//! `cryptd` and `pcrypt`: an algorithm as it is under another driver's name. What sets them apart is the device that
//! they run on: a queue of their own, and one that completes in order.

use super::*;

pub(super) static TEMPLATES: &[Template] = &[
    Template { name: "cryptd", validate: |composition| part(composition).map(|_| ()), compile },
    Template { name: "pcrypt", validate: |composition| composition.parts([Kind::Aead]).map(|_| ()), compile },
];

fn part(composition: &Composition) -> Outcome<&dyn Part> {
    match composition.parts.as_slice() {
        [part] => Ok(&**part),
        others => {
            let (template, count) = (&composition.template, others.len());
            Err(Status::usage(format!("{template} is made of 1 algorithm, not of {count}")))
        }
    }
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let inner = part(composition)?.compile(params)?;
    Ok(Arc::new(Renamed { driver: composition.driver, inner }))
}

/// No recipe: whoever compiles for itself outside the core does so for the part, not for us.
struct Renamed {
    driver: &'static str,
    inner: Arc<dyn Transform>,
}

impl Transform for Renamed {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }
    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }
    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        self.inner.check(call)
    }
    fn capacity(&self, call: &Call<'_>) -> usize {
        self.inner.capacity(call)
    }
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.inner.run(call, output)
    }
    fn public_key(&self) -> Option<Vec<u8>> {
        self.inner.public_key()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn only_the_driver_changes() {
        for (template, part) in [("cryptd", "cbc(aes)"), ("cryptd", "gcm(aes)"), ("pcrypt", "gcm(aes)")] {
            let kind = row(part).kind();
            let nonce = vec![1; row(part).shape().nonce];
            let renamed = of(template, kind, &[part]).compile(&keyed(&[7; 16])).unwrap();
            let inner = row(part).compile(&keyed(&[7; 16])).unwrap();
            assert_eq!(("under-test", kind), (renamed.driver(Direction::Encrypt), renamed.kind()));
            let ask = Ask { nonce: &nonce, ..Ask::default() };
            assert_eq!(both_ways(&*inner, ask, &[5; 48]), both_ways(&*renamed, ask, &[5; 48]));
            let wrong = Ask { nonce: b"", ..ask };
            let refused = |transform: &dyn Transform| run(transform, Direction::Encrypt, &[], wrong).unwrap_err();
            assert_eq!(refused(&*inner), refused(&*renamed));
        }
    }

    #[test]
    fn pcrypt_takes_only_aeads() {
        let told = |composition: Composition| composition.validate().unwrap_err().to_string();
        assert_eq!(
            "pcrypt needs kind aead, cbc(aes) is of kind cipher",
            told(of("pcrypt", Kind::Cipher, &["cbc(aes)"]))
        );
        assert_eq!("cryptd is made of 1 algorithm, not of 0", told(of("cryptd", Kind::Cipher, &[])));
        let unknown = of("lskcipher", Kind::Cipher, &["cbc(aes)"]).validate();
        assert_eq!(Err(Status::UnknownAlgorithm("no template is called \"lskcipher\"".into())), unknown);
    }
}
