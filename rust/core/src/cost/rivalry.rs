//! What balancers remember of one algorithm's rivals, per direction and size class.

use super::{CLASSES, Company, DEPTHS, DIRECTIONS, class_of, depth_class};
use crate::alg::Direction;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a balancer remembers of one algorithm's rivals. Lock-free; shareable between threads.
pub struct Rivalry {
    /// How many of its messages come together.
    pub company: Company,
    bouts: [[Bout; CLASSES]; DIRECTIONS],
    /// Of 2 and more messages together.
    deeper: OnceLock<Box<[Rivalry; DEPTHS]>>,
}

/// What is remembered per direction and size class.
#[derive(Default)]
pub struct Bout {
    requests: AtomicU32,
    /// The favourite's number and one; 0 is nobody.
    favourite: AtomicU32,
    trials: AtomicU32,
    /// Number of the request from which the next trial may be.
    next_trial: AtomicU32,
    /// Who was explored last, and what its run was thought to take: number and one, and an f32, 32 bits each.
    explored: AtomicU64,
}

impl Default for Rivalry {
    fn default() -> Self {
        let bouts = std::array::from_fn(|_| std::array::from_fn(|_| Bout::default()));
        Self { company: Company::default(), bouts, deeper: OnceLock::new() }
    }
}

impl Rivalry {
    /// The memory for requests of which so many travel together.
    pub fn at(&self, depth: usize) -> &Self {
        match depth_class(depth).checked_sub(1) {
            None => self,
            Some(class) => self.deeper.get_or_init(Box::default).get(class).unwrap_or(self),
        }
    }

    /// The memory for requests like this one.
    pub fn bout(&self, direction: Direction, bytes: usize) -> &Bout {
        // An algorithm has at most two directions, and one of two is always one of these three.
        let back = matches!(direction, Direction::Decompress | Direction::Decrypt | Direction::Verify);
        let [forth_row, back_row] = &self.bouts;
        let row = if back { back_row } else { forth_row };
        let [smallest, ..] = row;
        row.get(class_of(bytes).min(CLASSES - 1)).unwrap_or(smallest)
    }
}

impl Bout {
    /// Between trials there are at least so many requests; twice as many after each [`Self::PATIENCE`] trials.
    const PAUSE: u32 = 2;
    const PATIENCE: u32 = 16;

    /// Counts a request; how many there were before it, modulo 2^32.
    pub fn count(&self) -> u32 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Number of the device that is preferred while none is clearly better.
    pub fn favourite(&self) -> Option<u32> {
        self.favourite.load(Ordering::Relaxed).checked_sub(1)
    }

    pub fn prefer(&self, device: u32) {
        self.favourite.store(device.wrapping_add(1), Ordering::Relaxed);
    }

    /// Remembers that this device, whose run is thought to take so long, is looked at.
    pub fn explore(&self, device: u32, run_ns: u64) {
        let word = (u64::from(device.wrapping_add(1)) << 32) | u64::from((run_ns as f32).to_bits());
        self.explored.store(word, Ordering::Relaxed);
    }

    /// Number of the device looked at last, and what its run was thought to take then.
    pub fn explored(&self) -> Option<(u32, f32)> {
        let word = self.explored.load(Ordering::Relaxed);
        Some((((word >> 32) as u32).checked_sub(1)?, f32::from_bits(word as u32)))
    }

    /// Whether the request of this number may be a trial; if so, the next ones may not.
    pub fn may_try(&self, request: u32) -> bool {
        let next = self.next_trial.load(Ordering::Relaxed);
        if (request.wrapping_sub(next) as i32) < 0 {
            return false;
        }
        // Trials that never end in a measurement, because the device fails each time, become rare.
        let trials = self.trials.load(Ordering::Relaxed);
        let after = request.wrapping_add(Self::PAUSE << (trials / Self::PATIENCE).min(12));
        let won = self.next_trial.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            self.trials.store(trials.saturating_add(1), Ordering::Relaxed);
        }
        won
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_have_pauses_that_grow() {
        let bout = Bout::default();
        let tried: Vec<u32> = (0..100_000).filter(|&request| bout.may_try(request)).collect();
        assert_eq!(tried.get(..4), Some([0, 2, 4, 6].as_slice()));
        assert!(tried.len() < 16 * 15, "{}", tried.len());
    }

    #[test]
    fn each_size_class_and_direction_counts_for_itself() {
        let rivalry = Rivalry::default();
        rivalry.bout(Direction::Encrypt, 64).count();
        assert_eq!(rivalry.bout(Direction::Encrypt, 127).count(), 1);
        assert_eq!(rivalry.bout(Direction::Encrypt, 128).count(), 0);
        assert_eq!(rivalry.bout(Direction::Decrypt, 64).count(), 0);
        assert_eq!(rivalry.bout(Direction::Digest, usize::MAX).count(), 0);
    }

    #[test]
    fn who_was_explored_is_remembered_with_its_run() {
        let bout = Bout::default();
        assert_eq!(bout.explored(), None);
        bout.explore(0, 1_000);
        assert_eq!(bout.explored(), Some((0, 1_000.0)));
        bout.prefer(7);
        assert_eq!(bout.favourite(), Some(7));
    }

    #[test]
    fn a_rivalry_is_small() {
        assert!(size_of::<Rivalry>() < 2048);
    }
}
