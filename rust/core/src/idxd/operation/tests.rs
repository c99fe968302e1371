use super::super::aecs;
use super::super::space::{Iommu, Mapping};
use super::super::wire::{analytics, compress, crc64, decompress, flag};
use super::*;
use crate::alg::deflate::tests::sample;
use crate::alg::huffman::{CANNED, CANNED_HEADER, fixed};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::sync::Arc;

const JOIN: &[u8] = b"Join us now and share the software Join us now and share the software ";
const COMPRESS: u16 = compress::FLUSH_OUTPUT | compress::APPEND_EOB;
const DECOMPRESS: u16 =
    decompress::ENABLE | decompress::FLUSH_OUTPUT | decompress::CHECK_FOR_EOB | decompress::STOP_ON_EOB;
const PLAIN: u32 = flag::CRAV | flag::RCR | flag::CC;
const GUARD: u8 = 0xa5;

/// Mapped memory with guarded bytes around it.
struct Memory {
    bytes: Box<[u8]>,
    len: usize,
    mapping: Mapping,
}

const MARGIN: usize = 64;

impl Memory {
    fn of(iommu: &Arc<Iommu>, content: &[u8], writable: bool) -> Self {
        let len = content.len();
        let mut bytes = vec![GUARD; len + 2 * MARGIN + 32].into_boxed_slice();
        let skip = bytes.as_ptr().align_offset(32) + MARGIN;
        bytes[skip..skip + len].copy_from_slice(content);
        bytes.rotate_left(0);
        let start = bytes[skip..].as_mut_ptr();
        // SAFETY: the bytes stay where they are as long as `self` lives, and tests look only when nothing runs.
        #[allow(unsafe_code)]
        let mapping = unsafe { iommu.map(start, len, writable) }.unwrap();
        Self { bytes, len, mapping }
    }

    fn addr(&self) -> u64 {
        self.mapping.addr()
    }

    fn bytes(&self) -> &[u8] {
        let skip = self.bytes.as_ptr().align_offset(32) + MARGIN;
        let (before, rest) = self.bytes.split_at(skip);
        let (content, behind) = rest.split_at(self.len);
        assert!(before.iter().chain(behind).all(|byte| *byte == GUARD), "memory that is not mapped was written");
        content
    }
}

/// What a driver hands over.
struct Order {
    opcode: u8,
    flags: u32,
    codec_flags: u16,
    source: Vec<u8>,
    room: usize,
    /// The second source, with room for two records.
    record: Vec<u8>,
    record_size: usize,
    limits: Limits,
}

impl Order {
    fn compress(source: &[u8], record: &aecs::CompressRecord) -> Self {
        Self {
            opcode: opcode::COMPRESS,
            flags: PLAIN | flag::RD_SRC2_AECS,
            codec_flags: COMPRESS,
            source: source.to_vec(),
            room: 2 * source.len() + 400,
            record: record.0.to_vec(),
            record_size: 1568,
            limits: Limits::default(),
        }
    }

    fn decompress(source: &[u8], room: usize) -> Self {
        Self {
            opcode: opcode::DECOMPRESS,
            flags: PLAIN,
            codec_flags: DECOMPRESS,
            source: source.to_vec(),
            room,
            record: Vec::new(),
            record_size: 0,
            limits: Limits::default(),
        }
    }

    /// The completion, the output, and both records.
    fn run(&self) -> (Completion, Vec<u8>, Vec<u8>) {
        let iommu = Iommu::new(4);
        let source = Memory::of(&iommu, &self.source, false);
        let to = Memory::of(&iommu, &vec![0; self.room], true);
        let record = Memory::of(&iommu, &self.record, true);
        let has_record = !self.record.is_empty();
        let descriptor = Descriptor {
            src1_addr: source.addr(),
            src1_size: self.source.len() as u32,
            dst_addr: to.addr(),
            max_dst_size: self.room as u32,
            codec_flags: self.codec_flags,
            src2_addr: if has_record { record.addr() } else { 0 },
            src2_size: self.record_size as u32,
            ..Descriptor::new(self.opcode, self.flags)
        };
        let completion = execute(&descriptor, &*iommu, &self.limits);
        assert_eq!(source.bytes(), self.source);
        let out = to.bytes().get(..completion.output_size as usize).unwrap().to_vec();
        (completion, out, record.bytes().to_vec())
    }

