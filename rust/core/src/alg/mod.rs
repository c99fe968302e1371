//! The algorithms: one family per file, every primitive and codec from a library.
//!
//! A family lists its [`Algorithm`]s; [`ALGORITHMS`] is the one place that names the families. A name plus [`Params`]
//! compiles to a [`Transform`], which is immutable and shared by all threads; contexts that a library needs per call
//! live in thread-local storage or in a pool inside the transform.

use crate::buffer::{Output, Source};
use crate::status::{Outcome, Status};
use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

pub mod aead;
pub mod bgzf;
pub mod canned;
pub mod checksum;
pub mod cipher;
pub mod deflate;
pub mod digest;
pub mod frames;
pub mod huffman;
pub mod inflate;
pub mod lz4;
pub mod mac;
pub mod oneshot;
pub mod public_key;
pub mod random;
mod reading;
pub mod stream;
pub mod stream_aead;
pub mod subtrees;
pub mod wrapper;
pub mod xts;
pub mod zlib;
pub mod zstd;

/// What sort of thing an algorithm is; decides which operations a transform has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Compression,
    Digest,
    Mac,
    Cipher,
    Aead,
    Signature,
    Agreement,
    Random,
}

/// What is asked of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    Compress,
    Decompress,
    Encrypt,
    Decrypt,
    Digest,
    Mac,
    Verify,
    Sign,
    Agree,
    Generate,
}

impl Direction {
    pub const COUNT: usize = 10;

    /// The verb, as messages and listings print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compress => "compress",
            Self::Decompress => "decompress",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Digest => "digest",
            Self::Mac => "mac",
            Self::Verify => "verify",
            Self::Sign => "sign",
            Self::Agree => "agree",
            Self::Generate => "random",
        }
    }
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Compression,
        Self::Digest,
        Self::Mac,
        Self::Cipher,
        Self::Aead,
        Self::Signature,
        Self::Agreement,
        Self::Random,
    ];

    /// The kind's name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compression => "compression",
            Self::Digest => "digest",
            Self::Mac => "mac",
            Self::Cipher => "cipher",
            Self::Aead => "aead",
            Self::Signature => "signature",
            Self::Agreement => "agreement",
            Self::Random => "random",
        }
    }

    /// The operations that transforms of this kind have.
    pub fn directions(self) -> &'static [Direction] {
        use Direction::*;
        match self {
            Self::Compression => &[Compress, Decompress],
            Self::Digest => &[Digest],
            Self::Mac => &[Mac, Verify],
            Self::Cipher | Self::Aead => &[Encrypt, Decrypt],
            Self::Signature => &[Sign, Verify],
            Self::Agreement => &[Agree],
            Self::Random => &[Generate],
        }
    }
}

/// Parameters by name; what an algorithm does not know it must refuse ([`Params::only`]).
#[derive(Default, Clone)]
pub struct Params {
    pub key: Option<Zeroizing<Vec<u8>>>,
    pub level: Option<i32>,
    pub strategy: Option<String>,
    /// Bytes of an AEAD's or MAC's tag.
    pub tag_len: Option<usize>,
    /// Bytes of a digest whose size is variable.
    pub digest_size: Option<usize>,
    /// log2 of the history window, where a codec lets one choose.
    pub window: Option<u32>,
    /// The hash of a signature scheme.
    pub hash: Option<String>,
    /// The padding of an RSA signature: "pss" or "pkcs1".
    pub padding: Option<String>,
    /// Compress to a part of a longer deflate stream: no final block, ends on a byte (RFC 1951 3.2.4's empty stored
    /// block), refers to nothing before it. Leaves the CRC-32 of the source in [`Facts::checksum`]. Of bgzf: blocks
    /// without the empty one that ends a file.
    pub part: bool,
    /// Bytes that are sealed at a time, of an AEAD that cuts its messages; bytes of a sector, of XTS.
    pub unit: Option<usize>,
    /// Whether every result is checked before its caller gets it; no algorithm's own parameter.
    pub verify: bool,
}

impl Params {
    /// Refuses every parameter that is set and not named in `known`.
    pub fn only(&self, name: &str, known: &[&str]) -> Outcome<()> {
        let set = [
            ("key", self.key.is_some()),
            ("level", self.level.is_some()),
            ("strategy", self.strategy.is_some()),
            ("tag_len", self.tag_len.is_some()),
            ("digest_size", self.digest_size.is_some()),
            ("window", self.window.is_some()),
            ("hash", self.hash.is_some()),
            ("padding", self.padding.is_some()),
            ("part", self.part),
            ("unit", self.unit.is_some()),
        ];
        match set.iter().find(|(parameter, is_set)| *is_set && !known.contains(parameter)) {
            Some((parameter, _)) => Err(Status::usage(format!("{name} takes no parameter {parameter}"))),
            None => Ok(()),
        }
    }

    /// The key, or a usage error that says what the algorithm wants.
    pub fn key(&self, name: &str, wanted: impl FnOnce() -> String) -> Outcome<&[u8]> {
        match &self.key {
            Some(key) => Ok(key),
            None => Err(Status::usage(format!("{name} needs a key: {}", wanted()))),
        }
    }
}

