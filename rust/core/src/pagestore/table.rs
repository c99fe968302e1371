//! The index of a page store: what is known of each page, found by its key, and the order in which they were used.
//!
//! A page costs 48 bytes here and 28 to 57 in the index over the keys. Records lie in blocks, so that growing moves
//! none.

use std::collections::HashMap;

/// Names a page: the offset in an area, as swap entries do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub area: u32,
    pub offset: u64,
}

/// How a page is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One word of eight bytes, again and again.
    Same,
    Packed,
    /// As it is, since it does not compress.
    Raw,
}

/// What is known of a page.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub key: Key,
    /// Where its bytes lie, in memory or in the file; of a same-filled page the word.
    pub at: u64,
    /// Of what was written back.
    pub check: u64,
    pub size: u32,
    pub form: Form,
    pub is_out: bool,
    before: u32,
    after: u32,
}

const BLOCK: usize = 256;
const NONE: u32 = u32::MAX;

const EMPTY: Record = Record {
    key: Key { area: 0, offset: 0 },
    at: 0,
    check: 0,
    size: 0,
    form: Form::Same,
    is_out: false,
    before: NONE,
    after: NONE,
};

/// See the head of this file.
pub struct Table {
    index: HashMap<Key, u32>,
    /// Buckets that the index has, as far as it tells.
    buckets: usize,
    blocks: Vec<Box<[Record]>>,
    /// Free records, one after the other by `after`.
    free: u32,
    /// The one used last, and the one whose last use is longest ago.
    newest: u32,
    oldest: u32,
}

impl Default for Table {
    fn default() -> Self {
        let index = HashMap::new();
        Self { index, buckets: 0, blocks: Vec::new(), free: NONE, newest: NONE, oldest: NONE }
    }
}

/// What the index has for one key: the pair, and a byte that tells whether there is one.
const BUCKET: usize = size_of::<(Key, u32)>() + 1;

impl Table {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK * size_of::<Record>() + self.buckets * BUCKET) as u64
    }

    /// Bytes that one page more would add.
    pub fn growth(&self) -> u64 {
        let block = if self.free == NONE { BLOCK * size_of::<Record>() } else { 0 };
        let index = if self.index.len() == self.index.capacity() { self.buckets.max(4) * BUCKET } else { 0 };
        (block + index) as u64
    }

    pub fn find(&self, key: Key) -> Option<u32> {
        self.index.get(&key).copied()
    }

    pub fn at(&self, number: u32) -> Record {
        let number = number as usize;
        self.blocks.get(number / BLOCK).and_then(|block| block.get(number % BLOCK)).copied().unwrap_or(EMPTY)
    }

    /// Changes what is known of a page; not its key.
    pub fn change(&mut self, number: u32, change: impl FnOnce(&mut Record)) {
        let number = number as usize;
        if let Some(record) = self.blocks.get_mut(number / BLOCK).and_then(|block| block.get_mut(number % BLOCK)) {
            change(record);
        }
    }

    /// Enters a page of which nothing is known yet.
    pub fn enter(&mut self, key: Key) -> u32 {
        if self.free == NONE {
            let first = (self.blocks.len() * BLOCK) as u32;
            self.blocks.push(vec![EMPTY; BLOCK].into_boxed_slice());
            for number in (first..first + BLOCK as u32).rev() {
                let after = self.free;
                self.change(number, |record| record.after = after);
                self.free = number;
            }
        }
        let number = self.free;
        self.free = self.at(number).after;
        self.change(number, |record| *record = Record { key, ..EMPTY });
        self.index.insert(key, number);
        self.buckets = self.buckets.max((self.index.capacity() * 8 / 7).next_power_of_two());
        number
    }

    /// Forgets a page.
    pub fn leave(&mut self, number: u32) {
        self.unlink(number);
        let (key, after) = (self.at(number).key, self.free);
        self.index.remove(&key);
        self.change(number, |record| record.after = after);
        self.free = number;
        if self.index.is_empty() {
            *self = Self::default();
        } else if self.buckets > 4096 && self.index.len() < self.buckets / 8 {
            self.index.shrink_to(self.index.len() * 2);
            self.buckets = (self.index.capacity() * 8 / 7).next_power_of_two();
        }
    }

    // ---- The order of use, of pages that lie in memory

    /// The page whose last use is longest ago, and the one used next after a given one.
    pub fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub fn next_newer(&self, number: u32) -> Option<u32> {
        let before = self.at(number).before;
        (before != NONE).then_some(before)
    }

    /// The page was used just now.
    pub fn touch(&mut self, number: u32) {
        if self.newest == number {
            return;
        }
        self.unlink(number);
        let newest = self.newest;
        self.change(number, |record| (record.before, record.after) = (NONE, newest));
        match newest {
            NONE => self.oldest = number,
            newest => self.change(newest, |record| record.before = number),
        }
        self.newest = number;
    }

    /// Takes the page out of the order, if it is in it.
    pub fn unlink(&mut self, number: u32) {
        let Record { before, after, .. } = self.at(number);
        if before == NONE && self.newest != number {
            return;
        }
        match before {
            NONE => self.newest = after,
            before => self.change(before, |record| record.after = after),
        }
        match after {
            NONE => self.oldest = before,
            after => self.change(after, |record| record.before = before),
        }
        self.change(number, |record| (record.before, record.after) = (NONE, NONE));
    }

    /// Every key, in no order.
    pub fn keys(&self) -> Vec<Key> {
        self.index.keys().copied().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 56, "{}", size_of::<Record>());
    }

    #[test]
    fn the_oldest_is_who_was_touched_first() {
        let mut table = Table::default();
        let numbers: Vec<u32> = (0..1000).map(|offset| table.enter(Key { area: 0, offset })).collect();
        numbers.iter().for_each(|number| table.touch(*number));
        table.touch(numbers[0]);
        table.leave(numbers[1]);
        let mut order = Vec::new();
        while let Some(number) = table.oldest() {
            order.push(table.at(number).key.offset);
            table.leave(number);
        }
        assert_eq!(order, (2..1000).chain([0]).collect::<Vec<u64>>());
        assert_eq!((table.len(), table.bytes()), (0, 0));
    }
}