    fn fails(&self) -> (u8, u8) {
        let (completion, _, _) = self.run();
        (completion.status, completion.error_code)
    }
}

fn done(run: (Completion, Vec<u8>, Vec<u8>)) -> (Completion, Vec<u8>) {
    assert_eq!((run.0.status, run.0.error_code), (status::SUCCESS, 0), "{:?}", run.0);
    (run.0, run.1)
}

fn sources() -> Vec<Vec<u8>> {
    let mut all = vec![JOIN.to_vec(), vec![0], vec![0; 4096], vec![0xff; 4096]];
    for kind in 0..4 {
        all.extend([1, 100, 4095, 4096, 4097, 70_000].map(|size| sample(size, kind)));
    }
    all
}

fn zlib_reads(packed: &[u8], source: &[u8]) -> bool {
    let (mut back, mut zlib) = (vec![0; source.len() + 1], Decompress::new(false));
    let read = zlib.decompress(packed, &mut back, FlushDecompress::Finish).is_ok();
    read && back[..zlib.total_out() as usize] == *source && zlib.total_in() == packed.len() as u64
}

#[test]
fn fixed_streams_are_read_by_zlib_and_by_the_device() {
    let record = aecs::fixed().unwrap();
    for source in sources() {
        let (completion, packed) = done(Order::compress(&source, &record).run());
        assert!(zlib_reads(&packed, &source), "{} bytes", source.len());
        assert_eq!(completion.crc, crc_fast::crc32_iso_hdlc(&source));
        assert_eq!(completion.bytes_completed as usize, source.len());
        let (back, bytes) = done(Order::decompress(&packed, source.len()).run());
        assert!(bytes == source);
        assert_eq!((back.crc, back.xor_csum), (completion.crc, completion.xor_csum));
        assert_eq!(back.bytes_completed as usize, packed.len());
    }
    assert_eq!(done(Order::compress(JOIN, &record).run()).1.len(), 38);
}

#[test]
fn dynamic_streams_are_read_by_zlib_and_by_the_device() {
    for source in sources() {
        let mut order = Order::compress(&source, &aecs::fixed().unwrap());
        order.flags = PLAIN;
        order.codec_flags |= compress::GEN_HDR_1_PASS;
        (order.record, order.record_size) = (Vec::new(), 0);
        let (_, packed) = done(order.run());
        assert!(zlib_reads(&packed, &source));
        assert!(done(Order::decompress(&packed, source.len()).run()).1 == source);
        order.limits.header_gen = false;
        assert_eq!(order.fails().0, status::COMPRESS_FLAGS);
    }
}

