//! `hmac(digest)`: RFC 2104 over any digest with a block, for those of which no library has an HMAC of its own.

use super::*;
use aws_lc_rs::constant_time::verify_slices_are_equal;

pub(super) static TEMPLATES: &[Template] = &[Template { name: "hmac", validate, compile }];

/// Tags shorter than 32 bits stop nobody.
const LEAST_TAG: usize = 4;
/// MD5's; what is shorter is a checksum.
const LEAST_DIGEST: usize = 16;

fn validate(composition: &Composition) -> Outcome<()> {
    let [digest] = composition.parts([Kind::Digest])?;
    let (shape, name) = (digest.shape(), digest.name());
    if !(LEAST_DIGEST..=shape.block).contains(&shape.digest) {
        return Err(Status::usage(format!("hmac takes a cryptographic digest of blocks, not {name}")));
    }
    Ok(())
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let name = &composition.name;
    let [digest] = composition.parts([Kind::Digest])?;
    params.only(name, &["key", "tag_len"])?;
    let key = params.key(name, || "any number of bytes".into())?;
    let Shape { block, digest: size, .. } = digest.shape();
    let tag_len = params.tag_len.unwrap_or(size);
    if !(LEAST_TAG..=size).contains(&tag_len) {
        return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {LEAST_TAG} to {size}")));
    }
    let short = if key.len() > block { digest_of(digest, &View::of(key))? } else { key.to_vec().into() };
    let pad = |with: u8| {
        let padded = short.iter().copied().chain(std::iter::repeat(0)).take(block);
        Zeroizing::new(padded.map(|byte| byte ^ with).collect::<Vec<u8>>())
    };
    let digest = digest.compile(&Params::default())?;
    Ok(composition.made(Hmac { digest, inner: pad(0x36), outer: pad(0x5c), size, tag_len }))
}

struct Hmac {
    digest: Arc<dyn Transform>,
    /// The key's two masked forms.
    inner: Zeroizing<Vec<u8>>,
    outer: Zeroizing<Vec<u8>>,
    size: usize,
    tag_len: usize,
}

impl Hmac {
    fn digest(&self, source: &Source, output: &mut Output) -> Outcome<()> {
        perform_exactly(&*self.digest, &call(Direction::Digest, source, &[], &EMPTY), output, self.size)
    }
}

impl Work for Hmac {
    fn check(&self, _name: &str, _call: &Call<'_>) -> Outcome<()> {
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        if call.direction == Direction::Mac { self.tag_len } else { 0 }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let (mut inner, mut whole) = (output.sibling(), output.sibling());
        self.digest(&View::of(&self.inner).then_all(call.source), &mut inner)?;
        let outcome = self.digest(&View::of(&self.outer).then(inner.as_slice()), &mut whole);
        inner.wipe(self.size);
        outcome?;
        let tag = whole.as_slice().get(..self.tag_len).unwrap_or_default();
        output.set_len(0);
        let outcome = match call.direction {
            Direction::Mac => output.append(tag),
            // The lengths are no secret; equal ones are compared in constant time.
            _ => verify_slices_are_equal(tag, call.tag).map_err(|_| Status::AuthenticationFailed),
        };
        whole.wipe(self.size); // a right tag that was asked about may not have been known to whoever asked
        outcome
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const MESSAGE: &[u8] = b"what do ya want for nothing?";
    const LONG: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";

    fn hmac(digest: &str) -> Composition {
        of("hmac", Kind::Mac, &[digest])
    }

    fn tag(params: &Params, digest: &str, message: &[u8]) -> String {
        let transform = hmac(digest).compile(params).unwrap();
        let tag = run(&*transform, Direction::Mac, message, Ask::default()).unwrap();
        let verify = |tag: &[u8]| run(&*transform, Direction::Verify, message, Ask { tag, ..Ask::default() });
        assert_eq!(verify(&tag), Ok(Vec::new()));
        let mut wrong = tag.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(verify(&wrong), Err(Status::AuthenticationFailed));
        assert_eq!(verify(&tag[1..]), Err(Status::AuthenticationFailed));
        assert_eq!(verify(&[]), Err(Status::AuthenticationFailed));
        hex(&tag)
    }

    #[test]
    fn known_answers() {
        // RFC 4231, test cases 2 and 6; for BLAKE2b the same inputs by Python's hmac.
        assert_eq!(
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            tag(&keyed(b"Jefe"), "sha256", MESSAGE)
        );
        assert_eq!(
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            tag(&keyed(&[0xaa; 131]), "sha256", LONG)
        );
        assert_eq!(
            "6ff884f8ddc2a6586b3c98a4cd6ebdf14ec10204b6710073eb5865ade37a2643\
             b8807c1335d107ecdb9ffeaeb6828c4625ba172c66379efcd222c2de11727ab4",
            tag(&keyed(b"Jefe"), "blake2b", MESSAGE)
        );
        assert_eq!(
            "a54b2943b2a20227d41ca46c0945af09bc1faefb2f49894c23aebc557fb79c48\
             89dca74408dc865086667aedee4a3185c53a49c80b814c4c5813ea0c8b38a8f8",
            tag(&keyed(&[0xaa; 131]), "blake2b", LONG)
        );
    }

    #[test]
    fn it_agrees_with_the_libraries_own() {
        for digest in ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512"] {
            for key_len in [0, 1, 63, 64, 65, 72, 73, 128, 129, 136, 137, 300] {
                let params = keyed(&vec![5; key_len]);
                let theirs = crate::alg::compile(&format!("hmac({digest})"), &params).unwrap();
                for message in [&b""[..], MESSAGE, &[9; 5000]] {
                    let expected = run(&*theirs, Direction::Mac, message, Ask::default()).unwrap();
                    assert_eq!(hex(&expected), tag(&params, digest, message), "{digest} {key_len}");
                }
            }
        }
    }

    #[test]
    fn tags_are_cut_from_the_right() {
        // RFC 4231, test case 5.
        assert_eq!(
            "a3b6167473100ee06e0c796c2955552b",
            tag(&tagged(&[0x0c; 20], 16), "sha256", b"Test With Truncation")
        );
    }

    #[test]
    fn what_it_does_not_take_is_told() {
        assert_eq!("tag_len is 33, hmac(sha256) takes 4 to 32", refused(&hmac("sha256"), &tagged(&[1], 33)));
        assert_eq!("tag_len is 3, hmac(sha256) takes 4 to 32", refused(&hmac("sha256"), &tagged(&[1], 3)));
        assert_eq!("hmac(sha256) needs a key: any number of bytes", refused(&hmac("sha256"), &Params::default()));
        let told = hmac("crc32").validate().unwrap_err().to_string();
        assert_eq!("hmac takes a cryptographic digest of blocks, not crc32", told);
    }
}
