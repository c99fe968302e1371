//! Compressing: with the codes of a record, or with codes made of the data.

use super::super::aecs::{self, COMPRESS_SIZE};
use super::super::space::Space;
use super::super::wire::{Completion, Descriptor, analytics, compress as flags, flag, status};
use super::crc::Checksums;
use super::{faulted, places};
use crate::alg::huffman::body::{Recipe, Refusal};
use crate::alg::oneshot::staged;
use crate::ffi::isal::{self, Wrapper};
use crate::ffi::libdeflate;
use std::cell::RefCell;
use std::rc::Rc;

/// What was made of a record, with that part of it and the end that it was made for.
type Known = (Box<[u8]>, bool, Rc<Recipe>);

/// Sources up to this size lie in one window whatever the codec.
const WINDOW: usize = 4096;
/// Of libdeflate, for sources in one window.
const LEVEL: i32 = 1;
/// Recipes that a thread keeps; a driver has two or three.
const KEPT: usize = 4;

thread_local! {
    static RECIPES: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
    static NEAR: RefCell<Option<libdeflate::Compressor>> = const { RefCell::new(None) };
    static FAR: RefCell<isal::Deflater> = RefCell::default();
}

pub(super) fn compress(descriptor: &Descriptor, space: &dyn Space) -> Result<Completion, Completion> {
    let (read_at, write_at) = places(descriptor);
    let makes_codes = descriptor.codec_flags & flags::GEN_HDR_1_PASS != 0;
    let with_end = descriptor.codec_flags & flags::APPEND_EOB != 0;
    let is_written = descriptor.has(flag::WR_SRC2_AECS_COMP);
    let mut record = None;
    let mut met = None;
    if !makes_codes {
        let there = space.read(read_at, COMPRESS_SIZE).map_err(faulted)?;
        let there = there.bytes().first_chunk::<COMPRESS_SIZE>();
        // One met before is compared where it lies. Others are copied: they may change meanwhile.
        met = there.and_then(|there| Some((known(there, with_end)?, aecs::checksums(there))));
        record = there.filter(|_| met.is_none() || is_written).copied();
    }
    let seed = match (&met, &record) {
        (Some((_, seed)), _) => *seed,
        (None, Some(record)) => aecs::checksums(record),
        (None, None) => (0, 0),
    };
    let mut checksums = Checksums::new(descriptor, seed);

    let source = space.read(descriptor.src1_addr, descriptor.src1_size as usize).map_err(faulted)?;
    let mut to = space.write(descriptor.dst_addr, descriptor.max_dst_size as usize).map_err(faulted)?;
    if to.overlaps(&source) {
        return Err(Completion::of(status::OVERLAP));
    }
    let room = to.bytes_mut();
    let bits = if makes_codes {
        8 * dynamic(source.bytes(), room).ok_or(Completion::error(analytics::OUTPUT_OVERFLOW))?
    } else {
        let recipe = met.map(|(recipe, _)| recipe).or_else(|| learn(record.as_ref()?, with_end));
        let recipe = recipe.ok_or(Completion::error(analytics::AECS_ERROR))?;
        recipe.write(source.bytes(), room).map_err(|refusal| match refusal {
            Refusal::Full => Completion::error(analytics::OUTPUT_OVERFLOW),
            Refusal::NoCode => Completion::error(analytics::INVALID_HUFFMAN_CODE),
        })?
    };
    checksums.update(source.bytes());

    let is_flushed = descriptor.codec_flags & flags::FLUSH_OUTPUT != 0;
    let size = if is_flushed { bits.div_ceil(8) } else { bits / 8 };
    let waiting = if is_flushed { (0, 0) } else { (room.get(size).copied().unwrap_or(0), bits % 8) };
    drop((source, to));
    if is_written {
        let mut record = record.unwrap_or([0; COMPRESS_SIZE]);
        aecs::set_checksums(&mut record, checksums.crc, checksums.xor);
        aecs::set_waiting(&mut record, if waiting.1 == 0 { 0 } else { waiting.0 }, waiting.1);
        let mut place = space.write(write_at, COMPRESS_SIZE).map_err(faulted)?;
        place.bytes_mut().copy_from_slice(&record);
    }
    Ok(checksums.tell(Completion {
        bytes_completed: descriptor.src1_size,
        output_size: size as u32,
        output_bits: (bits % 8) as u8,
        ..Completion::of(status::SUCCESS)
    }))
}

/// The recipe of a record that this thread has met. Comparing 1540 bytes costs a thousandth of making one.
fn known(record: &[u8; COMPRESS_SIZE], with_end: bool) -> Option<Rc<Recipe>> {
    let key = aecs::recipe(record);
    RECIPES.with_borrow_mut(|known| {
        let index = known.iter().position(|(of, end, _)| *end == with_end && **of == *key)?;
        known.swap(0, index);
        known.first().map(|(_, _, recipe)| Rc::clone(recipe))
    })
}

/// Makes the recipe of a record that it has not.
fn learn(record: &[u8; COMPRESS_SIZE], with_end: bool) -> Option<Rc<Recipe>> {
    let (codes, header, header_bits) = aecs::parse(record)?;
    let recipe = Rc::new(Recipe::new(codes, header, header_bits, with_end));
    RECIPES.with_borrow_mut(|known| {
        known.truncate(KEPT - 1);
        known.insert(0, (aecs::recipe(record).into(), with_end, Rc::clone(&recipe)));
    });
    Some(recipe)
}

/// A whole deflate stream with codes of its own, and no reference beyond 4 KiB.
///
/// Of a copy: the libraries read it twice, to count and to write, and would write beyond their room if somebody changed it
/// in between.
fn dynamic(source: &[u8], space: &mut [u8]) -> Option<usize> {
    let source = &*source.to_vec();
    let write = |space: &mut [u8]| {
        if source.len() > WINDOW {
            let how = isal::Deflate { level: 1, wrapper: Wrapper::Raw, window: WINDOW.ilog2() as u16, part: false };
            return FAR.with_borrow_mut(|deflater| deflater.compress(&how, source, space));
        }
        NEAR.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = libdeflate::Compressor::new(LEVEL);
            }
            slot.as_mut()?.compress(Wrapper::Raw, source, space)
        })
    };
    // Both want some bytes more than they use in the end.
    write(space).or_else(|| {
        let bound = crate::alg::deflate::bound(Wrapper::Raw, source.len());
        staged(bound, |aside| {
            let made = write(aside)?;
            space.get_mut(..made)?.copy_from_slice(aside.get(..made)?);
            Some(made)
        })
    })
}