#[test]
fn a_header_makes_the_state_for_canned_bodies() {
    let record = aecs::canned().unwrap();
    for (is_format_2, is_toggled) in [(false, false), (false, true), (true, true)] {
        let size = if is_format_2 { 1248 } else { 1088 };
        let mut order = Order::decompress(aecs::canned_header(), 0);
        order.limits.aecs_format2 = is_format_2;
        order.codec_flags = decompress::ENABLE | decompress::FLUSH_OUTPUT | decompress::SUPPRESS_OUTPUT;
        order.flags |= flag::WR_SRC2_AECS_COMP | if is_toggled { flag::AECS_RW_TOGGLE } else { 0 };
        (order.record, order.record_size) = (vec![0; 2 * size], size);
        let (completion, _, states) = order.run();
        assert_eq!((completion.status, completion.output_size), (status::SUCCESS, 0));
        let state = if is_toggled { &states[..size] } else { &states[size..] };

        for source in sources() {
            let (first, packed) = done(Order::compress(&source, &record).run());
            assert!(zlib_reads(&[&CANNED_HEADER[..], &packed].concat(), &source));
            let mut order = Order::decompress(&packed, source.len());
            order.flags |= flag::RD_SRC2_AECS;
            order.limits.aecs_format2 = is_format_2;
            (order.record, order.record_size) = (state.to_vec(), size);
            let (second, back) = done(order.run());
            assert!(back == source);
            assert_eq!((first.crc, first.xor_csum), (second.crc, second.xor_csum));
            // Verification: the same without output.
            order.codec_flags |= decompress::SUPPRESS_OUTPUT;
            let (third, back) = done(order.run());
            assert_eq!((back.len(), third.crc), (0, first.crc));
        }
        let vector = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb7101e53f";
        let mut order = Order::decompress(&hex(vector), 70);
        order.flags |= flag::RD_SRC2_AECS;
        order.limits.aecs_format2 = is_format_2;
        (order.record, order.record_size) = (state.to_vec(), size);
        assert_eq!(done(order.run()).1, JOIN);
        for cut in 1..order.source.len() {
            let short =
                Order { source: order.source[..cut].to_vec(), record: state.to_vec(), ..Order::decompress(&[], 70) };
            let short = Order { flags: order.flags, record_size: size, limits: order.limits, ..short };
            assert_eq!(short.fails(), (status::ANALYTICS_ERROR, analytics::BAD_END_OF_FILE), "{cut}");
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn headers_that_end_within_a_byte_leave_their_bits_behind() {
    // The canned header behind one to seven empty fixed blocks, which shifts it, and then a body.
    let source = sample(4096, 0);
    let mut body = vec![0; 9000];
    let len = crate::alg::canned::compress(&source, &mut body).unwrap().unwrap();
    for num_blocks in 1..8usize {
        let mut bits: Vec<bool> = (0..num_blocks).flat_map(|_| (0..10).map(|bit| bit == 1)).collect();
        let more = CANNED_HEADER.iter().chain(&body[..len]);
        bits.extend(more.flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)));
        let all: Vec<u8> =
            bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit))).collect();
        let split = (10 * num_blocks + 624).div_ceil(8);
        let mut order = Order::decompress(&all[..split], 0);
        order.codec_flags = decompress::ENABLE | decompress::SUPPRESS_OUTPUT;
        order.flags |= flag::WR_SRC2_AECS_COMP;
        (order.record, order.record_size) = (vec![0; 2 * 1088], 1088);
        let (completion, _, states) = order.run();
        // Some bits left over may already be a symbol, whose output has no place in a record.
        if completion.status == status::SUCCESS {
            let mut order = Order::decompress(&all[split..], 4096);
            order.flags |= flag::RD_SRC2_AECS;
            (order.record, order.record_size) = (states[1088..].to_vec(), 1088);
            assert!(done(order.run()).1 == source, "{num_blocks}");
        } else {
            assert_eq!(completion.error_code, analytics::AECS_ERROR);
        }
    }
}

#[test]
fn what_is_not_flushed_waits_in_the_record() {
    let (source, record) = (sample(3000, 0), aecs::fixed().unwrap());
    let whole = done(Order::compress(&source, &record).run()).1;
    let mut first = Order::compress(&source[..1000], &record);
    first.codec_flags = 0;
    first.flags |= flag::WR_SRC2_AECS_COMP;
    first.record.resize(2 * 1568, 0);
    let (_, head, records) = first.run();
    let mut second = Order::compress(&source[1000..], &record);
    second.record = records[1568..].to_vec();
    let (completion, tail, _) = second.run();
    let joined = [head, tail].concat();
    assert!(zlib_reads(&joined, &source));
    assert!(joined.len() >= whole.len());
    assert_eq!(completion.crc, crc_fast::crc32_iso_hdlc(&source));
}

#[test]
fn results_that_do_not_fit_are_told_and_what_fits_is_taken() {
    let record = aecs::fixed().unwrap();
    for source in [sample(4096, 1), sample(4096, 3), JOIN.to_vec()] {
        let (_, packed) = done(Order::compress(&source, &record).run());
        for (room, fits) in [(packed.len(), true), (packed.len() - 1, false), (1, false)] {
            let mut order = Order::compress(&source, &record);
            order.room = room;
            let expected = if fits { (status::SUCCESS, 0) } else { (status::ANALYTICS_ERROR, 0x19) };
            assert_eq!(order.fails(), expected, "{} bytes to {} in {room}", source.len(), packed.len());
        }
        for (room, fits) in [(source.len(), true), (source.len() - 1, false), (1, false)] {
            let order = Order::decompress(&packed, room);
            assert_eq!(order.fails(), (if fits { status::SUCCESS } else { status::OUTPUT_OVERFLOW }, 0));
        }
    }
}

