//! A put or a get of many pages: what needs no device is done at once, the rest goes through the layer in batches.

use super::Store;
use super::pool::{Found, Out};
use super::table::{Form, Key};
use crate::alg::Direction;
use crate::buffer::{Output, Source, Spare};
use crate::layer::{Ask, Chosen};
use crate::operation::{Completion, Hold, Lane as Told, Operation, UnitResult};
use crate::request::Unit;
use crate::status::{Outcome, Status};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Where batches are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// On this thread if that is short; who asks has other things to do.
    Short,
    /// On this thread if the engine allows it; who asks would only wait.
    Here,
    /// In the device's queue.
    Queue,
}

/// See the head of this file.
pub struct Job {
    pub(super) store: Arc<Store>,
    direction: Direction,
    keys: Vec<Key>,
    /// What each page is made from, where there is something to do: the page, or its compressed bytes.
    sources: Vec<Source>,
    /// Pages that a device must work on, and of those the ones that failed on a first.
    todo: Vec<u32>,
    again: Vec<u32>,
    /// Of puts that are handed to a device: their numbers.
    tickets: Vec<u64>,
    /// Where pages go that are got.
    target: Option<Output>,
    /// By page: whether it was found, or why it failed.
    outcomes: Vec<Outcome<bool>>,
    told: Option<Completion>,
}

/// How a job ended.
pub struct Done {
    pub outcomes: Vec<Outcome<bool>>,
    pub target: Option<Output>,
    pub told: Completion,
}

/// Whether a page is one word again and again; which.
fn same(page: &[u8]) -> Option<u64> {
    let (words, rest) = page.as_chunks::<8>();
    let (first, last) = (words.first()?, words.last()?);
    // Pages that begin alike often end otherwise: the last word tells most of them apart at once, as in zswap.
    let is_same =
        first == last && rest.is_empty() && words.chunks(64).all(|some| some.iter().all(|word| word == first));
    is_same.then(|| u64::from_le_bytes(*first))
}

/// The last page of each key, if a key comes twice, or may do so.
fn last_of_each(keys: &[Key]) -> Option<HashMap<Key, usize>> {
    let is_rising = keys.windows(2).all(|pair| pair.first() < pair.last());
    (!is_rising).then(|| keys.iter().enumerate().map(|(index, key)| (*key, index)).collect())
}

/// What stays of a failure when there is nobody else to try: a page is kept as it is unless it was withdrawn.
fn is_final(status: &Status) -> bool {
    matches!(status, Status::Closed(_) | Status::Cancelled | Status::Usage(_) | Status::DeadlineExceeded)
}

/// Pages that are copied under the lock in one go.
const TURN: usize = 16;

const DAMAGED: Status = Status::Corrupt { offset: 0, what: "the written-back copy of a page is damaged" };
const WRONG_SIZE: Status = Status::Corrupt { offset: 0, what: "a stored page has not the size of a page" };

/// Keeps the sources of work on this thread, which needs no hold: they outlive it.
static NOBODYS: LazyLock<Hold> = LazyLock::new(|| Operation::new(None, 0).1);

impl Job {
    fn new(store: &Arc<Store>, direction: Direction, keys: Vec<Key>) -> Self {
        let outcomes = keys.iter().map(|_| Ok(false)).collect();
        let (sources, todo, again, tickets) = Default::default();
        let store = Arc::clone(store);
        Self { store, direction, keys, sources, todo, again, tickets, target: None, outcomes, told: None }
    }

