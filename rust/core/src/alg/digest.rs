//! Digests: SHA-1 and SHA-2 (FIPS 180-4), SHA-3 (FIPS 202), BLAKE2b (RFC 7693), BLAKE3.
//!
//! A message in one segment, the usual case, takes the library's one-shot function: no context, no allocation.

use super::*;
use crate::ffi::awslc::{self, Hash};
use blake2::Blake2bVarCore;
use blake2::digest::block_api::{Buffer, UpdateCore, VariableOutputCore};

pub static ALGORITHMS: &[Algorithm] = &[
    row("sha1", "sha1-awslc", "aws-lc", |p| compile("sha1", p)),
    row("sha224", "sha224-awslc", "aws-lc", |p| compile("sha224", p)),
    row("sha256", "sha256-awslc", "aws-lc", |p| compile("sha256", p)),
    row("sha384", "sha384-awslc", "aws-lc", |p| compile("sha384", p)),
    row("sha512", "sha512-awslc", "aws-lc", |p| compile("sha512", p)),
    row("sha3-224", "sha3-224-awslc", "aws-lc", |p| compile("sha3-224", p)),
    row("sha3-256", "sha3-256-awslc", "aws-lc", |p| compile("sha3-256", p)),
    row("sha3-384", "sha3-384-awslc", "aws-lc", |p| compile("sha3-384", p)),
    row("sha3-512", "sha3-512-awslc", "aws-lc", |p| compile("sha3-512", p)),
    row("blake2b", "blake2b-rustcrypto", "blake2", |p| compile("blake2b", p)),
    row("blake3", "blake3-reference", "blake3", |p| compile("blake3", p)),
];

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, driver: &'static str, library: &'static str, compile: Compile) -> Algorithm {
    Algorithm { name, kind: Kind::Digest, driver, library, insecure: false, compile }
}

/// The hash of AWS-LC with this name; MACs ask too.
pub(super) fn hash(name: &str) -> Option<Hash> {
    Some(match name {
        "sha1" => Hash::Sha1,
        "sha224" => Hash::Sha224,
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        "sha3-224" => Hash::Sha3_224,
        "sha3-256" => Hash::Sha3_256,
        "sha3-384" => Hash::Sha3_384,
        "sha3-512" => Hash::Sha3_512,
        _ => return None,
    })
}

/// A digest's function and size, its parameters checked.
#[derive(Clone, Copy)]
enum Function {
    AwsLc(Hash),
    Blake2b { size: usize },
    Blake3 { size: usize },
}

impl Function {
    /// `None` if the name is no digest's.
    fn new(name: &str, params: &Params) -> Option<Outcome<Self>> {
        if let Some(hash) = hash(name) {
            return Some(params.only(name, &[]).map(|()| Self::AwsLc(hash)));
        }
        let (default, most) = match name {
            "blake2b" => (64, 64),
            "blake3" => (32, usize::from(u16::MAX)),
            _ => return None,
        };
        let size = params.digest_size.unwrap_or(default);
        let checked = params.only(name, &["digest_size"]).and_then(|()| match size {
            size if size == 0 || size > most => {
                Err(Status::usage(format!("digest_size is {size} bytes, {name} gives 1 to {most}")))
            }
            size if name == "blake2b" => Ok(Self::Blake2b { size }),
            size => Ok(Self::Blake3 { size }),
        });
        Some(checked)
    }

    fn size(self) -> usize {
        match self {
            Self::AwsLc(hash) => hash.size(),
            Self::Blake2b { size } | Self::Blake3 { size } => size,
        }
    }

    fn driver(self) -> &'static str {
        match self {
            Self::AwsLc(Hash::Sha1) => "sha1-awslc",
            Self::AwsLc(Hash::Sha224) => "sha224-awslc",
            Self::AwsLc(Hash::Sha256) => "sha256-awslc",
            Self::AwsLc(Hash::Sha384) => "sha384-awslc",
            Self::AwsLc(Hash::Sha512) => "sha512-awslc",
            Self::AwsLc(Hash::Sha3_224) => "sha3-224-awslc",
            Self::AwsLc(Hash::Sha3_256) => "sha3-256-awslc",
            Self::AwsLc(Hash::Sha3_384) => "sha3-384-awslc",
            Self::AwsLc(Hash::Sha3_512) => "sha3-512-awslc",
            Self::Blake2b { .. } => "blake2b-rustcrypto",
            Self::Blake3 { .. } => "blake3-reference",
        }
    }

    fn start(self) -> Outcome<State> {
        Ok(match self {
            Self::AwsLc(hash) => State::AwsLc(awslc::Digest::new(hash)?),
            Self::Blake2b { size } => State::Blake2b(Blake2b::new(size)?),
            Self::Blake3 { .. } => State::Blake3(Box::default()),
        })
    }
}

