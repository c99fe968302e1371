//! Templates: algorithms that are made of other algorithms, as `authenc(hmac(sha256),cbc(aes))` is.
//!
//! A [`Composition`] says what is made of which [`Part`]s; with a key it compiles to a [`Transform`] like any other.
//! The parts do all the work, whichever engines they come from; a template here only knows how to cut keys, nonces and
//! messages for them. Nothing is decrypted before its tag was found right, and keys are cut into memory that is wiped.
//!
//! One family per file, listed in [`TEMPLATES`]. Conventions of the kernel's face that differ from ours (the IV
//! repeated at the end of the additional data) are not known here.

use crate::alg::{Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::{EMPTY, Output, Pool, Source, View};
use crate::status::{Outcome, Status};
use std::sync::Arc;
use zeroize::Zeroizing;

mod authenc;
mod cts;
mod essiv;
mod hmac;
mod rename;
mod rfc;
mod seqiv;

/// The two keys of `authenc`, of the MAC and of the cipher, in one blob with a header.
///
/// Fails with a usage error that tells lengths only.
pub fn split_authenc_key<'a>(name: &str, blob: &'a [u8]) -> Outcome<(&'a [u8], &'a [u8])> {
    authenc::split_key(name, blob).map(|keys| (keys.auth, keys.enc))
}

/// Sizes of an algorithm that templates need; 0 where it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    pub block: usize,
    pub digest: usize,
    pub nonce: usize,
    pub tag: usize,
}

/// One algorithm that a composition is built over, not keyed yet.
pub trait Part: Send + Sync {
    /// Its algorithm: `cbc(aes)`.
    fn name(&self) -> &str;
    fn kind(&self) -> Kind;
    fn shape(&self) -> Shape;
    fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>>;
}

/// What a composition is called and what it is made of.
pub struct Composition {
    /// `authenc`.
    pub template: String,
    /// The whole algorithm: `authenc(hmac(sha256),cbc(aes))`.
    pub name: String,
    pub driver: &'static str,
    pub kind: Kind,
    pub shape: Shape,
    /// In the template's order:
    ///
    /// | template | parts |
    /// |---|---|
    /// | `hmac` | the digest |
    /// | `authenc`, `authencesn` | the MAC, the cipher |
    /// | `essiv` | the cipher or `authenc(...)`, the digest, the block cipher's ECB mode |
    /// | `rfc3686` | a counter mode |
    /// | `rfc4106`, `rfc4543`; `rfc4309`; `rfc7539esp` | GCM; CCM; ChaCha20-Poly1305 |
    /// | `seqiv` | an AEAD with IVs of 8 bytes |
    /// | `cts` | CBC |
    /// | `cryptd`; `pcrypt` | anything; any AEAD |
    pub parts: Vec<Arc<dyn Part>>,
}

/// One row of the list of templates.
struct Template {
    name: &'static str,
    /// Whether these parts fit together; needs no key.
    validate: fn(&Composition) -> Outcome<()>,
    compile: fn(&Composition, &Params) -> Outcome<Arc<dyn Transform>>,
}

/// Every template. A new one is one line here.
static TEMPLATES: &[&[Template]] = &[
    authenc::TEMPLATES,
    cts::TEMPLATES,
    essiv::TEMPLATES,
    hmac::TEMPLATES,
    rename::TEMPLATES,
    rfc::TEMPLATES,
    seqiv::TEMPLATES,
];

