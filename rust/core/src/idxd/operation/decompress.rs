//! Decompressing: whole streams, bodies whose header a record brings, and the making of such records.

use super::super::aecs::{self, Place};
use super::super::space::Space;
use super::super::wire::{Completion, Descriptor, analytics, decompress as flags, flag, status};
use super::crc::Checksums;
use super::{Limits, faulted, ignored_bits, places};
use crate::alg::huffman::Lengths;
use crate::alg::huffman::tokens::{self, Bits, Block, Decoders, Problem, Reading};
use crate::alg::inflate;
use crate::alg::oneshot::staged;
use crate::ffi::isal::Inflater;
use crate::ffi::isal_prepared::{Body, Prepared};
use crate::ffi::libdeflate::Inflated;
use std::cell::RefCell;

/// How far a match may reach back.
const WINDOW: usize = 4096;
/// Output that is not wanted is made here, so many bytes at a time.
const SCRATCH: usize = 64 << 10;
/// Of a body at most so much: it cannot be inflated in steps, and a hostile one would take all memory.
const MOST_ASIDE: usize = 64 << 20;
/// Prepared states that a thread keeps; a driver has one.
const KEPT: usize = 2;

thread_local! {
    static PREPARED: RefCell<Vec<(Box<Lengths>, Prepared)>> = const { RefCell::new(Vec::new()) };
    static STEPS: RefCell<Inflater> = RefCell::default();
}

/// What was read and made.
struct Done {
    consumed: usize,
    produced: usize,
    /// The end of the final block was seen.
    ended: bool,
}

/// Why it stopped.
enum Stop {
    Overflow,
    Damage(u8),
    /// The libraries refuse; which problem it is must be found out.
    Unknown,
}

pub(super) fn decompress(
    descriptor: &Descriptor,
    space: &dyn Space,
    limits: &Limits,
) -> Result<Completion, Completion> {
    let (read_at, write_at) = places(descriptor);
    let mut seed = (0, 0);
    let mut start = Place::Header;
    if descriptor.has(flag::RD_SRC2_AECS) {
        let size = descriptor.src2_size as usize;
        let mut record = [0; aecs::DECOMPRESS_SIZE_2];
        let error = Completion::error(analytics::AECS_ERROR);
        let copy = record.get_mut(..size).ok_or(error)?;
        copy.copy_from_slice(space.read(read_at, size).map_err(faulted)?.bytes());
        seed = aecs::checksums(copy);
        start = aecs::place(copy).filter(|place| *place != Place::Ended).ok_or(error)?;
    }
    let mut checksums = Checksums::new(descriptor, seed);

    let source = space.read(descriptor.src1_addr, descriptor.src1_size as usize).map_err(faulted)?;
    let is_silent = descriptor.codec_flags & flags::SUPPRESS_OUTPUT != 0;
    let job = Job { descriptor, source: source.bytes(), start: &start };
    let done = if is_silent {
        staged(SCRATCH, |scratch| job.run(scratch, true, &mut checksums))
    } else {
        let mut to = space.write(descriptor.dst_addr, descriptor.max_dst_size as usize).map_err(faulted)?;
        if to.overlaps(&source) {
            return Err(Completion::of(status::OVERLAP));
        }
        job.run(to.bytes_mut(), false, &mut checksums)
    };
    let done = done.map_err(|stop| job.tell(stop))?;
    let record = match descriptor.has(flag::WR_SRC2_AECS_COMP) {
        true => Some(job.record(&done, &checksums, limits)?),
        false => None,
    };
    drop(source);
    if let Some(record) = record {
        let mut place = space.write(write_at, record.len()).map_err(faulted)?;
        place.bytes_mut().copy_from_slice(&record);
    }
    Ok(checksums.tell(Completion {
        bytes_completed: done.consumed as u32,
        output_size: if is_silent { 0 } else { done.produced as u32 },
        ..Completion::of(status::SUCCESS)
    }))
}

struct Job<'a> {
    descriptor: &'a Descriptor,
    source: &'a [u8],
    start: &'a Place,
}

