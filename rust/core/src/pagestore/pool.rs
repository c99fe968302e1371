//! What a page store holds, behind one lock: the table, the slabs, the file, and the rules by which pages come and go.
//!
//! One lock, since it is held for the copy of a compressed page and little else: 0.3 us of the 2 to 10 us that a page
//! takes. Only writing back holds it longer, for one write to the file per page.

use super::slabs::{Slabs, Spot};
use super::spill::{Spill, check};
use super::statistics::{Counters, Levels, Rows, rows};
use super::table::{Form, Key, Record, Table};
use crate::status::{Outcome, Status};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// See the head of this file.
pub struct Pool {
    page: usize,
    max_bytes: u64,
    table: Table,
    memory: Slabs,
    spill: Option<Spill>,
    pub counters: Counters,
    levels: Levels,
    /// Puts that a device works on, by the number of the last one of each key.
    pending: HashMap<Key, u64>,
    tickets: u64,
    is_closed: bool,
}

/// Where a page was found.
pub enum Found<'a> {
    Same(u64),
    Packed(&'a [u8]),
    Raw(&'a [u8]),
    Out(Out),
}

/// A page that must be read from the file first.
#[derive(Clone)]
pub struct Out {
    file: Arc<File>,
    offset: u64,
    at: u64,
    check: u64,
    pub form: Form,
    pub size: usize,
}

impl Out {
    /// Reads it, without the store's lock. `None` if what is there is not what was written.
    pub fn read(&self, key: Key) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; self.size];
        match self.file.read_exact_at(&mut bytes, self.offset) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            Err(_) => return Ok(None),
            Ok(()) => {}
        }
        Ok((check(key, &bytes) == self.check).then_some(bytes))
    }
}

impl Pool {
    pub fn new(page: usize, max_bytes: u64, spill: Option<Spill>) -> Self {
        Self {
            page,
            max_bytes,
            table: Table::default(),
            memory: Slabs::new(page, max_bytes, true),
            spill,
            counters: Counters::default(),
            levels: Levels::default(),
            pending: HashMap::new(),
            tickets: 0,
            is_closed: false,
        }
    }

    /// Forgets everything, and lets go of the file.
    pub fn close(&mut self) {
        let counters = self.counters;
        *self = Self { counters, is_closed: true, ..Self::new(self.page, self.max_bytes, None) };
    }