/// One piece of work, as an algorithm sees it.
pub struct Call<'a> {
    pub direction: Direction,
    pub source: &'a Source,
    /// Nonce or IV; empty where the algorithm takes none.
    pub nonce: &'a [u8],
    /// Additional data of an AEAD; the peer's public value of an agreement lies in `source`.
    pub ad: &'a Source,
    /// The tag or signature to check, for [`Direction::Verify`].
    pub tag: &'a [u8],
    /// The most bytes that decompression may give; the number of bytes wanted, for [`Direction::Generate`].
    pub max_output: u64,
}

/// What an algorithm tells beside its bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// CRC-32 (gzip's) of the uncompressed side, where it was computed on the way.
    pub checksum: Option<u32>,
}

/// One of several pieces of work that are done together.
pub struct Job<'a> {
    pub transform: &'a dyn Transform,
    pub call: Call<'a>,
    pub output: &'a mut Output,
}

/// Runs one call in this thread. A panic below becomes a failure, never an abort.
pub fn attempt(transform: &dyn Transform, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
    let outcome = catch_unwind(AssertUnwindSafe(|| transform.run(call, output)));
    outcome.unwrap_or_else(|panic| Err(Status::Internal(panic_message(&*panic))))
}

/// What a panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic in an engine: {}", text.unwrap_or("no message"))
}

/// An algorithm with its parameters and key. Immutable; any number of threads may run it at once. `Any`, so that an
/// engine may know again what it compiled itself.
pub trait Transform: Any + Send + Sync {
    fn kind(&self) -> Kind;

    /// The name of the implementation that serves this direction: `deflate-isal`, `gcm-aes-awslc`.
    fn driver(&self, direction: Direction) -> &'static str;

    /// Cheap checks of lengths, on the caller's thread, before anything is queued.
    fn check(&self, _call: &Call<'_>) -> Outcome<()> {
        Ok(())
    }

    /// Expected bytes of output; a bound where one is known, else a guess. Used for budgets and the first allocation.
    fn capacity(&self, call: &Call<'_>) -> usize;

    /// Whether that is the size of every result, of digests and ciphers; else only a guess.
    fn knows_sizes(&self) -> bool {
        true
    }

    /// Does the work. On failure nothing of `output` is released; an open that fails its tag has wiped it.
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts>;

    /// Does several of its calls together, as [`run`](Self::run) does one; their results, in order.
    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        jobs.iter_mut().map(|job| attempt(job.transform, &job.call, job.output)).collect()
    }

    /// The name and parameters it was made from, for engines outside the core, which compile for themselves.
    fn recipe(&self) -> Option<(&'static str, &Params)> {
        None
    }

    /// The public half of a private key (SPKI or raw, as the algorithm takes it), where there is one.
    fn public_key(&self) -> Option<Vec<u8>> {
        None
    }
}

/// One row of the list of algorithms.
pub struct Algorithm {
    pub name: &'static str,
    pub kind: Kind,
    /// The driver that serves default parameters.
    pub driver: &'static str,
    /// The library behind it, for listings.
    pub library: &'static str,
    /// Broken or outdated: listed as such, refused unless the layer's settings ask for it.
    pub insecure: bool,
    pub compile: fn(&Params) -> Outcome<Arc<dyn Transform>>,
}

/// Every family's list. A new family is one line here.
pub static ALGORITHMS: &[&[Algorithm]] = &[
    deflate::ALGORITHMS,
    canned::ALGORITHMS,
    bgzf::ALGORITHMS,
    zstd::ALGORITHMS,
    lz4::ALGORITHMS,
    digest::ALGORITHMS,
    checksum::ALGORITHMS,
    mac::ALGORITHMS,
    aead::ALGORITHMS,
    stream_aead::ALGORITHMS,
    cipher::ALGORITHMS,
    xts::ALGORITHMS,
    random::ALGORITHMS,
    public_key::ALGORITHMS,
];

/// Finds an algorithm by its exact name.
pub fn find(name: &str) -> Option<&'static Algorithm> {
    static BY_NAME: LazyLock<HashMap<&str, &Algorithm>> =
        LazyLock::new(|| ALGORITHMS.iter().copied().flatten().map(|algorithm| (algorithm.name, algorithm)).collect());
    BY_NAME.get(name).copied()
}

/// Compiles a name with parameters.
pub fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    match find(name) {
        Some(algorithm) => (algorithm.compile)(params),
        None => Err(unknown(name)),
    }
}

/// Algorithms that belong to the field and that no library here can do, with the reason. See docs/decisions/0007.
pub static ABSENT: &[(&str, &str)] = &[
    ("lzo", "liblzo2 is GPL, and no library under a compatible licence gets the empty message right"),
    ("lzo-rle", "the kernel's own variant of LZO; no library has it"),
    ("842", "IBM 842; no maintained library has it"),
];

/// Why a name cannot be compiled: known and absent, or not known at all.
pub fn unknown(name: &str) -> Status {
    match ABSENT.iter().find(|(absent, _)| *absent == name) {
        Some((_, reason)) => Status::NoEngine(format!("{name} is absent: {reason}")),
        None => Status::UnknownAlgorithm(format!("no algorithm is called {name:?}")),
    }
}
