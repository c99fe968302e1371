//! Where compressed pages lie: slabs of eight pages, each cut into places of one size, as zsmalloc has them.
//!
//! Sizes are eighths, ninths, tenths .. of a slab, so that nothing is left over at its end; a page that does not compress
//! is exactly an eighth. A place costs at most an eighteenth more than its bytes, less for small ones. What would be lost
//! to slabs that are half empty is got back by [`Slabs::compact`]: the places know their owners, so they can be moved.
//! The same cutting serves memory and a file; only the former has bytes here.

use crate::status::{Outcome, Status};

/// Pages in one slab.
pub const PAGES: usize = 8;

/// Nobody's.
const FREE: u32 = u32::MAX;

/// A place: the number of its slab, and its own in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot(u64);

impl Spot {
    fn new(slab: usize, slot: usize) -> Self {
        Self((slab as u64) << 16 | slot as u64)
    }

    pub fn of(bits: u64) -> Self {
        Self(bits)
    }

    pub fn bits(self) -> u64 {
        self.0
    }

    fn slab(self) -> usize {
        (self.0 >> 16) as usize
    }

    fn slot(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// All slabs whose places have one size.
struct Class {
    size: usize,
    per_slab: usize,
    /// Slabs with a free place.
    partial: Vec<u32>,
    free: usize,
}

struct Slab {
    class: usize,
    used: usize,
    /// Where in its class's list of those with free places it is.
    listed: Option<usize>,
    /// Who is in each place.
    owners: Box<[u32]>,
    /// Looked for a free place from here on.
    next: usize,
    memory: Box<[u8]>,
}

/// See the head of this file.
pub struct Slabs {
    slab_bytes: usize,
    has_memory: bool,
    classes: Vec<Class>,
    slabs: Vec<Option<Slab>>,
    unused: Vec<u32>,
    count: usize,
    owner_bytes: usize,
    /// Objects that were moved to set a slab free.
    pub moved: u64,
}

impl Slabs {
    /// For pages of `page` bytes; `budget` bytes decide how finely sizes are told apart: each size may keep a slab half
    /// empty.
    pub fn new(page: usize, budget: u64, has_memory: bool) -> Self {
        let slab_bytes = page * PAGES;
        let percent = match budget / slab_bytes as u64 {
            0..256 => 25,
            256..2048 => 12,
            _ => 6,
        };
        let mut classes = Vec::new();
        let mut per_slab = PAGES;
        while per_slab <= PAGES * 64 {
            let size = slab_bytes / per_slab / 8 * 8;
            classes.push(Class { size, per_slab, partial: Vec::new(), free: 0 });
            per_slab = (per_slab + 1).max(per_slab * (100 + percent) / 100);
        }
        classes.reverse();
        Self {
            slab_bytes,
            has_memory,
            classes,
            slabs: Vec::new(),
            unused: Vec::new(),
            count: 0,
            owner_bytes: 0,
            moved: 0,
        }
    }

    /// Bytes of all slabs.
    pub fn bytes(&self) -> u64 {
        self.count as u64 * self.slab_bytes as u64
    }

    /// Bytes beside them: lists of owners.
    pub fn table_bytes(&self) -> u64 {
        (self.owner_bytes + self.slabs.len() * size_of::<Option<Slab>>()) as u64
    }

    /// Bytes of free places.
    pub fn free_bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.free as u64 * class.size as u64).sum()
    }

    fn class_of(&self, bytes: usize) -> usize {
        self.classes.partition_point(|class| class.size < bytes).min(self.classes.len() - 1)
    }

    /// Whether there is a place for so many bytes without a new slab.
    pub fn has_place(&self, bytes: usize) -> bool {
        self.classes.get(self.class_of(bytes)).is_some_and(|class| class.free > 0)
    }

    /// Bytes that taking a place for so many would add.
    pub fn growth(&self, bytes: usize) -> u64 {
        match self.classes.get(self.class_of(bytes)) {
            Some(class) if class.free == 0 => (self.slab_bytes + class.per_slab * 4 + size_of::<Option<Slab>>()) as u64,
            _ => 0,
        }
    }

    /// Whether places for so many bytes and so many have one size.
    pub fn are_alike(&self, bytes: usize, others: usize) -> bool {
        self.class_of(bytes) == self.class_of(others)
    }

