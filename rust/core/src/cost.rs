//! What things cost here: measured time per (device, algorithm and level), direction and size class.
//!
//! A size class is a power of two of source bytes. Each holds an exponentially weighted mean of measured run times in
//! nanoseconds (weight 1/8). A class never seen is predicted from the nearest one that was, in proportion to its bytes;
//! where nothing was ever measured, from a deliberately pessimistic prior, so that unknown work is queued rather than
//! run on an event loop.

use crate::alg::{Direction, Kind};
use std::sync::atomic::{AtomicU32, Ordering};

const CLASSES: usize = 40;

/// One algorithm's costs on one device. Lock-free; shareable between threads.
pub struct Costs {
    kind: Kind,
    cells: [[AtomicU32; CLASSES]; Direction::COUNT],
}

/// One row for listings.
#[derive(Debug, Clone, Copy)]
pub struct CostRow {
    pub direction: Direction,
    /// Smallest source of this class, in bytes.
    pub from_bytes: u64,
    pub nanoseconds: u32,
}

fn class_of(bytes: usize) -> usize {
    (usize::BITS - bytes.leading_zeros()) as usize
}

impl Costs {
    pub fn new(kind: Kind) -> Self {
        Self { kind, cells: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU32::new(0))) }
    }

    fn row(&self, direction: Direction) -> &[AtomicU32; CLASSES] {
        &self.cells[direction as usize]
    }

    /// Records one measured run.
    pub fn record(&self, direction: Direction, bytes: usize, nanoseconds: u64) {
        let Some(cell) = self.row(direction).get(class_of(bytes)) else { return };
        let new = u32::try_from(nanoseconds).unwrap_or(u32::MAX).max(1);
        let old = cell.load(Ordering::Relaxed);
        // An outlier (a page fault, a lost time slice) moves the mean by at most a doubling.
        let capped = new.min(old.saturating_mul(8));
        let mean = if old == 0 { new } else { old - old / 8 + capped / 8 };
        cell.store(mean.max(1), Ordering::Relaxed); // a race loses one sample, which is harmless
    }

    /// Predicted run time in nanoseconds.
    pub fn predict(&self, direction: Direction, bytes: usize) -> u64 {
        let row = self.row(direction);
        let class = class_of(bytes).min(CLASSES - 1);
        let known = |class: usize| row.get(class).map_or(0, |cell| cell.load(Ordering::Relaxed));
        let exact = known(class);
        if exact != 0 {
            return u64::from(exact);
        }
        for distance in 1..CLASSES {
            // A larger class first: scaling down errs on the side of caution.
            if let Some(cost) = Some(known(class + distance)).filter(|&c| c != 0) {
                return (u64::from(cost) >> distance.min(63)).max(100);
            }
            if let Some(cost) = class.checked_sub(distance).map(known).filter(|&c| c != 0) {
                return u64::from(cost) << distance.min(31);
            }
        }
        self.prior(bytes)
    }

    fn prior(&self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        let (fixed, each) = match self.kind {
            Kind::Compression => (5_000, 30),
            Kind::Digest | Kind::Mac => (1_000, 3),
            Kind::Cipher | Kind::Aead => (1_000, 2),
            Kind::Random => (2_000, 5),
            Kind::Signature | Kind::Agreement => (300_000, 3),
        };
        bytes.saturating_mul(each).saturating_add(fixed)
    }

    /// What was measured so far.
    pub fn rows(&self) -> Vec<CostRow> {
        let mut rows = Vec::new();
        for &direction in self.kind.directions() {
            for (class, cell) in self.row(direction).iter().enumerate() {
                let nanoseconds = cell.load(Ordering::Relaxed);
                if nanoseconds != 0 {
                    let from_bytes = if class == 0 { 0 } else { 1u64 << (class - 1) };
                    rows.push(CostRow { direction, from_bytes, nanoseconds });
                }
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_is_scaled_from_the_nearest_known() {
        let costs = Costs::new(Kind::Digest);
        costs.record(Direction::Digest, 4096, 2_400);
        assert_eq!(costs.predict(Direction::Digest, 4096), 2_400);
        assert_eq!(costs.predict(Direction::Digest, 8192), 4_800);
        assert_eq!(costs.predict(Direction::Digest, 2048), 1_200);
    }

    #[test]
    fn repeated_measurement_converges_and_one_outlier_does_not() {
        let costs = Costs::new(Kind::Aead);
        for _ in 0..100 {
            costs.record(Direction::Encrypt, 64, 1_000);
        }
        costs.record(Direction::Encrypt, 64, 1_000_000_000);
        assert!(costs.predict(Direction::Encrypt, 64) < 2_500);
        for _ in 0..100 {
            costs.record(Direction::Encrypt, 64, 300);
        }
        assert!((250..400).contains(&costs.predict(Direction::Encrypt, 64)));
    }

    #[test]
    fn unmeasured_compression_of_a_page_is_not_thought_instant() {
        assert!(Costs::new(Kind::Compression).predict(Direction::Compress, 4096) > 30_000);
    }
}
