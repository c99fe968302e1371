//! Checksums: CRC-32 (ISO-HDLC: gzip, zlib, PNG; RFC 1952) and CRC-32C (Castagnoli: iSCSI, ext4; RFC 3720).
//!
//! The result is the 32-bit value as 4 bytes, most significant first, as hexadecimal listings print it (gzip's trailer
//! has them the other way round). They find accidents, not attackers.

use super::*;
use crc_fast::CrcAlgorithm;

pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm {
        name: "crc32",
        kind: Kind::Digest,
        driver: Crc::Crc32.driver(),
        library: "crc-fast",
        insecure: false,
        compile: |params| compile("crc32", params),
    },
    Algorithm {
        name: "crc32c",
        kind: Kind::Digest,
        driver: Crc::Crc32c.driver(),
        library: "crc-fast",
        insecure: false,
        compile: |params| compile("crc32c", params),
    },
];

const SIZE: usize = 4;

#[derive(Clone, Copy)]
enum Crc {
    Crc32,
    Crc32c,
}

impl Crc {
    /// `None` if the name is no checksum's.
    fn new(name: &str, params: &Params) -> Option<Outcome<Self>> {
        let crc = match name {
            "crc32" => Self::Crc32,
            "crc32c" => Self::Crc32c,
            _ => return None,
        };
        Some(params.only(name, &[]).map(|()| crc))
    }

    const fn driver(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32-crcfast",
            Self::Crc32c => "crc32c-crcfast",
        }
    }

    fn of(self, bytes: &[u8]) -> u32 {
        match self {
            Self::Crc32 => crc_fast::crc32_iso_hdlc(bytes),
            Self::Crc32c => crc_fast::crc32_iscsi(bytes),
        }
    }

    fn start(self) -> crc_fast::Digest {
        crc_fast::Digest::new(match self {
            Self::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Self::Crc32c => CrcAlgorithm::Crc32Iscsi,
        })
    }
}

/// The crate widens every CRC to 64 bits; these two fill the lower half. Starts anew.
fn value(digest: &mut crc_fast::Digest) -> u32 {
    digest.finalize_reset() as u32
}

struct Checksum {
    crc: Crc,
}

fn compile(name: &str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    match Crc::new(name, params) {
        Some(crc) => Ok(Arc::new(Checksum { crc: crc? })),
        None => Err(Status::UnknownAlgorithm(format!("no checksum is called {name:?}"))),
    }
}

impl Transform for Checksum {
    fn kind(&self) -> Kind {
        Kind::Digest
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.crc.driver()
    }

    fn capacity(&self, _call: &Call<'_>) -> usize {
        SIZE
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let crc = match call.source.as_slice() {
            Some(bytes) => self.crc.of(bytes),
            None => {
                let mut digest = self.crc.start();
                call.source.segments().for_each(|segment| digest.update(segment));
                value(&mut digest)
            }
        };
        output.exactly(SIZE)?.copy_from_slice(&crc.to_be_bytes());
        output.set_len(SIZE);
        Ok(Facts::default())
    }
}

/// A checksum computed piece by piece; `None` if the name is no checksum's.
pub fn hasher(name: &str, params: &Params) -> Option<Outcome<Box<dyn stream::Hasher>>> {
    let start = |crc: Crc| -> Box<dyn stream::Hasher> { Box::new(Hasher { crc, digest: crc.start() }) };
    Some(Crc::new(name, params)?.map(start))
}

struct Hasher {
    crc: Crc,
    digest: crc_fast::Digest,
}

impl stream::Hasher for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    fn finish(&mut self) -> Vec<u8> {
        value(&mut self.digest).to_be_bytes().to_vec()
    }

    fn driver(&self) -> &'static str {
        self.crc.driver()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{PLAIN, hex, run};
    use super::*;

    fn checksum(name: &str, message: &[u8]) -> String {
        let transform = super::super::compile(name, &Params::default()).unwrap();
        let answer = run(&*transform, Direction::Digest, message, &PLAIN).unwrap();
        let mut hasher = hasher(name, &Params::default()).unwrap().unwrap();
        message.chunks(5).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), answer);
        hex(&answer)
    }

    #[test]
    fn known_answers() {
        // The "check" values of the CRC catalogue; RFC 3720 B.4 for 32 zero bytes.
        assert_eq!("cbf43926", checksum("crc32", b"123456789"));
        assert_eq!("e3069283", checksum("crc32c", b"123456789"));
        assert_eq!("8a9136aa", checksum("crc32c", &[0; 32]));
        assert_eq!("00000000", checksum("crc32", b""));
    }

    #[test]
    fn long_messages_agree_in_pieces() {
        let message: Vec<u8> = (0..70_001u32).map(|i| (i * 13 % 253) as u8).collect();
        checksum("crc32", &message);
        checksum("crc32c", &message);
    }

    #[test]
    fn parameters_are_refused() {
        let params = Params { digest_size: Some(4), ..Params::default() };
        assert!(matches!(super::super::compile("crc32", &params), Err(Status::Usage(_))));
    }
}