    /// A place for so many bytes; in a new slab if need be.
    pub fn take(&mut self, bytes: usize, owner: u32) -> Outcome<Spot> {
        let class = self.class_of(bytes);
        let listed = self.classes.get(class).and_then(|class| class.partial.last().copied());
        let number = match listed {
            Some(number) => number as usize,
            None => self.add_slab(class)?,
        };
        self.take_in(number, owner).ok_or_else(|| Status::Internal("a slab without the place that it told of".into()))
    }

    fn add_slab(&mut self, class: usize) -> Outcome<usize> {
        let no_memory = |_| Status::Engine { engine: "memory".into(), what: "the system has no more".into() };
        let mut memory = Vec::new();
        if self.has_memory {
            memory.try_reserve_exact(self.slab_bytes).map_err(no_memory)?;
            memory.resize(self.slab_bytes, 0);
        }
        let Some(kind) = self.classes.get_mut(class) else { return Err(Status::Internal("no such size".into())) };
        let number = match self.unused.pop() {
            Some(number) => number as usize,
            None => {
                self.slabs.push(None);
                self.slabs.len() - 1
            }
        };
        kind.free += kind.per_slab;
        kind.partial.push(number as u32);
        let listed = Some(kind.partial.len() - 1);
        let owners = vec![FREE; kind.per_slab].into_boxed_slice();
        let memory = memory.into_boxed_slice();
        self.owner_bytes += size_of_val(&*owners);
        if let Some(slot) = self.slabs.get_mut(number) {
            *slot = Some(Slab { class, used: 0, listed, owners, next: 0, memory });
        }
        self.count += 1;
        Ok(number)
    }

    fn slab(&self, number: usize) -> Option<&Slab> {
        self.slabs.get(number)?.as_ref()
    }

    fn take_in(&mut self, number: usize, owner: u32) -> Option<Spot> {
        let slab = self.slabs.get_mut(number)?.as_mut()?;
        let after = slab.owners.get(slab.next..).and_then(|rest| rest.iter().position(|owner| *owner == FREE));
        let slot = match after {
            Some(at) => slab.next + at,
            None => slab.owners.iter().position(|owner| *owner == FREE)?,
        };
        *slab.owners.get_mut(slot)? = owner;
        slab.next = slot + 1;
        slab.used += 1;
        let (is_full, class) = (slab.used == slab.owners.len(), slab.class);
        self.classes.get_mut(class)?.free -= 1;
        if is_full {
            self.unlist(number);
        }
        Some(Spot::new(number, slot))
    }

    /// Takes a slab off its class's list of those with free places.
    fn unlist(&mut self, number: usize) {
        let Some(slab) = self.slabs.get_mut(number).and_then(Option::as_mut) else { return };
        let (Some(at), class) = (slab.listed.take(), slab.class) else { return };
        let Some(class) = self.classes.get_mut(class) else { return };
        class.partial.swap_remove(at);
        if let Some(&other) = class.partial.get(at)
            && let Some(other) = self.slabs.get_mut(other as usize).and_then(Option::as_mut)
        {
            other.listed = Some(at);
        }
    }

    /// Gives a place back. A slab with nobody in it goes back to the system.
    pub fn give(&mut self, spot: Spot) {
        let number = spot.slab();
        let Some(slab) = self.slabs.get_mut(number).and_then(Option::as_mut) else { return };
        match slab.owners.get_mut(spot.slot()) {
            Some(owner) if *owner != FREE => *owner = FREE,
            _ => return,
        }
        slab.used -= 1;
        slab.next = slab.next.min(spot.slot());
        let (is_empty, is_listed) = (slab.used == 0, slab.listed.is_some());
        let Some(class) = self.classes.get_mut(slab.class) else { return };
        class.free += 1;
        if !is_listed {
            class.partial.push(number as u32);
            slab.listed = Some(class.partial.len() - 1);
        }
        if is_empty {
            class.free -= class.per_slab;
            self.owner_bytes -= class.per_slab * 4;
            self.unlist(number);
            if let Some(slab) = self.slabs.get_mut(number) {
                *slab = None;
            }
            self.unused.push(number as u32);
            self.count -= 1;
        }
    }

    /// Where in the file, or in all slabs laid end to end, a place begins.
    pub fn offset(&self, spot: Spot) -> u64 {
        let size = self.slab(spot.slab()).and_then(|slab| self.classes.get(slab.class)).map_or(0, |class| class.size);
        spot.slab() as u64 * self.slab_bytes as u64 + (spot.slot() * size) as u64
    }

    /// Slabs that a file must have room for, if a place for so many bytes is taken now.
    pub fn end_with(&self, bytes: usize) -> u64 {
        let more = usize::from(!self.has_place(bytes) && self.unused.is_empty());
        (self.slabs.len() + more) as u64 * self.slab_bytes as u64
    }