/// A digest in the making.
enum State {
    AwsLc(awslc::Digest),
    Blake2b(Blake2b),
    Blake3(Box<blake3::Hasher>),
}

impl State {
    fn update(&mut self, bytes: &[u8]) -> Outcome<()> {
        match self {
            Self::AwsLc(digest) => return digest.update(bytes),
            Self::Blake2b(digest) => digest.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
        Ok(())
    }

    /// Fills `out`, which has the digest's size, and starts anew.
    fn finish(&mut self, out: &mut [u8]) -> Outcome<()> {
        match self {
            Self::AwsLc(digest) => return digest.finish(out),
            Self::Blake2b(digest) => digest.finish(out)?,
            Self::Blake3(hasher) => {
                hasher.finalize_xof().fill(out);
                hasher.reset();
            }
        }
        Ok(())
    }
}

/// BLAKE2b of a size chosen at run time: the crate offers that only as a core that eats blocks, and a buffer.
struct Blake2b {
    core: Blake2bVarCore,
    buffer: Buffer<Blake2bVarCore>,
}

impl Blake2b {
    fn new(size: usize) -> Outcome<Self> {
        let core = Blake2bVarCore::new(size).map_err(|e| Status::Internal(format!("blake2b of {size} bytes: {e}")))?;
        Ok(Self { core, buffer: Buffer::<Blake2bVarCore>::default() })
    }

    fn update(&mut self, bytes: &[u8]) {
        self.buffer.digest_blocks(bytes, |blocks| self.core.update_blocks(blocks));
    }

    fn finish(&mut self, out: &mut [u8]) -> Outcome<()> {
        let mut whole = Default::default();
        self.core.finalize_variable_core(&mut self.buffer, &mut whole);
        // The crate gives all 64 bytes; a shorter digest is their front (its TRUNC_SIDE is Left).
        for (to, from) in out.iter_mut().zip(whole.iter()) {
            *to = *from;
        }
        *self = Self::new(out.len())?;
        Ok(())
    }
}

struct Digest {
    function: Function,
}

fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    match Function::new(name, params) {
        Some(function) => Ok(Arc::new(Digest { function: function? })),
        None => Err(Status::UnknownAlgorithm(format!("no digest is called {name:?}"))),
    }
}

impl Transform for Digest {
    fn kind(&self) -> Kind {
        Kind::Digest
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.function.driver()
    }

    fn capacity(&self, _call: &Call<'_>) -> usize {
        self.function.size()
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let size = self.function.size();
        let out = output.exactly(size)?;
        match (self.function, call.source.as_slice()) {
            (Function::AwsLc(hash), Some(bytes)) => awslc::digest(hash, bytes, out)?,
            (Function::Blake3 { size: 32 }, Some(bytes)) => out.copy_from_slice(blake3::hash(bytes).as_bytes()),
            (function, _) => {
                let mut state = function.start()?;
                for segment in call.source.segments() {
                    state.update(segment)?;
                }
                state.finish(out)?;
            }
        }
        output.set_len(size);
        Ok(Facts::default())
    }
}

/// A digest computed piece by piece; `None` if the name is no digest's.
pub fn hasher(name: &str, params: &Params) -> Option<Outcome<Box<dyn stream::Hasher>>> {
    let start = |function: Function| -> Outcome<Box<dyn stream::Hasher>> {
        Ok(Box::new(Hasher { state: function.start()?, function, failed: false }))
    };
    Some(Function::new(name, params)?.and_then(start))
}

struct Hasher {
    function: Function,
    state: State,
    failed: bool,
}