impl Composition {
    fn row(&self) -> Outcome<&'static Template> {
        let row = TEMPLATES.iter().copied().flatten().find(|row| row.name == self.template);
        row.ok_or_else(|| Status::UnknownAlgorithm(format!("no template is called {:?}", self.template)))
    }

    /// Whether the parts fit together, as far as that shows without a key.
    pub fn validate(&self) -> Outcome<()> {
        (self.row()?.validate)(self)
    }

    /// The transform under a key.
    pub fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let row = self.row()?;
        (row.validate)(self)?;
        (row.compile)(self, params)
    }

    /// The parts, if there are as many as there are kinds, each of its kind.
    fn parts<const N: usize>(&self, kinds: [Kind; N]) -> Outcome<[&dyn Part; N]> {
        let found: Vec<&dyn Part> = self.parts.iter().map(|part| &**part).collect();
        let count = found.len();
        let parts: [&dyn Part; N] = found
            .try_into()
            .map_err(|_| Status::usage(format!("{} is made of {N} algorithms, not of {count}", self.template)))?;
        for (part, kind) in parts.iter().zip(kinds) {
            if part.kind() != kind {
                let (name, is) = (part.name(), part.kind().name());
                let kind = kind.name();
                return Err(Status::usage(format!("{} needs kind {kind}, {name} is of kind {is}", self.template)));
            }
        }
        Ok(parts)
    }

    /// The transform that does `work` under this composition's names.
    fn made<W: Work + 'static>(&self, work: W) -> Arc<dyn Transform> {
        Arc::new(Made { name: self.name.as_str().into(), driver: self.driver, kind: self.kind, work })
    }
}

/// Templates nest.
impl Part for Composition {
    fn name(&self) -> &str {
        &self.name
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn shape(&self) -> Shape {
        self.shape
    }
    fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        Composition::compile(self, params)
    }
}

/// What a composition does once it is keyed.
trait Work: Send + Sync {
    /// Checks lengths; `name` is for messages.
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()>;
    fn capacity(&self, call: &Call<'_>) -> usize;
    /// Runs after `check` has passed; what a failure leaves in `output` is wiped by the caller.
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()>;
}

/// A composition's work and names.
struct Made<W> {
    name: Box<str>,
    driver: &'static str,
    kind: Kind,
    work: W,
}

impl<W: Work + 'static> Transform for Made<W> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        if !self.kind.directions().contains(&call.direction) {
            return Err(Status::usage(format!("{} cannot {}", self.name, call.direction.name())));
        }
        self.work.check(&self.name, call)
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        self.work.capacity(call)
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        match self.work.run(call, output) {
            Ok(()) => Ok(Facts::default()),
            Err(status) => {
                // Whatever was decrypted, or encrypted without its tag, is nobody's.
                output.wipe(self.work.capacity(call));
                Err(status)
            }
        }
    }
}

/// A call to a part.
fn call<'a>(direction: Direction, source: &'a Source, nonce: &'a [u8], ad: &'a Source) -> Call<'a> {
    Call { direction, source, nonce, ad, tag: &[], max_output: 0 }
}

/// Runs a part as the layer would: checks first.
fn perform(part: &dyn Transform, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
    part.check(call)?;
    part.run(call, output).map(|_| ())
}

/// Runs a part that must give `len` bytes.
fn perform_exactly(part: &dyn Transform, call: &Call<'_>, output: &mut Output, len: usize) -> Outcome<()> {
    perform(part, call, output)?;
    let given = output.len();
    if given == len {
        return Ok(());
    }
    let verb = call.direction.name();
    Err(Status::Engine {
        engine: part.driver(call.direction).to_owned(),
        what: format!("{verb} gave {given} bytes, not {len}"),
    })
}

/// The digest of a secret, in memory that is wiped.
fn digest_of(digest: &dyn Part, secret: &View<'_>) -> Outcome<Zeroizing<Vec<u8>>> {
    let transform = digest.compile(&Params::default())?;
    let mut output = Output::pooled(&Pool::new(0));
    let call = call(Direction::Digest, secret, &[], &EMPTY);
    let outcome = perform_exactly(&*transform, &call, &mut output, digest.shape().digest);
    let result = output.as_slice().to_vec().into();
    output.wipe(output.len());
    outcome.map(|()| result)
}