    pub fn bytes_at(&self, spot: Spot, len: usize) -> &[u8] {
        let Some(slab) = self.slab(spot.slab()) else { return &[] };
        let from = spot.slot() * self.classes.get(slab.class).map_or(0, |class| class.size);
        slab.memory.get(from..from.saturating_add(len)).unwrap_or(&[])
    }

    pub fn write(&mut self, spot: Spot, bytes: &[u8]) {
        let Some(slab) = self.slabs.get_mut(spot.slab()).and_then(Option::as_mut) else { return };
        let from = spot.slot() * self.classes.get(slab.class).map_or(0, |class| class.size);
        if let Some(space) = slab.memory.get_mut(from..from.saturating_add(bytes.len())) {
            space.copy_from_slice(bytes);
        }
    }

    /// Sets one slab free by moving who is in it to others of its size; tells each owner's new place. False if no size
    /// has so many free places.
    pub fn compact(&mut self, mut tell: impl FnMut(u32, Spot)) -> bool {
        let found = self.classes.iter().find(|class| class.free >= class.per_slab && class.partial.len() > 1);
        let Some(class) = found else { return false };
        let size = class.size;
        let used = |number: &u32| self.slab(*number as usize).map_or(usize::MAX, |slab| slab.used);
        let Some(number) = class.partial.iter().copied().min_by_key(used).map(|number| number as usize) else {
            return false;
        };
        let class = self.class_of(size);
        self.unlist(number);
        let Some(mut slab) = self.slabs.get_mut(number).and_then(Option::take) else { return false };
        let own_free = slab.owners.len() - slab.used;
        if let Some(class) = self.classes.get_mut(class) {
            class.free -= own_free;
        }
        for (slot, owner) in slab.owners.iter_mut().enumerate().filter(|(_, owner)| **owner != FREE) {
            let Some(other) = self.classes.get(class).and_then(|class| class.partial.last().copied()) else { break };
            let Some(spot) = self.take_in(other as usize, *owner) else { break };
            self.write(spot, slab.memory.get(slot * size..(slot + 1) * size).unwrap_or(&[]));
            tell(*owner, spot);
            self.moved += 1;
        }
        self.owner_bytes -= size_of_val(&*slab.owners);
        drop(slab);
        self.unused.push(number as u32);
        self.count -= 1;
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn next(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *seed >> 33
    }

    #[test]
    fn places_hold_what_was_written_and_none_overlap() {
        for budget in [1 << 20, 1 << 24, 1 << 30] {
            let mut slabs = Slabs::new(4096, budget, true);
            let mut known: HashMap<u32, (Spot, Vec<u8>)> = HashMap::new();
            let mut seed = budget;
            for owner in 0..6000u32 {
                let size = 1 + next(&mut seed) as usize % 4096;
                let bytes = vec![owner as u8; size];
                let spot = slabs.take(size, owner).unwrap();
                slabs.write(spot, &bytes);
                known.insert(owner, (spot, bytes));
                if next(&mut seed).is_multiple_of(2) {
                    let gone = next(&mut seed) as u32 % (owner + 1);
                    if let Some((spot, _)) = known.remove(&gone) {
                        slabs.give(spot);
                    }
                }
                if owner.is_multiple_of(64) {
                    let mut moves = Vec::new();
                    while slabs.compact(|owner, spot| moves.push((owner, spot))) {}
                    for (owner, spot) in moves {
                        known.get_mut(&owner).unwrap().0 = spot;
                    }
                }
            }
            for (spot, bytes) in known.values() {
                assert_eq!(slabs.bytes_at(*spot, bytes.len()), bytes);
            }
            while slabs.compact(|owner, spot| known.get_mut(&owner).unwrap().0 = spot) {}
            let wasted = slabs.classes.iter().all(|class| class.free < class.per_slab || class.partial.len() == 1);
            assert!(wasted);
            for (spot, _) in known.values() {
                slabs.give(*spot);
            }
            assert_eq!((slabs.bytes(), slabs.free_bytes()), (0, 0));
        }
    }

    #[test]
    fn a_page_that_does_not_compress_costs_its_bytes() {
        for page in [512, 4096, 1 << 20] {
            let mut slabs = Slabs::new(page, 1 << 40, true);
            for owner in 0..16 {
                slabs.take(page, owner).unwrap();
            }
            assert_eq!((slabs.bytes(), slabs.free_bytes()), (16 * page as u64, 0));
        }
    }
}
