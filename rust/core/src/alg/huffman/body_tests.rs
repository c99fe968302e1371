use super::*;
use crate::alg::deflate::tests::sample;
use crate::alg::huffman::tokens::{self, Problem};
use crate::alg::huffman::{CANNED, CANNED_HEADER, Lengths, assign, fixed};
use flate2::{Decompress, FlushDecompress, Status as Flate};

const FIXED_HEADER: [u8; 1] = [0b011];

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// Lengths of a complete code with each symbol but `absent`, at most `most` bits.
fn random_lengths<const N: usize>(random: &mut Random, most: u8, absent: usize) -> [u8; N] {
    let mut lengths = [0u8; N];
    let present: Vec<usize> = {
        let mut all: Vec<usize> = (0..N).collect();
        for at in (1..N).rev() {
            all.swap(at, random.next(at as u64 + 1) as usize);
        }
        all.split_off(absent)
    };
    let mut leaves = vec![0u8];
    while leaves.len() < present.len() {
        let at = random.next(leaves.len() as u64) as usize;
        if leaves[at] < most {
            leaves[at] += 1;
            leaves.push(leaves[at]);
        }
    }
    for (symbol, len) in present.iter().zip(&leaves) {
        lengths[*symbol] = *len;
    }
    lengths
}

fn written(recipe: &Recipe, source: &[u8]) -> (Vec<u8>, usize) {
    let mut space = vec![0xff; BodyWriter::bound(source.len())];
    let bits = recipe.write(source, &mut space).unwrap();
    space.truncate(bits.div_ceil(8));
    (space, bits)
}

/// The source, from the tokens.
fn unpacked(packed: &[u8], bits: usize, decoders: &Decoders) -> Vec<u8> {
    let (mut bits, mut all) = (Bits::new(packed, bits), Vec::new());
    while let Some(token) = decoders.next(&mut bits).unwrap() {
        match token {
            Token::Literal(byte) => all.push(byte),
            Token::Match { len, distance } => {
                assert!(distance <= 4096);
                for _ in 0..len {
                    all.push(all[all.len() - usize::from(distance)]);
                }
            }
        }
    }
    assert_eq!(bits.left(), 0);
    all
}

fn sources() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..40).map(|size| sample(size, 2)).collect();
    for kind in 0..4 {
        all.extend([100, 4095, 4096, 4097, 20_000].map(|size| sample(size, kind)));
    }
    all.extend([vec![0; 4096], vec![0xff; 4096], vec![0; 9000], vec![7; 4096], vec![0xff; 9]]);
    all.push([vec![0; 4096], sample(5000, 2)].concat());
    all
}

#[test]
fn zlib_reads_the_fixed_code() {
    let recipe = Recipe::new(fixed().unwrap(), &FIXED_HEADER, 3, true);
    assert!(recipe.is_direct());
    for source in sources() {
        let (packed, _) = written(&recipe, &source);
        let (mut back, mut zlib) = (vec![0; source.len() + 1], Decompress::new(false));
        assert_eq!(zlib.decompress(&packed, &mut back, FlushDecompress::Finish).unwrap(), Flate::StreamEnd);
        assert_eq!(back[..zlib.total_out() as usize], source);
        let reading = tokens::read(Bits::new(&packed, usize::MAX), None, 4096);
        assert_eq!((reading.produced, reading.problem), (source.len(), None));
    }
}

#[test]
fn seventy_bytes_become_38_in_the_fixed_code_as_with_zlib() {
    let recipe = Recipe::new(fixed().unwrap(), &FIXED_HEADER, 3, true);
    let source = b"Join us now and share the software Join us now and share the software ";
    assert_eq!(written(&recipe, source).0.len(), 38);
}

