//! A large file for BLAKE3: its subtrees are hashed by every thread that has nothing else to do.

use super::Failure;
use super::input::Source;
use super::piece::Piece;
use super::pool::{Helped, Pool, broken};
use super::worker::Bench;
use crate::alg::subtrees::{Join, Subtree};
use crate::sync::lock_std as lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Values that may wait for one before them; keeps memory bounded if a thread is held up.
const EARLY: u64 = 1024;

/// What a piece came to: its value, or `None` if the file ends before the piece does.
type Value = Option<[u8; 32]>;

struct State {
    next: u64,
    in_work: usize,
    join: Join,
    joined: u64,
    early: BTreeMap<u64, [u8; 32]>,
    has_shrunk: bool,
    failure: Option<Failure>,
}

pub struct Tree {
    source: Arc<Source>,
    piece: u64,
    num_pieces: u64,
    state: Mutex<State>,
    ended: Condvar,
    hashed: AtomicU64,
}

/// A piece that a thread has said it would hash.
struct Claim<'a> {
    tree: &'a Tree,
    index: u64,
    outcome: Option<Result<Value, Failure>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Without an outcome only if hashing panicked.
        let outcome = self.outcome.take().unwrap_or_else(|| Err(broken()));
        let mut guard = lock(&self.tree.state);
        let state = &mut *guard;
        state.in_work -= 1;
        match outcome {
            Err(failure) => {
                state.failure.get_or_insert(failure);
            }
            Ok(None) => state.has_shrunk = true,
            Ok(Some(value)) => {
                state.early.insert(self.index, value);
                while let Some(value) = state.early.remove(&state.joined) {
                    state.join.push(value);
                    state.joined += 1;
                }
            }
        }
        // The file's own thread waits for the last one, or for room.
        self.tree.ended.notify_one();
    }
}

impl Tree {
    pub fn new(source: Arc<Source>, piece: usize) -> Self {
        let piece = piece as u64;
        let num_pieces = source.size.unwrap_or(0).div_ceil(piece);
        let state = State {
            next: 0,
            in_work: 0,
            join: Join::default(),
            joined: 0,
            early: BTreeMap::new(),
            has_shrunk: false,
            failure: None,
        };
        let (state, ended) = (Mutex::new(state), Condvar::new());
        Self { source, piece, num_pieces, state, ended, hashed: AtomicU64::new(0) }
    }

    pub fn pieces(&self) -> u64 {
        self.num_pieces
    }

    /// Bytes hashed so far.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Hashes with the others until all is done; `None` if the file turned out shorter than it was.
    pub fn hash(&self, pool: &Pool, bench: &mut Bench) -> Result<Option<Join>, Failure> {
        loop {
            while self.one(pool, bench) {
                if let Err(cancelled) = pool.check() {
                    lock(&self.state).failure.get_or_insert(cancelled.into());
                }
            }
            let mut state = lock(&self.state);
            while state.in_work > 0 && !self.is_open(&state) {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if self.is_open(&state) {
                continue; // there was no room for values that wait
            }
            return match state.failure.take() {
                Some(failure) => Err(failure),
                None if state.has_shrunk => Ok(None),
                None => Ok(Some(std::mem::take(&mut state.join))),
            };
        }
    }

    fn is_open(&self, state: &State) -> bool {
        let is_whole = state.failure.is_none() && !state.has_shrunk;
        is_whole && state.next < self.num_pieces.min(state.joined + EARLY)
    }

    fn claim(&self) -> Option<Claim<'_>> {
        let mut state = lock(&self.state);
        if !self.is_open(&state) {
            return None;
        }
        let index = state.next;
        state.next += 1;
        state.in_work += 1;
        Some(Claim { tree: self, index, outcome: None })
    }

    /// Hashes one piece; false if there is none.
    fn one(&self, pool: &Pool, bench: &mut Bench) -> bool {
        let Some(mut claim) = self.claim() else { return false };
        claim.outcome = Some(self.value(claim.index * self.piece, pool, bench));
        true
    }

    fn value(&self, offset: u64, pool: &Pool, bench: &mut Bench) -> Result<Value, Failure> {
        let len = self.source.size.unwrap_or(0).saturating_sub(offset).min(self.piece) as usize;
        let memory = std::mem::take(&mut bench.memory);
        let (piece, memory) = Piece::load(&self.source, offset, len, pool.budget(), memory);
        bench.memory = memory;
        let piece = piece?;
        let is_whole = piece.bytes().len() == len;
        let mut subtree = Subtree::new(offset)?;
        subtree.update(piece.bytes());
        let value = if is_whole { Some(subtree.finish()?) } else { None };
        self.hashed.fetch_add(piece.bytes().len() as u64, Ordering::Relaxed);
        pool.hashed(piece.bytes().len());
        if let Some(memory) = piece.memory() {
            bench.memory = memory;
        }
        Ok(value)
    }
}

impl Helped for Tree {
    fn wants_help(&self) -> bool {
        self.is_open(&lock(&self.state))
    }

    fn help(&self, pool: &Pool, bench: &mut Bench) {
        self.one(pool, bench);
    }
}
