//! Harm done on purpose, by chance with a seed or to the next so many descriptors.

use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is done to a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It ends with this status, and nothing is done.
    Fail(u8),
    /// A bit of its result is flipped.
    Corrupt,
    /// It is done, and nobody is told.
    Lose,
    /// It takes so many nanoseconds longer.
    Delay(u64),
    /// Its engine never gets done with it, nor does anything else, until a reset.
    Stick,
}

/// One sort of harm.
#[derive(Debug, Clone, Copy)]
pub struct Injection {
    pub harm: Harm,
    /// From 0 to 1, for each descriptor.
    pub chance: f64,
    /// How often at most.
    pub count: u64,
}

/// Who draws the lots.
pub(super) struct Injector {
    is_armed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    seed: u64,
    all: Vec<Injection>,
}

impl State {
    /// The next of a sequence that its seed determines (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Injector {
    pub fn new() -> Self {
        Self { is_armed: AtomicBool::new(false), state: Mutex::new(State { seed: 0, all: Vec::new() }) }
    }

    /// Adds to what was asked for before.
    pub fn add(&self, injection: Injection) -> Outcome<()> {
        if !(0.0..=1.0).contains(&injection.chance) {
            return Err(Status::usage(format!("chance is {}; it must be from 0 to 1", injection.chance)));
        }
        lock(&self.state).all.push(injection);
        self.is_armed.store(true, Ordering::Release);
        Ok(())
    }

    /// Begins the sequence of lots anew, with no harm asked for.
    pub fn clear(&self, seed: u64) {
        let mut state = lock(&self.state);
        self.is_armed.store(false, Ordering::Release);
        *state = State { seed, all: Vec::new() };
    }

    /// What happens to the next descriptor: of several sorts the first whose lot is drawn. With it a random number.
    pub fn draw(&self) -> Option<(Harm, u64)> {
        if !self.is_armed.load(Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        for index in 0..state.all.len() {
            let lot = state.draw();
            let Some(injection) = state.all.get_mut(index) else { break };
            let drawn = (lot >> 11) as f64 / (1u64 << 53) as f64;
            if injection.count > 0 && drawn < injection.chance {
                injection.count -= 1;
                let harm = injection.harm;
                return Some((harm, state.draw()));
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_who_is_harmed() {
        let injector = Injector::new();
        let draw = |seed| {
            injector.clear(seed);
            injector.add(Injection { harm: Harm::Lose, chance: 0.25, count: u64::MAX }).unwrap();
            (0..400).map(|_| injector.draw().is_some()).collect::<Vec<_>>()
        };
        let first = draw(7);
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        assert!((60..140).contains(&first.iter().filter(|harmed| **harmed).count()));
    }

    #[test]
    fn so_many_are_harmed_and_no_more() {
        let injector = Injector::new();
        assert!(injector.draw().is_none());
        injector.add(Injection { harm: Harm::Fail(0x20), chance: 1.0, count: 3 }).unwrap();
        let harmed = (0..10).filter_map(|_| injector.draw()).filter(|(harm, _)| *harm == Harm::Fail(0x20));
        assert_eq!(harmed.count(), 3);
        assert!(injector.add(Injection { harm: Harm::Stick, chance: 1.5, count: 1 }).is_err());
    }
}