#[test]
fn transcoding_writes_what_igzip_itself_writes() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut recipes = vec![(Decoders::new(&CANNED), CANNED.codes().unwrap()), (Decoders::fixed(), fixed().unwrap())];
    for _ in 0..6 {
        let lengths =
            Lengths { literals: random_lengths(&mut random, 12, 0), distances: random_lengths(&mut random, 8, 0) };
        recipes.push((Decoders::new(&lengths), lengths.codes().unwrap()));
    }
    for (decoders, codes) in recipes {
        for (header_bits, with_end) in [(0, true), (3, true), (0, false), (624, true), (2047, false)] {
            let header = CANNED_HEADER.repeat(4);
            let direct = Recipe::new(codes.clone(), &header, header_bits, with_end);
            assert!(direct.is_direct());
            let transcoded = Recipe { tables: None, ..Recipe::new(codes.clone(), &header, header_bits, with_end) };
            for source in sources() {
                assert!(written(&direct, &source) == written(&transcoded, &source), "{} bytes", source.len());
            }
        }
        let direct = Recipe::new(codes, &[], 0, true);
        for source in sources() {
            let (packed, bits) = written(&direct, &source);
            assert!(unpacked(&packed, bits, &decoders) == source);
        }
    }
}

#[test]
fn codes_that_igzip_cannot_take_are_transcoded() {
    let mut random = Random(77);
    for absent in [0, 1, 10, 29] {
        // Lengths up to 15 bits, and then some without code: only literals must have one.
        let mut lengths = Lengths {
            literals: random_lengths(&mut random, 15, 0),
            distances: random_lengths(&mut random, 15, absent),
        };
        for symbol in lengths.literals.iter_mut().skip(257).step_by(3) {
            *symbol = if absent > 0 { 0 } else { *symbol };
        }
        let recipe = Recipe::new(
            Codes { literals: assign(&lengths.literals).unwrap(), distances: assign(&lengths.distances).unwrap() },
            &[],
            0,
            true,
        );
        let decoders = Decoders::new(&lengths);
        for source in sources() {
            let (packed, bits) = written(&recipe, &source);
            assert!(unpacked(&packed, bits, &decoders) == source, "{absent} absent, {} bytes", source.len());
        }
    }
}

#[test]
fn a_literal_without_code_is_refused_only_if_it_occurs() {
    let mut codes = fixed().unwrap();
    codes.literals[b'x' as usize] = Symbol::default();
    let recipe = Recipe::new(codes.clone(), &[], 0, true);
    let mut space = [0; 100];
    assert!(recipe.write(b"no such letter", &mut space).is_ok());
    assert_eq!(recipe.write(b"one x", &mut space), Err(Refusal::NoCode));
    codes.literals[256] = Symbol::default();
    let recipe = Recipe::new(codes, &[], 0, true);
    assert_eq!(recipe.write(b"no end", &mut space), Err(Refusal::NoCode));
}

#[test]
fn what_fits_is_accepted_and_nothing_behind_is_touched() {
    for with_tables in [true, false] {
        let mut recipe = Recipe::new(fixed().unwrap(), &FIXED_HEADER, 3, true);
        if !with_tables {
            recipe.tables = None;
        }
        for source in [sample(4096, 2), sample(4096, 1), vec![0; 4096], vec![], vec![1]] {
            let (packed, bits) = written(&recipe, &source);
            for room in [0, 1, packed.len() - 1, packed.len(), packed.len() + 5] {
                let mut space = vec![0xa5; room + 64];
                let fits = room >= packed.len();
                let outcome = recipe.write(&source, &mut space[..room]);
                assert_eq!(outcome, if fits { Ok(bits) } else { Err(Refusal::Full) });
                assert!(!fits || space[..packed.len()] == packed);
                assert!(space[room..].iter().all(|byte| *byte == 0xa5));
            }
        }
    }
}

#[test]
fn problems_have_their_numbers() {
    let problem = |bytes: &[u8]| tokens::read(Bits::new(bytes, usize::MAX), None, 4096).problem.unwrap();
    assert_eq!(problem(&[0b111]), Problem::BadBlockType);
    assert_eq!(problem(&[1, 0, 0, 0, 0]), Problem::BadStoredLength);
    assert_eq!(problem(&[]), Problem::EndsEarly);
    assert_eq!(problem(&[0b011]), Problem::EndsEarly);
}
