//! What the tests of all templates share: parts from the core's own algorithms, and runs in every form of memory.

use super::*;
use crate::alg;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// An algorithm of the core as a part.
struct Row {
    algorithm: &'static alg::Algorithm,
    shape: Shape,
}

impl Part for Row {
    fn name(&self) -> &str {
        self.algorithm.name
    }
    fn kind(&self) -> Kind {
        self.algorithm.kind
    }
    fn shape(&self) -> Shape {
        self.shape
    }
    fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        (self.algorithm.compile)(params)
    }
}

/// An algorithm of the core, with the sizes that templates ask for.
pub fn row(name: &str) -> Arc<dyn Part> {
    let (block, digest, nonce, tag) = match name {
        "sha1" => (64, 20, 0, 0),
        "sha224" => (64, 28, 0, 0),
        "sha256" => (64, 32, 0, 0),
        "sha384" => (128, 48, 0, 0),
        "sha512" => (128, 64, 0, 0),
        "sha3-256" => (136, 32, 0, 0),
        "sha3-512" => (72, 64, 0, 0),
        "blake2b" => (128, 64, 0, 0),
        "crc32" => (1, 4, 0, 0),
        "hmac(sha1)" => (64, 20, 0, 0),
        "hmac(sha256)" => (64, 32, 0, 0),
        "hmac(sha512)" => (128, 64, 0, 0),
        "ecb(aes)" => (16, 0, 0, 0),
        "cbc(aes)" => (16, 0, 16, 0),
        "ctr(aes)" => (1, 0, 16, 0),
        "cbc(des3_ede)" => (8, 0, 8, 0),
        "gcm(aes)" => (1, 0, 12, 16),
        "ccm(aes)" => (1, 0, 16, 16),
        "rfc7539(chacha20,poly1305)" => (1, 0, 12, 16),
        other => unreachable!("no shape for {other}"),
    };
    let algorithm = alg::find(name).unwrap();
    Arc::new(Row { algorithm, shape: Shape { block, digest, nonce, tag } })
}

pub fn composed(template: &str, kind: Kind, shape: Shape, parts: Vec<Arc<dyn Part>>) -> Composition {
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    let name = format!("{template}({})", names.join(","));
    Composition { template: template.into(), name, driver: "under-test", kind, shape, parts }
}

/// A composition of rows, none of whose sizes matters.
pub fn of(template: &str, kind: Kind, parts: &[&str]) -> Composition {
    composed(template, kind, Shape::default(), parts.iter().map(|name| row(name)).collect())
}

pub fn tagged(key: &[u8], tag_len: usize) -> Params {
    Params { tag_len: Some(tag_len), ..keyed(key) }
}

/// The error of what must not compile, in words.
pub fn refused(composition: &Composition, params: &Params) -> String {
    match composition.compile(params) {
        Ok(_) => unreachable!("{} compiled", composition.name),
        Err(status) => status.to_string(),
    }
}

#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    pub nonce: &'a [u8],
    pub ad: &'a [u8],
    pub tag: &'a [u8],
}

fn pieces(message: &[u8]) -> View<'_> {
    let (first, second) = (message.len() / 3, message.len() / 2);
    View::of(&message[..first]).then(&message[first..second]).then(&message[second..])
}

/// Checks and runs, in one and in three segments, into the pool's memory and into the caller's. The caller's has
/// exactly the room of the result; less is refused, and after any failure nothing but zeros or what lay there before is
/// left.
pub fn run(transform: &dyn Transform, direction: Direction, message: &[u8], ask: Ask<'_>) -> Outcome<Vec<u8>> {
    const BEFORE: u8 = 0xaa;
    let pool = Pool::new(1 << 24);
    let once = |source: &Source, ad: &Source, output: &mut Output| {
        let call = Call { direction, source, nonce: ask.nonce, ad, tag: ask.tag, max_output: 0 };
        transform.check(&call)?;
        let outcome = transform.run(&call, output);
        let len = output.len();
        if outcome.is_err() {
            let whole = output.space(transform.capacity(&call));
            assert_eq!(0, len);
            assert!(whole.iter().all(|&byte| byte == 0 || byte == BEFORE), "a failure left bytes behind");
        } else {
            assert_eq!(len, transform.capacity(&call));
        }
        outcome.map(|_| output.as_slice().to_vec())
    };
    let dirty = |capacity: usize| {
        let mut output = Output::pooled(&pool);
        output.space(capacity).fill(BEFORE);
        output
    };
    let whole = once(&View::of(message), &View::of(ask.ad), &mut dirty(message.len() + 100));
    assert_eq!(whole, once(&pieces(message), &pieces(ask.ad), &mut dirty(1)));
    let most = whole.as_ref().map_or(message.len() + 100, Vec::len);
    for capacity in [most, most.saturating_sub(1)] {
        let mut memory = vec![BEFORE; capacity];
        #[allow(unsafe_code)]
        // SAFETY: `memory` outlives `output` and is not looked at meanwhile.
        let mut output = unsafe { Output::fixed(&pool, memory.as_mut_ptr(), capacity) };
        let fixed = once(&pieces(message), &pieces(ask.ad), &mut output);
        if whole.is_err() || capacity == most {
            assert_eq!(whole, fixed);
        } else {
            assert_eq!(Err(Status::OutputTooSmall { capacity }), fixed);
        }
    }
    whole
}

/// Encrypts and decrypts; gives the result in hexadecimal.
pub fn both_ways(transform: &dyn Transform, ask: Ask<'_>, message: &[u8]) -> String {
    let sealed = run(transform, Direction::Encrypt, message, ask).unwrap();
    assert_eq!(run(transform, Direction::Encrypt, message, ask).as_ref(), Ok(&sealed));
    assert_eq!(run(transform, Direction::Decrypt, &sealed, ask).as_deref(), Ok(message));
    hex(&sealed)
}

/// The same for an AEAD: each part counts, and a failure spoils nothing for the next message.
pub fn sealed_and_opened(transform: &dyn Transform, ask: Ask<'_>, message: &[u8], tag_len: usize) -> String {
    let answer = both_ways(transform, ask, message);
    let sealed = unhex(&answer);
    assert_eq!(sealed.len(), message.len() + tag_len);
    forge(transform, ask, &sealed);
    assert_eq!(run(transform, Direction::Decrypt, &sealed, ask).as_deref(), Ok(message));
    answer
}

/// Changes each part of what opens, which must fail.
pub fn forge(transform: &dyn Transform, ask: Ask<'_>, sealed: &[u8]) {
    let failed = Err(Status::AuthenticationFailed);
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut forged = sealed.to_vec();
        forged[at] ^= 0x80;
        assert_eq!(run(transform, Direction::Decrypt, &forged, ask), failed);
    }
    for at in 0..ask.ad.len() {
        let mut forged = ask.ad.to_vec();
        forged[at] ^= 1;
        assert_eq!(run(transform, Direction::Decrypt, sealed, Ask { ad: &forged, ..ask }), failed);
    }
    assert_eq!(run(transform, Direction::Decrypt, &sealed[..3], ask), failed);
    assert_eq!(run(transform, Direction::Decrypt, &[], ask), failed);
}
