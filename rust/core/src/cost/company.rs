//! How many messages of a kind usually come together, learnt from how programs use them.

use std::sync::atomic::{AtomicU32, Ordering};

/// Means are kept in parts of one message.
const PARTS: u32 = 16;
/// More in one go make no difference.
const MOST: u32 = 256;
/// One in so many is put off only to see who else comes.
const EXPLORE: u32 = 64;

/// See the head of this file. Lock-free; shareable between threads.
#[derive(Debug, Default)]
pub struct Company {
    /// Submitted by one task without awaiting in between.
    burst: AtomicU32,
    /// Submitted by all tasks of a loop in one turn of it, if each of them waits.
    turn: AtomicU32,
    submitted: AtomicU32,
}

/// Up fast, since the sooner it is known the more it saves; down slowly.
fn note(mean: &AtomicU32, num: u32) {
    let new = num.min(MOST) * PARTS;
    let old = mean.load(Ordering::Relaxed);
    // Rounded towards the new one, so that it is reached.
    let next = if new > old { old + (new - old).div_ceil(2) } else { old - (old - new).div_ceil(4) };
    mean.store(next, Ordering::Relaxed); // a race loses one sample, which is harmless
}

fn read(mean: &AtomicU32) -> usize {
    (mean.load(Ordering::Relaxed) / PARTS).max(1) as usize
}

impl Company {
    /// Counts a message; its number, modulo 2^32.
    pub fn count(&self) -> u32 {
        self.submitted.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the message of this number is to be put off, to see who else comes.
    pub fn explores(number: u32) -> bool {
        number % EXPLORE == EXPLORE - 1
    }

    /// How many have been submitted from the one of this number on.
    pub fn since(&self, number: u32) -> u32 {
        self.submitted.load(Ordering::Relaxed).wrapping_sub(number)
    }

    /// So many came before one of them was awaited.
    pub fn note_burst(&self, num: u32) {
        note(&self.burst, num);
    }

    /// So many came in one turn.
    pub fn note_turn(&self, num: u32) {
        note(&self.turn, num);
    }

    /// How many one task submits in one go.
    pub fn burst(&self) -> usize {
        read(&self.burst)
    }

    /// How many all tasks submit in one turn.
    pub fn turn(&self) -> usize {
        read(&self.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_expected_until_somebody_came() {
        let company = Company::default();
        assert_eq!((company.burst(), company.turn()), (1, 1));
        company.note_burst(1);
        assert_eq!(company.burst(), 1);
    }

    #[test]
    fn it_learns_fast_and_forgets_slowly() {
        let company = Company::default();
        company.note_burst(64);
        assert!(company.burst() >= 32);
        (0..8).for_each(|_| company.note_burst(64));
        assert!(company.burst() >= 60);
        company.note_burst(1);
        assert!(company.burst() >= 32);
        (0..32).for_each(|_| company.note_burst(1));
        assert_eq!(company.burst(), 1);
    }

    #[test]
    fn what_always_comes_is_expected() {
        for num in [2, 3, 64, MOST] {
            let company = Company::default();
            (0..20).for_each(|_| company.note_burst(num));
            assert_eq!(company.burst(), num as usize);
        }
    }

    #[test]
    fn one_in_64_is_put_off() {
        let company = Company::default();
        assert_eq!((0..640).filter(|_| Company::explores(company.count())).count(), 10);
        assert_eq!(company.since(600), 40);
    }

    #[test]
    fn whatever_is_noted_stays_in_bounds() {
        let company = Company::default();
        [u32::MAX, 0, 1, u32::MAX, 7].into_iter().for_each(|num| company.note_turn(num));
        assert!((1..=MOST as usize).contains(&company.turn()));
    }
}