fn zlib(source: &[u8], window: u8, level: u32) -> Vec<u8> {
    let mut packed = vec![0; 2 * source.len() + 100];
    let mut state = Compress::new_with_window_bits(Compression::new(level), false, window);
    state.compress(source, &mut packed, FlushCompress::Finish).unwrap();
    packed.truncate(state.total_out() as usize);
    packed
}

#[test]
fn streams_of_zlib_are_read_if_their_window_is_small_enough() {
    let mut source = sample(5000, 1);
    source.extend_from_within(..);
    let near = zlib(&source, 12, 6);
    assert!(done(Order::decompress(&near, source.len()).run()).1 == source);
    let far = Order::decompress(&zlib(&source, 15, 6), source.len());
    assert_eq!(far.fails(), (status::ANALYTICS_ERROR, analytics::BAD_DISTANCE));
    for kind in 0..4 {
        let source = sample(4096, kind);
        let packed = zlib(&source, 15, 9);
        assert!(done(Order::decompress(&packed, 4096).run()).1 == source);
        for cut in 1..packed.len() {
            let short = Order::decompress(&packed[..cut], 4096);
            assert_eq!(short.fails(), (status::ANALYTICS_ERROR, analytics::BAD_END_OF_FILE), "{cut}");
        }
    }
}

#[test]
fn large_output_that_nobody_wants_is_checked_all_the_same() {
    let source = [sample(200_000, 0), sample(100_001, 3)].concat();
    let packed = zlib(&source, 12, 6);
    let mut order = Order::decompress(&packed, 0);
    order.codec_flags |= decompress::SUPPRESS_OUTPUT;
    let (completion, _) = done(order.run());
    assert_eq!(completion.crc, crc_fast::crc32_iso_hdlc(&source));
    order.flags |= flag::CRC_RFC3720;
    assert_eq!(done(order.run()).0.crc, crc_fast::crc32_iscsi(&source));
}

/// Bits of deflate data, as RFC 1951 writes them down.
#[derive(Default)]
struct Writer(Vec<bool>);

impl Writer {
    fn put(mut self, value: u32, len: u32) -> Self {
        self.0.extend((0..len).map(|bit| value >> bit & 1 == 1));
        self
    }

    /// A Huffman code, whose highest bit comes first.
    fn code(mut self, code: u32, len: u32) -> Self {
        self.0.extend((0..len).rev().map(|bit| code >> bit & 1 == 1));
        self
    }

    /// A dynamic header up to the lengths of the code of lengths, in the order 16, 17, 18, 0, 8, 7...
    fn dynamic(literals: u32, distances: u32, lengths: &[u32]) -> Self {
        let start = Self::default().put(0b101, 3).put(literals - 257, 5).put(distances - 1, 5);
        let start = start.put(lengths.len() as u32 - 4, 4);
        lengths.iter().fold(start, |writer, len| writer.put(*len, 3))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            self.0.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit))).collect();
        bytes.extend([0; 32]);
        bytes
    }
}