/// "8, 12 or 16".
fn list(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// A part's own parameters, under a key cut from ours.
fn keyed(key: &[u8]) -> Params {
    Params { key: Some(key.to_vec().into()), ..Params::default() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::testing::*;
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A part, and its transform, that writes what it reads; then it fails, or claims to have written fewer bytes.
    struct Liar {
        kind: Kind,
        keep: Option<usize>,
        runs: AtomicUsize,
    }

    impl Part for Arc<Liar> {
        fn name(&self) -> &str {
            "cbc(liar)"
        }
        fn kind(&self) -> Kind {
            self.kind
        }
        fn shape(&self) -> Shape {
            Shape { block: 16, digest: 32, nonce: 16, tag: 16 }
        }
        fn compile(&self, _params: &Params) -> Outcome<Arc<dyn Transform>> {
            Ok(Arc::<Liar>::clone(self))
        }
    }

    impl Transform for Liar {
        fn kind(&self) -> Kind {
            self.kind
        }
        fn driver(&self, _direction: Direction) -> &'static str {
            "liar"
        }
        fn capacity(&self, call: &Call<'_>) -> usize {
            call.source.len()
        }
        fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
            self.runs.fetch_add(1, Ordering::SeqCst);
            let len = call.source.len();
            call.source.copy_to(output.exactly(len)?)?;
            output.set_len(self.keep.unwrap_or(len));
            if self.keep.is_some() { Ok(Facts::default()) } else { Err(Status::Internal("a part failed".into())) }
        }
    }

    fn liar(kind: Kind, keep: Option<usize>) -> Arc<Liar> {
        Arc::new(Liar { kind, keep, runs: AtomicUsize::new(0) })
    }

    const BLOB: &[u8] = b"\x08\0\x01\0\0\0\0\x10the MAC's key, then 16 bytes more";
    const ASK: Ask<'static> = Ask { nonce: &[0; 16], ad: &[], tag: &[] };

    #[test]
    fn what_a_part_wrote_before_it_failed_is_wiped() {
        // `run` looks at the memory after a failure.
        let failed = Err(Status::Internal("a part failed".into()));
        let cipher = composed("cts", Kind::Cipher, Shape::default(), vec![Arc::new(liar(Kind::Cipher, None))]);
        let transform = cipher.compile(&keyed(&[1; 16])).unwrap();
        assert_eq!(failed, run(&*transform, Direction::Encrypt, &[7; 40], ASK));
        assert_eq!(failed, run(&*transform, Direction::Decrypt, &[7; 40], ASK));
        let parts: Vec<Arc<dyn Part>> = vec![Arc::new(liar(Kind::Mac, None)), row("cbc(aes)")];
        let transform = composed("authenc", Kind::Aead, Shape::default(), parts).compile(&keyed(BLOB)).unwrap();
        assert_eq!(failed, run(&*transform, Direction::Encrypt, &[7; 48], ASK));
    }

    #[test]
    fn a_part_that_gives_another_length_is_found_out() {
        let parts: Vec<Arc<dyn Part>> = vec![row("hmac(sha256)"), Arc::new(liar(Kind::Cipher, Some(47)))];
        let transform = composed("authenc", Kind::Aead, Shape::default(), parts).compile(&keyed(BLOB)).unwrap();
        let told = run(&*transform, Direction::Encrypt, &[7; 48], ASK).unwrap_err().to_string();
        assert_eq!("engine liar: encrypt gave 47 bytes, not 48", told);
    }

    #[test]
    fn nothing_is_decrypted_before_its_tag_was_found_right() {
        let cipher = liar(Kind::Cipher, Some(48));
        let parts: Vec<Arc<dyn Part>> = vec![row("hmac(sha256)"), Arc::new(Arc::clone(&cipher))];
        let transform = composed("authenc", Kind::Aead, Shape::default(), parts).compile(&keyed(BLOB)).unwrap();
        let mut sealed = run(&*transform, Direction::Encrypt, &[7; 48], ASK).unwrap();
        cipher.runs.store(0, Ordering::SeqCst);
        sealed[0] ^= 1;
        assert_eq!(Err(Status::AuthenticationFailed), run(&*transform, Direction::Decrypt, &sealed, ASK));
        assert_eq!(0, cipher.runs.load(Ordering::SeqCst));
    }
}
