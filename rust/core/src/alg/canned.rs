//! `deflate-canned`: bodies of deflate blocks whose header is agreed beforehand, for memory pages. Of the Linux driver
//! iaa_crypto for Intel's analytics accelerator, as proposed in 2024 with a software twin, which this is.
//!
//! A stream is the body of one final dynamic block (RFC 1951 3.2.3) in the code [`CANNED`](super::huffman::CANNED), with its end
//! of block, filled up to a byte; nothing refers back further than 4 KiB. Put
//! [`CANNED_HEADER`](super::huffman::CANNED_HEADER) before it, and any reader of deflate reads it.

use super::huffman::body::{Recipe, Refusal};
use super::huffman::{CANNED, CANNED_HEADER, Flaw};
use super::inflate::{self, GARBAGE};
use super::oneshot::{Room, fitted, gathered};
use super::{Algorithm, Call, Direction, Facts, Kind, Transform};
use crate::buffer::Output;
use crate::ffi::isal::Wrapper;
use crate::ffi::isal_prepared::{Body, Prepared};
use crate::status::{Outcome, Status};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

pub static ALGORITHMS: &[Algorithm] = &[Algorithm {
    name: NAME,
    kind: Kind::Compression,
    driver: DRIVER,
    library: "ISA-L",
    insecure: false,
    compile: |params| params.only(NAME, &[]).map(|()| Arc::new(Canned) as Arc<dyn Transform>),
}];

const NAME: &str = "deflate-canned";
const DRIVER: &str = "deflate-canned-isal";

static RECIPE: LazyLock<Result<Recipe, Flaw>> = LazyLock::new(|| Ok(Recipe::new(CANNED.codes()?, &[], 0, true)));

thread_local! {
    static PREPARED: RefCell<Option<Prepared>> = const { RefCell::new(None) };
}

/// The most bytes that `len` bytes can become: the longest code of a literal has 11 bits, and a match has fewer per byte.
fn bound(len: usize) -> usize {
    len.saturating_add(len / 8 * 3).saturating_add(64)
}

/// Writes a body; gives the bytes written, or `None` if they do not fit.
pub fn compress(source: &[u8], space: &mut [u8]) -> Outcome<Option<usize>> {
    let recipe = RECIPE.as_ref().map_err(|_| Status::Internal("the canned lengths make no code".to_owned()))?;
    match recipe.write(source, space) {
        Ok(bits) => Ok(Some(bits.div_ceil(8))),
        Err(Refusal::Full) => Ok(None),
        Err(Refusal::NoCode) => Err(Status::Internal("the canned code lacks a literal".to_owned())),
    }
}

/// Inflates the body at the start of `source`.
pub fn inflate(source: &[u8], space: &mut [u8]) -> Outcome<Body> {
    PREPARED.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Prepared::new(&CANNED_HEADER);
        }
        match slot {
            Some(prepared) => Ok(prepared.inflate(source, space)),
            None => Err(Status::Internal("the canned header cannot be read".to_owned())),
        }
    })
}

/// A compiled `deflate-canned`.
struct Canned;

impl Canned {
    fn decompress(source: &[u8], guess: usize, output: &mut Output, max_output: u64) -> Outcome<()> {
        let mut room = Room::new(output, guess, max_output);
        loop {
            match inflate(source, room.free())? {
                Body::Done { consumed, produced } if consumed == source.len() => {
                    room.wrote(produced);
                    room.finish();
                    return Ok(());
                }
                Body::Done { consumed, .. } => return Err(Status::Corrupt { offset: consumed as u64, what: GARBAGE }),
                Body::Full => room.grow(room.left().max(4096).saturating_mul(4))?,
                Body::Short { .. } => {
                    return Err(Status::Corrupt { offset: source.len() as u64, what: "truncated deflate data" });
                }
                Body::Bad { consumed, what } => return Err(Status::Corrupt { offset: consumed as u64, what }),
            }
        }
    }
}

impl Transform for Canned {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        DRIVER
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Compress => bound(call.source.len()),
            _ => inflate::guess(Wrapper::Raw, call),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        match call.direction {
            Direction::Compress => gathered(call.source, |source| {
                fitted(output, bound(source.len()), |space| compress(source, space))?;
                Ok(Facts::default())
            }),
            Direction::Decompress => gathered(call.source, |source| {
                Self::decompress(source, inflate::guess(Wrapper::Raw, call), output, call.max_output)?;
                Ok(Facts::default())
            }),
            other => Err(Status::usage(format!("{NAME} cannot {}", other.name()))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::deflate::tests::sample;
    use flate2::{Decompress, FlushDecompress, Status as Flate};

    const JOIN: &[u8] = b"Join us now and share the software Join us now and share the software ";

    fn packed(source: &[u8]) -> Vec<u8> {
        let mut space = vec![0; bound(source.len())];
        let len = compress(source, &mut space).unwrap().unwrap();
        space.truncate(len);
        space
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_the_device_and_zlib_made_is_read() {
        let device = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb7101e53f";
        let software = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb77f90f";
        for vector in [device, software].map(bytes) {
            let mut space = [0; 70];
            assert_eq!(inflate(&vector, &mut space).unwrap(), Body::Done { consumed: vector.len(), produced: 70 });
            assert_eq!(space, JOIN);
        }
        assert!(packed(JOIN).len() <= 37);
    }

    #[test]
    fn with_the_header_any_reader_of_deflate_reads_it() {
        let long = CANNED.header();
        for header in [&CANNED_HEADER[..], &long] {
            for (size, kind) in [(0, 0), (1, 1), (70, 2), (4096, 0), (4096, 1), (4096, 2), (4096, 3), (70_000, 2)] {
                let source = sample(size, kind);
                let whole = [header, &packed(&source)].concat();
                let mut back = vec![0; size + 1];
                let mut zlib = Decompress::new(false);
                let status = zlib.decompress(&whole, &mut back, FlushDecompress::Finish).unwrap();
                assert_eq!((status, zlib.total_in()), (Flate::StreamEnd, whole.len() as u64));
                assert_eq!(back[..zlib.total_out() as usize], source);
            }
        }
    }

    #[test]
    fn cut_or_extended_data_are_told() {
        let whole = packed(&sample(4096, 2));
        let mut space = vec![0; 5000];
        for cut in 0..whole.len() {
            assert!(matches!(inflate(&whole[..cut], &mut space).unwrap(), Body::Short { .. }), "{cut}");
        }
        let longer = [&whole[..], &[0xff; 9]].concat();
        let done = Body::Done { consumed: whole.len(), produced: 4096 };
        assert_eq!(inflate(&longer, &mut space).unwrap(), done);
    }

    #[test]
    fn space_is_exact_and_never_overrun() {
        let source = sample(4096, 2);
        let whole = packed(&source);
        for room in [0, 1, 7, 8, 100, 4095, 4096, 4097] {
            let mut space = vec![0xa5; room + 600];
            let body = inflate(&whole, &mut space[..room]).unwrap();
            let fits = Body::Done { consumed: whole.len(), produced: 4096 };
            assert_eq!(body, if room < 4096 { Body::Full } else { fits }, "{room}");
            assert!(space[room..].iter().all(|byte| *byte == 0xa5));
        }
        for room in [0, 1, whole.len() - 1, whole.len(), whole.len() + 3, whole.len() + 40] {
            let mut space = vec![0xa5; room + 64];
            let len = compress(&source, &mut space[..room]).unwrap();
            assert_eq!(len, (room >= whole.len()).then_some(whole.len()));
            assert!(space[room..].iter().all(|byte| *byte == 0xa5));
        }
    }
}
