//! Descriptors and streams from whoever wishes ill: each ends in a status, and nothing but what is mapped is touched.

use super::super::aecs;
use super::super::space::Iommu;
use super::super::wire::{compress, decompress, flag};
use super::tests::{COMPRESS, DECOMPRESS, Memory, PLAIN, zlib};
use super::*;
use crate::alg::deflate::tests::sample;
use crate::alg::huffman::CANNED;

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() as usize % all.len()]
    }
}

/// So many with optimisation, and fewer without.
const fn rounds(optimised: usize) -> usize {
    if cfg!(debug_assertions) { optimised / 40 } else { optimised }
}

#[test]
fn hostile_descriptors_touch_nothing_that_is_not_mapped() {
    let iommu = Iommu::new(8);
    let mut random = Random(0x5eed_0001);
    let noise: Vec<u8> = (0..4096).map(|_| random.next() as u8).collect();
    let packed = zlib(&sample(4096, 0), 12, 6);
    let body = {
        let mut body = vec![0; 9000];
        let len = crate::alg::canned::compress(&sample(4096, 0), &mut body).unwrap().unwrap();
        body[..len].to_vec()
    };
    let state = aecs::decompress_state(
        &aecs::Place::Body { lengths: Box::new(CANNED), bits: 0, num_bits: 0, is_final: true },
        false,
    );
    let records = [aecs::fixed().unwrap().0.to_vec(), aecs::canned().unwrap().0.to_vec(), state].concat();
    let sources: Vec<Memory> =
        [&noise[..], &packed, &body, &records].iter().map(|bytes| Memory::of(&iommu, bytes, false)).collect();
    let to = Memory::of(&iommu, &[0; 4096], true);
    let scratch = Memory::of(&iommu, &records, true);
    let mut addresses: Vec<u64> = sources.iter().map(Memory::addr).collect();
    addresses.extend([
        to.addr(),
        scratch.addr(),
        scratch.addr() + 1568,
        scratch.addr() + 3136,
        to.addr() + 64,
        0,
        u64::MAX,
    ]);
    let sizes =
        [1, 7, 70, 100, packed.len() as u32, body.len() as u32, 1088, 1248, 1568, 4000, 4096, 4097, 0, u32::MAX];
    let opcodes = [0, 2, 3, 0x42, 0x42, 0x42, 0x43, 0x43, 0x43, 0x44];
    let codec =
        [COMPRESS, DECOMPRESS, COMPRESS | compress::GEN_HDR_1_PASS, DECOMPRESS | decompress::SUPPRESS_OUTPUT, 1, 0];
    let extra =
        [0, flag::RD_SRC2_AECS, flag::RD_SRC2_AECS, flag::WR_SRC2_AECS_COMP, flag::AECS_RW_TOGGLE, flag::CRC_RFC3720];
    let mut seen = std::collections::HashSet::new();
    for round in 0..rounds(200_000) {
        let mut descriptor = Descriptor {
            src1_addr: random.one_of(&addresses),
            src1_size: random.one_of(&sizes),
            dst_addr: random.one_of(&addresses),
            max_dst_size: random.one_of(&sizes),
            codec_flags: random.one_of(&codec),
            src2_addr: random.one_of(&addresses),
            src2_size: random.one_of(&[0, 1088, 1568]),
            ..Descriptor::new(random.one_of(&opcodes), PLAIN | random.one_of(&extra) | random.one_of(&extra))
        };
        // One in four has flipped bits anywhere.
        if random.next() & 3 == 0 {
            let mut bytes = descriptor.to_bytes();
            for _ in 0..1 + random.next() % 4 {
                bytes[random.next() as usize % 64] ^= 1 << (random.next() % 8);
            }
            descriptor = Descriptor::from_bytes(&bytes);
        }
        let completion = execute(&descriptor, &*iommu, &Limits::default());
        assert_ne!(completion.status, status::NONE);
        assert!(u64::from(completion.output_size) <= u64::from(descriptor.max_dst_size));
        seen.insert((completion.status, completion.error_code));
        if round % 64 == 0 {
            to.bytes();
            scratch.bytes();
        }
    }
    for memory in sources.iter().chain([&to, &scratch]) {
        memory.bytes();
    }
    assert!(seen.contains(&(status::SUCCESS, 0)) && seen.len() > 10, "{seen:?}");
}

#[test]
fn hostile_streams_end_in_a_status_and_within_their_room() {
    let mut random = Random(0x5eed_0002);
    let iommu = Iommu::new(4);
    let to = Memory::of(&iommu, &[0; 6000], true);
    let sound: Vec<Vec<u8>> = (0..4)
        .flat_map(|kind| {
            [zlib(&sample(4096, kind), 12, 6), zlib(&sample(3000, kind), 15, 1), zlib(&sample(9000, kind), 15, 9)]
        })
        .collect();
    let mut body = vec![0; 9000];
    let len = crate::alg::canned::compress(&sample(4096, 0), &mut body).unwrap().unwrap();
    body.truncate(len);
    let state = aecs::decompress_state(
        &aecs::Place::Body { lengths: Box::new(CANNED), bits: 0, num_bits: 0, is_final: true },
        false,
    );
    let state = Memory::of(&iommu, &state, false);
    for _ in 0..rounds(100_000) {
        let is_canned = random.next() & 3 == 0;
        let mut bytes = if is_canned { body.clone() } else { sound[random.next() as usize % sound.len()].clone() };
        // Mostly near the start, where the headers are.
        for _ in 0..1 + random.next() % 3 {
            let most = if random.next() & 1 == 0 { bytes.len().min(80) } else { bytes.len() };
            bytes[random.next() as usize % most] = random.next() as u8;
        }
        if random.next() & 7 == 0 {
            bytes.truncate(1 + random.next() as usize % bytes.len());
        }
        let source = Memory::of(&iommu, &bytes, false);
        let extra = if is_canned { flag::RD_SRC2_AECS } else { 0 };
        let descriptor = Descriptor {
            src1_addr: source.addr(),
            src1_size: bytes.len() as u32,
            dst_addr: to.addr(),
            max_dst_size: random.one_of(&[6000, 4096, 100, 1]),
            codec_flags: random.one_of(&[DECOMPRESS, DECOMPRESS | decompress::SUPPRESS_OUTPUT, decompress::ENABLE]),
            src2_addr: if is_canned { state.addr() } else { 0 },
            src2_size: if is_canned { 1088 } else { 0 },
            ..Descriptor::new(opcode::DECOMPRESS, PLAIN | extra)
        };
        let completion = execute(&descriptor, &*iommu, &Limits::default());
        let known = [status::SUCCESS, status::ANALYTICS_ERROR, status::OUTPUT_OVERFLOW];
        assert!(known.contains(&completion.status), "{completion:?}");
        assert!(completion.output_size <= descriptor.max_dst_size);
        assert!(completion.bytes_completed as usize <= bytes.len());
    }
    to.bytes();
}
