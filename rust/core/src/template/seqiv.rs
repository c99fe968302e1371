//! `seqiv(aead)`: makes the IV from a sequence number. Encrypting takes the number as its nonce and gives IV,
//! ciphertext and tag; decrypting takes the same and no nonce.
//!
//! The IV is the number XOR a random salt of the transform's own, so IVs never repeat under one transform while the
//! numbers do not. Two transforms of one key draw two salts: that they never meet is chance, as with random IVs.

use super::*;
use crate::ffi::awslc;

pub(super) static TEMPLATES: &[Template] = &[Template { name: "seqiv", validate, compile }];

const IV: usize = 8;
/// These authenticate the IV by themselves: it is a part of their nonce, and their additional data excludes it.
const WITHOUT_IV: [&str; 4] = ["rfc4106(", "rfc4309(", "rfc4543(", "rfc7539esp("];

fn validate(composition: &Composition) -> Outcome<()> {
    let [part] = composition.parts([Kind::Aead])?;
    let nonce = part.shape().nonce;
    if nonce != IV {
        return Err(Status::usage(format!("seqiv makes IVs of {IV} bytes, {} takes {nonce}", part.name())));
    }
    Ok(())
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let [part] = composition.parts([Kind::Aead])?;
    let mut salt = [0; IV];
    awslc::random(&mut salt)?;
    let inner = part.compile(params)?;
    let covers_iv = !WITHOUT_IV.iter().any(|start| part.name().starts_with(start));
    Ok(composition.made(Seqiv { inner, salt: Zeroizing::new(salt), covers_iv }))
}

struct Seqiv {
    inner: Arc<dyn Transform>,
    salt: Zeroizing<[u8; IV]>,
    /// Whether the IV is added to the additional data.
    covers_iv: bool,
}

impl Seqiv {
    /// Lets `work` have the part's call.
    fn with<T>(&self, call: &Call<'_>, work: impl FnOnce(&Call<'_>, &[u8]) -> T) -> T {
        let mut iv = [0; IV];
        let (text, skipped);
        if call.direction == Direction::Encrypt {
            iv.iter_mut().zip(call.nonce.iter().zip(*self.salt)).for_each(|(to, (number, salt))| *to = number ^ salt);
            text = call.source;
        } else {
            let bytes = call.source.segments().flatten();
            iv.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            skipped = View::part(call.source, IV..call.source.len());
            text = &skipped;
        }
        let ad = View::of(&[]).then_all(call.ad).then(if self.covers_iv { &iv } else { &[] });
        work(&super::call(call.direction, text, &iv, &ad), &iv)
    }
}

impl Work for Seqiv {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        let nonce = call.nonce.len();
        let wanted = if call.direction == Direction::Encrypt { IV } else { 0 };
        if nonce != wanted {
            let verb = call.direction.name();
            return Err(Status::usage(format!("nonce is {nonce} bytes, {name} takes {wanted} to {verb}")));
        }
        if call.direction == Direction::Decrypt && call.source.len() < IV {
            return Ok(()); // which fails as what is not authentic
        }
        self.with(call, |inner, _| self.inner.check(inner))
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        let inner = self.with(call, |inner, _| self.inner.capacity(inner));
        if call.direction == Direction::Encrypt { inner.saturating_add(IV) } else { inner }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        if call.direction == Direction::Encrypt {
            output.space(self.capacity(call));
            return self.with(call, |inner, iv| output.behind(iv, |rest| perform(&*self.inner, inner, rest)));
        }
        if call.source.len() < IV {
            return Err(Status::AuthenticationFailed);
        }
        self.with(call, |inner, _| perform(&*self.inner, inner, output))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const KEY: [u8; 20] = [6; 20];
    const AD: &[u8] = b"spi.seq.";

    fn shape(nonce: usize) -> Shape {
        Shape { block: 1, digest: 0, nonce, tag: 16 }
    }

    fn rfc4106() -> Arc<dyn Part> {
        Arc::new(composed("rfc4106", Kind::Aead, shape(8), vec![row("gcm(aes)")]))
    }

    fn seqiv(inner: Arc<dyn Part>) -> Composition {
        composed("seqiv", Kind::Aead, shape(8), vec![inner])
    }