impl stream::Hasher for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        self.failed |= self.state.update(bytes).is_err();
    }

    /// Empty if the library failed, which AWS-LC's digests are documented never to do: never a wrong digest.
    fn finish(&mut self) -> Vec<u8> {
        let mut out = vec![0; self.function.size()];
        self.failed |= self.state.finish(&mut out).is_err();
        if self.failed { Vec::new() } else { out }
    }

    fn driver(&self) -> &'static str {
        self.function.driver()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::buffer::Pool;

    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    pub fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let digit = |b: u8| (b as char).to_digit(16).unwrap() as u8;
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    /// `message` as a source of three segments of uneven length, which borrows it.
    pub fn pieces(message: &[u8]) -> Source {
        let (first, second) = (message.len() / 3, message.len() / 2);
        let parts = [&message[..first], &message[first..second], &message[second..]];
        // SAFETY: every caller keeps `message` alive longer than the source.
        #[allow(unsafe_code)]
        unsafe {
            Source::borrowed(&parts.map(|p| (p.as_ptr(), p.len())))
        }
    }

    pub struct Ask<'a> {
        pub nonce: &'a [u8],
        pub ad: &'a [u8],
        pub tag: &'a [u8],
        pub max_output: u64,
    }

    pub const PLAIN: Ask<'static> = Ask { nonce: &[], ad: &[], tag: &[], max_output: 0 };

    /// Checks and runs in one and in three segments; both must agree, unless the algorithm is `random`.
    pub fn run(transform: &dyn Transform, direction: Direction, message: &[u8], ask: &Ask<'_>) -> Outcome<Vec<u8>> {
        let pool = Pool::new(1 << 24);
        let once = |source: &Source, ad: &Source| {
            let Ask { nonce, tag, max_output, .. } = *ask;
            let call = Call { direction, source, nonce, ad, tag, max_output };
            transform.check(&call)?;
            let mut output = Output::pooled(&pool);
            // A recycled buffer is not zero.
            output.space(transform.capacity(&call)).fill(0xaa);
            transform.run(&call, &mut output)?;
            Ok(output.as_slice().to_vec())
        };
        let whole = once(&message.to_vec().into(), &ask.ad.to_vec().into());
        let parts = once(&pieces(message), &pieces(ask.ad));
        if transform.kind() != Kind::Random && direction != Direction::Sign {
            assert_eq!(whole, parts);
        }
        whole
    }

    fn digest(name: &str, params: &Params, message: &[u8]) -> String {
        let answer = run(&*super::super::compile(name, params).unwrap(), Direction::Digest, message, &PLAIN).unwrap();
        let mut hasher = hasher(name, params).unwrap().unwrap();
        message.chunks(7).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), answer);
        message.chunks(9).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), answer, "a finished hasher starts anew");
        hex(&answer)
    }

    #[test]
    fn known_answers_for_abc() {
        // FIPS 180-4 and FIPS 202 example values; RFC 7693 appendix A; the BLAKE3 reference.
        let answers = [
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            ("sha3-224", "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
            ("sha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
            (
                "sha3-384",
                "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
            ),
            (
                "sha3-512",
                "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
                 10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
            ),
            (
                "blake2b",
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                 7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            ("blake3", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ];
        for (name, answer) in answers {
            assert_eq!(answer, digest(name, &Params::default(), b"abc"), "{name}");
        }
        assert_eq!(answers.len(), ALGORITHMS.len());
    }

    #[test]
    fn nothing_has_a_digest_too() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(empty, digest("sha256", &Params::default(), b""));
    }

    #[test]
    fn long_messages_agree_in_pieces() {
        let message: Vec<u8> = (0..100_003u32).map(|i| (i * 7 % 251) as u8).collect();
        for algorithm in ALGORITHMS {
            digest(algorithm.name, &Params::default(), &message);
        }
    }

    #[test]
    fn sizes_can_be_chosen_where_the_function_has_them() {
        let sized = |size| Params { digest_size: Some(size), ..Params::default() };
        // BLAKE2b-256 differs from a cut BLAKE2b-512; BLAKE3 is an XOF, so a shorter one is a prefix.
        let blake2b_256 = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
        assert_eq!(blake2b_256, digest("blake2b", &sized(32), b"abc"));
        let long = digest("blake3", &sized(131), b"abc");
        assert_eq!(long.len(), 262);
        assert!(long.starts_with(&digest("blake3", &sized(32), b"abc")));
        for (name, size) in [("blake2b", 0), ("blake2b", 65), ("blake3", 0), ("blake3", 65536), ("sha256", 32)] {
            assert!(matches!(super::super::compile(name, &sized(size)), Err(Status::Usage(_))), "{name} {size}");
        }
    }

    #[test]
    fn the_callers_buffer_is_not_overrun() {
        let transform = super::super::compile("sha256", &Params::default()).unwrap();
        let (source, ad) = (Source::from(b"abc".to_vec()), Source::default());
        let mut memory = [0u8; 31];
        // SAFETY: `memory` outlives the output.
        #[allow(unsafe_code)]
        let mut output = unsafe { Output::fixed(&Pool::new(0), memory.as_mut_ptr(), memory.len()) };
        let call = Call { direction: Direction::Digest, source: &source, nonce: &[], ad: &ad, tag: &[], max_output: 0 };
        assert_eq!(transform.run(&call, &mut output).err(), Some(Status::OutputTooSmall { capacity: 31 }));
    }
}