#[test]
fn every_kind_of_damage_has_its_code() {
    let code = |writer: Writer| {
        let (completion, _, _) = Order::decompress(&writer.bytes(), 4096).run();
        assert_eq!(completion.status, status::ANALYTICS_ERROR);
        completion.error_code
    };
    let fixed = || Writer::default().put(0b011, 3);
    // Lengths 0 and 1 with codes of one bit: 0 and 1.
    let zero_one = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    // 16 and 18 and 0 and 1 with two bits each: 0 is 00, 1 is 01, 16 is 10, 18 is 11.
    let runs = [2, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let ones = |count: u32| (0..count).fold(Writer::dynamic(257, 1, &zero_one), |writer, _| writer.put(1, 1));

    let too_many = Writer::dynamic(257, 1, &runs).code(3, 2).put(127, 7).code(3, 2).put(127, 7);
    assert_eq!(code(too_many), analytics::HEADER_TOO_BIG);
    let undefined = Writer::dynamic(257, 1, &[0, 0, 0, 1]).put(1, 1);
    assert_eq!(code(undefined), analytics::UNDEFINED_CL_CODE);
    assert_eq!(code(Writer::dynamic(257, 1, &runs).code(2, 2)), analytics::FIRST_LL_CODE_16);
    let no_end = (0..258).fold(Writer::dynamic(257, 1, &zero_one), |writer, _| writer.put(0, 1));
    assert_eq!(code(no_end), analytics::NO_LL_CODE);
    assert_eq!(code(Writer::default().put(0b101, 3).put(30, 5).put(0, 9)), analytics::WRONG_NUM_LL_CODES);
    assert_eq!(code(Writer::default().put(0b101, 3).put(0, 5).put(31, 5).put(0, 4)), analytics::WRONG_NUM_D_CODES);
    assert_eq!(code(Writer::dynamic(257, 1, &[1, 1, 1, 1])), analytics::BAD_CL_CODE_LENGTHS);
    assert_eq!(code(ones(258)), analytics::BAD_LL_CODE_LENGTHS);
    // One literal and the end of block with a code each, and three distances with one bit.
    let sparse = |distances: u32| {
        let start = Writer::dynamic(257, distances, &runs).code(1, 2);
        let start = start.code(3, 2).put(127, 7).code(3, 2).put(106, 7).code(1, 2);
        (0..distances).fold(start, |writer, _| writer.code(1, 2))
    };
    assert_eq!(code(sparse(3)), analytics::BAD_D_CODE_LENGTHS);
    assert_eq!(code(Writer::default().put(0b111, 3)), analytics::BAD_BLOCK_TYPE);
    assert_eq!(code(Writer::default().put(1, 8).put(5, 16).put(5, 16)), analytics::BAD_STORED_LENGTH);
    assert_eq!(code(fixed().code(0xc6, 8)), analytics::BAD_LENGTH);
    // Length 3, distance symbol 30.
    let literal = || fixed().code(0x30 + 65, 8);
    assert_eq!(code(literal().code(1, 7).code(30, 5)), analytics::BAD_DISTANCE);
    assert_eq!(code(literal().code(1, 7).code(1, 5)), analytics::REFERENCE_BEFORE_START);
    assert_eq!(code(fixed().code(1, 7).code(0, 5)), analytics::REFERENCE_BEFORE_START);
    let end = Order::decompress(&[0b011], 10);
    assert_eq!(end.fails(), (status::ANALYTICS_ERROR, analytics::BAD_END_OF_FILE));
    // Lengths 0, 1 and 2; a single distance of one bit leaves one code without meaning.
    let three = [0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2];
    let hole = Writer::dynamic(258, 1, &three).code(1, 2).code(3, 2).put(127, 7).code(3, 2).put(106, 7);
    // The codes in order: 0 is 00, 1 is 01, 2 is 10, 18 is 11. A literal of one bit, end and length 3 of two.
    let hole = hole.code(2, 2).code(2, 2).code(1, 2);
    assert_eq!(code(hole.code(0, 1).code(3, 2).put(1, 1)), analytics::BAD_D_CODE);
}

#[test]
fn records_that_are_damaged_or_lack_a_code_are_told() {
    let mut record = aecs::fixed().unwrap();
    record.0[30] = 1;
    assert_eq!(Order::compress(JOIN, &record).fails(), (status::ANALYTICS_ERROR, analytics::AECS_ERROR));
    let mut codes = fixed().unwrap();
    codes.literals[usize::from(b'J')].len = 0;
    codes.literals[usize::from(b'J')].bits = 0;
    let record = aecs::from_codes(&codes, &[3], 3);
    assert_eq!(Order::compress(JOIN, &record).fails(), (status::ANALYTICS_ERROR, analytics::INVALID_HUFFMAN_CODE));
    let mut order = Order::decompress(&[1, 2, 3], 100);
    order.flags |= flag::RD_SRC2_AECS;
    (order.record, order.record_size) = (vec![0; 1088], 1088);
    assert_eq!(order.fails(), (status::ANALYTICS_ERROR, analytics::AECS_ERROR));
    assert_eq!(CANNED.codes().map(|_| ()), Ok(()));
}

#[test]
fn bits_to_ignore_and_the_end_are_looked_at() {
    let packed = done(Order::compress(JOIN, &aecs::fixed().unwrap()).run());
    let bits = packed.0.output_bits;
    let mut order = Order::decompress(&packed.1, 70);
    let spare = if bits == 0 { 0 } else { 8 - u16::from(bits) };
    for ignored in 0..8 {
        order.codec_flags = DECOMPRESS | ignored << decompress::IGNORE_END_BITS_SHIFT;
        let fits = ignored <= spare;
        let late = (status::ANALYTICS_ERROR, analytics::BAD_END_OF_FILE);
        assert_eq!(order.fails(), if fits { (status::SUCCESS, 0) } else { late }, "{ignored} of {spare}");
    }
    order.codec_flags = DECOMPRESS;
    order.source.push(0);
    assert_eq!(done(order.run()).0.bytes_completed, 38);
    order.codec_flags = DECOMPRESS & !decompress::STOP_ON_EOB;
    assert_eq!(order.fails(), (status::ANALYTICS_ERROR, analytics::BAD_END_OF_FILE));
    // Without a check what is there is made.
    order.source.truncate(20);
    order.codec_flags = decompress::ENABLE | decompress::FLUSH_OUTPUT;
    let (completion, out) = done(order.run());
    assert!(!out.is_empty() && JOIN.starts_with(&out));
    assert_eq!(completion.crc, crc_fast::crc32_iso_hdlc(&out));
}

#[test]
fn bad_descriptors_are_refused_with_their_status() {
    let iommu = Iommu::new(8);
    let memory = Memory::of(&iommu, &[0; 4096], true);
    let record = Memory::of(&iommu, &aecs::fixed().unwrap().0, true);
    let only_read = Memory::of(&iommu, &[0; 256], false);
    let sound = Descriptor {
        src1_addr: memory.addr(),
        src1_size: 100,
        dst_addr: memory.addr() + 1000,
        max_dst_size: 1000,
        codec_flags: COMPRESS,
        src2_addr: record.addr(),
        src2_size: 1568,
        ..Descriptor::new(opcode::COMPRESS, PLAIN | flag::RD_SRC2_AECS)
    };
    let limits = Limits { max_transfer: 2000, block_on_fault: false, ..Limits::default() };
    let run = |descriptor: Descriptor| execute(&descriptor, &*iommu, &limits);
    assert_eq!(run(sound).status, status::SUCCESS);

    let more = |flags: u32| Descriptor { flags_opcode: sound.flags_opcode | flags, ..sound };
    for bad in [0x40, 0x80, 0x80_0000, flag::RD_SRC2_2ND, flag::WR_SRC2_AECS_OVFL, flag::BLOCK_ON_FAULT] {
        let completion = run(more(bad));
        assert_eq!((completion.status, completion.invalid_flags), (status::INVALID_FLAGS, bad));
    }
    let toggled = run(more(flag::AECS_RW_TOGGLE));
    assert_eq!((toggled.status, toggled.invalid_flags), (status::INVALID_FLAGS, flag::AECS_RW_TOGGLE));
    let unaddressed = run(Descriptor { flags_opcode: sound.flags_opcode & !flag::CRAV, ..sound });
    assert_eq!((unaddressed.status, unaddressed.invalid_flags), (status::INVALID_FLAGS, flag::RCR));
    let tableless = run(Descriptor { flags_opcode: sound.flags_opcode & !flag::RD_SRC2_AECS, ..sound });
    assert_eq!((tableless.status, tableless.invalid_flags), (status::INVALID_FLAGS, flag::RD_SRC2_AECS));

    let plain = |opcode: u8| Descriptor::new(opcode, PLAIN & !flag::CC);
    let cases = [
        (status::BAD_OPCODE, plain(1)),
        (status::BAD_OPCODE, plain(opcode::SCAN)),
        (status::NONZERO_RESERVED, Descriptor { pasid_priv: 1 << 20, ..sound }),
        (status::NONZERO_RESERVED, Descriptor { src1_size: 1, ..plain(opcode::NOOP) }),
        (status::NONZERO_RESERVED, Descriptor { src2_addr: 1, ..plain(opcode::DRAIN) }),
        (status::NONZERO_RESERVED, Descriptor { codec_flags: 1, src1_size: 1, ..plain(opcode::MEMMOVE) }),
        (status::NONZERO_RESERVED, Descriptor { dst_addr: 1, src1_size: 1, ..plain(opcode::CRC64) }),
        (status::INVALID_SIZE, Descriptor { src1_size: 0, ..sound }),
        (status::INVALID_SIZE, Descriptor { src1_size: 2001, ..sound }),
        (status::INVALID_SIZE, Descriptor { max_dst_size: 0, ..sound }),
        (status::INVALID_SIZE, Descriptor { max_dst_size: 2001, ..sound }),
        (status::INVALID_SIZE, Descriptor { src2_size: 1567, ..sound }),
        (status::INVALID_SIZE, Descriptor { src1_size: 0, ..plain(opcode::MEMMOVE) }),
        (status::INVALID_SIZE, Descriptor { src1_size: 0, ..plain(opcode::CRC64) }),
        (status::ADDRESS_ALIGNMENT, Descriptor { src2_addr: record.addr() + 16, ..sound }),
        (status::OVERLAP, Descriptor { dst_addr: memory.addr() + 99, ..sound }),
        (status::OVERLAP, Descriptor { dst_addr: memory.addr(), ..sound }),
        (status::COMPRESS_FLAGS, Descriptor { codec_flags: COMPRESS | 1, ..sound }),
        (status::COMPRESS_FLAGS, Descriptor { codec_flags: COMPRESS | 8, ..sound }),
        (status::COMPRESS_FLAGS, Descriptor { codec_flags: 1, src1_size: 1, ..plain(opcode::CRC64) }),
        (status::FILTER_FLAGS, Descriptor { filter_flags: 1, ..sound }),
        (status::ELEMENTS, Descriptor { num_inputs: 1, ..sound }),
        (status::PAGE_FAULT, Descriptor { src1_addr: 4096, ..sound }),
        (status::PAGE_FAULT, Descriptor { src1_addr: memory.addr() + 4000, ..sound }),
        (status::PAGE_FAULT, Descriptor { src2_addr: 32, ..sound }),
        (status::PAGE_FAULT | status::WRITE, Descriptor { dst_addr: 4096, ..sound }),
        (status::PAGE_FAULT | status::WRITE, Descriptor { dst_addr: only_read.addr(), max_dst_size: 256, ..sound }),
    ];
    for (expected, descriptor) in cases {
        let completion = run(descriptor);
        assert_eq!(completion.status, expected, "{descriptor:?}");
        if completion.status & status::MASK == status::PAGE_FAULT {
            assert_ne!(completion.fault_addr, 0);
        }
    }
    let decompress = Descriptor { codec_flags: 0, src2_addr: 0, src2_size: 0, ..sound };
    let decompress = Descriptor { flags_opcode: Descriptor::new(opcode::DECOMPRESS, PLAIN).flags_opcode, ..decompress };
    assert_eq!(run(decompress).status, status::COMPRESS_FLAGS);
    assert_eq!(run(plain(opcode::NOOP)).status, status::SUCCESS);
    assert_eq!(run(plain(opcode::DRAIN)).status, status::SUCCESS);
}

#[test]
fn a_move_may_overlap_itself_and_a_crc64_lies_in_two_words() {
    let iommu = Iommu::new(2);
    let memory = Memory::of(&iommu, b"0123456789abcdef", true);
    let flags = flag::CRAV | flag::RCR;
    let order = Descriptor {
        src1_addr: memory.addr(),
        dst_addr: memory.addr() + 3,
        src1_size: 10,
        ..Descriptor::new(opcode::MEMMOVE, flags)
    };
    let completion = execute(&order, &*iommu, &Limits::default());
    assert_eq!((completion.status, completion.bytes_completed), (status::SUCCESS, 10));
    assert_eq!(memory.bytes(), b"0120123456789def");
    let order = Descriptor {
        src1_addr: memory.addr() + 4,
        src1_size: 9,
        codec_flags: crc64::INVERT | crc64::BIG_ENDIAN,
        filter_flags: 0xa9ea_3693,
        num_inputs: 0x42f0_e1eb,
        ..Descriptor::new(opcode::CRC64, flags)
    };
    let completion = execute(&order, &*iommu, &Limits::default());
    let crc = u64::from(completion.max) | u64::from(completion.sum) << 32;
    assert_eq!(crc, 0x995d_c9bb_df19_39fa);
}

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