    fn numbered(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    /// The inner AEAD is an honest check of what `sealed` is; gives the IV.
    fn holds(
        transform: &dyn Transform,
        inner: &dyn Transform,
        number: u64,
        message: &[u8],
        covers_iv: bool,
    ) -> Vec<u8> {
        let nonce = numbered(number);
        let sealed = run(transform, Direction::Encrypt, message, Ask { nonce: &nonce, ad: AD, tag: &[] }).unwrap();
        let (iv, rest) = sealed.split_at(8);
        let inner_ad = if covers_iv { [AD, iv].concat() } else { AD.to_vec() };
        let opened = run(inner, Direction::Decrypt, rest, Ask { nonce: iv, ad: &inner_ad, tag: &[] });
        assert_eq!(opened.as_deref(), Ok(message));
        let ask = Ask { ad: AD, ..Ask::default() };
        assert_eq!(run(transform, Direction::Decrypt, &sealed, ask).as_deref(), Ok(message));
        forge(transform, ask, &sealed);
        iv.to_vec()
    }

    #[test]
    fn it_gives_iv_ciphertext_and_tag_that_the_inner_aead_opens() {
        let transform = seqiv(rfc4106()).compile(&keyed(&KEY)).unwrap();
        let inner = rfc4106().compile(&keyed(&KEY)).unwrap();
        let first = holds(&*transform, &*inner, 0, b"a message", false);
        for (number, len) in [(1, 0), (2, 1), (u64::MAX, 100_000)] {
            let iv = holds(&*transform, &*inner, number, &vec![3; len], false);
            // One salt for all: the numbers, and so the IVs, differ as the caller's do.
            let expected: Vec<u8> = first.iter().zip(numbered(number)).map(|(salt, byte)| salt ^ byte).collect();
            assert_eq!(iv, expected);
        }
        let other = seqiv(rfc4106()).compile(&keyed(&KEY)).unwrap();
        assert_ne!(first, holds(&*other, &*inner, 0, b"a message", false), "two transforms drew one salt");
    }

    #[test]
    fn where_the_inner_aead_leaves_out_the_iv_it_is_authenticated_here() {
        let ctr = composed("rfc3686", Kind::Cipher, shape(8), vec![row("ctr(aes)")]);
        let authenc = || -> Arc<dyn Part> {
            let ctr = composed("rfc3686", Kind::Cipher, shape(8), vec![row("ctr(aes)")]);
            Arc::new(composed("authenc", Kind::Aead, shape(8), vec![row("hmac(sha256)"), Arc::new(ctr)]))
        };
        assert_eq!("rfc3686(ctr(aes))", ctr.name);
        let key = [&[8, 0, 1, 0, 0, 0, 0, 20], &[9; 32][..], &KEY].concat();
        let transform = seqiv(authenc()).compile(&keyed(&key)).unwrap();
        let inner = authenc().compile(&keyed(&key)).unwrap();
        holds(&*transform, &*inner, 77, b"seventy-seven", true);
    }

    #[test]
    fn tag_lengths_reach_the_inner_aead() {
        let transform = seqiv(rfc4106()).compile(&tagged(&KEY, 8)).unwrap();
        let ask = Ask { nonce: &[0; 8], ad: AD, tag: &[] };
        let sealed = run(&*transform, Direction::Encrypt, b"abc", ask).unwrap();
        assert_eq!(sealed.len(), 8 + 3 + 8);
        let told = "tag_len is 9, rfc4106(gcm(aes)) takes 8, 12 or 16";
        assert_eq!(told, refused(&seqiv(rfc4106()), &tagged(&KEY, 9)));
    }

    #[test]
    fn what_it_does_not_take_is_told() {
        let told = seqiv(row("gcm(aes)")).validate().unwrap_err().to_string();
        assert_eq!("seqiv makes IVs of 8 bytes, gcm(aes) takes 12", told);
        let transform = seqiv(rfc4106()).compile(&keyed(&KEY)).unwrap();
        let told = |direction, nonce: &[u8], ad: &[u8]| {
            run(&*transform, direction, &[0; 40], Ask { nonce, ad, tag: &[] }).unwrap_err().to_string()
        };
        let name = "seqiv(rfc4106(gcm(aes)))";
        assert_eq!(format!("nonce is 0 bytes, {name} takes 8 to encrypt"), told(Direction::Encrypt, b"", AD));
        assert_eq!(format!("nonce is 8 bytes, {name} takes 0 to decrypt"), told(Direction::Decrypt, &[0; 8], AD));
        let inner = "additional data is 3 bytes, rfc4106(gcm(aes)) takes 8 or 12";
        assert_eq!(inner, told(Direction::Encrypt, &[0; 8], b"abc"));
    }
}
