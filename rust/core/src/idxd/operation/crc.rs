//! Checksums: those that go with compressing and decompressing, and CRC-64 with any polynomial.

use super::super::space::Space;
use super::super::wire::{Completion, Descriptor, crc64 as flags, flag, status};
use super::faulted;
use crate::ffi::libdeflate;
use crc_fast::{CrcAlgorithm, Digest};

/// CRC and XOR of what is not compressed, over one descriptor or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksums {
    pub crc: u32,
    pub xor: u16,
    is_castagnoli: bool,
}

impl Checksums {
    /// Going on from those of a record of codec state.
    pub(super) fn new(descriptor: &Descriptor, (crc, xor): (u32, u16)) -> Self {
        Self { crc, xor, is_castagnoli: descriptor.has(flag::CRC_RFC3720) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc = if self.is_castagnoli {
            let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!self.crc));
            digest.update(bytes);
            digest.finalize() as u32
        } else {
            libdeflate::crc32(self.crc, bytes)
        };
        self.xor ^= xor16(bytes);
    }

    pub(super) fn tell(&self, completion: Completion) -> Completion {
        Completion { crc: self.crc, xor_csum: self.xor, ..completion }
    }
}

/// XOR of all little-endian words of 16 bits; a last odd byte is a word by itself.
fn xor16(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    // Eight at a time: none waits for the one before.
    let (groups, few) = words.as_chunks::<8>();
    let all =
        groups.iter().fold([0; 8], |all, group| std::array::from_fn(|at| all[at] ^ u64::from_le_bytes(group[at])));
    let word = few.iter().map(|word| u64::from_le_bytes(*word)).chain(all).fold(0, |all, word| all ^ word);
    let folded = (word ^ word >> 32) as u32;
    let folded = (folded ^ folded >> 16) as u16;
    rest.chunks(2).fold(folded, |all, pair| all ^ pair.iter().rev().fold(0, |word, byte| word << 8 | u16::from(*byte)))
}

/// Of any polynomial. The highest bit of each byte comes first, or the lowest if the flag says so, as QPL's software has it.
///
/// By a table of our own: the library keeps what it prepares for a polynomial for ever, and anyone may name any number of
/// them here.
pub(super) fn crc64(descriptor: &Descriptor, space: &dyn Space) -> Result<Completion, Completion> {
    let source = space.read(descriptor.src1_addr, descriptor.src1_size as usize).map_err(faulted)?;
    let polynomial = u64::from(descriptor.filter_flags) | u64::from(descriptor.num_inputs) << 32;
    let is_reflected = descriptor.codec_flags & flags::BIG_ENDIAN != 0;
    let is_inverted = descriptor.codec_flags & flags::INVERT != 0;
    let crc = checksum(source.bytes(), polynomial, is_reflected, is_inverted);
    Ok(Completion {
        bytes_completed: descriptor.src1_size,
        max: crc as u32,
        sum: (crc >> 32) as u32,
        ..Completion::of(status::SUCCESS)
    })
}

fn checksum(bytes: &[u8], polynomial: u64, is_reflected: bool, is_inverted: bool) -> u64 {
    // All ones from the highest bit of the polynomial down to its lowest: of a short one, that lies at the top, its width.
    let ones = if polynomial == 0 || !is_inverted { 0 } else { u64::MAX << polynomial.trailing_zeros() };
    if is_reflected {
        let (polynomial, ones) = (polynomial.reverse_bits(), ones.reverse_bits());
        let step = |crc: u64| crc >> 1 ^ polynomial & (crc & 1).wrapping_neg();
        let table: [u64; 256] = std::array::from_fn(|byte| (0..8).fold(byte as u64, |crc, _| step(crc)));
        bytes.iter().fold(ones, |crc, byte| table[usize::from(byte ^ crc as u8)] ^ crc >> 8) ^ ones
    } else {
        let step = |crc: u64| crc << 1 ^ polynomial & (crc >> 63).wrapping_neg();
        let table: [u64; 256] = std::array::from_fn(|byte| (0..8).fold((byte as u64) << 56, |crc, _| step(crc)));
        bytes.iter().fold(ones, |crc, byte| table[usize::from(byte ^ (crc >> 56) as u8)] ^ crc << 8) ^ ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &[u8] = b"123456789";

    #[test]
    fn known_polynomials_give_their_check_values() {
        const ECMA: u64 = 0x42f0_e1eb_a9ea_3693;
        assert_eq!(checksum(CHECK, ECMA, false, false), 0x6c40_df5f_0b49_7347, "CRC-64/ECMA-182");
        assert_eq!(checksum(CHECK, ECMA, false, true), 0x62ec_59e3_f1a4_f00a, "CRC-64/WE");
        assert_eq!(checksum(CHECK, ECMA, true, true), 0x995d_c9bb_df19_39fa, "CRC-64/XZ");
        // Shorter ones lie at the top, and so does their result; at the bottom of a reflected one.
        assert_eq!(checksum(CHECK, 0x04c1_1db7 << 32, false, true) >> 32, 0xfc89_1918, "CRC-32/BZIP2");
        assert_eq!(checksum(CHECK, 0x04c1_1db7 << 32, true, true), 0xcbf4_3926, "CRC-32/ISO-HDLC");
        assert_eq!(checksum(CHECK, 0x1021 << 48, false, false) >> 48, 0x31c3, "CRC-16/XMODEM");
        let source: Vec<u8> = (0..1000).map(|at| at as u8).collect();
        assert_eq!(checksum(&source, 0x04c1_1db7 << 32, false, false), 6_467_333_940_108_591_104, "QPL's own example");
    }

    #[test]
    fn words_are_little_endian_and_an_odd_byte_counts() {
        assert_eq!(xor16(&[1, 2]), 0x0201);
        assert_eq!(xor16(&[1, 2, 3]), 0x0202);
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 37) as u8).collect();
            let slow = bytes
                .chunks(2)
                .fold(0, |all, pair| all ^ u16::from(pair[0]) ^ u16::from(*pair.get(1).unwrap_or(&0)) << 8);
            assert_eq!(xor16(&bytes), slow);
        }
    }

    #[test]
    fn checksums_go_on() {
        for flags in [0, flag::CRC_RFC3720] {
            let descriptor = Descriptor::new(0x42, flags);
            let mut all = Checksums::new(&descriptor, (0, 0));
            all.update(b"123456789a");
            let mut first = Checksums::new(&descriptor, (0, 0));
            first.update(b"1234");
            let mut second = Checksums::new(&descriptor, (first.crc, first.xor));
            second.update(b"56789a");
            assert_eq!((second.crc, second.xor), (all.crc, all.xor));
            let mut check = Checksums::new(&descriptor, (0, 0));
            check.update(CHECK);
            assert_eq!(check.crc, if flags == 0 { 0xcbf4_3926 } else { 0xe306_9283 });
        }
    }
}