impl Job<'_> {
    /// Inflates into `space`; again and again if nobody wants to see it.
    fn run(&self, space: &mut [u8], is_silent: bool, checksums: &mut Checksums) -> Result<Done, Stop> {
        let must_end = self.has(flags::CHECK_FOR_EOB);
        let done = match self.start {
            Place::Body { lengths, bits, num_bits, .. } => {
                let behind = (*bits, *num_bits);
                match self.body(lengths, behind, space, checksums) {
                    Err(Stop::Overflow) if is_silent => self.aside(lengths, behind, checksums)?,
                    other => other?,
                }
            }
            _ => match inflate::inflate(self.source, space) {
                Ok(Inflated::Done { consumed, produced }) => {
                    checksums.update(space.get(..produced).unwrap_or(&[]));
                    Done { consumed, produced, ended: true }
                }
                Ok(Inflated::Bad) if must_end => return Err(Stop::Unknown),
                // "Full" may also be what the library made of zeros that it took to follow the end.
                Ok(Inflated::Full | Inflated::Bad) => self.steps(space, is_silent, checksums)?,
                Err(_) => return Err(Stop::Unknown),
            },
        };
        if must_end && !done.ended {
            return Err(Stop::Damage(analytics::BAD_END_OF_FILE));
        }
        if must_end && !self.has(flags::STOP_ON_EOB) && done.consumed < self.source.len() {
            return Err(Stop::Damage(analytics::BAD_END_OF_FILE));
        }
        // In fewer bytes no distance can be too long without reaching before the start.
        let may_reach_far = done.produced > WINDOW;
        if may_reach_far || ignored_bits(self.descriptor) > 0 && done.consumed == self.source.len() {
            match self.read().problem {
                None => {}
                Some(Problem::EndsEarly) if !must_end => {}
                Some(problem) => return Err(Stop::Damage(problem as u8)),
            }
        }
        Ok(done)
    }

    fn has(&self, flag: u16) -> bool {
        self.descriptor.codec_flags & flag != 0
    }

    /// Step by step: where the output is larger than the scratch memory, or the end may be missing.
    fn steps(&self, space: &mut [u8], is_silent: bool, checksums: &mut Checksums) -> Result<Done, Stop> {
        STEPS.with_borrow_mut(|inflater| {
            inflater.reset();
            let mut done = Done { consumed: 0, produced: 0, ended: false };
            loop {
                let rest = self.source.get(done.consumed..).unwrap_or(&[]);
                let from = if is_silent { 0 } else { done.produced };
                let room = space.get_mut(from..).unwrap_or(&mut []);
                let step = inflater.step(rest, room).map_err(|_| Stop::Unknown)?;
                checksums.update(room.get(..step.produced).unwrap_or(&[]));
                let is_full = step.produced == room.len();
                done.consumed += step.consumed;
                done.produced += step.produced;
                done.ended = step.ended;
                if step.ended || !is_full {
                    return Ok(done);
                }
                if !is_silent {
                    // What is left may be no more than the end.
                    let mut one = [0];
                    let rest = self.source.get(done.consumed..).unwrap_or(&[]);
                    let step = inflater.step(rest, &mut one).map_err(|_| Stop::Unknown)?;
                    done.consumed += step.consumed;
                    done.ended = step.ended;
                    return if step.produced > 0 { Err(Stop::Overflow) } else { Ok(done) };
                }
            }
        })
    }

    /// A body whose codes are known.
    fn body(
        &self,
        lengths: &Lengths,
        (bits, num_bits): (u8, u8),
        space: &mut [u8],
        checksums: &mut Checksums,
    ) -> Result<Done, Stop> {
        let done = PREPARED.with_borrow_mut(|known| {
            match known.iter().position(|(of, _)| **of == *lengths) {
                Some(index) => known.swap(0, index),
                None => {
                    let prepared = Prepared::new(&lengths.header()).ok_or(Stop::Damage(analytics::AECS_ERROR))?;
                    known.truncate(KEPT - 1);
                    known.insert(0, (Box::new(lengths.clone()), prepared));
                }
            }
            let (_, prepared) = known.first_mut().ok_or(Stop::Unknown)?;
            match prepared.inflate_behind(bits, num_bits, self.source, space) {
                Body::Done { consumed, produced } => Ok(Done { consumed, produced, ended: true }),
                Body::Full => Err(Stop::Overflow),
                Body::Short { produced } => Ok(Done { consumed: self.source.len(), produced, ended: false }),
                Body::Bad { .. } => Err(Stop::Unknown),
            }
        })?;
        checksums.update(space.get(..done.produced).unwrap_or(&[]));
        Ok(done)
    }

    /// The same where nobody wants the output and the scratch memory is too small: with more and more of it.
    fn aside(&self, lengths: &Lengths, behind: (u8, u8), checksums: &mut Checksums) -> Result<Done, Stop> {
        let mut size = SCRATCH;
        while size < MOST_ASIDE {
            size *= 4;
            match self.body(lengths, behind, &mut vec![0; size], checksums) {
                Err(Stop::Overflow) => {}
                other => return other,
            }
        }
        Err(Stop::Damage(analytics::TIMEOUT))
    }

    /// The tokens, for those that want to know more than the libraries tell.
    fn read(&self) -> Reading {
        let end = (8 * self.source.len()).saturating_sub(ignored_bits(self.descriptor));
        match self.start {
            Place::Body { lengths, bits, num_bits, .. } => {
                let joined = behind(*bits, *num_bits, self.source);
                let bits = Bits::new(&joined, end + usize::from(*num_bits));
                tokens::read(bits, Some(&Decoders::new(lengths)), WINDOW)
            }
            _ => tokens::read(Bits::new(self.source, end), None, WINDOW),
        }
    }

    fn tell(&self, stop: Stop) -> Completion {
        match stop {
            Stop::Overflow => Completion::of(status::OUTPUT_OVERFLOW),
            Stop::Damage(code) => Completion::error(code),
            Stop::Unknown => {
                let code = self.read().problem.map_or(analytics::INVALID_HUFFMAN_CODE, |problem| problem as u8);
                Completion::error(code)
            }
        }
    }

    /// The record to go on from: behind a header, or behind everything. Anywhere else it would need what was made before.
    fn record(&self, done: &Done, checksums: &Checksums, limits: &Limits) -> Result<Vec<u8>, Completion> {
        let place = if done.ended { Some(Place::Ended) } else { self.behind_header().filter(|_| done.produced == 0) };
        let place = place.ok_or(Completion::error(analytics::AECS_ERROR))?;
        let mut record = aecs::decompress_state(&place, limits.aecs_format2);
        aecs::set_checksums(&mut record, checksums.crc, checksums.xor);
        Ok(record)
    }

    /// The codes of the block in whose midst the source ends, with what of its bits was left over.
    fn behind_header(&self) -> Option<Place> {
        if *self.start != Place::Header {
            return None;
        }
        let end = (8 * self.source.len()).saturating_sub(ignored_bits(self.descriptor));
        let mut bits = Bits::new(self.source, end);
        loop {
            let mut at_codes = bits.clone();
            let (is_final, block) = tokens::header(&mut bits).ok()?;
            let Block::Coded(decoders) = block else { return None };
            let is_dynamic = at_codes.take(3).ok()? >> 1 == 2;
            let behind = bits.clone();
            match decoders.next(&mut bits) {
                Ok(None) if !is_final => {}
                Err(Problem::EndsEarly) if is_dynamic && behind.left() < 8 => {
                    let lengths = Box::new(tokens::dynamic(&mut at_codes).ok()?);
                    let num_bits = behind.left();
                    let bits = behind.clone().take(num_bits).ok()? as u8;
                    return Some(Place::Body { lengths, bits, num_bits: num_bits as u8, is_final });
                }
                _ => return None,
            }
        }
    }
}

/// The bytes with some bits before them.
fn behind(bits: u8, num_bits: u8, source: &[u8]) -> Vec<u8> {
    if num_bits == 0 {
        return source.to_vec();
    }
    let mut joined = Vec::with_capacity(source.len() + 1);
    let mut carry = bits;
    for byte in source {
        joined.push(carry | byte << num_bits);
        carry = byte >> (8 - num_bits);
    }
    joined.push(carry);
    joined
}
