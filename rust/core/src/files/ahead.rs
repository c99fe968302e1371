//! A large file for an algorithm that goes from front to back: one thread hashes, others read ahead of it.

use super::Failure;
use super::input::Source;
use super::piece::{AHEAD, Piece};
use super::pool::{Helped, Pool, broken};
use super::worker::Bench;
use crate::alg::stream::Hasher;
use crate::sync::lock_std as lock;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

enum Place {
    Empty,
    /// A thread reads it.
    Claimed,
    Full(Result<Piece, Failure>),
}

struct State {
    /// Numbers of pieces: the one being hashed, and the next one that nobody reads yet.
    current: u64,
    next: u64,
    places: [Place; AHEAD as usize],
    /// Memory that serves again.
    spare: Vec<Vec<u8>>,
}

pub struct Ahead {
    source: Arc<Source>,
    piece: u64,
    num_pieces: u64,
    state: Mutex<State>,
    filled: Condvar,
}

/// A piece that a thread has said it would read.
struct Claim<'a> {
    ahead: &'a Ahead,
    index: u64,
    outcome: Option<Result<Piece, Failure>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Without an outcome only if reading panicked.
        let outcome = self.outcome.take().unwrap_or_else(|| Err(broken()));
        if let Some(place) = lock(&self.ahead.state).places.get_mut((self.index % AHEAD) as usize) {
            *place = Place::Full(outcome);
        }
        self.ahead.filled.notify_one();
    }
}

/// What is to be done with the piece whose turn it is.
enum Turn {
    Hash(Result<Piece, Failure>),
    /// Nobody reads it: read it ourselves, in steps that stay in the cache.
    Read,
    Ended,
}

impl Ahead {
    pub fn new(source: Arc<Source>, piece: usize) -> Self {
        let piece = piece as u64;
        let num_pieces = source.size.unwrap_or(0).div_ceil(piece);
        let places = [Place::Empty, Place::Empty, Place::Empty];
        let state = State { current: 0, next: 0, places, spare: Vec::new() };
        Self { source, piece, num_pieces, state: Mutex::new(state), filled: Condvar::new() }
    }

    /// Bytes of a piece, as the file was when it was opened.
    fn len(&self, index: u64) -> usize {
        let left = self.source.size.unwrap_or(0).saturating_sub(index * self.piece);
        left.min(self.piece) as usize
    }

    fn turn(&self) -> Turn {
        let mut state = lock(&self.state);
        loop {
            if state.current >= self.num_pieces {
                return Turn::Ended;
            }
            let at = (state.current % AHEAD) as usize;
            match state.places.get_mut(at).map(|place| std::mem::replace(place, Place::Empty)) {
                Some(Place::Full(outcome)) => return Turn::Hash(outcome),
                Some(Place::Claimed) => {
                    if let Some(place) = state.places.get_mut(at) {
                        *place = Place::Claimed;
                    }
                    state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(Place::Empty) | None => {
                    state.next += 1;
                    return Turn::Read;
                }
            }
        }
    }

    /// The piece whose turn it was is hashed.
    fn pass(&self, pool: &Pool, memory: Option<Vec<u8>>) {
        let mut state = lock(&self.state);
        state.current += 1;
        state.spare.extend(memory);
        drop(state);
        if pool.helpers() > 0 {
            pool.ask_again();
        }
    }

    /// Hashes all pieces, or up to where the file ends by now.
    pub fn hash(
        &self,
        pool: &Pool,
        bench: &mut Bench,
        hasher: &mut dyn Hasher,
        bytes: &mut u64,
    ) -> Result<(), Failure> {
        loop {
            pool.check()?;
            let wanted = *bytes + self.len(lock(&self.state).current) as u64;
            match self.turn() {
                Turn::Ended => return Ok(()),
                Turn::Hash(piece) => {
                    let piece = piece?;
                    hasher.update(piece.bytes());
                    *bytes += piece.bytes().len() as u64;
                    pool.hashed(piece.bytes().len());
                    self.pass(pool, piece.memory());
                }
                Turn::Read => {
                    self.read(pool, bench, hasher, bytes, wanted)?;
                    self.pass(pool, None);
                }
            }
            if *bytes < wanted {
                return Ok(());
            }
        }
    }

    fn read(
        &self,
        pool: &Pool,
        bench: &mut Bench,
        hasher: &mut dyn Hasher,
        bytes: &mut u64,
        end: u64,
    ) -> Result<(), Failure> {
        let space = bench.step();
        while *bytes < end {
            pool.check()?;
            let most = (end - *bytes).min(space.len() as u64) as usize;
            let count = self.source.fill(*bytes, space.get_mut(..most).unwrap_or_default())?;
            hasher.update(space.get(..count).unwrap_or_default());
            *bytes += count as u64;
            pool.hashed(count);
            if count < most {
                break;
            }
        }
        Ok(())
    }
}

impl Helped for Ahead {
    fn wants_help(&self) -> bool {
        let state = lock(&self.state);
        state.next < self.num_pieces.min(state.current + AHEAD)
    }

    fn help(&self, pool: &Pool, _bench: &mut Bench) {
        let mut state = lock(&self.state);
        let index = state.next;
        if index >= self.num_pieces.min(state.current + AHEAD) {
            return; // somebody was faster
        }
        state.next += 1;
        if let Some(place) = state.places.get_mut((index % AHEAD) as usize) {
            *place = Place::Claimed;
        }
        let memory = state.spare.pop().unwrap_or_default();
        drop(state);
        let mut claim = Claim { ahead: self, index, outcome: None };
        let (outcome, memory) = Piece::load(&self.source, index * self.piece, self.len(index), pool.budget(), memory);
        claim.outcome = Some(outcome);
        if memory.capacity() > 0 {
            lock(&self.state).spare.push(memory);
        }
    }
}