    fn end_at(&mut self, index: usize, outcome: Outcome<bool>) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = outcome;
        }
    }

    /// Puts as many pages as there are keys. What is one word is stored now.
    pub fn put(store: &Arc<Store>, keys: Vec<Key>, sources: Vec<Source>) -> Outcome<Self> {
        let page = store.page;
        if keys.len() != sources.len() {
            return Err(Status::Usage(format!("{} keys for {} pages", keys.len(), sources.len())));
        }
        if let Some(source) = sources.iter().find(|source| source.len() != page) {
            return Err(Status::Usage(format!("a page of {} bytes; the store's have {page}", source.len())));
        }
        let mut own = Self::new(store, Direction::Compress, keys);
        let mut scratch = Vec::new();
        let words: Vec<_> = sources.iter().map(|source| same(source.contiguous(&mut scratch))).collect();
        own.sources = sources;
        let mut pool = store.pool();
        pool.alive()?;
        pool.counters.puts += own.keys.len() as u64;
        let last = last_of_each(&own.keys);
        for (index, word) in words.into_iter().enumerate() {
            let Some(key) = own.keys.get(index).copied() else { break };
            if last.as_ref().is_some_and(|last| last.get(&key) != Some(&index)) {
                own.end_at(index, Ok(true)); // one that comes later takes its place
                continue;
            }
            match word {
                None => own.todo.push(index as u32),
                Some(word) => {
                    pool.supersede(key);
                    let outcome = pool.put(key, Form::Same, word, &[]).map(|()| true);
                    own.end_at(index, outcome);
                }
            }
        }
        drop(pool);
        Ok(own)
    }

    /// Gets pages into a target that has room for all. What is not compressed is copied now; what was written back is
    /// read now, which may wait for the disk.
    pub fn get(store: &Arc<Store>, keys: Vec<Key>, mut target: Output) -> Outcome<Self> {
        let page = store.page;
        let wanted = keys.len().checked_mul(page).ok_or_else(|| Status::usage("too many pages at once"))?;
        target.exactly(wanted)?;
        target.set_len(wanted);
        let mut own = Self::new(store, Direction::Decompress, keys);
        own.target = Some(target);
        own.sources.resize_with(own.keys.len(), Source::default);
        let mut outs = Vec::new();
        let mut pool = store.pool();
        pool.alive()?;
        for index in 0..own.keys.len() {
            if index > 0 && index.is_multiple_of(TURN) {
                drop(pool); // it is somebody else's turn
                pool = store.pool();
            }
            if let Some(out) = own.take(&mut pool, index) {
                outs.push((index, out));
            }
        }
        drop(pool);
        for (index, out) in outs {
            own.read(index, out);
        }
        Ok(own)
    }

    /// Copies what is known of one page; tells where it is if it must be read from the file.
    fn take(&mut self, pool: &mut super::Pool, index: usize) -> Option<Out> {
        let key = self.keys.get(index).copied()?;
        let outcome = match pool.look(key) {
            None => {
                if self.target.as_ref().is_some_and(|target| !target.is_fixed()) {
                    self.space(index)?.fill(0); // it held who knows whose result
                }
                Ok(false)
            }
            Some(Found::Same(word)) => {
                let space = self.space(index)?;
                space.as_chunks_mut::<8>().0.fill(word.to_le_bytes());
                Ok(true)
            }
            Some(Found::Raw(bytes)) => {
                self.space(index)?.copy_from_slice(bytes);
                Ok(true)
            }
            Some(Found::Packed(bytes)) => {
                *self.sources.get_mut(index)? = Source::from(bytes.to_vec());
                self.todo.push(index as u32);
                return None;
            }
            Some(Found::Out(out)) => return Some(out),
        };
        self.end_at(index, outcome);
        None
    }

    /// Reads one page from the file. If it is not what was written, it may have moved meanwhile; else it is damaged.
    fn read(&mut self, index: usize, out: Out) {
        let Some(key) = self.keys.get(index).copied() else { return };
        let store = Arc::clone(&self.store);
        let mut out = out;
        loop {
            let read = out.read(key);
            let mut pool = store.pool();
            pool.counters.bd_reads += 1;
            match read {
                Ok(Some(bytes)) => {
                    drop(pool);
                    if out.form == Form::Packed {
                        if let Some(source) = self.sources.get_mut(index) {
                            *source = Source::from(bytes);
                            self.todo.push(index as u32);
                        }
                    } else if let Some(space) = self.space(index) {
                        space.copy_from_slice(&bytes);
                        self.end_at(index, Ok(true));
                    }
                    return;
                }
                _ if !pool.is_still(key, &out) => match self.take(&mut pool, index) {
                    Some(other) => out = other,
                    None => return,
                },
                Ok(None) => {
                    pool.counters.damaged_pages += 1;
                    return self.end_at(index, Err(DAMAGED));
                }
                Err(error) => {
                    let what = format!("a page cannot be read back: {error}");
                    return self.end_at(index, Err(Status::Engine { engine: "writeback".into(), what }));
                }
            }
        }
    }

    fn space(&mut self, index: usize) -> Option<&mut [u8]> {
        let page = self.store.page;
        let whole = self.target.as_mut()?.as_mut_slice();
        whole.get_mut(index * page..(index + 1) * page)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.todo.is_empty() && self.again.is_empty()
    }

    pub fn finish(self) -> Done {
        let told = self.told.unwrap_or_else(|| Completion {
            device: Arc::from(""),
            driver: "",
            reason: "no device was needed",
            lane: Told::Inline,
            queue_ns: 0,
            run_ns: 0,
            attempts: 1,
            bytes_in: 0,
            bytes_out: 0,
        });
        Done { outcomes: self.outcomes, target: self.target, told }
    }

    // ---- Batches

    /// Takes the next batch's pages.
    pub(super) fn next_batch(&mut self) -> Option<Vec<u32>> {
        let from = if self.todo.is_empty() { &mut self.again } else { &mut self.todo };
        let count = from.len().min(self.store.batch);
        (count > 0).then(|| from.drain(..count).collect())
    }

    pub(super) fn ask(&self, batch: &[u32]) -> Ask<'static> {
        let bytes = batch.iter().filter_map(|index| self.sources.get(*index as usize)).map(Source::len);
        Ask { depth: batch.len(), ..Ask::of(self.direction, bytes.sum::<usize>() / batch.len().max(1)) }
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// The most that one page may become: decompression stops there; compression has more than it needs.
    pub(super) fn max_output(&self) -> u64 {
        let page = self.store.page as u64;
        if self.direction == Direction::Decompress { page } else { page * 2 + 4096 }
    }

    pub(super) fn units(&self, batch: &[u32], hold: &Hold) -> Vec<Unit> {
        let sources = batch.iter().filter_map(|index| self.sources.get(*index as usize));
        sources.map(|source| self.store.layer.unit(Spare::of(source).revive(hold))).collect()
    }

    /// Does here what may be done here; the rest stays to be launched.
    pub fn run_here(&mut self, lane: Lane) {
        let mut left = Vec::new();
        while !self.todo.is_empty() {
            let Some(batch) = self.next_batch() else { break };
            let ask = self.ask(&batch);
            let store = Arc::clone(&self.store);
            let layer = &store.layer;
            let chosen = match layer.alive().and_then(|()| layer.choose(&store.bound, &ask)) {
                Ok(chosen) => chosen,
                Err(status) => {
                    self.settle(&batch, batch.iter().map(|_| Err(status.clone())).collect(), None, false);
                    continue;
                }
            };
            if !self.is_here(lane, &chosen, &ask, batch.len()) {
                left.extend(batch);
                continue;
            }
            let units = self.units(&batch, &NOBODYS);
            let settled = layer.run_batch(&store.bound, &chosen, units, self.direction, self.max_output());
            let failed = settled.units.iter().find_map(|unit| unit.as_ref().err());
            chosen.place.device.judge(failed, None, Some(&store.bound));
            let goes_on = layer.devices().len() > 1;
            self.settle(&batch, settled.units, Some(settled.completion), goes_on);
        }
        self.todo = left;
    }

    fn is_here(&self, lane: Lane, chosen: &Chosen, ask: &Ask<'_>, count: usize) -> bool {
        let engine = &chosen.place.device.engine;
        match lane {
            _ if chosen.runs_here => true,
            Lane::Queue => false,
            Lane::Here => engine.runs_inline(),
            Lane::Short => {
                let one = chosen.place.costs.at(count).predict(ask.direction, ask.bytes);
                self.store.layer.is_inline(chosen, one.saturating_mul(count as u64))
            }
        }
    }

    /// What is left of a put is handed to a device: from now on a later put of the same key wins over it.
    pub(super) fn enter(&mut self) {
        if self.direction != Direction::Compress {
            return;
        }
        self.tickets = vec![0; self.keys.len()];
        let store = Arc::clone(&self.store);
        let mut pool = store.pool();
        for index in self.todo.iter().chain(&self.again).map(|index| *index as usize) {
            if let (Some(key), Some(ticket)) = (self.keys.get(index), self.tickets.get_mut(index)) {
                *ticket = pool.begin(*key);
            }
        }
    }

    /// Takes the results of a batch. What failed in a way that another device may not is done `again` if that is asked.
    pub(super) fn settle(&mut self, batch: &[u32], results: Vec<UnitResult>, told: Option<Completion>, again: bool) {
        if let Some(told) = told {
            self.add(told);
        }
        // Lost or abandoned as a whole: the one failure is every page's.
        let first = results.iter().find_map(|result| result.as_ref().err().cloned());
        let lost = first.unwrap_or_else(|| Status::Internal("a completion without a result".into()));
        let is_whole = results.len() == batch.len();
        let mut results = results.into_iter();
        let store = Arc::clone(&self.store);
        if self.direction == Direction::Compress {
            let mut pool = store.pool();
            for index in batch.iter().map(|index| *index as usize) {
                let result = results.next().filter(|_| is_whole).unwrap_or_else(|| Err(lost.clone()));
                if again && result.as_ref().is_err_and(Status::retryable) {
                    self.again.push(index as u32);
                    continue;
                }
                let outcome = self.keep(&mut pool, index, result);
                self.end_at(index, outcome);
            }
            return;
        }
        for index in batch.iter().map(|index| *index as usize) {
            let result = results.next().filter(|_| is_whole).unwrap_or_else(|| Err(lost.clone()));
            if again && result.as_ref().is_err_and(Status::retryable) {
                self.again.push(index as u32);
                continue;
            }
            let outcome = result.and_then(|(output, _)| {
                let space = self.space(index).filter(|space| space.len() == output.len()).ok_or(WRONG_SIZE)?;
                space.copy_from_slice(output.as_slice());
                Ok(true)
            });
            if outcome.is_err() {
                store.pool().counters.decompress_fail += 1;
            }
            self.end_at(index, outcome);
        }
    }

    fn keep(&self, pool: &mut super::Pool, index: usize, result: UnitResult) -> Outcome<bool> {
        let (Some(key), Some(source)) = (self.keys.get(index).copied(), self.sources.get(index)) else {
            return Err(Status::Internal("a result for no page".into()));
        };
        pool.alive()?;
        match self.tickets.get(index) {
            None => pool.supersede(key),
            Some(ticket) if !pool.end(key, *ticket) => return Ok(true),
            Some(_) => {}
        }
        let mut scratch = Vec::new();
        match result {
            Ok((output, _)) if !pool.is_huge(output.len()) => pool.put(key, Form::Packed, 0, output.as_slice()),
            Err(status) if is_final(&status) => Err(status),
            other => {
                if other.is_err() {
                    pool.counters.crypto_compress_fail += 1;
                }
                pool.put(key, Form::Raw, 0, source.contiguous(&mut scratch))
            }
        }
        .map(|()| true)
    }

    fn add(&mut self, told: Completion) {
        self.told = Some(match self.told.take() {
            None => told,
            Some(before) => Completion {
                queue_ns: before.queue_ns.max(told.queue_ns),
                run_ns: before.run_ns.saturating_add(told.run_ns),
                attempts: before.attempts.max(told.attempts),
                bytes_in: before.bytes_in.saturating_add(told.bytes_in),
                bytes_out: before.bytes_out.saturating_add(told.bytes_out),
                ..told
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn one_word_again_and_again_is_told_from_all_else() {
        let mut page = vec![7u8; 4096];
        assert_eq!(same(&page), Some(u64::from_le_bytes([7; 8])));
        for at in [0, 8, 2047, 4095] {
            page[at] = 8;
            assert_eq!(same(&page), None);
            page[at] = 7;
        }
        let words: Vec<u8> = (0..4096).map(|at| (at % 8) as u8).collect();
        assert_eq!(same(&words), Some(u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7])));
        let halves: Vec<u8> = (0..4096).map(|at| (at % 16) as u8).collect();
        assert_eq!(same(&halves), None);
    }
}