    pub fn alive(&self) -> Outcome<()> {
        if self.is_closed { Err(Status::Closed("the page store is closed")) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.memory.bytes() + self.memory.table_bytes() + self.table.bytes()
    }

    // ---- Puts that are on their way

    /// A put has been handed to a device; one that is begun later, or an invalidation, makes it void.
    pub fn begin(&mut self, key: Key) -> u64 {
        self.tickets += 1;
        self.pending.insert(key, self.tickets);
        self.tickets
    }

    /// It has come back. Whether it is still wanted.
    pub fn end(&mut self, key: Key, ticket: u64) -> bool {
        let is_last = self.pending.get(&key) == Some(&ticket);
        if is_last {
            self.pending.remove(&key);
        } else {
            self.counters.superseded_pages += 1;
        }
        is_last
    }

    /// What is on its way for this key is not wanted any more.
    pub fn supersede(&mut self, key: Key) {
        if !self.pending.is_empty() {
            self.pending.remove(&key);
        }
    }

    // ---- Storing

    /// Keeps a page; whatever was kept under its key goes only if that succeeds.
    pub fn put(&mut self, key: Key, form: Form, word: u64, bytes: &[u8]) -> Outcome<()> {
        self.alive()?;
        let old = self.table.find(key);
        let has_data = form != Form::Same;
        let is_swap = |record: Record| {
            record.form != Form::Same && !record.is_out && self.memory.are_alike(record.size as usize, bytes.len())
        };
        if !(has_data && old.is_some_and(|number| is_swap(self.table.at(number)))) {
            self.make_room(old.is_none(), has_data.then_some(bytes.len()))?;
        }
        let number = match old {
            Some(number) => {
                self.let_go(number);
                number
            }
            None => self.table.enter(key),
        };
        let at = if has_data {
            match self.memory.take(bytes.len(), number) {
                Ok(spot) => {
                    self.memory.write(spot, bytes);
                    self.table.touch(number);
                    spot.bits()
                }
                Err(status) => {
                    self.counters.reject_alloc_fail += 1;
                    self.table.leave(number);
                    return Err(status);
                }
            }
        } else {
            word
        };
        let size = bytes.len() as u32;
        self.table.change(number, |record| {
            (record.at, record.size, record.form, record.is_out) = (at, size, form, false);
        });
        self.levels.stored += 1;
        self.levels.packed_bytes += u64::from(size);
        match form {
            Form::Same => self.levels.same += 1,
            Form::Raw => {
                self.levels.raw += 1;
                self.counters.huge_pages_since += 1;
            }
            Form::Packed => {}
        }
        self.counters.mem_used_max = self.counters.mem_used_max.max(self.used());
        Ok(())
    }

    /// Writes pages back until there is room for one more.
    fn make_room(&mut self, is_new: bool, bytes: Option<usize>) -> Outcome<()> {
        let mut is_hit = false;
        loop {
            let slab = bytes.map_or(0, |bytes| self.memory.growth(bytes));
            let growth = slab + if is_new { self.table.growth() } else { 0 };
            if growth == 0 || self.used() + growth <= self.max_bytes {
                return Ok(());
            }
            if !is_hit {
                is_hit = true;
                self.counters.pool_limit_hit += 1;
            }
            if self.compact() {
                continue;
            }
            if let Err(status) = self.write_back() {
                self.counters.reject_reclaim_fail += 1;
                return Err(status);
            }
        }
    }

    /// Frees one slab by moving pages, if there are enough free places.
    pub fn compact(&mut self) -> bool {
        let Self { memory, table, .. } = self;
        memory.compact(|owner, spot| table.change(owner, |record| record.at = spot.bits()))
    }

    /// Writes the page back whose last use is longest ago. What cannot be written stays.
    pub fn write_back(&mut self) -> Outcome<()> {
        let full = |why: &str| Status::QueueFull(format!("the page store is full ({} bytes): {why}", self.max_bytes));
        let Some(number) = self.table.oldest() else {
            return Err(full("what is left are tables, same-filled pages and those written back"));
        };
        let Record { key, at, size, .. } = self.table.at(number);
        let Some(spill) = &mut self.spill else { return Err(full("it has no file to write pages back to")) };
        let bytes = self.memory.bytes_at(Spot::of(at), size as usize);
        let spot = match spill.write(number, bytes) {
            Ok(spot) => spot,
            Err(status) => {
                self.counters.writeback_failures += 1;
                return Err(Status::QueueFull(format!("the page store is full ({} bytes): {status}", self.max_bytes)));
            }
        };
        let check = check(key, bytes);
        self.memory.give(Spot::of(at));
        self.table.unlink(number);
        self.table.change(number, |record| {
            (record.at, record.check, record.is_out) = (spot.bits(), check, true);
        });
        self.levels.out += 1;
        self.counters.written_back_pages += 1;
        Ok(())
    }

    /// Gives back what a page has, and keeps its record.
    fn let_go(&mut self, number: u32) {
        let record = self.table.at(number);
        self.levels.stored -= 1;
        self.levels.packed_bytes -= u64::from(record.size);
        match record.form {
            Form::Same => {
                self.levels.same -= 1;
                return;
            }
            Form::Raw => self.levels.raw -= 1,
            Form::Packed => {}
        }
        if record.is_out {
            self.levels.out -= 1;
            if let Some(spill) = &mut self.spill {
                spill.slabs.give(Spot::of(record.at));
            }
        } else {
            self.memory.give(Spot::of(record.at));
            self.table.unlink(number);
        }
    }

    /// Forgets a page; false if there was none.
    pub fn invalidate(&mut self, key: Key) -> bool {
        self.supersede(key);
        let Some(number) = self.table.find(key) else { return false };
        self.let_go(number);
        self.table.leave(number);
        self.counters.invalidates += 1;
        true
    }

    // ---- Looking

    /// Finds a page, and counts that as its use.
    pub fn look(&mut self, key: Key) -> Option<Found<'_>> {
        self.counters.gets += 1;
        let Some(number) = self.table.find(key) else {
            self.counters.misses += 1;
            return None;
        };
        let record = self.table.at(number);
        let (spot, size) = (Spot::of(record.at), record.size as usize);
        if record.form == Form::Same {
            return Some(Found::Same(record.at));
        }
        if record.is_out {
            let (file, offset) = self.spill.as_ref()?.reading(spot);
            let Record { at, check, form, .. } = record;
            return Some(Found::Out(Out { file, offset, at, check, form, size }));
        }
        self.table.touch(number);
        let bytes = self.memory.bytes_at(spot, size);
        Some(if record.form == Form::Raw { Found::Raw(bytes) } else { Found::Packed(bytes) })
    }

    /// Whether a page still lies where it was found.
    pub fn is_still(&self, key: Key, out: &Out) -> bool {
        let record = self.table.find(key).map(|number| self.table.at(number));
        record.is_some_and(|record| record.is_out && record.at == out.at && record.check == out.check)
    }

    pub fn has(&self, key: Key) -> bool {
        self.table.find(key).is_some()
    }

    /// Whether a page must be read from the file.
    pub fn is_out(&self, key: Key) -> bool {
        self.levels.out > 0 && self.table.find(key).is_some_and(|number| self.table.at(number).is_out)
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn keys(&self) -> Vec<Key> {
        self.table.keys()
    }

    /// Pages in memory from the one whose last use is longest ago, at most so many.
    pub fn oldest_first(&self, most: usize) -> Vec<Key> {
        let numbers = std::iter::successors(self.table.oldest(), |number| self.table.next_newer(*number));
        numbers.take(most).map(|number| self.table.at(number).key).collect()
    }

    /// Whether a page of so many compressed bytes would lie where one lies that is kept as it is.
    pub fn is_huge(&self, bytes: usize) -> bool {
        bytes >= self.page || self.memory.are_alike(bytes, self.page)
    }

    pub fn statistics(&self) -> Rows {
        let tables = self.table.bytes() + self.memory.table_bytes();
        let mut rows = rows(
            &self.counters,
            &self.levels,
            self.page as u64,
            self.memory.bytes(),
            self.memory.free_bytes(),
            tables,
            self.max_bytes,
        );
        rows.push(("pages_compacted", self.memory.moved));
        rows.push(("bd_size", self.spill.as_ref().map_or(0, |spill| spill.slabs.bytes())));
        rows
    }
}
